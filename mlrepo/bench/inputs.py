"""The model file and the prepared data of a run, from what the user has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlrepo.backends.requirements import BACKEND_REQUIREMENTS
from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.workloads import ModelFile, Workload
from mlrepo.workloads.catalog import INT8, ReferenceModel, variants
from mlrepo.workloads.imagenet.calibration import calibration_list
from mlrepo.workloads.imagenet.prepared import ImageNetStore
from mlrepo.workloads.model_store import ModelStore, StoredModel, is_int8
from mlrepo.workloads.quantize import Calibration

# Which of our backends read a model of a framework.
READERS = {
    "onnx": ("onnx", "openvino", "pytorch", "tvm-onnx", "tvm-pytorch"),
    "pytorch": ("pytorch", "tvm-pytorch"),
    "torchscript": ("pytorch",),
}
# How many generated images a model is calibrated with, where nobody says.
_GENERATED = 32


def find_model(
    home: Path,
    workload: Workload,
    substitute: Path | None = None,
    variant: str = "",
    *,
    backend: str = "onnx",
    precision: str = "",
) -> ModelFile:
    """Return the model of a run: a file of the user's, a named variant, or the default.

    The precision int8 without a model named takes the benchmark's quantized one.

    Raises
    ------
    UserError
        There is no such file or variant, it has to be fetched first, or it is of another precision.
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
    if substitute is not None:
        model = _substitute(workload, substitute)
    elif workload.model is not None:
        model = _embedded(workload.model)
    else:
        store = ModelStore(home)
        if precision == INT8 and not variant:
            variant = _quantized(store, workload.name, backend)
        name = f"{workload.name}/{variant}" if variant else workload.name
        model = store.require(store.find(name)).model_file()
    if precision and (precision == INT8) != (model.precision == INT8):
        raise UserError(
            f"--precision {precision}: the model {model.name} is {model.precision}.",
            hint="Leave out --precision, or name another model (`mlrepo model list`). "
            f"{_how_to_quantize(workload)}",
        )
    return model


def _substitute(workload: Workload, file: Path) -> ModelFile:
    path = file.absolute()
    if not path.is_file():
        raise UserError(f"The model file {path} does not exist.", hint="Check --model-file.")
    model = workload.model
    known = variants(workload.name)
    return ModelFile(
        name=path.stem,
        path=path,
        starting_weights_filename=path.name,
        retraining=model.retraining if model else "no",
        weight_data_types=INT8 if is_int8(path) else "fp32",
        preprocessing=known[0].preprocessing if known else "",
    )


def _embedded(model: ModelFile) -> ModelFile:
    if not model.path.is_file():
        raise UserError(
            f"The model file {model.path} does not exist.",
            hint="It is part of the package: install mlrepo again.",
        )
    return model


def _quantized(store: ModelStore, benchmark: str, backend: str) -> str:
    """Return the variant of the benchmark's only int8 model that is here and fits the backend."""
    found = [
        model.variant
        for model in store.known()
        if model.benchmark == benchmark
        and model.weight_data_types == INT8
        and can_read(backend, model)
        and store.get(model) is not None
    ]
    if not found:
        raise UserError(
            f"There is no int8 model of {benchmark} for the backend {backend} here.",
            hint=f"`mlrepo model quantize {benchmark}` makes one.",
        )
    if len(found) > 1:
        raise UserError(
            f"There are several int8 models of {benchmark}: {', '.join(found)}.",
            hint="Choose one with --model-variant.",
        )
    return found[0]


def _how_to_quantize(workload: Workload) -> str:
    if workload.model is not None:
        return ""
    return f"`mlrepo model quantize {workload.name}` makes an int8 model."


def can_read(backend: str, model: ReferenceModel) -> bool:
    """Return whether a backend reads models of a framework; third parties' are taken to."""
    return backend in READERS[model.framework] or backend not in BACKEND_REQUIREMENTS


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


def find_calibration(
    home: Path, base: StoredModel, text: str | None, count: int | None
) -> Calibration:
    """Return the samples that a model is calibrated with.

    Raises
    ------
    UserError
        A list is missing where there is a data set to take images from, or is given where there is
        none; the data set is not prepared; fewer than ``count`` images are there.
    """
    workload: Workload = load_plugin(WORKLOADS, base.about.benchmark)
    if not workload.dataset:
        if text is not None:
            raise UserError(
                f"{workload.name} runs on generated images: --calibration does not apply.",
                hint="Leave it out.",
            )
        dataset = workload.open("")
        indices = list(range(min(count or _GENERATED, dataset.total)))
        name = f"the first {len(indices)} generated images"
        return Calibration(dataset, indices, name, sha256_bytes(name.encode()))
    if text is None:
        raise UserError(
            "--calibration is missing: which images may the quantization look at?",
            hint="--calibration mlperf-1 takes MLPerf's first list.",
        )
    chosen = calibration_list(text)
    prepared = find_dataset(home, workload, base.model_file())
    if count is not None:
        if count > len(chosen.files):
            raise UserError(
                f"--count {count} is more than the {len(chosen.files)} images of {chosen.source}.",
                hint="Leave it out to use all.",
            )
        first = chosen.files[:count]
        chosen = replace(chosen, files=first, source=f"{chosen.source}, first {count}")
    indices = chosen.indices(ImageNetStore(home).require_images().files)
    return Calibration(workload.open(str(prepared)), indices, chosen.source, chosen.sha256)
