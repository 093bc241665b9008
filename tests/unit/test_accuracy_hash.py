"""accuracy.txt names one log: extra output of official tools is a warning, two logs are not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlrepo.checker.accuracy.judge import judge_accuracy
from mlrepo.checker.check import check
from mlrepo.checker.docket import Docket
from mlrepo.checker.scope import Scope
from mlrepo.findings import Finding
from mlrepo.logs.accuracy import GAP, hashes_of_lines, named_hashes
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED, Place
from tests.submissions import Submission, write_submission

_OTHER = hashlib.sha256(b"the full log of another run").hexdigest()
_SHA1 = hashlib.sha1(b"the full log", usedforsecurity=False).hexdigest()
_EMPTY = hashlib.sha256(b"").hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _found(submission: Submission) -> list[Finding]:
    report = check(DirectoryTree(submission.root), submission.round)
    assert report.valid("official")
    return [f for f in report.all_findings() if f.rule == "accuracy-hash"]


def _named(submission: Submission, hashes: list[str], log: bytes | None = None) -> Path:
    """Write the hashes below the results, LINE, OWN and FULL in their places; return the text."""
    directory = submission.result("Offline") / "accuracy"
    file, stub = directory / "accuracy.txt", directory / "mlperf_log_accuracy.json"
    results, _, full = file.read_text().strip().partition("\nhash=")
    if log is not None:
        stub.write_bytes(log)
    words = {"LINE": _sha256(results.strip().encode()), "OWN": _sha256(stub.read_bytes())}
    lines = [f"hash={words.get(each, full.strip() if each == 'FULL' else each)}" for each in hashes]
    file.write_text("\n".join([results.strip(), "", *lines, ""]))
    return file


@pytest.mark.parametrize(
    ("hashes", "said", "breaks"),
    [
        (["FULL"], "", False),
        # The accuracy script of qwen3-vl writes the first, the truncation the second.
        (["LINE", "FULL"], "It has 2 lines with a hash", False),
        (["FULL", "FULL", "FULL"], "It has 3 lines with a hash", False),
        (["FULL", "OWN"], "It has 2 lines with a hash", False),
        ([_SHA1, "FULL"], "It has 2 lines with a hash", False),
        ([_EMPTY, "FULL"], "It has 2 lines with a hash", False),
        # truncate_accuracy_log.py ran twice.
        (["OWN"], "names the truncated log itself", False),
        (["LINE", "OWN"], "names the truncated log itself", False),
        (["LINE"], "It does not name a log", False),
        ([_OTHER, "FULL"], "It names 2 logs", True),
        ([_OTHER, "FULL", "FULL"], "It names 2 logs", True),
        (["LINE", _OTHER, "FULL"], "It names 2 logs", True),
        ([_SHA1], "not a SHA-256", True),
        ([_EMPTY], "an empty file", True),
    ],
)
@pytest.mark.parametrize("round_name", ["v5.1", "v6.1"])
def test_only_hashes_of_two_logs_are_refused_beside_a_truncated_one(
    tmp_path: Path, round_name: str, hashes: list[str], said: str, breaks: bool
) -> None:
    """A warning says how many lines there are, which is the first, and what each is of."""
    submission = write_submission(tmp_path, round_name)
    text = _named(submission, hashes)
    assert GAP in text.with_name("mlperf_log_accuracy.json").read_bytes()
    found = _found(submission)
    assert bool(found) is bool(said)
    for finding in found:
        assert said in finding.message
        assert finding.breaks_strict is breaks
        assert "hash=" in text.read_text().splitlines()[finding.line - 1]
        assert finding.actual
        assert finding.hint


@pytest.mark.parametrize(
    ("hashes", "breaks"),
    [
        (["OWN"], None),
        (["LINE", "OWN"], False),
        (["OWN", "OWN"], False),
        (["LINE"], True),
        ([_OTHER], True),
        (["OWN", _OTHER], True),
    ],
)
def test_a_whole_log_is_the_named_one(
    tmp_path: Path, hashes: list[str], breaks: bool | None
) -> None:
    """The hash of a line of the text does not stand for it."""
    submission = write_submission(tmp_path, "v5.1")
    _named(submission, hashes, b"[\n]\n")
    found = _found(submission)
    assert [finding.breaks_strict for finding in found] == ([] if breaks is None else [breaks])


@pytest.mark.parametrize("round_name", ["v0.7", "v1.1", "v5.1", "v6.1"])
def test_a_test_that_names_its_truncated_log_is_warned_of(tmp_path: Path, round_name: str) -> None:
    """As a second run of truncate_accuracy_log.py leaves those of TEST07 and TEST09."""
    submission = write_submission(tmp_path, round_name)
    directory = submission.compliance("Offline", "TEST01") / "accuracy"
    log = directory / "mlperf_log_accuracy.json"
    log.write_bytes(b"0" * 4096 + GAP + b"0" * 4096)
    (directory / "accuracy.txt").write_text(f"hash={_OTHER}\n")
    assert _found(submission) == []
    (directory / "accuracy.txt").write_text(f"hash={_sha256(log.read_bytes())}\n")
    [finding] = _found(submission)
    assert "names the truncated log itself" in finding.message
    assert finding.path.endswith("TEST01/accuracy/accuracy.txt")
    assert not finding.breaks_strict


def test_a_line_of_results_names_no_log() -> None:
    """With either line end; a text of many lines is not hashed line by line."""
    line = b'{"f1": 0.7886741346065558}'
    for end in (b"\n", b"\r\n"):
        text = end.join([b"Results", b"", line, b"", f"hash={_sha256(line)}".encode()])
        assert named_hashes(text) == ()
        assert named_hashes(text + end + f"hash={_OTHER}".encode()) == (_OTHER,)
    assert hashes_of_lines(line + b"\n" + b"x\n" * (1 << 18)) == frozenset()


def test_v0_5_knew_neither_hash_nor_truncation(tmp_path: Path) -> None:
    """Its checker came with v0.7, which asks for both; in later rounds they are errors."""
    for round_name, breaks in (("v0.5", False), ("v0.7", True)):
        place = Place("open", "Acme", "alpha", "resnet", "Offline")
        scope = Scope(DirectoryTree(tmp_path), SHIPPED[round_name], place, "resnet", "Offline")
        directory = tmp_path / scope.path / "accuracy"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "accuracy.txt").write_text("accuracy=76.456%, good=38228, total=50000\n")
        (directory / "mlperf_log_accuracy.json").write_bytes(b"[\n" + b" " * 20_000 + b"]\n")
        judge_accuracy(Docket(scope))
        found = {f.rule: f.breaks_strict for f in scope.findings if f.message.startswith("The")}
        assert found["accuracy-hash"] is breaks
        assert found["accuracy-log"] is breaks


@pytest.mark.parametrize("line", ["hash = {}", "HASH={}", "Hash: {}", "\thash =\t{} \r"])
def test_a_hash_is_named_however_it_is_spelled(line: str) -> None:
    """Truncation then compares it instead of adding another one."""
    text = f"accuracy=76.456%, good=38228, total=50000\n{line.format(_OTHER)}\n".encode()
    assert named_hashes(text) == (_OTHER,)
