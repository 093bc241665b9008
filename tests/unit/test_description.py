"""System descriptions: the fields of a round, open fields, and names of results."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlrepo.errors import UserError
from mlrepo.paths import name_problem
from mlrepo.record import BackendFacts, NamingFacts
from mlrepo.rounds import SHIPPED
from mlrepo.rounds.system_schema import known_fields
from mlrepo.systems.agreement import agrees
from mlrepo.systems.description import (
    draft_problems,
    new_description,
    open_fields,
    read_description,
    sut_name,
    user_conf_of,
)
from mlrepo.systems.fields import EXPLANATIONS
from mlrepo.systems.machine import Fact


def _new(name: str, facts: dict[str, Fact] | None = None) -> dict[str, Any]:
    return new_description(
        SHIPPED[name],
        division="open",
        submitter="Acme",
        category="edge",
        name="box",
        facts=facts or {},
    ).values


@pytest.mark.parametrize("name", SHIPPED)
def test_every_field_of_every_round_is_explained(name: str) -> None:
    """Who is asked for a field is told what it means."""
    assert known_fields(SHIPPED[name]) <= set(EXPLANATIONS)


def test_network_and_power_bring_their_fields(name: str = "v6.1") -> None:
    """They are part of a new description, and open until they are filled."""
    round_ = SHIPPED[name]
    common: Any = {"submitter": "Acme", "category": "edge", "name": "box"}
    facts = {"filesystem": Fact("ext4", "/proc/mounts")}
    made = new_description(round_, division="network", facts={}, **common).values
    assert set(made) - set(round_.system_fields()) == set(
        round_.tables["system_desc_network_fields"]
    )
    assert made["is_network"] == "true"
    assert "network_rate" in open_fields(round_, made)
    made = new_description(round_, division="closed", facts=facts, power=True, **common).values
    assert set(made) - set(round_.system_fields()) == set(round_.tables["system_desc_power_fields"])
    assert made["filesystem"] == "ext4"
    assert "disk_drives" in open_fields(round_, made)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_new_description_has_every_field_of_the_round(name: str) -> None:
    """In the round's order; what is neither given nor detected is empty."""
    facts = {"host_memory_capacity": Fact("4 GiB", "x"), "no_such_field": Fact("y", "z")}
    description = _new(name, facts)
    fields = SHIPPED[name].system_fields()
    assert tuple(description)[: len(fields)] == fields
    assert set(description) - set(fields) <= {"system_type"}  # of v0.7, which wants it unlisted
    assert description["submitter"] == "Acme"
    assert description["host_memory_capacity"] == "4 GiB"
    assert "no_such_field" not in description


def test_open_fields_are_those_the_round_wants_filled() -> None:
    """The framework comes from the run; what may stay empty is not asked for."""
    round_ = SHIPPED["v6.1"]
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
    assert "No system is described yet" in caught.value.hint
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "system.json").write_text("{}")
    with pytest.raises(UserError) as caught:
        read_description(tmp_path, "laptop")
    assert "There are: box. `mlrepo system add laptop`" in caught.value.hint


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
        ({"framework_name": None, "target": 5}, "box-5"),
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
    assert sut_name("box", BackendFacts().described_by(backend)) == name
    assert name_problem(name) == ""


def test_the_name_of_results_holds_version_and_extension_when_given() -> None:
    """``<system>-<framework>[-<version>][-<ext>]-<target>``, or the system alone."""

    def name(naming: NamingFacts, precision: str = "") -> str:
        backend = BackendFacts(framework_name="tvm", target="cpu", precision=precision)
        return sut_name("box", replace(backend, naming=naming))

    assert name(NamingFacts("0.8", "dnnl")) == "box-tvm-0.8-dnnl-cpu"
    assert name(NamingFacts("0.8")) == "box-tvm-0.8-cpu"
    assert name(NamingFacts("../x")) == "box-tvm-x-cpu"
    assert name(NamingFacts("0.8", plain=True)) == "box"
    assert name(NamingFacts(), "fp32") == "box-tvm-cpu"
    assert name(NamingFacts(ext="x"), "int8") == "box-tvm-x-int8-cpu"


_FACTS = {
    "host_processor_model_name": Fact("Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", "cpuinfo"),
    "host_processor_core_count": Fact("40", "topology"),
    "host_memory_capacity": Fact("503.5 GiB usable", "meminfo"),
}


def test_a_base_lends_words_but_no_hardware_that_is_not_here() -> None:
    """Agreeing wording stands, contradicting values give way, what cannot be read stays open."""
    base = {
        "host_processor_model_name": "Intel Xeon Platinum 8380",
        "host_processor_core_count": 56,
        "host_memory_capacity": "512GB",
        "host_storage_type": "NVMe SSD",
        "status": "available",
        "submitter": "Somebody",
        "cooling": "",
    }
    made = new_description(
        SHIPPED["v6.1"],
        division="open",
        submitter="Acme",
        category="edge",
        name="box",
        facts=_FACTS,
        base=base,
        chosen={"cooling": "air", "host_processors_per_node": "2"},
    )
    assert made.values["host_processor_model_name"] == "Intel Xeon Platinum 8380"
    assert made.values["host_memory_capacity"] == "512GB"
    assert made.values["host_processor_core_count"] == "40"
    assert made.values["host_storage_type"] == ""
    assert made.values["status"] == "available"
    assert made.values["submitter"] == "Acme"
    assert made.values["cooling"] == "air"
    (contradiction,) = made.contradicted
    assert (contradiction.field, contradiction.written, contradiction.detected) == (
        "host_processor_core_count",
        "56",
        "40",
    )
    assert made.not_taken == {"host_storage_type": "NVMe SSD"}
    assert made.overruled == ()


def test_what_the_user_sets_stands_and_is_told_to_contradict() -> None:
    """The user may know better than a sensor; nobody else may."""
    made = new_description(
        SHIPPED["v6.1"],
        division="open",
        submitter="Acme",
        category="edge",
        name="box",
        facts=_FACTS,
        base={"host_processor_core_count": 56},
        chosen={"host_processor_core_count": "80"},
    )
    assert made.values["host_processor_core_count"] == "80"
    assert [c.written for c in made.overruled] == ["80"]
    assert made.contradicted == ()


@pytest.mark.parametrize(
    ("field", "written", "detected", "same"),
    [
        ("host_processor_core_count", 40, "40", True),
        ("host_processor_core_count", "80", "40", False),
        ("accelerators_per_node", "N/A", "0", True),
        ("accelerators_per_node", "8", "0", False),
        ("accelerator_model_name", "", "N/A", True),
        ("accelerator_model_name", "NVIDIA A100", "N/A", False),
        (
            "host_processor_model_name",
            "Xeon Platinum 8380",
            _FACTS["host_processor_model_name"].value,
            True,
        ),
        (
            "host_processor_model_name",
            "Xeon Platinum 8380H",
            _FACTS["host_processor_model_name"].value,
            False,
        ),
        (
            "host_processor_model_name",
            "Xeon Gold 6248",
            _FACTS["host_processor_model_name"].value,
            False,
        ),
        (
            "host_processor_model_name",
            "Intel Xeon Platinum 8252C",
            "Intel(R) Xeon(R) Processor",
            False,
        ),
        ("host_memory_capacity", "512 GB", "503.5 GiB usable", True),
        ("host_memory_capacity", "0.5 TB", "503.5 GiB usable", True),
        ("host_memory_capacity", "384GB", "503.5 GiB usable", False),
        ("host_memory_capacity", "3072GB", "31 GiB usable", False),
        ("host_memory_capacity", "much", "31 GiB usable", False),
        ("operating_system", "Ubuntu 22.04", "Ubuntu 22.04.5 LTS, Linux 5.15.0", True),
        ("operating_system", "Ubuntu 20.04", "Ubuntu 22.04.5 LTS, Linux 5.15.0", False),
        ("accelerator_memory_capacity", "80GB", "80 GiB", True),
        ("accelerator_memory_capacity", "40 GB", "80 GiB", False),
    ],
)
def test_wordings_agree_only_when_both_can_be_true(
    field: str, written: Any, detected: str, same: bool
) -> None:
    """Numbers decide; makers' decoration does not."""
    assert agrees(field, written, detected) is same


def test_a_file_is_judged_before_a_run_fills_its_framework() -> None:
    """What the hook asks: bytes that are no object are a finding, the framework may be empty."""
    round_ = SHIPPED["v6.1"]
    for data in (b"{", b"[]", b"\xff", b"[" * 100_000):
        (problem,) = draft_problems(data, round_)
        assert (problem.rule, problem.breaks_official) == ("system-description", True)
    empty = dict.fromkeys(round_.system_fields(), "x") | {
        "framework": "",
        "status": "available",
        "system_type": "edge",
        "division": "open",
        "submitter": "acme",
    }
    found = draft_problems(json.dumps(empty).encode(), round_, division="open", submitter="Acme")
    assert not any(problem.breaks_strict for problem in found)
    found = draft_problems(json.dumps(empty).encode(), round_, division="closed", submitter="B")
    assert [p.rule for p in found if p.breaks_official] == ["system-division", "system-submitter"]
