"""The settings that a repository's commits hold, whatever is in the working tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlrepo.repository.discovery import parse_settings
from mlrepo.repository.outgoing import files_at
from mlrepo.repository.process import GitError, git
from mlrepo.settings import FILE_NAME

_USUAL = ("main", "master")


def committed_settings(
    root: Path, remote: str = "", tips: Sequence[str] = ()
) -> list[tuple[str, Mapping[str, str]]]:
    """Return each committed ``mlrepo.toml`` that counts: where it is, and its settings.

    Those of HEAD, ``tips`` and the default branch count, or of all branches if the default branch
    is unknown. Experiment and submission branches may have none.

    Raises
    ------
    UserError
        One of the files is not a valid ``mlrepo.toml``.
    """
    default = _default_branches(root, remote)
    asked = ["HEAD", *tips, *default]
    files = dict(zip(asked, files_at(root, asked, FILE_NAME), strict=True))
    known = next((ref for ref in default if files[ref] is not None), None)
    wanted = [*dict.fromkeys(["HEAD", *tips]), *([known] if known else [])]
    if known is None:
        every = _branches(root)
        files |= dict(zip(every, files_at(root, every, FILE_NAME), strict=True))
        wanted += every
    found: dict[bytes, str] = {}
    for revision in wanted:
        data = files[revision]
        if data is not None:
            found.setdefault(data, revision)
    return [
        (where := f"{FILE_NAME} of {_short(revision)}", parse_settings(_text(data), where))
        for data, revision in found.items()
    ]


def _short(revision: str) -> str:
    """Return the short name of a branch or commit."""
    return revision.removeprefix("refs/heads/") if "/" in revision else revision[:10]


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _default_branches(root: Path, remote: str) -> list[str]:
    """Return the possible refs of the default branch, most likely first."""
    return list(dict.fromkeys(_names(root, remote)))


def _names(root: Path, remote: str) -> Iterator[str]:
    for name in filter(None, dict.fromkeys([remote, "origin"])):
        there = f"refs/remotes/{name}/"
        head = _said(root, "symbolic-ref", "--quiet", f"{there}HEAD")
        if head.startswith(there):
            # The local branch may be ahead: lifting an embargo is committed before it is pushed.
            yield f"refs/heads/{head.removeprefix(there)}"
            yield head
    if name := _said(root, "config", "--get", "init.defaultBranch"):
        yield f"refs/heads/{name}"
    yield from (f"refs/heads/{name}" for name in _USUAL)


def _branches(root: Path) -> list[str]:
    listed = _said(root, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes")
    return [name for name in listed.split("\n") if name]


def _said(root: Path, *arguments: str) -> str:
    try:
        return git(*arguments, cwd=root, in_hook=True).rstrip("\n")
    except GitError:
        return ""
