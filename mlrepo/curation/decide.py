"""Commit acts on runs to the branches that hold them, with what follows for the layout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlrepo.curation.layout import NewLayout, Redecided, Replaced
from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.repository.acts import ACTS, PRUNE, RESTORE, Act, next_id
from mlrepo.repository.branch_changes import BranchChange, change_branch
from mlrepo.repository.commit_view import view_commit
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, find_run, recorded_runs
from mlrepo.repository.holders import Holder, holders_of
from mlrepo.repository.identity import Identity
from mlrepo.repository.recorder import RUNS, Tip
from mlrepo.repository.trailers import message_of
from mlrepo.secret_scan import find_secrets

_NOTHING_NEW = NewLayout({}, {}, ())
_MOST_LISTED = 20


@dataclass(frozen=True)
class PlannedActs:
    """Acts to be committed.

    Attributes
    ----------
    verb:
        Begins the subject of the commits, for people: "Withdraw".
    acts:
        One on each of the runs.
    relaid:
        Whether the layout is decided anew.
    descriptions:
        Of the systems that runs are moved to, by run: JSON, for the files of the acts only.
    """

    verb: str
    runs: tuple[RecordedRun, ...]
    acts: Mapping[str, Act]
    relaid: bool = False
    descriptions: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class ActedBranch:
    """A branch that got acts.

    Attributes
    ----------
    branch, commit:
        Its short name and its new tip.
    published:
        The remotes that have the branch.
    replaced:
        Where another run, or none, is now in the layout.
    """

    branch: str
    commit: str
    published: tuple[str, ...]
    replaced: tuple[Replaced, ...]


@dataclass(frozen=True)
class Decision:
    """What was done.

    Attributes
    ----------
    runs:
        Those that got an act, as they are now.
    unchanged:
        Those for which there was nothing to do.
    """

    acts: tuple[Act, ...]
    runs: tuple[RecordedRun, ...]
    unchanged: tuple[RecordedRun, ...]
    branches: tuple[ActedBranch, ...]


@dataclass(frozen=True)
class _Change(BranchChange):
    replaced: tuple[Replaced, ...] = ()


def named_runs(repository: ResultsRepository, texts: Sequence[str]) -> list[RecordedRun]:
    """Return the runs that the user named, each once; see :func:`find_run`."""
    return list({run.run: run for run in (find_run(repository, text) for text in texts)}.values())


def clean_text(text: str, what: str) -> str:
    """Return a user's text for a commit, without spaces around it.

    Raises
    ------
    UserError
        It is empty or looks like it holds a secret.
    """
    found = text.strip()
    if not found:
        raise UserError(f"{what} is empty.", hint="Write a few words: others will read them.")
    if find_secrets(found.encode("utf-8", "backslashreplace")):
        raise UserError(
            f"{what} looks like it holds a secret.",
            hint="Leave it out: commits carry the text. Revoke the secret.",
        )
    return found


def decide(
    repository: ResultsRepository,
    identity: Identity,
    runs: Sequence[RecordedRun],
    action: str,
    verb: str,
    values: Mapping[str, Mapping[str, str]],
    *,
    why: str = "",
    relaid: bool = False,
    descriptions: Mapping[str, bytes] | None = None,
) -> Decision:
    """Commit an act on each of the runs in ``values``, and return what became of them.

    Parameters
    ----------
    values:
        What the act on a run sets, by run; there is nothing to do for a run without an entry.

    The others are those of :class:`PlannedActs`.

    Raises
    ------
    UserError
        A branch is checked out or damaged; nothing has changed.
    """
    who = f"{identity.author.name} <{identity.author.email}>"
    wanted = tuple(run for run in runs if run.run in values)
    acts = {
        run.run: Act(next_id(run.curation.acts), action, run.run, why, who, values[run.run])
        for run in wanted
    }
    planned = PlannedActs(verb, wanted, acts, relaid, descriptions or {})
    branches = _commit_acts(repository, identity, planned) if wanted else ()
    unchanged = tuple(run for run in runs if run.run not in values)
    now = tuple(run.after(acts[run.run]) for run in wanted)
    return Decision(tuple(acts.values()), now, unchanged, branches)


def _commit_acts(
    repository: ResultsRepository, identity: Identity, planned: PlannedActs
) -> tuple[ActedBranch, ...]:
    """Commit acts to all branches that hold the runs: one commit a branch."""
    done = []
    for holder in holders_of(repository, planned.runs):

        def compose(tip: Tip, holder: Holder = holder) -> list[_Change]:
            return [_compose(repository, planned, holder, tip)]

        commit, changes = change_branch(
            repository, identity, holder.experiment.ref, holder.base, compose
        )
        branch = holder.experiment.branch
        done.append(ActedBranch(branch, commit, holder.published, changes[0].replaced))
    return tuple(done)


def _compose(
    repository: ResultsRepository, planned: PlannedActs, holder: Holder, tip: Tip
) -> _Change:
    held = holder.runs
    acts = [act for run, act in planned.acts.items() if run in held]
    files = {act.path: act.to_json(_further(planned, act)) for act in acts}
    layout = _NOTHING_NEW
    if planned.relaid:
        there = set(tip.run_ids())
        found = {run.run: run for run in recorded_runs(repository, hidden=True)}
        runs = {name: run for name, run in found.items() if name in there}
        # As they were before the first of several branches got the acts.
        before = runs | {run.run: run for run in planned.runs if run.run in held}
        now = runs | {name: runs[name].after(planned.acts[name]) for name in held if name in runs}
        layout = Redecided(
            repository,
            holder.experiment.name,
            tip,
            [*before.values()],
            [*now.values()],
            planned.descriptions,
        ).layout()
    return _Change(
        _message(planned, acts, layout.replaced),
        {**files, **layout.files},
        {**_files_of(repository, planned, acts, tip), **layout.blobs},
        layout.replaced,
    )


def _files_of(
    repository: ResultsRepository, planned: PlannedActs, acts: Sequence[Act], tip: Tip
) -> dict[RepoPath, str | None]:
    """Return the files that pruned runs lose, and those that restored ones get from history."""
    found: dict[RepoPath, str | None] = {}
    runs = {run.run: run for run in planned.runs}
    for act in acts:
        directory = RepoPath((RUNS, act.run))
        if act.action == PRUNE:
            names = tip.entries(directory)
            found |= {directory / name: None for name in names if name != ACTS}
        elif act.action == RESTORE and runs[act.run].curation.pruned:
            entries = view_commit(repository, runs[act.run].commit).entries(directory)
            found |= {directory / name: entry.oid for name, entry in entries.items()}
    return found


def _further(planned: PlannedActs, act: Act) -> dict[str, object]:
    description = planned.descriptions.get(act.run)
    return {} if description is None else {"description": json.loads(description)}


def _message(planned: PlannedActs, acts: Sequence[Act], replaced: Sequence[Replaced]) -> str:
    what = acts[0].run if len(acts) == 1 else f"{len(acts)} runs"
    why = f": {acts[0].why}" if acts[0].why else ""
    runs = {run.run: run for run in planned.runs}
    lines = [f"{act.run}: {described(runs[act.run])}" for act in acts[:_MOST_LISTED]]
    if len(acts) > _MOST_LISTED:
        lines.append(f"and {len(acts) - _MOST_LISTED} more")
    lines += ([acts[0].why] if acts[0].why else []) + list(map(said_replaced, replaced))
    return message_of(f"{planned.verb} {what}{why}", "\n".join(lines), [a.trailer for a in acts])


def described(run: RecordedRun) -> str:
    """Return what a run is, for people: "resnet50 Offline performance, 885.05 samples/s VALID"."""
    names = (run.trailer("Benchmark"), run.trailer("Scenario"))
    kind = run.trailer("Test") or run.trailer("Mode")
    result = "" if run.result.value is None else f" {run.result}"
    return f"{' '.join(names)} {kind},{result} {run.trailer('Validity')}"


def said_replaced(one: Replaced) -> str:
    """Return what changed at a place in the layout, for people."""
    if not one.before:
        return f"{one.path} has {one.now} now."
    return f"{one.path} has {one.now or 'no run'} now, instead of {one.before}."
