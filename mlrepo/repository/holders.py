"""The experiment branches that hold given runs, and so get the acts on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.repository.branch_changes import THEN_AGAIN
from mlrepo.repository.commits import refuse_if_immovable
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment, experiment_branches
from mlrepo.repository.history import RecordedRun
from mlrepo.repository.recorder import RUNS, Tip
from mlrepo.shell import quoted

if TYPE_CHECKING:
    import pygit2


@dataclass(frozen=True)
class Holder:
    """A branch that gets acts.

    Attributes
    ----------
    base:
        The fetched commit on which the local branch begins or continues; None to use its own tip.
    runs:
        The ids of the runs in question that it holds.
    published:
        The remotes that have the branch: they do not know of new acts until a push.
    """

    experiment: Experiment
    base: pygit2.Oid | None
    runs: frozenset[str]
    published: tuple[str, ...] = ()


def holders_of(repository: ResultsRepository, runs: Sequence[RecordedRun]) -> list[Holder]:
    """Return the branches that get the acts on the runs.

    These are all local branches whose tip holds a run; for a run that only fetched branches hold,
    the local branch of the same name, which begins or continues at the fetched one.

    Raises
    ------
    UserError
        A branch is checked out or damaged, has diverged from the fetched one that holds a run, or
        no branch holds a run any more.
    """
    wanted = [run.run for run in runs]
    local: dict[Experiment, set[str]] = {}
    fetched: dict[str, list[tuple[str, Experiment, pygit2.Oid]]] = {}
    remotes: dict[Experiment, list[str]] = {}
    for ref, experiment, tip in experiment_branches(repository):
        held = _held(repository, tip, wanted)
        if ref == experiment.ref:
            if held:
                local[experiment] = held
            continue
        remotes.setdefault(experiment, []).append(ref.split("/")[2])
        for run in held:
            fetched.setdefault(run, []).append((ref, experiment, tip))
    here = set().union(*local.values()) if local else set()
    bases: dict[Experiment, tuple[str, pygit2.Oid]] = {}
    for missing in runs:
        if missing.run in here:
            continue
        ref, experiment, tip = _home(missing, fetched.get(missing.run, ()))
        bases.setdefault(experiment, (ref, tip))
        local.setdefault(experiment, set()).add(missing.run)
    for experiment in local:
        refuse_if_immovable(repository, experiment.ref, instead=THEN_AGAIN)
        if experiment in bases:
            _refuse_diverged(repository, experiment, *bases[experiment])
    return [
        Holder(
            experiment,
            bases[experiment][1] if experiment in bases else None,
            frozenset(held),
            tuple(remotes.get(experiment, ())),
        )
        for experiment, held in sorted(local.items())
    ]


def _held(repository: ResultsRepository, tip: pygit2.Oid, wanted: Collection[str]) -> set[str]:
    view = Tip(repository.git, repository.git[tip].tree.id)
    return {run for run in wanted if view.blob_id(RepoPath((RUNS, run))) is not None}


def _home(
    run: RecordedRun, branches: Iterable[tuple[str, Experiment, pygit2.Oid]]
) -> tuple[str, Experiment, pygit2.Oid]:
    """Return the fetched branch that is to get an act: that of the run's experiment, if it is."""
    found = sorted(
        branches, key=lambda branch: (branch[1].name != run.trailer("Experiment"), branch[0])
    )
    if not found:
        raise UserError(
            f"No experiment branch has the files of the run {run.run} any longer: somebody deleted "
            "them by hand.",
            hint=f"`git log {run.commit[:10]}` shows its commit; `git revert` restores what was "
            "deleted.",
        )
    return found[0]


def _refuse_diverged(
    repository: ResultsRepository, experiment: Experiment, ref: str, base: pygit2.Oid
) -> None:
    tip = repository.git.references.get(experiment.ref)
    if tip is None or repository.git.descendant_of(base, tip.resolve().target):
        return
    name, theirs = quoted(experiment.branch), quoted(ref.removeprefix("refs/remotes/"))
    raise UserError(
        f"The run is on {theirs} and not on your {name}, which has other commits of its own.",
        hint="`mlrepo sync` merges the two; then run the command again.",
    )
