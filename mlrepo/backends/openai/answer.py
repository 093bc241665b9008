"""One answer, put together from the events of its stream.

The events are chunks of chat completions or of completions (OpenAI's API reference, "streaming").
Their number says nothing about the number of tokens: a server may send several tokens in one chunk,
or a chunk for half a character.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from mlrepo.backends.openai.problems import MalformedStream, RequestProblem
from mlrepo.backends.openai.tokens import Encode
from mlrepo.generated import Generated

DONE = b"[DONE]"
# Why a model stops by itself or at the limit; with any other word the answer is not whole.
_WHOLE = frozenset(
    {"stop", "length", "tool_calls", "function_call", "eos_token", "stop_sequence", "stop_token"}
)
# What a chunk of a chat may hold beside text: it is generated, too.
_OTHER_CONTENT = ("reasoning_content", "reasoning", "tool_calls", "refusal")
_SHOWN = 80
# So many chunks more than tokens are accepted: the last one, and halves of characters.
_EMPTY_CHUNKS = 64

IDS, USAGE, TOKENIZER = "token ids", "usage", "tokenizer"
"""The ways to count tokens, the most reliable first."""


class StreamedAnswer:
    """One answer while it arrives; ``most`` is how many tokens were asked for, None for no limit.

    Attributes
    ----------
    prompt_tokens, cached_tokens:
        The length of the prompt as the server counted it, and how many of its tokens the server had
        in a cache; None if it did not say.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self.prompt_tokens: int | None = None
        self.cached_tokens: int | None = None
        self._texts: list[str] = []
        self._ids: list[int] = []
        self._chunks = 0
        self._finish = ""
        self._done = False
        self._completion_tokens: int | None = None

    def take(self, payload: bytes) -> bool:
        """Take an event; return whether it brought the first token.

        Raises
        ------
        MalformedStream
            It is not a chunk, or it must not be here.
        RequestProblem
            The server reports an error.
        """
        if self._done:
            raise MalformedStream(f"an event after {DONE.decode()}")
        if payload == DONE:
            self._done = True
            return False
        chunk = _chunk_of(payload)
        if chunk.get("usage"):
            self._count(chunk["usage"])
        choices = chunk.get("choices")
        if not choices:
            if chunk.get("error"):
                raise RequestProblem(f"the server reports an error: {words_of(chunk)}")
            if choices is None:
                raise MalformedStream(f"a chunk without choices: {_shown(payload)}")
            return False
        try:
            [choice] = choices
            if choice.get("index"):
                raise MalformedStream(f"a choice that was not asked for: {_shown(payload)}")
            return self._choose(choice)
        except (TypeError, ValueError, AttributeError):
            raise MalformedStream(f"a chunk of an unknown form: {_shown(payload)}") from None

    def end(self, encode: Encode | None) -> tuple[Generated, str]:
        """Return the whole answer and how its tokens were counted, after the stream has ended.

        ``encode`` is the model's tokenizer, a text to ids.

        Raises
        ------
        MalformedStream
            It ended before the answer was whole.
        RequestProblem
            It has no token, more than asked, or nobody knows how many.
        """
        if not self._finish:
            raise MalformedStream("it ended without a finish_reason")
        if self._finish not in _WHOLE:
            raise RequestProblem(f"the server stopped early: finish_reason {self._finish!r}")
        ids: Sequence[int] = self._ids
        text = "".join(self._texts)
        if not ids and encode is not None:
            ids = encode(text)
        if self._ids:
            tokens, way = len(self._ids), IDS
        elif self._completion_tokens is not None:
            tokens, way = self._completion_tokens, USAGE
        elif encode is not None:
            tokens, way = len(ids), TOKENIZER
        else:
            raise RequestProblem(
                "the server says neither token ids nor usage, so nobody knows how many tokens",
                "Give the model's tokenizer: --backend-opt tokenizer=tokenizer.json.",
            )
        if tokens < 1:
            raise RequestProblem("the answer has no token")
        self._refuse_more(tokens)
        return Generated(text, ids, tokens), way

    def begun(self) -> Generated:
        """Return what has arrived so far, for the mark of the first token."""
        return Generated("".join(self._texts), tuple(self._ids), 1)

    def _choose(self, choice: Mapping[str, Any]) -> bool:
        delta = choice.get("delta")
        content = choice.get("text") if delta is None else delta.get("content")
        ids, finish = choice.get("token_ids"), choice.get("finish_reason")
        if content:
            if type(content) is not str:
                raise TypeError
            self._texts.append(content)
        elif not (ids or finish or _has_other_content(delta)):
            return False
        if self._finish:
            what = "text after the" if content or ids else "a second"
            raise MalformedStream(f"{what} finish_reason")
        if ids:
            if set(map(type, ids)) != {int}:
                raise TypeError
            self._ids += ids
        if finish:
            # A model that ends at once has generated the end of the sequence.
            self._finish = str(finish)
        self._chunks += 1
        if self._most is not None and self._chunks > self._most:
            # An endless answer; a few chunks may hold no whole token.
            self._refuse_more(max(len(self._ids), self._chunks - _EMPTY_CHUNKS))
        return self._chunks == 1

    def _refuse_more(self, tokens: int) -> None:
        if self._most is not None and tokens > self._most:
            raise RequestProblem(
                f"the answer has {tokens} tokens or more, and at most {self._most} were asked for"
            )

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        generated, prompt = usage.get("completion_tokens"), usage.get("prompt_tokens")
        if type(generated) is int:
            self._completion_tokens = generated
        if type(prompt) is int:
            self.prompt_tokens = prompt
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        if type(cached) is int:
            self.cached_tokens = cached


def words_of(said: object) -> str:
    """Return what a server says about an error, in the form of OpenAI or any other."""
    if isinstance(said, dict):
        inner = said.get("error", said.get("detail", said.get("message", said)))
        said = inner.get("message", inner) if isinstance(inner, dict) else inner
    return printable(said if isinstance(said, str) else json.dumps(said))


def printable(text: str, most: int = 300) -> str:
    """Return a server's text on one line, without control characters."""
    return "".join(char if char.isprintable() else " " for char in text[:most]).strip()


def _chunk_of(payload: bytes) -> dict[str, Any]:
    try:
        chunk = orjson.loads(payload)
    except ValueError:
        raise MalformedStream(f"an event that is not JSON: {_shown(payload)}") from None
    if type(chunk) is not dict:
        raise MalformedStream(f"an event that is not an object: {_shown(payload)}")
    return chunk


def _has_other_content(delta: Mapping[str, Any] | None) -> bool:
    return delta is not None and any(delta.get(name) for name in _OTHER_CONTENT)


def _shown(payload: bytes) -> str:
    return printable(payload.decode("utf-8", "replace"), _SHOWN)
