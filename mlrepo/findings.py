"""What a check found: values, never exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much a finding weighs: an error breaks a verdict, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule at one place.

    Attributes
    ----------
    rule:
        The stable id of the rule, such as ``performance-validity``; ``mlrepo check --explain``
        says more.
    severity:
        In the ``strict`` profile.
    path:
        The file or directory, POSIX, relative to the root of the tree.
    message:
        What is wrong, one sentence.
    line:
        Counted from 1; 0 where the whole file is meant.
    expected, actual:
        What the rule wants and what stands there, as short texts; may be empty.
    hint:
        What to do next.
    breaks_official, breaks_strict:
        Which verdicts the finding breaks.
    """

    rule: str
    severity: Severity
    path: str
    message: str
    line: int = 0
    expected: str = ""
    actual: str = ""
    hint: str = ""
    breaks_official: bool = False
    breaks_strict: bool = True
