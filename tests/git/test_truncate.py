"""Truncation of accuracy logs of any size, in any state, killed at any step."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.guard.truncate import TARGET, Treatment, accuracy_logs, truncate
from mlrepo.logs.accuracy import GAP, TRUNCATED_SIZE, names_only

# Python announces each of these before it asks the system.
_KILL = """
import os, signal, sys
from pathlib import Path
from mlrepo.guard import truncate
left = int(sys.argv[3])
CHANGES = {"os.rename", "os.link", "os.remove", "os.chmod", "os.mkdir", "shutil.copyfile"}
def hook(event, arguments):
    global left
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
    if event in CHANGES or writes:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
truncate.truncate(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def _log(directory: Path, data: bytes, text: bytes | None = b"accuracy=76.0") -> Path:
    directory.mkdir(parents=True)
    log = directory / "mlperf_log_accuracy.json"
    log.write_bytes(data)
    if text is not None:
        (directory / "accuracy.txt").write_bytes(text)
    return log


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 3000, 8198, TRUNCATED_SIZE])
def test_a_small_log_is_left_alone_but_named(tmp_path: Path, size: int) -> None:
    """Up to 8199 bytes nothing is cut; accuracy.txt names the log, once, on a line of its own."""
    data = os.urandom(size)
    log = _log(tmp_path / "accuracy", data)
    for expected in (Treatment.HASHED, Treatment.UNCHANGED):
        assert truncate(log, tmp_path / "store").outcome is expected
        assert log.read_bytes() == data
        text = log.with_name("accuracy.txt").read_text()
        assert text == f"accuracy=76.0\nhash={_sha256(data)}\n"


@pytest.mark.parametrize(
    "data", [b"x" * 8200, b"[\r\n" * 9000, "é".encode() * 30001], ids=["8200", "CRLF", "two-byte"]
)
@pytest.mark.parametrize(
    "text", [b"a=1", b"a=1\r\nhash=old\r\nhash=older\r\n", b""], ids=["open", "two", "empty"]
)
def test_a_large_log_is_kept_named_and_cut(tmp_path: Path, data: bytes, text: bytes) -> None:
    """The full log is kept, old hash lines go, and doing it again changes nothing."""
    log = _log(tmp_path / "a b'c" / "accuracy", data, text)
    done = truncate(log, tmp_path / "store")
    assert (done.outcome, done.size, done.sha256) == (Treatment.TRUNCATED, len(data), _sha256(data))
    assert log.read_bytes() == data[:4096] + GAP + data[-4096:]
    assert log.stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "store" / "raw" / done.sha256).read_bytes() == data
    written = log.with_name("accuracy.txt").read_bytes()
    assert written.count(b"hash=") == 1
    assert written.endswith(f"hash={done.sha256}\n".encode())
    again = truncate(log, tmp_path / "store")
    assert (again.outcome, again.sha256) == (Treatment.UNCHANGED, done.sha256)


def test_a_hash_that_was_lost_is_found_by_the_kept_log(tmp_path: Path) -> None:
    """accuracy.txt written anew after truncation gets the hash of the full log, not the short."""
    data = os.urandom(20000)
    log = _log(tmp_path / "accuracy", data)
    truncate(log, tmp_path / "store")
    log.with_name("accuracy.txt").write_text("accuracy=76.1\n")
    assert truncate(log, tmp_path / "store").sha256 == _sha256(data)
    text = log.with_name("accuracy.txt").read_text()
    assert text == f"accuracy=76.1\nhash={_sha256(data)}\n"
    with pytest.raises(UserError, match="names no full log"):
        log.with_name("accuracy.txt").write_text("accuracy=76.1\n")
        truncate(log, tmp_path / "elsewhere")


_FULL = ("[\n" + ",\n".join(f'{{ "seq_id" : {i}, "data" : "é0" }}' for i in range(900))).encode()
_CUT = _FULL[:4096] + GAP + _FULL[-4096:]
_NOT_THE_LOG = {
    "log of another run": _FULL + b"\n]\n",
    "small log of another run": b"[\n]\n",
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9000\n",
    "git-annex pointer": b"/annex/objects/SHA256E-s9000--4d.json\n",
    "text of a symbolic link": b"../../Server/accuracy/mlperf_log_accuracy.json",
    "HTML page": b"<!DOCTYPE html><html>" + b"Sign in. " * 2000,
    "compressed": gzip.compress(_FULL),
    "truncated log that was changed, CRLF": _CUT.replace(b"\n", b"\r\n"),
    "truncated log that was changed, CR": _CUT.replace(b"\n", b"\r"),
    "truncated log that was changed, in UTF-16": _CUT.decode("latin-1").encode("utf-16"),
    "truncated log that was changed, and marked": b"\xef\xbb\xbf" + _CUT,
    "truncated log that was changed, by characters": ("é" * 4096).encode() + GAP + _FULL[-4096:],
    "truncated log that was changed, and cut": _CUT[:-1],
}


def _state(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files if path.suffix != ".lock"}


@pytest.mark.parametrize("what", _NOT_THE_LOG)
def test_what_is_not_the_named_log_is_refused_and_nothing_changes(
    tmp_path: Path, what: str
) -> None:
    """Both hashes are told; accuracy.txt is evidence, and is never made to fit."""
    data, named = _NOT_THE_LOG[what], _sha256(_FULL)
    log = _log(tmp_path / "accuracy", data, f"accuracy=76.0\nhash={named}\n".encode())
    before = _state(tmp_path)
    with pytest.raises(UserError) as caught:
        truncate(log, tmp_path / "store")
    assert named in caught.value.message
    assert _sha256(data) in caught.value.message
    if "log of another" not in what:
        assert what.partition(",")[0] in caught.value.message
    assert _state(tmp_path) == before


@pytest.mark.parametrize("what", [what for what in _NOT_THE_LOG if "log of another" not in what])
def test_what_is_no_log_is_refused_where_no_hash_is_named(tmp_path: Path, what: str) -> None:
    """A pointer's hash would pass for that of a log."""
    log = _log(tmp_path / "accuracy", _NOT_THE_LOG[what])
    before = _state(tmp_path)
    with pytest.raises(UserError, match=what.partition(",")[0]):
        truncate(log, tmp_path / "store")
    assert _state(tmp_path) == before


@pytest.mark.parametrize(
    "line",
    [b"\nhash=%s\n", b"\r\nhash=%s\r\n", b"\rhash=%s\r", b"hash=%s", b"\n\thash=%s  \n"],
    ids=["LF", "CRLF", "CR", "glued", "blanks"],
)
@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_a_named_hash_is_found_however_it_is_written(
    tmp_path: Path, line: bytes, spelled: Callable[[str], str]
) -> None:
    """As the official tools and editors leave it: of this log it is kept, of another refused."""
    for name, hashed in (("same", _FULL), ("other", b"other")):
        text = b"accuracy=76.0" + line % spelled(_sha256(hashed)).encode()
        log = _log(tmp_path / name / "accuracy", _FULL, text)
        if name == "same":
            assert truncate(log, tmp_path / "store").outcome is Treatment.TRUNCATED
            written = log.with_name("accuracy.txt").read_bytes()
            assert written.startswith(b"accuracy=76.0")
            assert names_only(written, _sha256(_FULL))
            assert written.count(b"hash=") == 1
        else:
            with pytest.raises(UserError, match=_sha256(b"other")):
                truncate(log, tmp_path / "store")


def test_several_named_hashes_are_all_told(tmp_path: Path) -> None:
    """Which of the logs was judged, only the submitter knows; also where one of them is this."""
    for name, data in (("full", _FULL), ("cut", _CUT)):
        text = f"hash={_sha256(b'other')}\nhash={_sha256(_FULL)}\n"
        log = _log(tmp_path / name, data, text.encode())
        with pytest.raises(UserError, match=_sha256(b"other")) as caught:
            truncate(log, tmp_path / "store")
        assert _sha256(_FULL) in caught.value.message
        assert log.with_name("accuracy.txt").read_text() == text


@pytest.mark.parametrize(
    "text", [_NOT_THE_LOG["Git LFS pointer"], f"hash={_sha256(_FULL)}\n".encode("utf-16")]
)
def test_a_text_that_cannot_be_read_is_not_added_to(tmp_path: Path, text: bytes) -> None:
    """A line in ASCII at the end of UTF-16 is no text any more."""
    log = _log(tmp_path / "accuracy", _FULL, text)
    with pytest.raises(UserError, match=r"accuracy\.txt is"):
        truncate(log, tmp_path / "store")
    assert log.with_name("accuracy.txt").read_bytes() == text
    assert log.read_bytes() == _FULL


def test_the_hash_beside_a_truncated_log_stays(tmp_path: Path) -> None:
    """Runs with the same seed begin and end alike: another kept log is no proof against it."""
    log = _log(tmp_path / "first" / "accuracy", _FULL)
    truncate(log, tmp_path / "store")
    alike = _FULL[:5000] + b"x" + _FULL[5001:]
    other = _log(tmp_path / "second" / "accuracy", _CUT, f"hash={_sha256(alike)}\n".encode())
    assert truncate(other, tmp_path / "store").sha256 == _sha256(alike)
    assert other.with_name("accuracy.txt").read_text() == f"hash={_sha256(alike)}\n"
    third = _log(tmp_path / "third" / "accuracy", alike)
    truncate(third, tmp_path / "store")
    other.with_name("accuracy.txt").write_text("accuracy=76.0\n")
    with pytest.raises(UserError, match="2 kept logs"):
        truncate(other, tmp_path / "store")


def test_a_truncated_log_that_is_not_cut_from_the_named_one_is_refused(tmp_path: Path) -> None:
    """Where the named log is kept, it is looked at; and none is named by its truncated form."""
    kept = _log(tmp_path / "kept" / "accuracy", _FULL[::-1])
    truncate(kept, tmp_path / "store")
    for named, problem in ((_FULL[::-1], "not cut from"), (_CUT, "the truncated log itself")):
        text = f"hash={_sha256(named)}\n"
        log = _log(tmp_path / problem / "accuracy", _CUT, text.encode())
        with pytest.raises(UserError, match=problem) as caught:
            truncate(log, tmp_path / "store")
        assert _sha256(named) in caught.value.message
        assert log.with_name("accuracy.txt").read_text() == text


def test_without_accuracy_txt_only_tests_are_truncated(tmp_path: Path) -> None:
    """accuracy/ is refused untouched; for TESTnn the file is made, as the official tool does."""
    data = b"x" * 9000
    log = _log(tmp_path / "accuracy", data, None)
    with pytest.raises(UserError, match="is missing"):
        truncate(log, tmp_path / "store")
    assert log.read_bytes() == data
    for number, name in enumerate(("TEST01", "TEST07/accuracy")):
        test = _log(tmp_path / name, data + bytes([number]), None)
        truncate(test, tmp_path / "store")
        assert test.with_name("accuracy.txt").read_text().startswith("hash=")


@pytest.mark.parametrize(
    "place",
    [
        "closed/Acme/results/s/m/Offline/accuracy",
        "network/Acme/results/s/m/Server/accuracy",
        "closed/Acme/compliance/s/m/Offline/TEST01/accuracy",
        "open/Acme/compliance/s/m/Offline/TEST01",
        "closed/Acme/results/s/m/Server/TEST01/accuracy",
        "closed/Acme/results/s/m/Offline/TEST07/accuracy",
        "open/A B/results/s/m/Offline/TEST09",
    ],
)
def test_the_logs_that_the_rounds_truncate_are_found(tmp_path: Path, place: str) -> None:
    """In all divisions; also below a part of the submission, and in a copy of a part."""
    log = _log(tmp_path / place, b"[]")
    submitter = place.split("/")[1]
    for root in (tmp_path, tmp_path / place.rpartition("/")[0], log.parent):
        assert list(accuracy_logs(root)) == [log]
    assert list(accuracy_logs(tmp_path, submitter)) == [log]
    assert list(accuracy_logs(tmp_path, "Acm")) == []
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / place.split("/")[0] / submitter, copy)
    assert len(list(accuracy_logs(copy, source=tmp_path / place.split("/")[0] / submitter))) == 1


@pytest.mark.parametrize(
    "place",
    [
        "closed/Acme/results/s/m/Offline/performance/run_1",
        "closed/Acme/results/s/m/Offline",
        "closed/Acme/results/s/m/Offline/performance/accuracy",
        *(f"closed/Acme/compliance/s/m/Offline/TEST{n}/accuracy" for n in ("04", "06", "07", "09")),
        *(f"closed/Acme/results/s/m/Offline/TEST{n}/accuracy" for n in ("04", "06", "08", "04-A")),
        "closed/Acme/compliance/s/m/Offline/TEST06",
        "closed/Acme/results/s/m/Offline/TEST06",
        "closed/Acme/compliance/s/m/Offline/TEST01/performance/run_1",
        "closed/Acme/code/m/accuracy",
        "closed/Acme/src/results/s/m/Offline/accuracy",
        "runs/20261128T120000Z-abcdef/accuracy",
        "closed/Acme/audit/s/m/Offline/TEST01/accuracy",
    ],
)
def test_other_logs_are_left_alone(tmp_path: Path, place: str) -> None:
    """Of tests that the round's tool does not truncate, of performance runs, of the code."""
    _log(tmp_path / place, b"[]")
    assert list(accuracy_logs(tmp_path)) == list(accuracy_logs(tmp_path, "Acme")) == []


def test_the_hooks_of_the_framework_are_given_the_same_logs() -> None:
    """Those that mlrepo offers, and those that `mlrepo init` writes."""
    root = Path(__file__).parents[2]
    patterns = [
        line.partition("files: ")[2].replace("$$", "$")
        for file in (".pre-commit-hooks.yaml", "templates/results_repo/pre-commit-config.yaml")
        for line in (root / file).read_text().splitlines()
        if "files: " in line and "accuracy" in line
    ]
    assert patterns == [TARGET, TARGET]


@pytest.mark.parametrize("text", [b"accuracy=76.0", b"accuracy=76.0\nhash=old\nhash=older\n"])
def test_a_kill_between_any_two_steps_loses_nothing(tmp_path: Path, text: bytes) -> None:
    """Killed before each change of the disk in turn, the next truncation ends what was begun."""
    data = os.urandom(30000)
    for step in itertools.count(1):
        directory = tmp_path / str(step)
        log = _log(directory / "accuracy", data, text)
        ended = subprocess.run(
            [sys.executable, "-c", _KILL, log, directory / "store", str(step)], check=False
        )
        full = {p.read_bytes() for p in (directory / "store" / "raw").glob("?" * 64)}
        assert data in full | {log.read_bytes()}
        done = truncate(log, directory / "store")
        assert (done.sha256, log.stat().st_size) == (_sha256(data), TRUNCATED_SIZE)
        written = log.with_name("accuracy.txt").read_text()
        assert written == f"accuracy=76.0\nhash={_sha256(data)}\n"
        assert (directory / "store" / "raw" / _sha256(data)).read_bytes() == data
        assert len(list(log.parent.iterdir())) == 2
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
    assert step > 12


def test_the_hash_of_a_line_of_results_is_replaced(tmp_path: Path) -> None:
    """The accuracy script of qwen3-vl writes it, without a newline; it names no log."""
    line = b'{"f1": 0.7886741346065558}'
    data = os.urandom(20_000)
    text = b"Results\n\n" + line + b"\n\nhash=" + _sha256(line).encode()
    log = _log(tmp_path / "accuracy", data, text)
    assert truncate(log, tmp_path / "store").outcome is Treatment.TRUNCATED
    written = log.with_name("accuracy.txt").read_text()
    assert written == f"Results\n\n{line.decode()}\n\nhash={_sha256(data)}\n"
