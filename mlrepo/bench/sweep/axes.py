"""The axes of a sweep: the values of its options, with ranges of numbers.

A number may be a list (``1,2,4``) or a range with both ends: ``10:400:log8`` (8 values, each the
same multiple of the one before), ``10:400:lin8`` (the same distance) or ``10:400:50`` (a step).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from mlrepo.errors import UserError
from mlrepo.nearest import meant
from mlrepo.record.options import option_of
from mlrepo.record.plans import SweepPlan

TEXT, WHOLE, NUMBER = "text", "whole", "number"
_KINDS = {
    "threads": WHOLE,
    "batches": WHOLE,
    "samples": WHOLE,
    "counts": WHOLE,
    "concurrency": WHOLE,
    "times": NUMBER,
    "latencies": NUMBER,
    "rates": NUMBER,
}
# Fields of ``KEY=VALUE``, whose keys are axes, with the option before the key.
KEYED = {"settings": "set", "options": "backend-opt"}
# The options that say how much is asked of a system.
LOAD = ("concurrency", "qps")
# No axis has more: its values alone would fill the memory.
MOST_VALUES = 10_000_000
_LARGEST = 2**31 - 1
_DIGITS = r"[0-9]{1,15}"
_NUMBER = rf"{_DIGITS}(?:\.{_DIGITS})?(?:[eE][+-]?[0-9]{{1,2}})?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER}):(?:(log|lin)([0-9]{{1,9}})|({_NUMBER}))")
_ONE = re.compile(_NUMBER)
_HOW = "Write values (1,2,4) or a range: 10:400:log8, 10:400:lin8, or 10:400:50 for steps of 50."


@dataclass(frozen=True)
class SweepAxis:
    """One axis.

    Attributes
    ----------
    name:
        Its option without dashes, and for ``--set`` and ``--backend-opt`` the key: ``qps``,
        ``set.target_latency``.
    kind:
        :data:`TEXT`, :data:`WHOLE` or :data:`NUMBER`.
    words:
        Its values and ranges as typed.
    size:
        How many values it has; they are made only when asked for.
    """

    name: str
    kind: str
    words: tuple[str, ...]
    size: int

    @property
    def varies(self) -> bool:
        """Whether it has more than one value."""
        return self.size > 1

    def values(self) -> tuple[str, ...]:
        """Return its values in their spelling of :func:`spelled`, in the order typed.

        Raises
        ------
        UserError
            A value comes twice.
        """
        found = tuple(self.words if self.kind == TEXT else _numbers(self))
        twice = next((value for value, times in Counter(found).items() if times > 1), None)
        if twice is not None:
            typed = self.words.count(twice) > 1
            raise UserError(
                f"--{self.name} has {twice} twice.",
                hint="Leave one out."
                if typed or self.kind == TEXT
                else "A range has as many values as it names: ask for fewer, or leave one out.",
            )
        return found

    def spelled(self, text: str) -> str:
        """Return a value as :meth:`values` spells it."""
        return text if self.kind == TEXT else spelled(float(text)) if _is_number(text) else text


def axes_of(plan: SweepPlan) -> tuple[SweepAxis, ...]:
    """Return the axes that have a value, the load last: it changes from one run to the next.

    Raises
    ------
    UserError
        A value is empty, or no number or range where one is needed.
    """
    found: list[SweepAxis] = []
    for one in fields(plan):
        words = getattr(plan, one.name)
        if one.name in SweepPlan.AXES and words:
            name = option_of(one).flag.removeprefix("--")
            found.append(_axis(name, _KINDS.get(one.name, TEXT), words))
    keyed = [
        _axis(f"{option}.{key}", _kind_of(option, words), words)
        for name, option in KEYED.items()
        for key, words in _by_key(option, getattr(plan, name)).items()
    ]
    first = [axis for axis in found if axis.name not in LOAD]
    return (*first, *keyed, *(axis for axis in found if axis.name in LOAD))


def load_axis(axes: Sequence[SweepAxis]) -> SweepAxis:
    """Return the axis along which a curve is drawn and further points are placed.

    Raises
    ------
    UserError
        No axis of numbers has three values, or several have and none is a load.
    """
    several = [axis for axis in axes if axis.kind != TEXT and axis.size > 2]
    loads = [axis for axis in several if axis.name in LOAD]
    found = loads or several
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(
            "--adaptive needs an axis of numbers with three values or more, and there is none.",
            hint="Give a range to begin with, such as --qps 10:400:log8.",
        )
    names = " and ".join(f"--{axis.name}" for axis in found)
    raise UserError(
        f"--adaptive places points on one axis, and {names} have three values or more.",
        hint="Leave all but one of them with two values, or leave --adaptive out.",
    )


def spelled(value: float) -> str:
    """Return a number in the spelling of an axis: as short as it can be read back."""
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.10g}"


@dataclass(frozen=True)
class Excluded:
    """A combination that is left out: values by the name of an axis."""

    values: Mapping[str, str]

    def holds(self, cell: Mapping[str, str]) -> bool:
        """Say whether a cell has all of the values."""
        return all(cell.get(name) == value for name, value in self.values.items())


def excluded_of(plan: SweepPlan, axes: Sequence[SweepAxis]) -> tuple[Excluded, ...]:
    """Return what is left out.

    Raises
    ------
    UserError
        One is malformed, or names an axis or a value that the sweep does not have.
    """
    by_name = {axis.name: axis for axis in axes}
    values = {axis.name: frozenset(axis.values()) for axis in axes if plan.exclude}
    found = []
    for text in plan.exclude:
        pairs: dict[str, str] = {}
        for part in text.split(","):
            name, equals, value = (word.strip() for word in part.partition("="))
            if not equals or not name or not value:
                raise UserError(
                    f"--exclude {text!r}: {part!r} is not AXIS=VALUE.",
                    hint="Write --exclude backend=onnx,threads=4.",
                )
            if name not in by_name:
                raise UserError(
                    f"--exclude {text!r}: the sweep has no axis {name!r}.",
                    hint=meant(name, by_name),
                )
            pairs[name] = by_name[name].spelled(value)
            if pairs[name] not in values[name]:
                raise UserError(
                    f"--exclude {text!r}: --{name} does not have the value {value}.",
                    hint=meant(value, values[name]),
                )
        found.append(Excluded(pairs))
    return tuple(found)


def _axis(name: str, kind: str, words: Sequence[str]) -> SweepAxis:
    parts = words if kind == TEXT else [part for word in words for part in word.split(",")]
    cleaned = tuple(part.strip() for part in parts)
    if not all(cleaned):
        raise UserError(
            f"--{name} has an empty value.",
            hint="Leave the option out for its default." if kind == TEXT else _HOW,
        )
    size = len(cleaned) if kind == TEXT else sum(_size(name, kind, part) for part in cleaned)
    if size > MOST_VALUES:
        raise UserError(
            f"--{name} has {size:,} values; no axis may have more than {MOST_VALUES:,}.",
            hint="Ask for fewer.",
        )
    return SweepAxis(name, kind, cleaned, size)


def _by_key(option: str, words: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in words:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key or not value:
            raise UserError(
                f"--{option} {text!r} is not KEY=VALUE.",
                hint=f"Repeat the option for each value: --{option} {key or 'KEY'}=1 "
                f"--{option} {key or 'KEY'}=2.",
            )
        found.setdefault(key, []).append(value)
    return found


def _kind_of(option: str, words: Sequence[str]) -> str:
    """LoadGen's settings are numbers, or words such as true; a backend's own are any text."""
    parts = [part.strip() for word in words for part in word.split(",")]
    numbers = option == "set" and all(_is_number(part) or _RANGE.fullmatch(part) for part in parts)
    return NUMBER if numbers else TEXT


def _is_number(text: str) -> bool:
    return bool(_ONE.fullmatch(text))


def _size(name: str, kind: str, text: str) -> int:
    """Return how many values a number or range has; refuse what is neither."""
    if _is_number(text):
        _refuse_number(name, kind, float(text), text)
        return 1
    match = _RANGE.fullmatch(text)
    if match is None:
        raise UserError(f"--{name} {text!r} is neither a number nor a range.", hint=_HOW)
    low, high, how, count, step = match.groups()
    for end in (low, high):
        _refuse_number(name, kind, float(end), text)
    first, last = float(low), float(high)
    if first >= last:
        raise UserError(
            f"--{name} {text!r} does not end above its beginning.", hint=f"{_HOW} Smaller first."
        )
    if how:
        if int(count) < 2:
            raise UserError(f"--{name} {text!r}: a range has two values at least.", hint=_HOW)
        return int(count)
    if not float(step):
        raise UserError(f"--{name} {text!r}: the step must not be 0.", hint=_HOW)
    return math.floor((last - first) / float(step) * (1 + 1e-12)) + 1


def _refuse_number(name: str, kind: str, value: float, text: str) -> None:
    if not math.isfinite(value) or value <= 0:
        raise UserError(f"--{name} {text!r} must be a positive number.", hint=_HOW)
    if kind == WHOLE and not (value.is_integer() and value <= _LARGEST):
        raise UserError(
            f"--{name} {text!r} must be a whole number up to {_LARGEST}.", hint="Write 1,2,4."
        )


def _numbers(axis: SweepAxis) -> Iterator[str]:
    for text in axis.words:
        match = _RANGE.fullmatch(text)
        if match is None:
            yield spelled(float(text))
            continue
        low, high, how, _, step = match.groups()
        size = _size(axis.name, axis.kind, text)
        first, last = float(low), float(high)
        for place in range(size):
            if how == "log":
                value = first * (last / first) ** (place / (size - 1))
            elif how == "lin":
                value = first + (last - first) * place / (size - 1)
            else:
                value = first + place * float(step)
            yield _on_range(value, axis.kind, ends=(first, last))


def _on_range(value: float, kind: str, ends: tuple[float, float]) -> str:
    """Return a point of a range with four digits; its ends as they were typed."""
    near = next((end for end in ends if math.isclose(value, end, rel_tol=1e-9)), None)
    if near is not None:
        return spelled(near)
    return spelled(float(round(value)) if kind == WHOLE else float(f"{value:.4g}"))
