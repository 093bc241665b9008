"""Where an endpoint is and how to get there: URL, token, proxy, TLS."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from mlrepo.backends.endpoint import TOKEN_VARIABLE, is_this_machine
from mlrepo.backends.openai.answer import printable, words_of
from mlrepo.backends.openai.problems import RequestProblem
from mlrepo.errors import Unusable

_MASK = "<token>"
_HINTS = {
    401: f"The endpoint wants another token: set {TOKEN_VARIABLE}.",
    403: f"The token in {TOKEN_VARIABLE} may not do this.",
    404: "Check --endpoint (it usually ends in /v1), --endpoint-model and --endpoint-kind.",
    413: "The prompt is too long for the server.",
    429: "The server refuses so many requests: allow more there, or ask for fewer at once "
    "(--qps, --backend-opt connections=N).",
    503: "The server is not ready, or has too much to do; look into its log.",
}


@dataclass(frozen=True)
class EndpointAddress:
    """An endpoint and the way to it.

    Attributes
    ----------
    base:
        Its URL without a final slash, such as ``http://127.0.0.1:8000/v1``.
    token:
        Sent to this endpoint as ``Authorization: Bearer``; '' for none.
    proxy:
        The URL of the proxy; None for a direct connection.
    tls:
        The certificates that are trusted; None for those of the system.
    """

    base: str
    token: str = field(default="", repr=False)
    proxy: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    @classmethod
    def find(cls, url: str, authority: Path | None, environ: Mapping[str, str]) -> EndpointAddress:
        """Return the address of an endpoint, with the token and the proxy of the environment.

        ``authority`` is a file of certificates (PEM) that are trusted instead of the system's.

        Raises
        ------
        Unusable
            The token cannot be sent in a header, or the file has no certificate.
        """
        token = environ.get(TOKEN_VARIABLE, "").strip()
        if not token.isascii() or any(not 32 < ord(char) < 127 for char in token):
            raise Unusable(
                f"The token in {TOKEN_VARIABLE} holds a character that no header may have.",
                hint="Set it to the token alone.",
            )
        return cls(url.rstrip("/"), token, proxy_for(url), _trusted(authority))

    def __str__(self) -> str:
        return self.base

    def url(self, path: str) -> str:
        """Return the URL of one of its resources."""
        return f"{self.base}/{path}"

    def headers(self) -> dict[str, str]:
        """Return the headers of each request."""
        found = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json",
            # A compressed stream would hold tokens back.
            "Accept-Encoding": "identity",
            "User-Agent": "mlrepo",
        }
        return {**found, "Authorization": f"Bearer {self.token}"} if self.token else found

    def clean(self, text: str) -> str:
        """Return a text of the server without the token: some repeat it in their errors."""
        return text.replace(self.token, _MASK) if self.token else text

    def refusal(self, status: int, location: str, body: bytes) -> RequestProblem:
        """Return why the endpoint refused a request."""
        if 300 <= status < 400:
            return RequestProblem(
                f"the endpoint redirects to {self.clean(printable(location, 200)) or 'nowhere'} "
                f"(HTTP {status}), and redirects are not followed",
                "If that is the right server, give its URL with --endpoint; the token was not "
                "sent there.",
            )
        text = body.decode("utf-8", "replace")
        try:
            words = words_of(json.loads(text))
        except (ValueError, RecursionError):
            words = printable(text)
        said = f": {self.clean(words)}" if words else ""
        hint = _HINTS.get(status, "Look into the log of the server.")
        return RequestProblem(f"HTTP {status}{said}", hint)

    def unreachable(self, error: Exception) -> RequestProblem:
        """Return why the endpoint was not reached, without what was sent to it."""
        through = " through the proxy of the environment" if self.proxy else ""
        if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError):
            return RequestProblem(
                f"the certificate of the endpoint is not trusted{through}: "
                f"{printable(str(getattr(error, 'certificate_error', error)))}",
                "Give the certificate, or that of its authority, with --endpoint-ca FILE.",
            )
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return RequestProblem(
                f"the proxy of the environment answered HTTP {error.status}",
                "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
            )
        if isinstance(error, aiohttp.ClientResponseError):
            return RequestProblem(
                "the reply of the endpoint is not HTTP", "Check the port in --endpoint."
            )
        if isinstance(error, aiohttp.ServerDisconnectedError):
            return RequestProblem(
                "the server closed the connection without an answer",
                "Look into the log of the server.",
            )
        system = error.strerror if isinstance(error, OSError) else ""
        return RequestProblem(
            f"the endpoint cannot be reached{through}: {system or type(error).__name__}",
            "Check that the server runs, and --endpoint.",
        )


def proxy_for(url: str) -> str | None:
    """Return the proxy for a URL by the environment, as Python's urllib reads it; None for none.

    ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` count, in lower case first. An
    endpoint on this machine is never asked through a proxy: it would be another one there.
    """
    parts, proxies = urlsplit(url), getproxies()
    if is_this_machine(url) or proxy_bypass(parts.netloc):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def _trusted(authority: Path | None) -> ssl.SSLContext | None:
    if authority is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as error:
        raise Unusable(
            f"--endpoint-ca {authority} has no certificate that can be read: "
            f"{getattr(error, 'strerror', None) or error}.",
            hint="Give a file of certificates in PEM format.",
        ) from None
