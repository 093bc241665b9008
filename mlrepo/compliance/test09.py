"""TEST09: the answers of a performance run are about as long as the reference's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlrepo.compliance.evidence import TextFacts, TextFault
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

# The bounds of the mean number of output tokens, by benchmark.
_OUTPUT_TOKENS: Mapping[str, tuple[float, float]] = {
    "gpt-oss-120b": (1150.38, 1406.02),
    "e2e-rag-qna": (246.43, 301.19),
}
# The number of samples whose output is counted: the whole data set.
_SAMPLES: Mapping[str, int] = {"gpt-oss-120b": 6396, "e2e-rag-qna": 824}
_ISSUED_ONCE = ("gpt-oss-120b",)


class OutputLength(ComplianceTest):
    """A run in performance mode that logs all responses, whose tokens are counted.

    Its log does not show how samples were issued, even if that was set.
    """

    name = "TEST09"
    judges = "the tokens of a language model"
    accuracy_text = "verify_output_len.txt"
    logs_responses = True
    truncated_in = (RESULTS,)
    shows_switches = False

    def settings(self, benchmark: str) -> Mapping[str, int]:
        """Return the settings that make a run this test."""
        return {RNG_SEED: RESPONSES_SEED, SAMPLING_TARGET: 10000}

    def further_settings(self, benchmark: str, scenario: str) -> Mapping[str, int]:
        """Return settings that issue the whole data set, for some benchmarks each sample once."""
        if benchmark not in _SAMPLES:
            return {}
        settings = {MIN_QUERIES: _SAMPLES[benchmark], MIN_DURATION: 0, EQUAL_ISSUE: 0}
        return {**settings, ISSUE_UNIQUE: 1} if benchmark in _ISSUED_ONCE else settings

    def text_faults(self, text: str, facts: TextFacts) -> Iterator[TextFault]:
        """Compare the mean output length with the bounds of its benchmark."""
        yield from verdict_faults(text)
        bounds = self.output_tokens(facts.benchmark)
        if bounds is not None:
            yield from range_faults(text, "Mean output tokens", *bounds)
        samples = _SAMPLES.get(facts.benchmark)
        if samples is not None:
            yield from range_faults(text, "Total samples", samples)
        yield from flag_faults(text, "Min check pass")
        yield from flag_faults(text, "Max check pass")

    def output_tokens(self, benchmark: str) -> tuple[float, float] | None:
        """Return the bounds that its ``audit.config`` has for a benchmark."""
        return _OUTPUT_TOKENS.get(benchmark)

    def endpoint_bounds(self, tables: Mapping[str, Any]) -> tuple[float, float] | None:
        """Return the bounds in the round's data."""
        least, most = tables["endpoints"]["test09_mean_output_tokens"]
        return least, most


TESTS = (OutputLength(),)
