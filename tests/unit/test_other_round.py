"""A tree judged by the rules of a different round than it was measured for."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.selection import restricted
from mlrepo.findings import Finding
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.submissions import write_submission


def told(root: Path, round_name: str) -> list[Finding]:
    """Return what a check by the rules of a round says of the tree's seeds."""
    report = check(DirectoryTree(root), SHIPPED[round_name])
    return [finding for finding in report.all_findings() if finding.rule == "round-seeds"]


@pytest.mark.parametrize(
    ("measured", "asked"),
    [
        ("v5.1", "v6.1"),
        ("v6.1", "v5.1"),
        ("v6.0", "v6.1"),
        ("v1.1", "v6.1"),
        ("v5.1", "v1.1"),
        ("v0.7", "v5.1"),
        ("v1.0", "v0.7"),
    ],
)
def test_the_round_of_the_seeds_is_named(tmp_path: Path, measured: str, asked: str) -> None:
    """Once for the whole tree, whatever the layout and the form of the logs, and first of all."""
    write_submission(tmp_path, measured)
    [finding] = told(tmp_path, asked)
    assert f"use --round {measured}" in finding.message
    assert (finding.expected, finding.actual, finding.path) == (asked, measured, "")
    report = check(DirectoryTree(tmp_path), SHIPPED[asked])
    assert not report.valid("strict")
    assert report.findings[0] == finding
    assert finding in restricted(report, report.results[0].path, "strict").findings


@pytest.mark.parametrize("round_name", ["v0.7", "v1.1", "v4.1", "v6.1"])
def test_nothing_is_said_of_a_tree_of_its_round(tmp_path: Path, round_name: str) -> None:
    """Not even where a single result has seeds of its own, or its log is lost."""
    submission = write_submission(tmp_path, round_name)
    assert not told(tmp_path, round_name)
    run = submission.result("Offline") / "performance" / "run_1"
    for path in (run / "mlperf_log_detail.txt", run / "mlperf_log_summary.txt"):
        text = path.read_text()
        for seed in submission.round.seeds().values():
            text = text.replace(str(seed), str(SHIPPED["v5.1"].seeds()["qsl_rng_seed"]))
        path.write_text(text)
    assert not told(tmp_path, round_name)


def test_seeds_that_no_round_has_name_none(tmp_path: Path) -> None:
    """Every result has seeds of its own: that is a fault of the runs."""
    submission = write_submission(tmp_path, "v5.1")
    for path in tmp_path.rglob("mlperf_log_*.txt"):
        text = path.read_text()
        for seed in submission.round.seeds().values():
            text = text.replace(str(seed), "1234567")
        path.write_text(text)
    report = check(DirectoryTree(tmp_path), submission.round)
    assert {f.rule for f in report.all_findings()} >= {"performance-seeds"}
    assert not told(tmp_path, "v5.1")
