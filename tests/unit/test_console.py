"""The output of a run is bounded while it is written: head, tail and total size."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from mlrepo.bench.console import HEAD_SIZE, TAIL_SIZE, Console, shortened, shortened_bytes


def _printed(path: Path, script: str) -> bytes:
    with Console(path) as console:
        process = subprocess.Popen([sys.executable, "-c", script], stdout=console.writer)
        console.started()
        process.wait(60)
    return path.read_bytes()


def test_what_fits_is_kept_byte_for_byte(tmp_path: Path) -> None:
    """Up to the two sizes together, nothing is left out."""
    size = HEAD_SIZE + TAIL_SIZE
    script = f"import sys; sys.stdout.buffer.write(b'a' * {size - 1} + b'z')"
    assert _printed(tmp_path / "c", script) == b"a" * (size - 1) + b"z"


def test_head_and_tail_of_60_mb_are_kept(tmp_path: Path) -> None:
    """The file never grows beyond the two, and says how much was printed."""
    script = "import sys; sys.stdout.buffer.write(b'first\\n' + b'x' * 60_000_000 + b'\\nlast\\n')"
    kept = _printed(tmp_path / "c", script)
    assert kept.startswith(b"first\n")
    assert kept.endswith(b"\nlast\n")
    assert len(kept) < HEAD_SIZE + TAIL_SIZE + 200
    left = 60_000_012 - HEAD_SIZE - TAIL_SIZE
    assert f"[mlrepo left out {left} of 60000012 bytes here]".encode() in kept


def test_the_head_is_there_while_the_process_runs(tmp_path: Path) -> None:
    """A kill of mlrepo does not lose what was printed first."""
    path = tmp_path / "c"
    with Console(path) as console:
        os.write(console.writer, b"loading\n")
        deadline = time.monotonic() + 10
        while path.read_bytes() != b"loading\n":
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_process_that_stays_is_not_waited_for(tmp_path: Path) -> None:
    """A daemon that left the session keeps the pipe open, also one that prints on for ever."""
    script = (
        "import os, sys, time\n"
        "print('begun', flush=True)\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "end = time.monotonic() + 8\n"
        "while time.monotonic() < end: os.write(1, b'more\\n')\n"
    )
    begin = time.monotonic()
    assert _printed(tmp_path / "c", script).startswith(b"begun\n")
    assert time.monotonic() - begin < 6


def test_a_file_is_shortened_as_what_is_printed(tmp_path: Path) -> None:
    """One that an older mlrepo left in the spool, whole, is read no further than its ends."""
    data = b"h" * HEAD_SIZE + b"m" * 1000 + b"t" * TAIL_SIZE
    path = tmp_path / "c"
    path.write_bytes(data)
    short = shortened(path)
    assert short == shortened_bytes(data)
    assert short == b"h" * HEAD_SIZE + (
        f"\n[mlrepo left out 1000 of {len(data)} bytes here]\n".encode()
    ) + (b"t" * TAIL_SIZE)
    path.write_bytes(b"short")
    assert shortened(path) == shortened_bytes(b"short") == b"short"
