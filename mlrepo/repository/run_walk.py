"""One walk over the experiment branches: the runs, the acts on them, and which branch has which."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlrepo.repository.acts import KNOWN, RENAME, Act, acts_in
from mlrepo.repository.damage import damaged, problem_of
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.left_out import note_left_out
from mlrepo.repository.recorder import RUNS
from mlrepo.repository.trailers import parse_trailers

if TYPE_CHECKING:
    import pygit2


@dataclass(frozen=True)
class WalkedCommit:
    """A commit of an experiment branch.

    Attributes
    ----------
    time:
        Of the committer, in seconds.
    trailers:
        Those of the run that it records; None if it records none.
    branch:
        The full name of the branch from which it was reached first.
    """

    time: int
    parents: Sequence[pygit2.Oid]
    trailers: Mapping[str, str] | None
    branch: str


@dataclass(frozen=True)
class Walk:
    """The commits of experiment branches that have runs, and the acts that they carry.

    Attributes
    ----------
    acts:
        By the run's id.
    renames:
        The commits that renamed an experiment.
    """

    commits: Mapping[pygit2.Oid, WalkedCommit]
    acts: Mapping[str, Sequence[Act]]
    renames: Sequence[tuple[pygit2.Oid, Act]] = field(default_factory=tuple)

    def newest_first(self) -> Iterator[tuple[pygit2.Oid, WalkedCommit]]:
        """Yield the commits, children before parents, as ``git log --date-order`` does.

        The date alone is not enough: commits in the same second, and clocks that disagree, are
        common.
        """
        children: Counter[pygit2.Oid] = Counter()
        for commit in self.commits.values():
            children.update(commit.parents)
        queue = [(-c.time, str(oid), oid) for oid, c in self.commits.items() if not children[oid]]
        heapq.heapify(queue)
        while queue:
            _, _, oid = heapq.heappop(queue)
            commit = self.commits[oid]
            yield oid, commit
            for parent in commit.parents:
                children[parent] -= 1
                if not children[parent] and parent in self.commits:
                    heapq.heappush(queue, (-self.commits[parent].time, str(parent), parent))

    def reachable(self, tips: Collection[pygit2.Oid]) -> set[pygit2.Oid]:
        """Return those of the commits that are reachable from the tips."""
        found: set[pygit2.Oid] = set()
        unread = list(tips)
        while unread:
            oid = unread.pop()
            if oid in self.commits and oid not in found:
                found.add(oid)
                unread.extend(self.commits[oid].parents)
        return found


def walk_runs(repository: ResultsRepository, tips: Sequence[tuple[pygit2.Oid, str]]) -> Walk:
    """Read the history of the tips, each with the full name of its branch.

    A commit without ``runs/`` in its tree ends the walk: it has no runs in its history, so that of
    an adopted repository is not read. An unreadable commit also ends it, and is noted with the
    branch from which it was reached.
    """
    import pygit2

    repo = repository.git
    commits: dict[pygit2.Oid, WalkedCommit] = {}
    acts: dict[str, list[Act]] = {}
    renames: list[tuple[pygit2.Oid, Act]] = []
    unread = list(reversed(tips))  # finish one branch before the next
    while unread:
        oid, branch = unread.pop()
        if oid in commits:
            continue
        try:
            commit: pygit2.Commit = repo[oid]  # type: ignore[assignment]
            # As UTF-8, whatever encoding it claims: mlrepo writes only UTF-8.
            message = commit.raw_message.decode("utf-8", "replace")
            trailers = parse_trailers(message)
            if trailers is None:
                if RUNS not in commit.tree:
                    continue
                for act in acts_in(message, str(oid)):
                    if act.action not in KNOWN:
                        what = f"the act '{act.action}' of {act.who} is unknown to this mlrepo"
                        note_left_out(repository, act.run, what)
                    if act.action == RENAME:
                        renames.append((oid, act))
                    else:
                        acts.setdefault(act.run, []).append(act)
        except (KeyError, AttributeError, pygit2.GitError):
            damaged(repository, branch, f"in its history, {problem_of(repo, oid)}")
            continue
        commits[oid] = WalkedCommit(commit.commit_time, commit.parent_ids, trailers, branch)
        unread.extend((parent, branch) for parent in commit.parent_ids)
    return Walk(commits, acts, sorted(renames, key=lambda rename: rename[1].id))
