"""What a fetched upstream changed in the files that decide about runs and selections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.repository.discovery import ResultsRepository
from mlrepo.settings import FILE_NAME

if TYPE_CHECKING:
    import pygit2

_DECISIVE = (FILE_NAME, "systems", "rounds")


@dataclass(frozen=True)
class Behind:
    """A branch lacks commits of another: the checked-out one of its upstream, or the reverse.

    Attributes
    ----------
    branch, upstream:
        The short names of the one that lacks commits and of the other: ``main``, ``origin/main``.
    commits:
        How many it lacks.
    paths:
        Which of ``mlrepo.toml``, ``systems`` and ``rounds`` these commits change; at least one.
    """

    branch: str
    upstream: str
    commits: int
    paths: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in a sentence without a full stop."""
        lacks = "1 commit" if self.commits == 1 else f"{self.commits} commits"
        verb = "changes" if self.commits == 1 else "change"
        return f"{self.branch} lacks {lacks} of {self.upstream}, which {verb} {self._named}"

    @property
    def _named(self) -> str:
        return " and ".join(self.paths)


def behind_upstream(repository: ResultsRepository) -> Behind | None:
    """Return what the checked-out branch lacks of its upstream, as far as that was fetched.

    None if it has no upstream, lacks nothing, or what it lacks changes neither settings nor
    descriptions of systems nor rounds.
    """
    return _lacking(repository, reverse=False)


def ahead_of_upstream(repository: ResultsRepository) -> Behind | None:
    """Return what the upstream of the checked-out branch lacks; None as for the reverse."""
    return _lacking(repository, reverse=True)


def _lacking(repository: ResultsRepository, *, reverse: bool) -> Behind | None:
    import pygit2

    repo = repository.git
    if repo.head_is_unborn or repo.head_is_detached:
        return None
    branch = repo.branches.local[repo.head.shorthand]
    upstream = branch.upstream
    if upstream is None:
        return None
    one, other = (upstream, branch) if reverse else (branch, upstream)
    here, there = one.target, other.target
    commits = repo.ahead_behind(here, there)[1]
    base = repo.merge_base(here, there) if commits else None
    if base is None:
        return None
    before, after = (repo[each].peel(pygit2.Commit).tree for each in (base, there))
    paths = tuple(path for path in _DECISIVE if _id(before, path) != _id(after, path))
    if not paths:
        return None
    return Behind(one.branch_name, other.branch_name, commits, paths)


def _id(tree: pygit2.Tree, name: str) -> str:
    return str(tree[name].id) if name in tree else ""
