"""What the client of the backend openai costs: requests per second, and the latency it adds.

The server is a program that answers each request with one stream of ``--tokens`` tokens, in one
write. Server and client have a core each. All figures of one table come from one interleaved run;
the rates are given by the client's wall time and by its CPU time, which other processes on the
machine disturb less, and the best of the rounds counts.

Usage::

    python -m benchmarks.endpoint rate [--requests 4000] [--in-flight 64] [--rounds 5]
        [--peer guidellm=VENV/bin/python] [--peer endpoints=VENV/bin/python] [--peer aiperf=…]
    python -m benchmarks.endpoint latency [--rate 100] [--seconds 10] [--rounds 5]

``rate`` compares with the clients of peers, each from an environment of its own in which the peer
is installed (``pip install guidellm``; a checkout of mlcommons/endpoints). ``latency`` compares the
99th percentile with that of a bare blocking socket, which does nothing but wait for the last byte.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import child
from mlrepo.backends import SampleRequest
from tests.endpoint_server import reply, whole

_PEERS = Path(__file__).with_name("endpoint_peers.py")
_PROMPT = "Where is the river that the town was named after? " * 4
_SERVER_CORE, _CLIENT_CORE = 1, 0


class _Speaker(asyncio.Protocol):
    """Answers each request of a connection at once: a stream to a POST, the models to a GET."""

    def __init__(self, stream: bytes, models: bytes) -> None:
        self._stream, self._models = stream, models
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that has arrived as a whole."""
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n") + 4) > 3:
            head = self._rest[:end].lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            end += int(length or 0)
            if len(self._rest) < end:
                return
            self._rest = self._rest[end:]
            self._transport.write(self._models if head.startswith(b"get") else self._stream)


def serve(tokens: int) -> None:
    """Serve on a free port, which is printed, until standard input ends."""
    models = reply(200, {"data": [{"id": "m"}]})

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Speaker(whole(tokens), models), "127.0.0.1", 0, backlog=2048
        )
        print(server.sockets[0].getsockname()[1], flush=True)
        await loop.run_in_executor(None, sys.stdin.read)

    _on_core(_SERVER_CORE)
    asyncio.run(main())


class ClosedLoop:
    """Sends a request for each answer until there were enough; counts what is answered."""

    def __init__(self, url: str, requests: int, tokens: int) -> None:
        from mlrepo.backends import BackendOptions
        from mlrepo.backends.endpoint import Endpoint
        from mlrepo.backends.openai import OpenAiBackend

        self._backend = OpenAiBackend()
        self._backend.load(Path(), BackendOptions(endpoint=Endpoint(url, "m", "chat")))
        self._backend.begin()
        self._sample = {"prompt": _PROMPT, "max_new_tokens": tokens}
        self._left = requests
        self._requests = requests
        self._answered = 0
        self._done = threading.Event()
        self.took: dict[int, float] = {}
        self._begun: dict[int, float] = {}

    def run(self, in_flight: int) -> None:
        """Answer all requests, so many at a time."""
        self._left -= in_flight
        self._send(range(in_flight))
        self._done.wait()
        self._backend.close()

    def pace(self, rate: float) -> list[float]:
        """Send the requests at a steady rate; return the seconds that each took."""
        begin = time.perf_counter()
        self._left = 0
        for key in range(self._requests):
            time.sleep(max(0.0, begin + key / rate - time.perf_counter()))
            self._begun[key] = time.perf_counter()
            self._send([key])
        self._done.wait()
        self._backend.close()
        return list(self.took.values())

    def first_token(self, key: int, output: object) -> None:
        """Do nothing: the mark is LoadGen's."""

    def complete(self, keys: Sequence[int], outputs: Sequence[object]) -> None:
        """Count an answer, and send the next request."""
        for key in keys:
            if key in self._begun:
                self.took[key] = time.perf_counter() - self._begun[key]
        self._answered += len(keys)
        if self._left:
            self._left -= 1
            self._send([self._requests - self._left])
        elif self._answered == self._requests:
            self._done.set()

    def fail(self, key: int, error: BaseException) -> None:
        """End the process."""
        print(error, file=sys.stderr)
        os._exit(1)

    def _send(self, keys: Sequence[int]) -> None:
        self._backend.submit([SampleRequest(key, self._sample, 0) for key in keys], self)


def ours(url: str, requests: int, in_flight: int, tokens: int) -> None:
    """Client process: print requests per second by wall time and by CPU time."""
    loop = ClosedLoop(url, requests, tokens)
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    loop.run(in_flight)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([requests / wall, requests / used]))


def bare(url: str, requests: int, rate: float, tokens: int) -> list[float]:
    """Return the seconds of each request on one blocking socket, to the last byte."""
    parts = urlsplit(url)
    body = json.dumps({"prompt": _PROMPT, "max_tokens": tokens}).encode()
    head = f"POST {parts.path}/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
    expected, took = len(whole(tokens)), []
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        begin = time.perf_counter()
        for number in range(requests):
            time.sleep(max(0.0, begin + number / rate - time.perf_counter()))
            start = time.perf_counter()
            connection.sendall(head.encode() + body)
            left = expected
            while left:
                left -= len(connection.recv(left))
            took.append(time.perf_counter() - start)
    return took


@contextlib.contextmanager
def _server(tokens: int) -> Iterator[str]:
    with subprocess.Popen(
        child("endpoint", "serve", "--tokens", str(tokens)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.stdin.close()


def _on_core(core: int) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[core % len(allowed)]})


def _clients(options: argparse.Namespace, url: str) -> dict[str, list[str]]:
    numbers = [url, str(options.requests), str(options.in_flight), str(options.tokens)]
    found = {"mlrepo": child("endpoint", "ours", *numbers)}
    for text in options.peer:
        name, _, python = text.partition("=")
        found[name] = [python, str(_PEERS), name, *numbers, _PROMPT]
    return found


def rate(options: argparse.Namespace) -> None:
    """Print the rates of all clients, and the ratio to each peer."""
    best: dict[str, list[float]] = {}
    with _server(options.tokens) as url:
        for _ in range(options.rounds):
            for name, command in _clients(options, url).items():
                text = subprocess.run(
                    command,
                    check=True,
                    capture_output=True,
                    text=True,
                    preexec_fn=lambda: _on_core(_CLIENT_CORE),
                ).stdout
                found = json.loads(text.splitlines()[-1])
                best[name] = [max(pair) for pair in zip(found, best.get(name, found), strict=True)]
    print(f"{options.in_flight} in flight, {options.tokens} tokens each, best of {options.rounds}:")
    for name, (wall, used) in best.items():
        print(f"  {name:<12}{wall:>9,.0f} requests/s{used:>9,.0f} per CPU second")
    for name, found in best.items():
        if name != "mlrepo":
            ratios = [mine / theirs for mine, theirs in zip(best["mlrepo"], found, strict=True)]
            print(f"  mlrepo ÷ {name}: {ratios[0]:.2f} by wall time, {ratios[1]:.2f} by CPU time")


def latency(options: argparse.Namespace) -> None:
    """Print the 50th and 99th percentiles of the client and of a bare socket, best of rounds."""
    requests = round(options.rate * options.seconds)
    rounds: list[tuple[list[float], list[float]]] = []
    with _server(options.tokens) as url:
        for _ in range(options.rounds):
            plain = bare(url, requests, options.rate, options.tokens)
            rounds.append((plain, ClosedLoop(url, requests, options.tokens).pace(options.rate)))
    print(f"{options.rate:g} requests/s, {options.tokens} tokens each, best of {options.rounds}:")
    for share in (0.5, 0.99):
        pairs = [tuple(sorted(one)[int(share * len(one))] * 1e3 for one in pair) for pair in rounds]
        bare_ms, client_ms = min(pairs, key=lambda pair: pair[1])
        print(
            f"  p{share * 100:g}: bare socket {bare_ms:.2f} ms, client {client_ms:.2f} ms, "
            f"added {client_ms - bare_ms:.2f} ms"
        )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("what", choices=("rate", "latency", "serve", "ours"))
    parser.add_argument("numbers", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    options = parser.parse_args()
    if options.what == "serve":
        serve(options.tokens)
    elif options.what == "ours":
        url, *numbers = options.numbers
        ours(url, *map(int, numbers))
    else:
        {"rate": rate, "latency": latency}[options.what](options)


if __name__ == "__main__":
    main()
