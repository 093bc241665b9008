"""Scan a detail log as bytes: prove every line to be LoadGen's, parse only the lines needed.

One regular expression proves lines of the form that LoadGen writes to be JSON in UTF-8 without an
error flag; only what it stops at is parsed. Three quarters of the bytes of a submission's logs are
lists of sample numbers (``loaded_qsl_set``), and the round's seeds make them the same in every run
of a benchmark: a list that was proved once is recognised by comparison. Memory use does not grow
with the log.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

_MARKER = ":::MLLOG"
_HEAD = b':::MLLOG {"key": "'
_COLON = b'", "value": '
_AFTER = b', "time_ms": '
_PLAIN = rb"[ !#-\[\]-~]*+"
_INTEGER = rb"(?:0|[1-9][0-9]*+)"
_NUMBER = rb"-?" + _INTEGER + rb"(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_TEXT = rb'"' + _PLAIN + rb'(?:\\["\\/bfnrt]' + _PLAIN + rb')*+"'
# The digests of LoadGen's own sources; its lists of numbers are proved by _list_end.
_TEXTS = rb"\{(?:" + _TEXT + rb": ?" + _TEXT + rb"(?:, ?" + _TEXT + rb": ?" + _TEXT + rb")*+)?\}"
_INTRO = re.escape(_HEAD) + _PLAIN + _COLON
_REST = (
    _AFTER
    + _INTEGER
    + rb"\.[0-9]++"
    + re.escape(
        b', "namespace": "mlperf::logging", "event_type": "POINT_IN_TIME", "metadata": '
        b'{"is_error": false, "is_warning": '
    )
    + rb'(?:false|true), "file": "'
    + _PLAIN
    + rb'", "line_no": [0-9]++, "pid": [0-9]++, "tid": [0-9]++\}\}\n'
)
_LINES = (
    rb"(?:"
    + _INTRO
    + rb"(?:"
    + _NUMBER
    + rb"|"
    + _TEXT
    + rb"|true|false|"
    + _TEXTS
    + rb")"
    + _REST
    + rb")*+"
)
# Both end where a line is not proved, or where its list begins: group 2 is that line so far.
_FROM_LINE = re.compile(rb"()" + _LINES + rb"(" + _INTRO + rb"(?=\[))?+")
_FROM_LIST = re.compile(rb"(" + _REST + rb")" + _LINES + rb"(" + _INTRO + rb"(?=\[))?+")
_LIST = re.compile(rb"\[(?:" + _INTEGER + rb"(?:," + _INTEGER + rb")*+)?\]")
_BLOCK = 4 << 20
HEAD_SIZE = 16 << 10
# A line longer than this is not LoadGen's: its longest lines have one number per sample.
_LONGEST_LINE = 64 << 20
# Lists up to this length are proved anew each time; longer ones are known by their beginning.
_SHORT_LIST = 48
_MOST_BYTES_OF_LISTS = 32 << 20


@dataclass
class DetailScan:
    """The result of scanning a detail log.

    Attributes
    ----------
    values:
        The first value of each wanted key.
    errors:
        The messages that LoadGen marked as errors.
    conflicts:
        Wanted keys with different values, and the line of the later one. Empty if only first values
        were requested.
    has_events:
        Whether at least one line is LoadGen's.
    head:
        A digest of the first lines: LoadGen writes process ids and times in nanoseconds into them,
        so that no two runs begin alike.
    problem, problem_line:
        Why the log cannot be read, and where; empty if it can.
    loads:
        Whether the official parsers load the log: a line with a problem is JSON and has a key, and
        whether its missing parts matter depends on what is asked of the log.
    """

    values: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    conflicts: dict[str, int] = field(default_factory=dict)
    has_events: bool = False
    head: str = ""
    problem: str = ""
    problem_line: int = 0
    loads: bool = True

    def error_count(self, trusts_count: bool) -> int:
        """Return the number of errors; the log's ``num_errors`` wins if it is trusted."""
        if not trusts_count or "num_errors" not in self.values:
            return len(self.errors)
        count = self.values["num_errors"]
        # There, anything other than 0 counts as errors: a text, null, a list.
        return count if isinstance(count, int) else int(count != 0)

    def stops(self, trusts_count: bool) -> bool:
        """Say whether the official checker stops at the log.

        If it trusts ``num_errors``, and that is 0, it never notices what a line lacks.
        """
        trusted = trusts_count and "num_errors" in self.values and not self.error_count(True)
        return bool(self.problem) and not (self.loads and trusted)


def scan_detail(
    stream: BinaryIO, wanted: Collection[str], *, first_only: bool = False
) -> DetailScan:
    """Scan the log; never raise for its content.

    Parameters
    ----------
    stream:
        The log.
    wanted:
        The keys whose values are requested.
    first_only:
        Stop looking for a key at its first value: an accuracy log repeats some keys with another
        value for each part of the data set.
    """
    scanner = _Scanner(_encoded(frozenset(wanted)), first_only=first_only)
    buffer = _spare_buffers.pop() if _spare_buffers else bytearray(_BLOCK)
    try:
        _feed(stream, buffer, scanner)
    except _Damaged as error:
        scanner.found.problem, scanner.found.problem_line = error.reason, error.line
        scanner.found.loads = error.loads
    except OSError as error:
        scanner.found.problem = f"it cannot be read: {error.strerror}"
        scanner.found.loads = False
    if len(buffer) == _BLOCK:
        _spare_buffers.append(buffer)
    return scanner.found


@functools.lru_cache(maxsize=64)
def _encoded(keys: frozenset[str]) -> dict[bytes, str]:
    return {key.encode(): key for key in keys}


# Touching fresh memory for each log would cost more than reading it.
_spare_buffers: list[bytearray] = []
# Proved lists by their first bytes; kept from log to log.
_proved_lists: dict[bytes, tuple[bytes, ...]] = {}
_bytes_of_lists = 0


class _Damaged(Exception):
    def __init__(self, line: int, reason: str, *, loads: bool = False) -> None:
        super().__init__(reason)
        self.line, self.reason, self.loads = line, reason, loads


def _feed(stream: BinaryIO, buffer: bytearray, scanner: _Scanner) -> None:
    """Pass whole lines to the scanner; at the buffer's end the rest moves to its front."""
    start, filled = 0, 0
    while True:
        if filled == len(buffer):
            if start:
                scanner.leave(buffer, start)
                buffer[: filled - start] = buffer[start:filled]
                start, filled = 0, filled - start
            elif filled >= _LONGEST_LINE:
                raise _Damaged(scanner.line(buffer, 0), "the line is longer than any of LoadGen's")
            else:
                buffer.extend(bytes(filled))
        with memoryview(buffer) as whole, whole[filled:] as free:
            count = stream.readinto(free)  # type: ignore[attr-defined]
        if not count:
            break
        end = buffer.rfind(b"\n", filled, filled + count) + 1
        if filled < HEAD_SIZE and not scanner.lines_left:
            with memoryview(buffer) as whole, whole[: filled + count] as head:
                scanner.found.head = digest_of_head(head)
        filled += count
        if end:
            scanner.scan(buffer, start, end)
            start = end
    if start < filled:
        buffer[filled : filled + 1] = b"\n"
        scanner.scan(buffer, start, filled + 1)


def digest_of_head(data: bytes | memoryview) -> str:
    """Return a digest of the beginning of a file; empty for an empty file."""
    if not data:
        return ""
    # Processors have instructions for SHA-256; BLAKE2 takes more than twice the time.
    return hashlib.sha256(data[:HEAD_SIZE]).hexdigest()[:20]


class _Scanner:
    """Scans whole lines in a buffer and gathers what they say."""

    def __init__(self, keys: Mapping[bytes, str], *, first_only: bool) -> None:
        self.found = DetailScan()
        self._keys = keys
        self._first_only = first_only
        self.lines_left = 0

    def line(self, buffer: bytearray, at: int) -> int:
        """Return the number of the line that begins at ``at``, counted from 1."""
        return self.lines_left + buffer.count(b"\n", 0, at) + 1

    def leave(self, buffer: bytearray, end: int) -> None:
        """Count the lines up to ``end``, which are about to be dropped from the buffer."""
        self.lines_left += buffer.count(b"\n", 0, end)

    def scan(self, buffer: bytearray, at: int, end: int) -> None:
        """Scan ``buffer[at:end]``, which is whole lines."""
        match = _FROM_LINE.match(buffer, at, end)
        while match is not None:
            proved, stop = match.end(1), match.start(2)
            if stop < 0:
                stop = match.end()
            if proved < stop:
                self.found.has_events = True
                if self._keys:
                    self._pick(buffer, proved, stop)
            if stop == end:
                return
            if stop < match.end():
                value = match.end()
                after = _list_end(buffer, value, end)
                match = _FROM_LIST.match(buffer, after, end) if after else None
                if match is not None:
                    self.found.has_events = True
                    if self._keys:
                        self._pick_list(buffer, stop, value, after)
                    continue
            newline = buffer.index(b"\n", stop, end)
            self._parse(bytes(buffer[stop:newline]), buffer, stop)
            match = _FROM_LINE.match(buffer, newline + 1, end)

    def _pick_list(self, buffer: bytearray, at: int, value: int, after: int) -> None:
        """Take the value of a proved line with a list if its key is wanted."""
        name = self._keys.get(bytes(buffer[at + len(_HEAD) : value - len(_COLON)]))
        if name is not None:
            try:
                self._take(name, json.loads(buffer[value:after]), buffer, at)
            except ValueError as error:
                raise _Damaged(self.line(buffer, at), _NO_LINE) from error

    def _pick(self, buffer: bytearray, at: int, end: int) -> None:
        """Take the wanted keys of proved lines."""
        start, gap = len(_HEAD), len(_COLON)
        keys, values, first_only = self._keys, self.found.values, self._first_only
        if first_only and len(values) == len(keys):
            return
        try:
            for line in bytes(buffer[at:end]).split(b"\n"):
                stop = line.find(b'"', start)
                name = keys.get(line[start:stop])
                if name is not None and not (first_only and name in values):
                    text = line[stop + gap : line.index(_AFTER, stop)]
                    value = _parsed(text) if len(text) < _LONG_VALUE else json.loads(text)
                    if values.setdefault(name, value) != value:
                        self._take(name, value, buffer, at)
                at += len(line) + 1
        except ValueError as error:  # an integer with more digits than Python parses
            raise _Damaged(self.line(buffer, at), _NO_LINE) from error

    def _take(self, name: str, value: Any, buffer: bytearray, at: int) -> None:
        known = self.found.values.setdefault(name, value)
        if not self._first_only and known != value and name not in self.found.conflicts:
            self.found.conflicts[name] = self.line(buffer, at)

    def _parse(self, line: bytes, buffer: bytearray, at: int) -> None:
        """Parse a line that is not proved, as the official parsers would."""
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _Damaged(self.line(buffer, at), "it is not UTF-8") from error
        # The official parsers read text, where \r ends a line as well.
        lines = text.removesuffix("\r").split("\r")
        for place, each in enumerate(lines):
            if not each.startswith(_MARKER):
                continue
            try:
                event = json.loads(each[len(_MARKER) :])
                key = event["key"]
                hash(key)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise _Damaged(self.line(buffer, at) + place, _NO_LINE) from error
            metadata = event.get("metadata")
            whole = isinstance(metadata, dict) and "is_error" in metadata
            # A key that is not a text is never wanted.
            asked = isinstance(key, str) and key.encode("utf-8", "surrogatepass")
            name = self._keys.get(asked) if asked else None
            self.found.has_events = True
            # A value is read if its key is wanted or the line is an error.
            lacks = "value" not in event
            if lacks and whole and name is None and not metadata["is_error"]:
                continue
            if lacks or not whole:
                if name is not None:
                    raise _Damaged(self.line(buffer, at) + place, _NO_LINE, loads=True)
                if not self.found.problem:
                    self.found.problem = _NO_LINE
                    self.found.problem_line = self.line(buffer, at) + place
                continue
            value = event["value"]
            if name is not None:
                self._take(name, value, buffer, at)
            if metadata.get("is_error"):
                self.found.errors.append(str(value))
        self.lines_left += len(lines) - 1


_NO_LINE = "the line is not a LoadGen log line"
_LONG_VALUE = 64


@functools.lru_cache(maxsize=4096)
def _parsed(value: bytes) -> Any:
    """Return a short proved value that is not a list: most settings recur in all logs."""
    if value.isdigit():
        return int(value)
    if value.startswith(b'"') and b"\\" not in value:
        return value[1:-1].decode()
    return json.loads(value.decode())


def _list_end(buffer: bytearray, at: int, end: int) -> int:
    """Return the end of the list of numbers that begins at ``at``, or 0 if there is none."""
    head = bytes(buffer[at : at + _SHORT_LIST])
    for known in _proved_lists.get(head, ()):
        if buffer.startswith(known, at):
            return at + len(known)
    match = _LIST.match(buffer, at, end)
    if match is None:
        return 0
    proved = match[0]
    if len(proved) > _SHORT_LIST:
        global _bytes_of_lists
        _bytes_of_lists += len(proved)
        if _bytes_of_lists > _MOST_BYTES_OF_LISTS:
            _proved_lists.clear()
            _bytes_of_lists = len(proved)
        _proved_lists[head] = (*_proved_lists.get(head, ()), bytes(proved))
    return match.end()
