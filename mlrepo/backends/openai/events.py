"""Server-sent events: the payloads of a stream that arrives in pieces of any size.

The format is that of the HTML standard, section 9.2 (server-sent events). Only ``data`` is kept:
OpenAI's API uses neither names nor ids of events. Lines are split as bytes, so a character that
arrives in two pieces is never decoded in halves.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlrepo.backends.openai.problems import MalformedStream

# No server sends so much in one event; a stream without line ends must not fill the memory.
LARGEST_EVENT = 4 << 20


class EventReader:
    """Splits a stream into the payloads of its events."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._data: list[bytes] = []
        self._held = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the payloads of the events that end in a piece of the stream.

        Raises
        ------
        MalformedStream
            An event is longer than :data:`LARGEST_EVENT`.
        """
        rest = b""
        if not piece.endswith(b"\n"):
            # A carriage return at the very end may be half of a line end.
            end = max(piece.rfind(b"\n"), piece.rfind(b"\r", 0, -1)) + 1
            if not end:
                self._hold(self._rest, piece)
                return
            piece, rest = piece[:end], piece[end:]
        if self._rest:
            piece = b"".join((*self._rest, piece))
            self._held -= sum(map(len, self._rest))
            self._rest.clear()
        for line in piece.splitlines():
            if line.startswith(b"data:"):
                self._hold(self._data, line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                payload = b"\n".join(self._data)
                self._held -= sum(map(len, self._data))
                self._data.clear()
                yield payload
        if rest:
            self._hold(self._rest, rest)

    def _hold(self, where: list[bytes], piece: bytes) -> None:
        where.append(piece)
        self._held += len(piece)
        if self._held > LARGEST_EVENT:
            raise MalformedStream(f"an event has more than {LARGEST_EVENT:,} bytes")
