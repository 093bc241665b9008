"""What a compliance test is judged by, and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlrepo.logs.detail import DetailLog


VERIFY_ACCURACY = "verify_accuracy.txt"
VERIFY_PERFORMANCE = "verify_performance.txt"
REFERENCE_ACCURACY = "reference_accuracy.json"
"""In the directory of a test's run: the accuracy log of the accuracy run."""


@dataclass(frozen=True)
class AuditedRun:
    """A run of a test that has ended, with what it is verified against.

    Attributes
    ----------
    directory:
        Where its logs lie.
    scenario:
        Of the result.
    detail:
        Its detail log.
    score:
        LoadGen's raw result: a rate, or a latency in nanoseconds; None where it has none.
    reference:
        That of the run that it is compared with.
    target_latency:
        The latency bound of that run in nanoseconds; None where the scenario has none.
    """

    directory: Path
    scenario: str
    detail: DetailLog
    score: float | None
    reference: float | None
    target_latency: float | None


@dataclass(frozen=True)
class Verification:
    """Why the test failed (empty: it passed), and the files that say so."""

    reasons: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class TextFault:
    """What a file of a test says although it is not so.

    Attributes
    ----------
    message:
        For people.
    needle:
        A text of the line that says it; empty where there is none.
    line:
        The number of that line where it is known.
    expected, actual:
        What should be there, and what is.
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
    """What a verification text is judged by besides itself.

    Attributes
    ----------
    benchmark:
        The official name.
    scenario:
        Of the result.
    entries:
        How many responses the test's run should have logged, about; 0 where that is unknown.
    """

    benchmark: str
    scenario: str
    entries: float = 0
