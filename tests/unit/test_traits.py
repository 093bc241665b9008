"""Rounds are data with named traits, which are typed, complete and the only thing code reads."""

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
from mlrepo.rounds import SHIPPED, Round, Rounds
from mlrepo.rounds.known import unique_keys
from mlrepo.rounds.traits import KEY, TRAITS

_NEWEST = list(SHIPPED)[-1]
_PACKAGE = Path(mlrepo.__file__).parent
_DATA = [*(_PACKAGE / "rounds").glob("*.json"), *(_PACKAGE / "rounds/data").glob("*.json")]
# Where versions are compared on purpose: the order of the rounds, and constants of the official
# checkers that are named after the round since which they hold.
_BY_VERSION = {"rounds/known.py", "rounds/importing.py"}
# The default of the setting `round`, and since when there are rules.
_BY_NAME = {"settings.py", "checker/rules.py"}
_REPLAY = "checker/official/"
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ROUND = re.compile(r"v[0-9]+\.[0-9]+")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_round_says_its_traits_in_the_order_of_the_table(name: str) -> None:
    """It may leave out those of which it has the default: a new one is added to few files."""
    said = list(SHIPPED[name].tables[KEY])
    assert said == [each for each in TRAITS if each in said]


@pytest.mark.parametrize("file", sorted(_DATA), ids=lambda file: file.name)
def test_no_key_of_a_shipped_file_is_there_twice(file: Path) -> None:
    """The first of two values would be lost without a word."""
    json.loads(file.read_text(), object_pairs_hook=unique_keys)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_round_can_be_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The oldest lack tables that the others have."""
    assert main(["round", "show", name]) == 0
    assert "one_of" in capsys.readouterr().out


@pytest.mark.parametrize("name", TRAITS)
def test_a_round_without_a_trait_has_its_default(name: str) -> None:
    """Each default can be read, and is what at least one shipped round does."""
    assert getattr(Round("v99.0", {}), name) in [getattr(SHIPPED[each], name) for each in SHIPPED]


def test_a_trait_is_read_from_the_data_of_its_round() -> None:
    """Of another value another answer; each round has its own."""
    changed = Round("v99.0", {KEY: {"inferred_from": {"Server": ["Offline"]}}})
    assert changed.inferred_from == {"Server": ("Offline",)}
    assert SHIPPED["v1.1"].inferred_from == {"Offline": ("SingleStream",)}
    assert (SHIPPED["v5.0"].one_of, SHIPPED["v5.1"].one_of) == ((), (("Server", "Interactive"),))


def _own(root: Path, **tables: object) -> None:
    """Write the rules of a round of the repository's own, v98.0."""
    (root / "rounds").mkdir(exist_ok=True)
    (root / "rounds" / "v98.0.json").write_text(json.dumps(tables))


def test_a_round_is_another_one_with_changes(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Objects are merged key by key, null removes a key, and all else is that of the base."""
    monkeypatch.chdir(results.root)
    assert main(["round", "import", "--from", "v6.1", "--round", "v98.0"]) == 0
    assert Rounds.of_repository(results.root)["v98.0"].tables == {
        **SHIPPED["v6.1"].tables,
        "version": "v98.0",
    }
    _own(
        results.root,
        base="v6.1",
        min_duration_ms=500,
        seeds={"qsl_rng_seed": 7},
        compliance_tests={"resnet": None, "rgat": ["TEST04"]},
        traits={"inference_category": "datacenter"},
    )
    own, base = Rounds.of_repository(results.root)["v98.0"], SHIPPED["v6.1"]
    assert own.min_duration_ms() == 500
    assert own.seeds() == {**base.seeds(), "qsl_rng_seed": 7}
    tests = dict(base.tables["compliance_tests"])
    del tests["resnet"]
    assert own.tables["compliance_tests"] == {**tests, "rgat": ["TEST04"]}
    assert (own.inference_category, own.one_of) == ("datacenter", base.one_of)
    assert base.tables == json.loads((_PACKAGE / "rounds/data/v6.1.json").read_text())
    capsys.readouterr()
    assert main(["round", "import", "--from", "v6.1", "--round", "v98.0"]) == 2
    assert "v98.0.json exists" in capsys.readouterr().err
    for arguments in (
        ["--from", "v6.1", "--round", "v6.1"],
        ["--from", "v6.1"],
        ["x", "--from", "y"],
    ):
        assert main(["round", "import", *arguments]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"base": "v98.0"}', "base is not an older round"),
        ('{"base": "v5"}', "base is not an older round"),
        ('{"base": ["v6.1"]}', "base is not an older round"),
        ('{"base": "v6.1", "seed": {}}', "there is no table 'seed'"),
        ('{"base": "v6.1", "seeds": [1]}', "seeds is not an object"),
        ('{"base": "v6.1", "traits": {"one": 1}}', "the trait 'one' is not one of"),
        ('{"base": "v6.1", "seeds": {"a": 1, "a": 2}}', "the key 'a' is there twice"),
        ('{"base": "v6.1", "schema": "mlrepo-rules/2"}', "is not a round's data file"),
        ('{"min_duration_ms": 500}', "is not a round's data file"),
    ],
)
def test_a_round_with_changes_that_cannot_be_is_refused(
    text: str,
    said: str,
    results: ResultsRepository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A rule that is silently ignored gives a false verdict."""
    monkeypatch.chdir(results.root)
    _own(results.root)
    (results.root / "rounds" / "v98.0.json").write_text(text)
    assert main(["round", "show", "v98.0"]) == 2
    message = capsys.readouterr().err
    assert "v98.0.json" in message
    assert said in message


def test_the_compliance_tests_of_a_round_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """With their scenarios in the rounds where those differ."""
    assert main(["round", "show", "v6.1"]) == 0
    assert re.search(r"^gpt-oss-120b +TEST07, TEST09$", capsys.readouterr().out, re.MULTILINE)
    assert main(["round", "show", "v0.5"]) == 0
    shown = capsys.readouterr().out
    assert re.search(
        r"^gnmt +TEST01, .*\(Offline, .*; TEST01, TEST05 \(MultiStream\)$", shown, re.M
    )


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        ({"plain_names": "yes"}, "the trait plain_names is not true or false"),
        ({"checker": "newer"}, "the trait checker is not one of classic, modular"),
        ({"one_of": ["Server"]}, "the trait one_of is not a list of strings"),
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
    _own(results.root, **{**SHIPPED[_NEWEST].tables, KEY: traits})
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
