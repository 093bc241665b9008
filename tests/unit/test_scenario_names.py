"""No scenario is compared by name outside the table of scenarios.

:mod:`mlrepo.scenarios` has the differences between scenarios, so that a new one is a row there.
The checkers' own bugs depend on names: the modules that replay them are listed with a reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlrepo
from mlrepo.scenarios import SCENARIOS

_ROOT = Path(mlrepo.__file__).parent
# Words that mean a scenario wherever they are a text; "server" and "online" mean other things too.
_NAMES = frozenset(SCENARIOS) | {name.lower() for name in SCENARIOS if name != "Server"}
# Module, from the package's root: why names are compared there.
_REPLAYS = {
    "checker/compliance/judge.py": "up to v1.1 a directory's name is compared, case included",
    "checker/endpoints/performance.py": "the endpoints loader takes directories by their names",
    "checker/official/loading.py": "the same loader asks no scenario in directories of two names",
    "checker/official/modular.py": "the modular checker knows its either-or rule by two names",
    "compliance/test04.py": "the script of TEST04 takes only SingleStream's score for a latency",
}
# Data, in the form of a round's data file: what holds where a file does not have the key.
_DATA = {
    "rounds/traits.py": "the newest values of traits",
    "workloads/language/__init__.py": "settings of a benchmark that mlperf.conf does not have",
    "workloads/speech/__init__.py": "settings of a benchmark that mlperf.conf does not have",
}


def _named(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value in _NAMES


def _compared(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every place where a scenario's name decides: compared, looked up, or in a list.

    A list of names is made to be searched; the default of a parameter or a text for people is not.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                parts = [left, *others]
            case ast.Dict(keys=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
                pass
            case ast.Set(elts=parts):
                pass
            case ast.MatchValue(value=value):
                parts = [value]
            case ast.Subscript(slice=key):
                parts = [key]
            case ast.Call(func=ast.Attribute(attr="get" | "startswith" | "endswith"), args=parts):
                pass
            case _:
                continue
        if any(_named(part) for part in parts):
            yield node


def _modules() -> Iterator[tuple[str, ast.AST]]:
    for folder in (_ROOT, _ROOT / "hooks"):  # in the sources a link, which rglob does not follow
        for path in sorted(folder.rglob("*.py")):
            yield str(path.relative_to(_ROOT)), ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.long
def test_only_the_table_and_the_replay_know_scenarios_by_name() -> None:
    """Everything else asks the table what a scenario is; the table compares none either."""
    found = [
        f"{name}:{getattr(node, 'lineno', 0)}"
        for name, tree in _modules()
        if name not in (*_REPLAYS, *_DATA)
        for node in _compared(tree)
    ]
    assert found == []


@pytest.mark.long
def test_no_module_is_listed_for_nothing() -> None:
    """One that has no name any more leaves the list."""
    by_name = {name for name, tree in _modules() if any(_compared(tree))}
    assert {*_REPLAYS, *_DATA} - by_name == set()


@pytest.mark.parametrize(
    "text",
    [
        "scenario == 'Offline'",
        "'MultiStream' != scenario",
        "scenario in ('Server', 'x')",
        "scenario in {'interactive'}",
        "_STREAMS = ['SingleStream']",
        "{'Server': 1}",
        "match scenario:\n    case 'Offline':\n        pass",
        "table['Offline']",
        "table.get('Server')",
    ],
)
def test_a_comparison_by_name_is_seen(text: str) -> None:
    """In each of its forms."""
    assert list(_compared(ast.parse(text)))


@pytest.mark.parametrize("text", ["f(scenario='Offline')", "'the Server'", "x == 'server'"])
def test_a_name_that_decides_nothing_is_let_pass(text: str) -> None:
    """A default, a text for people, and what is no scenario."""
    assert not list(_compared(ast.parse(text)))
