"""Reading single directories and files of a commit without listing the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.paths import RepoPath
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.graft import find_blob
from mlrepo.repository.process import GitError, git
from mlrepo.repository.recorder import read_blob

if TYPE_CHECKING:
    import pygit2

REGULAR = 0o100644
DIRECTORY = 0o040000


@dataclass(frozen=True)
class Existing:
    """An object of the repository as a tree entry; ``mode`` is Git's."""

    oid: str
    mode: int = REGULAR


@dataclass(frozen=True)
class CommitView:
    """The tree of one commit; without a commit (an unborn branch) it is empty."""

    repo: pygit2.Repository
    tree: pygit2.Oid | None

    def entries(self, path: RepoPath) -> dict[str, Existing]:
        """Return the entries of a directory by name; none if there is no such directory."""
        oid = find_blob(self.repo, self.tree, path)
        return {} if oid is None else entries_of(self.repo, oid)

    def read(self, path: RepoPath) -> bytes | None:
        """Return the content of a file, or None where there is none."""
        oid = find_blob(self.repo, self.tree, path)
        return None if oid is None else read_blob(self.repo, oid)


def entries_of(repo: pygit2.Repository, oid: pygit2.Oid | str) -> dict[str, Existing]:
    """Return the entries of a tree object by name; none if it is not a tree."""
    import pygit2

    tree = repo.get(oid)
    if not isinstance(tree, pygit2.Tree):
        return {}
    return {str(e.name): Existing(str(e.id), int(e.filemode)) for e in tree}


def read_object(view: CommitView, existing: Existing) -> bytes:
    """Return the bytes of a file of the repository that a view reads."""
    import pygit2

    return read_blob(view.repo, pygit2.Oid(hex=existing.oid))


def view_tree(repository: ResultsRepository, tree: str) -> CommitView:
    """Return a view of a tree object, given by its full id."""
    import pygit2

    return CommitView(repository.git, pygit2.Oid(hex=tree))


def view_commit(repository: ResultsRepository, commit: str) -> CommitView:
    """Return a view of an existing commit, given by its full id."""
    repo = repository.git
    return CommitView(repo, repo[commit].tree.id)


def view_head(repository: ResultsRepository) -> CommitView:
    """Return a view of the commit that is checked out; empty before the first one."""
    try:
        commit = git("rev-parse", "--verify", "--quiet", "HEAD", cwd=repository.root).strip()
    except GitError:
        return CommitView(repository.git, None)
    return view_commit(repository, commit)
