"""One thing wrong with a system description."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldProblem:
    """One thing wrong with one field of a system description.

    Attributes
    ----------
    rule:
        The id of a rule of the checker, such as ``system-field-missing``.
    expected, actual:
        Short texts; may be empty.
    breaks_official:
        Whether the round's official checker rejects the system for it.
    breaks_strict:
        Whether the rules forbid it; False for a warning.
    """

    rule: str
    field: str
    message: str
    expected: str = ""
    actual: str = ""
    hint: str = ""
    breaks_official: bool = False
    breaks_strict: bool = True


def shortened(value: object) -> str:
    """Return a value of a description as a text of at most 60 characters."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
