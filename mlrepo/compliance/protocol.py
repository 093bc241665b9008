"""The interface of a compliance test: its run, files and verdict, and how checkers read it.

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
"""The seed with which LoadGen draws the responses that it logs."""
AUDIT_KEYS = (RNG_SEED, SAMPLING_TARGET, PROBABILITY, ISSUE_SAME, ISSUE_UNIQUE, SAME_INDEX)
"""LoadGen settings that an ``audit.config`` sets and the detail log shows."""
MIN_DURATION, MIN_QUERIES = "min_duration", "min_query_count"
EQUAL_ISSUE = "sample_concatenate_permutation"
SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")
"""LoadGen's seeds, which a round prescribes."""

RESULTS, COMPLIANCE_TREE = "results", "compliance"
"""Where tests are in a submission: since v6.0 with the results, before in a separate tree."""
PERFORMANCE_RUN = ""
"""In place of a test's name: the performance run of the result."""


class ComplianceTest(Protocol):
    """One compliance test; the values here are the defaults.

    Attributes
    ----------
    name:
        The name of the directory with its files.

    compared_with:
        The test whose run it is compared with; ``PERFORMANCE_RUN`` or None are possible, too.
    needs_accuracy_log:
        Whether its responses are compared with those in the accuracy run's full log.
    judges:
        What it judges, if mlrepo cannot run it because no benchmark of mlrepo has that; else ''.
    tolerance:
        How far its score may be from the reference, as a fraction of the reference.

    performance_text, accuracy_text:
        The files with its verifications; '' if it has none.
    logs_responses:
        Whether its files include its run's accuracy log.
    truncated_in:
        The places where the rounds truncate that log: ``RESULTS``, ``COMPLIANCE_TREE``.

    runs_performance:
        Whether the official checkers judge its run as a performance run.
    wants_valid_run:
        Whether its scripts fail a run that LoadGen calls INVALID.
    shows_switches:
        Whether its run's log shows that LoadGen issued samples as in a performance run.
    baseline_decides:
        Whether two similar accuracies pass it even if its verification fails.
    compares_log:
        Whether its accuracy log must not be the accuracy run's; ``copied_log`` is that rule.
    answers_limit:
        The largest accuracy log (bytes) whose answers are judged, if submitted in full; else 0.
    endpoints_binding:
        Whether a result measured against an endpoint needs its audit.
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
        """The files with its verifications."""
        return tuple(text for text in (self.performance_text, self.accuracy_text) if text)

    def settings(self, benchmark: str) -> Mapping[str, int]:
        """Return the settings that make a run this test, for a benchmark (official name).

        The keys are some of ``AUDIT_KEYS``; the log of its run shows them.
        """
        return {}

    def further_settings(self, benchmark: str, scenario: str) -> Mapping[str, int]:
        """Return its ``audit.config``'s other settings, by which no log is judged."""
        return {}

    def seeds(self, round_: Round) -> Mapping[str, int] | None:
        """Return the seeds that it uses instead of the round's; None if it uses the round's."""
        return None

    def is_recognized(self, values: Mapping[str, object], round_: Round, benchmark: str) -> bool:
        """Say whether a detail log is of its run."""
        # LoadGen writes switches as true and false.
        wanted = self.settings(benchmark)
        return bool(wanted) and all(values.get(f"effective_{k}") == v for k, v in wanted.items())

    def refusal(self, round_: Round) -> tuple[str, str] | None:
        """Return why mlrepo cannot run it, and a hint; None if it can."""
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
        """Say whether official checkers accept a verification of accuracy as a pass.

        ``alone``: the checker requires ``TEST PASS`` on its own line, for tests where it does so.
        """
        return passed(text)

    def failure(self, text: str) -> TextFault:
        """Return the fault of a verification of accuracy that does not pass."""
        return VERIFICATION_FAILED

    def text_faults(self, text: str, facts: TextFacts) -> Iterator[TextFault]:
        """Yield what contradicts the pass of a verification of accuracy."""
        yield from verdict_faults(text)

    def answer_faults(self, log: bytes) -> Iterator[TextFault]:
        """Yield what contradicts a pass in the accuracy log, if that is submitted in full."""
        yield from ()

    def setting_faults(self, values: Mapping[str, object], round_: Round) -> Iterator[TextFault]:
        """Yield what is wrong with a run's settings besides those of its ``audit.config``."""
        yield from ()

    def is_of_older_audit(self, values: Mapping[str, object]) -> bool:
        """Say whether a run has the settings that the test had in v0.5."""
        return False

    def kept_files(self, round_: Round, *, passed: bool) -> tuple[str, ...]:
        """Return the files required in ``accuracy/`` if a baseline may decide."""
        return ()

    def scores(self) -> Mapping[str, str]:
        """Return the test of each score in its verification; '' is the performance run."""
        return {"reference": PERFORMANCE_RUN, "test": self.name}

    def score_range(self, scenario: str, reference: float, round_: Round) -> tuple[float, float]:
        """Return the smallest and the largest score for which a ``TEST PASS`` is possible.

        They are fractions of ``reference``, the first score in the text; ``scenario`` is from the
        log.
        """
        return 0.0, float("inf")

    def output_tokens(self, benchmark: str) -> tuple[float, float] | None:
        """Return the bounds of a benchmark's mean output tokens, if the test has such bounds."""
        return None

    def endpoint_bounds(self, tables: Mapping[str, object]) -> tuple[float, float] | None:
        """Return the bounds of an endpoints run's mean output tokens, if the test has any."""
        return None


class UnknownTest(ComplianceTest):
    """A test in a round's data for which mlrepo has no module."""

    def __init__(self, name: str) -> None:
        self.name = name

    def refusal(self, round_: Round) -> tuple[str, str] | None:
        """Return that it is not known."""
        return "mlrepo does not know it", "Use --test for the other tests, or update mlrepo."
