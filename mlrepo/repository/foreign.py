"""Trees of other repositories, looked at in a temporary copy: nothing of them comes into ours."""

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
        Paths that the tip changes against its first parent; all of them if it has none.
    """

    tree: CommitTree
    commit: str
    changed: tuple[str, ...]


def is_url(text: str) -> bool:
    """Say whether a text names a remote repository and not a path."""
    return bool(_URL.match(text)) and not Path(text).exists()


def url_of(remote: str, cwd: Path) -> str:
    """Return the URL of a remote that the repository around ``cwd`` knows, else the text itself.

    A path becomes a URL, since git copies all of a repository that it is given by path.
    """
    with contextlib.suppress(GitError):
        return git("remote", "get-url", "--", remote, cwd=cwd).strip()
    path = Path(remote)
    return path.absolute().as_uri() if path.is_dir() else remote


@contextlib.contextmanager
def fetched(url: str, branch: str = "") -> Iterator[ForeignCommit]:
    """Fetch the last two commits of a branch (default: the remote's own) for as long as needed.

    Raises
    ------
    RemoteUnavailable
        Git could not get it; git's own words are in the message.
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
