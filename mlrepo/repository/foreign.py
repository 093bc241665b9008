"""Trees of other repositories, fetched into a temporary copy: nothing of them enters ours."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import RemoteUnavailable
from mlrepo.redaction import Redactor, shown_url
from mlrepo.repository.git_trees import CommitTree
from mlrepo.repository.process import GitError, git

_URL = re.compile(r"[a-z][a-z0-9+.-]*://|[^/\s@]+@[^/\s:]+:|[^/\s:]+:[^/\s]", re.IGNORECASE)


@dataclass(frozen=True)
class ForeignCommit:
    """The tip of a branch of another repository.

    Attributes
    ----------
    changed:
        Paths that the tip changes relative to its first parent; all paths if it has none.
    """

    tree: CommitTree
    commit: str
    changed: tuple[str, ...]


def is_url(text: str) -> bool:
    """Return whether a text is the URL of a remote repository, not a path."""
    return bool(_URL.match(text)) and not Path(text).exists()


def url_of(remote: str, cwd: Path) -> str:
    """Return the URL of a remote of the repository around ``cwd``, else the text itself.

    A path becomes a URL, since git copies the whole of a repository that it is given by path.
    """
    with contextlib.suppress(GitError):
        return git("remote", "get-url", "--", remote, cwd=cwd).strip()
    path = Path(remote)
    return path.absolute().as_uri() if path.is_dir() else remote


@contextlib.contextmanager
def fetched(url: str, branch: str = "") -> Iterator[ForeignCommit]:
    """Fetch the last two commits of a branch (default: the remote's own) into a temporary copy.

    Raises
    ------
    RemoteUnavailable
        Git could not fetch it; git's own message is included.
    """
    with tempfile.TemporaryDirectory(prefix="mlrepo-fetched-") as name:
        directory = Path(name) / "repository"
        wanted = ["--branch", branch] if branch else []
        try:
            git(
                "clone",
                "--quiet",
                "--bare",
                "--depth",
                "2",
                "--single-branch",
                "--no-tags",
                "-c",
                "transfer.fsckObjects=true",
                *wanted,
                "--",
                url,
                str(directory),
                cwd=Path(name),
            )
            commit = git("rev-parse", "HEAD", cwd=directory).strip()
            changed = git(
                "diff-tree",
                "-r",
                "-z",
                "--root",
                "--name-only",
                "--no-commit-id",
                "-m",
                "--first-parent",
                commit,
                cwd=directory,
            )
        except GitError as error:
            shown = shown_url(url)
            what = f"The branch {branch} of {shown}" if branch else shown
            raise RemoteUnavailable(
                f"{what} could not be fetched: "
                f"{Redactor().text(error.stderr.replace(url, shown))[0]}",
                hint="Check the name, your access and the network.",
            ) from error
        tree = CommitTree(directory, commit)
        try:
            yield ForeignCommit(tree, commit, tuple(filter(None, changed.split("\0"))))
        finally:
            tree.close()
