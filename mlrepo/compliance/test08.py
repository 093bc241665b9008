"""TEST08: a recommender predicts the same in a performance run as in the accuracy run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlrepo.compliance.evidence import VERIFY_ACCURACY, TextFacts, TextFault
from mlrepo.compliance.protocol import (
    RESPONSES_SEED,
    RNG_SEED,
    SAMPLING_TARGET,
    ComplianceTest,
)
from mlrepo.compliance.texts import response_faults, verdict_faults, within
from mlrepo.logs.verify import passed_on_its_own_line, values_of

# How far an answer's normalised entropy may be from the accuracy run's.
_TOLERANCE_PERCENT = 0.1


class RecommenderAccuracy(ComplianceTest):
    """A run like the performance run that logs some of its responses, compared by entropy."""

    name = "TEST08"
    judges = "the predictions of a recommender"
    accuracy_text = VERIFY_ACCURACY
    logs_responses = True

    def settings(self, benchmark: str) -> Mapping[str, int]:
        """Return the settings that make a run this test."""
        return {RNG_SEED: RESPONSES_SEED, SAMPLING_TARGET: 4096}

    def passes(self, text: str, *, alone: bool) -> bool:
        """Say whether a line says ``TEST PASS``, and nothing else."""
        return passed_on_its_own_line(text)

    def text_faults(self, text: str, facts: TextFacts) -> Iterator[TextFault]:
        """Compare the pass with its numbers and the script's tolerance."""
        yield from verdict_faults(text)
        yield from response_faults(text)
        for value in values_of(text.replace(" = ", ":"), "tolerance"):
            if not within(value.removesuffix("%"), 0, _TOLERANCE_PERCENT):
                yield TextFault(
                    "The test passes with another tolerance than its own.",
                    "tolerance",
                    expected=f"<= {_TOLERANCE_PERCENT} %",
                    actual=value,
                )


TESTS = (RecommenderAccuracy(),)
