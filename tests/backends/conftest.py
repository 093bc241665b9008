"""Fixtures of the backend tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import pytest


def _at_once(seconds: float, work: Callable[..., Mapping[str, Any]], on_step: object) -> Any:
    return work(on_step)


@pytest.fixture(autouse=True)
def compile_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let TVM compile in this process, except in tests that are marked ``own_process``.

    A new process imports TVM for seconds, and what a test replaces here is not replaced there.
    """
    own = request.node.get_closest_marker("own_process") is not None
    if not own and importlib.util.find_spec("tvm") is not None:
        monkeypatch.setattr("mlrepo.backends.tvm.backend.work_within", _at_once)
