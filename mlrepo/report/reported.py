"""The runs of a report: each with its record where it can be read, oldest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mlrepo.differences import configuration
from mlrepo.record import (
    ACCURACY,
    IMPORTED_TAG,
    NO_RESULT_TAGS,
    PERFORMANCE,
    PUBLISHED,
    SWEEP_TAG,
    VALID,
    timestamp,
)
from mlrepo.report.listing import start_of
from mlrepo.scenarios import named

if TYPE_CHECKING:
    from mlrepo.record import RunRecord
    from mlrepo.repository.history import RecordedRun
    from mlrepo.rounds import Rounds

# Parts of a configuration that follow from the round, the name, or the environment of a run: a
# history goes on when they change.
_NOT_CHOSEN = frozenset(
    {
        *("round", "division", "submitter", "result name", "framework", "platform profile"),
        "backend",  # a part of the subject by itself
    }
)


@dataclass(frozen=True)
class ReportedRun:
    """A run and its record; None if it counts no longer or its record cannot be read."""

    run: RecordedRun
    record: RunRecord | None

    @property
    def start(self) -> str:
        """When it started (RFC 3339, UTC); '' if its id does not say."""
        start = start_of(self.run)
        return timestamp(start) if start else ""

    @property
    def value(self) -> float | None:
        """The result."""
        return self.run.result.value

    @property
    def is_valid(self) -> bool:
        """Whether it is VALID and has a result."""
        return self.run.trailer("Validity") == VALID and self.value is not None

    @property
    def is_result(self) -> bool:
        """Whether it is VALID, or published as a result, and has a value."""
        is_row = self.run.trailer("Validity") == PUBLISHED and self.value is not None
        return self.is_valid or is_row

    @property
    def may_be_result(self) -> bool:
        """Whether it may be a result: no probe, and no setting that no result may have."""
        return NO_RESULT_TAGS.isdisjoint(self.run.tags)

    @property
    def is_of_sweep(self) -> bool:
        """Whether it is a point of a sweep."""
        return SWEEP_TAG in self.run.tags

    @property
    def is_imported(self) -> bool:
        """Whether somebody else published it."""
        return IMPORTED_TAG in self.run.tags

    @property
    def is_performance(self) -> bool:
        """Whether it measured performance."""
        return self.run.trailer("Mode") == PERFORMANCE

    @property
    def is_accuracy(self) -> bool:
        """Whether it measured accuracy."""
        return self.run.trailer("Mode") == ACCURACY

    @cached_property
    def chosen(self) -> Mapping[str, str]:
        """The settings that a person chose and that are not the backend's defaults."""
        if self.record is None:
            return {}
        parts = configuration(self.record)
        return {name: value for name, value in parts.items() if name not in _NOT_CHOSEN and value}

    @cached_property
    def subject(self) -> tuple[str, ...]:
        """What was measured, whatever the scenario: system, benchmark, backend, configuration."""
        said = self.run.trailer
        # Submitters give their systems the same names.
        published = ("Submitter", "Round", "Division") if self.is_imported else ()
        return (
            *(said(name) for name in ("System", "Benchmark", "Backend", *published)),
            self.record.backend.precision if self.record else "",
            *(f"{name}={value}" for name, value in sorted(self.chosen.items())),
        )

    def metric(self, name: str) -> float | None:
        """Return a metric of LoadGen; None if there is none."""
        return self.record.metric(name) if self.record else None


def lower_is_better(run: ReportedRun, rounds: Rounds) -> bool:
    """Say whether a smaller result is the better one, as the run's round has it."""
    said = run.run.trailer
    if said("Mode") == ACCURACY:
        return False
    if said("Round") in rounds:
        return rounds[said("Round")].lower_is_better(said("Benchmark"), said("Scenario"))
    return named(said("Scenario")).lower_is_better


# By what the oldest rounds call a benchmark: its directory is called after the model since.
_RENAMED = {"resnet": "resnet50", "ssd-small": "ssd-mobilenet", "ssd-large": "ssd-resnet34"}


def benchmark_of(run: ReportedRun, rounds: Rounds) -> str:
    """Return one name for a benchmark whatever its directory is called: ``llama3_1-8b``.

    In the open division the directory says which model was run instead.
    """
    said = run.run.trailer
    name = said("Benchmark")
    if said("Division") != "open" and said("Round") in rounds:
        name = rounds[said("Round")].official_benchmark(name) or name
    return _RENAMED.get(name, name)


def cores(run: ReportedRun) -> int | None:
    """Return the number of processor cores of the system; None if the record does not say."""
    if not _is_local(run) or run.record is None:
        return None
    host = run.record.host
    return _product(
        host.number_of_nodes, host.host_processors_per_node, host.host_processor_core_count
    )


def accelerators(run: ReportedRun) -> int | None:
    """Return the number of accelerators of the system; None for none, or if it is not said."""
    if not _is_local(run) or run.record is None:
        return None
    return _product(run.record.host.number_of_nodes, run.record.host.accelerators_per_node)


def differing_words(runs: Sequence[ReportedRun]) -> list[str]:
    """Return of each run, in words, which of its chosen settings not all of them share."""
    names = dict.fromkeys(name for run in runs for name in run.chosen)
    odd = [name for name in names if len({run.chosen.get(name, "") for run in runs}) > 1]
    return [
        ", ".join(f"{name} {_short(run.chosen[name])}" for name in odd if name in run.chosen)
        for run in runs
    ]


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:10]}…"


def _is_local(run: ReportedRun) -> bool:
    """Say whether the facts about the host are those of the system: not for a remote endpoint."""
    endpoint = run.record.backend.endpoint if run.record else None
    return endpoint is None or endpoint.here


def _product(*texts: object) -> int | None:
    product = 1
    for text in texts:
        if not (isinstance(text, str) and text.isdecimal() and len(text) < 10):
            return None
        product *= int(text)
    return product or None
