"""The peak search under the limits of token latencies: real LoadGen, a server with a known law.

The server (:mod:`tests.endpoint_server`) has no queue: the time to the first token and per output
token are given by how many requests arrived since the first one, so that both limits are crossed at
rates that are known, however busy this machine is.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests import endpoint_server as scripted
from tests.e2e.driver import mlrepo
from tests.endpoint_server import STREAM, Asked, Server, chunk, delta, event

# Milliseconds at this rate; twice the rate has four times the latency.
_RATE, _FIRST, _EACH, _TOKENS = 50.0, 300.0, 60.0, 5
_PEAK = ("bench", "peak", "--benchmark", "questions", "--backend", "openai")
_SHORT = ("--time", "1", "--probe", "1", "--no-remember", "--json")
# Of a hundred queries the running rate differs too much for a higher percentile, which would also
# need more of them: 700 for the 99th.
_TIMED = ("--set", "target_latency_percentile=50", "--set", "use_token_latencies=1")
_LIMITS = [
    ("Server", {"ttft_latency": 300, "tpot_latency": 600}, _RATE, "TTFT", "TPOT"),
    ("Interactive", {"ttft_latency": 2000, "tpot_latency": 90}, 1.5**0.5 * _RATE, "TPOT", "TTFT"),
]


async def growing(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
    """Answer the later, the more requests of the run arrive per second."""
    if asked.method != "POST":
        server.state.clear()
        writer.write(scripted.reply(200, {"data": [{"id": "smol"}]}))
        return
    slower = 0.01
    if b"What comes after" in asked.body:
        begin = server.state.setdefault("begin", time.monotonic())
        server.state["n"] = number = server.state.get("n", 0) + 1
        # The first ones say nothing about the rate.
        if number > 20:
            slower = ((number - 1) / (time.monotonic() - begin) / _RATE) ** 2
    await asyncio.sleep(_FIRST * slower / 1e3)
    writer.write(STREAM + chunk(event(delta("a"))))
    await asyncio.sleep(_EACH * (_TOKENS - 1) * slower / 1e3)
    rest = [*(delta("b") for _ in range(_TOKENS - 2)), delta("c", "stop"), scripted.usage(_TOKENS)]
    writer.write(b"".join(chunk(event(one)) for one in (*rest, "[DONE]")) + scripted.END)


def searched(root: Path, scenario: str, limits: dict[str, int], qps: float, budget: str) -> Any:
    """Return what a search finds; each of its probes is recorded, and nothing else."""
    given = [f"--set={key}={value}" for key, value in limits.items()]
    with scripted.running(growing) as server:
        there = ("--endpoint", server.url, "--endpoint-model", "smol", "--scenario", scenario)
        start = ("--qps", f"{qps:g}", "--budget", budget, *_TIMED, *given)
        peak = mlrepo(root, *_PEAK, *there, *start, *_SHORT, code=None).json
    runs = mlrepo(root, "log", "--json").json["runs"]
    assert {one["run"] for one in runs} == {one["run"] for one in peak["points"]}
    return peak


def missed(said: str, binding: str, other: str) -> None:
    """Assert that a text says by how much one limit was missed, and that the other held."""
    late, held = (
        next(part for part in said.split(")") if f"{name} at the 50th percentile" in part)
        for name in (binding, other)
    )
    # Early stopping wants 99 % confidence, so that a run may fail just below its limit.
    assert "too long" in late or "early stopping needs" in said, said
    assert "below" in held, said


@pytest.mark.parametrize(("scenario", "limits", "knee", "binding", "other"), _LIMITS)
def test_a_rate_fails_by_the_limit_that_it_crosses(
    root: Path, scenario: str, limits: dict[str, int], knee: float, binding: str, other: str
) -> None:
    """Twice the known rate, which is all that the budget may allow."""
    peak = searched(root, scenario, limits, 2 * knee, "5s")
    first = peak["points"][0]
    assert first["validity"] == "INVALID"
    assert peak["upper"] == first["setting"] and peak["key"] == "target_qps"
    missed(peak["limit"], binding, other)
    missed(peak["reason"].partition(": The latency bound does not hold: ")[2], binding, other)


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "limits", "knee", "binding", "other"), _LIMITS)
def test_a_search_ends_where_the_first_limit_is_crossed(
    root: Path, scenario: str, limits: dict[str, int], knee: float, binding: str, other: str
) -> None:
    """At the known rate, from below."""
    peak = searched(root, scenario, limits, 0.8 * knee, "120s")
    assert peak["value"] == pytest.approx(knee, rel=0.1)
    assert peak["value"] < peak["upper"] == pytest.approx(knee, rel=0.1)
    missed(peak["limit"], binding, other)
    for point in peak["points"]:
        if abs(point["setting"] / knee - 1) > 0.1:
            assert (point["validity"] == "VALID") == (point["setting"] < knee), point


def test_a_bound_that_loadgen_ignores_is_refused(root: Path) -> None:
    """Where tokens are timed the latency of a whole query does not count."""
    there = ("--endpoint", "http://127.0.0.1:1/v1", "--endpoint-model", "smol")
    run = ("--scenario", "Server", "--max-latency", "0.5", *there)
    mlrepo(root, *_PEAK, *run, code=2).says("--max-latency does not apply", "ttft_latency")


def test_a_scenario_of_tokens_needs_their_limits(root: Path) -> None:
    """LoadGen has none for this benchmark, and would hold whole queries to 10 ms."""
    there = ("--endpoint", "http://127.0.0.1:1/v1", "--endpoint-model", "smol")
    done = mlrepo(root, *_PEAK, "--scenario", "Interactive", *there, code=2)
    done.says("LoadGen times no tokens of", "--set use_token_latencies=1", "tpot_latency")
