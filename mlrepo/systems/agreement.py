"""Whether a written value and a detected one can both be true of one machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.rounds.system_schema import coerced_count
from mlrepo.systems.machine import Fact

_GIB = {"MB": 1 / 1024, "GB": 1.0, "TB": 1024.0}
# Words that makers and kernels add to names or leave out.
_FILLER = frozenset(
    {"r", "tm", "c", "cpu", "processor", "core", "with", "and", "gpu", "corporation"}
)
_SIZES = ("host_memory_capacity", "accelerator_memory_capacity", "host_storage_capacity")
_NOTHING = frozenset({"", "na", "n", "none", "no", "0", "-"})


@dataclass(frozen=True)
class FieldMismatch:
    """A field whose written value is not what the machine reports."""

    field: str
    written: str
    detected: str
    source: str


def contradictions(
    description: Mapping[str, object], facts: Mapping[str, Fact]
) -> tuple[FieldMismatch, ...]:
    """Return the fields of a description that the detected facts contradict, in its order."""
    return tuple(
        FieldMismatch(field, str(value), facts[field].value, facts[field].source)
        for field, value in description.items()
        if field in facts
        and str(value if value is not None else "").strip()
        and not agrees(field, value, facts[field].value)
    )


def agrees(field: str, written: object, detected: str) -> bool:
    """Return whether ``written`` can be another wording of what was detected."""
    numbers = coerced_count(written), coerced_count(detected)
    if isinstance(numbers[1], int):
        return bool(numbers[0] == numbers[1]) or (numbers[1] == 0 and is_nothing(str(written)))
    text = str(written)
    if field in _SIZES:
        return _same_size(text, detected, decimal=field == "host_storage_capacity")
    if is_nothing(text) or is_nothing(detected):
        return is_nothing(text) and is_nothing(detected)
    ours, theirs = _words(text), _words(detected)
    if field == "operating_system":  # "Ubuntu 22.04" is what "Ubuntu 22.04.5 LTS" is
        return all(any(word.startswith(own) for word in theirs) for own in ours)
    if field in (
        "other_software_stack",
        "host_processor_caches",
        "host_networking",
        "host_network_card_count",
    ):
        return _figures(text) <= _figures(detected) and bool(ours & theirs)
    more = ours - theirs
    # Further words may stand in a name whose model number is known, but no further number:
    # "Xeon Platinum 8252C" is not what a virtual "Xeon" proves.
    return not more or (theirs <= ours and _models(theirs) == _models(ours) != set())


def says_as_much(field: str, written: object, detected: str) -> bool:
    """Return whether a wording that agrees leaves out no number that was detected."""
    if field in _SIZES:
        return True
    return _models(_words(detected)) <= _models(_words(str(written)))


def is_nothing(text: str) -> bool:
    """Return whether a value says that there is nothing, such as N/A or 0."""
    return text.strip().casefold().replace("/", "") in _NOTHING


def _words(text: str) -> set[str]:
    # What follows an @ is the clock that some makers put into the name.
    words = set(re.findall(r"[a-z0-9][a-z0-9.+-]*", text.partition("@")[0].casefold()))
    return words - _FILLER


def _models(words: set[str]) -> set[str]:
    return {word for word in words if any(char.isdecimal() for char in word)}


def _figures(text: str) -> set[float]:
    return {float(figure) for figure in re.findall(r"\d+(?:\.\d+)?", text)}


def _same_size(written: str, detected: str, *, decimal: bool) -> bool:
    """Compare sizes: the kernel keeps a part of memory, and makers round."""
    sizes = [_gib(text) for text in (written, detected)]
    if None in sizes:
        return is_nothing(written) and is_nothing(detected)
    own, found = (size or 0.0 for size in sizes)
    if "usable" in detected:
        return found <= own * 1.005 and found >= own * 0.9
    return abs(own - found) <= (0.1 if decimal else 0.08) * max(own, found)


def _gib(text: str) -> float | None:
    match = re.search(r"(?<!\d)(\d{1,12}(?:[.,]\d{1,6})?)\s{0,8}([MGT])i?B", text, re.IGNORECASE)
    if not match:
        return None
    return float(match[1].replace(",", ".")) * _GIB[match[2].upper() + "B"]
