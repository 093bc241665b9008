"""A run loads the model that its record names, or fails with the reason."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

from mlrepo.errors import UserError
from mlrepo.harness.model_guard import ModelGuard
from mlrepo.harness.spec import RunSpec
from mlrepo.model_files import find_model_files
from tests.models import tiny_classifier


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The weights of a model ``tiny.onnx`` beside them, written long ago."""
    path = tiny_classifier(tmp_path / "tiny.onnx")
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="tiny.data")
    return tmp_path / "tiny.data"


def _guard(weights: Path) -> ModelGuard:
    files = find_model_files(weights.with_name("tiny.onnx"))
    spec = RunSpec(
        "w",
        "b",
        "Offline",
        "performance",
        str(files.entry),
        model_digest=files.digest,
        model_states=files.states,
    )
    return ModelGuard(spec)


def _change(weights: Path) -> None:
    """Other weights of the same length, with the time stamp of the old ones."""
    before = weights.stat()
    weights.write_bytes(weights.read_bytes()[::-1])
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_files_left_alone_and_files_only_touched_are_the_recorded_ones(weights: Path) -> None:
    """A new time stamp makes them be read again, nothing else."""
    guard = _guard(weights)
    weights.touch()
    guard.before_loading()
    guard.after_loading()
    weights.touch()
    guard.after_run()


@pytest.mark.parametrize("when", ["before it was loaded", "while it was loaded", "during the run"])
def test_a_change_at_any_time_is_said(weights: Path, when: str) -> None:
    """Both weights have the same length and time stamp."""
    guard = _guard(weights)
    steps = [guard.before_loading, guard.after_loading, guard.after_run]
    for step, name in zip(steps, ("before", "while", "during"), strict=True):
        if when.startswith(name):
            _change(weights)
            with pytest.raises(UserError, match=f"was changed {when}.*SHA-256"):
                step()
            return
        step()


def test_a_file_that_went_away_is_said(weights: Path) -> None:
    """Its name, and the tensor's."""
    guard = _guard(weights)
    weights.unlink()
    with pytest.raises(UserError, match=r"tiny\.data.*does not exist"):
        guard.before_loading()
