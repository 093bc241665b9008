"""Descriptions judged by their round: what the official checker rejects, and what is only wrong."""

from __future__ import annotations

from typing import Any

import pytest

from mlrepo.errors import UserError
from mlrepo.rounds import Round, known_rounds, load_round
from mlrepo.rounds.system_schema import FieldProblem, coerced_count, description_problems
from mlrepo.systems.past import PastSystem, matching, past_system, past_systems


def _official(system: PastSystem, description: dict[str, Any], round_: Round) -> bool:
    """Decide as the official checkers do: status, type, fields, emptiness, division, submitter."""
    tables = round_.tables
    if str(description.get("status")).lower() not in tables["availabilities"]:
        return False
    if tables["system_types"] and description.get("system_type") not in tables["system_types"]:
        return False
    for field in tables["system_desc_required"]:
        if field not in description:
            return False
        if field in (tables.get("system_desc_nonempty") or ()) and not description[field]:
            return False
    return (
        description["division"] == system.division
        and str(description["submitter"]).lower() == system.submitter.lower()
    )


def _judged(system: PastSystem, description: dict[str, Any], round_: Round) -> bool:
    found = description_problems(
        round_, description, division=system.division, submitter=system.submitter
    )
    return not any(problem.breaks_official for problem in found)


@pytest.mark.parametrize("system", past_systems(), ids=lambda system: system.name)
def test_every_published_description_gets_the_verdict_of_its_round(system: PastSystem) -> None:
    """All were accepted; each also gets the official verdict under the oldest and newest rules."""
    description = dict(system.description)
    assert _judged(system, description, load_round(system.round))
    for name in ("v0.7", "v6.1"):
        round_ = load_round(name)
        assert _judged(system, description, round_) == _official(system, description, round_)


_SOUND = past_system("v6.1/" + next(
    s.name.removeprefix("v6.1/") for s in past_systems() if s.round == "v6.1"
))  # fmt: skip


@pytest.mark.parametrize("field", load_round("v6.1").system_fields())
@pytest.mark.parametrize("value", [..., "", " ", None, 0, 7, ["x"], "nonsense", "0"], ids=repr)
def test_a_changed_field_gets_the_official_verdict(field: str, value: Any) -> None:
    """Missing, empty, null, zero, a list, another word: the two judges agree on each."""
    description = dict(_SOUND.description)
    description[field] = value
    if value is ...:
        del description[field]
    round_ = load_round("v6.1")
    assert _judged(_SOUND, description, round_) == _official(_SOUND, description, round_)


def _problems(round_name: str = "v6.1", **changes: Any) -> list[FieldProblem]:
    return list(description_problems(load_round(round_name), {**_SOUND.description, **changes}))


def test_a_zero_that_counts_as_empty_is_explained() -> None:
    """The number 0 is empty to the official checker, the text "0" is not."""
    found = [p for p in _problems(accelerators_per_node=0) if p.rule == "system-field-empty"]
    assert [p.field for p in found] == ["accelerators_per_node"]
    assert 'the text "0"' in found[0].hint
    rules = {p.rule for p in _problems(accelerators_per_node="0", accelerator_model_name="N/A")}
    assert "system-field-empty" not in rules
    assert "system-accelerators" not in rules


def test_white_space_breaks_the_rules_but_not_the_official_verdict() -> None:
    """The checker asks only whether the text has a length."""
    (found,) = [p for p in _problems(cooling="  ") if p.field == "cooling"]
    assert (found.breaks_official, found.breaks_strict) == (False, True)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"host_processor_core_count": "2 (big); 4 (LITTLE)"}, "system-count"),
        ({"number_of_nodes": True}, "system-text"),
        ({"accelerators_per_node": "8", "accelerator_model_name": "N/A"}, "system-accelerators"),
        ({"accelerators_per_node": "0", "accelerator_model_name": "T4"}, "system-accelerators"),
        ({"host_processors_per_node": 2, "host_processor_core_count": 8,
          "host_processor_vcpu_count": 30}, "system-vcpus"),
        ({"status": "Sold out"}, "system-status"),
        ({"system_type": "phone"}, "system-type"),
        ({"cooling": {"kind": "air"}}, "system-text"),
    ],
    ids=str,
)  # fmt: skip
def test_each_rule_finds_its_violation(changes: dict[str, Any], rule: str) -> None:
    """And nothing else finds it."""
    before = {problem.rule for problem in _problems()}
    assert {problem.rule for problem in _problems(**changes)} - before == {rule}


def test_power_and_network_results_need_further_fields() -> None:
    """Each set of fields is asked for only where it applies."""
    round_ = load_round("v6.1")
    further_fields = set(round_.system_further_fields())
    bare = {f: v for f, v in _SOUND.description.items() if f not in further_fields}
    for further, name in (("power", "power_management"), ("network", "network_protocol")):
        missing = {
            problem.field
            for problem in description_problems(round_, bare, **{further: True})
            if problem.rule == "system-field-missing"
        }
        assert name in missing
        assert missing <= further_fields


@pytest.mark.parametrize("name", known_rounds())
def test_an_empty_description_misses_every_field_of_its_round(name: str) -> None:
    """In the round's own order."""
    round_ = load_round(name)
    found = [p.field for p in description_problems(round_, {}) if p.rule == "system-field-missing"]
    assert found[: len(round_.system_fields())] == list(round_.system_fields())


@pytest.mark.parametrize(
    ("value", "number"),
    [("2", 2), (" 64 ", 64), (2.0, 2), (3, 3), ("N/A", "N/A"), ("2.5", "2.5"), ("", ""),
     ("-1", "-1"), (None, None), ("1e3", "1e3")],
)  # fmt: skip
def test_only_unambiguous_texts_become_numbers(value: Any, number: Any) -> None:
    """The published files mix 2, "2" and "2 (big)"."""
    assert coerced_count(value) == number


def test_past_systems_are_found_by_name_and_content() -> None:
    """A full name, its unique end, or a text in any value."""
    assert len(past_systems()) == 277
    found = past_system("aws-m5zn.6xlarge-tvm")
    assert found.name == "v1.1/open/OctoML/aws-m5zn.6xlarge-tvm"
    assert found in matching(past_systems(), "platinum 8252c")
    with pytest.raises(UserError, match="no past system") as caught:
        past_system("m5zn")
    assert "aws-m5zn" in caught.value.hint
    with pytest.raises(UserError, match="past systems are called"):
        past_system("A10x1_TRT")
