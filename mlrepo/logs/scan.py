"""Scan a detail log as bytes: prove blocks clean, parse only the lines needed.

A block whose every line has the form that LoadGen gives it needs no parsing; only lines of wanted
keys, and lines of blocks that fail the proof, are looked at one by one. Two proofs exist. For the
small logs of performance runs a regular expression proves each line to be JSON. For the accuracy
runs' logs, a hundred times larger, the fixed parts of the lines are counted: damage between two of
them (in a number or inside a text) escapes that. Memory does not grow with the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

_MARKER = b":::MLLOG"
_HEAD = b':::MLLOG {"key": "'
_NEXT_HEAD = b"\n" + _HEAD
_END = b"}}\n"
_FLAGS = (
    b', "namespace": "mlperf::logging", "event_type": "POINT_IN_TIME", '
    b'"metadata": {"is_error": false, "is_warning": '
)
_NO_WARNING = _FLAGS + b'false, "file": "'
_WARNING = _FLAGS + b'true, "file": "'
_FIXED_PARTS = (b', "time_ms": ', b', "line_no": ', b', "pid": ', b', "tid": ')
_NUMBER = rb"-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?"
_TEXT = rb'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt])*+"'
# Beside plain values LoadGen writes lists of sample numbers and the digests of its own sources.
# A list is proved in two steps: its bytes here, its commas and zeros in _is_proved.
_LIST = rb"\[[0-9,]*+\]"
_NO_LIST = (b",,", b"[,", b",]")
_LEADING_ZERO = re.compile(rb"[,\[]0[0-9]")
_TEXTS = rb"\{(?:" + _TEXT + rb":\ ?" + _TEXT + rb"(?:,\ ?" + _TEXT + rb":\ ?" + _TEXT + rb")*+)?\}"
_CLEAN_LINES = re.compile(
    rb"(?:" + re.escape(_HEAD) + rb'[^"\\\x00-\x1f]*+", "value": '
    rb"(?:" + _NUMBER + rb"|" + _TEXT + rb"|" + _LIST + rb"|" + _TEXTS
    + rb'|true|false), "time_ms": ' + _NUMBER
    + re.escape(_FLAGS) + rb'(?:true|false), "file": ' + _TEXT + rb', "line_no": \d++'
    rb', "pid": \d++, "tid": \d++\}\}\n)*+'
)  # fmt: skip
_BLOCK = 1 << 20
# A line longer than this is no line of LoadGen: its longest hold one number per sample.
_LONGEST_LINE = 64 << 20


@dataclass
class DetailScan:
    """What a detail log says.

    Attributes
    ----------
    values:
        The first value of each wanted key.
    errors:
        The messages that LoadGen marked as errors.
    conflicts:
        Wanted keys that stand there with different values: key to the later one's line.
    events:
        How many lines are LoadGen's.
    problem, problem_line:
        Why the log cannot be read, and where; empty when it can.
    """

    values: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    conflicts: dict[str, int] = field(default_factory=dict)
    events: int = 0
    problem: str = ""
    problem_line: int = 0

    def error_count(self, trusts_count: bool) -> int:
        """Return the number of errors; ``num_errors`` of the log wins where it is trusted."""
        count = self.values.get("num_errors")
        if trusts_count and isinstance(count, int):
            return count
        return len(self.errors)


def scan_detail(
    stream: BinaryIO, wanted: Collection[str], *, each_line: bool = False
) -> DetailScan:
    """Scan the log; never raises for what stands in it.

    Parameters
    ----------
    stream:
        The log.
    wanted:
        The keys whose values are asked for.
    each_line:
        Prove or parse each line instead of counting the fixed parts of all: slower, and sees
        damage inside a value.
    """
    is_clean = _is_proved if each_line else _is_counted
    scan = DetailScan()
    keys = {key.encode(): key for key in wanted}
    line_number, rest = 0, b""
    try:
        while block := stream.read(_BLOCK):
            block = rest + block
            end = block.rfind(b"\n") + 1
            if not end and len(block) > _LONGEST_LINE:
                raise _Damaged(line_number + 1, "the line is longer than any of LoadGen's")
            rest = block[end:]
            if end:
                line_number = _scan_block(block[:end], keys, scan, line_number, is_clean)
        if rest:
            _scan_block(rest + b"\n", keys, scan, line_number, is_clean)
    except _Damaged as error:
        scan.problem, scan.problem_line = error.reason, error.line
    except OSError as error:
        scan.problem = f"it cannot be read: {error.strerror}"
    return scan


class _Damaged(Exception):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line, self.reason = line, reason


def _scan_block(
    block: bytes, keys: Mapping[bytes, str], scan: DetailScan, before: int,
    is_clean: Callable[[bytes, int], bool],
) -> int:  # fmt: skip
    lines = block.count(b"\n")
    if is_clean(block, lines):
        scan.events += lines
        _pick(block, keys, scan, before)
    else:
        lines = _scan_lines(block, keys, scan, before)
    return before + lines


def _is_proved(block: bytes, lines: int) -> bool:
    return (
        block.isascii()
        and not any(part in block for part in _NO_LIST)
        and _LEADING_ZERO.search(block) is None
        and _CLEAN_LINES.fullmatch(block) is not None
    )


def _is_counted(block: bytes, lines: int) -> bool:
    return (
        block.startswith(_HEAD)
        and block.isascii()
        and block.count(_NEXT_HEAD) == lines - 1
        and block.count(_END) == lines
        and all(block.count(part) == lines for part in _FIXED_PARTS)
        and ((calm := block.count(_NO_WARNING)) == lines or calm + block.count(_WARNING) == lines)
        and b"\r" not in block
        and b"\0" not in block
    )


def _pick(block: bytes, keys: Mapping[bytes, str], scan: DetailScan, before: int) -> None:
    if len(keys) <= 2:
        for key in keys:
            at = block.find(_HEAD + key + b'"')
            if at >= 0:
                number = before + block.count(b"\n", 0, at) + 1
                _take(_event(block[at : block.index(b"\n", at)], number), number, keys, scan)
        return
    start = len(_HEAD)
    for number, line in enumerate(block.split(b"\n"), start=before + 1):
        if line[start : line.find(b'"', start)] in keys:
            _take(_event(line, number), number, keys, scan)


def _scan_lines(block: bytes, keys: Mapping[bytes, str], scan: DetailScan, before: int) -> int:
    if not block.isascii():
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            line = before + block.count(b"\n", 0, error.start) + 1
            raise _Damaged(line, "it is not UTF-8") from error
    # The official parsers read text, where \r ends a line as well.
    texts = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for number, text in enumerate(texts, start=before + 1):
        if text.startswith(_MARKER):
            event = _event(text, number)
            scan.events += 1
            _take(event, number, keys, scan)
            if event["metadata"].get("is_error"):
                scan.errors.append(str(event["value"]))
    return len(texts) - 1


def _event(line: bytes, number: int) -> dict[str, Any]:
    try:
        event = json.loads(line[len(_MARKER) :])
        if isinstance(event["key"], str) and isinstance(event["metadata"], dict):
            return {**event, "value": event["value"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _Damaged(number, "the line is not a LoadGen log line") from error
    raise _Damaged(number, "the line is not a LoadGen log line")


def _take(
    event: Mapping[str, Any], number: int, keys: Mapping[bytes, str], scan: DetailScan
) -> None:
    key, value = event["key"], event["value"]
    if key.encode("utf-8", "surrogatepass") not in keys:
        return
    if key not in scan.values:
        scan.values[key] = value
    elif scan.values[key] != value and key not in scan.conflicts:
        scan.conflicts[key] = number
