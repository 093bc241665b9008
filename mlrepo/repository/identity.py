"""Who commits: exactly what git itself would use, never an invented identity."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mlrepo.account import has_home
from mlrepo.errors import UserError
from mlrepo.repository.process import GitError, git

_IDENT = re.compile(r"(?P<name>.*) <(?P<email>[^<>]*)> \d+ [+-]\d{4}\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Person:
    """A name and an e-mail address."""

    name: str
    email: str


@dataclass(frozen=True)
class Identity:
    """Author and committer, as ``git var`` reports them (GIT_AUTHOR_*, includeIf, …)."""

    author: Person
    committer: Person
    sign: bool


def git_identity(root: Path) -> Identity:
    """Return the identity for commits in the repository at ``root``.

    Raises
    ------
    UserError
        Git has no identity configured.
    """
    try:
        author, committer = (
            _person(git("-c", "user.useConfigOnly=true", "var", name, cwd=root))
            for name in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
        )
    except GitError as error:
        raise UserError(
            "Git does not know who you are, so nothing can be committed.", hint=_how_to_say()
        ) from error
    try:
        sign = git("config", "--type=bool", "--get", "commit.gpgSign", cwd=root).strip() == "true"
    except GitError:
        sign = False
    return Identity(author, committer, sign)


def _how_to_say() -> str:
    """Return how to set the identity; the user's Git settings need a home directory."""
    if has_home():
        return (
            'Run `git config --global user.name "Your Name"` and '
            "`git config --global user.email you@example.com`."
        )
    return (
        "There is no home directory for Git's settings here: set GIT_AUTHOR_NAME, "
        "GIT_AUTHOR_EMAIL, GIT_COMMITTER_NAME and GIT_COMMITTER_EMAIL, or in the repository "
        '`git config user.name "Your Name"` and `git config user.email you@example.com`.'
    )


def _person(ident: str) -> Person:
    match = _IDENT.match(ident)
    if not match or not match["name"] or not match["email"]:  # libgit2 refuses an empty address
        raise GitError(("var",), 1, f"incomplete identity {ident!r}")
    return Person(match["name"], match["email"])
