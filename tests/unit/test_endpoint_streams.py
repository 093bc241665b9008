"""The answers of an endpoint, read from streams that are cut anywhere, and refused if malformed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.backends.openai.answer import StreamedAnswer
from mlrepo.backends.openai.events import LARGEST_EVENT, EventReader
from mlrepo.backends.openai.problems import MalformedStream, RequestProblem
from mlrepo.generated import Generated
from tests.endpoint_server import delta, event, usage

_TEXT = "naïve café – 東京 🎉 done"


def _answer(
    *chunks: object, most: int | None = 9, words: bool = False
) -> tuple[Generated, str, StreamedAnswer]:
    answer = StreamedAnswer(most)
    for one in chunks:
        answer.take(one if isinstance(one, bytes) else json.dumps(one).encode())
    return *answer.end(_words if words else None), answer


def _words(text: str) -> Sequence[int]:
    return [len(word) for word in text.split()]


@given(st.lists(st.integers(0, 400), max_size=12), st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_stream_may_be_cut_anywhere(cuts: list[int], end: str) -> None:
    """Also within a character of several bytes, and between the two bytes of a line end."""
    payloads = [json.dumps(delta(part), ensure_ascii=False) for part in _TEXT.split(" ")]
    lines = [": a comment", "event: message", *(f"data: {one}\n" for one in payloads), "", "data"]
    stream = ("\n".join(lines) + "\n").replace("\n", end).encode()
    if end == "\r":
        stream += b"\n"  # only what follows ends a single carriage return
    reader = EventReader()
    places = sorted({0, *(min(cut, len(stream)) for cut in cuts), len(stream)})
    pieces = [stream[a:b] for a, b in pairwise(places)]
    found = [one for piece in pieces for one in reader.feed(piece)]
    assert [json.loads(one) for one in found] == [json.loads(one) for one in payloads]


def test_data_of_several_lines_is_one_payload() -> None:
    """And at most one space after the colon belongs to the format."""
    assert list(EventReader().feed(b"data: a\ndata:b\ndata:  c\n\n")) == [b"a\nb\n c"]


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 99_994, b"data: " + b"x" * 99_993 + b"\n"])
def test_an_endless_event_is_refused(piece: bytes) -> None:
    """Before it fills the memory."""
    reader = EventReader()
    with pytest.raises(MalformedStream, match="more than 4,194,304 bytes"):
        for _ in range(LARGEST_EVENT // len(piece) + 2):
            list(reader.feed(piece))


def test_tokens_are_counted_from_ids_first() -> None:
    """Two ids in one chunk, then one: three tokens, whatever usage says."""
    found, way, _ = _answer(
        delta("", role="assistant"), delta("Par", token_ids=[7, 8]), delta("is", token_ids=[9]),
        delta("", "stop"), usage(4), b"[DONE]",
    )  # fmt: skip
    assert (found, way) == (Generated("Paris", [7, 8, 9], 3), "token ids")


def test_tokens_are_counted_by_usage_otherwise() -> None:
    """Five tokens in two chunks; the server also says what it had cached."""
    counted = usage(5, prompt=20)
    counted["usage"]["prompt_tokens_details"] = {"cached_tokens": 16}  # type: ignore[index]
    found, way, answer = _answer(delta("a b"), delta(" c", "length"), counted, words=True)
    assert (found.tokens, way, answer.prompt_tokens, answer.cached_tokens) == (5, "usage", 20, 16)


def test_tokens_are_counted_by_the_tokenizer_at_last() -> None:
    """Not by the number of chunks."""
    found, way, _ = _answer(delta("one two"), delta(" three", "stop"), words=True)
    assert (found, way) == (Generated("one two three", [3, 3, 5], 3), "tokenizer")


def test_completions_have_text_without_delta() -> None:
    """The other of the two resources."""
    chunks = [{"choices": [{"index": 0, "text": text, "finish_reason": None}]} for text in "ab"]
    last = {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}
    assert _answer(*chunks, last, usage(2))[0].text == "ab"


@pytest.mark.parametrize(
    ("chunks", "first"),
    [
        ((delta("", role="assistant"), delta("a"), delta("b", "stop")), [False, True, False]),
        ((delta("", role="assistant"), delta("", "stop")), [False, True]),
        ((delta("", token_ids=[3]), delta("a", "stop")), [True, False]),
        ((delta(reasoning_content="hm") | {}, delta("a")), [False, True]),
    ],
    ids=["text", "nothing but the end", "an id without text", "the role alone"],
)
def test_the_first_token_is_the_first_content(
    chunks: tuple[object, ...], first: list[bool]
) -> None:
    """Not the chunk with the role, which servers send at once."""
    answer = StreamedAnswer(9)
    assert [answer.take(json.dumps(one).encode()) for one in chunks] == first


def test_reasoning_is_generated_too() -> None:
    """The first token of a model that thinks aloud."""
    chunk = {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}
    assert StreamedAnswer(9).take(json.dumps(chunk).encode())


@pytest.mark.parametrize(
    ("chunks", "says"),
    [
        ([b"{half"], "not JSON: {half"),
        ([b"[1]"], "not an object"),
        ([{"object": "ping"}], "without choices"),
        ([{"choices": [{"index": 1, "delta": {}}]}], "not asked for"),
        ([{"choices": [{"index": 0, "delta": {"content": 7}}]}], "unknown form"),
        ([delta("a", token_ids=["7"])], "unknown form"),
        ([delta("a", "stop"), delta("", "stop")], "a second finish_reason"),
        ([delta("a", "stop"), delta("b")], "text after the finish_reason"),
        ([delta("a", "stop"), usage(1), b"[DONE]", delta("b")], "after \\[DONE\\]"),
        ([delta("a"), usage(1), b"[DONE]"], "without a finish_reason"),
        ([delta("a")], "without a finish_reason"),
    ],
)
def test_a_malformed_stream_is_no_answer(chunks: list[object], says: str) -> None:
    """What is wrong is said, with the beginning of the event."""
    with pytest.raises(MalformedStream, match=says):
        _answer(*chunks)


@pytest.mark.parametrize(
    ("chunks", "says"),
    [
        ([{"error": {"message": "CUDA out of memory", "code": 500}}], "CUDA out of memory"),
        ([delta("a", "abort"), usage(1)], "finish_reason 'abort'"),
        ([delta("a", "content_filter"), usage(1)], "content_filter"),
        ([delta("", "stop"), usage(0)], "no token"),
        ([delta("a", "stop"), usage(10)], "10 tokens or more, and at most 9"),
        ([delta("a b", "stop")], "nobody knows how many"),
        ([delta("x", token_ids=[1]) for _ in range(10)], "at most 9 were asked for"),
        ([delta("x") for _ in range(80)], "at most 9 were asked for"),
    ],
)
def test_what_is_no_whole_answer_is_refused(chunks: list[object], says: str) -> None:
    """An endless answer is refused before it ends."""
    with pytest.raises(RequestProblem, match=says):
        _answer(*chunks)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "content", "text", "token_ids", "usage", "error"])
            | st.sampled_from(["index", "finish_reason", "completion_tokens", "tool_calls"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(st.lists(_JSON | st.builds(lambda one: {"choices": [one]}, _JSON), max_size=3))
def test_whatever_a_server_sends_is_an_answer_or_a_problem(chunks: list[object]) -> None:
    """Never another exception: it would say that mlrepo is wrong."""
    with contextlib.suppress(RequestProblem):
        _answer(*chunks, words=True)


def test_events_of_a_server_are_read_as_written() -> None:
    """The way of the scripted server, whose streams other tests use."""
    reader = EventReader()
    stream = event(delta("é")) + event(delta("", "stop")) + event(usage(1)) + event("[DONE]")
    assert _answer(*reader.feed(stream))[0] == Generated("é", [], 1)
