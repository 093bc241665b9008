"""The backend ``openai`` on a real server that nobody here wrote: llama.cpp with SmolLM2."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from mlrepo.backends import BackendOptions, SampleRequest
from mlrepo.backends.endpoint import Endpoint
from mlrepo.backends.openai import OpenAiBackend
from mlrepo.errors import UserError
from mlrepo.generated import Generated
from tests.conftest import MadeOnce
from tests.llama_server import ALIAS, serving, smollm2_file

_ASKED = "Answer in one word. What is the capital of France?"


@pytest.fixture(scope="module")
def url(made_once: MadeOnce) -> Iterator[str]:
    """The base URL of a running server."""
    with serving(smollm2_file(made_once)) as found:
        yield found


class Collected:
    """Collects answers, in place of LoadGen."""

    def __init__(self, wanted: int) -> None:
        self.answers: dict[int, Generated] = {}
        self.first: dict[int, Generated] = {}
        self._wanted, self._done = wanted, threading.Event()
        self._error: BaseException | None = None

    def first_token(self, key: int, output: object) -> None:
        assert isinstance(output, Generated)
        self.first[key] = output

    def complete(self, keys: Sequence[int], outputs: Sequence[object]) -> None:
        for key, output in zip(keys, outputs, strict=True):
            assert isinstance(output, Generated)
            self.answers[key] = output
        if len(self.answers) == self._wanted:
            self._done.set()

    def fail(self, key: int, error: BaseException) -> None:
        self._error = error
        self._done.set()

    def wait(self) -> dict[int, Generated]:
        assert self._done.wait(60)
        if self._error is not None:
            raise self._error
        return self.answers


def ask(
    url: str, kind: str, *samples: Mapping[str, object], warm: int = 0
) -> tuple[Collected, Mapping[str, object]]:
    """Return the answers to samples sent at once, and what became of the requests.

    ``warm`` is how often they are asked before, as a warm-up does.
    """
    backend = OpenAiBackend()
    backend.load(Path(), BackendOptions(endpoint=Endpoint(url, ALIAS, kind)))
    try:
        for _ in range(warm):
            collected = Collected(len(samples))
            backend.submit([SampleRequest(n, one, n) for n, one in enumerate(samples)], collected)
            collected.wait()
        backend.begin()
        collected = Collected(len(samples))
        requests = [SampleRequest(key, one, key) for key, one in enumerate(samples)]
        backend.submit(requests, collected)
        collected.wait()
        return collected, {**backend.describe(), **backend.traffic()}
    finally:
        backend.close()


def test_a_chat_is_answered_and_its_tokens_are_counted(url: str) -> None:
    """Greedily, so twice the same; the server says which program and which model it is."""
    sample = {"messages": [{"role": "user", "content": _ASKED}], "max_new_tokens": 8}
    collected, said = ask(url, "chat", sample, sample)
    first, second = collected.answers.values()
    assert first == second and "Paris" in first.text
    assert 0 < first.tokens <= 8 and said["tokens"] == first.tokens + second.tokens
    assert said["counted"] == {"usage": 2}
    assert first.text.startswith(collected.first[0].text) and collected.first[0].text
    assert said["framework"] == "llama.cpp" and said["framework_name"] == "llama.cpp"
    entry = said["server"]["entry"]  # type: ignore[index]
    assert entry["meta"]["n_params"] == 134515008


def test_a_warm_up_leaves_nothing_of_a_sample_in_the_server_s_cache(url: str) -> None:
    """The server keeps prompts: asked again it computes next to nothing, after a warm-up all."""
    asked = "Name the capital of each of these countries: Norway, Peru, Chad, Laos, Cuba, Oman."
    sample = {"messages": [{"role": "system", "content": asked}], "max_new_tokens": 2}
    _, first = ask(url, "chat", sample, warm=2)
    _, again = ask(url, "chat", sample)
    cached, prompt = first["cached_tokens"], first["prompt_tokens"]
    assert isinstance(cached, int) and isinstance(prompt, int)
    assert cached <= 4 < prompt // 2  # of the template: <|im_start|>, system, a new line
    assert again["prompt_tokens"] == prompt and again["cached_tokens"] >= prompt - 1  # type: ignore[operator]


def test_token_ids_are_taken_as_a_prompt(url: str) -> None:
    """By completions: nothing is added to them. The answer ends at the limit."""
    collected, said = ask(url, "completions", {"input_ids": [504, 3575, 282], "max_new_tokens": 3})
    assert collected.answers[0].tokens == 3 and said["prompt_tokens"] == 3


def test_a_prompt_longer_than_the_context_is_refused_in_the_server_s_words(url: str) -> None:
    """The run ends: such a sample has no answer."""
    with pytest.raises(UserError, match=r"HTTP 400: .*context") as caught:
        ask(url, "completions", {"input_ids": [504] * 5000, "max_new_tokens": 3})
    assert "1 of 1 requests" in caught.value.message
