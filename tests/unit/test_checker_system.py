"""System descriptions: what each round's checker rejects, and what only strict rejects."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlrepo.checker.docket import Docket
from mlrepo.checker.documents.system import judge_system
from mlrepo.checker.rules import RULES
from mlrepo.checker.scope import Scope
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED, Place
from mlrepo.rounds.system_problems import description_problems

_ABSENT = object()


def scope_of(root: Path, round_: str, changes: dict[str, Any], division: str = "closed") -> Scope:
    """Return the scope of a sound description with changes."""
    round_data = SHIPPED[round_]
    description: dict[str, Any] = dict.fromkeys(round_data.system_fields(), "1")
    description |= {
        "division": "closed",
        "submitter": "ACME",
        "status": "Available",
        "system_type": "edge",
    }
    description |= changes
    kept = {key: value for key, value in description.items() if value is not _ABSENT}
    systems = root / division / "Acme" / "systems"
    systems.mkdir(parents=True)
    (systems / "alpha.json").write_text(json.dumps(kept))
    return Scope(DirectoryTree(root), round_data, Place(division, "Acme", "alpha", ""))


@pytest.mark.parametrize("round_", [name for name in SHIPPED if name != "v0.5"])
def test_a_sound_description_has_no_finding(tmp_path: Path, round_: str) -> None:
    """A sound description has no finding in any round."""
    scope = scope_of(tmp_path, round_, {})
    assert judge_system(Docket(scope))
    assert [f for f in scope.findings if f.rule != "system-unknown-field"] == []
    assert scope.category == "edge"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"status": None}, "system-status"),
        ({"status": "soon"}, "system-status"),
        ({"division": "open"}, "system-division"),
        ({"submitter": "Other"}, "system-submitter"),
        ({"system_type": ["edge"]}, "system-type"),
        ({"system_name": _ABSENT}, "system-field-missing"),
    ],
)
def test_what_every_checker_rejects(tmp_path: Path, changes: dict[str, Any], rule: str) -> None:
    """Each breach of S2 to S5 is a finding at the file and stops the system."""
    scope = scope_of(tmp_path, "v1.1", changes)
    assert not judge_system(Docket(scope))
    finding = next(f for f in scope.findings if f.rule == rule)
    assert finding.path == "closed/Acme/systems/alpha.json"
    assert next(iter(changes)) in finding.message
    assert finding.breaks_strict


@pytest.mark.parametrize("change", [{"system_name": ""}, {"accelerators_per_node": 0}], ids=str)
def test_an_empty_field_is_rejected_since_v3_1(tmp_path: Path, change: dict[str, Any]) -> None:
    """The same empty field passes in v1.1 and breaks v5.1; the number 0 is empty to `not value`."""
    for round_, accepted in (("v1.1", True), ("v5.1", False)):
        scope = scope_of(tmp_path / round_, round_, change)
        assert judge_system(Docket(scope)) is accepted


@pytest.mark.parametrize(
    ("division", "stated", "accepted"),
    [
        ("closed", _ABSENT, True),
        ("closed", "False", True),
        ("closed", "true", False),
        ("closed", True, False),
        ("network", "True", True),
        ("network", _ABSENT, False),
    ],
)
def test_is_network_is_what_the_division_says(
    tmp_path: Path, division: str, stated: Any, accepted: bool
) -> None:
    """Since v2.1; a network system also has the network fields."""
    network = dict.fromkeys(SHIPPED["v5.1"].tables["system_desc_network_fields"], "1")
    changes = {**(network if stated == "True" else {}), "is_network": stated}
    scope = scope_of(tmp_path, "v5.1", {"division": division, **changes}, division)
    assert judge_system(Docket(scope)) is accepted
    if not accepted:
        assert "network-mode" in {f.rule for f in scope.findings}


def test_a_text_in_is_network_asks_for_the_network_fields_since_v6_0(tmp_path: Path) -> None:
    """The official checker asks whether there is a text, not what it says."""
    for round_, accepted in (("v5.1", True), ("v6.1", False)):
        scope = scope_of(tmp_path / round_, round_, {"is_network": "false"})
        assert judge_system(Docket(scope)) is accepted


# Rules about the file, the tree around it and the runs, not about what a description says.
_OF_THE_FILE = {
    *("system-description", "system-json", "system-copied", "system-repeated"),
    "system-not-this-machine",
}


def test_every_rule_about_descriptions_stands_in_the_checkers_table() -> None:
    """With the same severity, so that `check`, `system check` and the hook never disagree."""
    round_ = SHIPPED["v6.1"]
    bad: dict[str, Any] = dict.fromkeys(round_.system_fields(), "1") | {
        "status": "x",
        "system_type": "x",
        "cooling": "",
        "sw_notes": [],
        "number_of_nodes": "two",
        "accelerator_model_name": "N/A",
        "host_processor_model_name": "EPYC 64-Core",
        "host_processor_vcpu_count": "3",
        "is_network": "false",
        "colour": "red",
    }
    found = description_problems(round_, bad, division="network", submitter="Acme", power=True)
    assert {problem.rule for problem in found} == {
        rule for rule in RULES if rule.startswith("system-")
    } - _OF_THE_FILE | {"network-mode"}
    for problem in found:
        assert RULES[problem.rule].breaks_strict is problem.breaks_strict, problem


def test_a_null_field_breaks_strict_only(tmp_path: Path) -> None:
    """v1.1's checker looks at few values; strict wants text or a number in each."""
    scope = scope_of(tmp_path, "v1.1", {"number_of_nodes": None})
    assert judge_system(Docket(scope))
    assert [f.breaks_strict for f in scope.findings] == [True]


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_a_finding(tmp_path: Path, data: bytes) -> None:
    """A file that is not a JSON object never raises."""
    scope = scope_of(tmp_path, "v6.1", {})
    (tmp_path / "closed/Acme/systems/alpha.json").write_bytes(data)
    assert not judge_system(Docket(scope))
    # Where the file is there, every official checker dies.
    assert [f.rule for f in scope.findings] == ["system-description", "official-crash"]


def test_a_sound_description_does_not_need_cerberus(tmp_path: Path) -> None:
    """The hook's path stays light."""
    scope_of(tmp_path, "v6.1", {})
    code = (
        "import sys; from pathlib import Path; from mlrepo.checker.scope import Scope; "
        "from mlrepo.checker.documents.system import judge_system; from mlrepo.rounds import *; "
        "from mlrepo.checker.docket import Docket; "
        "from mlrepo.repository.trees import DirectoryTree; "
        f"s = Scope(DirectoryTree(Path({str(tmp_path)!r})), SHIPPED['v6.1'], "
        "Place('closed', 'Acme', 'alpha', '')); assert judge_system(Docket(s)); "
        "sys.exit(any(m in sys.modules for m in ('cerberus', 'pygit2', 'click')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
