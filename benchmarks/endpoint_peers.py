"""The clients of peers in a closed loop, for ``benchmarks.endpoint``: run by the peer's own Python.

It imports nothing of mlrepo; each peer is used as its own documentation and code do.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable


def _spent() -> float:
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(one.ru_utime + one.ru_stime for one in map(resource.getrusage, both))


async def _closed_loop(ask: Callable[[], Awaitable[object]], requests: int, in_flight: int) -> None:
    left = requests

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await ask()

    await asyncio.gather(*(worker() for _ in range(in_flight)))


def httpx(url: str, requests: int, in_flight: int, tokens: int, prompt: str) -> None:
    """The library that many clients are built on, with the events of httpx-sse."""
    import httpx as library
    import httpx_sse

    async def main() -> None:
        limits = library.Limits(max_connections=in_flight)
        async with library.AsyncClient(limits=limits, timeout=60) as client:
            body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
            body |= {
                "max_tokens": tokens,
                "stream": True,
                "stream_options": {"include_usage": True},
            }

            async def ask() -> None:
                address, texts = f"{url}/chat/completions", []
                async with httpx_sse.aconnect_sse(client, "POST", address, json=body) as source:
                    async for event in source.aiter_sse():
                        if event.data != "[DONE]":
                            texts += json.loads(event.data)["choices"]

            await _closed_loop(ask, requests, in_flight)

    asyncio.run(main())


def endpoints(url: str, requests: int, in_flight: int, tokens: int, prompt: str) -> None:
    """The client of mlcommons/endpoints with one worker process."""
    from inference_endpoint.core.types import APIType, Query, QueryResult
    from inference_endpoint.endpoint_client.config import HTTPClientConfig
    from inference_endpoint.endpoint_client.http_client import HTTPEndpointClient

    base = url.removesuffix("/v1")
    client = HTTPEndpointClient(
        HTTPClientConfig(
            endpoint_urls=[base],
            api_type=APIType.OPENAI,
            num_workers=1,
            max_connections=in_flight,
            warmup_connections=0,
            log_level="ERROR",
        )
    )
    data = {"prompt": prompt, "model": "m", "max_completion_tokens": tokens, "stream": True}
    sent = answered = 0
    for _ in range(in_flight):
        client.issue(Query(data=data))
        sent += 1
    while answered < requests:
        found = client.poll()
        if found is None:
            time.sleep(50e-6)
        elif isinstance(found, QueryResult):
            assert found.error is None, found.error
            answered += 1
            if sent < requests:
                client.issue(Query(data=data))
                sent += 1
    client.shutdown()


def main() -> None:
    """Run one peer; print its requests per second by wall time and by CPU time."""
    name, url, *numbers, prompt = sys.argv[1:]
    requests, in_flight, tokens = map(int, numbers)
    run = {"httpx": httpx, "endpoints": endpoints}[name]
    run(url, in_flight, in_flight, tokens, prompt)
    before, begin = _spent(), time.perf_counter()
    run(url, requests, in_flight, tokens, prompt)
    wall, used = time.perf_counter() - begin, _spent() - before
    print(json.dumps([requests / wall, requests / used]))


if __name__ == "__main__":
    main()
