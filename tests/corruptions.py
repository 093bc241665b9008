"""Ways to break a file of a submission; each must end as a finding, never a crash."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

Corruption = Callable[[Path, random.Random], None]


def _bytes(change: Callable[[bytes, random.Random], bytes]) -> Corruption:
    def corrupt(path: Path, rng: random.Random) -> None:
        data = change(path.read_bytes(), rng)
        path.unlink()
        path.write_bytes(data)

    return corrupt


def _instead(make: Callable[[Path], object]) -> Corruption:
    def corrupt(path: Path, rng: random.Random) -> None:
        path.unlink()
        make(path)

    return corrupt


def _splice(data: bytes, rng: random.Random, new: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + new + data[at:]


def _value(data: bytes, rng: random.Random, new: bytes) -> bytes:
    """Put ``new`` in the place of one JSON value, or of one word where there is no JSON."""
    values = list(re.finditer(rb'": ("[^"\n]*"|[-\d.]+|true|false)', data))
    if not values:
        return _splice(data, rng, new)
    chosen = rng.choice(values)
    return data[: chosen.start(1)] + new + data[chosen.end(1) :]


def _twice(data: bytes, rng: random.Random) -> bytes:
    """Repeat a line somewhere else, with its digits changed."""
    lines = data.splitlines(keepends=True) or [b"x\n"]
    copy = re.sub(rb"\d", b"7", rng.choice(lines))
    lines.insert(rng.randrange(len(lines) + 1), copy)
    return b"".join(lines)


def _flip(data: bytes, rng: random.Random) -> bytes:
    broken = bytearray(data or b"x")
    for _ in range(rng.randint(1, 8)):
        broken[rng.randrange(len(broken))] = rng.randrange(256)
    return bytes(broken)


def _shuffle(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


CORRUPTIONS: dict[str, Corruption] = {
    "truncated": _bytes(lambda d, r: d[: r.randrange(len(d) + 1)]),
    "empty": _bytes(lambda d, r: b""),
    "binary": _bytes(lambda d, r: r.randbytes(r.randint(1, 5000))),
    "bytes flipped": _bytes(_flip),
    "utf-16": _bytes(lambda d, r: d.decode("utf-8", "replace").encode("utf-16")),
    "latin-1 byte": _bytes(lambda d, r: _splice(d, r, b"\xe9")),
    "NUL bytes": _bytes(lambda d, r: _splice(d, r, b"\0\0")),
    "gigantic line": _bytes(lambda d, r: _splice(d, r, b"9" * 300_000)),
    "deep JSON": _bytes(lambda d, r: b"[" * 100_000 + b"]" * 100_000),
    "deep JSON value": _bytes(lambda d, r: _value(d, r, b'{"a":' * 5000 + b"1" + b"}" * 5000)),
    "duplicate line": _bytes(_twice),
    "lines shuffled": _bytes(_shuffle),
    "NaN": _bytes(lambda d, r: _value(d, r, b"NaN")),
    "infinity": _bytes(lambda d, r: _value(d, r, b"-Infinity")),
    "huge float": _bytes(lambda d, r: _value(d, r, b"1e400")),
    "huge integer": _bytes(lambda d, r: _value(d, r, b"9" * 5000)),
    "null": _bytes(lambda d, r: _value(d, r, b"null")),
    "list": _bytes(lambda d, r: _value(d, r, b'["a", {}]')),
    "object": _bytes(lambda d, r: _value(d, r, b'{"a": 1}')),
    "lone surrogate": _bytes(lambda d, r: _value(d, r, b'"\\ud800"')),
    "escape sequence": _bytes(lambda d, r: _value(d, r, b'"\\u001b[31m\\n::error::"')),
    "CRLF": _bytes(lambda d, r: d.replace(b"\n", b"\r\n")),
    "CR only": _bytes(lambda d, r: d.replace(b"\n", b"\r")),
    "BOM": _bytes(lambda d, r: b"\xef\xbb\xbf" + d),
    "other separators": _bytes(lambda d, r: d.replace(b"\n", "\u2028".encode())),
    "JSON scalar": _bytes(lambda d, r: json.dumps(r.choice([1, "a", None, [], True])).encode()),
    "gone": _instead(lambda path: None),
    "directory": _instead(Path.mkdir),
    "link out": _instead(lambda path: path.symlink_to("/etc/hostname")),
    "broken link": _instead(lambda path: path.symlink_to("nowhere")),
    "link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "FIFO": _instead(os.mkfifo),
    "link to a device": _instead(lambda path: path.symlink_to("/dev/zero")),
    "newline in name": lambda path, rng: _renamed(path, "a\nb::error::"),
    "bytes in name": lambda path, rng: _renamed(path, os.fsdecode(b"\xff\xfe")),
}


def _renamed(path: Path, name: str) -> None:
    path.rename(path.with_name(name))


# Broken in these ways a file may still be what a rule allows, so that nothing need be found: the
# corrupted place may be one that no rule reads, or the file one that may hold any text.
HARMLESS = frozenset(
    {
        "truncated",
        "bytes flipped",
        "latin-1 byte",
        "NUL bytes",
        "gigantic line",
        "duplicate line",
        "lines shuffled",
        "NaN",
        "infinity",
        "huge float",
        "huge integer",
        "null",
        "list",
        "object",
        "lone surrogate",
        "escape sequence",
        "CRLF",
        "CR only",
        "BOM",
        "other separators",
        "deep JSON value",
    }
)
