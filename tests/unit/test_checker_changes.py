"""Which findings a changed file is responsible for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.checker.changes import check_changes
from mlrepo.repository.trees import DirectoryTree
from tests.submissions import Submission, write_submission

_HOME = "closed/Acme"
_OFFLINE = f"{_HOME}/results/alpha/resnet50/Offline"


@pytest.fixture(params=["v5.1", "v6.1"])
def submission(request: pytest.FixtureRequest, tmp_path: Path) -> Submission:
    """A valid submission in each of the two layouts."""
    return write_submission(tmp_path / "now", request.param)


def _found(
    submission: Submission, *paths: str, before: Callable[[], None] = lambda: None
) -> tuple[set[str], set[str]]:
    """Return the breaking rules and the results that the paths answer for."""
    earlier = submission.root.with_name("earlier")
    if not earlier.exists():
        write_submission(earlier, submission.round.name)
    report = check_changes(
        DirectoryTree(submission.root),
        submission.round,
        paths,
        before=lambda: DirectoryTree(earlier),
    )
    rules = {finding.rule for finding in report.all_findings() if finding.breaks_strict}
    return rules, {result.path for result in report.results}


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def _detail(submission: Submission, scenario: str) -> Path:
    return submission.result(scenario) / "performance" / "run_1" / "mlperf_log_detail.txt"


def test_each_file_of_a_result_leads_to_it(submission: Submission) -> None:
    """Logs, measurements and compliance; the results beside it are left alone."""
    _change(_detail(submission, "SingleStream"), '"VALID"', '"INVALID"')
    place = submission.place("Offline")
    for file in (
        submission.result("Offline") / "accuracy" / "accuracy.txt",
        submission.root / str(submission.round.layout.measurements_file(place)),
        submission.compliance("Offline", "TEST01") / "verify_accuracy.txt",
    ):
        path = str(file.relative_to(submission.root))
        assert _found(submission, path) == (set(), {_OFFLINE}), path
    (submission.compliance("Offline", "TEST01") / "verify_accuracy.txt").unlink()
    rules, _ = _found(submission, path)
    assert rules == {"compliance"}
    shutil.rmtree(submission.result("Offline"))
    rules, results = _found(submission, f"{_OFFLINE}/accuracy/accuracy.txt")
    assert (rules, results) == ({"scenario-missing"}, set())


def test_a_description_answers_for_what_it_changes(submission: Submission) -> None:
    """Not for results that were invalid before; for those that it makes so, and for itself."""
    path = f"{_HOME}/systems/alpha.json"
    _change(_detail(submission, "Offline"), '"VALID"', '"INVALID"')
    write_submission(submission.root.with_name("earlier"), submission.round.name)
    earlier = Submission(submission.root.with_name("earlier"), submission.round)
    _change(_detail(earlier, "Offline"), '"VALID"', '"INVALID"')
    description = submission.root / path
    values = json.loads(description.read_text())
    description.write_text(json.dumps({**values, "hw_notes": "quiet"}))
    assert _found(submission, path) == (set(), set())
    description.write_text(json.dumps({**values, "system_type": "datacenter"}))
    rules, _ = _found(submission, path)
    assert rules == {"benchmark-unknown", "scenario-unknown"}
    description.write_text("{")
    rules, _ = _found(submission, path)
    assert "system-description" in rules
    rules, _ = _found(submission, f"{_OFFLINE}/README.md")
    assert rules >= {"system-description"}, "a result without a description is invalid"


def test_code_that_goes_is_missed_where_it_is_named(submission: Submission) -> None:
    """Changing code touches no result; removing what measurements name does."""
    code = "src" if submission.round.version >= (6, 0) else "code/resnet50"
    path = f"{_HOME}/{code}/README.md"
    assert _found(submission, path) == (set(), set())
    shutil.rmtree(submission.root / _HOME / code)
    rules, _ = _found(submission, path)
    assert rules == {"measurements-incomplete", "scenario-missing"}


def test_names_are_judged_where_they_are_new(submission: Submission) -> None:
    """Files by their own names, directories only when the tree before lacks them."""
    for path, rule in (
        ("closed/stray.txt", "tree-division-files"),
        (f"{_HOME}/src2/a b.txt", "tree-space"),
        (f"{_HOME}/src2/.hidden/x", "tree-dot-name"),
        (f"{_HOME}/src2/__pycache__/x.pyc", "tree-pycache"),
    ):
        file = submission.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x\n")
        assert _found(submission, path) == ({rule}, set()), path
    (submission.root / _HOME / "link").symlink_to("/etc/passwd")
    assert _found(submission, f"{_HOME}/link") == ({"tree-symlink"}, set())
    earlier = submission.root.with_name("earlier")
    (earlier / _HOME / "src2" / ".hidden").mkdir(parents=True)
    (earlier / _HOME / "src2" / ".hidden" / "old").write_text("x\n")
    assert _found(submission, f"{_HOME}/src2/.hidden/x") == (set(), set())


def test_what_is_no_result_leads_nowhere(submission: Submission) -> None:
    """Other files, removed files, and files of the root."""
    paths = (
        "README.md",
        "runs/1/run.json",
        "closed",
        "closed/Acme",
        f"{_HOME}/README.md",
        f"{_HOME}/systems",
        f"{_HOME}/results",
        f"{_HOME}/src/gone.py",
        f"{_HOME}/code/resnet50/x",
    )
    assert _found(submission, *paths) == (set(), set())
