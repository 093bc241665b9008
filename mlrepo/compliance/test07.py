"""TEST07: a performance run over the test's own data set reaches a minimum accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlrepo.compliance.evidence import VERIFY_ACCURACY, TextFacts, TextFault
from mlrepo.compliance.protocol import (
    EQUAL_ISSUE,
    ISSUE_UNIQUE,
    MIN_DURATION,
    MIN_QUERIES,
    RESPONSES_SEED,
    RESULTS,
    RNG_SEED,
    SAMPLING_TARGET,
    ComplianceTest,
)
from mlrepo.compliance.texts import flag_faults, range_faults, verdict_faults

# The size of its data set.
_SAMPLES = 990
# The minimum accuracy, in the unit of the benchmark's metric.
_ACCURACY: Mapping[str, float] = {"gpt-oss-120b": 60.698}


class AccuracyInFullPerformance(ComplianceTest):
    """A run in performance mode that logs all responses; a script scores them.

    Its log does not show how samples were issued, even if that was set.
    """

    name = "TEST07"
    judges = "the tokens of a language model"
    accuracy_text = VERIFY_ACCURACY
    logs_responses = True
    truncated_in = (RESULTS,)
    shows_switches = False

    def settings(self, benchmark: str) -> Mapping[str, int]:
        """Return the settings that make a run this test."""
        return {RNG_SEED: RESPONSES_SEED, SAMPLING_TARGET: _SAMPLES}

    def further_settings(self, benchmark: str, scenario: str) -> Mapping[str, int]:
        """Return settings that issue each sample once."""
        return {MIN_QUERIES: _SAMPLES, MIN_DURATION: 0, ISSUE_UNIQUE: 1, EQUAL_ISSUE: 0}

    def text_faults(self, text: str, facts: TextFacts) -> Iterator[TextFault]:
        """Compare the accuracy with the bound of its benchmark."""
        yield from verdict_faults(text)
        least = _ACCURACY.get(facts.benchmark)
        if least is not None:
            yield from range_faults(text, "Accuracy score", least)
        yield from flag_faults(text, "Accuracy check pass")


TESTS = (AccuracyInFullPerformance(),)
