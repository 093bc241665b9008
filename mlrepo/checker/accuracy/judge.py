"""Judge the accuracy run of a result: accuracy.txt, its hash, the logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from mlrepo.checker.accuracy.facts import (
    KEYS,
    SAMPLE_COUNTS,
    judge_accuracy_run,
    judge_answers,
)
from mlrepo.checker.accuracy.hash import judge_hash
from mlrepo.checker.accuracy.text import judge_text
from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.docket import Docket
from mlrepo.checker.documents.files import judge_file_list
from mlrepo.checker.runs.log_errors import errors_in, first_error_line
from mlrepo.checker.scope import Scope
from mlrepo.checker.walk.links import leads_elsewhere
from mlrepo.logs.accuracy_text import MetricReading, lines_of
from mlrepo.logs.old_detail import error_lines
from mlrepo.logs.scan import HEAD_SIZE, DetailScan, digest_of_head, scan_detail
from mlrepo.tree import Kind, Missing

_ERRORS = "accuracy-loadgen-error"


@dataclass(frozen=True)
class AccuracyJudgement:
    """The judgement on an accuracy run.

    Attributes
    ----------
    official:
        The official verdict on the run; in the open division most breaches are forgiven.
    text:
        The accuracy as the official summary prints it.
    stops:
        Whether the official checker stops looking at this result here.
    logged:
        What the detail log says; empty where it cannot be read.
    counts:
        Whether the official checker counts an invalid run as an error.
    metrics:
        The metrics as printed in accuracy.txt.
    """

    official: bool
    text: str = ""
    stops: bool = False
    logged: Mapping[str, object] = field(default_factory=dict)
    counts: bool = True
    metrics: Mapping[str, MetricReading] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """All metrics with their units: ``90.88 F1``, ``44.4 ROUGE1, 22.1 ROUGE2``."""
        return ", ".join(f"{one.value} {one.unit}" for one in self.metrics.values())


def judge_accuracy(docket: Docket) -> AccuracyJudgement:
    """Judge ``accuracy/`` of the result as far as the official checker goes."""
    scope = docket.scope
    directory = f"{scope.path}/accuracy"
    path = f"{directory}/accuracy.txt"
    if not scope.exists(path):
        docket.record([Breach("accuracy-missing", path, "accuracy.txt is missing.")])
        ends = docket.official.round.ends_at_a_bad_accuracy
        return AccuracyJudgement(False, stops=ends, counts=ends)
    if not docket.record(judge_file_list(scope, directory, "accuracy")):
        return AccuracyJudgement(False, stops=True)
    text = scope.text(path, 64 << 20)
    if text is None:
        why = scope.no_text(path)
        message = f"It cannot be read: {why}."
        docket.record([Breach("unreadable", path, message, part="accuracy.txt", subject=why)])
        return AccuracyJudgement(False)
    text = "\n".join(lines_of(text))
    official, metrics = docket.judged(judge_text(scope, path, text))
    official &= docket.record(_judge_log(scope, directory, text))
    detail = _judge_detail(docket, directory, text)
    official &= detail.is_accepted
    official &= docket.record(_judge_extra_files(scope, directory))
    return AccuracyJudgement(
        official, _printed(scope, metrics), logged=detail.values, metrics=metrics
    )


def _judge_extra_files(scope: Scope, directory: str) -> Breaches:
    if not has_extra_files(scope, directory):
        yield Breach(
            "accuracy-extra-files",
            directory,
            "Images or videos are missing.",
            is_slight=scope.is_open and not scope.round.asks_for_images_in_open,
        )


def has_extra_files(scope: Scope, directory: str) -> bool:
    """Say whether the images or videos that the round requires of the benchmark are there."""
    wanted = (scope.round.tables.get("extra_accuracy_files") or {}).get(scope.model) or {}
    if not isinstance(wanted, dict):
        return True
    for name, stems in wanted.items():
        present = {file.partition(".")[0] for file in scope.files(f"{directory}/{name}")}
        if not present >= set(stems):
            return False
    return True


def _printed(scope: Scope, metrics: Mapping[str, MetricReading]) -> str:
    """Return the metrics as in the official summary: up to v4.1 only the first one's number."""
    if scope.round.prints_all_metrics:
        return "  ".join(f"{metric}: {one.value}" for metric, one in metrics.items())
    targets = scope.round.accuracy_targets(scope.model, scope.scenario)
    first = metrics.get(targets[0]["metric"]) if targets else None
    return first.value if first else "None"


def _judge_log(scope: Scope, directory: str, text: str) -> Breaches:
    path = f"{directory}/mlperf_log_accuracy.json"
    entry = scope.tree.entry(path)
    if entry is not None and entry.target:
        followed = entry.kind is Kind.FILE or leads_elsewhere(entry)
        yield Breach(
            "accuracy-log",
            path,
            "The log is a link.",
            actual=entry.target,
            part="followed link" if followed else "",
        )
    elif entry is None or entry.kind is not Kind.FILE:
        yield Breach("accuracy-log", path, "The log is missing or not a regular file.")
    if entry is None or entry.kind is not Kind.FILE:
        return
    limit = int(scope.round.tables["limits"]["accuracy_log_max_bytes"])
    if entry.size > limit:
        yield Breach(
            "accuracy-log",
            path,
            "The log is not truncated.",
            expected=f"<= {limit} bytes",
            actual=entry.size,
            is_slight=not scope.round.truncates_logs,
        )
        return
    try:
        data = scope.tree.read(path, limit)
    except Missing:
        yield Breach("unreadable", path, "It cannot be read.")
        return
    if not data.strip():
        yield Breach("accuracy-log", path, "The log is empty.", part="empty")
    yield from judge_answers(scope, path, data)
    if not scope.is_stand_in(path, data):
        yield from judge_hash(scope, f"{directory}/accuracy.txt", text, data)


@dataclass(frozen=True)
class _Detail:
    """Whether the official checker accepts a detail log, and what the log says."""

    is_accepted: bool
    values: Mapping[str, object] = field(default_factory=dict)


def _judge_detail(docket: Docket, directory: str, text: str) -> _Detail:
    """Judge the detail log as far as the official checker reads it."""
    scope = docket.scope
    path = f"{directory}/mlperf_log_detail.txt"
    counts = scope.round.accuracy_sample_counts
    try:
        with scope.tree.open(path) as stream:
            if not scope.round.has_detail_log():
                scope.prints.append(("accuracy", digest_of_head(scope.tree.read(path, HEAD_SIZE))))
                return _Detail(docket.record(_judge_old_detail(scope, path, stream)))
            wanted = ("num_errors", *counts) if counts else ()
            scan = scan_detail(stream, KEYS.union(wanted), first_only=True)
            scope.prints.append(("accuracy", scan.head))
    except Missing:
        message = "The detail log is missing."
        return _Detail(docket.record([Breach(_ERRORS, path, message, part="no log")]))
    if not docket.record(_judge_form(path, scan)):
        return _Detail(False)
    official = docket.record(docket.official.first_line(scope, path))
    if not scan.has_events:
        message = "None of its lines is LoadGen's."
        docket.record([Breach("unreadable", path, message, part="no line")])
        if not docket.official.reads_ahead:
            return _Detail(official)
    official &= docket.record(_judge_errors(scope, path, scan))
    if counts:
        official &= docket.record(judge_sample_count(scope, path, scan.values))
    judging = judge_accuracy_run(scope, directory, text, scan.values, scan.error_count(False))
    official &= docket.record(judging)
    return _Detail(official, scan.values)


def _judge_form(path: str, scan: DetailScan) -> Breaches:
    if scan.problem:
        part = "accuracy log" if scan.loads else "accuracy log that cannot be loaded"
        if not scan.stops(True):
            part = "accuracy log past its count"
        problem, line = scan.problem, scan.problem_line
        yield Breach("unreadable", path, problem, line=line, part=part, subject=problem)


def _judge_errors(scope: Scope, path: str, scan: DetailScan) -> Breaches:
    """Yield errors that LoadGen logged or counted; the two may disagree."""
    counted = scan.error_count(True)
    if scan.errors or counted:
        yield Breach(
            _ERRORS,
            path,
            errors_in(scope, path, scan),
            line=first_error_line(scope, path, scan),
            actual=scan.errors[0] if scan.errors else counted,
            part="only counted" if not scan.errors else "" if counted else "not counted",
        )


def judge_sample_count(scope: Scope, path: str, values: Mapping[str, object]) -> Breaches:
    """Yield an accuracy run that does not cover the data set, or the part the round asks for."""
    by_directory = scope.round.counts_samples_by_directory
    scenario = scope.place.scenario if by_directory else scope.scenario
    expected = scope.round.accuracy_samples(scope.model, scenario)
    key = next((key for key in SAMPLE_COUNTS if key in values), SAMPLE_COUNTS[-1])
    if (by_directory or expected is not None) and values.get(key) != expected:
        yield Breach(
            "accuracy-data-set",
            path,
            "The run does not cover the data set.",
            line=scope.line_of(path, f'"{key}"'),
            expected=expected or f"a count of {scope.model} for {scenario}",
            actual=values.get(key, "no count"),
        )


def _judge_old_detail(scope: Scope, path: str, stream: BinaryIO) -> Breaches:
    ignored = scope.round.tables["ignored_loadgen_errors"]
    for number, line in error_lines(stream, ignored):
        yield Breach(_ERRORS, path, "LoadGen logged errors.", line=number, actual=line)
        return
