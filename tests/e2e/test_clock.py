"""A clock that jumps during a run loses nothing and spoils no estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
