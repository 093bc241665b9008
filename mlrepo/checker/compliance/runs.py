"""Strict: is each compliance run that test, of this result, and verified against this result?

Where a test's texts and logs disagree, the logs are believed: the text is about another run. That
is a warning as long as it may be a rerun, and an error where it cannot be: the number of another
scenario, or one that no rerun would give.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlrepo.checker.breach import Breach, Breaches, Judging
from mlrepo.checker.scope import Scope
from mlrepo.compliance import compliance_test
from mlrepo.compliance.protocol import (
    AUDIT_KEYS,
    ISSUE_SAME,
    ISSUE_UNIQUE,
    RNG_SEED,
    SAMPLING_TARGET,
    SEEDS,
    ComplianceTest,
)
from mlrepo.compliance.scores import is_stream
from mlrepo.logs.scan import DetailScan, scan_detail
from mlrepo.logs.verify import Score, scores
from mlrepo.scenarios import SCENARIOS, Scenario, named
from mlrepo.tree import Missing

Values = Mapping[str, object]

_RUN = "performance/run_1"
_LATENCIES = tuple(f"result_{name}_latency_ns" for name in ("min", "mean", "max"))
# The scores that the rounds' scripts compare: their names in detail logs, then in summaries.
_SCORES_OF_STREAM = (
    "early_stopping_latency_ss",
    "result_90.00_percentile_latency_ns",
    "result_99.90_percentile_latency_ns",
    "90th percentile latency (ns)",
)
_SCORES_OF_SAMPLES = (
    "early_stopping_latency_ms",
    "result_99.00_percentile_per_query_latency_ns",
    "result_99.00_percentile_latency_ns",
    "result_90.00_percentile_latency_ns",
    "effective_samples_per_query",
    "Samples per query",
)
_SCORES_OF_SERVER = (
    "result_completed_samples_per_sec",
    "result_scheduled_samples_per_sec",
    "Scheduled samples per second",
)
_SCORES_AT_ONCE = ("result_samples_per_second", "Samples per second")


def _scores(scenario: Scenario) -> tuple[str, ...]:
    if scenario.at_once:
        return _SCORES_AT_ONCE
    if scenario.at_random:
        return _SCORES_OF_SERVER
    if scenario.samples_per_query > 1:
        return _SCORES_OF_SAMPLES
    return _SCORES_OF_STREAM if scenario.is_stream else ()


KEYS = frozenset(
    {
        *_LATENCIES,
        *(key for each in SCENARIOS.values() for key in _scores(each) if "_" in key),
        *(f"effective_{key}" for key in (*AUDIT_KEYS, *SEEDS)),
        "effective_scenario",
        "effective_test_mode",
        "effective_target_latency_ns",
        "result_validity",
        "loadgen_version",
        "result_query_count",
        "generated_query_count",
        "generated_samples_per_query",
    }
)
"""Keys read from the detail logs of a test and of its performance run."""


@dataclass(frozen=True)
class TestRun:
    """The run of a test: its name, the path of its log, and what the log says."""

    test: str
    path: str
    scan: DetailScan

    @functools.cached_property
    def about(self) -> ComplianceTest:
        """Return the test."""
        return compliance_test(self.test)

    @property
    def values(self) -> Values:
        """Return the values of the log."""
        return self.scan.values


def judge_settings(scope: Scope, run: TestRun) -> Breaches:
    """Yield a run without the settings that make it this test."""
    values, test = run.values, run.test
    wanted = run.about.settings(scope.model)
    if run.about.is_of_older_audit(values):
        yield Breach(
            "compliance-older-audit",
            run.path,
            f"{test} ran with the settings of v0.5.",
            line=_line(scope, run, RNG_SEED),
            expected=_texts(wanted),
        )
        return
    if run.about.shows_switches:
        wanted = {ISSUE_SAME: 0, ISSUE_UNIQUE: 0, **wanted}
    if scope.round.has_detail_log() and values.get("effective_test_mode") != "PerformanceOnly":
        yield Breach(
            "compliance-settings",
            run.path,
            f"{test} is not run in performance mode.",
            line=_line(scope, run, "test_mode"),
            expected="PerformanceOnly",
            actual=values.get("effective_test_mode", "absent"),
        )
    logged = {key: values.get(f"effective_{key}") for key in wanted}
    wrong = [key for key, value in wanted.items() if not _obeys(key, logged[key], value)]
    if wrong:
        yield Breach(
            "compliance-settings",
            run.path,
            f"The run is not {test}.",
            line=_line(scope, run, wrong[0]),
            expected=_texts({key: wanted[key] for key in wrong}),
            actual=_texts({key: logged[key] for key in wrong}),
        )
    for fault in run.about.setting_faults(values, scope.round):
        yield Breach(
            fault.rule,
            run.path,
            fault.message,
            line=_line(scope, run, fault.needle),
            expected=fault.expected,
            actual=fault.actual,
        )


def _obeys(key: str, logged: Any, wanted: int) -> bool:
    if not isinstance(logged, int | float):
        # The summaries of v0.7 write true and false.
        logged = {"true": 1, "false": 0}.get(str(logged), -1)
    return bool(logged >= wanted if key == SAMPLING_TARGET else logged == wanted)


def judge_belonging(scope: Scope, run: TestRun, performance: TestRun) -> Breaches:
    """Yield a test whose scenario, target latency or LoadGen is not its performance run's."""
    scenario, own = (str(each.values.get("effective_scenario", "")) for each in (run, performance))
    allowed = {own, scope.scenario, named(scope.scenario).loadgen}
    if own and scenario not in allowed:
        yield Breach(
            "compliance-other-run",
            run.path,
            f"{run.test} ran another scenario.",
            line=_line(scope, run, "effective_scenario"),
            expected=own,
            actual=scenario,
        )
    bound, limit = (each.values.get("effective_target_latency_ns") for each in (run, performance))
    if scenario == own and named(own).bounded and bound != limit:
        yield Breach(
            "compliance-other-run",
            run.path,
            f"{run.test} ran with another target latency than the performance run.",
            line=_line(scope, run, "effective_target_latency_ns"),
            expected=limit,
            actual=bound,
        )
    built, by = (each.values.get("loadgen_version") for each in (run, performance))
    if by and built != by:
        yield Breach(
            "compliance-loadgen",
            run.path,
            f"{run.test} was run with another LoadGen than the performance run.",
            line=_line(scope, run, "loadgen_version"),
            expected=by,
            actual=built,
        )


def judge_copies(runs: list[TestRun], performance: TestRun) -> Judging[set[str]]:
    """Yield, and return the names of, tests that show the latencies of another run of this result.

    Two runs never agree to the nanosecond, so a copy is found whatever else was changed in it.
    """
    copied: set[str] = set()
    before = [performance]
    for run in runs:
        other = next((each for each in before if _are_one(each.scan, run.scan)), None)
        if other is not None:
            copied.add(run.test)
            name = other.test or "the performance run"
            yield Breach("compliance-copied", run.path, f"{run.test} contains the log of {name}.")
        before.append(run)
    return copied


def _are_one(scan: DetailScan, other: DetailScan) -> bool:
    """Say whether two logs begin alike, or agree in two of three latencies."""
    if scan.head == other.head != "":
        return True
    pairs = zip(_latencies(scan.values), _latencies(other.values), strict=True)
    return sum(one == another > 0 for one, another in pairs) >= 2


def run_prints(name: str, scan: DetailScan) -> list[tuple[str, str]]:
    """Return the fingerprints of a run: the beginning of its log, and its latencies."""
    latencies = _latencies(scan.values)
    prints = [(name, scan.head)] if scan.head else []
    if all(latencies):
        prints.append((name, "-".join(f"{latency:.0f}" for latency in latencies)))
    return prints


def _latencies(values: Values) -> tuple[float, ...]:
    return tuple(_number(values, key) for key in _LATENCIES)


def judge_scores(
    scope: Scope, path: str, text: str, pairs: Mapping[str, TestRun], test: str
) -> Breaches:
    """Check the scores in ``verify_performance.txt`` against the logs and the test's tolerance.

    Parameters
    ----------
    path, text:
    Path and content of ``verify_performance.txt``.
    pairs:
        The run that each score should come from, by the score's name.
    test:
        The test's name.
    """
    found = scores(text)
    missing = [name for name in pairs if name not in found]
    if missing:
        yield Breach(
            "compliance-reference",
            path,
            "The verification does not contain the scores.",
            expected=", ".join(f"{name} score" for name in missing),
        )
        return
    for name, run in pairs.items():
        yield from _judge_origin(scope, path, name, found[name], run)
    reference, score = (found[name].value for name in pairs)
    scenario = next(iter(pairs.values())).values.get("effective_scenario") or scope.scenario
    yield from _judge_tolerance(scope, path, test, str(scenario), (reference, score))


def _judge_origin(scope: Scope, path: str, name: str, score: Score, run: TestRun) -> Breaches:
    """Compare a score with the log that it should come from."""
    scenario = str(run.values.get("effective_scenario"))
    own = results(run.values, scenario)
    if not own or any(score.equals(number) for number in own):
        return
    other = _other_scenario(scope, score) if name == "reference" else ""
    # Where the result is inferred from a run of another scenario, the test has a run of its own.
    inferred = scenario != scope.scenario and not named(scope.scenario).suffix
    certain = bool(other) or (
        not inferred and not any(score.value / 2 <= number <= score.value * 2 for number in own)
    )
    yield Breach(
        "compliance-other-run" if certain else "compliance-reference",
        path,
        f"The {name} score is that of {other or 'another run'}.",
        line=scope.line_of(path, f"{name[1:]} score"),
        expected=f"{own[0]:g}",
        actual=f"{score.value:g}",
    )


def results(values: Values, scenario: str) -> list[float]:
    """Return the numbers that a verification may call a run's score; latencies also as rates."""
    found = [_number(values, key) for key in _scores(named(scenario))]
    numbers = [number for number in found if number > 0]
    return numbers + ([1e9 / n for n in numbers] if is_stream(scenario) else [])


def _other_scenario(scope: Scope, score: Score) -> str:
    """Return the benchmark's other scenario that has this score as its result; empty if none."""
    benchmark = scope.path.rpartition("/")[0]
    for name in scope.directories(benchmark):
        path = f"{benchmark}/{name}/{_RUN}/mlperf_log_detail.txt"
        if name == scope.place.scenario or not scope.round.has_detail_log():
            continue
        values = read_values(scope, path)
        scenario = str(values.get("effective_scenario"))
        # Scenarios of one benchmark may have similar results: only a match in all digits counts.
        if any(score.equals(number, digits=1e-5) for number in results(values, scenario)):
            return name
    return ""


def read_values(scope: Scope, path: str) -> Values:
    """Return the values of a detail log that are used here; none if it cannot be read."""
    try:
        with scope.tree.open(path) as stream:
            scan = scan_detail(stream, KEYS, first_only=True)
    except Missing:
        return {}
    return {} if scan.problem else scan.values


def _judge_tolerance(
    scope: Scope, path: str, test: str, scenario: str, pair: tuple[float, float]
) -> Breaches:
    """Check reference and score against the tolerance that the TEST PASS below them implies."""
    reference, score = pair
    shares = compliance_test(test).score_range(scenario, reference, scope.round)
    low, high = (share * reference for share in shares)
    if not low <= score <= high:
        yield Breach(
            "compliance-unlike-performance",
            path,
            f"{test} and the performance run differ.",
            line=scope.line_of(path, "est score"),
            actual=f"{score:g}",
            expected=f"{low:g} to {high:g}",
        )


def expected_entries(values: Values) -> float:
    """Return about how many responses LoadGen logs in such a run; 0 if unknown."""
    target = _number(values, f"effective_{SAMPLING_TARGET}")
    names = ("result_query_count", "generated_query_count", "generated_samples_per_query")
    issued, generated, samples = (_number(values, name) for name in names)
    return min(target * issued / generated, issued * samples) if generated > 0 else 0.0


def _number(values: Values, key: str) -> float:
    """Return a positive finite number from a log, or 0."""
    value = values.get(key)
    try:
        number = float(value) if isinstance(value, int | float) else 0.0
    except OverflowError:  # more digits than any result has
        return 0.0
    return number if 0 < number < math.inf else 0.0


def _line(scope: Scope, run: TestRun, key: str) -> int:
    if scope.round.has_detail_log() and not key.startswith(("effective_", "loadgen_")):
        key = f"effective_{key}"
    return scope.line_of(run.path, key)


def _texts(settings: Mapping[str, object]) -> str:
    return ", ".join(
        f"{key} = {'absent' if value is None else value}" for key, value in settings.items()
    )
