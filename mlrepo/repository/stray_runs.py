"""Experiment branches that went different ways in two clones, and runs on other branches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from mlrepo.record.forms import RUN_ID
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import experiment_branches
from mlrepo.repository.recorder import RUNS

if TYPE_CHECKING:
    import pygit2

_HEADS = "refs/heads/"
# Commits that are searched for the last one without runs.
_MOST_COMMITS = 1000


@dataclass(frozen=True)
class Divergence:
    """A local experiment branch and the fetched one, each with commits that the other lacks.

    Attributes
    ----------
    branch, fetched:
        Their short names: ``exp/alpha``, ``origin/exp/alpha``.
    here, there:
        The number of commits that only one of them has.
    """

    branch: str
    fetched: str
    here: int
    there: int

    @property
    def remote(self) -> str:
        """The name of the remote that it was fetched from."""
        return self.fetched.removesuffix(f"/{self.branch}")


@dataclass(frozen=True)
class Strays:
    """A branch of no experiment that holds runs, and its last commit without any ('': none)."""

    branch: str
    before: str


def diverged_experiments(repository: ResultsRepository) -> Iterator[Divergence]:
    """Yield the local experiment branches that cannot be pushed until they are merged."""
    found = list(experiment_branches(repository))
    local = {experiment: tip for ref, experiment, tip in found if ref.startswith(_HEADS)}
    for ref, experiment, tip in found:
        mine = local.get(experiment)
        if ref.startswith(_HEADS) or mine is None or mine == tip:
            continue
        here, there = repository.git.ahead_behind(mine, tip)
        if here and there:
            fetched = ref.removeprefix("refs/remotes/")
            yield Divergence(experiment.branch, fetched, here, there)


def branches_with_runs(repository: ResultsRepository) -> Iterator[Strays]:
    """Yield the local branches into which an experiment was merged: runs count from experiments."""
    import pygit2

    repo = repository.git
    for name in repo.branches.local:
        if name.startswith(("exp/", "submission/")):
            continue
        tip = repo.branches.local[name].peel(pygit2.Commit)
        if _has_runs(tip):
            before = next((one for one in _first_parents(tip) if not _has_runs(one)), None)
            yield Strays(name, str(before.id) if before else "")


def _first_parents(commit: pygit2.Commit) -> Iterator[pygit2.Commit]:
    def walk() -> Iterator[pygit2.Commit]:
        at: pygit2.Commit | None = commit
        while at is not None:
            yield at
            at = at.parents[0] if at.parents else None

    return islice(walk(), _MOST_COMMITS)


def _has_runs(commit: pygit2.Commit) -> bool:
    import pygit2

    try:
        runs = commit.tree[RUNS]
    except KeyError:
        return False
    return isinstance(runs, pygit2.Tree) and any(RUN_ID.match(str(one.name)) for one in runs)
