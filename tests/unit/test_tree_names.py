"""File and directory names that the round, other file systems or other tools forbid."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.findings import Severity
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.submissions import SUBMITTER, SYSTEM, write_submission


def _found(root: Path, round_name: str) -> dict[str, Severity]:
    """Return the rules about names and trees that are broken, and how much that weighs."""
    report = check(DirectoryTree(root), SHIPPED[round_name])
    found: dict[str, Severity] = {}
    for finding in report.all_findings():
        if finding.rule.startswith(("tree-", "benchmark-")):
            known = found.get(finding.rule)
            found[finding.rule] = known if known is Severity.ERROR else finding.severity
    return found


def _renamed_submitter(root: Path, round_name: str, name: str) -> None:
    write_submission(root, round_name)
    (root / "closed" / SUBMITTER).rename(root / "closed" / name)
    system = root / "closed" / name / "systems" / f"{SYSTEM}.json"
    system.write_text(system.read_text().replace(f'"{SUBMITTER}"', f'"{name}"'))


@pytest.mark.parametrize(
    ("name", "rule"),
    [("GATE Overflow", "tree-space"), (".Acme", "tree-dot-name"), ("A\\B", "tree-name")],
)
def test_the_submitters_own_directory_has_a_name_too(tmp_path: Path, name: str, rule: str) -> None:
    """The official checkers since v3.0 refuse a submitter whole for a space or a dot."""
    _renamed_submitter(tmp_path, "v5.1", name)
    assert rule in _found(tmp_path, "v5.1")


def test_the_official_verdict_on_a_submitter_with_a_space(tmp_path: Path) -> None:
    """From v3.0 to v5.1 nothing of it is looked at; in earlier rounds the name is a warning."""
    _renamed_submitter(tmp_path / "new", "v5.1", "GATE Overflow")
    report = check(DirectoryTree(tmp_path / "new"), SHIPPED["v5.1"])
    assert not any(result.official for result in report.results)
    _renamed_submitter(tmp_path / "old", "v2.1", "GATE Overflow")
    assert _found(tmp_path / "old", "v2.1")["tree-space"] is Severity.WARNING


@pytest.mark.parametrize("name", ["a\nb.txt", "a\\b.txt", "a\u202eb.txt"])
def test_a_name_that_no_other_system_can_have_is_a_warning(tmp_path: Path, name: str) -> None:
    """A line feed, a backslash, a mark that turns text around."""
    write_submission(tmp_path, "v5.0")
    (tmp_path / "closed" / SUBMITTER / "code" / "resnet50" / name).write_text("x")
    assert _found(tmp_path, "v5.0") == {"tree-name": Severity.WARNING}


def test_names_that_differ_in_case_only(tmp_path: Path) -> None:
    """Of evidence an error, of code a warning."""
    write_submission(tmp_path, "v6.1")
    home = tmp_path / "closed" / SUBMITTER
    (home / "src" / "readme.md").write_text("x")
    assert _found(tmp_path, "v6.1") == {"tree-case": Severity.WARNING}
    (home / "systems" / f"{SYSTEM.upper()}.json").write_text("{}")
    assert _found(tmp_path, "v6.1")["tree-case"] is Severity.ERROR
    (tmp_path / "closed" / SUBMITTER.lower()).mkdir()
    assert _found(tmp_path, "v6.1")["tree-case"] is Severity.ERROR


def test_one_benchmark_in_two_directories(tmp_path: Path) -> None:
    """``resnet`` beside ``resnet50``: the same benchmark by two of its names."""
    submission = write_submission(tmp_path, "v5.1")
    results = submission.result("Offline").parent
    results.with_name("resnet").mkdir()
    (results.with_name("resnet") / "x.txt").write_text("x")
    assert _found(tmp_path, "v5.1")["benchmark-repeated"] is Severity.ERROR


def test_an_empty_calibration_document_is_a_warning(tmp_path: Path) -> None:
    """The official checker asks only whether it is there."""
    write_submission(tmp_path, "v5.1")
    (tmp_path / "closed" / SUBMITTER / "calibration.md").write_text("")
    assert _found(tmp_path, "v5.1") == {"tree-calibration": Severity.WARNING}
