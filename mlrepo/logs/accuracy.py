"""``mlperf_log_accuracy.json`` and ``accuracy.txt``: entries, truncation, hash line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from mlrepo.errors import InvalidResult
from mlrepo.record import AccuracyEntry

# tools/submission/truncate_accuracy_log.py of mlcommons/inference: VIEWABLE_SIZE 4096 on each
# side. A file of at most HEAD + GAP + TAIL bytes would not become smaller and is left alone.
HEAD_SIZE = 4096
GAP = b"\n\n...\n\n"
TAIL_SIZE = 4096
TRUNCATED_SIZE = HEAD_SIZE + len(GAP) + TAIL_SIZE

_HASH_LINE = re.compile(rb"(?m)^[ \t]*hash=[^\n]*\n?")
_HASH_VALUE = re.compile(rb"(?m)^[ \t]*hash=([^\n]*)")


def parse_accuracy_log(
    data: bytes, where: str = "mlperf_log_accuracy.json"
) -> Iterator[AccuracyEntry]:
    """Yield the first entry of each sample, as MLPerf's accuracy scripts count them."""
    try:
        entries = json.loads(data)
        seen: set[int] = set()
        for entry in entries:
            index = int(entry["qsl_idx"])
            if index not in seen:
                seen.add(index)
                yield AccuracyEntry(index, bytes.fromhex(entry["data"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidResult(
            f"{where} is not a LoadGen accuracy log: {error!r}.",
            hint="A truncated log cannot be judged; `mlrepo raw export` brings the full one back.",
        ) from error


def truncated(stream: BinaryIO, size: int) -> bytes:
    """Return the truncated form of an accuracy log of ``size`` bytes, read from ``stream``."""
    stream.seek(0)
    if size <= TRUNCATED_SIZE:
        return stream.read()
    head = stream.read(HEAD_SIZE)
    stream.seek(size - TAIL_SIZE)
    return head + GAP + stream.read(TAIL_SIZE)


def hash_lines(accuracy_txt: bytes) -> list[str]:
    """Return the values of all ``hash=`` lines, in their order."""
    return [m[1].decode("latin-1").strip() for m in _HASH_VALUE.finditer(accuracy_txt)]


def with_hash_line(accuracy_txt: bytes, sha256: str) -> bytes:
    """Return ``accuracy.txt`` with exactly one ``hash=`` line, the last one, naming ``sha256``."""
    text = _HASH_LINE.sub(b"", accuracy_txt)
    if text and not text.endswith(b"\n"):
        text += b"\n"
    return text + f"hash={sha256}\n".encode()
