"""A system under test that is reached over HTTP: which one, and what it is asked for."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from mlrepo.errors import UserError

TOKEN_VARIABLE = "MLREPO_ENDPOINT_TOKEN"
CHAT, COMPLETIONS = "chat", "completions"
KINDS = (CHAT, COMPLETIONS)


@dataclass(frozen=True)
class Endpoint:
    """A system under test behind HTTP.

    Attributes
    ----------
    url:
        The base URL of its API: ``http://127.0.0.1:8000/v1``.
    model:
        The name of the model there.
    kind:
        Which of the API's resources is asked: ``chat`` (chat/completions) or ``completions``.
    authority:
        A file of certificates (PEM) that are trusted instead of the system's; '' for none.
    """

    url: str
    model: str
    kind: str
    authority: str = ""


def check_url(url: str) -> None:
    """Raise :class:`UserError` for a URL that is not one of an endpoint."""
    hint = "Give the base URL of the API, such as --endpoint http://127.0.0.1:8000/v1."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UserError(f"--endpoint {url!r} is not a URL.", hint=hint) from None
    if parts.username or parts.password:
        raise UserError(
            "--endpoint holds a name or a password, which would be recorded.",
            hint=f"Put the token into the environment: {TOKEN_VARIABLE}.",
        )
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise UserError(f"--endpoint {url!r} is not a URL of HTTP.", hint=hint)
    if parts.query or parts.fragment:
        raise UserError(f"--endpoint {url!r} has a part after ? or #.", hint=hint)


def is_this_machine(url: str) -> bool:
    """Say whether a URL is on this machine: the host is ``localhost`` or a loopback address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
