"""Find what a JSON document may not contain: a repeated key, NaN, Infinity.

Python's parser, and so every official checker, silently takes the last of two values, and accepts
numbers that RFC 8259 does not allow: what a reader of the file sees depends on the reader.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from mlrepo.rounds.field_problem import FieldProblem

_SHORT = 60


def document_problems(data: bytes) -> tuple[FieldProblem, ...]:
    """Return what is wrong with a description as a document; nothing if it is not JSON."""
    found: list[FieldProblem] = []

    def of_object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in pairs:
            if key in values:
                found.append(_repeated(key, values[key], value))
            values[key] = value
        return values

    def of_constant(name: str) -> float:
        found.append(
            FieldProblem("system-json", "", f"{name} is not a JSON number.", "a number", name)
        )
        return float(name)

    try:
        json.loads(data.decode("utf-8"), object_pairs_hook=of_object, parse_constant=of_constant)
    except (ValueError, RecursionError):
        return ()
    return tuple(found)


def _repeated(key: str, before: object, after: object) -> FieldProblem:
    # An empty value may be left over from a template.
    harmless = before == after or not before or not after
    texts = tuple(str(each)[:_SHORT] for each in (before, after))
    return FieldProblem(
        "system-repeated" if harmless else "system-json",
        key,
        f"The field {key} occurs twice.",
        "one value",
        f"{texts[0]!r}, then {texts[1]!r}",
        f'Remove one of the two "{key}".',
        breaks_strict=not harmless,
    )
