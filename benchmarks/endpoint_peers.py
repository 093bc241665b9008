"""The clients of peers in a closed loop, for ``benchmarks.endpoint``: run by the peer's own Python.

It imports nothing of mlrepo; each peer is used as its own documentation and code do.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

Ask = Callable[[], Awaitable[object]]


def _spent() -> float:
    """Return the CPU seconds of this process and of its children."""
    ticks = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if os.getpid() in (int(entry.parent.name), int(words[1])):
            ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def _closed_loop(ask: Ask, requests: int, in_flight: int) -> None:
    left = requests

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await ask()

    await asyncio.gather(*(worker() for _ in range(in_flight)))


async def _measure(ask: Ask, requests: int, in_flight: int) -> None:
    """Print requests per second by wall time and by CPU time, after a warm-up."""
    await _closed_loop(ask, 4 * in_flight, in_flight)
    before, begin = _spent(), time.perf_counter()
    await _closed_loop(ask, requests, in_flight)
    wall, used = time.perf_counter() - begin, _spent() - before
    print(json.dumps([requests / wall, requests / used]))


async def httpx(url: str, requests: int, in_flight: int, tokens: int, prompt: str) -> None:
    """The library that many clients are built on, with the events of httpx-sse."""
    import httpx as library
    import httpx_sse

    limits = library.Limits(max_connections=in_flight)
    async with library.AsyncClient(limits=limits, timeout=60) as client:
        body: dict[str, object] = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
        body |= {"max_tokens": tokens, "stream": True, "stream_options": {"include_usage": True}}

        async def ask() -> None:
            address, texts = f"{url}/chat/completions", []
            async with httpx_sse.aconnect_sse(client, "POST", address, json=body) as source:
                async for event in source.aiter_sse():
                    if event.data != "[DONE]":
                        texts += json.loads(event.data)["choices"]

        await _measure(ask, requests, in_flight)


async def guidellm(url: str, requests: int, in_flight: int, tokens: int, prompt: str) -> None:
    """The backend ``openai_http`` of guidellm, without its scheduler."""
    from guidellm.backends.openai.http import OpenAIHTTPBackend
    from guidellm.schemas import GenerationRequest, RequestInfo
    from guidellm.schemas.backends import OpenAIHTTPBackendArgs

    backend = OpenAIHTTPBackend(
        OpenAIHTTPBackendArgs(target=url.removesuffix("/v1"), model="m", max_tokens=tokens)
    )
    await backend.process_startup()

    async def ask() -> None:
        request = GenerationRequest(columns={"text_column": [prompt]})
        async for _ in backend.resolve(request, RequestInfo()):
            pass

    await _measure(ask, requests, in_flight)
    await backend.process_shutdown()


async def endpoints(url: str, requests: int, in_flight: int, tokens: int, prompt: str) -> None:
    """The client of mlcommons/endpoints with one worker process."""
    from inference_endpoint.core.types import APIType, Query, QueryResult
    from inference_endpoint.endpoint_client.config import HTTPClientConfig
    from inference_endpoint.endpoint_client.http_client import HTTPEndpointClient

    client = await HTTPEndpointClient.create(
        HTTPClientConfig(
            endpoint_urls=[url.removesuffix("/v1")],
            api_type=APIType.OPENAI,
            num_workers=1,
            max_connections=in_flight,
            warmup_connections=0,
            log_level="ERROR",
        ),
        asyncio.get_running_loop(),
    )
    data = {"prompt": prompt, "model": "m", "max_completion_tokens": tokens, "stream": True}
    waiting: dict[str, asyncio.Future[None]] = {}

    async def receive() -> None:
        while (found := await client.recv()) is not None:
            if isinstance(found, QueryResult):
                assert found.error is None, found.error
                waiting.pop(found.id).set_result(None)

    async def ask() -> None:
        query = Query(data=data)
        waiting[query.id] = asyncio.get_running_loop().create_future()
        client.issue(query)
        await waiting[query.id]

    receiving = asyncio.create_task(receive())
    await _measure(ask, requests, in_flight)
    receiving.cancel()
    await client.shutdown_async()


def main() -> None:
    """Run one peer in the event loop that it is made for."""
    name, url, *numbers, prompt = sys.argv[1:]
    requests, in_flight, tokens = map(int, numbers)
    run = {"httpx": httpx, "guidellm": guidellm, "endpoints": endpoints}[name]
    work = run(url, requests, in_flight, tokens, prompt)
    if run is endpoints:
        import uvloop

        uvloop.run(work)
    else:
        asyncio.run(work)


if __name__ == "__main__":
    main()
