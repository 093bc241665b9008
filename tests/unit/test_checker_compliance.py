"""Compliance tests on a real closed result of the corpus, intact and damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlrepo.checker.compliance.judge import judge_compliance, required_tests
from mlrepo.checker.compliance.runs import KEYS
from mlrepo.checker.docket import Docket
from mlrepo.checker.runs.performance import Run
from mlrepo.checker.scope import Scope
from mlrepo.logs.scan import scan_detail
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED, Place
from tests.outside import CORPUS, needs_shared

_CORPUS = CORPUS / "v1.1"
_BASE = "closed/FuriosaAI"
_TESTS = f"{_BASE}/compliance/warboy_intel/resnet50/Offline"
_RESULT = f"{_BASE}/results/warboy_intel/resnet50/Offline"

_TEST08_COUNTS = "num_perf_log_entries = 4039\nnum_matched = 4039\nnum_ne_mismatch = 0\n"

pytestmark = needs_shared(_CORPUS / _TESTS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of one result and its compliance tests."""
    for part in (_TESTS, _RESULT):
        shutil.copytree(_CORPUS / part, tmp_path / part)
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755)
    return tmp_path


def judged(root: Path, round_: str = "v1.1") -> tuple[bool, Scope]:
    """Judge the result; its runs count as valid."""
    place = Place("closed", "FuriosaAI", "warboy_intel", "resnet50", "Offline")
    scope = Scope(DirectoryTree(root), SHIPPED[round_], place, "resnet", "Offline")
    log = scope.tree.open(f"{_RESULT}/performance/run_1/mlperf_log_detail.txt")
    performance = Run(scan=scan_detail(log, KEYS))
    docket = Docket(scope)
    return judge_compliance(docket, lambda path, _test: _run(scope, path), performance), scope


def _run(scope: Scope, path: str) -> Run:
    """Return a test's run as one that is valid."""
    log = scope.tree.open(f"{path}/mlperf_log_detail.txt")
    return Run(official=True, scan=scan_detail(log, KEYS))


def test_a_real_result_passes(root: Path) -> None:
    """All four tests of v1.1 pass without a finding."""
    good, scope = judged(root)
    assert required_tests(scope) == ["TEST01", "TEST04-A", "TEST04-B", "TEST05"]
    assert (good, scope.findings) == (True, [])


def test_only_the_last_performance_counts_officially_in_v1_1(root: Path) -> None:
    """A failure of TEST01 is a finding, but the official column stays good."""
    (root / _TESTS / "TEST01" / "verify_performance.txt").write_text("TEST FAIL\n")
    good, scope = judged(root)
    assert good
    assert [(f.breaks_official, f.breaks_strict) for f in scope.findings] == [(False, True)]


def test_the_last_performance_decides(root: Path) -> None:
    """A failure of TEST05 turns the official column."""
    (root / _TESTS / "TEST05" / "verify_performance.txt").write_text("TEST FAIL\n")
    good, scope = judged(root)
    assert not good
    assert scope.findings[0].path == f"{_TESTS}/TEST05/verify_performance.txt"


def test_a_missing_test_breaks_since_v2_1(root: Path) -> None:
    """v2.1 wants TEST04 in one directory: it is missing and breaks the verdict."""
    good, scope = judged(root, "v2.1")
    assert not good
    assert any(f.path.endswith("/TEST04") and f.breaks_official for f in scope.findings)


def test_a_copied_performance_log_is_found(root: Path) -> None:
    """No official checker sees it."""
    log = Path("performance/run_1/mlperf_log_detail.txt")
    shutil.copy(root / _RESULT / log, root / _TESTS / "TEST05" / log)
    good, scope = judged(root)
    assert good
    assert [f.rule for f in scope.findings] == ["compliance-copied"]


@pytest.mark.parametrize("directory", ["TEST01/performance/run_1", "TEST01/accuracy"])
def test_a_file_too_many_breaks_since_v2_1(root: Path, directory: str) -> None:
    """Older checkers only noted it; what they always allow stays allowed."""
    (root / _TESTS / directory / "results.json").write_text("{}")
    clean = {f.path for f in judged(root, "v2.1")[1].findings}
    assert f"{_TESTS}/{directory}" not in clean
    (root / _TESTS / directory / "notes.txt").write_text("slow day")
    assert judged(root)[1].findings == []
    good, scope = judged(root, "v2.1")
    found = {f.path: f for f in scope.findings}
    assert not good
    assert found[f"{_TESTS}/{directory}"].actual == "notes.txt"
    assert found[f"{_TESTS}/{directory}"].breaks_official


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (f"{_TEST08_COUNTS} TEST PASS \n", True),
        (f"{_TEST08_COUNTS}no TEST PASS here\n", False),
    ],
)
def test_test08_wants_the_verdict_on_a_line_of_its_own(
    tmp_path: Path, text: str, good: bool
) -> None:
    """As the v6.1 checker reads it."""
    place = Place("closed", "Acme", "box", "dlrm-v3", "Offline")
    file = tmp_path / "closed/Acme/results/box/dlrm-v3/Offline/TEST08/verify_accuracy.txt"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    scope = Scope(DirectoryTree(tmp_path), SHIPPED["v6.1"], place, "dlrm-v3", "Offline")
    assert judge_compliance(Docket(scope), lambda _path, _test: Run(), Run()) is good
    assert bool(scope.findings) is not good


def test_scores_too_far_apart_are_no_pass(root: Path) -> None:
    """A TEST PASS under scores that differ by more than 5 % deceives only the official one."""
    file = root / _TESTS / "TEST05" / "verify_performance.txt"
    file.write_text("reference score = 2634.18\ntest score = 2480.5\nTEST PASS\n")
    good, scope = judged(root)
    assert good
    assert [(f.rule, f.breaks_official) for f in scope.findings] == [
        ("compliance-reference", False),
        ("compliance-unlike-performance", False),
    ]
