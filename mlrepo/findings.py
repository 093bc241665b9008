"""The findings of a check, which are values, never exceptions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

# The rule of the findings which say that the official checker ends with a traceback.
CRASH = "official-crash"


class Severity(Enum):
    """The severity of a finding: an error breaks a verdict, a warning does not."""

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
        Counted from 1; 0 for the whole file.
    expected, actual:
        What the rule requires and what was found, as short texts; may be empty.
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
        """Return whether the finding breaks the verdict of ``profile``, strict or official."""
        return self.breaks_official if profile == "official" else self.breaks_strict

    def line_of_text(self) -> str:
        """Return place, message, values and rule on one line."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        values = [("expected", self.expected), ("found", self.actual)]
        said = ", ".join(f"{word} {value}" for word, value in values if value)
        return visible(f"{place}: {self.message}{said and f' ({said})'} [{self.rule}]")


def without_crashes(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings without those about tracebacks of the official checker."""
    return tuple(finding for finding in findings if finding.rule != CRASH)


def visible(text: str) -> str:
    """Return ``text`` on one line: control, format and undecodable characters are escaped.

    A file name may contain a newline or a terminal escape sequence.
    """
    if text.isprintable():  # same result, faster: this is called for every name in a tree
        return text
    return "".join(
        character
        if character == " " or unicodedata.category(character)[0] not in "CZ"
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )
