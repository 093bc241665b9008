"""A compliance test is one module, and everything else finds it there."""

from __future__ import annotations

import ast
import copy
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlrepo
from mlrepo import compliance
from mlrepo.bench.audit import audit_config, audits_of, check_test
from mlrepo.bench.pending import ReferenceFacts
from mlrepo.bench.verify import verify
from mlrepo.checker.check import check
from mlrepo.compliance import UnknownTest, compliance_test, in_order, known_tests
from mlrepo.compliance.protocol import AUDIT_KEYS
from mlrepo.errors import UserError
from mlrepo.exchange.log_roles import Role, role_of
from mlrepo.findings import Finding
from mlrepo.guard.truncate import is_target
from mlrepo.harness.spec import RunSpec
from mlrepo.layout.files import logs_of, place_of
from mlrepo.logs.detail import DetailLog, parse_detail
from mlrepo.record import COMPLIANCE, PERFORMANCE
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.recorder import Recorder
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED, Round
from mlrepo.rounds.tables import RoundTables
from mlrepo.selection.select import plan_selection
from mlrepo.selection.wanted import Wanted
from mlrepo.workloads.digits import DIGITS
from tests.samples import sample_record
from tests.selections import Laboratory
from tests.submissions import Submission, write_submission

_PACKAGE = Path(mlrepo.__file__).parent
_NAME = re.compile(compliance.NAME)
_BEGINNING = re.compile("TEST[0-9]")
# The modular checker loads the files of tests by their names, also of those that no rule asks for.
_REPLAY = {"checker/official/loading.py"}

# All that a new test takes: this file, and the benchmarks that need it in the round's data.
_MODULE = '''
"""TEST10: samples that were never seen take as long as others."""

from mlrepo.compliance.evidence import TextFault, Verification
from mlrepo.compliance.protocol import ISSUE_UNIQUE, RESULTS, ComplianceTest


class UnseenSamples(ComplianceTest):
    name = "TEST10"
    compared_with = "TEST04"
    accuracy_text = "verify_unseen.txt"
    logs_responses = True
    truncated_in = (RESULTS,)

    def settings(self, benchmark):
        return {ISSUE_UNIQUE: 1}

    def verify(self, run):
        if run.score > run.reference / 2:
            return Verification((), {self.accuracy_text: b"TEST PASS\\n"})
        return Verification(("TEST10 failed: it is slow.",), {self.accuracy_text: b"TEST FAIL\\n"})

    def text_faults(self, text, facts):
        if "guessed" in text:
            yield TextFault("The samples were guessed.", "guessed")


class UnheardSamples(ComplianceTest):
    name = "TEST10-A"
    judges = "the words of a speaker"


TESTS = (UnseenSamples(), UnheardSamples())
'''


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Round]:
    """A round that asks TEST10 of ResNet-50, and a module of that test."""
    folder = tmp_path / "compliance"
    folder.mkdir()
    (folder / "test10.py").write_text(_MODULE)
    monkeypatch.setattr(compliance, "__path__", [*compliance.__path__, str(folder)])
    yield _asking("TEST10", "TEST10-A")
    sys.modules.pop("mlrepo.compliance.test10", None)
    vars(compliance).pop("test10", None)


def _tests_of(tables: RoundTables) -> list[str]:
    tests = tables["compliance_tests"]["resnet"]
    assert isinstance(tests, list)
    return tests


def _asking(*tests: str) -> Round:
    """Return v6.1 with more tests of ResNet-50."""
    tables = copy.deepcopy(SHIPPED["v6.1"].tables)
    tables["compliance_tests"]["resnet"] = [*_tests_of(tables), *tests]
    return Round("v6.1", tables)


def test_bench_runs_a_new_test_or_says_why_not(made_up: Round) -> None:
    """After the test that it is compared with."""
    tests = audits_of(made_up, DIGITS, "Offline")
    assert tests == ("TEST01", "TEST04", "TEST10", "TEST10-A")
    check_test(made_up, DIGITS, "Offline", "TEST10")
    with pytest.raises(UserError, match="it judges the words of a speaker"):
        check_test(made_up, DIGITS, "Offline", "TEST10-A")
    settings = "*.*.mode = 2\n*.*.performance_issue_unique = 1\n"
    assert audit_config(made_up, DIGITS, "Offline", "TEST10") == settings


@pytest.mark.parametrize(
    ("score", "unique", "reasons"),
    [
        (900.0, True, ()),
        (400.0, True, ("TEST10 failed: it is slow.",)),
        (
            900.0,
            False,
            ("LoadGen ran with performance_issue_unique = False, but the test wants 1.",),
        ),
    ],
)
def test_its_verdict_is_its_own(
    made_up: Round, tmp_path: Path, score: float, unique: bool, reasons: tuple[str, ...]
) -> None:
    """Whether LoadGen obeyed is asked of every test."""
    (tmp_path / "audit.config").write_text(audit_config(made_up, DIGITS, "Offline", "TEST10"))
    spec = RunSpec("digits", "onnx", "Offline", COMPLIANCE, "m.onnx", test="TEST10")
    values = {
        "result_samples_per_second": score,
        "effective_performance_issue_unique": unique,
    }
    done = verify(tmp_path, spec, made_up, DetailLog(values, ()), ReferenceFacts(score=1000.0))
    assert done.reasons == reasons
    assert set(done.files) == {"verify_unseen.txt"}


def test_its_files_have_their_place_and_are_truncated(made_up: Round) -> None:
    """As the test says."""
    record = sample_record(mode=COMPLIANCE, test="TEST10")
    files = logs_of(record, place_of(record), made_up)
    home = "closed/Acme/results/alpha-onnx/resnet50/Offline/TEST10"
    assert {str(path) for path in files} == {
        f"{home}/performance/run_1/mlperf_log_summary.txt",
        f"{home}/performance/run_1/mlperf_log_detail.txt",
        f"{home}/verify_unseen.txt",
        f"{home}/accuracy/mlperf_log_accuracy.json",
        f"{home}/accuracy/accuracy.txt",
    }
    assert is_target(Path("/x", home, "accuracy", "mlperf_log_accuracy.json"))
    assert not is_target(Path("/x", home.replace("10", "11"), "mlperf_log_accuracy.json"))


def test_an_imported_log_is_known_by_its_settings(made_up: Round, tmp_path: Path) -> None:
    """Whatever its directory is called."""
    log = write_submission(tmp_path / "s", "v6.1").result("Offline") / "performance/run_1"
    detail = parse_detail((log / "mlperf_log_detail.txt").read_bytes())
    assert role_of("one", detail, made_up, "resnet50") == Role(PERFORMANCE)
    values = {**detail.values, "effective_performance_issue_unique": True}
    audited = DetailLog(values, detail.errors)
    assert role_of("one", audited, made_up, "resnet50") == Role(COMPLIANCE, "TEST10")


def _found(submission: Submission) -> list[Finding]:
    report = check(DirectoryTree(submission.root), submission.round)
    return [f for r in report.results for f in r.findings if "/Offline/TEST10/" in f"{f.path}/"]


def test_the_checker_judges_it(made_up: Round, tmp_path: Path) -> None:
    """Missing, failed, and passed with a text that contradicts itself, or by another's run."""
    root = write_submission(tmp_path / "s", "v6.1").root
    submission = Submission(root, made_up)
    assert _found(submission)[0].message == "The compliance test TEST10 is missing."
    test = submission.compliance("Offline", "TEST10")
    (test / "accuracy").mkdir(parents=True)
    (test / "verify_unseen.txt").write_text("TEST FAIL\n")
    assert [f.message for f in _found(submission)] == ["The verification failed."]
    (test / "verify_unseen.txt").write_text("TEST PASS\n")
    assert _found(submission) == []
    (test / "verify_unseen.txt").write_text("TEST PASS\nguessed\n")
    assert [(f.rule, f.line) for f in _found(submission)] == [("compliance-text", 2)]
    (test / "verify_unseen.txt").write_text("TEST PASS\n")
    shutil.copytree(
        submission.compliance("Offline", "TEST04") / "performance", test / "performance"
    )
    assert [f.rule for f in _found(submission)] == ["compliance-copied"]


def test_a_selection_takes_it_with_the_run_that_it_is_compared_with(
    made_up: Round, recorder: Recorder, results: ResultsRepository, tmp_path: Path
) -> None:
    """A result is whole when the test was verified against its own runs."""
    laboratory = Laboratory(recorder, tmp_path / "scratch")
    ids = laboratory.result("Offline")
    _tests_of(made_up.tables).remove("TEST10-A")

    def plan() -> tuple[list[str], set[str]]:
        planned = plan_selection(results, made_up, Wanted())
        runs = [run.record.test for one in planned.results for run in one.result.runs]
        return [test for test in runs if test], {out.reason for out in planned.left_out}

    taken, reasons = plan()
    assert taken == []
    assert "TEST10 was not passed for it" in reasons
    submission = laboratory.submission
    source, target = (submission.compliance("Offline", test) for test in ("TEST01", "TEST10"))
    shutil.copytree(source, target)
    (target / "verify_accuracy.txt").rename(target / "verify_unseen.txt")
    for reference in ("20261123T000000Z-000000", ids["TEST04"]):
        stands = {PERFORMANCE: ids[PERFORMANCE], "TEST04": reference}
        laboratory.run("Offline", COMPLIANCE, "TEST10", stands)
        taken, _ = plan()
        whole = ["TEST01", "TEST04", "TEST10"]
        assert taken == (whole if reference == ids["TEST04"] else [])


def test_a_test_that_only_the_round_knows_is_refused_and_warned_of(tmp_path: Path) -> None:
    """A newer round may ask for one that this mlrepo does not have."""
    round_ = _asking("TEST11")
    with pytest.raises(UserError, match="TEST11 cannot be run: mlrepo does not know it"):
        check_test(round_, DIGITS, "Offline", "TEST11")
    submission = Submission(write_submission(tmp_path / "s", "v6.1").root, round_)
    for scenario in submission.scenarios:
        source, target = (submission.compliance(scenario, test) for test in ("TEST04", "TEST11"))
        shutil.copytree(source, target)
    report = check(DirectoryTree(submission.root), round_)
    found = {f.message: f for r in report.results for f in r.findings}
    warning = found["mlrepo does not know TEST11: whether it passed was not checked."]
    assert not warning.breaks_strict
    assert not warning.breaks_official


def test_each_test_of_a_shipped_round_has_its_module() -> None:
    """And says what its run is, and whether it can be run here."""
    asked = frozenset().union(*(SHIPPED[name].asked_tests() for name in SHIPPED))
    known = {test.name: test for test in known_tests()}
    assert asked <= set(known)
    assert isinstance(compliance_test("TEST99"), UnknownTest)
    for name, test in known.items():
        assert compliance_test(name) is test
        assert set(test.settings("resnet")) <= set(AUDIT_KEYS)
        assert test.texts or name == "TEST04-B"
        assert test.compared_with in {None, "", *known}


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (
            ["TEST05", "TEST04-A", "TEST01", "TEST04-B"],
            ["TEST01", "TEST04-B", "TEST04-A", "TEST05"],
        ),
        (["TEST04-A"], ["TEST04-A"]),
    ],
)
def test_a_test_comes_after_the_one_that_it_is_compared_with(
    names: list[str], ordered: list[str]
) -> None:
    """TEST04-A cannot be verified before TEST04-B is there."""
    assert list(in_order(names)) == ordered


@pytest.mark.long
def test_no_other_module_asks_for_a_test_by_its_name() -> None:
    """Only the registry knows which tests there are."""
    found = [
        f"{path.relative_to(_PACKAGE)}:{node.lineno}"
        for path in sorted(_PACKAGE.rglob("*.py"))
        if path.parent.name != "compliance" or path.parent.parent != _PACKAGE
        if str(path.relative_to(_PACKAGE)) not in _REPLAY
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Constant) and _is_name(node.value)
    ]
    assert found == []


def _is_name(value: object) -> bool:
    """Say whether a text is the name of a test, or how such a name begins."""
    return isinstance(value, str) and bool(_NAME.fullmatch(value) or _BEGINNING.fullmatch(value))
