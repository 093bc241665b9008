"""The rule catalogue is complete, and explains where strict is stricter."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlrepo.checker
from mlrepo.checker.differences import PARTLY, WHY, WHY_NOT, only_official, only_strict
from mlrepo.checker.official.effects import Ruling, effect_of_part, parts_of
from mlrepo.checker.rules import RULES
from mlrepo.rounds import SHIPPED


def test_each_difference_between_the_profiles_is_argued() -> None:
    """A rule that only one profile enforces says why; no argument outlives its difference."""
    assert {each.rule.id for each in only_strict()} == set(WHY)
    assert {each.rule.id for each in only_official()} == set(WHY_NOT)
    assert set(PARTLY) <= set(RULES)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_a_rule_says_what_it_asks_where_it_stands_and_the_way_out(rule: object) -> None:
    """Nothing of a rule is empty."""
    for name in ("id", "title", "source", "hint"):
        assert getattr(rule, name).strip()


def test_a_round_that_is_newer_than_the_table_is_checked_as_the_newest_in_it() -> None:
    """Nothing better is known of the checker of a round that was just imported."""
    rule = RULES["accuracy-target"]
    assert rule.effect("v9.0") == rule.effect("v6.1") == "invalid"
    assert RULES["performance-validity"].effect("v9.0") == "none"
    assert RULES["power-files"].effect("v0.5") == RULES["power-files"].effect("v0.7") == "n/a"


def test_what_the_official_checkers_do_with_each_part_of_a_rule_is_in_the_table() -> None:
    """A part that a judge names is known of some rule, and no part outlives its judge."""
    package = Path(mlrepo.checker.__file__ or "").parents[1]
    sources = [path.read_text() for path in (package / "checker").rglob("*.py")]
    importing = (package / "exchange" / "imported_logs.py").read_text()
    named = {text for source in (*sources, importing) for text in _texts(ast.parse(source))}
    known = {part for rule in RULES for part in parts_of(rule)}
    assert known <= named | {""}
    assert {part for source in sources for part in _parts(ast.parse(source))} <= known


def test_the_effect_of_a_part_holds_until_a_round_changes_it() -> None:
    """Up to v5.0 and again since v6.0 the checkers trust the lines, not the count."""
    of = {name: effect_of_part("accuracy-loadgen-error", "not counted", name) for name in SHIPPED}
    assert of["v0.5"] == of["v5.0"] == of["v6.0"] == of["v6.1"] == "invalid"
    assert of["v5.1"] == "none"
    death = Ruling.of("crash: it is not JSON", "unreadable")
    assert death == Ruling(rejects=True, death="it is not JSON")


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _parts(tree: ast.AST) -> Iterator[str]:
    """Yield the parts that a module gives to breaches."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "part":
            yield from _texts(node.value)
