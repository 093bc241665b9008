"""Rename an experiment: its branch gets a new name, and a commit says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlrepo.errors import UserError
from mlrepo.repository.acts import RENAME, Act, next_id
from mlrepo.repository.branch_changes import THEN_AGAIN, BranchChange, change_branch
from mlrepo.repository.commits import refuse_if_immovable
from mlrepo.repository.damage import read_tip, reference_names
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment, experiment_tips
from mlrepo.repository.history import recorded_runs
from mlrepo.repository.identity import Identity
from mlrepo.repository.locks import locked
from mlrepo.repository.process import git
from mlrepo.repository.recorder import Tip
from mlrepo.repository.trailers import message_of
from mlrepo.shell import quoted

_LOCK_TIMEOUT = 60.0


@dataclass(frozen=True)
class RenamedExperiment:
    """What was done.

    Attributes
    ----------
    old_on, new_on:
        The remotes that have a branch of the old name, and of the new one.
    """

    old: Experiment
    new: Experiment
    commit: str
    old_on: tuple[str, ...]
    new_on: tuple[str, ...]


def rename_experiment(
    repository: ResultsRepository, identity: Identity, old: Experiment, new: Experiment
) -> RenamedExperiment:
    """Rename the local branch of an experiment; where only a remote has it, make one of the name.

    The branch keeps its history, reflog and configuration. Remotes keep the old name until somebody
    pushes the new one and deletes the old one there.

    Raises
    ------
    UserError
        There is no experiment of the old name, there is one of the new name, or the branch is
        checked out.
    """
    names = reference_names(repository)
    old_on, new_on = _remotes(names, old), _remotes(names, new)
    tip = read_tip(repository, old.ref)
    if tip is None and not old_on:
        known = ", ".join(
            sorted({experiment.name for experiment, _ in experiment_tips(repository)})
        )
        raise UserError(
            f"There is no experiment {old.name}.", hint=f"Experiments are: {known or 'none yet'}."
        )
    if new.ref in names or old == new:
        raise UserError(
            f"There is an experiment {new.name} already.",
            hint=f"`mlrepo run move RUN... --experiment {quoted(new.name)}` moves runs to it.",
        )
    for experiment in (old, new):
        refuse_if_immovable(repository, experiment.ref, instead=THEN_AGAIN)
    if tip is None:
        _start(repository, old, old_on)
    # First the commit: a rename that was interrupted after it is repeated, and does no harm twice.
    commit = _say(repository, identity, old, new)
    with locked(repository.store / "record.lock", timeout=_LOCK_TIMEOUT):
        git("branch", "--quiet", "--move", old.branch, new.branch, cwd=repository.root)
    return RenamedExperiment(old, new, commit, old_on, new_on)


def _remotes(names: Sequence[str], experiment: Experiment) -> tuple[str, ...]:
    pattern = re.compile(rf"refs/remotes/([^/]+)/{re.escape(experiment.branch)}")
    return tuple(found[1] for name in names if (found := pattern.fullmatch(name)))


def _start(repository: ResultsRepository, experiment: Experiment, remotes: Sequence[str]) -> None:
    """Make the local branch from the fetched one."""
    if len(remotes) > 1:
        raise UserError(
            f"Several remotes have {experiment.branch}: {', '.join(remotes)}.",
            hint=f"Choose one: `git branch {quoted(experiment.branch)} "
            f"{quoted(f'{remotes[0]}/{experiment.branch}')}`.",
        )
    fetched = f"refs/remotes/{remotes[0]}/{experiment.branch}"
    git("branch", "--quiet", "--no-track", experiment.branch, fetched, cwd=repository.root)


def _say(
    repository: ResultsRepository, identity: Identity, old: Experiment, new: Experiment
) -> str:
    """Commit the act to the branch, later than all acts on its runs."""
    acts = [act for run in recorded_runs(repository, hidden=True) for act in run.curation.acts]
    who = f"{identity.author.name} <{identity.author.email}>"
    act = Act(next_id(acts), RENAME, old.name, "", who, {"experiment": new.name})
    body = f"The runs recorded on {old.branch} up to here belong to {new.branch}."
    message = message_of(f"Rename {old.branch} to {new.branch}", body, [act.trailer])

    def compose(tip: Tip) -> list[BranchChange]:
        return [BranchChange(message)]

    commit, _ = change_branch(repository, identity, old.ref, None, compose)
    return commit
