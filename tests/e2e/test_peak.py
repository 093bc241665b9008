"""The peak search on the real LoadGen."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import branch_files, mlrepo, start, until
from tests.samples import git

PEAK = ("bench", "peak", "--model", "digits", "--probe", "1", "--scenario")


def test_what_is_found_is_confirmed_and_remembered(root: Path) -> None:
    """The next run takes the value from the system's user.conf; the probe stands in no result."""
    peak = mlrepo(root, *PEAK, "singlestream", "--time", "1", "--json").json
    assert peak["key"] == "target_latency"
    assert peak["confirmed"]["validity"] == "VALID"
    conf = (root / "systems" / "box" / "user.v6.1.conf").read_text()
    assert f"digits.SingleStream.target_latency = {peak['value']:.8g}\n" in conf
    runs = mlrepo(root, "log", "--json").json["runs"]
    assert [run["tags"] for run in runs] == [[], ["probe"]]
    assert [bool(run["placed"]) for run in runs] == [True, False]
    assert any("SingleStream/performance/run_1" in path for path in branch_files(root))
    mlrepo(root, *PEAK, "SingleStream", "--time", "1")
    conf = (root / "systems" / "box" / "user.v6.1.conf").read_text()
    assert conf.count("digits.SingleStream.target_latency") == 1


@pytest.mark.parametrize("scenario", ["Offline", "MultiStream"])
def test_one_probe_is_enough_where_load_is_not_chosen(root: Path, scenario: str) -> None:
    """What the probe measured is what LoadGen is told to expect, and a full run confirms it."""
    peak = mlrepo(root, *PEAK, scenario, "--time", "1", "--json").json
    assert peak["confirmed"]["validity"] == "VALID"
    assert peak["key"] == ("target_qps" if scenario == "Offline" else "target_latency")
    labels = [point["label"] for point in peak["points"]]
    assert labels[0].startswith("probe 1")
    assert labels[-1].startswith("confirming")
    conf = (root / "systems" / "box" / "user.v6.1.conf").read_text()
    assert f"digits.{scenario}.{peak['key']} = {peak['value']:.8g}\n" in conf


def test_a_rate_is_enclosed_confirmed_and_remembered(root: Path) -> None:
    """A backend that sleeps a millisecond bears less than 1000 queries/s; the table says all.

    On a machine that becomes slower all the time no rate is confirmed, and none is kept.
    """
    arguments = (
        "--backend",
        "steady",
        "--max-latency",
        "0.1",
        "--qps",
        "300",
        "--time",
        "2.4",  # 720 queries; early stopping needs 662
        "--max-batchsize",
        "1",
        "--budget",
        "25s",
    )
    done = mlrepo(root, *PEAK, "Server", *arguments, code=None)
    done.says("probe 1 at 300 queries/s", "VALID", "confirming", "target_qps = ")
    kept = "digits.Server.target_qps" in (root / "systems/box/user.v6.1.conf").read_text()
    assert kept == (done.code == 0) == ("kept in" in done.out)
    match = re.search(r"target_qps = ([\d.]+), (not confirmed|confirmed by)", done.out)
    assert match
    assert 250 < float(match[1]) < 1100
    assert (match[2] == "confirmed by") == kept


def test_a_killed_search_goes_on_after_its_last_probe(root: Path) -> None:
    """kill -9 in the third probe: no rate is probed anew, and --fresh forgets."""
    arguments = (
        *PEAK,
        "Server",
        "--backend",
        "steady",
        "--max-latency",
        "0.1",
        "--qps",
        "300",
        "--time",
        "2",
        "--max-batchsize",
        "1",
        "--budget",
        "15s",
        "--no-remember",
        "--json",
    )

    def recorded() -> list[Any]:
        if not git(root, "branch", "--list", "exp/*"):
            return []
        return list(mlrepo(root, "log", "--json").json["runs"])

    process = start(root, *arguments)
    until(lambda: len(recorded()) >= 2, "two probes", 60)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    before = [run["run"] for run in recorded()]
    done = mlrepo(root, *arguments, code=None)
    done.says(f"going on with {len(before)} runs")
    points = [point["run"] for point in done.json["points"]]
    assert points[: len(before)] == sorted(before)
    assert len(points) > len(before)
    assert "Going on" not in mlrepo(root, *arguments, "--fresh", "--budget", "6s", code=None).err


def test_a_system_that_gets_worse_after_the_probe_is_told(root: Path) -> None:
    """Probes have 2000 queries and end before it tires; the full run is INVALID, and is told."""
    arguments = (
        "--backend",
        "tiring",
        "--max-latency",
        "0.06",
        "--qps",
        "300",
        "--time",
        "12",
        "--max-batchsize",
        "1",
        "--budget",
        "45s",
        "--no-auto",
    )
    before = (root / "systems" / "box" / "user.v6.1.conf").read_text()
    done = mlrepo(root, *PEAK, "Server", *arguments, code=1)
    done.says("not confirmed", "did not hold what the probe did", "latency bound does not hold")
    runs = mlrepo(root, "log", "--json").json["runs"]
    assert [run["validity"] for run in runs if not run["tags"]] == ["INVALID"]
    assert "VALID" in [run["validity"] for run in runs if run["tags"] == ["probe"]]
    assert (root / "systems" / "box" / "user.v6.1.conf").read_text() == before


def test_a_budget_too_small_starts_nothing(root: Path) -> None:
    """Less than a probe: the reason is told, and nothing is recorded."""
    done = mlrepo(root, *PEAK, "Server", "--budget", "1s", code=1)
    done.says("The budget does not allow one probe")
    assert mlrepo(root, "log", "--json").json["runs"] == []


def test_a_search_that_finds_nothing_valid_ends_within_its_budget(root: Path) -> None:
    """20 ms per query hold no bound of a millisecond: the reason is told, nothing is kept."""
    before = (root / "systems" / "box" / "user.v6.1.conf").read_text()
    arguments = ("--backend", "patient", "--max-latency", "0.001", "--qps", "20", "--time", "2")
    done = mlrepo(root, *PEAK, "Server", *arguments, "--budget", "6s", code=1)
    done.says("No rate was VALID", "latency bound does not hold")
    assert (root / "systems" / "box" / "user.v6.1.conf").read_text() == before


def test_an_invalid_run_comes_with_advice(root: Path) -> None:
    """In plain words: which condition failed, by how much, and what to change."""
    run = (
        "bench",
        "run",
        "--model",
        "digits",
        "--backend",
        "patient",
        "--scenario",
        "Server",
        "--mode",
        "performance",
        "--count",
        "30",
        "--qps",
        "30",
        "--max-latency",
        "0.001",
    )
    mlrepo(root, *run, code=1).says("latency bound does not hold", "1 ms allowed", "lower --qps")
    mlrepo(root, "show", "latest").says("advice", "latency bound does not hold")


def test_auto_makes_the_right_next_attempt(root: Path) -> None:
    """Every attempt is recorded; the last one counts for the exit code."""
    run = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "SingleStream",
        "--mode",
        "performance",
        "--time",
        "1",
        "--max-latency",
        "0.5",
    )
    mlrepo(root, *run, code=1).says("ran out of queries", "lower --max-latency")
    mlrepo(root, *run, "--auto").says("next --max-latency")
    runs = mlrepo(root, "log", "--json").json["runs"]
    assert [one["validity"] for one in runs] == ["VALID", "INVALID", "INVALID"]
