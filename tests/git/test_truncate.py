"""Truncating accuracy logs: of any size, in any state, and killed at any step."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.logs.accuracy import GAP, TRUNCATED_SIZE
from mlrepo.submission.truncate import Outcome, accuracy_logs, truncate

# Python announces each of these before it asks the system.
_KILL = """
import os, signal, sys
from pathlib import Path
from mlrepo.submission import truncate
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
    for expected in (Outcome.HASHED, Outcome.UNCHANGED):
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
    assert (done.outcome, done.size, done.sha256) == (Outcome.TRUNCATED, len(data), _sha256(data))
    assert log.read_bytes() == data[:4096] + GAP + data[-4096:]
    assert log.stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "store" / "raw" / done.sha256).read_bytes() == data
    written = log.with_name("accuracy.txt").read_bytes()
    assert written.count(b"hash=") == 1
    assert written.endswith(f"hash={done.sha256}\n".encode())
    again = truncate(log, tmp_path / "store")
    assert (again.outcome, again.sha256) == (Outcome.UNCHANGED, done.sha256)


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


def test_logs_are_found_in_all_divisions(tmp_path: Path) -> None:
    """closed, open and network, accuracy and tests; never performance, links or other names."""
    for place in (
        "closed/Acme/results/s/m/Offline/accuracy", "network/Acme/results/s/m/Server/accuracy",
        "open/Acme/compliance/s/m/Offline/TEST01", "closed/Acme/results/s/m/Offline/performance",
        "closed/Other/results/s/m/Offline/accuracy",
        "closed/Acme/compliance/s/m/Offline/TEST06/accuracy",
        "closed/Acme/results/s/m/Offline/TEST07", "closed/Acme/results/s/m/Server/TEST01/accuracy",
    ):  # fmt: skip
        _log(tmp_path / place, b"[]")
    found = [str(path.relative_to(tmp_path)) for path in accuracy_logs(tmp_path, "Acme")]
    assert [path.split("/")[0] for path in found] == ["closed"] * 4 + ["open", "network"]
    assert len(list(accuracy_logs(tmp_path))) == 7


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
