"""One side of a comparison: a run, a result, a branch, or all runs with a tag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlrepo.differences import asked_settings, machine
from mlrepo.errors import UserError
from mlrepo.record import NO_RESULT_TAGS, PUBLISHED, SWEEP_TAG, VALID
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment, experiment_tips
from mlrepo.repository.history import (
    RecordedRun,
    find_run,
    load_record,
    readable_record,
    recorded_runs,
)

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

TAG_PREFIX = "tag:"
_KIND = ("Benchmark", "Scenario", "Mode", "Test")

# Why a VALID run does not repeat the newest one.
OTHER = "of another configuration, machine or LoadGen setting"
# Benchmark, scenario, mode and test: runs of one kind can be compared.
Kind = tuple[str, str, str, str]


@dataclass(frozen=True)
class Side:
    """One side: its name as the user gave it, and its runs by kind, newest first.

    The runs of one kind are of one machine and configuration and were requested with the same
    LoadGen settings, so that their spread is noise. ``unreadable`` says of which runs the record
    could not be read: they are left out. ``left_out`` counts the others by kind and by why: their
    verdict, or :data:`OTHER`. ``hidden`` says why a run given by name counts no longer.
    """

    name: str
    runs: dict[Kind, tuple[RunRecord, ...]]
    unreadable: tuple[str, ...] = ()
    left_out: Mapping[Kind, Mapping[str, int]] = field(default_factory=dict)
    hidden: str = ""


def find_side(repository: ResultsRepository, text: str) -> Side:
    """Return the runs that ``text`` names.

    ``tag:NAME``, ``exp/NAME``, the path of a result, or one run as :func:`find_run` knows it; the
    name of an experiment means its branch where no run has it. All but a run given by name
    mean the VALID runs and published results, probes left out.

    Raises
    ------
    UserError
        Nothing is recorded under the name.
    """
    if text.startswith(TAG_PREFIX):
        tag = text.removeprefix(TAG_PREFIX)
        # Points of a sweep are no results, but can be asked for.
        none = NO_RESULT_TAGS - {SWEEP_TAG}
        return _gather(repository, text, lambda run: tag in run.tags, none=none)
    if "/results/" in text:
        path = text.strip("/")
        return _gather(repository, text, lambda run: _stands_in(run, path))
    if text.startswith("exp/"):
        return _gather(repository, text, experiment=Experiment.parse(text))
    try:
        run = find_run(repository, text)
    except UserError:
        if text not in {experiment.name for experiment, _ in experiment_tips(repository)}:
            raise
        return _gather(repository, text, experiment=Experiment(text))
    hidden = f"{run.run} {run.curation.why_hidden}" if run.curation.hidden else ""
    return Side(text, {_kind(run): (load_record(repository, run),)}, hidden=hidden)


def _gather(
    repository: ResultsRepository,
    text: str,
    matches: Callable[[RecordedRun], bool] = lambda run: True,
    experiment: Experiment | None = None,
    none: frozenset[str] = NO_RESULT_TAGS,
) -> Side:
    found: dict[Kind, list[RunRecord]] = {}
    unreadable: dict[str, str] = {}
    left_out: dict[Kind, Counter[str]] = {}
    for run in recorded_runs(repository, experiment):
        if not none.isdisjoint(run.tags) or not matches(run):
            continue
        left = left_out.setdefault(_kind(run), Counter())
        if run.trailer("Validity") not in (VALID, PUBLISHED):
            left[run.trailer("Validity")] += 1
            continue
        runs = found.setdefault(_kind(run), [])
        if runs and run.trailer("Configuration") != runs[0].configuration:
            left[OTHER] += 1
            continue
        record = readable_record(repository, run, unreadable)
        if record is not None and (not runs or _alike(record, runs[0])):
            runs.append(record)
        elif record is not None:
            left[OTHER] += 1
    found = {kind: runs for kind, runs in found.items() if runs}
    if not found and unreadable:
        raise UserError(
            f"No run under {text!r} has a record that can be read: "
            f"{next(iter(unreadable.values()))}",
            hint="`mlrepo doctor` checks all records.",
        )
    if not found:
        raise UserError(
            f"No VALID run is recorded under {text!r}.",
            hint="Give a run id, exp/NAME, the path of a result, or tag:NAME; `mlrepo log` lists "
            "what there is.",
        )
    return Side(
        text,
        {kind: tuple(runs) for kind, runs in found.items()},
        tuple(unreadable.values()),
        left_out,
    )


def _alike(one: RunRecord, other: RunRecord) -> bool:
    return machine(one) == machine(other) and asked_settings(one) == asked_settings(other)


def _stands_in(run: RecordedRun, path: str) -> bool:
    placed = run.trailer("Placed")
    return placed == path or placed.startswith(path + "/")


def _kind(run: RecordedRun) -> Kind:
    benchmark, scenario, mode, test = (run.trailer(name) for name in _KIND)
    return benchmark, scenario, mode, test
