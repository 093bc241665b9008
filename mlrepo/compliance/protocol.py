"""What a compliance test is: its run, its files, its verdict, and how checkers read it.

Sources: ``audit.config`` and the verification scripts below ``compliance/`` of mlcommons/inference,
v0.7 to master of 2026-08, and its submission checkers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from mlrepo.compliance.evidence import (
    VERIFICATION_FAILED,
    AuditedRun,
    TextFacts,
    TextFault,
    Verification,
)
from mlrepo.compliance.texts import verdict_faults
from mlrepo.errors import InvalidResult
from mlrepo.logs.verify import passed

if TYPE_CHECKING:
    from mlrepo.rounds import Round

RNG_SEED = "accuracy_log_rng_seed"
SAMPLING_TARGET = "accuracy_log_sampling_target"
PROBABILITY = "accuracy_log_probability"
ISSUE_SAME = "performance_issue_same"
ISSUE_UNIQUE = "performance_issue_unique"
SAME_INDEX = "performance_issue_same_index"
RESPONSES_SEED = 720381539243781796
"""The seed by which LoadGen draws the responses that it logs."""
AUDIT_KEYS = (RNG_SEED, SAMPLING_TARGET, PROBABILITY, ISSUE_SAME, ISSUE_UNIQUE, SAME_INDEX)
"""LoadGen's settings that an ``audit.config`` makes and the detail log shows."""
MIN_DURATION, MIN_QUERIES = "min_duration", "min_query_count"
EQUAL_ISSUE = "sample_concatenate_permutation"
SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")
"""LoadGen's seeds, which a round prescribes."""

RESULTS, COMPLIANCE_TREE = "results", "compliance"
"""Where tests lie in a submission: since v6.0 with the results, before in a tree of their own."""
PERFORMANCE_RUN = ""
"""In the place of a test's name: the performance run of the result."""


class ComplianceTest(Protocol):
    """One compliance test; what is not said of a test is as here.

    Attributes
    ----------
    name:
        As the directory of its files is called.

    compared_with:
        The test whose run it is compared with, ``PERFORMANCE_RUN`` for that run, None for none.
    needs_accuracy_log:
        Its responses are compared with those in the full log of the accuracy run.
    judges:
        Why mlrepo cannot run it: what it judges, which no benchmark of mlrepo has; else ''.
    tolerance:
        How far its score may be from the one it is compared with, as a fraction of that.

    performance_text, accuracy_text:
        The files in which its verifications lie; '' where it has none.
    logs_responses:
        Its files include the accuracy log of its run.
    truncated_in:
        Where the rounds truncate that log: ``RESULTS``, ``COMPLIANCE_TREE``.

    runs_performance:
        The official checkers judge its run as a performance run.
    wants_valid_run:
        Its scripts pass no run that LoadGen calls INVALID.
    shows_switches:
        Its run's log shows that LoadGen issued samples as in a performance run.
    baseline_decides:
        Where its verification fails, two accuracies near each other pass it all the same.
    compares_log:
        Its accuracy log is not that of the accuracy run; ``copied_log`` is the rule that says so.
    answers_limit:
        The largest accuracy log (bytes) whose answers are judged: it is submitted whole; else 0.
    endpoints_binding:
        A result measured against an endpoint needs its audit.
    """

    name: str

    compared_with: str | None = PERFORMANCE_RUN
    needs_accuracy_log: bool = False
    judges: str = ""
    tolerance: float = 0.1

    performance_text: str = ""
    accuracy_text: str = ""
    logs_responses: bool = False
    truncated_in: tuple[str, ...] = ()

    runs_performance: bool = False
    wants_valid_run: bool = True
    shows_switches: bool = True
    baseline_decides: bool = False
    compares_log: bool = False
    copied_log: str = "compliance-copied"
    answers_limit: int = 0
    endpoints_binding: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The files in which its verifications lie."""
        return tuple(text for text in (self.performance_text, self.accuracy_text) if text)

    def settings(self, benchmark: str) -> Mapping[str, int]:
        """Return what makes a run this test, for a benchmark (official name).

        The keys are some of ``AUDIT_KEYS``; the log of its run shows them.
        """
        return {}

    def further_settings(self, benchmark: str, scenario: str) -> Mapping[str, int]:
        """Return what its ``audit.config`` sets besides; no log is judged by it."""
        return {}

    def seeds(self, round_: Round) -> Mapping[str, int] | None:
        """Return the seeds that it runs with instead of the round's; None: the round's own."""
        return None

    def is_recognized(self, values: Mapping[str, object], round_: Round, benchmark: str) -> bool:
        """Say whether a detail log is of its run."""
        # LoadGen writes switches as true and false.
        wanted = self.settings(benchmark)
        return bool(wanted) and all(values.get(f"effective_{k}") == v for k, v in wanted.items())

    def refusal(self, round_: Round) -> tuple[str, str] | None:
        """Return why mlrepo cannot run it, and a hint; None where it can."""
        if not self.judges:
            return None
        return f"it judges {self.judges}", "mlrepo has no benchmark of that kind."

    def verify(self, run: AuditedRun) -> Verification:
        """Return the verdict on its run.

        Raises
        ------
        InvalidResult
            A log is damaged, or mlrepo cannot verify the test.
        """
        hint = "Run the test with the scripts of mlcommons/inference."
        raise InvalidResult(f"mlrepo cannot verify {self.name}.", hint=hint)

    def passes(self, text: str, *, alone: bool) -> bool:
        """Say whether official checkers take a verification of accuracy for a pass.

        ``alone``: they want ``TEST PASS`` on a line of its own where they were changed to.
        """
        return passed(text)

    def failure(self, text: str) -> TextFault:
        """Return what to say of a verification of accuracy that does not pass."""
        return VERIFICATION_FAILED

    def text_faults(self, text: str, facts: TextFacts) -> Iterator[TextFault]:
        """Yield what contradicts the pass of a verification of accuracy."""
        yield from verdict_faults(text)

    def answer_faults(self, log: bytes) -> Iterator[TextFault]:
        """Yield what contradicts a pass in the accuracy log, where that is submitted whole."""
        yield from ()

    def setting_faults(self, values: Mapping[str, object], round_: Round) -> Iterator[TextFault]:
        """Yield what is wrong with a run's settings besides those of its ``audit.config``."""
        yield from ()

    def is_of_older_audit(self, values: Mapping[str, object]) -> bool:
        """Say whether a run has the settings that the test had in v0.5."""
        return False

    def kept_files(self, round_: Round, *, passed: bool) -> tuple[str, ...]:
        """Return the files that ``accuracy/`` holds where a baseline may decide."""
        return ()

    def scores(self) -> Mapping[str, str]:
        """Return the test that each score in its verification is of; '' is the performance run."""
        return {"reference": PERFORMANCE_RUN, "test": self.name}

    def score_range(self, scenario: str, reference: float, round_: Round) -> tuple[float, float]:
        """Return the least and the largest score that a ``TEST PASS`` stands for.

        They are shares of ``reference``, the first score in the text; ``scenario`` is that of the
        log.
        """
        return 0.0, float("inf")

    def output_tokens(self, benchmark: str) -> tuple[float, float] | None:
        """Return the least and most mean tokens of an answer of a benchmark, if it bounds them."""
        return None

    def endpoint_bounds(self, tables: Mapping[str, object]) -> tuple[float, float] | None:
        """Return the bounds of the mean output tokens of an endpoint's run, if it has such."""
        return None


class UnknownTest(ComplianceTest):
    """A test that a round's data names and mlrepo has no module of."""

    def __init__(self, name: str) -> None:
        self.name = name

    def refusal(self, round_: Round) -> tuple[str, str] | None:
        """Return that it is not known."""
        return "mlrepo does not know it", "Use --test for the other tests, or update mlrepo."
