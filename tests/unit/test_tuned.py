"""Tuned settings come with a repository, so their form is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlrepo.bench.tuned import Tuned, read_tuned, remember
from mlrepo.errors import UserError

_FOUND = Tuned("0" * 64, "onnx", "fp32", "Offline", 2, 32, {"streams": "1"}, 2.0, 1.0, "2026")


@pytest.mark.parametrize(
    "changes",
    [
        {"threads": "2"},
        {"threads": 0},
        {"threads": 10**12},
        {"max_batch": None},
        {"max_batch": True},
        {"options": ["a"]},
        {"options": {"a": 1}},
        {"backend": ["onnx"]},
        {"model": None},
        {"more": 1},
    ],
    ids=str,
)
def test_a_value_of_another_form_is_named_as_damage(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """What `mlrepo bench tune` wrote is read as it was."""
    path = tmp_path / "tuned.json"
    remember(path, _FOUND)
    assert read_tuned(path) == [_FOUND]
    raw = json.loads(path.read_text())
    raw["tuned"][0] |= changes
    path.write_text(json.dumps(raw))
    with pytest.raises(UserError, match="is damaged"):
        read_tuned(path)


def test_lists_without_end_are_named_as_damage(tmp_path: Path) -> None:
    """A traceback would stop every run on the system."""
    path = tmp_path / "tuned.json"
    path.write_text("[" * 100_000)
    with pytest.raises(UserError, match="is damaged"):
        read_tuned(path)
