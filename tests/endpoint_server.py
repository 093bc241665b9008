"""A small scripted server of OpenAI's API, for faults that no real server shows on request.

One thread, one event loop, HTTP/1.1 with kept-alive connections and chunked streams. What it
answers is a script: the last part of the requested model's name chooses a function in
:data:`tests.endpoint_scripts.SCRIPTS`, which writes the answer piece by piece.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

STREAM = (
    b"HTTP/1.1 200 OK\r\nserver: scripted\r\ncontent-type: text/event-stream\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"


@dataclass
class Asked:
    """A request as it arrived; header names in lower case. ``rest`` ends with the connection."""

    rest: asyncio.StreamReader
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, read as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


Script = Callable[[Asked, asyncio.StreamWriter, "Server"], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    """Return data as one chunk of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(payload: object) -> bytes:
    """Return one server-sent event."""
    text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def delta(text: str = "", finish: str | None = None, **more: object) -> dict[str, object]:
    """Return a chunk of a chat with some text."""
    content = {"content": text} if text else {}
    return {"choices": [{"index": 0, "delta": content, "finish_reason": finish, **more}]}


def usage(tokens: int, prompt: int = 5) -> dict[str, object]:
    """Return the chunk that counts tokens."""
    counted = {"completion_tokens": tokens, "prompt_tokens": prompt}
    return {"choices": [], "usage": {**counted, "total_tokens": tokens + prompt}}


def reply(status: int, body: object, **headers: str) -> bytes:
    """Return a whole reply with a JSON body."""
    data = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Scripted", "content-type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines.append(f"content-length: {len(data)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def whole(tokens: int, *, count: bool = True) -> bytes:
    """Return a stream of so many tokens, one in each event, as the server writes it at once."""
    events = [delta("", role="assistant"), *(delta(f" w{n}") for n in range(tokens))]
    written = [event(one) for one in (*events, delta("", "stop"))]
    written += [event(usage(tokens))] if count else []
    return STREAM + b"".join(map(chunk, (*written, event("[DONE]")))) + END


def alike(one: str, other: str) -> int:
    """Return with how many equal characters two prompts begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


@dataclass
class Server:
    """A running server.

    Attributes
    ----------
    url:
        Its base URL, with ``/v1``.
    asked:
        The requests so far.
    state:
        Whatever scripts remember between requests.
    """

    script: Script
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode().split("\r\n")[:-2]
                method, target, _ = first.split(" ")
                pairs = (line.partition(":") for line in lines)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                asked = Asked(reader, method, target, headers, body)
                self.asked.append(asked)
                await self.script(asked, writer, self)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            self.connections -= 1
            writer.close()


@contextmanager
def running(
    script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Server]:
    """Run a server in a thread on a free port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = Server(script)

    async def start() -> asyncio.Server:
        return await asyncio.start_server(server.serve, host, 0, ssl=tls, backlog=1024)

    listening = asyncio.run_coroutine_threadsafe(start(), loop).result()
    port = listening.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://{host}:{port}/v1"
    try:
        yield server
    finally:

        async def stop() -> None:
            listening.close()  # in its own thread: a connection that ends just now closes it too
            others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
