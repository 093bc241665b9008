"""Runs against a server behind HTTP: recorded with what it is, and never VALID with a failure.

The server is a scripted one (:mod:`tests.endpoint_server`) in the process of the tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlrepo.curation.move import _parts
from mlrepo.record import RunRecord, configuration_digest
from tests import endpoint_server as scripted
from tests.conftest import MadeOnce
from tests.e2e.driver import (
    all_bytes,
    everything,
    finish,
    gone,
    measuring_child,
    mlrepo,
    spooled,
    start,
    until,
)
from tests.e2e.test_consent import pushed_by_a_stranger
from tests.endpoint_server import STREAM, Asked, Server, chunk, delta, event
from tests.llama_server import ALIAS, serving, smollm2_file

TOKEN = "tok-77aa31c9e4d0"
RUN = ("bench", "run", "--benchmark", "questions", "--backend", "openai")
COUNTS = {"Offline": ("--count", "24"), "SingleStream": ("--count", "64")}


async def good(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
    """List one model, and answer with three tokens, one request after the other."""
    if asked.method == "POST":
        # More at a time are no faster, so the warm-up does not try them.
        async with server.state.setdefault("turn", asyncio.Lock()):
            await asyncio.sleep(0.002)
        writer.write(scripted.whole(3))
    elif asked.target == "/version":
        writer.write(scripted.reply(200, {"version": "1.2.3"}))
    else:
        entry = {"id": "smol", "created": time.time_ns(), "owned_by": "sglang", "max_model_len": 64}
        writer.write(scripted.reply(200, {"data": [entry]}, server="uvicorn"))


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers."""
    with scripted.running(good) as running:
        yield running


def at(server: Server, *more: str) -> tuple[str, ...]:
    """Return the options that name a server and its model."""
    return ("--endpoint", server.url, "--endpoint-model", "smol", *more)


def test_a_run_is_recorded_with_the_server_and_repeated_by_its_command(
    root: Path, server: Server
) -> None:
    """Accuracy and performance: who answered, how tokens were counted, and no model file."""
    accuracy = ("--scenario", "Offline", "--mode", "accuracy")
    done = mlrepo(root, *RUN, *at(server), *accuracy, "--json", MLREPO_ENDPOINT_TOKEN=TOKEN)
    record = done.json["record"]
    assert record["validity"] == "VALID" and record["result"]["value"] == 100
    backend, model = record["backend"], record["model"]
    assert (model["name"], model["sha256"], model["files"]) == ("smol", "", [])
    assert backend["endpoint"] == {
        "url": server.url, "model": "smol", "kind": "chat", "authority": "", "here": True,
    }  # fmt: skip
    assert backend["framework"] == "SGLang 1.2.3"
    assert backend["server"]["entry"] == {"id": "smol", "owned_by": "sglang", "max_model_len": 64}
    traffic = backend["traffic"]
    assert traffic["answered"] == traffic["sent"] >= 24
    assert traffic["counted"] == {"usage": traffic["answered"]}
    assert record["sut"] == "box-sglang-endpoint"
    assert record["redactions"] == {} or TOKEN not in json.dumps(record)
    assert {one.headers.get("authorization") for one in server.asked} == {f"Bearer {TOKEN}"}
    assert TOKEN.encode() not in all_bytes(root)

    shown = mlrepo(root, "show")
    shown.says(server.url, "on this machine", "SGLang 1.2.3", "requests answered", "by usage")
    shown.says("smol, as the endpoint calls it", f"--endpoint {server.url} --endpoint-model smol")

    # Also for a scenario without any run: a command without the endpoint would be refused.
    said = mlrepo(root, "status").out.splitlines()
    commands = [line for line in said if line.startswith("Next: mlrepo bench")]
    assert "SingleStream" in commands[-1]
    assert all(f"--endpoint {server.url}" in command for command in commands)

    asked = len(server.asked)
    again = mlrepo(root, "bench", "replay", record["run"], "--json").json["record"]
    assert len(server.asked) > asked
    assert again["configuration"] == record["configuration"]
    assert again["backend"]["endpoint"] == backend["endpoint"]
    # A moved run keeps the digest that a run recorded there would have.
    made_of = _parts(RunRecord.from_dict(record))
    assert record["configuration"] in map(configuration_digest, made_of)


@pytest.mark.parametrize("scenario", ["Offline", "SingleStream", "Server"])
def test_every_scenario_is_driven(root: Path, server: Server, scenario: str) -> None:
    """With the times to the first token and per token that LoadGen computes from the stream."""
    load = COUNTS.get(scenario, ("--qps", "200", "--count", "100"))
    run = ("--scenario", scenario, "--mode", "performance", *load, "--json")
    record = mlrepo(root, *RUN, *at(server), *run, code=None).json["record"]
    assert record["validity"] in ("VALID", "INVALID"), record["reasons"]
    assert not [one for one in record["reasons"] if "error" in one.lower()], record["reasons"]
    traffic = record["backend"]["traffic"]
    assert traffic["answered"] == traffic["sent"]
    assert traffic["tokens"] == 3 * traffic["answered"]
    # What is told in tokens per second is the tokens by the time that they took.
    metrics = record["metrics"]
    rates = {name: one["value"] for name, one in metrics.items() if one["unit"] == "tokens/s"}
    offline = scenario == "Offline"
    took = metrics["max_latency"]["value"] / traffic["sent"] if offline else 0.0
    took = metrics["mean_latency"]["value"] if scenario == "SingleStream" else took
    name = "tokens_per_second" if offline else "completed_tokens_per_second"
    assert set(rates) == {name}
    if took:
        assert rates[name] == pytest.approx(3e3 / took, rel=0.1)


def test_the_warm_up_does_not_fill_a_cache_of_prefixes(root: Path) -> None:
    """A server that keeps prompts sees each sample for the first time when it is measured."""

    async def keeping(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        if asked.method != "POST":
            await good(asked, writer, server)
            return
        prompt = asked.json["messages"][0]["content"]
        known: list[str] = server.state.setdefault("prompts", [])
        common = max((scripted.alike(prompt, one) for one in known), default=0)
        known.append(prompt)
        counted = scripted.usage(3, len(prompt))
        details = {"cached_tokens": common if common >= 6 else 0}
        counted["usage"]["prompt_tokens_details"] = details  # type: ignore[index]
        server.state.setdefault("cached", []).append(details["cached_tokens"])
        events = (delta("a"), delta("b"), delta("c", "stop"), counted, "[DONE]")
        writer.write(STREAM + b"".join(chunk(event(one)) for one in events) + scripted.END)

    with scripted.running(keeping) as server:
        run = ("--scenario", "SingleStream", "--mode", "performance", "--count", "64")
        record = mlrepo(root, *RUN, *at(server), *run, "--json").json["record"]
    measured = [one.startswith("What comes after ") for one in server.state["prompts"]]
    warm = measured.index(True)
    assert warm > 1 and all(measured[warm:])
    # "What comes after " is common to all questions: only the first one is computed whole.
    assert not any(server.state["cached"][: warm + 1]) and all(server.state["cached"][warm + 1 :])
    traffic = record["backend"]["traffic"]
    assert traffic["sent"] == traffic["answered"] == len(measured) - warm
    assert traffic["cached_tokens"] == sum(server.state["cached"][warm:])
    mlrepo(root, "show").says(
        "disturbed", "prompt tokens", "in a cache", "turn the server's prefix"
    )


def test_an_answer_that_fails_is_the_end_of_the_run(root: Path) -> None:
    """The hundredth request gets a fault: FAILED, with how many and why, and nothing placed."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        measured = asked.method == "POST" and b"What comes after" in asked.body
        number = server.state["n"] = server.state.get("n", 0) + measured
        if measured and number >= 100:
            writer.write(scripted.reply(500, {"error": {"message": f"no memory for {TOKEN}"}}))
        else:
            await good(asked, writer, server)

    with scripted.running(script) as server:
        run = ("--scenario", "SingleStream", "--mode", "performance", "--count", "500", "--json")
        done = mlrepo(root, *RUN, *at(server), *run, code=None, MLREPO_ENDPOINT_TOKEN=TOKEN)
    record = done.json["record"]
    assert record["validity"] == "FAILED" and not record["placement"]["placed"]
    said = " ".join(record["reasons"])
    counts = re.search(r"(\d+) of (\d+) requests to \S+ failed, 99 were answered", said)
    assert counts and 0 < int(counts[1]) <= int(counts[2]) - 99, said
    assert "HTTP 500: no memory for <" in said
    assert TOKEN not in json.dumps(record) and TOKEN.encode() not in all_bytes(root)


def test_a_busy_server_stands_beside_the_verdict(root: Path) -> None:
    """The run waits as the server asks; nobody has to look for it."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        measured = asked.method == "POST" and b"What comes after" in asked.body
        number = server.state["n"] = server.state.get("n", 0) + measured
        if measured and number in (2, 3):
            writer.write(scripted.reply(503, {"error": "later"}, retry_after="0"))
        else:
            await good(asked, writer, server)

    with scripted.running(script) as server:
        run = ("--scenario", "Offline", "--mode", "accuracy")
        done = mlrepo(root, *RUN, *at(server), *run)
    done.says("VALID", "refused requests for now 2 times", "part of their latencies")
    record = mlrepo(root, "show", "--json").json["record"]
    assert record["backend"]["traffic"]["busy"] == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--endpoint-model", "smol"), ("--endpoint is missing", "http://127.0.0.1:8000/v1")),
        (("--endpoint", "http://h/v1"), ("--endpoint-model is missing", "URL/models")),
        (("--endpoint", "h:80", "--endpoint-model", "m"), ("not a URL of HTTP",)),
        (("--endpoint", "http://me:pw@h/v1", "--endpoint-model", "m"), ("MLREPO_ENDPOINT_TOKEN",)),
        (("--endpoint", "http://h/v1?key=1", "--endpoint-model", "m"), ("after ? or #",)),
        (("--endpoint", "http://h/v1", "--endpoint-model", "m", "--threads", "2"), ("decides",)),
        (("--endpoint", "http://h/v1", "--endpoint-model", "m", "--device", "cuda"), ("decides",)),
        (
            ("--endpoint", "http://h/v1", "--endpoint-model", "m", "--max-batchsize", "2"),
            ("decides", "connections=N"),
        ),
        (("--backend-opt", "speed=9"), ("no option 'speed'", "stall")),
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense_changes_nothing(
    root: Path, options: tuple[str, ...], says: tuple[str, ...]
) -> None:
    """Refused in words before anything is started."""
    before = everything(root)
    run = ("--scenario", "Offline", "--mode", "accuracy")
    mlrepo(root, *RUN, *run, *options, code=2).says(*says)
    assert everything(root) == before


def test_other_backends_have_no_endpoint(root: Path) -> None:
    """They run models on this machine; the list of what can run names the one that asks servers."""
    mlrepo(root, "bench", "list").says("on a server: --backend openai --endpoint URL")
    run = ("bench", "run", "--benchmark", "digits", "--scenario", "Offline", "--mode", "accuracy")
    done = mlrepo(root, *run, "--endpoint", "http://127.0.0.1:1/v1", code=2)
    done.says("--endpoint does not apply to the backend onnx", "--backend openai")


def test_a_recorded_endpoint_of_others_gets_no_request_without_consent(
    root: Path, server: Server
) -> None:
    """It would get the prompts and the token of the person who repeats the run."""
    run = ("--scenario", "Offline", "--mode", "accuracy", "--json")
    own = mlrepo(root, *RUN, *at(server), *run).json["record"]
    with scripted.running(good) as other:
        endpoint = own["backend"]["endpoint"] | {"url": other.url}
        theirs = pushed_by_a_stranger(root, own["run"], "shared", backend={"endpoint": endpoint})
        replay = ("bench", "replay", theirs, "--on-this-system")
        refused = mlrepo(root, *replay, code=2, MLREPO_ENDPOINT_TOKEN=TOKEN)
        refused.says("endpoint", other.url, "Mallory <m@example.org>", "--trust-prefix")
        assert not other.asked
        mlrepo(root, *replay, "--trust-prefix", MLREPO_ENDPOINT_TOKEN=TOKEN)
        assert other.asked


def test_a_real_server_is_measured(root: Path, made_once: MadeOnce) -> None:
    """llama.cpp with SmolLM2: LoadGen times its first tokens and each further one."""
    with serving(smollm2_file(made_once)) as url:
        there = ("--endpoint", url, "--endpoint-model", ALIAS)
        run = ("--scenario", "SingleStream", "--mode", "performance", "--count", "4", "--json")
        record = mlrepo(root, *RUN, *there, *run, code=None).json["record"]
    # Too few queries for early stopping: what counts is that each was answered and timed.
    assert record["validity"] == "INVALID", record["reasons"]
    traffic, metrics = record["backend"]["traffic"], record["metrics"]
    assert traffic["answered"] == traffic["sent"] and traffic["counted"].keys() == {"usage"}
    assert record["backend"]["server"]["entry"]["meta"]["n_params"] == 134515008
    first = metrics["first_token_50.00_percentile_latency"]["value"]
    token = metrics["time_per_output_token_50.00_percentile"]["value"]
    assert 0 < token < first, (first, token)


def test_there_is_nothing_to_tune(root: Path) -> None:
    """The server decides on threads and batches."""
    there = ("--endpoint", "http://127.0.0.1:1/v1", "--endpoint-model", "m")
    tune = ("bench", "tune", "--benchmark", "questions", "--backend", "openai")
    mlrepo(root, *tune, "--scenario", "Offline", *there, code=2).says("the server decides", "peak")


def test_a_server_that_is_not_there_is_no_run(root: Path) -> None:
    """Nothing is recorded: it was never measured."""
    with scripted.running(good) as server:
        pass
    run = ("--scenario", "Offline", "--mode", "accuracy")
    mlrepo(root, *RUN, *at(server), *run, code=2).says(server.url, "cannot be reached")
    assert mlrepo(root, "log", "--json").json["runs"] == [] and spooled(root) == []


def test_on_another_machine_the_host_is_the_client(root: Path, server: Server) -> None:
    """The description of the system is not compared with the host, and that is said."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, proxy: Server) -> None:
        asked.target = asked.target.removeprefix("http://gpu.test")
        await good(asked, writer, proxy)

    server.script = script
    run = ("--scenario", "Offline", "--mode", "accuracy")
    there = ("--endpoint", "http://gpu.test/v1", "--endpoint-model", "smol")
    proxy = server.url.removesuffix("/v1")
    mlrepo(root, *RUN, *there, *run, http_proxy=proxy, no_proxy=None)
    shown = mlrepo(root, "show")
    shown.says("on another machine", "through a proxy", "facts about the host are the client's")
    assert "  client " in shown.out and "  host  " not in shown.out
    record = mlrepo(root, "show", "--json").json["record"]
    assert record["backend"]["endpoint"]["here"] is False
    assert record["host"]["description"]["compared"] is False


async def _never(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
    """Answer until the test says so; then begin answers and never end one."""
    if "stuck" not in server.state:
        await good(asked, writer, server)
        return
    server.state["waiting"] = server.state.get("waiting", 0) + 1
    writer.write(STREAM + chunk(event(delta("In"))))
    await writer.drain()
    await asked.rest.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_hundreds_in_flight_end_with_the_run(root: Path, number: signal.Signals) -> None:
    """Ctrl-C, and kill -9 of the benchmark: recorded, and no connection is left open."""
    with scripted.running(_never) as server:
        run = ("--scenario", "Server", "--mode", "performance", "--qps", "400", "--time", "60")
        process = start(root, *RUN, *at(server), *run)
        child = measuring_child(root)
        server.state["stuck"] = True
        until(lambda: server.state.get("waiting", 0) > 200, "hundreds of requests in flight")
        if number is signal.SIGINT:
            process.send_signal(number)
        else:
            os.kill(child, number)
        done = finish(process)
        gone(child)
        until(lambda: server.connections == 0, "all connections to be closed")
    assert done.code == (130 if number is signal.SIGINT else 1)
    done.says("INTERRUPTED" if number is signal.SIGINT else "FAILED", "not placed")
    record: dict[str, Any] = mlrepo(root, "show", "--json").json["record"]
    assert record["validity"] in ("INTERRUPTED", "FAILED") and spooled(root) == []
