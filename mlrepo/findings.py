"""What a check found: values, never exceptions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

# The rule of the findings that say that the official checker ends with a traceback.
CRASH = "official-crash"


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

    def breaks(self, profile: str) -> bool:
        """Say whether the finding breaks the verdict of the profile ``strict`` or ``official``."""
        return self.breaks_official if profile == "official" else self.breaks_strict

    def line_of_text(self) -> str:
        """Return place, message, values and rule on one line."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        values = [("expected", self.expected), ("found", self.actual)]
        said = ", ".join(f"{word} {value}" for word, value in values if value)
        return visible(f"{place}: {self.message}{said and f' ({said})'} [{self.rule}]")


def without_crashes(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings but those of tracebacks of the official checker."""
    return tuple(finding for finding in findings if finding.rule != CRASH)


def visible(text: str) -> str:
    """Return ``text`` on one line: control, format and undecodable characters are escaped.

    A file name may hold a newline or a terminal's escape sequence.
    """
    if text.isprintable():  # which says the same, and is asked of every name in a tree
        return text
    return "".join(
        character
        if character == " " or unicodedata.category(character)[0] not in "CZ"
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )
