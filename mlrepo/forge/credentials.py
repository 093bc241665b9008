"""Find the token for a forge's API, and decide which server may receive it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mlrepo.errors import UserError
from mlrepo.repository.remotes import credential_of

_GITHUB_VARIABLES = ("GH_TOKEN", "GITHUB_TOKEN")
# GitHub's own tool reads these for GitHub Enterprise Server.
_ENTERPRISE_VARIABLES = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
_GITHUB_API_HOST = "api.github.com"
_GH_TIMEOUT = 20


@dataclass(frozen=True)
class Token:
    """A token and where it came from."""

    value: str = field(repr=False)
    origin: str


def find_token(
    api_url: str, environ: Mapping[str, str], directory: Path, *, chosen_by_user: bool
) -> Token:
    """Return the token for the API at ``api_url``.

    It is searched for in the environment, ``gh auth token`` and Git's credential helpers, in this
    order; nothing prompts.

    Parameters
    ----------
    directory:
        The Git repository whose configuration names credential helpers.
    chosen_by_user:
        Whether the URL came from this user's environment or command line. A URL that came with a
        repository only gets tokens stored for exactly its host: the author of that file must not be
        able to have GH_TOKEN sent to a server of their own.

    Raises
    ------
    UserError
        There is no token, or it contains characters that are not allowed in a header.
    """
    token = _find(api_url, environ, directory, chosen_by_user=chosen_by_user)
    if not (token.value.isascii() and token.value.isprintable() and " " not in token.value):
        raise UserError(
            f"The token from {token.origin} holds spaces, line breaks or other characters that no "
            "token has.",
            hint="Store it again, without quotes and line breaks.",
        )
    return token


def _find(
    api_url: str, environ: Mapping[str, str], directory: Path, *, chosen_by_user: bool
) -> Token:
    parts = urlsplit(api_url)
    at_github = parts.hostname == _GITHUB_API_HOST
    host = "github.com" if at_github else parts.netloc
    names: tuple[str, ...] = ()
    if at_github:
        names = _GITHUB_VARIABLES
    elif chosen_by_user or environ.get("GH_HOST") in (host, parts.hostname):
        names = (*_ENTERPRISE_VARIABLES, *_GITHUB_VARIABLES)
    for name in names:
        if value := environ.get(name, "").strip():
            return Token(value, name)
    if value := _gh_token(host, environ):
        return Token(value, "gh auth token")
    if value := credential_of(f"{parts.scheme}://{host}/", directory):
        return Token(value, "Git's credential helper")
    variable = "GH_TOKEN" if names else f"GH_TOKEN together with GH_HOST={host}"
    raise UserError(
        f"There is no token for {host}.",
        hint=f"Set {variable}, run `gh auth login --hostname {host}`, or store one with Git's "
        "credential helper. It needs the right to write contents and pull requests.",
    )


def _gh_token(host: str, environ: Mapping[str, str]) -> str:
    gh = shutil.which("gh", path=environ.get("PATH"))
    if gh is None:
        return ""
    # Without these variables, gh prints the token that it has stored.
    hidden = (*_GITHUB_VARIABLES, *_ENTERPRISE_VARIABLES)
    try:
        done = subprocess.run(
            [gh, "auth", "token", "--hostname", host],
            env={key: value for key, value in environ.items() if key not in hidden},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GH_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
