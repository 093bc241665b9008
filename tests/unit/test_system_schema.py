"""Descriptions judged by their round: what its official checker rejects, and other errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.errors import UserError
from mlrepo.rounds import SHIPPED, Round
from mlrepo.rounds.field_problem import FieldProblem
from mlrepo.rounds.system_problems import (
    _explained,
    _plainly_sound,
    description_problems,
)
from mlrepo.rounds.system_schema import coerced_count, system_schema
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
    assert _judged(system, description, SHIPPED[system.round])
    for name in ("v0.7", "v6.1"):
        round_ = SHIPPED[name]
        assert _judged(system, description, round_) == _official(system, description, round_)


_SOUND = past_system(
    "v6.1/" + next(s.name.removeprefix("v6.1/") for s in past_systems() if s.round == "v6.1")
)


@pytest.mark.parametrize("field", SHIPPED["v6.1"].system_fields())
@pytest.mark.parametrize("value", [..., "", " ", None, 0, 7, ["x"], "nonsense", "0"], ids=repr)
def test_a_changed_field_gets_the_official_verdict(field: str, value: Any) -> None:
    """Missing, empty, null, zero, a list, another word: the two judges agree on each."""
    description = dict(_SOUND.description)
    description[field] = value
    if value is ...:
        del description[field]
    round_ = SHIPPED["v6.1"]
    assert _judged(_SOUND, description, round_) == _official(_SOUND, description, round_)


def _problems(round_name: str = "v6.1", **changes: Any) -> list[FieldProblem]:
    return list(description_problems(SHIPPED[round_name], {**_SOUND.description, **changes}))


def test_a_zero_that_counts_as_empty_is_explained() -> None:
    """The number 0 is empty to the official checker, the text "0" is not."""
    found = [p for p in _problems(accelerators_per_node=0) if p.rule == "system-field-empty"]
    assert [p.field for p in found] == ["accelerators_per_node"]
    assert 'the string "0"' in found[0].hint
    rules = {p.rule for p in _problems(accelerators_per_node="0", accelerator_model_name="N/A")}
    assert "system-field-empty" not in rules
    assert "system-accelerators" not in rules


def test_white_space_breaks_the_rules_but_not_the_official_verdict() -> None:
    """The checker asks only whether the text has a length; a warning where no table shows it."""
    for field, breaks in (("framework", True), ("cooling", False)):
        (found,) = [p for p in _problems(**{field: "  "}) if p.field == field]
        assert (found.breaks_official, found.breaks_strict) == (False, breaks)
        assert found.actual == "'  '"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"host_processor_core_count": "2 (big); 4 (LITTLE)"}, "system-count"),
        ({"number_of_nodes": True}, "system-text"),
        ({"accelerators_per_node": "8", "accelerator_model_name": "N/A"}, "system-accelerators"),
        ({"accelerators_per_node": "0", "accelerator_model_name": "T4"}, "system-accelerators"),
        (
            {
                "host_processor_model_name": "AMD EPYC 7742 64-Core Processor",
                "host_processors_per_node": 2,
                "host_processor_core_count": 128,
            },
            "system-cores",
        ),
        ({"colour": "red"}, "system-unknown-field"),
        ({"status": "Sold out"}, "system-status"),
        ({"system_type": "phone"}, "system-type"),
        ({"cooling": {"kind": "air"}}, "system-text"),
    ],
    ids=str,
)
def test_each_rule_finds_its_violation(changes: dict[str, Any], rule: str) -> None:
    """And nothing else finds it."""
    before = {problem.rule for problem in _problems()}
    assert {problem.rule for problem in _problems(**changes)} - before == {rule}


@pytest.mark.parametrize(
    ("sockets", "cores", "threads", "wrong"),
    [(2, 8, 30, True), (2, 8, 8, True), (2, "8", "32", False), (1, 4, 4, False), (2, 8, "", False)],
)
def test_logical_cpus_are_processors_times_cores_times_threads(
    sockets: Any, cores: Any, threads: Any, wrong: bool
) -> None:
    """However the numbers are written; where one is missing nothing is compared."""
    found = _problems(
        host_processors_per_node=sockets,
        host_processor_core_count=cores,
        host_processor_vcpu_count=threads,
        host_processor_model_name="x",
    )
    assert ("system-vcpus" in {problem.rule for problem in found}) is wrong


@pytest.mark.parametrize(
    ("cores", "advice"),
    [(64, ""), (128, "sum over all processors"), (256, "counts logical CPUs"), (7, "physical")],
)
def test_cores_that_the_name_of_the_processor_denies(cores: int, advice: str) -> None:
    """What was counted instead is told where it can be: all sockets, or logical CPUs."""
    found = _problems(
        host_processors_per_node=2,
        host_processor_core_count=cores,
        host_processor_model_name="AMD EPYC 7742 64-Core Processor",
    )
    hints = [problem.hint for problem in found if problem.rule == "system-cores"]
    assert bool(hints) is bool(advice)
    assert all(advice in hint for hint in hints)


def test_power_and_network_results_need_further_fields() -> None:
    """Each set of fields is asked for only where it applies; no checker has asked for power's."""
    round_ = SHIPPED["v6.1"]
    bare = {f: v for f, v in _SOUND.description.items() if f not in round_.system_further_fields()}
    by_table: dict[str, tuple[list[str], dict[str, Any], bool]] = {
        "system-field-missing": (
            round_.tables["system_desc_network_fields"],
            {"division": "network"},
            True,
        ),
        "system-power-field": (round_.tables["system_desc_power_fields"], {"power": True}, False),
    }
    for rule, (table, arguments, official) in by_table.items():
        found = [p for p in description_problems(round_, bare, **arguments) if p.rule == rule]
        assert [problem.field for problem in found] == table
        assert {problem.breaks_official for problem in found} == {official}
    assert description_problems(round_, bare | {"is_network": "true"}, division="closed")


_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 200),
    st.floats(),
    st.text(" 0aX", max_size=4),
    st.sampled_from(["0", " 8 ", "2 (big)", "available", "Available", "edge", "N/A", "closed"]),
    st.lists(st.just("edge"), max_size=1),
)


@given(
    st.sampled_from(list(SHIPPED)),
    st.dictionaries(st.sampled_from(sorted(_SOUND.description)), _values, max_size=4),
    st.sets(st.sampled_from(sorted(_SOUND.description)), max_size=2),
)
@pytest.mark.long
def test_the_quick_look_and_cerberus_never_differ(
    name: str, changes: dict[str, Any], without: set[str]
) -> None:
    """A description that looks plainly sound has nothing that cerberus could explain."""
    description = {**_SOUND.description, **changes}
    description = {key: value for key, value in description.items() if key not in without}
    round_ = SHIPPED[name]
    schema = system_schema(round_)
    explained = _explained(round_, description, schema)
    assert _plainly_sound(schema, description) is (not explained)


@pytest.mark.parametrize("name", SHIPPED)
def test_an_empty_description_misses_every_field_of_its_round(name: str) -> None:
    """In the round's own order."""
    round_ = SHIPPED[name]
    found = [p.field for p in description_problems(round_, {}) if p.rule == "system-field-missing"]
    assert found[: len(round_.system_fields())] == list(round_.system_fields())


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("2", 2),
        (" 64 ", 64),
        (2.0, 2),
        (3, 3),
        ("N/A", "N/A"),
        ("2.5", "2.5"),
        ("", ""),
        ("-1", "-1"),
        (None, None),
        ("1e3", "1e3"),
    ],
)
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
