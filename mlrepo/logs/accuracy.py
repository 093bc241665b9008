"""``mlperf_log_accuracy.json`` and ``accuracy.txt``: entries, truncation, hash line."""

from __future__ import annotations

import hashlib
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

# The official script counts characters at the head, of up to four bytes; a conversion to UTF-16
# or of line ends at most doubles that.
_LARGEST_TRUNCATED = 2 * (4 * HEAD_SIZE + len(GAP) + TAIL_SIZE)
_ANY_GAP = re.compile(rb"(?:\r\n?|\n){2}\.\.\.(?:\r\n?|\n){2}")
_HASH_LINE = re.compile(rb"(?m)(?:^|(?<=\r))[ \t]*hash=[^\r\n]*(?:\r?\n|\r)?")
_HASH_VALUE = re.compile(rb"(?m)(?:^|(?<=\r))(?:\xef\xbb\xbf)?[ \t]*hash=([^\r\n]*)")
# Where accuracy.txt did not end in a newline, the official script glues its line to the last.
_GLUED = re.compile(rb"(?m)(?<=[^ \t\r\n])hash=([0-9A-Fa-f]{64})(?=[ \t]*\r?$)")
# Spellings by people and other tools, which the official checkers do not read.
_SPELLED = re.compile(rb"(?im)^[ \t]*+hash[ \t]*+[:=][ \t]*+([0-9a-f]{64})(?=[ \t\r]*$)")
# Scripts that hash their output print only a few lines.
_LARGEST_HASHED = 1 << 18
# A hash by any function; anything shorter or not hexadecimal does not name a log.
_SOME_HASH = re.compile(r"[0-9a-f]{32}")


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
            hint="A truncated log cannot be judged; `mlrepo raw export RUN` brings the full one.",
        ) from error


def truncated(stream: BinaryIO, size: int) -> bytes:
    """Return the truncated form of an accuracy log of ``size`` bytes, read from ``stream``."""
    stream.seek(0)
    if size <= TRUNCATED_SIZE:
        return stream.read()
    head = stream.read(HEAD_SIZE)
    stream.seek(size - TAIL_SIZE)
    return head + GAP + stream.read(TAIL_SIZE)


def is_truncated(stream: BinaryIO, size: int) -> bool:
    """Say whether a log of ``size`` bytes was truncated, by any tool.

    It contains the gap, which no full log has, even after a conversion of line ends or encoding.
    """
    if size > _LARGEST_TRUNCATED:
        return False
    stream.seek(0)
    data = stream.read()
    return is_as_truncated(data) or _ANY_GAP.search(data.replace(b"\0", b"")) is not None


def is_as_truncated(data: bytes) -> bool:
    """Say whether these are the bytes of a truncated log as truncation left them."""
    return len(data) == TRUNCATED_SIZE and data[HEAD_SIZE : HEAD_SIZE + len(GAP)] == GAP


def hash_lines(accuracy_txt: bytes) -> list[str]:
    """Return the values of all ``hash=`` lines, in their order."""
    return [m[1].decode("latin-1").strip() for m in _HASH_VALUE.finditer(accuracy_txt)]


def names_only(accuracy_txt: bytes, sha256: str) -> bool:
    """Say whether ``accuracy.txt`` names this log on one line, as the checkers read it."""
    lines = accuracy_txt.replace(b"\r", b"\n").split(b"\n")
    return hash_lines(accuracy_txt) == [sha256] and f"hash={sha256}".encode() in lines


def named_hashes(accuracy_txt: bytes) -> tuple[str, ...]:
    """Return each possible hash of a log in ``accuracy.txt`` once, in lower case.

    These are the value of every ``hash=`` line with a hash of any kind and spelling, and a SHA-256
    at the end of another line, except those of :func:`hashes_of_lines`.
    """
    others = [m[1].decode() for form in (_GLUED, _SPELLED) for m in form.finditer(accuracy_txt)]
    values = (value.lower() for value in hash_lines(accuracy_txt) + others)
    own = hashes_of_lines(accuracy_txt)
    return tuple(
        dict.fromkeys(value for value in values if _SOME_HASH.search(value) and value not in own)
    )


def hashes_of_lines(accuracy_txt: bytes) -> frozenset[str]:
    """Return the SHA-256 of each line of a short text: these do not name a log.

    The accuracy script of qwen3-vl (v6.0, ``mlperf_inf_mm_q3vl/evaluation.py``) writes the hash of
    its line of results as ``hash=``, to which the official truncation adds that of the log.
    """
    if len(accuracy_txt) > _LARGEST_HASHED:
        return frozenset()
    lines = {line.rstrip(b"\r") for line in accuracy_txt.split(b"\n") if line.strip()}
    return frozenset(hashlib.sha256(line).hexdigest() for line in lines)


def with_hash_line(accuracy_txt: bytes, sha256: str) -> bytes:
    """Return ``accuracy.txt`` with exactly one ``hash=`` line, the last one, naming ``sha256``."""
    text = _HASH_LINE.sub(b"", _GLUED.sub(b"", accuracy_txt))
    if text and not text.endswith(b"\n"):
        text += b"\n"
    return text + f"hash={sha256}\n".encode()
