"""Every regular expression of the package, and texts that make a bad one slow.

Patterns are found by importing each module and walking over what it holds, and by reading the
arguments of calls such as ``re.search("…", text)`` in its source; the patterns of the rounds'
tables are added. Texts are made from a pattern's own parse tree: what matches its first parts, then
one of its parts or characters over and over, then something that cannot match.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

import mlrepo
from mlrepo.logs.metric_pattern import LONGEST_LINE, metric_pattern
from mlrepo.rounds import SHIPPED

_CALLS = {"compile", "match", "search", "fullmatch", "findall", "finditer", "sub", "subn", "split"}
_ENDS = ("", "!", "\n!", "\0")
# Repetitions of a unit, and the CPU seconds that no linear pattern takes for them on any machine:
# it takes a millisecond for the longest. Short texts come first, so that a pattern that takes
# exponential time does not keep the test waiting.
_SIZES = ((20, 0.01), (64, 0.02), (256, 0.04), (724, 0.03), (2048, 0.03), (8192, 0.05))
# The time for a text by that for its half: 2 for a linear pattern, 4 for a quadratic one.
_TOO_STEEP = 3
# The same by the length, which is 1 for a linear pattern, and 8 for a quadratic one at eight times.
_LINEAR = 1.5
_ANCHORED = {"match", "fullmatch"}


@dataclass(frozen=True)
class Use:
    """A pattern and how it is used.

    Attributes
    ----------
    method:
        ``match`` or ``fullmatch`` where it is never used otherwise.
    longest:
        The longest text that it is used on.
    """

    pattern: re.Pattern[Any]
    method: str = "finditer"
    longest: int = 1 << 30

    def seconds(self, text: str) -> float:
        """Return the CPU seconds that the use takes."""
        data: Any = text
        if isinstance(self.pattern.pattern, bytes):
            data = text.encode("latin-1", "replace")
        begin = time.process_time()
        if self.method in _ANCHORED:
            getattr(self.pattern, self.method)(data)
        else:
            for _ in self.pattern.finditer(data):
                pass
        return time.process_time() - begin

    def slow_text(self) -> str:
        """Return a text, in words, for which the time grows too fast; empty if there is none."""
        for beginning, unit, end in _attacks(self.pattern):
            taken: list[tuple[int, float]] = []
            for size, limit in _SIZES:
                if _shows_no_more(taken, size, limit):
                    continue
                taken.append((size, self.seconds(self._text(beginning, unit * size, end))))
                if taken[-1][1] > limit:
                    half = self._text(beginning, unit * (size // 2), end)
                    if self._grows(half, self._text(beginning, unit * size, end)):
                        return f"{beginning!r} + {unit!r} * {size} + {end!r}"
        return ""

    def _text(self, beginning: str, middle: str, end: str) -> str:
        return (beginning + middle + end)[-self.longest :]

    def _grows(self, half: str, whole: str) -> bool:
        """Say whether twice the text takes much more than twice the time, at the second look too.

        A machine that is busy with something else slows both down.
        """
        best = [min(self.seconds(text) for _ in range(3)) for text in (half, whole)]
        return best[1] > _TOO_STEEP * best[0]


def _shows_no_more(taken: list[tuple[int, float]], size: int, limit: float) -> bool:
    """Say whether the time stays below the limit even if it grows with the cube of the length, or
    whether it has grown with the length so far.
    """
    if len(taken) < 3:
        return False
    (short, seconds), (long, later) = taken[-2:]
    grown = later / max(seconds, 1e-9) / (long / short)
    return later * (size / long) ** 3 <= limit or grown < _LINEAR


def all_uses() -> dict[str, Use]:
    """Return every pattern by where it is, each only once."""
    found: dict[str, Use] = {}
    for module in _modules():
        assert module.__file__ is not None
        source = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        for name, value in vars(module).items():
            for inner, pattern in _held(value):
                found[f"{module.__name__}.{name}{inner}"] = Use(pattern, _method(source, name))
        found |= dict(_in_calls(module.__name__, source))
    for round_name in SHIPPED:
        for metric, text in SHIPPED[round_name].tables["accuracy_pattern"].items():
            found[f"{round_name} {metric}"] = Use(
                metric_pattern(text).pattern, "match", LONGEST_LINE
            )
    seen = set()
    once = {}
    for where, use in found.items():
        if (key := (use.pattern.pattern, use.pattern.flags, use.method)) not in seen:
            seen.add(key)
            once[where] = use
    return once


def _modules() -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(mlrepo.__path__, "mlrepo."):
        if info.name.rpartition(".")[2] == "__main__":
            continue
        try:
            yield importlib.import_module(info.name)
        except ModuleNotFoundError as error:
            # Backends import their frameworks; on a machine without one its source is still read.
            assert error.name is not None
            assert not error.name.startswith("mlrepo")


def _held(value: object) -> Iterator[tuple[str, re.Pattern[Any]]]:
    if isinstance(value, re.Pattern):
        yield "", value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from ((f"[{key!r}]{where}", pattern) for where, pattern in _held(inner))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for number, inner in enumerate(value):
            yield from ((f"[{number}]{where}", pattern) for where, pattern in _held(inner))


def _method(source: ast.Module, name: str) -> str:
    """Return the one method of the pattern ``name`` that the module calls, if it is anchored."""
    used = {
        node.func.attr
        for node in ast.walk(source)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == name
    }
    return used.pop() if len(used) == 1 and used <= _ANCHORED else "finditer"


def _in_calls(module: str, source: ast.Module) -> Iterator[tuple[str, Use]]:
    for node in ast.walk(source):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _CALLS
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.args
        ):
            continue
        text = _text(node.args[0])
        if text is not None and node.func.attr != "compile":
            flags = re.MULTILINE if "MULTILINE" in ast.dump(node) else re.RegexFlag(0)
            method = node.func.attr if node.func.attr in _ANCHORED else "finditer"
            yield f"{module}:{node.lineno}", Use(re.compile(text, flags), method)


def _text(node: ast.expr) -> str | bytes | None:
    """Return a pattern that is written where it is used; a name that is put in becomes ``x``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values
        )
    return None


def _attacks(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (beginning, unit to repeat, end) of texts that may make the pattern slow."""
    source = pattern.pattern
    text = source.decode("latin-1") if isinstance(source, bytes) else source
    flags = pattern.flags & ~re.UNICODE if isinstance(source, bytes) else pattern.flags
    tree = _parser.parse(text, flags & ~re.DEBUG)
    beginnings = dict.fromkeys(["", "\n", *_beginnings(tree)])
    units = dict.fromkeys([*_characters(tree), *(b for b in beginnings if 0 < len(b) < 60)])
    units |= dict.fromkeys(f"\n{unit}" for unit in list(units)[:8])
    yield from itertools.product(_some(beginnings, 12), _some(units, 24), _ENDS)


def _some(texts: Iterable[str], most: int) -> list[str]:
    """Return at most so many of the texts: those of a long pattern's end too."""
    found = list(texts)
    step = max(1.0, (len(found) - 1) / (most - 1))
    return [found[round(number * step)] for number in range(min(len(found), most))]


def _beginnings(tree: Any, before: str = "") -> Iterator[str]:
    """Yield a shortest match of each first part of the tree, inner parts included."""
    for kind, argument in tree:
        if kind is not sre.LITERAL:
            yield before
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            yield from _beginnings(argument[2], before)
            yield before + _match(argument[2])
        elif kind is sre.SUBPATTERN:
            yield from _beginnings(argument[-1], before)
        elif kind is sre.ATOMIC_GROUP:
            yield from _beginnings(argument, before)
        elif kind is sre.BRANCH:
            for branch in argument[1]:
                yield from _beginnings(branch, before)
        before += _match([(kind, argument)])
    yield before


def _match(tree: Any) -> str:
    """Return a short text that the tree matches, as far as lookarounds allow."""
    text = ""
    for kind, argument in tree:
        if kind is sre.LITERAL:
            text += chr(argument)
        elif kind is sre.NOT_LITERAL:
            text += "a" if argument != ord("a") else "b"
        elif kind is sre.ANY:
            text += "a"
        elif kind is sre.IN:
            text += next(iter(_members(argument)))
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            text += _match(argument[2]) * argument[0]
        elif kind is sre.SUBPATTERN:
            text += _match(argument[-1])
        elif kind is sre.ATOMIC_GROUP:
            text += _match(argument)
        elif kind is sre.BRANCH:
            text += _match(argument[1][0])
    return text


_CATEGORIES = {
    sre.CATEGORY_DIGIT: "0",
    sre.CATEGORY_NOT_DIGIT: "a ",
    sre.CATEGORY_SPACE: " \n",
    sre.CATEGORY_NOT_SPACE: "a",
    sre.CATEGORY_WORD: "a0_",
    sre.CATEGORY_NOT_WORD: " -",
}


def _members(items: Any) -> list[str]:
    found: list[str] = []
    negated = False
    for kind, argument in items:
        if kind is sre.NEGATE:
            negated = True
        elif kind is sre.LITERAL:
            found.append(chr(argument))
        elif kind is sre.RANGE:
            found += [chr(argument[0]), chr(argument[1])]
        elif kind is sre.CATEGORY:
            found += _CATEGORIES[argument]
    if negated:
        return [c for c in "a0 \n-:/" if c not in found] or ["\x01"]
    return found or ["a"]


def _characters(tree: Any) -> Iterator[str]:
    """Yield members of each class of characters and each literal of the tree."""
    for kind, argument in tree:
        if kind is sre.LITERAL:
            yield chr(argument)
        elif kind in (sre.ANY, sre.NOT_LITERAL):
            yield from "a "
        elif kind is sre.IN:
            yield from _members(argument)[:4]
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            yield from _characters(argument[2])
            yield _match(argument[2])
        elif kind is sre.SUBPATTERN:
            yield from _characters(argument[-1])
        elif kind is sre.ATOMIC_GROUP:
            yield from _characters(argument)
        elif kind is sre.BRANCH:
            for branch in argument[1]:
                yield from _characters(branch)
        elif kind in (sre.ASSERT, sre.ASSERT_NOT):
            yield from _characters(argument[1])
