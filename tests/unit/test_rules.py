"""The catalogue of rules is complete, and says why strict is stricter."""

from __future__ import annotations

import pytest

from mlrepo.checker.differences import PARTLY, WHY, WHY_NOT, only_official, only_strict
from mlrepo.checker.rules import RULES


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
