"""Strict: what a verification text says of itself must agree with its verdict."""

from __future__ import annotations

import json
from typing import Any

from mlrepo.checker.scope import Scope
from mlrepo.logs.verify import (
    counts,
    has_baseline,
    passed_on_its_own_line,
    test06_values,
    values_of,
    verdicts,
)
from mlrepo.rounds.audits import (
    OUTPUT_TOKENS,
    SAMPLING_TARGET,
    TEST07_ACCURACY,
    TEST08_TOLERANCE_PERCENT,
    TEST09_SAMPLES,
    audit_settings,
)
from mlrepo.tree import Missing

_SKIPPED = "Skipped"
_TEST06_RESPONSES = audit_settings("TEST06", "")[SAMPLING_TARGET]
_LARGEST = 256 << 20
_LARGEST_COPY = 1 << 20


def judge_verdict(scope: Scope, path: str, text: str) -> None:
    """Report a text that the official checker takes for a pass and that is none."""
    found = verdicts(text)
    failed = [line for line, good in found if not good]
    if failed:
        _report(
            scope,
            path,
            "The verification passes and fails.",
            line=failed[0],
            expected="one verdict",
            actual="TEST PASS and TEST FAIL",
        )
    elif not passed_on_its_own_line(text):
        _report(
            scope,
            path,
            "TEST PASS is only a part of a line.",
            expected="TEST PASS alone",
            line=scope.line_of(path, "TEST PASS"),
        )


def judge_responses(scope: Scope, path: str, text: str, entries: float) -> None:
    """Hold a TEST PASS of TEST01 or TEST08 against the numbers above it.

    Parameters
    ----------
    entries:
        How many responses the test's run should have logged; 0 where that is unknown.
    """
    found = counts(text)
    if not found:
        _report(scope, path, "The verification does not say how many responses it compared.")
        return
    names = [name for name in ("num_perf_log_data_mismatch", "num_ne_mismatch") if name in found]
    if not names:
        _report(scope, path, "The verification does not say how many responses differ.")
    for name in names:
        wrong = max(found[name])
        if wrong and not has_baseline(text):
            _report(
                scope,
                path,
                "Responses differ from the accuracy run's, but the test passes.",
                line=scope.line_of(path, name),
                expected=f"{name} = 0",
                actual=wrong,
            )
    logged = min(found.get("num_perf_log_entries", [0]))
    compared = [
        min(found[name]) for name in ("num_perf_log_qsl_idx_match", "num_matched") if name in found
    ]
    count = min(compared, default=logged)
    if "num_missing_qsl_idxs" in found:
        count = min(count, max(0, logged - max(found["num_missing_qsl_idxs"])))
    if count >= logged and logged * 2 >= entries and count:
        return
    line = scope.line_of(path, "num_perf_log_entries")
    if count == 0:
        _report(scope, path, "No response was compared.", line=line, actual=f"{logged} logged")
    elif count * 2 < logged:
        _report(
            scope,
            path,
            "Most responses were not compared.",
            line=line,
            expected=logged,
            actual=count,
        )
    elif count < logged:
        scope.report(
            "compliance-partly",
            path,
            "Some responses were not compared.",
            line=line,
            expected=logged,
            actual=count,
        )
    else:
        _report(
            scope,
            path,
            "Fewer responses were compared than the test logs.",
            line=line,
            expected=f"about {entries:.0f}",
            actual=logged,
        )


def judge_test08(scope: Scope, path: str, text: str) -> None:
    """Hold a TEST PASS of TEST08 against its numbers and the tolerance of the script."""
    judge_responses(scope, path, text, 0)
    for value in values_of(text.replace(" = ", ":"), "tolerance"):
        if not _within(value.removesuffix("%"), 0, TEST08_TOLERANCE_PERCENT):
            _report(
                scope,
                path,
                "The test passes with another tolerance than it has.",
                line=scope.line_of(path, "tolerance"),
                expected=f"<= {TEST08_TOLERANCE_PERCENT} %",
                actual=value,
            )


def judge_test06(scope: Scope, path: str, text: str) -> None:
    """Report checks with a value other than a pass beside one, and those that were left out."""
    for check, values in test06_values(text).items():
        good = {"True", _SKIPPED} if check.startswith("First") else {"True"}
        other = [value for value in values if value not in good]
        if other:
            _report(
                scope,
                path,
                f"TEST06 says of one check that it passes and fails: {check}.",
                line=scope.line_of(path, f"{check}: {other[0]}"),
                expected="True",
                actual=", ".join(values),
            )
        elif _SKIPPED in values and scope.scenario != "Offline":
            _report(
                scope,
                path,
                "TEST06 left out the check of the first token.",
                line=scope.line_of(path, _SKIPPED),
                expected="True",
                actual=f"{_SKIPPED}, which is for Offline",
            )
    if "TEST06 verification failed" in text:
        _report(
            scope,
            path,
            "TEST06 says that it failed.",
            line=scope.line_of(path, "TEST06 verification failed"),
        )


def judge_test_log(scope: Scope, test: str, path: str) -> None:
    """Report a test's accuracy log that holds nothing, or that is the log of the accuracy run."""
    own = f"{scope.path}/accuracy/mlperf_log_accuracy.json"
    entry, other = scope.tree.entry(path), scope.tree.entry(own)
    if entry is None or not 0 <= entry.size <= _LARGEST_COPY:
        return
    try:
        log = scope.tree.read(path, _LARGEST_COPY)
        if not log.strip():
            _report(scope, path, f"The test passes, but the accuracy log of {test} is empty.")
        elif (
            b'"data"' in log
            and other is not None
            and other.size == entry.size
            and log == scope.tree.read(own, _LARGEST_COPY)
        ):
            # 18 published tests show it of TEST06, beside texts and dates of tests that were run.
            rule = "compliance-partly" if test == "TEST06" else "compliance-copied"
            scope.report(rule, path, f"{test} holds the log of the accuracy run.")
    except Missing:
        return  # which other rules say


def judge_test06_log(scope: Scope, path: str) -> None:
    """Hold TEST06 against its log, whose answers are whole: the round does not truncate it."""
    try:
        entries = json.loads(scope.tree.read(path, _LARGEST))
        lengths = {_bytes_per_token(entry) for entry in entries}
        firsts = [(entry["data"], entry.get("token_data") or "") for entry in entries]
    except (Missing, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return  # missing, truncated all the same, or no log: other rules say so
    if not entries:
        scope.report(
            "compliance-partly",
            path,
            "TEST06 logged no response: nothing was compared.",
            expected=f"about {_TEST06_RESPONSES}",
            actual=0,
        )
    elif len(entries) * 2 < _TEST06_RESPONSES:
        _report(
            scope,
            path,
            "TEST06 logged fewer responses than it asks for.",
            expected=f"about {_TEST06_RESPONSES}",
            actual=len(entries),
        )
    if len(lengths) > 1:
        _report(
            scope,
            path,
            "TEST06 passes, but answers are not as long as their token counts.",
            expected="the same bytes for each token",
            actual=", ".join(f"{length:g}" for length in sorted(lengths)[:4]),
        )
    if any(first and not data.startswith(first) for data, first in firsts):
        _report(scope, path, "TEST06 passes, but an answer does not begin with its first token.")


def _bytes_per_token(entry: Any) -> float:
    count = int(entry["token_count"])
    return len(entry["data"]) / 2 / count if count else 0.0


def judge_test07(scope: Scope, path: str, text: str) -> None:
    """Hold the accuracy of TEST07 against the bound of its benchmark."""
    least = TEST07_ACCURACY.get(scope.model)
    if least is not None:
        _judge_range(scope, path, text, "Accuracy score", (least, float("inf")))
    _judge_flags(scope, path, text, "Accuracy check pass")


def judge_test09(scope: Scope, path: str, text: str) -> None:
    """Hold the mean output length of TEST09 against the bounds of its benchmark."""
    bounds = OUTPUT_TOKENS.get(scope.model)
    if bounds is not None:
        _judge_range(scope, path, text, "Mean output tokens", bounds)
    samples = TEST09_SAMPLES.get(scope.model)
    if samples is not None:
        _judge_range(scope, path, text, "Total samples", (samples, float("inf")))
    _judge_flags(scope, path, text, "Min check pass")
    _judge_flags(scope, path, text, "Max check pass")


def _judge_range(
    scope: Scope, path: str, text: str, name: str, bounds: tuple[float, float]
) -> None:
    low, high = bounds
    values = values_of(text, name)
    wrong = [value for value in values if not _within(value, low, high)]
    if wrong or not values:
        _report(
            scope,
            path,
            f"The test passes with another {name.lower()} than it asks for.",
            line=scope.line_of(path, name),
            actual=wrong[0] if wrong else "none",
            expected=f">= {low:g}" if high == float("inf") else f"{low:g} to {high:g}",
        )


def _within(text: str, low: float, high: float) -> bool:
    try:
        return low <= float(text) <= high
    except ValueError:
        return False


def _judge_flags(scope: Scope, path: str, text: str, name: str) -> None:
    wrong = [value for value in values_of(text, name) if value != "True"]
    if wrong:
        _report(
            scope,
            path,
            "The test passes, but one of its checks does not.",
            line=scope.line_of(path, f"{name}: {wrong[0]}"),
            expected=f"{name}: True",
            actual=wrong[0],
        )


def _report(
    scope: Scope,
    path: str,
    message: str,
    *,
    line: int = 0,
    expected: object = "",
    actual: object = "",
) -> None:
    scope.report(
        "compliance-text",
        path,
        message,
        line=line,
        expected=expected,
        actual=actual,
        official=False,
    )
