"""The accuracy log: entries, truncation by the rules, and the hash line."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest

from mlrepo.errors import InvalidResult
from mlrepo.logs import accuracy
from mlrepo.logs.accuracy import TRUNCATED_SIZE, parse_accuracy_log, truncated, with_hash_line
from mlrepo.record import AccuracyEntry

SHA = "ab" * 32


def test_entries_are_index_and_bytes() -> None:
    """The hexadecimal data of LoadGen become the bytes of the response."""
    data = json.dumps([{"seq_id": 0, "qsl_idx": 7, "data": "0500000A"}]).encode()
    assert list(parse_accuracy_log(data)) == [AccuracyEntry(7, b"\x05\x00\x00\x0a")]
    assert list(parse_accuracy_log(b"[]")) == []


def test_the_first_entry_of_a_sample_counts() -> None:
    """MultiStream issues samples twice to fill its last query; later answers are not counted."""
    entries = [{"qsl_idx": 1, "data": "01"}, {"qsl_idx": 2, "data": "02"}]
    entries += [{"qsl_idx": 1, "data": "ff"}, {"qsl_idx": 2, "data": "02"}]
    found = list(parse_accuracy_log(json.dumps(entries).encode()))
    assert found == [AccuracyEntry(1, b"\x01"), AccuracyEntry(2, b"\x02")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[",
        b"{}x",
        b"5",
        b"null",
        b'[{"qsl_idx": 1}]',
        b'[{"data": "00"}]',
        b"[5]",
        b'[{"qsl_idx": "x", "data": "00"}]',
        b'[{"qsl_idx": 1, "data": "0"}]',
        b'[{"qsl_idx": 1, "data": 5}]',
        b'[{"qsl_idx": null, "data": "00"}]',
        b"\xff",
        b'[{"qsl_idx": Infinity, "data": "00"}]',
        b"[" * 100_000,
        b'[{"qsl_idx": 1, "data": "00"}\n\n...\n\n, {"qsl_idx": 2, "data": "00"}]',
    ],
)
def test_what_is_no_accuracy_log_is_invalid_with_a_hint(data: bytes) -> None:
    """Damage or a truncated log is a finding, never a crash."""
    with pytest.raises(InvalidResult, match=r"acc\.json is not a LoadGen accuracy log") as caught:
        list(parse_accuracy_log(data, "acc.json"))
    assert "mlrepo raw export" in caught.value.hint


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be"])
def test_a_log_is_read_in_pieces_of_any_size(
    piece: int, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a piece ends: within a number, a name, a text with brackets and white space."""
    monkeypatch.setattr(accuracy, "_PIECE", piece)
    entries = [{"qsl_idx": i, "data": f"{i:02x}" * i, "note": "}],\n[{é"} for i in range(12)]
    text = " \n" + json.dumps(entries, indent=1, ensure_ascii=False) + "\r\n"
    found = list(parse_accuracy_log(io.BytesIO(text.encode(encoding))))
    assert found == [AccuracyEntry(i, bytes([i]) * i) for i in range(12)]
    for wrong in (text[:-9], text + "x", text.replace("},", "} x,", 1), text[:-3] + ",]"):
        with pytest.raises(InvalidResult):
            list(parse_accuracy_log(io.BytesIO(wrong.encode(encoding))))


def test_long_answers_are_not_held() -> None:
    """Of 16 answers of a MiB, one is in memory at a time."""

    class Log(io.RawIOBase):
        """The log, made while it is read."""

        entry = b'{ "seq_id" : 0, "qsl_idx" : %d, "data" : "' + b"ab" * (1 << 20) + b'" },\n'

        def __init__(self) -> None:
            self.left, self.number = b"[\n", 0

        def read(self, size: int = -1) -> bytes:
            if not self.left and self.number < 17:
                last = self.number == 16
                self.left = b'{"qsl_idx": 0, "data": ""}]' if last else self.entry % self.number
                self.number += 1
            given, self.left = self.left[:size], self.left[size:]
            return given

    tracemalloc.start()
    sizes = [len(entry.data) for entry in parse_accuracy_log(Log())]  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sizes == [1 << 20] * 16
    assert peak < 24 << 20


@pytest.mark.parametrize("size", [0, 1, 4096, 8192, 8198, TRUNCATED_SIZE])
def test_a_log_that_would_not_become_smaller_is_left_alone(size: int) -> None:
    """Up to 8199 bytes the log is committed whole."""
    data = bytes(i % 251 for i in range(size))
    assert TRUNCATED_SIZE == 8199
    assert truncated(io.BytesIO(data), size) == data


@pytest.mark.parametrize("size", [8200, 8201, 20_000, 1_000_000])
def test_a_longer_log_keeps_head_and_tail(size: int) -> None:
    """The first 4096 bytes, the mark, the last 4096 bytes, whatever lies between."""
    data = bytes(i % 251 for i in range(size))
    assert truncated(io.BytesIO(data), size) == data[:4096] + b"\n\n...\n\n" + data[-4096:]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b"", b""),
        (b"accuracy=99.400%, good=497, total=500\n", b"accuracy=99.400%, good=497, total=500\n"),
        (b"accuracy=1%", b"accuracy=1%\n"),
        (b"a\nhash=old\n", b"a\n"),
        (b"a\nhash=old", b"a\n"),
        (b"hash=old\na\n", b"a\n"),
        (b"hash=one\nhash=two\na\n", b"a\n"),
        (b"a\r\nhash=old\r\n", b"a\r\n"),
        (b"a\n  hash=indented\n", b"a\n"),
        (b"no hash=in the middle\n", b"no hash=in the middle\n"),
    ],
)
def test_the_hash_line_is_replaced_not_appended(text: bytes, kept: bytes) -> None:
    """Exactly one hash line, the last one, and every other line as it was."""
    assert with_hash_line(text, SHA) == kept + f"hash={SHA}\n".encode()
