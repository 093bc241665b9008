"""``mlperf_log_accuracy.json`` and ``accuracy.txt``: entries, truncation, hash line."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

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
# Bytes of a log that are read at a time.
_PIECE = 1 << 16
_DECODE = json.JSONDecoder().raw_decode


def parse_accuracy_log(
    log: bytes | BinaryIO, where: str = "mlperf_log_accuracy.json"
) -> Iterator[AccuracyEntry]:
    """Yield the first entry of each sample, as MLPerf's accuracy scripts count them.

    A stream is read piece by piece: only one entry, and the numbers of the samples, are held.
    """
    stream = io.BytesIO(log) if isinstance(log, bytes) else log
    try:
        seen: set[int] = set()
        for entry in _entries(stream):
            index = int(entry["qsl_idx"])
            if index not in seen:
                seen.add(index)
                yield AccuracyEntry(index, bytes.fromhex(entry["data"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidResult(
            f"{where} is not a LoadGen accuracy log: {error!r}.",
            hint="A truncated log cannot be judged; `mlrepo raw export RUN` writes the full one.",
        ) from error


class _JsonText:
    """The text of a JSON file, of which only the part that is being read is held."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        start = stream.read(4)
        self._decoder = codecs.getincrementaldecoder(json.detect_encoding(start))()
        self._text, self._at = self._decoder.decode(start), 0

    def mark(self) -> str:
        """Return the next character that is not white space; '' at the end."""
        while True:
            for place in range(self._at, len(self._text)):
                if self._text[place] not in " \t\n\r":
                    self._at = place
                    return self._text[place]
            self._at = len(self._text)
            if not self._more(_PIECE):
                return ""

    def skip(self) -> None:
        """Step over a character."""
        self._at += 1

    def value(self) -> Any:
        """Return the next value; raise :class:`ValueError` if there is none."""
        size = _PIECE
        while True:
            try:
                value, self._at = _DECODE(self._text, self._at)
            except ValueError:
                # It may go on in the next piece. Each is twice as long as the one before, so that
                # all attempts together take no longer than a few readings of the value.
                if not self._more(size):
                    raise
                size *= 2
            else:
                return value

    def _more(self, size: int) -> bool:
        """Append a piece and forget what was read; return False at the end of the file."""
        data = self._stream.read(size)
        text = self._decoder.decode(data, not data)
        self._text, self._at = self._text[self._at :] + text, 0
        return bool(data)


def _entries(stream: BinaryIO) -> Iterator[Any]:
    """Yield the values of a JSON array; raise :class:`ValueError` for anything else."""
    text = _JsonText(stream)
    if text.mark() != "[":
        raise ValueError("it is not a list")
    text.skip()
    if text.mark() == "]":
        text.skip()
    else:
        after = ","
        while after == ",":
            yield text.value()
            after = text.mark()
            text.skip()
            if after == ",":
                text.mark()
        if after != "]":
            raise ValueError(f"{after!r} follows a value" if after else "the list does not end")
    if text.mark():
        raise ValueError("something follows the list")


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
