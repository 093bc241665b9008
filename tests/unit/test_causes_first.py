"""A report names the cause of a verdict first, and says what only follows from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.cli.submission.rendering import renderer, review_text
from mlrepo.exchange.review import Review, ReviewedResult
from mlrepo.findings import Finding
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.submissions import SUBMITTER, SYSTEM, write_submission


def _checked(root: Path, round_name: str) -> Report:
    return check(DirectoryTree(root), SHIPPED[round_name])


def _named(report: Report, rule: str) -> list[Finding]:
    return [finding for finding in report.all_findings() if finding.rule == rule]


def _description(root: Path) -> Path:
    return root / "closed" / SUBMITTER / "systems" / f"{SYSTEM}.json"


@pytest.mark.parametrize("round_name", ["v5.1", "v6.1"])
@pytest.mark.parametrize("damage", ["missing", "bom", "half", "type"])
def test_results_without_a_readable_description_wait_for_it(
    tmp_path: Path, round_name: str, damage: str
) -> None:
    """The description is the cause; no one is told to rename or remove a benchmark."""
    write_submission(tmp_path, round_name)
    path = _description(tmp_path)
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "bom":
        path.write_bytes(b"\xef\xbb\xbf" + data)
    elif damage == "half":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_text(json.dumps({**json.loads(data), "system_type": "laptop"}))
    report = _checked(tmp_path, round_name)
    rules = {finding.rule for finding in report.all_findings()}
    assert {"system-description", "system-type"} & rules
    assert not {"benchmark-unknown", "scenario-unknown", "scenario-missing"} & rules
    assert not any(result.official or result.strict for result in report.results)
    consequences = _named(report, "result-unjudged")
    assert len(consequences) == len(report.results) == 3
    assert all("description" in finding.hint for finding in consequences)


def test_a_benchmark_of_another_category_is_named_as_that(tmp_path: Path) -> None:
    """With the categories that have it, and the names that the round has here."""
    write_submission(tmp_path, "v5.1")
    home = tmp_path / "closed" / SUBMITTER
    for kind in ("results", "measurements", "compliance"):
        (home / kind / SYSTEM / "resnet50").rename(home / kind / SYSTEM / "llama2-70b-99")
    (finding,) = _named(_checked(tmp_path, "v5.1"), "benchmark-unknown")
    assert "datacenter" in finding.message
    assert "resnet" in finding.expected


def test_a_scenario_that_is_there_is_not_called_missing(tmp_path: Path) -> None:
    """It has no valid run: the reader is sent to what was found at it."""
    submission = write_submission(tmp_path, "v5.1")
    (submission.result("Offline") / "performance/run_1/mlperf_log_detail.txt").unlink()
    (finding,) = (
        each
        for each in _named(_checked(tmp_path, "v5.1"), "scenario-missing")
        if "Offline" in each.path
    )
    assert "has no valid run: see closed/" in finding.message


def test_thousands_of_findings_of_one_kind_are_counted(tmp_path: Path) -> None:
    """The first are shown; a wrong round must not bury what else was found."""
    write_submission(tmp_path, "v5.1")
    directory: Any = tmp_path / "closed" / SUBMITTER / "code" / "resnet50"
    for number in range(300):
        (directory / f"a {number}").write_text("x")
    report = _checked(tmp_path, "v5.1")
    results = tuple(ReviewedResult(result, None) for result in report.results)
    review = Review(SUBMITTER, "v5.1", "theirs", report, results)
    for text in (renderer("text")(report, "strict"), review_text.render(review)):
        assert text.count("The name") == 50
        assert "tree-space: 250 more findings" in text.replace("\\", "")
    github = renderer("github")(report, "strict").splitlines()
    assert sum(line.startswith("::error") for line in github) == 50
    assert github[-2].startswith("tree-space: 250 more findings")
    for name in ("json", "sarif"):  # programs get all
        assert renderer(name)(report, "strict").count('"tree-space"') >= 300


@pytest.mark.parametrize("name", ["{}.JSON", "{}.Json"])
@pytest.mark.parametrize("round_name", ["v5.1", "v6.1"])
def test_a_description_that_differs_in_case_only_is_named(
    tmp_path: Path, round_name: str, name: str
) -> None:
    """It is found on the machine that it was written on, and nowhere else."""
    write_submission(tmp_path, round_name)
    path = _description(tmp_path)
    other = path.with_name(name.format(SYSTEM.upper()))
    path.rename(other)
    (finding,) = _named(_checked(tmp_path, round_name), "system-description")
    assert "case" in finding.message
    assert finding.actual == str(other.relative_to(tmp_path))
    assert "Rename" in finding.hint
    other.parent.rename(path.parents[1] / "Systems")
    (finding,) = _named(_checked(tmp_path, round_name), "system-description")
    assert finding.actual == f"closed/{SUBMITTER}/Systems/{other.name}"


@pytest.mark.parametrize(
    ("round_name", "breaks"), [("v0.7", False), ("v3.0", False), ("v5.1", True)]
)
def test_measurements_under_another_system_s_name_are_shown(
    tmp_path: Path, round_name: str, breaks: bool
) -> None:
    """Up to v3.0 the official checkers only log it; without any file it is an error everywhere."""
    submission = write_submission(tmp_path, round_name)
    file = submission.root / str(
        submission.round.layout.measurements_file(submission.place("Offline"))
    )
    other = file.with_name("renamed.json")
    file.rename(other)
    report = check(DirectoryTree(tmp_path), submission.round)
    [finding] = [f for f in report.all_findings() if f.rule == "measurements-incomplete"]
    assert finding.breaks_strict is breaks
    assert (finding.actual, finding.expected) == ("renamed.json", "alpha*.json")
    other.unlink()
    assert not check(DirectoryTree(tmp_path), submission.round).valid("strict")
