"""Truncation, the hash line and log parsing work for any bytes."""

from __future__ import annotations

import io
import json
import re

from hypothesis import example, given
from hypothesis import strategies as st

from mlrepo.errors import MlrepoError
from mlrepo.logs.accuracy import (
    HEAD_SIZE,
    TAIL_SIZE,
    TRUNCATED_SIZE,
    parse_accuracy_log,
    truncated,
    with_hash_line,
)
from mlrepo.logs.detail import MARKER, parse_detail
from mlrepo.logs.summary import invalid_reasons

SHA = "0123456789abcdef" * 4


def _cut(data: bytes) -> bytes:
    return truncated(io.BytesIO(data), len(data))


@given(st.integers(0, 20_000), st.binary(min_size=1, max_size=64))
@example(8199, b"x")
@example(8200, b"x")
@example(0, b"x")
def test_truncation_keeps_both_ends_and_is_idempotent(size: int, pattern: bytes) -> None:
    """Never longer than 8199 bytes, never changed when short, and done only once."""
    data = (pattern * (size // len(pattern) + 1))[:size]
    cut = _cut(data)
    assert _cut(cut) == cut
    assert len(cut) == min(size, TRUNCATED_SIZE)
    if size <= TRUNCATED_SIZE:
        assert cut == data
    else:
        assert cut[:HEAD_SIZE] == data[:HEAD_SIZE]
        assert cut[-TAIL_SIZE:] == data[-TAIL_SIZE:]
        assert cut[HEAD_SIZE:-TAIL_SIZE] == b"\n\n...\n\n"


_line = st.one_of(
    st.sampled_from(
        [
            b"accuracy=99.400%, good=497, total=500",
            b"hash=old",
            b"hash=",
            b"  hash=x",
            b"hash = x",
            b"xhash=y",
            b"a hash=b",
            b"",
            b"\r",
        ]
    ),
    st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")),
)
_text = st.tuples(
    st.lists(_line, max_size=6), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b"\n"])
).map(lambda t: t[1].join(t[0]) + t[2])


@given(_text)
def test_there_is_exactly_one_hash_line_and_it_is_the_last(text: bytes) -> None:
    """Any old hash line goes, every other line stays, and doing it again changes nothing."""
    once = with_hash_line(text, SHA)
    assert with_hash_line(once, SHA) == once
    lines = once.split(b"\n")
    assert lines[-2:] == [f"hash={SHA}".encode(), b""]
    assert [line for line in lines if re.match(rb"[ \t]*hash=", line)] == [lines[-2]]
    kept = [line for line in text.split(b"\n") if not re.match(rb"[ \t]*hash=", line)]
    assert [line for line in lines[:-2] if line] == [line for line in kept if line]


_detail_line = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=60).map(MARKER.__add__),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=8,
    ).map(lambda value: MARKER + json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"key": st.sampled_from(["a", "b", "result_validity"]) | st.none() | st.integers()},
        optional={
            "value": st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5)),
            "metadata": st.one_of(st.none(), st.just({}), st.just({"is_error": True})),
        },
    ).map(lambda value: MARKER + json.dumps(value).encode()),
)


@given(st.lists(_detail_line, max_size=8).map(b"\n".join))
def test_a_detail_log_is_parsed_or_refused_never_more(data: bytes) -> None:
    """Truncated, binary or strange lines raise nothing but an MlrepoError."""
    try:
        log = parse_detail(data)
    except MlrepoError:
        return
    for key in log.values:
        number = log.number(key)
        assert number is None or isinstance(number, float)
    assert log.group("") == dict(log.values)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_detail_log_may_end_anywhere(noise: bytes, end: int) -> None:
    """A crash cuts the log at any byte: what was whole before is read, or the line is named."""
    event = json.dumps({"key": "a", "value": 1, "metadata": {"is_error": False}}).encode()
    data = (MARKER + event + b"\n" + noise + b"\n" + MARKER + event)[:end]
    try:
        log = parse_detail(data)
    except MlrepoError as error:
        assert re.search(r":\d+ is not a LoadGen log line", error.message)
    else:
        assert set(log.values) <= {"a"}


_entry = st.one_of(
    st.fixed_dictionaries(
        {"qsl_idx": st.integers(0, 9), "data": st.binary(max_size=4).map(bytes.hex)}
    ),
    st.fixed_dictionaries({"qsl_idx": st.one_of(st.none(), st.text(max_size=3), st.floats())}),
    st.none() | st.integers() | st.text(max_size=3),
)


@given(
    st.one_of(st.binary(max_size=100), st.lists(_entry, max_size=8).map(json.dumps).map(str.encode))
)
def test_an_accuracy_log_is_parsed_or_refused_never_more(data: bytes) -> None:
    """Each sample is told at most once, with its first answer."""
    try:
        entries = list(parse_accuracy_log(data))
    except MlrepoError:
        return
    assert len({entry.sample_index for entry in entries}) == len(entries)


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(min_size=1, max_size=4)), max_size=30))
def test_the_first_answer_of_a_sample_wins(answers: list[tuple[int, bytes]]) -> None:
    """Duplicates of a wrap-around never count twice, whatever their order."""
    log = json.dumps([{"qsl_idx": i, "data": data.hex()} for i, data in answers]).encode()
    first: dict[int, bytes] = {}
    for index, data in answers:
        first.setdefault(index, data)
    assert {e.sample_index: e.data for e in parse_accuracy_log(log)} == first


@given(st.text(max_size=300))
def test_any_text_can_be_asked_for_reasons(text: str) -> None:
    """A summary of any content yields one-line reasons."""
    assert all("\n" not in reason for reason in invalid_reasons(text))
