"""How much room the files of runs take at the tips of local experiment branches."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from mlrepo.paths import RepoPath
from mlrepo.repository.acts import ACTS
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment, experiment_branches
from mlrepo.repository.process import git
from mlrepo.repository.recorder import RUNS, Tip


@dataclass(frozen=True)
class TipFiles:
    """The files of some runs.

    Attributes
    ----------
    runs:
        Those that a local branch holds.
    branches:
        The short names of these branches.
    number, size:
        Of the files, each once however many branches hold it; bytes.
    """

    runs: frozenset[str]
    branches: tuple[str, ...]
    number: int
    size: int


def local_tips(repository: ResultsRepository) -> Iterator[tuple[Experiment, Tip]]:
    """Yield each local experiment branch with the tree at its tip."""
    for ref, experiment, commit in experiment_branches(repository):
        if ref == experiment.ref:
            yield experiment, Tip(repository.git, repository.git[commit].tree.id)


def files_at_tips(repository: ResultsRepository, runs: Collection[str]) -> TipFiles:
    """Return the files of the runs that local branches hold; acts on them are not counted."""
    held: set[str] = set()
    branches: dict[str, None] = {}
    files: dict[tuple[str, str], str] = {}
    for experiment, tip in local_tips(repository) if runs else ():
        for run in runs:
            entries = tip.entries(RepoPath((RUNS, run)))
            if set(entries) - {ACTS}:
                held.add(run)
                branches[experiment.branch] = None
                files |= {(run, name): oid for name, oid in entries.items() if name != ACTS}
    size = _sizes(repository, files.values())
    return TipFiles(frozenset(held), tuple(branches), len(files), size)


def _sizes(repository: ResultsRepository, oids: Collection[str]) -> int:
    """Return the bytes of the objects together; one process reads them all."""
    if not oids:
        return 0
    told = git(
        "cat-file",
        "--batch-check=%(objectsize)",
        cwd=repository.root,
        stdin="".join(f"{oid}\n" for oid in oids).encode(),
    )
    return sum(int(line) for line in told.split("\n") if line.isdecimal())
