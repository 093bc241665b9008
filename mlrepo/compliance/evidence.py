"""The evidence on which a compliance test is judged, and the findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlrepo.logs.detail import DetailLog
    from mlrepo.rounds import Round


VERIFY_ACCURACY = "verify_accuracy.txt"
VERIFY_PERFORMANCE = "verify_performance.txt"
REFERENCE_ACCURACY = "reference_accuracy.json"
"""The accuracy run's accuracy log, copied into the directory of a test's run."""


@dataclass(frozen=True)
class AuditedRun:
    """A finished run of a test, with the values that it is verified against.

    Attributes
    ----------
    directory:
        Where its logs are.
    scenario, round:
        Of the result.
    detail:
        Its detail log.
    score:
        LoadGen's raw result: a rate, or a latency in nanoseconds; None if it has none.
    reference:
        The raw result of the run that it is compared with.
    target_latency:
        The latency bound of that run in nanoseconds; None if the scenario has none.
    end_token:
        The id of the token that ends an answer of a language model; None if it is not known.
    """

    directory: Path
    scenario: str
    round: Round
    detail: DetailLog
    score: float | None
    reference: float | None
    target_latency: float | None
    end_token: int | None = None


@dataclass(frozen=True)
class Verification:
    """Why the test failed (empty: it passed), and the files that say so."""

    reasons: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class TextFault:
    """A false or contradictory statement in a file of a test.

    Attributes
    ----------
    message:
        The message for users.
    needle:
        Text of the line that says it; empty if there is none.
    line:
        The number of that line, if known.
    expected, actual:
        The expected and the actual value.
    rule:
        The rule that is broken.
    """

    message: str
    needle: str = ""
    expected: object = ""
    actual: object = ""
    line: int = 0
    rule: str = "compliance-text"


VERIFICATION_FAILED = TextFault("The verification failed.", "TEST FAIL", expected="TEST PASS")


@dataclass(frozen=True)
class TextFacts:
    """The facts by which a verification text is judged.

    Attributes
    ----------
    benchmark:
        The official name.
    scenario:
        Of the result.
    entries:
        About how many responses the test's run should have logged; 0 if unknown.
    """

    benchmark: str
    scenario: str
    entries: float = 0
