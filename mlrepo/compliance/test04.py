"""TEST04: repeating one sample is not faster, so no result comes from a cache.

Up to v2.0 it is two tests: TEST04-A runs distinct samples, TEST04-B one sample, and they are
verified together, in the text of TEST04-A. Since v2.1 TEST04 runs one sample and is compared with
the performance run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlrepo.compliance import scores
from mlrepo.compliance.evidence import VERIFY_PERFORMANCE, AuditedRun, Verification
from mlrepo.compliance.protocol import (
    ISSUE_SAME,
    ISSUE_UNIQUE,
    MIN_QUERIES,
    SAME_INDEX,
    ComplianceTest,
)

if TYPE_CHECKING:
    from mlrepo.rounds import Round

_ONE_SAMPLE: Mapping[str, int] = {ISSUE_SAME: 1, SAME_INDEX: 3}
_LEAST_QUERIES: Mapping[str, Mapping[str, int]] = {
    "stable-diffusion-xl": {"Offline": 500},
    "wan-2.2-t2v-a14b": {"Offline": 20, "SingleStream": 20},
}
_DISTINCT, _REPEATED = "TEST04-A", "TEST04-B"


class OutputCaching(ComplianceTest):
    """A run like the performance run that repeats one sample."""

    name = "TEST04"
    performance_text = VERIFY_PERFORMANCE
    runs_performance = True
    wants_valid_run = False
    endpoints_binding = True

    def settings(self, benchmark: str) -> Mapping[str, int]:
        """Return the settings that make a run this test."""
        return _ONE_SAMPLE

    def further_settings(self, benchmark: str, scenario: str) -> Mapping[str, int]:
        """Return a smaller query count for benchmarks whose queries take long."""
        least = _LEAST_QUERIES.get(benchmark, {}).get(scenario)
        return {} if least is None else {MIN_QUERIES: least}

    def verify(self, run: AuditedRun) -> Verification:
        """Compare queries per second; a slower run is not a sign of a cache."""
        if run.reference is None or run.score is None:
            return Verification()
        reference, score = (scores.speed(run.scenario, each) for each in (run.reference, run.score))
        limit = scores.allowed(self.tolerance, run.scenario, run.reference)
        pair = (("reference", reference), ("test", score))
        return scores.verification(self.name, run, _faster(score / reference, limit), pair)

    def score_range(self, scenario: str, reference: float, round_: Round) -> tuple[float, float]:
        """Return how fast it may be.

        The official script compares rates with the bound of short latencies, so every stream
        scenario is allowed a fifth.
        """
        slack = scores.allowed(
            self.tolerance, scenario, 0 if scores.is_stream(scenario) else reference
        )
        return 0.0, 1 + slack


class DistinctSamples(OutputCaching):
    """A run that issues distinct samples, to be compared with one that repeats a sample."""

    name = _DISTINCT
    compared_with = _REPEATED
    endpoints_binding = False

    def settings(self, benchmark: str) -> Mapping[str, int]:
        """Return the settings that make a run this test."""
        return {ISSUE_UNIQUE: 1}

    def verify(self, run: AuditedRun) -> Verification:
        """Compare with the run that repeated one sample, which is the reference here."""
        if run.reference is None or run.score is None:
            return Verification()
        ratio = scores.speed(run.scenario, run.reference) / scores.speed(run.scenario, run.score)
        limit = scores.allowed(self.tolerance, run.scenario, run.reference)
        pair = ((_DISTINCT, run.score), (_REPEATED, run.reference))
        return scores.verification(self.name, run, _faster(ratio, limit), pair)

    def scores(self) -> Mapping[str, str]:
        """Return the two tests."""
        return {_DISTINCT.lower(): _DISTINCT, _REPEATED.lower(): _REPEATED}

    def score_range(self, scenario: str, reference: float, round_: Round) -> tuple[float, float]:
        """Return the range of TEST04-B's score.

        The official script treats it as a latency in SingleStream only.
        """
        slack = scores.allowed(self.tolerance, scenario, reference)
        if scenario == "SingleStream":
            return 1 - slack, math.inf
        return 0.0, 1 + slack


class RepeatedSample(OutputCaching):
    """A run that repeats one sample; TEST04-A is compared with it."""

    name = _REPEATED
    compared_with = None
    performance_text = ""
    endpoints_binding = False

    def verify(self, run: AuditedRun) -> Verification:
        """Return an empty verification: the text of TEST04-A covers both."""
        return Verification()


def _faster(ratio: float, limit: float) -> str:
    if ratio > 1 + limit:
        return f"repeating one sample was {ratio - 1:.1%} faster, {limit:.0%} is allowed"
    return ""


TESTS = (OutputCaching(), DistinctSamples(), RepeatedSample())
