"""The backend of docs/backends.md does what the page says."""

from __future__ import annotations

import numpy as np
import pytest

from mlrepo.backends import BackendOptions
from mlrepo.backends.capabilities import said_by
from mlrepo.errors import UserError
from mlrepo.harness.device_guard import described_on
from mlrepo.workloads.digits import DIGITS
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
