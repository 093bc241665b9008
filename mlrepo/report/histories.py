"""Histories: the results of a configuration in the order of their commits.

Runs that follow each other from the same commit of the working tree in the same environment repeat
each other: their mean has an interval. An environment is the framework, LoadGen, the kernel, power
management, the platform profile and the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from mlrepo.differences import machine_facts
from mlrepo.record import format_number
from mlrepo.record.codec import said_text
from mlrepo.report.chart import Chart, ChartNames, counted
from mlrepo.report.intervals import mean_interval
from mlrepo.report.reported import ReportedRun, differing_words, lower_is_better

if TYPE_CHECKING:
    from mlrepo.record import RunRecord
    from mlrepo.rounds import Rounds

_COLUMNS = (
    *("order", "start", "run", "value", "verdict", "commit"),
    *("mean", "low", "high", "runs", "changed", "environment", "change"),
)
# What the text beside a chart says of the environment: the newest changes.
_MOST_CHANGES = 3


# What changes on one machine; the other facts of an environment tell the machine.
_ENVIRONMENT = ("framework", "LoadGen", "kernel", "power management", "platform profile")
_MACHINE = "machine"


@dataclass(frozen=True)
class Repetition:
    """Runs that repeat each other.

    Attributes
    ----------
    runs:
        Oldest first.
    low, high:
        The 95 % confidence interval of their mean (Student's t); None for fewer than three runs.
    changed:
        What is different in the environment from the runs before; facts about the machine are
        ``machine``.
    environment:
        The same with both values, in words; '' for nothing.
    change:
        ``better`` or ``worse`` where the interval has no value in common with that of the last
        repetition that has one; else ''.
    """

    runs: tuple[ReportedRun, ...]
    mean: float
    low: float | None
    high: float | None
    changed: tuple[str, ...] = ()
    environment: str = ""
    change: str = ""


def histories(runs: Sequence[ReportedRun], rounds: Rounds, names: ChartNames) -> list[Chart]:
    """Return a chart for each configuration in each scenario and mode that has results.

    Parameters
    ----------
    runs:
        All runs, oldest first; probes and runs that may be no result are left out.
    """
    found: dict[tuple[str, ...], list[ReportedRun]] = {}
    for run in runs:
        said = run.run.trailer
        if run.record is None or run.value is None or not run.may_be_result:
            continue
        if not (run.is_performance or run.is_accuracy):
            continue
        key = (*run.subject, said("Scenario"), said("Mode"), run.run.result.unit)
        found.setdefault(key, []).append(run)
    return [
        _chart(history, words, lower_is_better(history[-1], rounds), names)
        for history, words in in_words(found)
    ]


def in_words(
    found: Mapping[tuple[str, ...], list[ReportedRun]],
) -> list[tuple[list[ReportedRun], str]]:
    """Return histories in order, each with what its title does not say of its configuration."""
    several: dict[tuple[str, ...], list[ReportedRun]] = {}
    for history in found.values():
        several.setdefault(_parts_of(history[-1]), []).append(history[-1])
    words = {
        id(run): words
        for alike in several.values()
        for run, words in zip(alike, differing_words(alike), strict=True)
    }
    ordered = sorted(
        found.items(),
        key=lambda item: (item[1][-1].is_accuracy, _parts_of(item[1][-1]), item[0]),
    )
    return [(history, words[id(history[-1])]) for _, history in ordered]


def repetitions(runs: Sequence[ReportedRun], *, lower: bool) -> list[Repetition]:
    """Return the VALID runs of one configuration by what repeats each other, oldest first.

    Parameters
    ----------
    lower:
        Whether a smaller result is better.
    """
    found: list[Repetition] = []
    before: Mapping[str, str] = {}
    last: Repetition | None = None
    for group, environment in _groups(runs):
        values = [run.value for run in group if run.value is not None]
        interval = mean_interval(values)
        new = Repetition(
            tuple(group),
            fmean(values),
            interval.low if interval else None,
            interval.high if interval else None,
            _changed(before, environment) if found else (),
            changed_words(before, environment) if found else "",
        )
        new = replace(new, change=_change(last, new, lower=lower))
        found.append(new)
        before = environment
        last = new if new.low is not None else last
    return found


def _groups(
    runs: Sequence[ReportedRun],
) -> Iterator[tuple[list[ReportedRun], Mapping[str, str]]]:
    group: list[ReportedRun] = []
    key: tuple[str, Mapping[str, str]] = ("", {})
    for run in runs:
        if not run.is_valid or run.record is None:
            continue
        this = (run.record.source.commit, environment_of(run.record))
        if group and this != key:
            yield group, key[1]
            group = []
        group, key = [*group, run], this
    if group:
        yield group, key[1]


def environment_of(record: RunRecord) -> dict[str, str]:
    """Return what may change under a configuration, by its names."""
    host = record.host
    values = (
        record.backend.framework,
        record.loadgen.version,
        said_text(host.others.get("kernel")),
        said_text(host.others.get("power_management")),
        record.platform,
    )
    return {**dict(zip(_ENVIRONMENT, values, strict=True)), **machine_facts(host)}


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of what changed between two environments; the machine has many facts."""
    names = (name for name in after if before.get(name, "") != after[name])
    return tuple(dict.fromkeys(name if name in _ENVIRONMENT else _MACHINE for name in names))


def changed_words(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Say what changed between two environments; '' for nothing."""
    names = [name for name in after if before.get(name, "") != after[name]]
    return "; ".join(f"{name}: {before.get(name) or '-'} → {after[name] or '-'}" for name in names)


def _change(last: Repetition | None, new: Repetition, *, lower: bool) -> str:
    if last is None or last.high is None or last.low is None:
        return ""
    if new.low is None or new.high is None or (new.low <= last.high and last.low <= new.high):
        return ""
    return "better" if (new.mean < last.mean) == lower else "worse"


def title_of(run: ReportedRun, words: str = "") -> str:
    """Return the title of the history that ends with a run."""
    benchmark, scenario, mode, system, backend, precision = _parts_of(run)
    title = f"{benchmark} {scenario} {mode} on {system}, {backend} {precision}".rstrip()
    return f"{title} ({words})" if words else title


def _parts_of(run: ReportedRun) -> tuple[str, ...]:
    said = run.run.trailer
    precision = run.record.backend.precision if run.record else ""
    names = ("Benchmark", "Scenario", "Mode", "System", "Backend")
    return (*(said(name) for name in names), precision)


def _chart(runs: Sequence[ReportedRun], words: str, lower: bool, names: ChartNames) -> Chart:
    benchmark, scenario, mode, system, backend, _ = _parts_of(runs[-1])
    groups = repetitions(runs, lower=lower)
    ends = {group.runs[-1].run.run: group for group in groups}
    begins = {group.runs[0].run.run: group for group in groups}
    unit = runs[-1].run.result.unit
    rows = []
    for order, run in enumerate(runs, start=1):
        end, begin = ends.get(run.run.run), begins.get(run.run.run)
        rows.append(
            (
                *(order, run.start, run.run.run, run.value, run.run.trailer("Validity")),
                run.record.source.commit[:12] if run.record else "",
                *((end.mean, end.low, end.high, len(end.runs)) if end else (None,) * 4),
                ", ".join(begin.changed) if begin else "",
                begin.environment if begin else "",
                end.change if end else "",
            )
        )
    return Chart(
        names.give("history", benchmark, scenario, mode, system, backend),
        "history",
        title_of(runs[-1], words),
        _about(runs, groups, unit, lower=lower),
        "",
        f"{'result' if mode == 'performance' else 'accuracy'} ({unit})",
        _COLUMNS,
        tuple(rows),
    )


def _about(
    runs: Sequence[ReportedRun], groups: Sequence[Repetition], unit: str, *, lower: bool
) -> str:
    numbers = [run.value for run in runs if run.is_valid and run.value is not None]
    words = [f"{counted(len(runs), 'run')}, {len(numbers)} of them VALID"]
    if numbers:
        best = min(numbers) if lower else max(numbers)
        words.append(f"newest VALID result {format_number(numbers[-1])} {unit}")
        words.append(
            f"best {format_number(best)} {unit} ({'lower' if lower else 'higher'} is better)"
        )
    changes = [group for group in groups if group.change]
    words += [
        f"{group.change} than before from the run {group.runs[0].run.run} on" for group in changes
    ]
    moved = [group for group in groups if group.environment]
    if moved:
        words.append(f"the environment changed {counted(len(moved), 'time')}")
    words += [
        f"before the run {group.runs[0].run.run}: "
        f"{', '.join(group.changed) if _MACHINE in group.changed else group.environment}"
        for group in moved[-_MOST_CHANGES:]
    ]
    return "; ".join(words) + "."
