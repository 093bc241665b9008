"""Disturbances of a run: measured on this machine and read from other machines' files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import psutil
import pytest

from mlrepo.systems.machine import Machine
from mlrepo.systems.noise import NoiseMeter, NoiseReading, disturbances, load_now, read_sensors
from tests import machines

_BUSY = "import time; print(1, flush=True); end = time.time() + 20\nwhile time.time() < end: pass"


def test_load_is_counted_in_ticks_that_only_grow() -> None:
    """Busy and stolen time are shares of the total."""
    first, second = load_now(), load_now()
    for name in ("busy_ticks", "total_ticks", "steal_ticks"):
        assert 0 <= getattr(first, name) <= getattr(second, name)
    assert first.busy_ticks <= first.total_ticks
    assert len(first.loadavg) == 3


@pytest.mark.long
def test_our_own_child_is_no_disturbance_and_another_process_is() -> None:
    """The benchmark is meant to be busy; what another one uses is named."""
    own = subprocess.Popen([sys.executable, "-c", _BUSY], stdout=subprocess.PIPE)
    # The shell between ends at once, so that its child belongs to nobody here.
    shell = ["sh", "-c", '"$0" -c "$1" & echo $!', sys.executable, _BUSY]
    shown = subprocess.Popen(shell, stdout=subprocess.PIPE, text=True)
    assert shown.stdout is not None
    other = int(shown.stdout.readline())
    try:
        shown.wait(timeout=10)
        meter = NoiseMeter()
        time.sleep(1.0)
        report = meter.report()
    finally:
        own.kill()
        own.wait()
        subprocess.run(["kill", "-9", str(other)], check=True)
        shown.stdout.close()
        assert own.stdout is not None
        own.stdout.close()
    used = [entry["cpus"] for entry in report["others"] if entry["name"].startswith("python")]
    assert used
    assert max(used) > 0.1
    assert report["others_cpus"] >= max(used)


def test_a_process_that_ended_meanwhile_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had used when it was last seen stays."""
    monkeypatch.setattr("mlrepo.systems.noise._SAMPLE_SECONDS", 0.0)
    monkeypatch.setattr("mlrepo.systems.noise._COST", 0)
    meter = NoiseMeter()
    # Of a process in between, so that it is no child of this one; other tests run beside.
    code = f"{_BUSY}  # {os.getpid()}"
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}])"
    subprocess.run([sys.executable, "-c", script], stdout=subprocess.DEVNULL, check=True)

    def busy() -> list[psutil.Process]:
        return [p for p in psutil.process_iter(["cmdline"]) if code in (p.info["cmdline"] or ())]

    deadline = time.monotonic() + 30
    while not (found := busy()):  # it may not have its command line yet
        assert time.monotonic() < deadline, "the process did not start"
        time.sleep(0.05)
    (process,) = found
    time.sleep(1)
    meter.sample()
    process.kill()
    psutil.wait_procs([process], timeout=10)
    assert busy() == []
    assert max(entry["cpus"] for entry in meter.report()["others"]) > 0.05


def test_sensors_are_read_where_there_are_any(tmp_path: Path) -> None:
    """Lowest and highest clock, the hottest zone, all throttle events."""
    cpu = "sys/devices/system/cpu"
    files = {
        f"{cpu}/cpufreq/policy0/scaling_cur_freq": "2900000",
        f"{cpu}/cpufreq/policy1/scaling_cur_freq": "800000",
        f"{cpu}/cpu0/thermal_throttle/core_throttle_count": "3",
        f"{cpu}/cpu1/thermal_throttle/package_throttle_count": "4",
        "sys/class/thermal/thermal_zone0/temp": "45000",
        "sys/class/thermal/thermal_zone1/temp": "71500",
        "sys/class/thermal/thermal_zone2/temp": "-274000",
    }
    found = read_sensors(Machine(machines.write(tmp_path, files)))
    assert (found.mhz, found.celsius, found.throttled) == ((800.0, 2900.0), 71.5, 7)
    nothing = read_sensors(Machine(tmp_path / "empty"))
    assert (nothing.mhz, nothing.celsius, nothing.throttled) == (None, None, None)


def test_throttling_and_stolen_time_during_a_run_are_told(tmp_path: Path) -> None:
    """Only what happened between the two readings counts."""
    root = machines.virtual(tmp_path)
    counter = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    machines.write(root, {counter: "10"})
    meter = NoiseMeter(Machine(root))
    machines.write(root, {counter: "12", "proc/stat": "cpu  1900 0 500 8000 0 0 0 600 0 0"})
    report = meter.report()
    assert report["throttle_events"] == 2
    assert report["steal_share"] == 0.1
    assert "the host took away 10.0% of the CPU time" in report["disturbances"]
    assert "processors were throttled 2 times" in report["disturbances"]


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({}, 0),
        ({"others_cpus": 1000.0}, 1),
        ({"others": [{"name": "x", "cpus": 0.9}]}, 1),
        ({"others": [{"name": "x", "cpus": 0.1}]}, 0),
        ({"unseen_cpus": 1000.0}, 1),
        ({"steal_share": 0.02}, 1),
        ({"throttle_events": 1}, 1),
        ({"throttle_events": None}, 0),
        ({"benchmarks": ["process 7 of alice"]}, 1),
        ({"benchmarks": ["process 7 of alice", "process 8 of bob"]}, 1),
        ({"others": [{"name": "x", "cpus": 0.9}, {"name": "y", "cpus": 0.8}]}, 1),
    ],
    ids=str,
)
def test_each_limit_has_its_sentence(changes: dict[str, object], number: int) -> None:
    """A quiet machine has none."""
    quiet = {
        "others_cpus": 0.0,
        "others": [],
        "unseen_cpus": 0.0,
        "steal_share": 0.0,
        "throttle_events": 0,
        "benchmarks": [],
    }
    assert len(disturbances(cast("NoiseReading", {**quiet, **changes}))) == number
    crowd = {**quiet, "benchmarks": [f"process {number} of alice" for number in range(9)]}
    [sentence] = disturbances(cast("NoiseReading", crowd))
    assert sentence.startswith("9 other") and sentence.endswith("process 4 of alice and 4 more")
