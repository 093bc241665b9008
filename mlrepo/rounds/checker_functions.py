"""Rules that the official checker keeps in its functions, read off their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from mlrepo.rounds.python_facts import NotAFact, fact, function, text_lists

Trees = list[ast.Module]


def system_types(trees: Trees) -> list[str]:
    """Return what ``set_type`` compares the system type with."""
    return [
        node.comparators[0].value
        for node in ast.walk(_needed(trees, "set_type"))
        if isinstance(node, ast.Compare)
        and isinstance(node.comparators[0], ast.Constant)
        and isinstance(node.comparators[0].value, str)
    ]


def early_stopping_scenarios(trees: Trees) -> list[str]:
    """Return the list in ``uses_early_stopping``."""
    return _only_list(trees, "uses_early_stopping")


def always_optional_files(trees: Trees) -> list[str]:
    """Return the files that ``files_diff`` never misses nor minds."""
    return _only_list(trees, "files_diff")


def summary_columns(trees: Trees) -> list[str]:
    """Return the header of ``summary.csv``: the list that begins with Organization."""
    for tree in trees:
        for texts in text_lists(tree):
            if texts[0] == "Organization" and len(texts) > 1:
                return texts
    raise NotAFact("no list begins with Organization")


def accuracy_delta_default(trees: Trees) -> dict[str, float]:
    """Return the tolerance of ``get_delta_perc`` by a text in the model's name, and for others.

    The function looks for the text with ``find`` and assigns one number where it is not found
    (``== -1``), another where it is.
    """
    body = _needed(trees, "get_delta_perc")
    texts = [
        node.args[0].value
        for node in ast.walk(body)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "find"
        and isinstance(node.args[0], ast.Constant)
    ]
    for node in ast.walk(body):
        match node:
            case ast.If(
                test=ast.Compare(ops=[ast.Eq()]),
                body=[ast.Assign(value=without)],
                orelse=[ast.Assign(value=with_text)],
            ) if len(texts) == 1:
                return {str(texts[0]): fact(with_text, {}), "other": fact(without, {})}
    raise NotAFact("get_delta_perc has another shape")


def equal_issue_models(
    trees: Trees, version: str, divisions: Sequence[str], models: Sequence[str]
) -> dict[str, list[str]]:
    """Return per division the models for which ``requires_equal_issue`` holds."""
    for node in ast.walk(_needed(trees, "requires_equal_issue")):
        if isinstance(node, ast.Return) and node.value is not None:
            condition = node.value
            return {
                division: [
                    model
                    for model in models
                    if fact(
                        condition,
                        {"model": model, "division": division, "self.version": version},
                    )
                ]
                for division in divisions
            }
    raise NotAFact("requires_equal_issue returns nothing")


def compliance_tests(trees: Trees, models: Sequence[str]) -> dict[str, list[str]]:
    """Return the tests per model of ``check_compliance_dir`` (v5.1 and older).

    The function makes one list and appends to and removes from it by the model's name.
    """
    body = _needed(trees, "check_compliance_dir").body
    return {model: _tests_of(body, model) for model in models}


def _tests_of(body: Sequence[ast.stmt], model: str) -> list[str]:
    tests: list[str] = []
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="test_list")], value=value):
                tests = list(fact(value, {}))
            case ast.If(test=ast.Compare(left=ast.Name(id="model")) as condition, body=changes):
                if fact(condition, {"model": model}):
                    for change in changes:
                        _change(tests, change)
    return tests


def _change(tests: list[str], change: ast.stmt) -> None:
    match change:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(
                    value=ast.Name(id="test_list"), attr=("append" | "remove") as how
                ),
                args=[ast.Constant(value=str(test))],
            )
        ):
            if how == "append":
                tests.append(test)
            elif test in tests:
                tests.remove(test)
        case _:
            raise NotAFact("check_compliance_dir has another shape")


def _only_list(trees: Trees, name: str) -> list[str]:
    lists = list(text_lists(_needed(trees, name)))
    if len(lists) != 1:
        raise NotAFact(f"{name} holds {len(lists)} lists of text, not one")
    return lists[0]


def _needed(trees: Trees, name: str) -> Any:
    found = function(trees, name)
    if found is None:
        raise NotAFact(f"there is no function {name}")
    return found
