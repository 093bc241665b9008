"""Choose the forge of an official repository from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.forge.credentials import find_token
from mlrepo.forge.forge import Address, Forge, GitForge, GitLab
from mlrepo.forge.github import GitHub
from mlrepo.forge.http_json import JsonApi, api_root, is_loopback
from mlrepo.settings import FILE_NAME, Resolver

GITHUB, GITLAB, PLAIN = "github", "gitlab", "git"


def forge_for(
    resolver: Resolver,
    environ: Mapping[str, str],
    directory: Path,
    *,
    fork: str | None = None,
    timeout: float,
) -> Forge:
    """Return the forge of ``official.repository``, with the fork that the settings name.

    Parameters
    ----------
    directory:
        The Git repository whose configuration names credential helpers.
    fork:
        The fork given on the command line.
    timeout:
        Seconds to wait for an answer from the forge's API.

    Raises
    ------
    UserError
        A setting is missing or does not fit, or there is no token.
    """
    official = Address.parse(resolver.require("official.repository").value)
    found_fork = resolver.find("official.fork", fork)
    wanted = found_fork.value if found_fork else ""
    kind = _kind(resolver, official)
    if kind != GITHUB:
        forge = GitLab if kind == GITLAB else GitForge
        return forge(official, Address.parse(wanted) if wanted else None)
    if official.origin.startswith("http:") and not is_loopback(official.host):
        raise UserError(
            f"{official.url} is not encrypted; a token would be readable on the way.",
            hint="Use https: `mlrepo config set official.repository URL`.",
        )
    api_url = resolver.find("official.api_url")
    default = f"https://{official.host}/api/v3"
    if official.host == "github.com":
        default = "https://api.github.com"
    root = api_root(api_url.value if api_url else default)
    token = find_token(
        root,
        environ,
        directory,
        chosen_by_user=api_url is not None and api_url.origin != FILE_NAME,
    )
    api = JsonApi(root, token.value, token.origin, timeout)
    return GitHub(api, official, _full_name(wanted))


def _kind(resolver: Resolver, official: Address) -> str:
    given = resolver.find("official.forge")
    if given is not None:
        return given.value
    if official.host == "github.com" or resolver.find("official.api_url") is not None:
        return GITHUB
    return GITLAB if "gitlab" in official.host.split(".") else PLAIN


def _full_name(fork: str) -> str:
    """Return ``owner/name`` of a fork, which may be given as a URL."""
    if "://" in fork or ":" in fork:
        return Address.parse(fork).full_name
    if fork.count("/") > 1:
        raise UserError(
            f"{fork!r} is not the name of a fork on GitHub.",
            hint="Use OWNER, OWNER/NAME or its URL.",
        )
    return fork
