"""The body of a request: what a benchmark's sample asks, in the words of OpenAI's API."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlrepo.backends.endpoint import CHAT, COMPLETIONS
from mlrepo.backends.openai.tokens import Encode
from mlrepo.errors import UserError

PATHS = {CHAT: "chat/completions", COMPLETIONS: "completions"}
# A prompt of the warm-up begins with so many letters in place of more characters of its sample, so
# that it has no more tokens, or with so many tokens in place of as many.
_LETTERS, _CHARACTERS, _TOKENS = 6, 32, 8
_random = random.SystemRandom()


@dataclass(frozen=True)
class Prompts:
    """Turns samples into the bodies of requests.

    Attributes
    ----------
    model, kind:
        The model's name at the endpoint, and ``chat`` or ``completions``.
    token_ids:
        Whether the server is asked for token ids (``return_token_ids``, vLLM).
    extra:
        Further fields of each body; they overrule the others.
    """

    model: str
    kind: str
    token_ids: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)

    def body(self, sample: object) -> tuple[bytes, int | None]:
        """Return the body for a sample, and the largest number of tokens that it asks for.

        A sample is an object with ``messages`` (a chat), ``prompt`` (a text) or ``input_ids``, and
        ``max_new_tokens``, ``min_new_tokens``, ``stop``. Decoding is greedy.

        Raises
        ------
        UserError
            The sample has nothing that the kind of endpoint takes.
        """
        body = self._fields(sample)
        most = body.get("max_tokens")
        return json.dumps(body).encode(), most if isinstance(most, int) else None

    def size(self, sample: object, encode: Encode | None) -> tuple[int, int]:
        """Return the tokens of a sample's prompt, and of the longest answer that is asked for.

        0 where they cannot be counted: a text without its model's tokenizer.
        """
        body = self._fields(sample)
        prompt, most = body.get("prompt"), body.get("max_tokens")
        longest = most if isinstance(most, int) else 0
        if isinstance(prompt, list):
            return len(prompt), longest
        if encode is None:
            return 0, longest
        messages = body.get("messages")
        texts = [one["content"] for one in messages] if isinstance(messages, list) else [prompt]
        return sum(len(encode(one)) for one in texts if isinstance(one, str)), longest

    def rehearsal(self, sample: object) -> tuple[bytes, int | None]:
        """Return the body for a sample that nobody has asked before, as :meth:`body` does.

        It has a beginning of its own: a server that keeps the prefixes of prompts must neither know
        a sample when it is measured, nor answer the warm-up from what it keeps. MLPerf wants each
        query computed in its entirety (inference_rules, questions on the KV cache).
        """
        return self.body(_unheard(sample) if isinstance(sample, Mapping) else sample)

    def _fields(self, sample: object) -> dict[str, object]:
        if not isinstance(sample, Mapping):
            raise UserError(
                f"The backend openai needs samples with messages, prompt or input_ids; the "
                f"benchmark gives {type(sample).__name__}.",
                hint="Use a benchmark of a language model.",
            )
        body: dict[str, object] = {
            "model": self.model,
            **self._asked(sample),
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        for ours, theirs in (
            ("max_new_tokens", "max_tokens"),
            ("min_new_tokens", "min_tokens"),
            ("stop", "stop"),
        ):
            if sample.get(ours):
                body[theirs] = sample[ours]
        if self.token_ids:
            body["return_token_ids"] = True
        body.update(self.extra)
        return body

    def _asked(self, sample: Mapping[str, object]) -> dict[str, object]:
        messages, prompt, ids = (sample.get(key) for key in ("messages", "prompt", "input_ids"))
        if self.kind == CHAT:
            if messages:
                return {"messages": messages}
            if isinstance(prompt, str):
                return {"messages": [{"role": "user", "content": prompt}]}
            raise UserError(
                "The samples of this benchmark are token ids, which a chat cannot take.",
                hint="Use --endpoint-kind completions.",
            )
        if isinstance(ids, Iterable) and not isinstance(ids, str | bytes):
            return {"prompt": [int(one) for one in ids]}
        if isinstance(prompt, str):
            return {"prompt": prompt}
        raise UserError(
            "The samples of this benchmark are messages of a chat, without a prompt.",
            hint="Use --endpoint-kind chat.",
        )


def _unheard(sample: Mapping[str, object]) -> dict[str, object]:
    """Return a sample whose prompt begins as no other, and is not longer."""
    found = dict(sample)
    messages, prompt, ids = (sample.get(key) for key in ("messages", "prompt", "input_ids"))
    if isinstance(messages, Sequence) and messages and isinstance(messages[0], Mapping):
        first = messages[0]
        found["messages"] = [{**first, "content": _content(first.get("content"))}, *messages[1:]]
    if isinstance(prompt, str):
        found["prompt"] = _text(prompt)
    if isinstance(ids, Iterable) and not isinstance(ids, str | bytes):
        found["input_ids"] = _ids([int(one) for one in ids])
    return found


def _content(content: object) -> object:
    """Return the content of a message: a text, or parts of which some are texts."""
    if isinstance(content, str):
        return _text(content)
    if isinstance(content, Sequence):
        return [{"type": "text", "text": _text("")}, *content]
    return content


def _text(text: str) -> str:
    return "".join(_random.choices(string.ascii_lowercase, k=_LETTERS)) + text[_CHARACTERS:]


def _ids(ids: Sequence[int]) -> list[int]:
    """Return token ids with others of the same prompt at their beginning."""
    others = [one for one in ids if one != ids[0]] or ids
    few = min(_TOKENS, len(ids))
    return [*_random.choices(others, k=few), *ids[few:]]
