"""The comparison of a test's score with that of another run.

Source of conditions and formats: ``verify_performance.py`` below ``compliance/`` of
mlcommons/inference. In stream scenarios scores are latencies, and short ones may differ by a fifth:
outside disturbances have more weight there.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlrepo.compliance.evidence import VERIFY_PERFORMANCE, AuditedRun, Verification
from mlrepo.scenarios import SCENARIOS

# Up to this latency per sample (ns), a difference of a fifth is allowed.
_SHORT_NS = 200_000
_SHORT_TOLERANCE = 0.2


def allowed(tolerance: float, scenario: str, latency_ns: float) -> float:
    """Return the tolerance, or that of short latencies; ``latency_ns`` is the reference score.

    It is a latency in stream scenarios only.
    """
    short = _SHORT_NS * SCENARIOS[scenario].samples_per_query if is_stream(scenario) else 0
    return _SHORT_TOLERANCE if latency_ns <= short else tolerance


def is_stream(scenario: str) -> bool:
    """Say whether scores are latencies; a log may name no scenario at all."""
    return scenario in SCENARIOS and SCENARIOS[scenario].is_stream


def speed(scenario: str, score: float) -> float:
    """Return queries per second from a latency in nanoseconds; rates unchanged."""
    return 1e9 / score if is_stream(scenario) else score


def near(run: AuditedRun, tolerance: float) -> str:
    """Return how far the score is from the reference, if too far; else ''."""
    if run.reference is None:
        return ""
    limit = allowed(tolerance, run.scenario, run.reference)
    return outside(run, 1 - limit, 1 + limit)


def outside(run: AuditedRun, low: float, high: float) -> str:
    """Return how far the score is from the reference, if outside of these fractions; else ''."""
    if run.score is None or run.reference is None:
        return ""
    share = run.score / run.reference
    if low < share < high:
        return ""
    limit = 1 - low if share <= low else high - 1
    return f"the result differs by {share - 1:+.1%}, {limit:.0%} is allowed"


def verification(
    test: str, run: AuditedRun, fault: str, scores: Sequence[tuple[str, float]]
) -> Verification:
    """Return ``verify_performance.txt``: the named scores, and a pass if there is no fault."""
    if run.target_latency is not None:
        bound = run.detail.number("effective_target_latency_ns")
        if not fault and bound != run.target_latency:
            fault = "the target latency is not that of the performance run"
    lines = ["Verifying performance.", *(f"{name} score = {value}" for name, value in scores)]
    lines.append(f"TEST FAIL: {fault}" if fault else "TEST PASS")
    reasons = (f"{test} failed: {fault}.",) if fault else ()
    return Verification(reasons, {VERIFY_PERFORMANCE: ("\n".join(lines) + "\n").encode()})
