"""The HTTP client: an event loop in a thread of its own, with any number of requests in flight.

One request is one POST on a connection that is kept alive. The client follows no redirect and sends
the token to the endpoint alone.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp

from mlrepo.backends import Answers, SampleRequest
from mlrepo.backends.openai.address import EndpointAddress
from mlrepo.backends.openai.answer import StreamedAnswer, printable
from mlrepo.backends.openai.events import EventReader
from mlrepo.backends.openai.problems import RequestProblem
from mlrepo.backends.openai.prompts import PATHS, Prompts
from mlrepo.backends.openai.served import Served
from mlrepo.backends.openai.tokens import Encode
from mlrepo.errors import UserError
from mlrepo.generated import Generated
from mlrepo.limits import openable_files

# Below the 5 s after which uvicorn, Node.js and llama.cpp close an idle connection.
_IDLE_SECONDS = 4.0
_CONNECT_SECONDS = 10.0
# How often the client looks whether anything arrives.
_WATCH_SECONDS = 0.5
# How long further failures are collected after the first one.
_COLLECT_SECONDS = 0.25
_ERROR_BYTES = 64 * 1024
_PIECE = 256 * 1024
# Files that the process has open beside its connections.
_OTHER_FILES = 64
_LONGEST_WAIT = 60.0
# The answers with which a server asks to come again later (RFC 9110, 10.2.3; RFC 6585, 4).
_BUSY = (429, 503)

Result = TypeVar("Result")


@dataclass
class Counts:
    """What happened to the requests.

    Attributes
    ----------
    sent, answered:
        Requests, and those that were answered as a whole.
    busy:
        How often the server refused a request for now and the client waited (429, 503).
    resent:
        Requests that were sent again because the server closed an idle connection.
    most_in_flight:
        The largest number of requests that waited for their answers at one time.
    prompt_tokens, cached_tokens, tokens:
        The sums over all answers, as the server counted them.
    counted:
        How many answers had their tokens counted in which way.
    """

    sent: int = 0
    answered: int = 0
    busy: int = 0
    resent: int = 0
    most_in_flight: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    counted: Counter[str] = field(default_factory=Counter)

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answers."""
        return self.sent - self.answered

    def words(self) -> dict[str, object]:
        """Return the counts for a record."""
        return {**vars(self), "counted": dict(self.counted)}


@dataclass(frozen=True)
class Reply:
    """A whole reply to a GET: status, headers by lower-case name, at most 1 MiB of the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Sends requests to one endpoint.

    Parameters
    ----------
    address:
        Where the endpoint is, and how to get there.
    connections:
        The largest number of connections; further requests wait in the client.
    stall:
        After so many seconds without a byte from the endpoint, waiting requests have failed.
    encode:
        The model's tokenizer, if there is one: a text to ids.
    """

    def __init__(
        self,
        address: EndpointAddress,
        *,
        connections: int,
        stall: float,
        encode: Encode | None = None,
    ) -> None:
        self.counts = Counts()
        self.served = Served()
        self._warming = True
        self._address = address
        self._stall = stall
        self._encode = encode
        self._problems: list[RequestProblem] = []
        self._running: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()
        self._session = self._call(self._open(connections))
        self._watch_timer: asyncio.TimerHandle | None = None
        self._last_byte = 0.0
        self._answers: Answers

    def get(self, url: str) -> Reply:
        """Return the reply to a GET.

        Raises
        ------
        RequestProblem
            The endpoint cannot be reached.
        """
        return self._call(self._get(url))

    def refusal(self, reply: Reply) -> RequestProblem:
        """Return why the endpoint refused a GET."""
        return self._address.refusal(reply.status, reply.headers.get("location", ""), reply.body)

    def submit(self, requests: Iterable[SampleRequest], prompts: Prompts, answers: Answers) -> None:
        """Send requests, and return at once; answers come from the thread of the client.

        Until :meth:`begin` they are prompts of the warm-up.
        """
        body = prompts.rehearsal if self._warming else prompts.body
        prepared = [(one.key, *body(one.sample)) for one in requests]
        url = self._address.url(PATHS[prompts.kind])
        self._loop.call_soon_threadsafe(self._start, url, prepared, answers)

    def begin(self) -> None:
        """End the warm-up: what follows is measured, and counted from here."""
        self._warming = False
        self.counts, self.served = Counts(), Served()

    def close(self) -> None:
        """Cancel what is in flight, and close all connections."""
        if self._loop.is_closed():
            return
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[object, object, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self, connections: int) -> aiohttp.ClientSession:
        possible = openable_files(connections + _OTHER_FILES) - _OTHER_FILES
        limit = min(connections, possible)
        # A request is sent when it has a slot: from then on its latency is the server's.
        self._slots = asyncio.Semaphore(limit)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limit,
                keepalive_timeout=_IDLE_SECONDS,
                ssl=self._address.tls or True,
            ),
            # The thread's own watch sees a stall; a run may take longer than any fixed time.
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECONDS, ceil_threshold=1e9
            ),
            headers=self._address.headers(),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_PIECE,
        )

    async def _get(self, url: str) -> Reply:
        try:
            async with self._session.get(
                url,
                proxy=self._address.proxy,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._stall),
            ) as reply:
                body = await reply.content.read(1 << 20)
                headers = {name.lower(): value for name, value in reply.headers.items()}
                return Reply(reply.status, headers, body)
        except (aiohttp.ClientError, OSError) as error:
            raise self._address.unreachable(error) from None

    async def _shut(self) -> None:
        if self._watch_timer is not None:
            self._watch_timer.cancel()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._session.close()

    def _start(
        self, url: str, prepared: Sequence[tuple[int, bytes, int | None]], answers: Answers
    ) -> None:
        counts = self.counts
        if not counts.in_flight:
            self._last_byte = self._loop.time()
        counts.sent += len(prepared)
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        for key, body, most in prepared:
            task = self._loop.create_task(self._answer(url, key, body, most, answers))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        self._answers = answers
        if self._watch_timer is None:
            self._watch_timer = self._loop.call_later(_WATCH_SECONDS, self._watch)

    async def _answer(
        self, url: str, key: int, body: bytes, most: int | None, answers: Answers
    ) -> None:
        try:
            async with self._slots:
                sent = self._loop.time()
                generated, first = await self._ask(url, key, body, most, answers)
            self.counts.answered += 1
            served = self.served  # the last answer of the warm-up ends it
            answers.complete((key,), (generated,))
            served.add(sent, first, self._loop.time(), generated.tokens)
        except RequestProblem as problem:
            self._failed(key, problem, answers)
        except (aiohttp.ClientError, OSError) as error:
            self._failed(key, self._address.unreachable(error), answers)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            answers.fail(key, error)

    async def _ask(
        self, url: str, key: int, body: bytes, most: int | None, answers: Answers
    ) -> tuple[Generated, float | None]:
        """Send one request until the server takes it; return the answer, and when it began."""
        resent = False
        while True:
            try:
                async with self._session.post(
                    url, data=body, proxy=self._address.proxy, allow_redirects=False
                ) as reply:
                    if reply.status == 200:
                        self._last_byte = self._loop.time()
                        return await self._read(reply, key, most, answers)
                    wait = await self._refused(reply)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                # Before any byte of a reply: the server closed the idle connection meanwhile.
                if resent or isinstance(error, aiohttp.ClientConnectorError):
                    raise
                resent = True
                self.counts.resent += 1
                continue
            self.counts.busy += 1
            await asyncio.sleep(wait)

    async def _read(
        self, reply: aiohttp.ClientResponse, key: int, most: int | None, answers: Answers
    ) -> tuple[Generated, float | None]:
        answer, reader, content = StreamedAnswer(most), EventReader(), reply.content
        first: float | None = None
        if not reply.content_type.endswith("event-stream"):
            raise RequestProblem(
                f"the reply is {printable(reply.content_type, 80)}, not text/event-stream",
                'The endpoint must stream its answers ("stream": true).',
            )
        try:
            while piece := await content.readany():
                self._last_byte = self._loop.time()
                for payload in reader.feed(piece):
                    if answer.take(payload):
                        first = self._loop.time()
                        answers.first_token(key, answer.begun())
        except (aiohttp.ClientError, OSError) as error:
            raise RequestProblem(
                "the server closed the connection in the middle of an answer",
                "Look into the log of the server.",
            ) from error
        generated, way = answer.end(self._encode)
        counts = self.counts
        counts.counted[way] += 1
        counts.tokens += generated.tokens
        counts.prompt_tokens += answer.prompt_tokens or 0
        counts.cached_tokens += answer.cached_tokens or 0
        return generated, first

    async def _refused(self, reply: aiohttp.ClientResponse) -> float:
        """Return after how many seconds to ask again; raise :class:`RequestProblem` if never."""
        after = reply.headers.get("Retry-After", "")
        if reply.status in _BUSY and after.isdecimal() and int(after) <= _LONGEST_WAIT:
            await reply.read()
            return float(after)
        raise self._address.refusal(
            reply.status, reply.headers.get("Location", ""), await reply.content.read(_ERROR_BYTES)
        )

    def _failed(self, key: int, problem: RequestProblem, answers: Answers) -> None:
        """Collect the failures of a short time: one server's fault is that of many requests."""
        self._problems.append(problem)
        if len(self._problems) == 1:
            self._loop.call_later(_COLLECT_SECONDS, lambda: answers.fail(key, self._summary()))

    def _watch(self) -> None:
        """Fail if requests wait and nothing has arrived for too long."""
        silent = self._loop.time() - self._last_byte
        if self._running and silent > self._stall and not self._problems:
            self._answers.fail(
                -1,
                UserError(
                    f"{self._address} has sent no part of an answer for {silent:.0f} s; "
                    f"{self.counts.in_flight} of {self.counts.sent} requests wait.",
                    hint="Look into the log of the server; --backend-opt stall=SECONDS waits "
                    "longer.",
                ),
            )
        self._watch_timer = self._loop.call_later(_WATCH_SECONDS, self._watch)

    def _summary(self) -> UserError:
        counts, problems = self.counts, self._problems
        reasons = Counter(one.reason for one in problems)
        said = "; ".join(
            f"{reason} ({number} times)" if number > 1 else reason
            for reason, number in reasons.most_common(3)
        )
        others = len(reasons) - 3
        more = f"; and {others} other reasons" if others > 0 else ""
        return UserError(
            f"{len(problems)} of {counts.sent} requests to {self._address} failed, "
            f"{counts.answered} were answered: {said}{more}.",
            hint=next((one.hint for one in problems if one.hint), "Look into the server's log."),
        )
