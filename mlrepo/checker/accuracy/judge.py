"""Judge the accuracy run of a result: accuracy.txt, its hash, the logs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from mlrepo.checker.accuracy.facts import (
    COUNTS,
    KEYS,
    SAMPLE_COUNTS,
    judge_accuracy_run,
    judge_answers,
    judge_number,
    report_missing_metric,
)
from mlrepo.checker.accuracy.hash import HASH_LINE, judge_hash
from mlrepo.checker.documents.files import judge_file_list
from mlrepo.checker.official.modular import is_modular, judge_log_start
from mlrepo.checker.runs.log_errors import errors_in, first_error_line
from mlrepo.checker.scope import Scope
from mlrepo.checker.walk.links import leads_elsewhere
from mlrepo.logs.accuracy_text import MetricReading, lines_of, reading_of
from mlrepo.logs.metric_pattern import MetricPattern, metric_pattern
from mlrepo.logs.old_detail import error_lines
from mlrepo.logs.scan import HEAD_SIZE, digest_of_head, scan_detail
from mlrepo.rounds import Round
from mlrepo.tree import Kind, Missing


@dataclass(frozen=True)
class AccuracyJudgement:
    """What an accuracy run is worth.

    Attributes
    ----------
    official:
        The official verdict on the run; in the open division most breaches are forgiven.
    text:
        As the official summary prints it.
    stops:
        The official checker looks at nothing else of this result.
    logged:
        What the detail log says; empty where it cannot be read.
    counts:
        The official checker counts the run as an error where it is not valid.
    metrics:
        What accuracy.txt says, as it is printed there.
    """

    official: bool
    text: str = ""
    stops: bool = False
    logged: Mapping[str, Any] = field(default_factory=dict)
    counts: bool = True
    metrics: Mapping[str, MetricReading] = field(default_factory=dict)


def has_many_metrics(round: Round) -> bool:
    """Say whether a benchmark of the round may have several metrics (v3.1 and later)."""
    return round.version >= (3, 1)


def judge_accuracy(scope: Scope) -> AccuracyJudgement:
    """Judge ``accuracy/`` of the result."""
    directory = f"{scope.path}/accuracy"
    path = f"{directory}/accuracy.txt"
    stops = scope.round.version >= (4, 1)
    if not scope.exists(path):
        scope.report("accuracy-missing", path, "accuracy.txt is missing.", official=True)
        return AccuracyJudgement(False, stops=stops, counts=stops)
    if not judge_file_list(scope, directory, "accuracy"):
        return AccuracyJudgement(False, stops=True)
    before = len(scope.findings)
    text = scope.text(path, 64 << 20)
    if text is None:
        why = scope.no_text(path)
        scope.report("unreadable", path, f"It cannot be read: {why}.", official=True)
        scope.dies(path, why)
        return AccuracyJudgement(False)
    text = "\n".join(lines_of(text))
    metrics = _judge_text(scope, path, text)
    _judge_log(scope, directory, text)
    logged = _judge_detail(scope, directory, text)
    if not has_extra_files(scope, directory):
        # The checkers up to v5.1 ask for them in the closed division only.
        scope.report(
            "accuracy-extra-files",
            directory,
            "Images or videos are missing.",
            warns=scope.is_open and not is_modular(scope.round),
        )
    if scope.is_open:
        _forgive(scope, before, bool(metrics))
    official = not any(finding.breaks_official for finding in scope.findings[before:])
    return AccuracyJudgement(official, _printed(scope, metrics), logged=logged, metrics=metrics)


def _forgive(scope: Scope, before: int, has_metrics: bool) -> None:
    """Take back what the official checkers do not mind in the open division."""
    modular = is_modular(scope.round)
    for at, finding in enumerate(scope.findings[before:], start=before):
        forgiven = finding.rule.startswith("accuracy-") and (
            not modular
            or finding.rule in ("accuracy-target", "accuracy-hash")
            # What is expected is missing; what is no number is not forgiven.
            or (finding.rule == "accuracy-text" and finding.expected)
        )
        if finding.rule == "accuracy-text" and scope.round.version >= (5, 0) and not modular:
            forgiven = forgiven and has_metrics
        if forgiven:
            scope.findings[at] = replace(finding, breaks_official=False)


def has_extra_files(scope: Scope, directory: str) -> bool:
    """Say whether the images or videos that the round asks of the benchmark are there."""
    wanted = (scope.round.tables.get("extra_accuracy_files") or {}).get(scope.model) or {}
    if not isinstance(wanted, dict):
        return True
    for name, stems in wanted.items():
        present = {file.partition(".")[0] for file in scope.files(f"{directory}/{name}")}
        if not present >= set(stems):
            return False
    return True


def _printed(scope: Scope, metrics: Mapping[str, MetricReading]) -> str:
    """Return the metrics as the official summary has them: up to v4.1 the first one's number."""
    if scope.round.version >= (5, 0):
        return "  ".join(f"{metric}: {one.value}" for metric, one in metrics.items())
    targets = scope.round.accuracy_targets(scope.model, scope.scenario)
    first = metrics.get(targets[0]["metric"]) if targets else None
    return first.value if first else "None"


def _judge_text(scope: Scope, path: str, text: str) -> dict[str, MetricReading]:
    """Report what accuracy.txt lacks; return the metrics in it as printed."""
    targets = scope.round.accuracy_targets(scope.model, scope.scenario)
    limits = (scope.round.tables.get("accuracy_upper_limit") or {}).get(scope.model) or []
    patterns = scope.round.tables["accuracy_pattern"]
    many = has_many_metrics(scope.round)
    checks = [(t["metric"], metric_pattern(patterns[t["metric"]]), t["min"]) for t in targets]
    uppers = [(u["metric"], metric_pattern(patterns[u["metric"]]), u["max"]) for u in limits]
    metrics: dict[str, MetricReading] = {}
    has_hash = False
    reached: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        for metric, pattern, least in checks:
            match = pattern.match(line)
            if match:
                judge_number(scope, path, number, metric, match, least)
                if metric in metrics and not many:
                    # The official checker takes the last line; no line may miss the target.
                    _compare(scope, path, metrics[metric], least=least, official=False)
                metrics[metric] = reading_of(metric, match, number)
                if not many or _compare(scope, path, metrics[metric], least=least):
                    reached.add(metric)
        for metric, pattern, most in uppers:
            match = pattern.match(line)
            if match:
                _compare(scope, path, reading_of(metric, match, number), most=most)
        has_hash = has_hash or bool(HASH_LINE.match(line))
        if has_hash and len(reached) == len(checks):
            _judge_rest(scope, path, text, number, checks)
            break
    if not many:
        for metric, _, least in checks:
            if metric in metrics:
                _compare(scope, path, metrics[metric], least=least)
    for metric, pattern, least in checks:
        if metric not in metrics:
            report_missing_metric(scope, path, text, metric, pattern.pattern.pattern, least)
    if not has_hash:
        scope.report(
            "accuracy-hash",
            path,
            "There is no hash of the accuracy log.",
            warns=not _truncates(scope.round),
        )
    _judge_counts(scope, path, text)
    return metrics


def _judge_rest(
    scope: Scope,
    path: str,
    text: str,
    read: int,
    checks: Sequence[tuple[str, MetricPattern, float]],
) -> None:
    """Strict: hold the lines that the official checkers do not read to the targets, too."""
    for number, line in enumerate(text.split("\n")[read:], start=read + 1):
        for metric, pattern, least in checks:
            match = pattern.match(line)
            reading = reading_of(metric, match, number) if match else None
            if reading is not None and reading.number is not None:
                _compare(scope, path, reading, least=least, official=False)


def _compare(
    scope: Scope,
    path: str,
    reading: MetricReading,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    official: bool | None = None,
) -> bool:
    """Hold a metric to its bounds, and say whether it is within them."""
    metric, value, line, number = reading.metric, reading.value, reading.line, reading.number
    if number is None:
        scope.report("accuracy-text", path, f"{metric} is no number.", line=line, actual=value)
        if not is_modular(scope.round):
            scope.dies(path, f"it takes {metric} for a number", line=line)
        return False
    # The open division has no target, but a metric must be a number there too.
    within = least <= number <= most
    if not within and not scope.is_open:
        scope.report(
            "accuracy-target",
            path,
            f"{metric} misses its target.",
            line=line,
            expected=f">= {least}" if number < least else f"<= {most}",
            actual=value,
            official=official,
        )
    return within


def _judge_counts(scope: Scope, path: str, text: str) -> None:
    """Strict: what accuracy-imagenet.py prints must agree with itself."""
    for percent, good, total in COUNTS.findall(text):
        if len(good) > 18 or len(total) > 18 or not int(total):
            wrong = True
        else:
            try:
                wrong = abs(float(percent) - 100 * int(good) / int(total)) > 0.001
            except ValueError:
                continue
        if wrong:
            scope.report(
                "accuracy-text",
                path,
                "accuracy is not good divided by total.",
                line=scope.line_of(path, f"accuracy={percent}%, good={good}"),
                actual=f"{percent} %, {good[:20]} of {total[:20]}",
                official=False,
            )


def _truncates(round: Round) -> bool:
    """Say whether logs are truncated: v0.5 knew no hash, of which only the checker of v0.7 asks."""
    return round.version >= (0, 7)


def _judge_log(scope: Scope, directory: str, text: str) -> None:
    path = f"{directory}/mlperf_log_accuracy.json"
    entry = scope.tree.entry(path)
    if entry is not None and entry.target:
        followed = entry.kind is Kind.FILE or leads_elsewhere(entry)
        scope.report(
            "accuracy-log",
            path,
            "The log is a link.",
            actual=entry.target,
            official=False if followed else None,
        )
    elif entry is None or entry.kind is not Kind.FILE:
        scope.report("accuracy-log", path, "The log is missing or no plain file.")
    if entry is None or entry.kind is not Kind.FILE:
        return
    limit = int(scope.round.tables["limits"]["accuracy_log_max_bytes"])
    if entry.size > limit:
        scope.report(
            "accuracy-log",
            path,
            "The log is not truncated.",
            expected=f"<= {limit} bytes",
            actual=entry.size,
            warns=not _truncates(scope.round),
        )
        return
    try:
        data = scope.tree.read(path, limit)
    except Missing:
        scope.report("unreadable", path, "It cannot be read.")
        return
    if not data.strip():
        scope.report("accuracy-log", path, "The log is empty.", official=False)
    judge_answers(scope, path, data)
    if not scope.report_stand_in(path, data):
        judge_hash(scope, f"{directory}/accuracy.txt", text, data)


def _judge_detail(scope: Scope, directory: str, text: str) -> Mapping[str, Any]:
    """Judge the detail log; return what it says."""
    path = f"{directory}/mlperf_log_detail.txt"
    wanted = _wanted(scope.round)
    try:
        with scope.tree.open(path) as stream:
            if not scope.round.has_detail_log():
                scope.prints.append(("accuracy", digest_of_head(scope.tree.read(path, HEAD_SIZE))))
                _judge_old_detail(scope, path, stream)
                return {}
            scan = scan_detail(stream, KEYS.union(wanted), first_only=True)
            scope.prints.append(("accuracy", scan.head))
    except Missing:
        scope.report("accuracy-loadgen-error", path, "The detail log is missing.", official=True)
        return {}
    if scan.problem:
        stops = scan.stops(scope.round.version == (5, 1))
        scope.report("unreadable", path, scan.problem, line=scan.problem_line, official=stops)
        if stops:
            if not (is_modular(scope.round) and scan.loads):
                scope.dies(path, scan.problem, line=scan.problem_line)
            return {}
    judge_log_start(scope, path)
    if not scan.has_events:
        scope.report("unreadable", path, "No line of it is LoadGen's.", official=False)
        if not is_modular(scope.round):
            return {}
    # Of the checkers, only that of v5.1 trusts the count in the log more than the log.
    trusts_count = bool(wanted) and not is_modular(scope.round)
    if scan.errors or scan.error_count(True):
        scope.report(
            "accuracy-loadgen-error",
            path,
            errors_in(scope, path, scan),
            line=first_error_line(scope, path, scan),
            actual=scan.errors[0] if scan.errors else scan.error_count(True),
            official=None if scan.error_count(trusts_count) else False,
        )
    if wanted:
        judge_sample_count(scope, path, scan.values)
    judge_accuracy_run(scope, directory, text, scan.values, scan.error_count(False))
    return scan.values


def _wanted(round: Round) -> tuple[str, ...]:
    """Return the keys of the accuracy run's log that the round's rules read."""
    if round.version < (5, 1):
        return ()
    counts = SAMPLE_COUNTS if is_modular(round) else SAMPLE_COUNTS[1:]
    return ("num_errors", *counts)


def judge_sample_count(scope: Scope, path: str, values: Mapping[str, Any]) -> None:
    """Report an accuracy run that does not cover the data set (or the part the round asks for)."""
    modular = is_modular(scope.round)
    # The modular checker looks its counts up by the directory's name.
    scenario = scope.place.scenario if modular else scope.scenario
    expected = scope.round.accuracy_samples(scope.model, scenario)
    key = next((key for key in SAMPLE_COUNTS if key in values), SAMPLE_COUNTS[-1])
    if (modular or expected is not None) and values.get(key) != expected:
        scope.report(
            "accuracy-data-set",
            path,
            "The run does not cover the data set.",
            line=scope.line_of(path, f'"{key}"'),
            expected=expected or f"a count of {scope.model} for {scenario}",
            actual=values.get(key, "no count"),
        )


def _judge_old_detail(scope: Scope, path: str, stream: BinaryIO) -> None:
    ignored = scope.round.tables["ignored_loadgen_errors"]
    for number, line in error_lines(stream, ignored):
        scope.report(
            "accuracy-loadgen-error", path, "LoadGen logged errors.", line=number, actual=line
        )
        return
