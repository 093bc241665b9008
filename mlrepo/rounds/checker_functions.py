"""Read the rules that the official checker has in its functions from their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from mlrepo.rounds.python_facts import NotAFact, fact, function, text_lists
from mlrepo.scenarios import LOADGEN_SCENARIOS

Trees = Sequence[ast.Module]


def system_types(trees: Trees) -> list[str]:
    """Return the values with which ``set_type`` compares the system type."""
    return [
        node.comparators[0].value
        for node in ast.walk(_needed(trees, "set_type"))
        if isinstance(node, ast.Compare)
        and isinstance(node.comparators[0], ast.Constant)
        and isinstance(node.comparators[0].value, str)
    ]


def early_stopping_scenarios(trees: Trees, version: str) -> list[str]:
    """Return the scenarios for which ``uses_early_stopping`` is true."""
    body = _needed(trees, "uses_early_stopping")
    condition = _returned(body)
    texts = [text for each in text_lists(body) for text in each]
    return [
        text
        for text in texts
        if text[:1].isupper() and fact(condition, {"scenario": text, "self.version": version})
    ]


def always_optional_files(trees: Trees) -> list[str]:
    """Return the files that ``files_diff`` neither requires nor objects to."""
    return _only_list(trees, "files_diff")


def summary_columns(trees: Trees) -> list[str]:
    """Return the header of ``summary.csv``: the list that begins with Organization."""
    for tree in trees:
        for texts in text_lists(tree):
            if texts[0] == "Organization" and len(texts) > 1:
                return texts
    raise NotAFact("no list begins with Organization")


def accuracy_delta_default(trees: Trees) -> dict[str, float]:
    """Return TEST01's tolerances by a text in the model's name, and for others (since v2.1).

    The function looks for the text with ``find`` and assigns one number if it is not found
    (``== -1``), another if it is.
    """
    for name in ("get_delta_perc", "check_compliance_acc_dir"):
        body = function(trees, name)
        if body is not None and (found := _delta_default(body)) is not None:
            return found
    raise NotAFact("no function has a tolerance per model")


def _delta_default(body: ast.FunctionDef) -> dict[str, float] | None:
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
    return None


def equal_issue_models(
    trees: Trees, version: str, divisions: Sequence[str], models: Sequence[str]
) -> dict[str, list[str]]:
    """Return, per division, the models for which ``requires_equal_issue`` is true."""
    condition = _returned(_needed(trees, "requires_equal_issue"))
    return {
        division: [
            model
            for model in models
            if fact(condition, {"model": model, "division": division, "self.version": version})
        ]
        for division in divisions
    }


def models_with_token_latencies(trees: Trees) -> frozenset[str]:
    """Return the models for which ``check_performance_dir`` needs token latencies (v4.0–v5.1)."""
    for node in ast.walk(_needed(trees, "check_performance_dir")):
        match node:
            case ast.If(test=ast.Compare(ops=[ast.In()], comparators=[ast.List() as names])) if (
                "extra_check_ll" in ast.unparse(node.body[0])
            ):
                return frozenset(fact(names, {}))
    return frozenset()


def performance_runs(trees: Trees, version: str) -> dict[str, int]:
    """Return the number of performance runs of a result: up to v0.7 five for Server, else one."""
    runs = {name: _runs_of(trees, version, name) for name in LOADGEN_SCENARIOS}
    several = {name: count for name, count in runs.items() if count > 1}
    return {**several, "other": 1} if several else {"*": 1}


def _runs_of(trees: Trees, version: str, scenario: str) -> int:
    body = function(trees, "check_results_dir")
    for node in ast.walk(body) if body is not None else ():
        match node:
            case ast.If(body=[ast.Assign(targets=[ast.Name(id="n")], value=runs)]):
                if fact(node.test, {"scenario": scenario, "config.version": version}):
                    return len(fact(runs, {}))
    return 1


def unread_model_lists(trees: Trees, models: Sequence[str]) -> list[str]:
    """Return the checker's functions with a list of models that this module does not read."""
    found = {
        body.name
        for tree in trees
        for body in ast.walk(tree)
        if isinstance(body, ast.FunctionDef) and body.name not in _READ
        for texts in _texts_of(body)
        if len(texts) > 1 and not set(models).isdisjoint(texts)
    }
    return sorted(found)


# Functions whose lists of models become keys of the data file.
_READ = ("check_compliance_dir", "requires_equal_issue")


def _texts_of(body: ast.AST) -> Iterator[list[str]]:
    for node in ast.walk(body):
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            texts = [item.value for item in node.elts if isinstance(item, ast.Constant)]
            yield [text for text in texts if isinstance(text, str)]


def compliance_tests(
    trees: Trees, version: str, models: Sequence[str]
) -> dict[str, list[str] | dict[str, list[str]]]:
    """Return the tests per model of ``check_compliance_dir`` (v5.1 and older).

    The function makes one list, and adds and removes tests by the model's name, up to v1.1 also by
    scenario. If the scenarios of a model differ, each has its own list.
    """
    body = _needed(trees, "check_compliance_dir").body
    result: dict[str, list[str] | dict[str, list[str]]] = {}
    for model in models:
        by_scenario = {
            scenario: _tests_of(
                body, {"model": model, "scenario": scenario, "config.version": version}
            )
            for scenario in LOADGEN_SCENARIOS
        }
        same, *others = by_scenario.values()
        alike = all(tests == same for tests in others)
        result[model] = same if alike else by_scenario
    return result


def _tests_of(body: Sequence[ast.stmt], names: dict[str, str]) -> list[str]:
    tests: list[str] = []
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="test_list")], value=value):
                tests = list(fact(value, {}))
            case ast.If(test=condition, body=changes) if _changes_tests(changes[0]):
                if fact(condition, names):
                    for change in changes:
                        _change(tests, change)
    return tests


def _changes_tests(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and "test_list." in ast.unparse(statement)


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


def _returned(body: ast.FunctionDef) -> ast.expr:
    for node in ast.walk(body):
        if isinstance(node, ast.Return) and node.value is not None:
            return node.value
    raise NotAFact(f"{body.name} returns nothing")


def _only_list(trees: Trees, name: str) -> list[str]:
    lists = list(text_lists(_needed(trees, name)))
    if len(lists) != 1:
        raise NotAFact(f"{name} has {len(lists)} lists of strings, not one")
    return lists[0]


def _needed(trees: Trees, name: str) -> Any:
    found = function(trees, name)
    if found is None:
        raise NotAFact(f"there is no function {name}")
    return found
