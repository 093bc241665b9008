"""Benchmarks on a machine detect each other: other repositories and users, dead or lying ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlrepo.systems import neighbours
from mlrepo.systems.neighbours import Announcement
from mlrepo.systems.neighbours import neighbours as found

_RUN = """\
import sys
from pathlib import Path
from mlrepo.systems.neighbours import Announcement
with Announcement((Path(sys.argv[1]),)):
    print(1, flush=True)
    sys.stdin.read()
"""


@contextmanager
def _another(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another benchmark that runs until its standard input is closed."""
    command = [sys.executable, "-c", _RUN, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_a_benchmark_is_seen_while_it_runs_and_remembered_afterwards(tmp_path: Path) -> None:
    """One that was shorter than the other met it all the same."""
    place = tmp_path / "place"
    before = neighbours.now()
    with Announcement((place,)), _another(place) as other:
        [one] = found(places=(place,))
        assert (one.pid, one.runs) == (other.pid, True)
        assert str(one).startswith(f"process {other.pid} of ")
        other.communicate()
        assert found(places=(place,)) == []
        [one] = found(before, places=(place,))
        assert (one.pid, one.runs) == (other.pid, False)
        assert found(neighbours.now(), places=(place,)) == []
        with Announcement((place,)):  # we still run, and were there before it ended
            assert len(found(before, places=(place,))) == 1
    with Announcement((place,)):
        assert found(before, places=(place,)) == []
        assert len(list(place.iterdir())) == 1


def test_the_dead_are_recognised(tmp_path: Path) -> None:
    """Their locks ended with them; their files are removed by the next one."""
    with _another(tmp_path) as other:
        other.kill()
        other.wait()
        assert found(places=(tmp_path,)) == []
        [one] = found(0.0, places=(tmp_path,))
        assert not one.runs
        with Announcement((tmp_path,)):
            pass
        assert found(0.0, places=(tmp_path,)) == []


def test_what_others_put_there_does_no_harm(tmp_path: Path) -> None:
    """Anybody may write into the directory."""
    names = [f"{number}-{number:016x}.json" for number in range(1, 8)]
    os.mkfifo(tmp_path / names[0])
    (tmp_path / names[1]).mkdir()
    (tmp_path / names[2]).symlink_to("/etc/passwd")
    (tmp_path / names[3]).write_text("[" * 100_000)
    (tmp_path / names[4]).write_text('{"pid": "x", "began": 1, "seen": 1}')
    (tmp_path / names[5]).write_text('{"pid": 1, "began": NaN, "seen": 1}')
    (tmp_path / names[6]).write_bytes(b"\xff\x00")
    (tmp_path / "other.txt").write_text("mine\n")
    with Announcement((tmp_path,)):
        assert found(0.0, places=(tmp_path,)) == []
    assert (tmp_path / "other.txt").read_text() == "mine\n"


def test_a_place_that_cannot_be_written_is_passed_over(tmp_path: Path) -> None:
    """A file, a dangling link or nothing at all: the benchmark runs, and is announced elsewhere."""
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    places = (tmp_path / "file", tmp_path / "link", tmp_path / "none" / "deep", tmp_path / "place")
    with Announcement(places), _another(places[-1]) as other:
        assert [one.pid for one in found(places=places)] == [other.pid]
        assert len(list(places[-1].iterdir())) == 2
    with Announcement(places[:3]) as unannounced:
        unannounced.beat()
    assert not (tmp_path / "elsewhere").exists()


def test_every_user_may_announce(tmp_path: Path) -> None:
    """As in /tmp: anyone may add a file, nobody may remove another one's."""
    with Announcement((tmp_path / "place",)):
        assert (tmp_path / "place").stat().st_mode & 0o7777 == 0o1777


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be another user")
def test_another_user_is_seen_and_named(tmp_path: Path) -> None:
    """By the owner of the file, whatever it says."""
    with _another(tmp_path / "place") as other:
        [file] = (tmp_path / "place").iterdir()
        os.chown(file, 4_000_000, -1)
        [one] = found(places=(tmp_path / "place",))
        assert str(one) == f"process {other.pid} of user 4000000"
