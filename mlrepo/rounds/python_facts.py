"""Read facts in Python source from its syntax tree; the source is never executed."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class NotAFact(ValueError):
    """An expression is more than literals, known names, arithmetic and comparisons."""


def fact(node: ast.expr, names: Mapping[str, object]) -> Any:
    """Return the value of an expression.

    ``names`` has the values of names and of dotted names (``self.version``). Only numbers can be
    multiplied, so that no source can create a string of arbitrary length.

    Raises
    ------
    NotAFact
        The expression is of another kind, or its parts do not fit together.
    """
    try:
        return _value(node, names)
    except (TypeError, ArithmeticError, RecursionError) as error:
        raise NotAFact(str(error)) from error


def _value(node: ast.expr, names: Mapping[str, object]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() | ast.Attribute():
            name = ast.unparse(node)
            if name not in names:
                raise NotAFact(f"{name} is not known")
            return names[name]
        case ast.List() | ast.Tuple():
            return [_value(item, names) for item in node.elts]
        case ast.Set():
            return {_value(item, names) for item in node.elts}
        case ast.Dict():
            return _mapping(node, names)
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, names)
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            left, right = _value(node.left, names), _value(node.right, names)
            if isinstance(node.op, ast.Mult) and not _are_numbers(left, right):
                raise NotAFact("a product of things that are not numbers")
            return _ARITHMETIC[type(node.op)](left, right)
        case ast.BoolOp():
            values = (bool(_value(item, names)) for item in node.values)
            return all(values) if isinstance(node.op, ast.And) else any(values)
        case ast.Compare(ops=[op], comparators=[right_node]) if type(op) in _COMPARISONS:
            return _COMPARISONS[type(op)](_value(node.left, names), _value(right_node, names))
    raise NotAFact(f"{type(node).__name__} is not data")


def _mapping(node: ast.Dict, names: Mapping[str, object]) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            result.update(_value(value, names))
        else:
            result[_value(key, names)] = _value(value, names)
    return result


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)


def constants(tree: ast.AST) -> tuple[dict[str, Any], list[str]]:
    """Return ``name: value`` of the upper-case assignments, and the names that are not data.

    Tables that older checkers have inside a function (``unit_dict``) count too, under their name
    in upper case, unless the module has a constant of that name.
    """
    known: dict[str, Any] = {}
    refused: list[str] = []
    body = getattr(tree, "body", [])
    for name, value in _assignments(iter(body)):
        if name.isupper():
            try:
                known[name] = fact(value, known)
            except NotAFact as error:
                refused.append(f"{name}: {error}")
    for name, value in _assignments(ast.walk(tree)):
        if isinstance(value, ast.Dict) and value.keys and name.upper() not in known:
            try:
                known[name.upper()] = fact(value, known)
            except NotAFact:
                continue  # a table computed at run time is not a constant
    return known, refused


def _assignments(nodes: Iterator[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                yield target.id, node.value


def function(trees: Sequence[ast.Module], name: str) -> ast.FunctionDef | None:
    """Return the first function or method of that name."""
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return node
    return None


def text_lists(tree: ast.AST) -> Iterator[list[str]]:
    """Yield the lists that contain only text, in no particular order."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List) and node.elts:
            items = [item.value for item in node.elts if isinstance(item, ast.Constant)]
            texts = [item for item in items if isinstance(item, str)]
            if len(texts) == len(node.elts):
                yield texts
