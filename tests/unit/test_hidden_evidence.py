"""False numbers are found where official checkers stop reading, and in unlikely places."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.repository.trees import DirectoryTree
from tests.submissions import Submission, write_submission


def _broken(submission: Submission) -> set[str]:
    report = check(DirectoryTree(submission.root), submission.round)
    (result,) = (each for each in report.results if each.scenario == "Offline")
    assert result.official
    return {each.rule for each in (*result.findings, *report.findings) if each.breaks_strict}


def test_a_metric_below_its_target_is_found_below_the_hash(tmp_path: Path) -> None:
    """The official checkers stop reading when they have a metric and a hash."""
    submission = write_submission(tmp_path, "v4.1")
    text = submission.result("Offline") / "accuracy" / "accuracy.txt"
    text.write_text(f"{text.read_text()}accuracy=10.000%, good=5000, total=50000\n")
    assert "accuracy-target" in _broken(submission)


def test_an_accuracy_of_fewer_generated_answers_is_refused(tmp_path: Path) -> None:
    """gen_num counts them, as total does those of images."""
    submission = write_submission(tmp_path, "v4.1")
    text = submission.result("Offline") / "accuracy" / "accuracy.txt"
    text.write_text(f"{{'rouge1': 44.6, 'gen_num': 100}}\n{text.read_text()}")
    assert _broken(submission) == {"accuracy-data-set"}


def test_an_accuracy_run_has_no_result(tmp_path: Path) -> None:
    """A log of another mode does not become one of accuracy by its mode's line alone."""
    submission = write_submission(tmp_path, "v4.1")
    result = submission.result("Offline")
    for name in ("mlperf_log_detail.txt", "mlperf_log_summary.txt"):
        run = (result / "performance" / "run_1" / name).read_text()
        (result / "accuracy" / name).write_text(run.replace("PerformanceOnly", "AccuracyOnly"))
    report = check(DirectoryTree(submission.root), submission.round)
    found = [f for r in report.results for f in r.findings if f.rule == "accuracy-mode"]
    assert sorted(Path(each.path).name for each in found) == [
        "mlperf_log_detail.txt",
        "mlperf_log_summary.txt",
    ]


@pytest.mark.parametrize("log", [b"", b"\n\n"])
def test_a_test_that_logged_nothing_is_no_test(tmp_path: Path, log: bytes) -> None:
    """Its text may say what it likes."""
    submission = write_submission(tmp_path, "v4.1")
    directory = submission.compliance("Offline", "TEST01") / "accuracy"
    (directory / "mlperf_log_accuracy.json").write_bytes(log)
    assert _broken(submission) == {"compliance-text"}


def test_a_test_with_the_log_of_the_accuracy_run_is_no_test(tmp_path: Path) -> None:
    """The test logs answers of its own."""
    submission = write_submission(tmp_path, "v4.1")
    log = b'[\n{ "seq_id" : 0, "qsl_idx" : 0, "data" : "01000000" }\n]\n'
    for directory in (submission.result("Offline"), submission.compliance("Offline", "TEST01")):
        (directory / "accuracy" / "mlperf_log_accuracy.json").write_bytes(log)
    assert "compliance-copied" in _broken(submission)


def test_responses_that_miss_in_the_accuracy_run_were_not_compared(tmp_path: Path) -> None:
    """Whatever the lines above say of matches."""
    submission = write_submission(tmp_path, "v4.1")
    text = submission.compliance("Offline", "TEST01") / "verify_accuracy.txt"
    text.write_text(
        "num_perf_log_entries = 4096\nnum_perf_log_qsl_idx_match = 4096\n"
        "num_perf_log_data_mismatch = 0\nnum_missing_qsl_idxs = 4000\nTEST PASS\n"
    )
    assert "compliance-text" in _broken(submission)


def test_names_that_file_systems_take_for_one_are_alike(tmp_path: Path) -> None:
    """An accent has two forms, which macOS does not tell apart."""
    submission = write_submission(tmp_path, "v5.1")
    directory = tmp_path / "closed" / "Acme" / "documentation"
    directory.mkdir(exist_ok=True)
    for name in ("caf\u00e9.md", "cafe\u0301.md"):
        (directory / name).write_text("x")
    report = check(DirectoryTree(tmp_path), submission.round)
    assert any("caf" in each.path for each in report.findings if each.rule == "tree-case")
