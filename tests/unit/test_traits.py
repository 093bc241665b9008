"""A round is data with named traits: they are typed, complete, and the only thing that is asked."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlrepo
from mlrepo.cli.main import main
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.rounds import SHIPPED, Round
from mlrepo.rounds.traits import KEY, TRAITS

_NEWEST = list(SHIPPED)[-1]
_PACKAGE = Path(mlrepo.__file__).parent
# Where versions are compared on purpose: the order of the rounds, and constants of the official
# checkers that are named after the round since which they hold.
_BY_VERSION = {"rounds/known.py", "rounds/importing.py"}
# The default of the setting `round`, and since when there are rules.
_BY_NAME = {"settings.py", "checker/rules.py"}
_REPLAY = "checker/official/"
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ROUND = re.compile(r"v[0-9]+\.[0-9]+")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_round_says_all_of_its_traits(name: str) -> None:
    """Nobody has to look up in the code what a round without the key would do."""
    assert list(SHIPPED[name].tables[KEY]) == list(TRAITS)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_round_can_be_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The oldest lack tables that the others have."""
    assert main(["round", "show", name]) == 0
    assert "one_of" in capsys.readouterr().out


@pytest.mark.parametrize("name", TRAITS)
def test_a_round_without_a_trait_has_the_newest_behaviour(name: str) -> None:
    """The default of each trait is what the newest shipped round does."""
    assert getattr(Round("v99.0", {}), name) == getattr(SHIPPED[_NEWEST], name)


def test_a_trait_is_read_from_the_data_of_its_round() -> None:
    """Of another value another answer; each round has its own."""
    changed = Round("v99.0", {KEY: {"inferred_from": {"Server": ["Offline"]}}})
    assert changed.inferred_from == {"Server": ("Offline",)}
    assert SHIPPED["v1.1"].inferred_from == {"Offline": ("SingleStream",)}
    assert (SHIPPED["v5.0"].one_of, SHIPPED["v5.1"].one_of) == ((), (("Server", "Interactive"),))


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        ({"plain_names": "yes"}, "the trait plain_names is not true or false"),
        ({"checker": "newer"}, "the trait checker is not one of classic, modular"),
        ({"one_of": ["Server"]}, "the trait one_of is not a list of texts"),
        ({"guessed_benchmarks": [["a"]]}, "the trait guessed_benchmarks is not a list of pairs"),
        ({"inferred_from": []}, "the trait inferred_from is not an object"),
        ({"of_another_mlrepo": 1}, "the trait 'of_another_mlrepo' is not one of checker,"),
        ([], "traits is not an object"),
    ],
)
def test_a_trait_that_cannot_be_read_is_refused_when_the_round_is_read(
    traits: object,
    said: str,
    results: ResultsRepository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One message with the file and the trait, not a wrong verdict later."""
    monkeypatch.chdir(results.root)
    (results.root / "rounds").mkdir()
    tables = {**SHIPPED[_NEWEST].tables, KEY: traits}
    (results.root / "rounds" / "v98.0.json").write_text(json.dumps(tables))
    assert main(["round", "show", "v98.0"]) == 2
    message = capsys.readouterr().err
    assert "v98.0.json" in message
    assert said in message


def test_the_traits_of_a_round_are_shown_with_their_meaning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who changes one finds here what it does."""
    assert main(["round", "show", "v1.1"]) == 0
    shown = capsys.readouterr().out
    for name, trait in TRAITS.items():
        assert re.search(rf"^{name} .*{re.escape(trait.meaning)}", shown, re.MULTILINE)


@pytest.mark.long
def test_no_module_asks_which_round_it_is() -> None:
    """Only the order of rounds and the replay of official checkers know versions."""
    found = [
        f"{path.relative_to(_PACKAGE)}:{line}"
        for path in sorted(_PACKAGE.rglob("*.py"))
        if not str(path.relative_to(_PACKAGE)).startswith(_REPLAY)
        for line in _lines_with_versions(path)
    ]
    assert found == []


def _lines_with_versions(path: Path) -> Iterator[int]:
    """Yield the lines that compare versions, or have the name of a round in them."""
    name = str(path.relative_to(_PACKAGE))
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Compare) and name not in _BY_VERSION:
            ordered = any(isinstance(how, _ORDERS) for how in node.ops)
            if any(_is_version(each, ordered) for each in (node.left, *node.comparators)):
                yield node.lineno
        if isinstance(node, ast.Constant) and name not in _BY_NAME and _is_name(node.value):
            yield node.lineno


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(_ROUND.fullmatch(value))


def _is_version(node: ast.expr, ordered: bool) -> bool:
    """Say whether a side of a comparison is the version of a round, or two numbers to order by."""
    if isinstance(node, ast.Tuple):
        numbers = [isinstance(each, ast.Constant) for each in node.elts]
        return ordered and len(numbers) == 2 and all(numbers)
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "version"
        and "round" in ast.unparse(node.value)
    )
