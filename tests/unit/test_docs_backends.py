"""The backend of docs/backends.md does what the page says."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from mlrepo.backends import BackendOptions, SampleRequest
from mlrepo.backends.capabilities import said_by
from mlrepo.errors import UserError
from mlrepo.harness.device_guard import described_on
from mlrepo.harness.requests import takes_requests
from mlrepo.workloads.digits import DIGITS, DigitsDataset
from tests.pages import shown_module


def test_the_backend_runs_and_says_where() -> None:
    """It loads a model, answers, and refuses what it has not."""
    assert DIGITS.model is not None
    backend = shown_module("backends.md", "mybackend").MyBackend()
    asked = BackendOptions(threads=1, extra={"level": "none"})
    backend.load(DIGITS.model.path, asked)
    assert backend.input_shape == (None, 1, 8, 8)
    (scores,) = backend.predict(np.zeros((3, 1, 8, 8), np.float32))
    assert scores.shape == (3, 10)
    assert described_on(backend, "mine", "cpu")["options"] == {"threads": 1, "level": "none"}
    assert said_by(backend).declared
    for wrong in (
        BackendOptions(device="cuda"),
        BackendOptions(precision="bf16"),
        BackendOptions(extra={"levels": "all"}),
    ):
        with pytest.raises(UserError, match="The backend mine"):
            backend.load(DIGITS.model.path, wrong)


def test_the_backend_that_takes_requests_answers_them() -> None:
    """Each under its key, with a mark for the first token, until it is closed."""
    backend = shown_module("backends.md", "myqueue").MyQueue()
    backend.load(Path("m"), BackendOptions())
    done = threading.Event()
    told: list[tuple[str, int, object]] = []

    class Collected:
        def first_token(self, key: int, output: object) -> None:
            told.append(("first", key, output))

        def complete(self, keys: list[int], outputs: list[object]) -> None:
            told.append(("all", keys[0], outputs[0]))
            if keys == [1]:
                done.set()

    backend.submit([SampleRequest(n, f"a  b{n}", n) for n in range(2)], Collected())
    assert done.wait(10)
    backend.close()
    assert told == [("first", 0, "a"), ("all", 0, "a b0"), ("first", 1, "a"), ("all", 1, "a b1")]
    assert takes_requests(backend, "myqueue", DigitsDataset(), DIGITS.task)
