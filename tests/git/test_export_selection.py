"""An exported selection is as valid as the one in Git."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.cli.main import main
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from mlrepo.selection.select import plan_selection, write_plan
from mlrepo.selection.wanted import Wanted
from tests.samples import git
from tests.selections import Laboratory


def test_the_selection_becomes_files_that_the_checker_accepts(
    results: ResultsRepository,
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is the default once something is selected; every file has the bytes of the branch."""
    laboratory = Laboratory(recorder, tmp_path / "scratch")
    for scenario in laboratory.submission.scenarios:
        laboratory.result(scenario)
    identity = git_identity(results.root)
    selection = write_plan(results, identity, plan_selection(results, SHIPPED["v6.1"], Wanted()))
    monkeypatch.chdir(results.root)
    assert main(["export", str(tmp_path / "out"), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["sources"] == [{"what": "the selection for v6.1", "commit": selection.commit}]
    listed = git(results.root, "ls-tree", "-r", "-z", selection.commit).split("\0")[:-1]
    assert len(listed) == done["files"]
    for line in listed:
        oid, path = line.split()[2], line.partition("\t")[2]
        assert git(results.root, "hash-object", "--no-filters", str(tmp_path / "out" / path)) == (
            f"{oid}\n"
        )
    report = check(DirectoryTree(tmp_path / "out"), SHIPPED["v6.1"])
    assert report.valid("strict")
