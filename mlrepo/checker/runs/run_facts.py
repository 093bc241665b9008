"""Strict: judge which run a detail log is of by its mode, settings, dates and LoadGen."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.runs import completeness, consistency
from mlrepo.checker.runs.tokens import has_token_latencies
from mlrepo.checker.scope import Scope
from mlrepo.compliance import known_tests
from mlrepo.logs.moments import clock_moment, utc_moment
from mlrepo.logs.summary import SUMMARISED
from mlrepo.rounds.inference import sources_of
from mlrepo.rounds.setting_rules import Subject, broken_in_log
from mlrepo.scenarios import named

# This mode runs both, one after the other.
_BOTH = "SubmissionRun"
_SETTING, _PERCENTILE = "performance-setting", "performance-percentile"
_DRAWN = "The samples were not chosen as in a performance run."
_OF_TEST01 = "The run was made with the settings of TEST01."
# The rule and the message for a setting whose class is broken; other rules judge the rest.
_CLASSES: Mapping[str, tuple[str, str]] = {
    "target_latency_percentile": (_PERCENTILE, "{scenario} uses another percentile."),
    "performance_issue_same": ("performance-mode", _DRAWN),
    "performance_issue_unique": ("performance-mode", _DRAWN),
    "accuracy_log_sampling_target": ("performance-audited", _OF_TEST01),
    "accuracy_log_probability": ("performance-audited", _OF_TEST01),
    "samples_per_query": (_SETTING, "The queries have another number of samples."),
    "sample_concatenate_permutation": (
        _SETTING,
        "The benchmark does not issue its samples equally often, but at random.",
    ),
    "use_token_latencies": (
        _SETTING,
        "The run is bound by its latency, not by token latencies.",
    ),
    "ttft_latency": (_SETTING, "The run's target latency is longer than the limit."),
    "tpot_latency": (_SETTING, "The run's target latency is longer than the limit."),
}
_SETTINGS = (
    "effective_target_latency_percentile",
    "effective_performance_issue_same",
    "effective_performance_issue_unique",
    "effective_accuracy_log_sampling_target",
    "effective_accuracy_log_probability",
    "effective_samples_per_query",
    "effective_sample_concatenate_permutation",
    "requested_use_token_latencies",
    "requested_server_ttft_latency",
    "requested_server_tpot_latency",
)
_TOKEN_RATES = (
    ("tokens_per_second", "result_samples_per_second"),
    ("completed_tokens_per_second", "result_completed_samples_per_sec"),
)
# Tokens per sample if accuracy.txt counts none: the longest answer requested, and the factor by
# which LoadGen multiplies samples.
_MOST_TOKENS = {
    "llama3.1-8b": 128,
    "llama3.1-8b-edge": 128,
    "gptj-99": 69,
    "gptj-99.9": 69,
}
_MORE_TOKENS = 1.1
_CLEAN = ("", "NA")
_SHOWN = 3
_DAY = datetime.timedelta(days=1)
# power_begin and UTC may differ by a time zone.
_ZONES = datetime.timedelta(hours=36)

DATES = ("test_datetime", "loadgen_build_date_utc", "loadgen_git_commit_date", "power_begin")
# Keys read from a performance run's log.
PERFORMANCE_KEYS = frozenset(
    {
        "effective_test_mode",
        "effective_scenario",
        "loadgen_version",
        "loadgen_git_status_message",
        *DATES,
        *_SETTINGS,
        *completeness.KEYS,
        *consistency.KEYS,
        *SUMMARISED,
    }
)
# Keys read from an accuracy run's log.
ACCURACY_KEYS = frozenset(
    {
        "effective_test_mode",
        "effective_scenario",
        "loadgen_version",
        "loadgen_git_status_message",
        *completeness.KEYS,
        *DATES,
    }
)


def judge_performance_facts(
    scope: Scope, path: str, values: Mapping[str, object], test: str
) -> Breaches:
    """Yield a log that is not of a performance run, has other settings or contradicts itself.

    Parameters
    ----------
    path:
        The detail log; ``values`` are its values.
    test:
        The compliance test that it belongs to; empty for a result's own run.
    """
    yield from _judge_lines(scope, path, values, has_result=True)
    yield from _judge_mode(scope, path, values, "performance-mode", "PerformanceOnly")
    yield from _judge_classes(scope, path, values, test)
    scenario = str(values.get("effective_scenario"))
    yield from _judge_percentile(scope, path, values, scenario)
    yield from judge_run_dates(scope, path, values)
    for found in consistency.contradictions(values):
        yield _breach(
            scope, found.rule, path, found.key, found.message, found.expected, found.actual
        )


def _judge_percentile(
    scope: Scope, path: str, values: Mapping[str, Any], scenario: str
) -> Breaches:
    """Check the 99th percentile itself where the rules limit only the target latency."""
    tables, key = scope.round.tables, "result_99.00_percentile_latency_ns"
    limit = (tables["latency_limit_ns"].get(scope.model) or {}).get(scenario)
    if (
        limit
        and named(scenario).bounded
        and scenario in (tables.get("early_stopping_scenarios") or ())
        and not has_token_latencies(scope.round, scope.model)
        and isinstance(values.get(key), int | float)
        and not values[key] <= limit
    ):
        yield _breach(
            scope,
            "performance-latency",
            path,
            key,
            "The 99th percentile latency is too long.",
            f"<= {limit} ns",
            values[key],
        )


def _judge_classes(scope: Scope, path: str, values: Mapping[str, Any], test: str) -> Breaches:
    """Check the settings of a run against their classes in the round's data.

    The tests' own settings are judged with the tests (`compliance-settings`). A required setting
    that is off is reported by `performance-equal-issue` and `performance-token-latency`.
    """
    logged = str(values.get("effective_scenario"))
    as_server = named(scope.scenario).loadgen == logged
    subject = Subject(
        scope.round,
        scope.place.division,
        scope.model,
        scope.scenario if as_server else logged,
        test,
    )
    for broken in broken_in_log(subject, values):
        rule, message = _CLASSES.get(broken.key, ("", ""))
        of_others = rule == _SETTING and (test or broken.bound == 1)
        if rule and not of_others and broken.logged in values:
            actual = values[broken.logged]
            message = message.format(scenario=logged)
            if rule == _PERCENTILE and broken.bound <= round(actual * 100, 9) < 1:
                message += f" Its user.conf has a fraction instead of {actual * 1e4:.10g} %."
            yield _breach(scope, rule, path, broken.logged, message, broken.expected, actual)


def judge_accuracy_facts(scope: Scope, path: str, values: Mapping[str, object]) -> Breaches:
    """Yield a detail log in ``accuracy/`` that is not of an accuracy run."""
    yield from _judge_lines(scope, path, values, has_result=False)
    yield from _judge_mode(scope, path, values, "accuracy-mode", "AccuracyOnly")
    if values.get("effective_test_mode") == "AccuracyOnly" and "result_validity" in values:
        yield _breach(
            scope,
            "accuracy-mode",
            path,
            "result_validity",
            "The log has a result, which an accuracy run does not have.",
            "no such line",
            values["result_validity"],
        )
    yield from judge_run_dates(scope, path, values)


def _judge_lines(
    scope: Scope, path: str, values: Mapping[str, object], *, has_result: bool
) -> Breaches:
    absent = completeness.absent_lines(values, has_result=has_result)
    if absent:
        more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
        yield _breach(
            scope,
            "log-incomplete",
            path,
            absent[0],
            "Lines that LoadGen writes are missing, or their values are of another kind.",
            f"{', '.join(absent[:_SHOWN])}{more}",
            values.get(absent[0], "no such line"),
        )


def _judge_mode(
    scope: Scope, path: str, values: Mapping[str, object], rule: str, wanted: str
) -> Breaches:
    mode = values.get("effective_test_mode")
    if mode not in (None, wanted, _BOTH):
        yield _breach(
            scope,
            rule,
            path,
            "effective_test_mode",
            "The log is of a run in another mode.",
            wanted,
            mode,
        )


def judge_run_dates(scope: Scope, path: str, values: Mapping[str, object]) -> Breaches:
    """Yield impossible dates, and a LoadGen that was built from changed sources."""
    if "test_datetime" not in values:
        return
    text = values["test_datetime"]
    run, built, committed = (utc_moment(values.get(key)) for key in DATES[:3])
    clock = clock_moment(values.get("power_begin"))
    if run is None:
        yield _breach(
            scope,
            "run-date",
            path,
            "test_datetime",
            "It is not a date.",
            "such as 2025-02-13T15:33:18Z",
            text,
        )
    elif clock is not None and abs(run - clock.replace(tzinfo=datetime.UTC)) > _ZONES:
        yield _breach(
            scope,
            "performance-contradiction",
            path,
            "test_datetime",
            "The date of the run is not when it began.",
            f"about {clock:%Y-%m-%d}",
            text,
        )
    elif run > datetime.datetime.now(datetime.UTC) + _DAY:
        yield _breach(
            scope, "run-date", path, "test_datetime", "The run is dated in the future.", "", text
        )
    elif built is not None and run < built - _DAY:
        yield _breach(
            scope,
            "run-date",
            path,
            "test_datetime",
            "The run is dated before its LoadGen was built.",
            f">= {built:%Y-%m-%d}",
            text,
        )
    elif committed is not None and run < committed - _DAY:
        yield _breach(
            scope,
            "run-date",
            path,
            "test_datetime",
            "The run is dated before its LoadGen was written.",
            f">= {committed:%Y-%m-%d}",
            text,
        )
    status = str(values.get("loadgen_git_status_message") or "").strip()
    if status not in _CLEAN:
        yield _breach(
            scope,
            "loadgen-modified",
            path,
            "loadgen_git_status_message",
            "LoadGen was built from changed sources.",
            "",
            status,
        )


def judge_pair(
    scope: Scope, performance: Mapping[str, object], accuracy: Mapping[str, object]
) -> Breaches:
    """Yield an accuracy run that is of another LoadGen or scenario than the performance run."""
    path = f"{scope.path}/accuracy/mlperf_log_detail.txt"
    key = "loadgen_version"
    pair = performance.get(key), accuracy.get(key)
    if None not in pair and pair[0] != pair[1]:
        yield _breach(
            scope,
            "loadgen-differs",
            path,
            key,
            "The accuracy run was made with another LoadGen than the performance run.",
            *pair,
        )
    key = "effective_scenario"
    run, own = str(performance.get(key)), accuracy.get(key)
    if own is None or run == "None" or own in (run, scope.scenario):
        return
    if own not in sources_of(scope.round, scope.scenario, scope.category):
        yield _breach(
            scope,
            "accuracy-scenario",
            path,
            key,
            "The accuracy run is of another scenario than the performance run.",
            run,
            own,
        )


def judge_tokens(scope: Scope, values: Mapping[str, Any], tokens_per_sample: str) -> Breaches:
    """Compare the tokens of a performance run with those that its samples can have.

    Both runs use the same data set: in 900 published results the performance run has at most 2 %
    more tokens per sample than the accuracy run, and never more than its benchmark allows.
    """
    path = f"{scope.path}/performance/run_1/mlperf_log_detail.txt"
    for prefix, samples in _TOKEN_RATES:
        for infix in ("", "inferred_"):
            tokens = f"result_{infix}{prefix}"
            try:
                rate = float(values[tokens]) / float(values[samples])
                known = float(tokens_per_sample or _most_tokens(scope.model))
            except (KeyError, TypeError, ValueError, OverflowError, ZeroDivisionError):
                continue
            if rate > _MORE_TOKENS * known:
                yield _breach(
                    scope,
                    "performance-tokens",
                    path,
                    tokens,
                    "The samples have more tokens than is possible.",
                    f"about {known:g} per sample",
                    f"{rate:g} per sample",
                )


def _most_tokens(benchmark: str) -> float:
    """Return the maximum tokens per sample, by length or by a compliance test; else NaN."""
    bounds = (test.output_tokens(benchmark) for test in known_tests())
    by_test = [most for _, most in filter(None, bounds)]
    return _MOST_TOKENS.get(benchmark, min(by_test, default=math.nan))


def _breach(
    scope: Scope, rule: str, path: str, key: str, message: str, expected: object, actual: object
) -> Breach:
    return Breach(
        rule,
        path,
        message,
        line=scope.line_of(path, f'"{key}"'),
        expected=expected,
        actual=actual,
        part="facts",
    )
