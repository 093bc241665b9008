"""A sweep runs every combination once, is recorded in Git alone, and goes on after any stop."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from tests import endpoint_server as scripted
from tests.e2e.driver import mlrepo, start, until
from tests.endpoint_server import Asked, Server
from tests.samples import git

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "sweep.toml"
# Runs of less than a second; a Server's duration is known from its options, without a probe.
SWEEP = (
    *("bench", "sweep", "--benchmark", "digits", "--scenario", "Server", "--max-batchsize", "1"),
    *("--max-latency", "0.05", "--time", "0.2", "--count", "60"),
)


def _runs(root: Path) -> list[dict[str, Any]]:
    if not git(root, "branch", "--list", "exp/*"):
        return []
    runs: list[dict[str, Any]] = mlrepo(root, "log", "--json").json["runs"]
    return runs


def test_the_example_is_a_plan_and_means_what_its_options_mean(root: Path) -> None:
    """A file and typed options make the same request, and so the same name without one."""
    plan = mlrepo(root, "bench", "sweep", str(EXAMPLE), "--dry-run", "--json").json
    assert plan["name"] == "threads-and-load"
    assert len(plan["cells"]) == 15
    assert plan["axes"] == {
        "benchmark": 1,
        "scenario": 1,
        "backend": 2,
        "threads": 2,
        "time": 1,
        "max-latency": 1,
        "qps": 5,
    }
    assert plan["cells"][4]["values"]["qps"] == "8000"
    assert 15 * 5 < plan["seconds"] < 15 * 10
    again = mlrepo(root, *plan["command"][1:], "--dry-run", "--json").json
    assert again == plan
    shown = mlrepo(root, "bench", "sweep", str(EXAMPLE), "--qps", "500,600", "--dry-run")
    shown.says("6 of 6 to run", "BACKEND THREADS QPS STATE", "null 1 600 missing, to run")
    narrow = mlrepo(root, "bench", "sweep", str(EXAMPLE), "--dry-run", COLUMNS="60")
    assert max(map(len, narrow.out.splitlines())) <= 60
    assert not _runs(root)


def test_what_cannot_be_run_is_refused_before_anything_starts(root: Path) -> None:
    """Each with what is wrong, where, and what to do; nothing is recorded."""
    for words, said in (
        ("--qps 1:1000000:1", ("1,000,000 cells", "days", "--max-cells 1000000", "--adaptive")),
        ("--qps 10,20 --backend null --backend openai", ("--endpoint", "backend=openai")),
        ("--qps 10 --backend null --backend-opt streams=1", ("null has no option 'streams'",)),
        ("--qps 10 --backend null --precision int4", ("int4", "precision=int4")),
        ("--qps 10 --concurrency 1,2", ("no axis concurrency", "--backend openai")),
        ("--qps 10 --qps 10", ("--qps has 10 twice",)),
        ("--qps 20:10:log3", ("does not end above its beginning",)),
        ("--qps 10 --set nonsense=1", ("nonsense",)),
        ("--qps 10 --name A/B", ("cannot be a tag",)),
        ("--qps 10 --budget soon", ("is not a budget", "40runs")),
        ("--qps 10 --exclude qps=10", ("Every combination is excluded",)),
        ("--qps 10 --adaptive", ("three values",)),
        ("--qps 10 --limit tpt=1", ("no limit 'tpt'", "tpot")),
        ("--qps 10 --model-variant a", ("one model only",)),
    ):
        mlrepo(root, *SWEEP, *words.split(), code=2).says(*said)
    mlrepo(root, "bench", "sweep", "--qps", "10", code=2).says("--benchmark and --scenario")
    mlrepo(root.parent, *SWEEP, "--qps", "10", code=2).says("results repository")
    assert not _runs(root)


def test_a_killed_sweep_goes_on_and_failures_end_nothing(root: Path) -> None:
    """kill -9 in the second run; no cell is run twice, and the failing backend is left after three.

    The same sweep under its name with other values is another one, and is refused.
    """
    words: tuple[str, ...] = (
        *SWEEP,
        "--backend",
        "raising",
        "--backend",
        "null",
        "--qps",
        "300,310,320,330,340",
    )
    for rate in (310, 320, 330):
        words += ("--exclude", f"backend=null,qps={rate}")
    process = start(root, *words, "--name", "first")
    # Asking `mlrepo log` would take as long as a run of this backend.
    branch = root / ".git" / "refs" / "heads" / "exp" / "box"
    until(branch.exists, "the first run")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    before = len(_runs(root))
    done = mlrepo(root, "bench", "resume", code=1)
    done.says(
        *("kernel launch failed", "the backend raising failed 3 times", "2 of 7 cells measured"),
        *("Failed", "--retry-failed"),
    )
    runs = _runs(root)
    cells = [tag for run in runs for tag in run["tags"] if tag.startswith("cell-")]
    # The run that was killed was recorded as INTERRUPTED or failed, or not begun.
    killed = [run for run in runs if run["validity"] == "INTERRUPTED"]
    assert len(cells) - len(killed) == len(set(cells))
    assert all({"sweep", "sweep-first"} <= set(run["tags"]) for run in runs)
    assert not any(run["placed"] for run in runs)
    measured = [run for run in runs if run["validity"] in ("VALID", "INVALID")]
    assert len(measured) == 2
    assert before <= 2
    # The same command has nothing to do but what was never tried.
    plan = mlrepo(root, *words, "--name", "first", "--json", code=1).json
    assert [len(cell["measured"]) for cell in plan["cells"]] == [0, 0, 0, 0, 0, 1, 1]
    assert len(plan["failed"]) == 5
    assert len(plan["runs"]) == len(killed) + 1
    (curve,) = (one for one in plan["curves"] if one["backend"] == "null")
    assert [point["load"] for point in curve["points"]] == [300, 340]
    assert all(point["p99"] for point in curve["points"])
    retried = (*words, "--name", "first", "--retry-failed", "--budget", "1runs")
    once = mlrepo(root, *retried, code=1)
    once.says("raising, qps 300: FAILED", "The budget does not allow", "bench resume")
    other = mlrepo(root, *words, "--name", "first", "--qps", "400", code=2)
    other.says("recorded with another plan", "--qps 400", "--name")
    # They are no results: nothing is shown as done.
    assert mlrepo(root, "status", "--json").json["results"] == []
    charts = mlrepo(root, "report", "--format", "svg", "--chart", "help").out
    assert "load-digits-Server-box-null-latency" in charts


def test_further_points_are_placed_within_a_budget_of_runs(root: Path) -> None:
    """The backend takes a millisecond: its limit lies below 1000 queries/s, and is enclosed."""
    words = (
        *("bench", "sweep", "--benchmark", "digits", "--scenario", "Server"),
        *("--backend", "steady", "--max-batchsize", "1", "--max-latency", "0.05"),
        *("--time", "0.5", "--qps", "100:3200:log3", "--adaptive", "--resolution", "0.1"),
    )
    stopped = mlrepo(root, *words, "--budget", "4runs", "--json", code=1).json
    assert len(stopped["runs"]) == 4
    assert stopped["left"] >= 1
    done = mlrepo(root, *words, "--budget", "4 runs", "--json", code=None).json
    (curve,) = done["curves"]
    loads = {point["load"] for point in curve["points"]}
    assert {100, 565.7, 3200} < loads
    assert len(_runs(root)) == 4 + len(done["runs"]) <= 8
    assert 90 < curve["knee"]["load"] < 1100
    if not done["left"]:
        assert curve["knee"]["above"] <= curve["knee"]["load"] * 1.1001


async def _two_slots(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
    """Answer two requests at a time, each in 20 ms; the others wait."""
    if asked.method == "POST":
        async with server.state.setdefault("slots", asyncio.Semaphore(2)):
            await asyncio.sleep(0.02)
        writer.write(scripted.whole(3))
    else:
        writer.write(scripted.reply(200, {"data": [{"id": "smol"}]}))


def test_a_concurrency_curve_of_an_endpoint_is_measured_from_sending(root: Path) -> None:
    """LoadGen's Offline latencies are mostly waiting in the client; these are the server's."""
    with scripted.running(_two_slots) as server:
        words = (
            *("bench", "sweep", "--benchmark", "questions", "--backend", "openai"),
            *("--endpoint", server.url, "--endpoint-model", "smol", "--scenario", "Offline"),
            *("--count", "48", "--concurrency", "1,2,8", "--limit", "latency=50"),
        )
        done = mlrepo(root, *words, "--json", code=None).json
    (curve,) = done["curves"]
    one, two, eight = curve["points"]
    assert [point["load"] for point in (one, two, eight)] == [1, 2, 8]
    assert 20 <= one["p50"] < 60 <= eight["p50"]
    assert one["ttft"] <= one["p99"]
    assert two["achieved"] > 1.3 * one["achieved"]
    # Of eight under way two are answered in 20 ms: the median keeps no limit of 50 ms.
    assert one["goodput"]["rate"] > 0.5 * one["achieved"]
    assert eight["goodput"]["rate"] <= 0.5 * eight["achieved"]
    assert not eight["goodput"]["exact"]
    assert curve["knee"]["load"] in (1, 2)
    charts = mlrepo(root, "report", "--format", "svg", "--chart", "help").out
    assert "concurrency-questions-box-openai-throughput" in charts
    assert "concurrency-questions-box-openai-latency" in charts
