"""Find contradictions between a verification text and its ``TEST PASS``."""

from __future__ import annotations

from collections.abc import Iterator

from mlrepo.compliance.evidence import TextFault
from mlrepo.logs.verify import (
    counts,
    has_baseline,
    passed_on_its_own_line,
    values_of,
    verdicts,
)


def verdict_faults(text: str) -> Iterator[TextFault]:
    """Yield why a text that the official checker accepts as a pass is not one."""
    failed = [line for line, good in verdicts(text) if not good]
    if failed:
        yield TextFault(
            "The verification passes and fails.",
            line=failed[0],
            expected="one verdict",
            actual="TEST PASS and TEST FAIL",
        )
    elif not passed_on_its_own_line(text):
        yield TextFault(
            "TEST PASS is not a line of its own.", "TEST PASS", expected="TEST PASS alone"
        )


def response_faults(text: str, entries: float = 0) -> Iterator[TextFault]:
    """Check a ``TEST PASS`` on compared responses against the numbers above it.

    Parameters
    ----------
    entries:
        How many responses the test's run should have logged; 0 if unknown.
    """
    found = counts(text)
    if not found:
        yield TextFault("The verification does not say how many responses it compared.")
        return
    names = [name for name in ("num_perf_log_data_mismatch", "num_ne_mismatch") if name in found]
    if not names:
        yield TextFault("The verification does not say how many responses differ.")
    for name in names:
        wrong = max(found[name])
        if wrong and not has_baseline(text):
            yield TextFault(
                "Responses differ from the accuracy run's, but the test passes.",
                name,
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
    if not (count >= logged and logged * 2 >= entries and count):
        yield _too_few(count, logged, entries)


def _too_few(count: int, logged: int, entries: float) -> TextFault:
    """Return the fault of a verification that compared ``count`` of ``logged`` responses."""
    needle = "num_perf_log_entries"
    if count == 0:
        return TextFault("No response was compared.", needle, actual=f"{logged} logged")
    if count * 2 < logged:
        return TextFault("Most responses were not compared.", needle, expected=logged, actual=count)
    if count < logged:
        return TextFault(
            "Some responses were not compared.",
            needle,
            expected=logged,
            actual=count,
            rule="compliance-partly",
        )
    return TextFault(
        "Fewer responses were compared than the test logs.",
        needle,
        expected=f"about {entries:.0f}",
        actual=logged,
    )


def range_faults(
    text: str, name: str, low: float, high: float = float("inf")
) -> Iterator[TextFault]:
    """Check the values of lines ``name: value`` against bounds; there must be at least one."""
    values = values_of(text, name)
    wrong = [value for value in values if not within(value, low, high)]
    if wrong or not values:
        yield TextFault(
            f"The test passes with another {name.lower()} than it requires.",
            name,
            expected=f">= {low:g}" if high == float("inf") else f"{low:g} to {high:g}",
            actual=wrong[0] if wrong else "none",
        )


def flag_faults(text: str, name: str) -> Iterator[TextFault]:
    """Yield a fault if a line ``name: value`` has another value than True."""
    wrong = [value for value in values_of(text, name) if value != "True"]
    if wrong:
        yield TextFault(
            "The test passes, but one of its checks does not.",
            f"{name}: {wrong[0]}",
            expected=f"{name}: True",
            actual=wrong[0],
        )


def within(text: str, low: float, high: float) -> bool:
    """Say whether a text is a number in a range."""
    try:
        return low <= float(text) <= high
    except ValueError:
        return False
