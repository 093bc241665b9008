"""Function calls that a model writes as Python, and their comparison with the possible answers.

The comparison is that of the Berkeley Function Calling Leaderboard (BFCL v4) for single turns in
Python, "AST evaluation": names and parameters must be right, each value must have the type that the
function describes and be among the possible ones; texts are compared without case, spaces and
punctuation. Source: ``ast_checker.py`` of the package bfcl-eval.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

Call: TypeAlias = "tuple[str, Mapping[str, object]]"

_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
_LISTS = ("array", "tuple")
_IGNORED = str.maketrans("'", '"', " ,./-_*^")
# An optional parameter has this among its possible values.
_ABSENT = ""
# More than any answer; a longer text is a loop of the model, and parsing it takes long.
_LONGEST = 20_000
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
# Larger powers take long or fill the memory.
_EXPONENT, _BASE = 64, 1e6


def parse_calls(text: str) -> list[Call]:
    """Return the calls in an answer: ``[area(base=3, height=4), area(base=5, height=4)]``.

    Quotes of Markdown around it are ignored, and brackets may be missing.

    Raises
    ------
    ValueError
        The text is no list of calls.
    """
    body = text.strip("`\n ")
    if len(body) > _LONGEST:
        raise ValueError(f"the answer has {len(body)} characters")
    body = body if body.startswith("[") else f"[{body}"
    body = body if body.endswith("]") else f"{body}]"
    try:
        parsed = ast.parse(body.strip("'"), mode="eval").body
        calls = [parsed] if isinstance(parsed, ast.Call) else getattr(parsed, "elts", None)
        if calls is None:
            raise ValueError("the answer is not a list of calls")
        return [_call(one) for one in calls]
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"the answer is not Python: {error}") from error


def calls_right(
    calls: Sequence[Call], functions: Sequence[Mapping[str, object]], possible: Sequence[object]
) -> bool:
    """Return whether calls are those that were wanted, in any order.

    Parameters
    ----------
    functions:
        The functions of the question, each with ``name`` and ``parameters`` (JSON schema).
    possible:
        For each wanted call, its name with the possible values of each parameter.
    """
    if len(calls) != len(possible):
        return False
    left = list(calls)
    for wanted in possible:
        if not isinstance(wanted, Mapping) or len(wanted) != 1:
            return False
        ((name, values),) = wanted.items()
        described = next((one for one in functions if one.get("name") == name), None)
        right = (one for one in left if described and _right(one, described, values))
        found = next(right, None)
        if found is None:
            return False
        left.remove(found)
    return True


def _call(node: ast.expr) -> Call:
    """Return a call; arguments without a name are ignored, as in BFCL."""
    if not isinstance(node, ast.Call):
        raise ValueError("the answer has something that is not a call")
    return _dotted(node.func), {
        keyword.arg: _value(keyword.value) for keyword in node.keywords if keyword.arg
    }


def _dotted(node: ast.expr) -> str:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ValueError("the name of a function is not a name")
    return ".".join([node.id, *reversed(names)])


def _value(node: ast.expr) -> object:
    """Return the value of a literal or of arithmetic; of anything else, its text."""
    if isinstance(node, ast.Constant):
        return "..." if node.value is Ellipsis else node.value
    if isinstance(node, ast.List):
        return [_value(one) for one in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(one) for one in node.elts)
    if isinstance(node, ast.Dict):
        keys = [_value(one) if one is not None else None for one in node.keys]
        if any(isinstance(key, list | dict) for key in keys):
            raise ValueError("a key of a dictionary is not a literal")
        return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, ast.UnaryOp | ast.BinOp):
        number = _number(node)
        return ast.unparse(node) if number is None else number
    return ast.unparse(node)


def _number(node: ast.expr) -> int | float | None:
    """Return the value of arithmetic with numbers; None if it is something else."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value  # type: ignore[return-value]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = _number(node.left), _number(node.right)
        if left is not None and right is not None:
            if isinstance(node.op, ast.Pow) and (abs(right) > _EXPONENT or abs(left) > _BASE):
                return None
            try:
                result = _ARITHMETIC[type(node.op)](left, right)
            except (ZeroDivisionError, OverflowError):
                return None
            return result if isinstance(result, int | float) else None
    return None


def _right(call: Call, described: Mapping[str, object], possible: object) -> bool:
    name, given = call
    parameters = described.get("parameters")
    if name != described.get("name") or not isinstance(possible, Mapping):
        return False
    if not isinstance(parameters, Mapping):
        return False
    known = parameters.get("properties") or {}
    if any(one not in given for one in parameters.get("required") or ()):
        return False
    for parameter, value in given.items():
        if parameter not in known or parameter not in possible:
            return False
        if not _value_right(value, known[parameter], possible[parameter]):
            return False
    return all(one in given or _ABSENT in values for one, values in possible.items())


def _value_right(
    value: object, described: Mapping[str, object], possible: Sequence[object]
) -> bool:
    kind = str(described.get("type"))
    wanted = _TYPES.get(kind)
    if wanted is None:
        return False
    if kind == "tuple" and isinstance(value, tuple):
        value = list(value)
    if kind == "float" and type(value) is int:
        value = float(value)
    items = described.get("items")
    inner_kind = str(items.get("type")) if isinstance(items, Mapping) else ""
    inner = _TYPES.get(inner_kind) if kind in _LISTS else None
    sample = next((type(one) for one in possible if one != _ABSENT), None)
    if type(value) is wanted:
        if inner is not None and not _inner_right(value, inner, possible):
            return False
        # A variable is written where another type is described: its name is compared as it is.
        variable = sample is not None and sample is not wanted
    elif sample is not None and type(value) is sample:
        variable = True
    else:
        return False
    if variable:
        return value in possible
    if isinstance(value, dict):
        return any(_dict_right(value, one) for one in possible if isinstance(one, Mapping))
    if isinstance(value, list) and inner is dict:
        return any(_dicts_right(value, one) for one in possible if isinstance(one, list))
    if isinstance(value, str):
        return _plain(value) in [_plain(one) for one in possible if isinstance(one, str)]
    if isinstance(value, list):
        return _plain_list(value) in [_plain_list(one) for one in possible if isinstance(one, list)]
    return value in possible


def _inner_right(value: object, inner: type, possible: Sequence[object]) -> bool:
    """Return whether the items of a list have the described type, or that of a possible answer."""
    if not isinstance(value, list):
        return False
    for one in possible:
        if not isinstance(one, list):
            return True
        sample = next((type(item) for item in one if item != _ABSENT), None)
        if all(type(item) in (inner, sample) for item in value):
            return True
    return False


def _dicts_right(given: Sequence[object], possible: Sequence[object]) -> bool:
    return len(given) == len(possible) and all(
        isinstance(one, dict) and isinstance(wanted, Mapping) and _dict_right(one, wanted)
        for one, wanted in zip(given, possible, strict=True)
    )


def _dict_right(given: Mapping[str, object], possible: Mapping[str, Sequence[object]]) -> bool:
    for key, value in given.items():
        if key not in possible or _plain(value) not in [_plain(one) for one in possible[key]]:
            return False
    return all(key in given or _ABSENT in values for key, values in possible.items())


def _plain_list(values: Sequence[object]) -> list[object]:
    return [_plain(one) for one in values]


def _plain(value: object) -> object:
    """Return a text without case, spaces and the punctuation that the comparison ignores."""
    return value.translate(_IGNORED).lower() if isinstance(value, str) else value
