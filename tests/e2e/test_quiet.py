"""``bench run --require-quiet``: on this machine with real load, and isolated from others.

The isolation is a process namespace without the machine's other processes, and a constant
``/proc/stat``, which otherwise includes their load.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import (
    LONG,
    MLREPO,
    environment,
    everything,
    finish,
    measuring_child,
    mlrepo,
    start,
)

_RUN = (
    "bench",
    "run",
    "--model",
    "digits",
    "--scenario",
    "SingleStream",
    "--mode",
    "performance",
    "--time",
    "4",
    "--require-quiet",
    "--json",
)
_SPIN = "import time; print(1, flush=True); end = time.time() + 300\nwhile time.time() < end: pass"
_ROOM = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")
_STILL = (
    "cat /proc/stat > $0 && mount --bind $0 /proc/stat"
    " && mount -t tmpfs tmpfs /dev/shm"  # where other benchmarks are announced
)
_STARTED = "until grep -qs '\"started\"' .git/mlrepo/spool/*/events.jsonl; do sleep 0.3; done"


def _rooms() -> bool:
    with tempfile.NamedTemporaryFile() as file:
        done = subprocess.run([*_ROOM, _STILL, file.name], capture_output=True, check=False)
    return done.returncode == 0


needs_room = pytest.mark.skipif(not _rooms(), reason="needs root, for a process namespace")


@pytest.fixture
def neighbour() -> Iterator[None]:
    """A process that uses a whole CPU."""
    with subprocess.Popen([sys.executable, "-c", _SPIN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


def _alone(root: Path, script: str = ":") -> dict[str, Any]:
    """Run the benchmark and a shell script beside it, alone, and return the record."""
    done = subprocess.run(
        [
            *_ROOM,
            f'{_STILL} || exit 99; {{ {script}; }} & "$@"',
            root.parent / "stat",
            *MLREPO,
            *_RUN,
        ],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["record"]
    return found


@pytest.mark.usefixtures("neighbour")
def test_a_busy_machine_is_refused_before_anything_starts(root: Path) -> None:
    """Exit code 75, what disturbs is told, and nothing is written."""
    before = everything(root)
    refused = mlrepo(root, *_RUN, code=75)
    refused.says("The machine is not quiet", "CPU", "--require-quiet")
    assert refused.out == ""
    assert everything(root) == before
    assert json.loads(mlrepo(root, "log", "--json").out)["runs"] == []


@pytest.mark.usefixtures("neighbour")
def test_without_the_option_the_same_run_is_recorded_with_what_disturbed_it(root: Path) -> None:
    """It is placed; who reads the record sees the neighbour."""
    given = [word for word in _RUN if word != "--require-quiet"]
    record = json.loads(mlrepo(root, *given).out)["record"]
    noise = record["load"]["noise"]
    assert noise["required_quiet"] is False
    assert any(entry["name"].startswith("python") for entry in noise["others"])
    assert noise["disturbances"]
    assert record["placement"]["placed"] is True


@needs_room
def test_a_quiet_machine_is_accepted(root: Path) -> None:
    """Nothing but the benchmark itself is there, so nothing disturbs."""
    record = _alone(root)
    noise = record["load"]["noise"]
    assert noise["required_quiet"] is True
    assert noise["disturbances"] == []
    assert record["placement"]["placed"] is True
    assert {"loadavg", "steal_share", "throttle_events", "mhz", "celsius", "others"} <= set(noise)


@needs_room
def test_a_run_that_is_disturbed_on_its_way_is_recorded_and_not_placed(root: Path) -> None:
    """It started on a quiet machine; then a neighbour moved in."""
    record = _alone(root, f"{_STARTED}; {sys.executable} -c '{_SPIN}' >/dev/null")
    assert record["validity"] == "VALID"
    assert record["placement"]["placed"] is False
    assert "the machine was not quiet" in record["placement"]["reason"]
    others = record["load"]["noise"]["others"]
    assert any(entry["name"].startswith("python") for entry in others)
    assert len(json.loads(mlrepo(root, "log", "--json").out)["runs"]) == 1


_METER = """
import json, time
from mlrepo.systems.noise import NoiseMeter
meter = NoiseMeter()
time.sleep(2)
print(json.dumps(meter.report()))
"""


@needs_room
@pytest.mark.usefixtures("neighbour")
def test_what_no_process_here_explains_is_told() -> None:
    """A neighbour in another container: its time is in /proc/stat, its process is not."""
    done = subprocess.run(
        [*_ROOM, '"$@"', "sh", sys.executable, "-c", _METER], capture_output=True, check=True
    )
    report = json.loads(done.stdout)
    assert report["others_cpus"] < 0.1
    assert report["unseen_cpus"] > 0.2
    assert any("no process here" in text for text in report["disturbances"])


def test_two_benchmarks_at_once_know_of_each_other(root: Path, tmp_path: Path) -> None:
    """In different repositories; the record of each names the other, also if one was shorter."""
    other = tmp_path / "other"
    shutil.copytree(root, other, symlinks=True)
    long = start(root, *LONG)
    measuring_child(root)
    done = mlrepo(other, *_RUN[:-4], "--count", "70")
    done.says("of mlrepo on this machine", "disturbed: ", "of mlrepo ran")
    long.send_signal(signal.SIGINT)
    finish(long)
    records = [mlrepo(each, "show", "latest", "--json").json["record"] for each in (root, other)]
    for record in records:
        noise = record["load"]["noise"]
        assert any("of mlrepo ran" in text for text in noise["disturbances"])
    assert f"process {long.pid} of " in str(records[1]["load"]["noise"]["benchmarks"])
    assert " VALID ~" in mlrepo(other, "log").out
