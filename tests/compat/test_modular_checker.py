"""Since v6.0, the profile `official` matches the modular checker of mlcommons/inference, run here.

Each mutation is made on a submission of v6.1; both checkers judge the same tree.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.repository.trees import DirectoryTree
from tests.compat.modular_checker import run_modular_checker
from tests.compat.mutations import MUTATIONS, Base
from tests.outside import INFERENCE, needs_inference
from tests.submissions import BENCHMARK, SUBMITTER, SYSTEM, write_submission

pytestmark = needs_inference("tools/submission/submission_checker/main.py")

# Mutations of files that the submission written for tests does not have.
_OF_THE_CORPUS = ("08-perf-detail-truncated-midline", "52-empty-dir", "53-60MB-file")
# The official checker breaks the columns of this row by its own quoting.
_BROKEN_ROW = "58-notes-with-quote-comma-newline"
# A directory that is named OfFlInE kills the checker only if its result is valid; ours is not
# judged at all.
_MAYBE_CRASHES = "39-scenario-dir-wrong-case"


class _InResults(Base):
    """A base in the layout of v6.0: all of a result stands in one directory."""

    def below(self, kind: str) -> Path:
        return self.home / "results" / self.system / BENCHMARK / self.scenario

    @property
    def tests(self) -> list[Path]:
        return sorted(self.below("compliance").glob("TEST*"))


@pytest.mark.parametrize("scenario", ["Offline", "SingleStream"])
@pytest.mark.parametrize("mutation", [name for name in MUTATIONS if name not in _OF_THE_CORPUS])
def test_the_official_profile_is_the_modular_checker(
    tmp_path: Path, mutation: str, scenario: str
) -> None:
    """Crash for crash, verdict for verdict, row for row."""
    submission = write_submission(tmp_path / "tree", "v6.1")
    MUTATIONS[mutation](_InResults(submission.root, SUBMITTER, SYSTEM, scenario))
    official = run_modular_checker(INFERENCE, submission.root, "v6.1", tmp_path / "summary.csv")
    report = check(DirectoryTree(submission.root), submission.round)
    found = [*report.findings, *(f for result in report.results for f in result.findings)]
    if mutation != _MAYBE_CRASHES:
        assert any(f.rule == "official-crash" for f in found) == bool(official.crash), found
    if official.crash:
        assert not report.valid("official")
        return
    assert report.valid("official") == official.accepts, found
    valid = {path for path, is_valid in official.verdicts.items() if is_valid}
    assert {result.path for result in report.results if result.official} == valid, found
    if mutation != _BROKEN_ROW:
        rows = [row for result in report.results for row in result.rows]
        ours = Counter(tuple((key, str(value)) for key, value in row.items()) for row in rows)
        assert ours == official.rows
