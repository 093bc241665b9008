"""System descriptions: the fields of a round, what is open, names of results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlrepo.errors import UserError
from mlrepo.paths import name_problem
from mlrepo.rounds import known_rounds, load_round
from mlrepo.systems.description import (
    new_description,
    open_fields,
    read_description,
    sut_name,
    user_conf_of,
)
from mlrepo.systems.detect import Fact


def _new(name: str, facts: dict[str, Fact] | None = None) -> dict[str, Any]:
    return new_description(
        load_round(name), division="open", submitter="Acme", category="edge", name="box",
        facts=facts or {},
    )  # fmt: skip


@pytest.mark.parametrize("name", known_rounds())
def test_a_new_description_has_every_field_of_the_round(name: str) -> None:
    """In the round's order; what is neither given nor detected is empty."""
    facts = {"host_memory_capacity": Fact("4 GiB", "x"), "no_such_field": Fact("y", "z")}
    description = _new(name, facts)
    assert tuple(description) == load_round(name).system_fields()
    assert description["submitter"] == "Acme"
    assert description["host_memory_capacity"] == "4 GiB"
    assert "no_such_field" not in description


def test_open_fields_are_those_the_round_wants_filled() -> None:
    """The framework comes from the run; what may stay empty is not asked for."""
    round_ = load_round("v6.1")
    description = _new("v6.1")
    still_open = open_fields(round_, description)
    assert "cooling" in still_open
    assert "framework" not in still_open
    assert "submitter" not in still_open
    assert set(still_open) <= round_.system_nonempty_fields()
    description["cooling"] = " "
    assert "cooling" in open_fields(round_, description)
    assert open_fields(round_, dict.fromkeys(round_.system_fields(), "x")) == []


def test_a_description_is_read_as_it_stands(tmp_path: Path) -> None:
    """The bytes of the user's file, no matter how it is formatted."""
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "system.json").write_bytes(b'{ "a":1}\r\n')
    assert read_description(tmp_path, "box") == b'{ "a":1}\r\n'


def test_an_absent_system_lists_those_that_exist(tmp_path: Path) -> None:
    """The message names the file, the known systems and the next command."""
    with pytest.raises(UserError, match="no system 'laptop'") as caught:
        read_description(tmp_path, "laptop")
    assert "Known systems: none" in caught.value.hint
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "system.json").write_text("{}")
    with pytest.raises(UserError) as caught:
        read_description(tmp_path, "laptop")
    assert "Known systems: box. `mlrepo system add laptop`" in caught.value.hint


@pytest.mark.parametrize("name", ["..", "", "a/b", ".git", "-x", "con"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """A system is a directory below systems/, nothing else."""
    with pytest.raises(UserError, match="cannot be the name of a system"):
        read_description(tmp_path, name)


def test_settings_of_a_system_belong_to_a_round(tmp_path: Path) -> None:
    """``user.<round>.conf`` is found for its round only."""
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "user.v6.1.conf").write_text("")
    assert user_conf_of(tmp_path, "box", "v6.1") == tmp_path / "box" / "user.v6.1.conf"
    assert user_conf_of(tmp_path, "box", "v6.0") is None


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        ({}, "box"),
        ({"framework_name": "onnxruntime", "target": "cpu"}, "box-onnxruntime-cpu"),
        ({"framework_name": "onnxruntime"}, "box-onnxruntime"),
        ({"target": "cpu"}, "box-cpu"),
        ({"framework_name": "My Framework", "target": "GPU:0"}, "box-My-Framework-GPU-0"),
        ({"framework_name": "../../etc", "target": ""}, "box-etc"),
        ({"framework_name": "Tür", "target": "日本"}, "box-T-r"),
        ({"framework_name": None, "target": 5}, "box-None-5"),
        ({"framework_name": "x" * 300}, "box-" + "x" * 60),
        ({"framework_name": "c++17"}, "box-c++17"),
        ({"framework_name": "v1."}, "box-v1"),
    ],
    ids=str,
)
def test_results_stand_under_system_framework_and_target(
    backend: dict[str, Any], name: str
) -> None:
    """Whatever a backend calls itself, a directory can be called so."""
    assert sut_name("box", backend) == name
    assert name_problem(name) == ""
