"""The client of the backend ``openai`` against a scripted server: each fault is said, none hidden.

The server is a real one on a port of its own; only what it answers is a script.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

import pytest

from mlrepo.backends import BackendOptions, SampleRequest
from mlrepo.backends.endpoint import Endpoint
from mlrepo.backends.openai import OpenAiBackend
from mlrepo.backends.openai.prompts import Prompts
from mlrepo.errors import MlrepoError, Unusable, UserError
from mlrepo.generated import Generated
from tests import endpoint_server as scripted
from tests.endpoint_server import END, STREAM, Asked, Script, Server, chunk, delta, event, usage
from tests.endpoint_tls import certificate

_LONG = 20.0
TOKEN = "tok-5f1c9ae27b"


def sent(key: int, sample: Mapping[str, object] | None = None) -> SampleRequest:
    """Return a request for a sample."""
    asked = {"prompt": "Where is Paris?", "max_new_tokens": 8} if sample is None else sample
    return SampleRequest(key, asked, 0)


class Collected:
    """Collects what the backend answers, in place of LoadGen."""

    def __init__(self, wanted: int) -> None:
        self.answers: dict[int, Generated] = {}
        self.firsts: list[int] = []
        self.error: BaseException | None = None
        self._wanted = wanted
        self._done = threading.Event()

    def first_token(self, key: int, output: object) -> None:
        self.firsts.append(key)

    def complete(self, keys: Sequence[int], outputs: Sequence[object]) -> None:
        for key, output in zip(keys, outputs, strict=True):
            assert isinstance(output, Generated)
            assert key in self.firsts and key not in self.answers
            self.answers[key] = output
        if len(self.answers) == self._wanted:
            self._done.set()

    def fail(self, key: int, error: BaseException) -> None:
        self.error = self.error or error
        self._done.set()

    def wait(self) -> dict[int, Generated]:
        assert self._done.wait(_LONG), f"{len(self.answers)} of {self._wanted} answers"
        if self.error is not None:
            raise self.error
        return self.answers


def answering(
    *events: object, raw: bytes | None = None, models: Sequence[str] = ("smol",)
) -> Script:
    """Return a script that lists models, and answers each request with the events."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        if asked.method == "GET":
            await listing(asked, writer, models)
            return
        stream = STREAM + b"".join(chunk(event(one)) for one in events) + END
        writer.write(stream if raw is None else raw)
        if raw is not None:
            await writer.drain()
            writer.close()

    return script


async def listing(asked: Asked, writer: asyncio.StreamWriter, models: Sequence[str]) -> None:
    """Answer a GET: the list of models, and no version."""
    if asked.target == "/v1/models":
        data = [{"id": one, "created": 1, "owned_by": "tests"} for one in models]
        writer.write(scripted.reply(200, {"object": "list", "data": data}, server="scripted"))
    else:
        writer.write(scripted.reply(404, {"error": "no such page"}))


GOOD = (delta("", role="assistant"), delta("In"), delta(" France", "stop"), usage(3), "[DONE]")


@contextmanager
def loaded(
    url: str, kind: str = "chat", authority: str = "", **extra: str
) -> Iterator[OpenAiBackend]:
    """Load the backend for an endpoint, without a warm-up, and close it."""
    backend = OpenAiBackend()
    endpoint = Endpoint(url, "smol", kind, authority)
    try:
        backend.load(Path(), BackendOptions(endpoint=endpoint, extra={"stall": "5", **extra}))
        backend.begin()
        yield backend
    finally:
        backend.close()


def ask(script: Script, number: int = 1, **extra: str) -> dict[int, Generated]:
    """Return the answers of a server with a script to some requests; raise what ends the run."""
    with scripted.running(script) as server, loaded(server.url, **extra) as backend:
        collected = Collected(number)
        backend.submit([sent(key) for key in range(number)], collected)
        return collected.wait()


def refused(script: Script, number: int = 1, **extra: str) -> UserError:
    """Return the error that ends a run of some requests."""
    with pytest.raises(UserError) as caught:
        ask(script, number, **extra)
    assert "Traceback" not in str(caught.value.message)
    return caught.value


@pytest.mark.parametrize(
    "entry",
    [{"max_model_len": 40}, {"context_length": 40}, {"meta": {"n_ctx_train": 40, "n_params": 1}}],
)
def test_a_sample_that_the_server_has_no_room_for_is_refused_before_it_is_sent(
    entry: Mapping[str, object],
) -> None:
    """By its name; a server that does not tell its context, or has room, gets the sample."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        data = [{"id": "smol", **server.state.get("entry", {})}]
        writer.write(scripted.reply(200, {"data": data}))

    ids = {"input_ids": [7] * 33, "max_new_tokens": 8}
    with scripted.running(script) as server:
        with loaded(server.url, "completions") as backend:
            assert backend.prepare(ids, "question-7") is ids
        server.state["entry"] = entry
        with loaded(server.url, "completions") as backend:
            assert backend.prepare({**ids, "max_new_tokens": 7}, "question-7")
            with pytest.raises(UserError, match=r"question-7 .*33 tokens.* up to 8.*40 tokens"):
                backend.prepare(ids, "question-7")
        assert all(asked.method == "GET" for asked in server.asked)


def test_prompts_are_counted_by_the_model_s_tokenizer() -> None:
    """Texts and the messages of a chat; without one they are not counted."""
    chat = {"messages": [{"role": "user", "content": "a b c"}], "max_new_tokens": 4}
    prompts = Prompts("smol", "chat")
    assert prompts.size(chat, lambda text: [0] * len(text.split())) == (3, 4)
    assert prompts.size(chat, None) == (0, 4)
    assert Prompts("smol", "completions").size({"prompt": "a b"}, lambda text: [0, 0]) == (2, 0)


_LONG_PROMPT = "Where in the south of France is the city of Nice, and how far is it to Monaco?"


@pytest.mark.parametrize(
    "sample",
    [
        {"messages": [{"role": "system", "content": _LONG_PROMPT}, {"role": "user"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": _LONG_PROMPT}]}]},
        {"prompt": _LONG_PROMPT},
        {"input_ids": list(range(100, 140))},
        {"prompt": "Hi"},
        {"input_ids": [1, 2]},
    ],
)
def test_a_prompt_of_the_warm_up_begins_as_no_other(sample: Mapping[str, object]) -> None:
    """And is not longer, so that it fits where its sample does; its end is the sample's."""

    def asked(body: bytes) -> str:
        found = json.loads(body)
        if "messages" not in found:
            return str(found["prompt"])
        content = found["messages"][0]["content"]
        return content if isinstance(content, str) else "".join(one["text"] for one in content)

    prompts = Prompts("smol", "chat" if "messages" in sample else "completions")
    sample = {**sample, "max_new_tokens": 8}
    whole = asked(prompts.body(sample)[0])
    warm = [asked(prompts.rehearsal(sample)[0]) for _ in range(9)]
    if "input_ids" in sample:
        ids, *others = (json.loads(one) for one in (whole, *warm))
        assert all(len(one) == len(ids) and one[0] != ids[0] for one in others)
        assert all(one[8:] == ids[8:] and set(one) <= set(ids) for one in others)
        return
    assert len(set(warm)) == 9
    assert all(scripted.alike(*pair) < 6 for pair in combinations([whole, *warm], 2))
    assert all(one.endswith(whole[32:]) for one in warm)


def test_the_warm_up_is_not_counted() -> None:
    """Nor does it show the server a prompt that is measured."""
    with scripted.running(answering(*GOOD)) as server:
        backend = OpenAiBackend()
        backend.load(Path(), BackendOptions(endpoint=Endpoint(server.url, "smol", "chat", "")))
        try:
            for part in range(2):
                collected = Collected(3)
                backend.submit([sent(key) for key in range(3)], collected)
                collected.wait()
                if not part:
                    backend.begin()
            traffic = backend.traffic()
        finally:
            backend.close()
    asked = [one.json["messages"][0]["content"] for one in server.asked if one.method == "POST"]
    assert "Where is Paris?" not in asked[:3] and asked[3:] == ["Where is Paris?"] * 3
    assert (traffic["sent"], traffic["answered"], traffic["tokens"]) == (3, 3, 9)


def test_hundreds_of_requests_are_answered_on_kept_connections() -> None:
    """Each once, in any order, with at most as many connections as allowed."""
    with scripted.running(answering(*GOOD)) as server, loaded(server.url, connections="8") as one:
        collected = Collected(300)
        one.submit([sent(key) for key in range(200)], collected)
        one.submit([sent(key) for key in range(200, 300)], collected)
        assert collected.wait() == dict.fromkeys(range(300), Generated("In France", [], 3))
        assert server.connections <= 8
        traffic = one.traffic()
    assert (traffic["sent"], traffic["answered"], traffic["tokens"]) == (300, 300, 900)
    assert traffic["counted"] == {"usage": 300} and traffic["most_in_flight"] > 8


@pytest.mark.parametrize(
    ("kind", "sample", "target", "asks"),
    [
        (
            "chat",
            {"messages": [{"role": "user", "content": "Hi"}], "max_new_tokens": 8},
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8},
        ),
        ("chat", {"prompt": "Hi"}, "/v1/chat/completions", {"max_tokens": None}),
        (
            "completions",
            {"prompt": "Hi", "input_ids": [1, 2]},
            "/v1/completions",
            {"prompt": [1, 2]},
        ),
        (
            "completions",
            {"prompt": "Hi", "min_new_tokens": 2},
            "/v1/completions",
            {"min_tokens": 2},
        ),
    ],
)
def test_a_sample_is_asked_in_the_words_of_the_api(
    kind: str, sample: Mapping[str, object], target: str, asks: Mapping[str, object]
) -> None:
    """Greedily, as a stream, with the usage at its end."""
    with scripted.running(answering(*GOOD)) as server, loaded(server.url, kind) as backend:
        collected = Collected(1)
        backend.submit([sent(7, sample)], collected)
        collected.wait()
        asked = server.asked[-1]
    assert asked.target == target
    body = asked.json
    assert {key: body.get(key) for key in asks} == asks
    assert (body["model"], body["temperature"], body["stream"]) == ("smol", 0, True)
    assert body["stream_options"] == {"include_usage": True} and "return_token_ids" not in body


@pytest.mark.parametrize(
    ("kind", "sample", "hint"),
    [
        ("chat", {"input_ids": [1, 2]}, "completions"),
        ("completions", {"messages": [{"role": "user", "content": "Hi"}]}, "chat"),
        ("chat", "text", "language model"),
    ],
)
def test_a_sample_of_another_form_is_refused(kind: str, sample: object, hint: str) -> None:
    """With the kind of endpoint that would take it."""
    with (
        scripted.running(answering(*GOOD)) as server,
        loaded(server.url, kind) as backend,
        pytest.raises(UserError) as caught,
    ):
        backend.submit([sent(1, sample)], Collected(1))  # type: ignore[arg-type]
    assert hint in caught.value.hint


def test_nobody_at_the_port_is_said_before_the_run() -> None:
    """With the URL, and what to check."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(Unusable) as caught, loaded(url):
            pass
    assert url in caught.value.message and "Connect call failed" in caught.value.message
    assert "--endpoint" in caught.value.hint


def test_another_model_is_refused_with_those_there_are() -> None:
    """Before the run: a run would be 404 for each sample."""
    with (
        scripted.running(answering(models=("llama", "qwen"))) as server,
        pytest.raises(UserError, match="does not serve the model 'smol'") as caught,
        loaded(server.url),
    ):
        pass
    assert "llama, qwen" in caught.value.hint


def _status(status: int, body: object, **headers: str) -> Script:
    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        if asked.method == "GET":
            await listing(asked, writer, ("smol",))
        else:
            writer.write(scripted.reply(status, body, **headers))

    return script


@pytest.mark.parametrize(
    ("status", "body", "says", "hint"),
    [
        (401, {"error": {"message": f"bad key {TOKEN}"}}, "HTTP 401: bad key <token>", "TOKEN"),
        (403, {"detail": "not yours"}, "HTTP 403: not yours", "TOKEN"),
        (404, {"error": {"message": "no model"}}, "HTTP 404: no model", "--endpoint-model"),
        (429, {"error": "slow down"}, "HTTP 429: slow down", "fewer"),
        (500, "boom \x1b[31m", "HTTP 500: boom", "log of the server"),
    ],
)
def test_a_refusal_is_the_end_of_the_run(
    monkeypatch: pytest.MonkeyPatch, status: int, body: object, says: str, hint: str
) -> None:
    """With the words of the server, without the token, and how many requests it was."""
    monkeypatch.setenv("MLREPO_ENDPOINT_TOKEN", TOKEN)
    error = refused(_status(status, body), 5)
    assert "5 of 5 requests" in error.message and "0 were answered" in error.message
    assert says in error.message and "(5 times)" in error.message and hint in error.hint
    assert TOKEN not in error.message + error.hint + error.detail and "\x1b" not in error.message


def test_a_server_that_is_busy_is_asked_again_and_that_is_counted() -> None:
    """429 with Retry-After: the waiting is part of the latency, and the record says how often."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        server.state["posts"] = server.state.get("posts", 0) + (asked.method == "POST")
        if asked.method == "POST" and server.state["posts"] <= 2:
            writer.write(scripted.reply(429, {"error": "later"}, retry_after="1"))
        else:
            await answering(*GOOD)(asked, writer, server)

    begin = time.monotonic()
    with scripted.running(script) as server, loaded(server.url) as backend:
        collected = Collected(4)
        backend.submit([sent(key) for key in range(4)], collected)
        assert len(collected.wait()) == 4
        assert time.monotonic() - begin >= 1
        assert backend.traffic()["busy"] == 2 and backend.traffic()["answered"] == 4


def test_what_was_answered_is_counted_beside_what_failed() -> None:
    """The tenth request gets a fault of the server: the run has failed, and says so."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        number = server.state["n"] = server.state.get("n", 0) + (asked.method == "POST")
        if number == 10:
            await asyncio.sleep(0.3)
            writer.write(scripted.reply(500, {"error": {"message": "out of memory"}}))
        else:
            await answering(*GOOD)(asked, writer, server)

    error = refused(script, 20)
    assert error.message.startswith("1 of 20 requests") and "19 were answered" in error.message


def _part(*events: object) -> bytes:
    return STREAM + b"".join(chunk(event(one)) for one in events)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (_part(delta("In")), "closed the connection in the middle of an answer"),
        (STREAM, "closed the connection in the middle of an answer"),
        (STREAM + b"zz\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n", "text/html"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        (b"", "closed the connection without an answer"),
    ],
    ids=["in the middle", "before the first event", "no chunk", "a page", "no HTTP", "nothing"],
)
def test_a_connection_that_breaks_is_no_answer(raw: bytes, says: str) -> None:
    """However much of the answer had come."""
    assert says in refused(answering(raw=raw)).message


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ((delta("In"), "{half", "[DONE]"), "not JSON"),
        ((delta("In"), "[DONE]"), "without a finish_reason"),
        ((delta("In", "stop"), delta("", "stop"), usage(1), "[DONE]"), "second finish_reason"),
        ((delta("In", "stop"), "[DONE]"), "nobody knows how many tokens"),
        ((delta("", "stop"), usage(0), "[DONE]"), "no token"),
        ((delta("In", "length"), usage(9), "[DONE]"), "at most 8 were asked for"),
        (({"error": {"message": "CUDA error"}},), "CUDA error"),
    ],
)
def test_a_malformed_answer_is_the_end_of_the_run(events: Sequence[object], says: str) -> None:
    """The stream itself is the server's: what it lacks is said."""
    assert says in refused(answering(*events)).message


def test_a_stream_may_arrive_in_single_bytes() -> None:
    """Characters of several bytes, and events, are cut anywhere."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        if asked.method == "GET":
            await listing(asked, writer, ("smol",))
            return
        writer.write(STREAM)
        body = (
            event(delta("東京 ")) + event(delta("🎉", "stop")) + event(usage(2)) + event("[DONE]")
        )
        for byte in body:
            writer.write(chunk(bytes([byte])))
            await asyncio.sleep(0)
        writer.write(END)

    assert ask(script) == {0: Generated("東京 🎉", [], 2)}


def test_a_server_that_stalls_is_given_up() -> None:
    """While one stalls the other answers; then nothing comes, and the run ends with words."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        number = server.state["n"] = server.state.get("n", 0) + (asked.method == "POST")
        if number == 1:
            writer.write(_part(delta("In")))
            await writer.drain()
            await asyncio.sleep(60)
        else:
            await answering(*GOOD)(asked, writer, server)

    error = refused(script, 3, stall="1")
    assert "no part of an answer" in error.message
    assert "1 of 3 requests wait" in error.message and "stall" in error.hint


@pytest.mark.parametrize("days", [-1, 400])
def test_a_clock_that_is_set_changes_no_latency_and_ends_no_request(
    monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """All times of the client are of the monotonic clock, also the watch for stalls."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        if asked.method == "POST":
            await asyncio.sleep(0.3)
        await answering(*GOOD)(asked, writer, server)

    real, ahead = (time.time, time.time_ns), [0.0]
    monkeypatch.setattr(time, "time", lambda: real[0]() + ahead[0])
    monkeypatch.setattr(time, "time_ns", lambda: real[1]() + round(ahead[0] * 1e9))
    with scripted.running(script) as server, loaded(server.url, stall="2") as backend:
        for part in range(2):
            collected = Collected(4)
            backend.submit([sent(key) for key in range(4)], collected)
            ahead[0] += days * 86_400
            assert len(collected.wait()) == 4, part
        served = backend.traffic()["served"]
        assert server.connections == 4  # kept, not taken for idle
    assert 300 <= served["latency"]["50"] <= served["latency"]["99"] < 3000
    assert 0 <= served["tpot"]["50"] < 1000


def test_an_idle_connection_that_the_server_closed_is_no_failure() -> None:
    """The request is sent again, once, and that is counted."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        number = server.state["n"] = server.state.get("n", 0) + (asked.method == "POST")
        if number == 2:
            writer.close()  # as if the time of an idle connection had just ended
        else:
            await answering(*GOOD)(asked, writer, server)

    with scripted.running(script) as server, loaded(server.url) as backend:
        for key in (1, 2):
            collected = Collected(1)
            backend.submit([sent(key)], collected)
            assert list(collected.wait()) == [key]
        assert backend.traffic()["resent"] == 1


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither for the list of models nor for a request."""
    monkeypatch.setenv("MLREPO_ENDPOINT_TOKEN", TOKEN)
    with scripted.running(answering(*GOOD)) as other:
        moved = _status(307, {}, location=f"{other.url}/chat/completions")
        assert f"redirects to {other.url}" in refused(moved).message

        async def all_moved(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
            writer.write(scripted.reply(308, {}, location=other.url))

        with (
            scripted.running(all_moved) as server,
            pytest.raises(Unusable, match="redirects to"),
            loaded(server.url),
        ):
            pass
        assert not other.asked
        assert all(one.headers["authorization"] == f"Bearer {TOKEN}" for one in server.asked)


def test_without_a_token_none_is_sent() -> None:
    """Not even an empty one."""
    with scripted.running(answering(*GOOD)) as server, loaded(server.url):
        assert "authorization" not in server.asked[0].headers
        # A compressed stream would hold tokens back.
        assert server.asked[0].headers["accept-encoding"] == "identity"


def test_a_token_that_no_header_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without showing it."""
    monkeypatch.setenv("MLREPO_ENDPOINT_TOKEN", f"{TOKEN} x")
    with pytest.raises(Unusable, match="MLREPO_ENDPOINT_TOKEN") as caught, loaded("http://x/v1"):
        pass
    assert TOKEN not in caught.value.message


def test_a_self_signed_certificate_has_to_be_named(tmp_path: Path) -> None:
    """Verification is never off; --endpoint-ca trusts one more file."""
    own, key = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    with scripted.running(answering(*GOOD), context, "localhost") as server:
        with pytest.raises(Unusable, match="not trusted") as caught, loaded(server.url):
            pass
        assert "--endpoint-ca" in caught.value.hint
        with loaded(server.url, authority=str(own)) as backend:
            collected = Collected(1)
            backend.submit([sent(1)], collected)
            assert collected.wait()[1].text == "In France"
    with pytest.raises(Unusable, match="no certificate"), loaded("https://x", authority=str(key)):
        pass


def test_a_proxy_of_the_environment_is_used_for_other_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It gets the whole URL; NO_PROXY and this machine go without it."""
    with scripted.running(answering(*GOOD)) as proxy, scripted.running(answering(*GOOD)) as direct:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))

        async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
            asked.target = asked.target.removeprefix("http://gpu.test:8000")
            await answering(*GOOD)(asked, writer, server)

        proxy.script = script
        with loaded("http://gpu.test:8000/v1") as backend:
            assert backend.describe()["server"]["proxy"] is True
        assert proxy.asked and proxy.asked[0].headers["host"] == "gpu.test:8000"
        asked = len(proxy.asked)
        with loaded(direct.url) as backend:
            assert backend.describe()["server"]["proxy"] is False
        assert len(proxy.asked) == asked and direct.asked
        monkeypatch.setenv("no_proxy", "gpu.test")
        with pytest.raises(Unusable, match="cannot be reached"), loaded("http://gpu.test:8000/v1"):
            pass
        assert len(proxy.asked) == asked


def test_closing_cancels_what_is_in_flight() -> None:
    """Hundreds of requests wait; the server sees all connections closed, and no answer comes."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        if asked.method == "GET":
            await listing(asked, writer, ("smol",))
            return
        writer.write(_part(delta("In")))
        await writer.drain()
        await asked.rest.read()

    with scripted.running(script) as server:
        with loaded(server.url) as backend:
            collected = Collected(300)
            backend.submit([sent(key) for key in range(300)], collected)
            deadline = time.monotonic() + _LONG
            while len(collected.firsts) < 300 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert len(collected.firsts) == 300
        deadline = time.monotonic() + _LONG
        while server.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not server.connections
        assert not collected.answers and collected.error is None
        assert not [one for one in threading.enumerate() if one.name == "endpoint"]


def test_what_a_server_says_of_itself_is_kept() -> None:
    """Its list of models, without what changes from call to call, and its version."""

    async def script(asked: Asked, writer: asyncio.StreamWriter, server: Server) -> None:
        if asked.target == "/version":
            writer.write(scripted.reply(200, {"version": "0.32.1"}, server="uvicorn"))
        elif asked.target == "/v1/models":
            entry = {"id": "smol", "created": next(_clock), "owned_by": "vllm", "root": "/m/smol"}
            writer.write(scripted.reply(200, {"data": [entry]}, server="uvicorn"))
        else:
            await answering(*GOOD)(asked, writer, server)

    with scripted.running(script) as server:
        descriptions = []
        for _ in range(2):
            with loaded(server.url) as backend:
                descriptions.append(backend.describe())
                collected = Collected(1)
                backend.submit([sent(1)], collected)
                collected.wait()
    assert descriptions[0] == descriptions[1]
    assert descriptions[0]["framework"] == "vLLM 0.32.1"
    assert descriptions[0]["server"]["entry"] == {
        "id": "smol",
        "owned_by": "vllm",
        "root": "/m/smol",
    }
    assert server.asked[-1].json["return_token_ids"] is True


_clock = itertools.count(1_700_000_000)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"extra_body": "[1]"}, "not a JSON object"),
        ({"connections": "none"}, "positive"),
        ({"token_ids": "maybe"}, "no such token_ids"),
        ({"tokenizer": "/nowhere/tokenizer.json"}, "cannot be read"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(extra: dict[str, str], says: str) -> None:
    """Before anything is sent."""
    with scripted.running(answering(*GOOD)) as server:
        with pytest.raises(MlrepoError, match=says), loaded(server.url, **extra):
            pass
        assert not any(one.method == "POST" for one in server.asked)


def test_further_fields_of_a_request_can_be_set() -> None:
    """For what a server has beyond the API."""
    with scripted.running(answering(*GOOD)) as server:
        with loaded(server.url, extra_body='{"ignore_eos": true, "temperature": 1}') as backend:
            collected = Collected(1)
            backend.submit([sent(1)], collected)
            collected.wait()
        body = server.asked[-1].json
    assert body["ignore_eos"] is True and body["temperature"] == 1


def test_the_tokenizer_counts_where_the_server_does_not(tmp_path: Path) -> None:
    """A word-level tokenizer made on the spot: three words are three tokens, in two chunks."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"In": 4, "the": 5, "south": 6, "?": 0}, unk_token="?")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    file = tmp_path / "tokenizer.json"
    made.save(str(file))
    script = answering(delta("In the"), delta(" south", "stop"), "[DONE]")
    assert ask(script, tokenizer=str(file)) == {0: Generated("In the south", [4, 5, 6], 3)}


def test_open_files_are_allowed_as_needed() -> None:
    """A soft limit of 1,024 would stop an Offline run at the thousandth connection."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with scripted.running(answering(*GOOD)) as server, loaded(server.url, connections="400"):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 464
        assert os.getpid()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
