"""A stand-in in place of a log or a description is the first finding."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.logs.accuracy import GAP
from mlrepo.repository.trees import DirectoryTree
from tests.submissions import Submission, write_submission

_LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 123\n"
_RESULT = "closed/Acme/results/alpha/resnet50/Offline"
_TEST = "closed/Acme/compliance/alpha/resnet50/Offline/TEST01"
_FILES = {
    "detail log": f"{_RESULT}/performance/run_1/mlperf_log_detail.txt",
    "summary": f"{_RESULT}/performance/run_1/mlperf_log_summary.txt",
    "accuracy log": f"{_RESULT}/accuracy/mlperf_log_accuracy.json",
    "detail log of accuracy": f"{_RESULT}/accuracy/mlperf_log_detail.txt",
    "accuracy": f"{_RESULT}/accuracy/accuracy.txt",
    "description": "closed/Acme/systems/alpha.json",
    "verification": f"{_TEST}/verify_accuracy.txt",
    "detail log of a test": f"{_TEST}/performance/run_1/mlperf_log_detail.txt",
}


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    """A valid submission of v5.1."""
    return write_submission(tmp_path, "v5.1")


def _check(submission: Submission) -> Report:
    return check(DirectoryTree(submission.root), submission.round)


@pytest.mark.parametrize("file", _FILES.values(), ids=list(_FILES))
@pytest.mark.parametrize(
    ("data", "what"),
    [
        (_LFS, "Git LFS pointer"),
        (b"/annex/objects/MD5-s3--4d\n", "git-annex pointer"),
        (b"<html>Sign in</html>", "HTML page"),
    ],
)
def test_a_stand_in_is_named_first(
    submission: Submission, file: str, data: bytes, what: str
) -> None:
    """In the strict profile, at the file, before what follows from it."""
    (submission.root / file).write_bytes(data)
    report = _check(submission)
    found = [finding for finding in report.all_findings() if finding.path == file]
    assert (found[0].rule, found[0].breaks_strict, found[0].breaks_official) == (
        "stand-in",
        True,
        False,
    )
    assert what in found[0].message
    assert "git lfs pull" in found[0].hint
    assert [finding.rule for finding in dict.fromkeys(found)].count("stand-in") == 1
    assert not report.valid("strict")


def test_the_hash_of_a_pointer_does_not_make_it_a_log(submission: Submission) -> None:
    """The named hash is right, and proves nothing."""
    before = set(_check(submission).all_findings())
    log = submission.root / _FILES["accuracy log"]
    log.write_bytes(_LFS)
    text = log.with_name("accuracy.txt").read_text().partition("hash=")[0]
    log.with_name("accuracy.txt").write_text(f"{text}hash={hashlib.sha256(_LFS).hexdigest()}\n")
    report = _check(submission)
    assert [f.rule for f in report.all_findings() if f not in before] == ["stand-in"]
    assert report.valid("official")


@pytest.mark.parametrize("newline", [b"\r\n", b"\r"])
def test_a_truncated_log_may_have_other_line_ends(submission: Submission, newline: bytes) -> None:
    """Published logs have: the full log's hash cannot be compared with it either way."""
    log = submission.root / _FILES["accuracy log"]
    data, before = log.read_bytes(), _check(submission)
    assert GAP in data
    log.write_bytes(data.replace(b"\n", newline))
    assert list(_check(submission).all_findings()) == list(before.all_findings())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hash={other}\nhash={named}\n", "names 2 logs"),
        ("hash=4d4d\n", "not a SHA-256"),
        ("hash={other}\n", "not that of the log"),
    ],
)
def test_a_wrong_hash_is_told_with_line_value_and_a_way_out(
    submission: Submission, text: str, said: str
) -> None:
    """`mlrepo truncate` refuses all of these: it is not the way out of a difference."""
    log = submission.root / _FILES["accuracy log"]
    log.write_bytes(b"[\n]\n")
    file = log.with_name("accuracy.txt")
    accuracy, _, named = file.read_text().strip().partition("\nhash=")
    file.write_text(f"{accuracy}\n{text.format(other='4d' * 32, named=named)}")
    [found] = [f for f in _check(submission).all_findings() if f.rule == "accuracy-hash"]
    assert said in found.message
    assert found.line >= 2
    assert found.actual
    assert "mlrepo truncate` writes it" not in found.hint
