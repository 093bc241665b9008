"""Cloning a results repository: all experiment branches, and a checkout that has its settings."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import RemoteUnavailable, UserError
from mlrepo.repository.process import GitError, git, git_output
from mlrepo.repository.settings_branches import OWN, USUAL, branches, having_settings
from mlrepo.settings import FILE_NAME

_REMOTE = "refs/remotes/origin/"


@dataclass(frozen=True)
class Cloned:
    """A clone.

    Attributes
    ----------
    root:
        Its working tree.
    said:
        What Git said, line by line: warnings.
    branch:
        The branch that is checked out; '' if none could be.
    began:
        The commit at which that branch begins, if the remote has no such branch; else ''.
    elsewhere:
        Remote branches with ``mlrepo.toml``, where the one that is checked out has none.
    is_empty:
        Whether the remote has no commit.
    """

    root: Path
    said: tuple[str, ...]
    branch: str
    began: str = ""
    elsewhere: tuple[str, ...] = ()
    is_empty: bool = False


def clone(url: str, directory: Path) -> Cloned:
    """Clone a results repository with all experiment branches.

    A bare repository's HEAD may name a branch that nobody pushed. Git then checks nothing out; here
    the branch that has ``mlrepo.toml`` is: ``main``, ``master`` or another. If only experiment
    branches have it, ``main`` begins at the commit that added it, from which they all come.

    Raises
    ------
    RemoteUnavailable
        Git could not get it; git's own words are in the message.
    UserError
        The directory is not empty.
    """
    directory = directory.resolve()
    if directory.exists() and any(directory.iterdir()):
        raise UserError(f"{directory} exists and is not empty.", hint="Name another directory.")
    existed = directory.exists()
    settings = ("-c", "transfer.fsckObjects=true")
    try:
        _, said = git_output(
            "clone", "--quiet", *settings, "--", url, str(directory), cwd=Path.cwd()
        )
    except GitError as error:
        if not existed:
            shutil.rmtree(directory, ignore_errors=True)
        raise RemoteUnavailable(
            f"{url} could not be cloned: {error.stderr}",
            hint="Check the URL, your access and the network.",
        ) from error
    lines = tuple(line for line in said.decode("utf-8", "replace").splitlines() if line.strip())
    return _checked_out(directory, lines)


def _checked_out(root: Path, said: tuple[str, ...]) -> Cloned:
    known = branches(root, _REMOTE)
    if (root / FILE_NAME).exists() or not known:
        return Cloned(root, said, _head(root), is_empty=not known)
    having = having_settings(root, _REMOTE, known)
    branch = _head(root)
    if branch:
        return Cloned(root, said, branch, elsewhere=tuple(having))
    if having and not having[0].startswith(OWN):
        git("switch", "--quiet", having[0], cwd=root)
        return Cloned(root, said, having[0])
    began = _added(root, having[0]) if having else ""
    if not began:
        return Cloned(root, said, "", elsewhere=tuple(known))
    git("switch", "--quiet", "--create", USUAL[0], began, cwd=root)
    return Cloned(root, said, USUAL[0], began)


def _head(root: Path) -> str:
    """Return the branch that is checked out; '' if it has no commit."""
    try:
        git("rev-parse", "--quiet", "--verify", "HEAD^{commit}", cwd=root)
    except GitError:
        return ""
    return git("rev-parse", "--abbrev-ref", "HEAD", cwd=root).strip()


def _added(root: Path, branch: str) -> str:
    """Return the oldest commit of a branch that added the settings; '' for a submission branch."""
    if not branch.startswith("exp/"):
        return ""
    arguments = ("--diff-filter=A", "--format=%H", "--reverse", _REMOTE + branch, "--", FILE_NAME)
    commits = git("log", *arguments, cwd=root).split()
    return commits[0] if commits else ""
