"""The model file and the prepared data of a run, from what the user has."""

from __future__ import annotations

from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.workloads import ModelFile, Workload
from mlrepo.workloads.catalog import variants
from mlrepo.workloads.imagenet.prepared import ImageNetStore
from mlrepo.workloads.model_store import ModelStore

# Which of our backends read a model of a framework.
READERS = {
    "onnx": ("onnx", "openvino", "pytorch", "tvm-onnx", "tvm-pytorch"),
    "pytorch": ("pytorch", "tvm-pytorch"),
    "torchscript": ("pytorch",),
}


def find_model(home: Path, workload: Workload, substitute: Path | None, variant: str) -> ModelFile:
    """Return the model of a run: a file of the user's, a named variant, or the default.

    Raises
    ------
    UserError
        There is no such file or variant, or it has to be fetched first.
    """
    if substitute is not None and variant:
        raise UserError(
            "--model-file and --model-variant are two answers to one question.",
            hint="Give one of them.",
        )
    if variant and workload.model is not None:
        raise UserError(
            f"The benchmark {workload.name} has one model only.", hint="Leave out --model-variant."
        )
    if substitute is None:
        return _own_model(home, workload, variant)
    path = substitute.absolute()
    if not path.is_file():
        raise UserError(f"The model file {path} does not exist.", hint="Check --model-file.")
    model = workload.model
    known = variants(workload.name)
    return ModelFile(
        name=path.stem,
        path=path,
        starting_weights_filename=path.name,
        retraining=model.retraining if model else "no",
        preprocessing=known[0].preprocessing if known else "",
    )


def _own_model(home: Path, workload: Workload, variant: str) -> ModelFile:
    model = workload.model
    if model is None:
        store = ModelStore(home)
        wanted = store.find(f"{workload.name}/{variant}" if variant else workload.name)
        return store.require(wanted).model_file()
    if not model.path.is_file():
        raise UserError(
            f"The model file {model.path} does not exist.",
            hint="It is part of the package: install mlrepo again.",
        )
    return model


def find_dataset(home: Path, workload: Workload, model: ModelFile) -> Path | None:
    """Return where the data set lies prepared as the model needs it; None for an embedded one.

    Raises
    ------
    UserError
        It has to be registered or prepared first.
    """
    if not workload.dataset:
        return None
    return ImageNetStore(home).require_prepared(model.preprocessing)
