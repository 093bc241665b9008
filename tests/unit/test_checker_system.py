"""System descriptions: what each round's checker rejects, and what only strict does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlrepo.checker.scope import Scope
from mlrepo.checker.system import judge_system
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import Place, known_rounds, load_round

_ABSENT = object()


def scope_of(root: Path, round_: str, changes: dict[str, Any]) -> Scope:
    """Return the scope of a sound description with changes."""
    round_data = load_round(round_)
    description: dict[str, Any] = dict.fromkeys(round_data.system_fields(), "1")
    description |= {
        "division": "closed", "submitter": "ACME", "status": "Available",
        "system_type": "edge",
    }  # fmt: skip
    description |= changes
    kept = {key: value for key, value in description.items() if value is not _ABSENT}
    systems = root / "closed" / "Acme" / "systems"
    systems.mkdir(parents=True)
    (systems / "alpha.json").write_text(json.dumps(kept))
    return Scope(DirectoryTree(root), round_data, Place("closed", "Acme", "alpha", ""))


@pytest.mark.parametrize("round_", [name for name in known_rounds() if name != "v0.5"])
def test_a_sound_description_has_no_finding(tmp_path: Path, round_: str) -> None:
    """A sound description has no finding in any round."""
    scope = scope_of(tmp_path, round_, {})
    assert judge_system(scope)
    assert [f for f in scope.findings if f.rule != "system-unknown-field"] == []
    assert scope.category == "edge"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": None},
        {"status": "soon"},
        {"division": "open"},
        {"submitter": "Other"},
        {"system_type": ["edge"]},
        {"system_name": _ABSENT},
    ],
)
def test_what_every_checker_rejects(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Each breach of S2 to S5 is a finding at the file and stops the system."""
    scope = scope_of(tmp_path, "v1.1", changes)
    assert not judge_system(scope)
    finding = next(f for f in scope.findings if f.rule == "system-description")
    assert finding.path == "closed/Acme/systems/alpha.json"
    assert next(iter(changes)) in finding.message
    assert finding.breaks_strict


def test_an_empty_field_is_rejected_since_v3_1(tmp_path: Path) -> None:
    """The same empty field passes in v1.1 and breaks v5.1."""
    for round_, accepted in (("v1.1", True), ("v5.1", False)):
        scope = scope_of(tmp_path / round_, round_, {"system_name": ""})
        assert judge_system(scope) is accepted


def test_a_null_field_breaks_strict_only(tmp_path: Path) -> None:
    """v1.1's checker looks at few values; strict wants text or a number in each."""
    scope = scope_of(tmp_path, "v1.1", {"number_of_nodes": None})
    assert judge_system(scope)
    assert [f.breaks_strict for f in scope.findings] == [True]


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_a_finding(tmp_path: Path, data: bytes) -> None:
    """A file that is no JSON object never raises."""
    scope = scope_of(tmp_path, "v6.1", {})
    (tmp_path / "closed/Acme/systems/alpha.json").write_bytes(data)
    assert not judge_system(scope)
    # Where the file is there, every official checker dies.
    assert [f.rule for f in scope.findings] == ["system-description", "official-crash"]


def test_a_sound_description_does_not_need_cerberus(tmp_path: Path) -> None:
    """The hook's path stays light."""
    scope_of(tmp_path, "v6.1", {})
    code = (
        "import sys; from pathlib import Path; from mlrepo.checker.scope import Scope; "
        "from mlrepo.checker.system import judge_system; from mlrepo.rounds import *; "
        "from mlrepo.repository.trees import DirectoryTree; "
        f"s = Scope(DirectoryTree(Path({str(tmp_path)!r})), load_round('v6.1'), "
        "Place('closed', 'Acme', 'alpha', '')); assert judge_system(s); "
        "sys.exit(any(m in sys.modules for m in ('cerberus', 'pygit2', 'click')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
