"""Strict: LoadGen's human-readable summary must agree with its detail log, line by line."""

from __future__ import annotations

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.runs.performance import Run
from mlrepo.checker.scope import Scope
from mlrepo.logs.summary import ALWAYS, counted_errors, estimates, logged_as, summary_fields

_LARGEST = 1 << 20
_FLAGS = {True: ("Yes", "1"), False: ("NO", "0")}
# A round's seeds may have been written into the detail log of an older run, to pass it off as one
# of this round; a reviewer has to judge that.
_SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")
_EARLY_STOPPING = ("early_stopping_result", "early_stopping_ttft_result")


def judge_summary(scope: Scope, directory: str, run: Run) -> Breaches:
    """Compare every line of the summary that the detail log determines."""
    path = f"{directory}/mlperf_log_summary.txt"
    if not scope.exists(path) or not scope.round.has_detail_log() or not run.scan.values:
        return
    text = scope.text(path, _LARGEST)
    fields = summary_fields(text or "")
    if text is None or not fields.get("Result is"):
        yield Breach("performance-summary", path, "It contains no verdict.")
        return
    for name in ALWAYS:
        if name not in fields:
            yield Breach("performance-summary", path, f"The line '{name}' is missing.")
    values = run.scan.values
    for name, key in logged_as(run.scenario).items():
        if name in fields and key in values and not _same(fields[name], values[key]):
            yield _differs(scope, path, name, key, fields[name], values[key])
    yield from _judge_estimates(scope, path, text, values)
    yield from judge_error_count(scope, path, text, run.scan.error_count(trusts_count=False))


def _judge_estimates(scope: Scope, path: str, text: str, values: dict[str, object]) -> Breaches:
    for key in _EARLY_STOPPING:
        logged = estimates(str(values.get(key, "")))
        if not logged:
            continue
        said = estimates(text)[: len(logged)]
        if said != logged:
            yield _differs(scope, path, "Early stopping", key, said, logged)


def judge_error_count(scope: Scope, path: str, text: str, logged: int) -> Breaches:
    """Yield a summary that counts errors which the detail log does not show."""
    said = counted_errors(text)
    if said and not logged:
        yield Breach(
            "performance-summary",
            path,
            "LoadGen counted errors that its detail log lacks.",
            line=scope.line_of(path, " encountered. See detailed log"),
            expected=f"{said} lines with is_error true",
            actual="none",
        )


def _differs(scope: Scope, path: str, name: str, key: str, said: object, logged: object) -> Breach:
    rule = "summary-seeds" if name in _SEEDS else "performance-summary"
    return Breach(
        rule,
        path,
        f"'{name}' is not what the detail log says ({key}).",
        line=scope.line_of(path, name),
        expected=logged,
        actual=said,
    )


def _same(text: str, logged: object) -> bool:
    """Say whether the text prints the logged value; LoadGen rounds both to six digits or fewer."""
    if isinstance(logged, bool):
        return text in _FLAGS[logged]
    if not isinstance(logged, int | float):
        return text.replace(" ", "") == str(logged).replace(" ", "")
    try:
        if isinstance(logged, int) and text.isdigit():
            return int(text) == logged
        digits = text.partition(".")[2]
        rounding = 0.51 * 10.0 ** -len(digits) if digits.isdigit() else 0.0
        return abs(float(text) - logged) <= max(rounding, 1e-5 * abs(logged))
    except (ValueError, OverflowError):
        return False
