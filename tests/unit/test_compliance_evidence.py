"""Strict requires that a compliance test is the right one, with this result and its text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.compliance.judge import judge_compliance
from mlrepo.checker.docket import Docket
from mlrepo.checker.report import Report
from mlrepo.checker.runs.performance import Run
from mlrepo.checker.scope import Scope
from mlrepo.findings import Finding
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED, Place
from tests.submissions import Submission, write_submission

_DETAIL = "performance/run_1/mlperf_log_detail.txt"
_SUMMARY = "performance/run_1/mlperf_log_summary.txt"
_ROUNDS = ["v0.7", "v1.1", "v2.0", "v2.1", "v3.1", "v4.1", "v5.1", "v6.1"]


def judged(submission: Submission) -> Report:
    """Check the submission."""
    return check(DirectoryTree(submission.root), submission.round)


def found(submission: Submission) -> dict[str, bool]:
    """Return the rules about tests that are broken, and whether each breaks strict."""
    findings = list(judged(submission).all_findings())
    assert not any(f.breaks_official for f in findings if f.rule.startswith("compliance")), findings
    return {f.rule: f.breaks_strict for f in findings if f.rule.startswith("compliance")}


def change(path: Path, *pairs: tuple[str, str]) -> None:
    """Replace texts by regular expression; each must be there."""
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        text, count = re.subn(old, new, text, flags=re.MULTILINE)
        assert count, (path, old)
    path.write_text(text, encoding="utf-8")


def set_key(path: Path, key: str, value: str) -> None:
    """Set the value of a key in a detail log, or of the same parameter in a summary."""
    pattern = (
        rf'("key": "(?:effective_)?{key}", "value": )[^,]+'
        if path.name.endswith("detail.txt")
        else rf"^({key} : )\S+"
    )
    change(path, (pattern, rf"\g<1>{value}"))


def log_of(submission: Submission, scenario: str, test: str) -> Path:
    """Return the log of a test that the round's checkers read."""
    name = _DETAIL if submission.round.has_detail_log() else _SUMMARY
    return submission.compliance(scenario, test) / name


@pytest.mark.parametrize("round_name", _ROUNDS)
def test_real_tests_are_believed(tmp_path: Path, round_name: str) -> None:
    """In every layout and generation of logs."""
    assert found(write_submission(tmp_path, round_name)) == {}


@pytest.mark.parametrize("round_name", _ROUNDS)
@pytest.mark.parametrize("test", ["TEST01", "TEST04", "TEST04-A", "TEST04-B", "TEST05"])
def test_an_ordinary_run_is_no_test(tmp_path: Path, round_name: str, test: str) -> None:
    """Without audit.config LoadGen runs as ever, and the verification passes."""
    submission = write_submission(tmp_path, round_name)
    if test not in submission.tests("Offline"):
        pytest.skip(f"{round_name} has no {test}")
    log = log_of(submission, "Offline", test)
    if test == "TEST05":
        if submission.round.version >= (2, 1):
            pytest.skip("the seeds are judged with those of every run")
        for name, seed in submission.round.seeds().items():
            set_key(log, name, str(seed))
    for key in ("accuracy_log_rng_seed", "accuracy_log_sampling_target"):
        set_key(log, key, "0")
    for key in ("performance_issue_same", "performance_issue_unique"):
        set_key(log, key, "false")
    assert found(submission) == {"compliance-settings": True}


@pytest.mark.parametrize(
    ("test", "key", "value"),
    [
        ("TEST01", "accuracy_log_sampling_target", "40"),
        ("TEST01", "accuracy_log_rng_seed", "7"),
        ("TEST01", "performance_issue_same", "true"),
        ("TEST04", "performance_issue_same_index", "5"),
        ("TEST04", "performance_issue_unique", "true"),
    ],
)
def test_half_of_an_audit_config_is_none(tmp_path: Path, test: str, key: str, value: str) -> None:
    """Fewer responses, other ones, another sample, or the settings of another test besides."""
    submission = write_submission(tmp_path, "v5.1")
    set_key(log_of(submission, "SingleStream", test), key, value)
    assert found(submission) == {"compliance-settings": True}


def test_the_audit_of_v0_5_is_warned_of(tmp_path: Path) -> None:
    """It logs a share of all responses; published results of v1.0 used it."""
    submission = write_submission(tmp_path, "v1.0")
    log = log_of(submission, "Offline", "TEST01")
    for key, value in (("rng_seed", "456"), ("sampling_target", "0"), ("probability", "0.1")):
        set_key(log, f"accuracy_log_{key}", value)
    set_key(log_of(submission, "Offline", "TEST05"), "qsl_rng_seed", "195")
    assert found(submission) == {"compliance-older-audit": False}


@pytest.mark.parametrize("round_name", _ROUNDS)
@pytest.mark.parametrize("of", ["performance", "TEST01"])
def test_a_copy_of_another_run_is_found_whatever_else_is_changed(
    tmp_path: Path, round_name: str, of: str
) -> None:
    """The settings of the right test are written into it; no run repeats nanoseconds."""
    submission = write_submission(tmp_path, round_name)
    test = next(name for name in submission.tests("Offline") if name.startswith("TEST04"))
    own = submission.result("Offline") if of == "performance" else None
    name = log_of(submission, "Offline", test).relative_to(submission.compliance("Offline", test))
    source = (own or submission.compliance("Offline", of)) / name
    log = log_of(submission, "Offline", test)
    log.write_bytes(source.read_bytes())
    switch = "unique" if test == "TEST04-A" else "same"
    set_key(log, f"performance_issue_{switch}", "true")
    set_key(log, "performance_issue_same_index", "3")
    assert found(submission) == {"compliance-copied": True}


@pytest.mark.parametrize("round_name", ["v1.1", "v3.1", "v5.1"])
def test_a_test_of_another_scenario_is_none(tmp_path: Path, round_name: str) -> None:
    """Also where the result could be inferred from that scenario."""
    submission = write_submission(tmp_path, round_name)
    target, source = (
        submission.compliance(scenario, "TEST01") for scenario in ("Offline", "SingleStream")
    )
    for name in (_DETAIL, _SUMMARY, "verify_performance.txt"):
        (target / name).write_bytes((source / name).read_bytes())
    assert found(submission) == {"compliance-other-run": True}


def test_a_reference_of_another_scenario_is_refused_and_a_rerun_is_warned_of(
    tmp_path: Path,
) -> None:
    """Honest submitters ran again after the test; nobody's Offline is his SingleStream."""
    submission = write_submission(tmp_path, "v5.1")
    text = submission.compliance("Offline", "TEST01") / "verify_performance.txt"
    change(text, (r"reference score = .*", "reference score = 2650.5"))
    assert found(submission) == {"compliance-reference": False}
    change(
        text,
        (r"reference score = .*", "reference score = 800.0"),
        (r"test score = .*", "test score = 801.0"),
    )
    (finding, *_) = [
        f
        for r in judged(submission).results
        for f in r.findings
        if f.rule == "compliance-other-run"
    ]
    assert "SingleStream" in finding.message
    assert (finding.expected, finding.actual, finding.line) == ("2600.25", "800", 2)


def test_another_latency_bound_is_another_test(tmp_path: Path) -> None:
    """A test that may be slower than the result proves nothing of it."""
    submission = write_submission(tmp_path, "v3.0")
    assert "Server" not in submission.scenarios
    run = submission.result("Offline") / _DETAIL
    for log in (run, *(log_of(submission, "Offline", t) for t in submission.tests("Offline"))):
        set_key(log, "scenario", '"Server"')
    before = found_in(submission, "compliance-other-run")
    set_key(log_of(submission, "Offline", "TEST01"), "target_latency_ns", "15000000")
    after = found_in(submission, "compliance-other-run")
    assert [message for message in after if message not in before] == [
        "TEST01 ran with another target latency than the performance run."
    ]


def found_in(submission: Submission, rule: str) -> list[str]:
    """Return the messages of a rule."""
    return [f.message for f in judged(submission).all_findings() if f.rule == rule]


def test_another_loadgen_is_warned_of(tmp_path: Path) -> None:
    """A tenth of the published tests of v4.1 are of another build than their run."""
    submission = write_submission(tmp_path, "v5.1")
    log = log_of(submission, "Offline", "TEST01")
    change(log, (r"0123456789", "9876543210"))
    assert found(submission) == {"compliance-loadgen": False}


def _append(line: str) -> Callable[[str], str]:
    return lambda text: f"{text}{line}\n"


def _replace(old: str, new: str) -> Callable[[str], str]:
    def replaced(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return replaced


@pytest.mark.parametrize(
    ("name", "edit", "line"),
    [
        ("verify_performance.txt", lambda text: f"TEST FAIL: too slow\n{text}", 1),
        ("verify_performance.txt", _append("TEST FAIL: Test score invalid"), 5),
        ("verify_performance.txt", _replace("TEST PASS", "NO TEST PASS HERE"), 4),
        ("verify_performance.txt", _replace("TEST PASS", "TEST PASSED"), 4),
        ("verify_accuracy.txt", _replace("\nTEST PASS", "\nTEST FAIL\nTEST PASS"), 9),
        (
            "verify_accuracy.txt",
            _replace("log_data_mismatch = 0\nnum_missing", "log_data_mismatch = 5000\nnum_missing"),
            7,
        ),
        (
            "verify_accuracy.txt",
            _replace("num_perf_log_qsl_idx_match = 4083", "num_perf_log_qsl_idx_match = 0"),
            5,
        ),
        (
            "verify_accuracy.txt",
            _replace("num_perf_log_qsl_idx_match = 4083", "num_perf_log_qsl_idx_match = 90"),
            5,
        ),
        ("verify_accuracy.txt", lambda text: "TEST PASS\n", 0),
    ],
)
@pytest.mark.parametrize("round_name", ["v1.1", "v5.1"])
def test_a_pass_beside_what_is_none_is_refused(
    tmp_path: Path, round_name: str, name: str, edit: Callable[[str], str], line: int
) -> None:
    """The official checkers look for the words TEST PASS anywhere in the text."""
    submission = write_submission(tmp_path, round_name)
    path = submission.compliance("Offline", "TEST01") / name
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert found(submission) == {"compliance-text": True}
    (finding,) = [f for f in judged(submission).all_findings() if f.rule == "compliance-text"]
    assert finding.line == line


def test_a_text_with_a_verdict_alone_is_warned_of(tmp_path: Path) -> None:
    """It does not say what was compared."""
    submission = write_submission(tmp_path, "v5.1")
    (submission.compliance("Offline", "TEST01") / "verify_performance.txt").write_text(
        "TEST PASS\n"
    )
    assert found(submission) == {"compliance-reference": False}


def test_a_comparison_with_a_baseline_follows_a_failed_verification(tmp_path: Path) -> None:
    """Tests that are not deterministic do so; the baseline is then there and near."""
    submission = write_submission(tmp_path, "v1.1")
    directory = submission.compliance("Offline", "TEST01")
    text = directory / "verify_accuracy.txt"
    change(
        text,
        ("log_data_mismatch = 0\nnum_missing", "log_data_mismatch = 3\nnum_missing"),
        (
            "^TEST PASS",
            "TEST FAIL\n\nVerifying accuracy via baseline comparison...\n"
            "threshold accuracy: 99.0%\nTEST PASS",
        ),
    )
    assert found(submission) == {"compliance": True}
    for name in ("baseline", "compliance"):
        (directory / f"accuracy/{name}_accuracy.txt").write_text(
            "accuracy=76.456%, good=38228, total=50000\n"
        )
    assert found(submission) == {}


@pytest.mark.parametrize(
    ("round_name", "test", "scenario", "reference", "score", "passes"),
    [
        # Since v3.1 a TEST05 may be faster, and TEST04 always could be slower.
        ("v2.1", "TEST05", "Offline", 2600.25, 2800.0, False),
        ("v4.1", "TEST05", "Offline", 2600.25, 2800.0, True),
        ("v4.1", "TEST05", "Offline", 2600.25, 2400.0, False),
        ("v4.1", "TEST05", "SingleStream", 1250000.0, 1000000.0, True),
        ("v4.1", "TEST05", "SingleStream", 1250000.0, 1400000.0, False),
        ("v4.1", "TEST04", "Offline", 2600.25, 1000.0, True),
        ("v4.1", "TEST04", "Offline", 2600.25, 3000.0, False),
        ("v4.1", "TEST04", "SingleStream", 800.0, 950.0, True),
        ("v4.1", "TEST04", "SingleStream", 800.0, 990.0, False),
        ("v4.1", "TEST01", "Offline", 2600.25, 3000.0, False),
    ],
)
def test_scores_are_held_to_the_tolerance_of_their_test(
    tmp_path: Path,
    round_name: str,
    test: str,
    scenario: str,
    reference: float,
    score: float,
    passes: bool,
) -> None:
    """As the round's verify_performance.py holds them."""
    submission = write_submission(tmp_path, round_name)
    (submission.compliance(scenario, test) / "verify_performance.txt").write_text(
        f"reference score = {reference}\ntest score = {score}\nTEST PASS\n"
    )
    rules = found_in(submission, "compliance-unlike-performance")
    assert bool(rules) is not passes


def test_a_test_runs_in_performance_mode(tmp_path: Path) -> None:
    """Up to v2.0 no rule of performance runs looks at the log of a test."""
    submission = write_submission(tmp_path, "v1.1")
    set_key(log_of(submission, "Offline", "TEST01"), "test_mode", '"AccuracyOnly"')
    assert found(submission) == {"compliance-settings": True}


def test_a_pass_of_an_invalid_run_is_refused(tmp_path: Path) -> None:
    """The scripts end at INVALID without a pass; those of TEST04 do not ask."""
    submission = write_submission(tmp_path, "v1.1")
    for test in ("TEST04-A", "TEST04-B"):
        set_key(log_of(submission, "Offline", test), "result_validity", '"INVALID"')
    assert found(submission) == {}
    set_key(log_of(submission, "Offline", "TEST05"), "result_validity", '"INVALID"')
    assert found(submission) == {"compliance-text": True}


@pytest.mark.parametrize(
    ("round_name", "breaks"), [("v1.1", False), ("v2.0", False), ("v2.1", True)]
)
def test_a_broken_line_that_no_checker_of_the_round_reads_is_warned_of(
    tmp_path: Path, round_name: str, breaks: bool
) -> None:
    """Published logs of v1.0 and v1.1 have a SUT's name with a line end in it; no log is none."""
    submission = write_submission(tmp_path, round_name)
    log = log_of(submission, "Offline", "TEST01")
    change(log, (r'"key": "effective_test_mode"', r'"key": "\n'))
    report = judged(submission)
    own = [f for f in report.all_findings() if str(log).endswith(f.path) and "LoadGen" in f.message]
    assert [f.breaks_strict for f in own] == [breaks]
    assert report.valid("strict") is not breaks
    log.write_text("")
    assert not judged(submission).valid("strict")


@pytest.mark.parametrize(
    ("round_name", "breaks"), [("v1.1", False), ("v2.0", False), ("v2.1", True)]
)
def test_what_is_kept_of_a_test_that_passed_is_missed_as_the_round_counts(
    tmp_path: Path, round_name: str, breaks: bool
) -> None:
    """Up to v2.0 only the texts count; where they do not pass, what is missing is an error."""
    submission = write_submission(tmp_path, round_name)
    test = submission.compliance("Offline", "TEST01")
    for file in (test / "accuracy").iterdir():
        file.unlink()
    (test / "accuracy" / "notes.txt").write_text("lost\n")
    rules = [f for f in judged(submission).all_findings() if "TEST01 lacks" in f.message]
    assert [f.breaks_strict for f in rules] == [breaks]
    (test / "verify_accuracy.txt").write_text("TEST FAIL\n")
    assert not judged(submission).valid("strict")
    for score, near in (("76.400", True), ("70.000", False)):
        for name, value in (("baseline", "76.456"), ("compliance", score)):
            text = f"accuracy={value}%, good=38228, total=50000\n"
            (test / "accuracy" / f"{name}_accuracy.txt").write_text(text)
        assert judged(submission).valid("strict") is (near and not breaks)


_TEST06 = "First token check pass: True\nEOS check pass: True\nSample length check pass: True\n"


def _llm_findings(root: Path, scenario: str, test: str, files: Mapping[str, str]) -> list[Finding]:
    """Judge one test of a language model; its result has no other."""
    benchmark = "llama2-70b-99.9" if test == "TEST06" else "gpt-oss-120b"
    for other in ("TEST07", "TEST09"):
        for name in ("verify_accuracy.txt", "verify_output_len.txt"):
            _put(root, scenario, benchmark, f"{other}/{name}", _GOOD[other])
    for name, text in files.items():
        _put(root, scenario, benchmark, f"{test}/{name}", text)
    place = Place("closed", "Acme", "box", benchmark, scenario)
    scope = Scope(DirectoryTree(root), SHIPPED["v6.1"], place, benchmark, scenario)
    assert judge_compliance(Docket(scope), lambda _path, _test: Run(), Run())
    return scope.findings


def _put(root: Path, scenario: str, benchmark: str, name: str, text: str) -> None:
    file = root / "closed/Acme/results/box" / benchmark / scenario / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


_GOOD = {
    "TEST07": "Accuracy score: 61.616\nAccuracy threshold: 60.698\nAccuracy check pass: True\n"
    "TEST PASS\n",
    "TEST09": "Total samples: 6396\nMean output tokens: 1312.45\nMin threshold: 1150.38\n"
    "Max threshold: 1406.02\nMin check pass: True\nMax check pass: True\n\nTEST PASS\n",
}


def _answers(count: int, tokens: int = 3, first: str = "0A000000", size: int = 4) -> str:
    entries = [
        {
            "seq_id": n,
            "qsl_idx": n,
            "data": "0A000000" + "0B000000" * (size - 1),
            "token_data": first,
            "token_count": tokens + (n == count - 1) * (size - tokens),
        }
        for n in range(count)
    ]
    return json.dumps(entries)


_WHOLE = _answers(98, 4)


@pytest.mark.parametrize(
    ("scenario", "text", "log", "rules"),
    [
        ("Server", _TEST06, _WHOLE, []),
        ("Server", _TEST06, "", ["compliance-text"]),
        ("Offline", _TEST06.replace("pass: True", "pass: Skipped", 1), _answers(98, 4, ""), []),
        ("Server", _TEST06.replace("pass: True", "pass: Skipped", 1), _WHOLE, ["compliance-text"]),
        ("Server", f"EOS check pass: False\n{_TEST06}", _WHOLE, ["compliance-text"]),
        ("Server", f"{_TEST06}Sample length check pass: Truest\n", _WHOLE, ["compliance-text"]),
        ("Server", f"{_TEST06}TEST06 verification failed\n", _WHOLE, ["compliance-text"]),
        ("Server", _TEST06, _answers(0), ["compliance-partly"]),
        ("Server", _TEST06, _answers(10, 4), ["compliance-text"]),
        ("Server", _TEST06, _answers(98, 3), ["compliance-text"]),
        ("Server", _TEST06, _answers(98, 4, "0C000000"), ["compliance-text"]),
    ],
)
def test_test06_is_held_against_its_log(
    tmp_path: Path, scenario: str, text: str, log: str, rules: list[str]
) -> None:
    """Its answers are submitted whole: lengths and first tokens can be looked at."""
    files = {"verify_accuracy.txt": text, "accuracy/mlperf_log_accuracy.json": log}
    assert [f.rule for f in _llm_findings(tmp_path, scenario, "TEST06", files)] == rules


@pytest.mark.parametrize(
    ("test", "old", "new"),
    [
        ("TEST07", "score: 61.616", "score: 12.5"),
        ("TEST07", "score: 61.616", "score: nan"),
        ("TEST07", "check pass: True", "check pass: False"),
        ("TEST07", "TEST PASS", "NO TEST PASS"),
        ("TEST09", "1312.45", "5.0"),
        ("TEST09", "1312.45", "2000"),
        ("TEST09", "samples: 6396", "samples: 12"),
        ("TEST09", "Min check pass: True", "Min check pass: False"),
        ("TEST09", "TEST PASS", "TEST FAIL\nTEST PASS"),
    ],
)
def test_the_bounds_are_the_audits_and_not_those_in_the_text(
    tmp_path: Path, test: str, old: str, new: str
) -> None:
    """A text that names bounds of its own passes by them."""
    name = "verify_output_len.txt" if test == "TEST09" else "verify_accuracy.txt"
    assert old in _GOOD[test]
    found_rules = _llm_findings(tmp_path, "Offline", test, {name: _GOOD[test].replace(old, new)})
    assert [f.rule for f in found_rules] == ["compliance-text"]


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("num_ne_mismatch = 0", "num_ne_mismatch = 7"),
        ("num_ne_mismatch = 0", ""),
        ("num_matched = 4039", "num_matched = 0"),
        ("tolerance = 0.10%", "tolerance = 50.00%"),
    ],
)
def test_test08_passes_by_its_numbers(tmp_path: Path, line: str, other: str) -> None:
    """As TEST01 does, with a tolerance that its script has as an option."""
    text = (
        "num_acc_log_entries = 349823\nnum_perf_log_entries = 4039\nnum_matched = 4039\n"
        "num_unmatched = 0\nnum_ne_mismatch = 0\ntolerance = 0.10%\n\nTEST PASS\n"
    )
    place = Place("closed", "Acme", "box", "dlrm-v3", "Offline")
    for root, content in ((tmp_path / "a", text), (tmp_path / "b", text.replace(line, other))):
        file = root / "closed/Acme/results/box/dlrm-v3/Offline/TEST08/verify_accuracy.txt"
        file.parent.mkdir(parents=True)
        file.write_text(content)
        scope = Scope(DirectoryTree(root), SHIPPED["v6.1"], place, "dlrm-v3", "Offline")
        assert judge_compliance(Docket(scope), lambda _path, _test: Run(), Run())
        assert [f.rule for f in scope.findings] == ["compliance-text"] * (content != text)
