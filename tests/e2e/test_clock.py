"""A clock that jumps during a run loses nothing, spoils no estimate, and makes no result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clock_shim import SettableClock
from tests.e2e.driver import finish, measuring_child, mlrepo, start

DAY = 86_400


@pytest.mark.parametrize("days", [-1, 400])
def test_a_clock_that_jumps_during_a_run(root: Path, tmp_path: Path, days: int) -> None:
    """The run is recorded with both times as the clock told them; order and estimates hold."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    jumping: dict[str, Any] = {"MLREPO_TEST_CLOCK": str(clock)}
    offline = (
        "bench",
        "run",
        "--model",
        "digits",
        "--backend",
        "patient",
        "--scenario",
        "SingleStream",
        "--mode",
        "performance",
        "--time",
        "3",
    )
    running = start(root, *offline, **jumping)
    measuring_child(root)
    clock.write_text(str(days * DAY))
    assert finish(running).code == 0
    first = mlrepo(root, "show", "latest", "--json").json["record"]
    assert first["validity"] == "VALID"
    assert (first["ended"] < first["started"]) == (days < 0)
    # The next run has an older id, or the clock is set right again: it is the newest all the same.
    clock.write_text("0" if days > 0 else str(days * DAY))
    mlrepo(root, *offline[:-1], "1", **jumping)
    runs = mlrepo(root, "log", "--json").json["runs"]
    assert [run["run"] for run in runs][1] == first["run"]
    assert (runs[0]["run"] < first["run"]) == (days < 0)
    suite = ("bench", "suite", "--model", "digits", "--backend", "patient", "--quick")
    plan = (*suite, "--rerun", "all", "--scenario", "SingleStream", "--plan", "--json")
    steps = mlrepo(root, *plan, **jumping).json["plan"]
    assert all(0 < step["seconds"] < 120 for step in steps)
    mlrepo(root, "status", **jumping).says("SingleStream", "short")


@pytest.mark.parametrize("seconds", [-3600, 0.2])
def test_a_clock_that_is_set_while_loadgen_measures_by_it_ends_the_run(
    root: Path, tmp_path: Path, seconds: float
) -> None:
    """LoadGen takes times from the time of day: set back by an hour it would wait as long."""
    clock = SettableClock(tmp_path)
    run = ("bench", "run", "--model", "digits", "--backend", "patient", "--mode", "performance")
    server = ("--scenario", "Server", "--qps", "20", "--time", "60", "--max-batchsize", "1")
    running = start(root, *run, *server, **clock.environ)
    measuring_child(root)
    clock.set_by(seconds)
    done = finish(running)
    assert done.code == 1
    where = "back by 3600 s" if seconds < 0 else "forward by 0.2"
    done.says("FAILED", f"clock was set {where}", "not placed")
    record = mlrepo(root, "show", "latest", "--json").json["record"]
    assert record["validity"] == "FAILED" and record["result"]["value"] is None
    assert (record["ended"] < record["started"]) == (seconds < 0)


def test_answers_are_the_same_by_any_clock(root: Path, tmp_path: Path) -> None:
    """An accuracy run measures nothing."""
    clock = SettableClock(tmp_path)
    run = ("bench", "run", "--model", "digits", "--backend", "patient", "--mode", "accuracy")
    stream = ("--scenario", "SingleStream", "--max-batchsize", "1", "--count", "150")
    running = start(root, *run, *stream, **clock.environ)
    measuring_child(root)
    clock.set_by(-3600)
    done = finish(running)
    record = mlrepo(root, "show", "latest", "--json").json["record"]
    assert record["validity"] in ("VALID", "INVALID") and "clock" not in done.out + done.err
    assert record["accuracy"]["judged"] == 150 and record["ended"] < record["started"]
