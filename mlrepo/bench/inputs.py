"""What a run is made of, from what the user has: benchmark, backend, model file, prepared data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlrepo.bench.request import BenchRequest
from mlrepo.digest import sha256_file
from mlrepo.errors import UserError
from mlrepo.harness.spec import RunSpec
from mlrepo.plugins import BACKENDS, WORKLOADS, load_plugin, plugin_names
from mlrepo.rounds import Round
from mlrepo.workloads import ModelFile, Workload
from mlrepo.workloads.catalog import variants
from mlrepo.workloads.imagenet.prepared import ImageNetStore
from mlrepo.workloads.model_store import ModelStore

_ALIASES = {"onnxruntime": "onnx"}
# Which of our backends read a model of a framework.
READERS = {
    "onnx": ("onnx", "openvino", "pytorch", "tvm-onnx", "tvm-pytorch"),
    "pytorch": ("pytorch", "tvm-pytorch"),
    "torchscript": ("pytorch",),
}


@dataclass(frozen=True)
class Inputs:
    """What a run is made of: benchmark, model, and the specification for the child."""

    workload: Workload
    model: ModelFile
    spec: RunSpec


def gather_inputs(home: Path, round_: Round, request: BenchRequest) -> Inputs:
    """Return what the request names, found on this machine.

    Raises
    ------
    UserError
        Benchmark, backend, model or data set are not here.
    """
    backend = backend_name(request.backend)
    if backend not in plugin_names(BACKENDS):
        load_plugin(BACKENDS, backend)  # raises, naming the backends
    workload: Workload = load_plugin(WORKLOADS, request.workload)
    model = (
        request.replays.model
        if request.replays
        else find_model(home, workload, request.model_file, request.model_variant)
    )
    spec = RunSpec(
        workload=workload.name,
        backend=backend,
        scenario=request.scenario,
        mode=request.mode,
        model_file=str(model.path),
        threads=request.threads,
        max_batch=request.max_batch,
        test=request.test.name if request.test else "",
        # Explicitly: the installed LoadGen may carry those of another round.
        seeds={**round_.seeds(), **(request.test.seeds if request.test else {})},
        precision=request.precision,
        backend_options=dict(request.backend_options or {}),
        dataset=str(find_dataset(home, workload, model) or ""),
        cache=str(home / "compiled"),
    )
    return Inputs(workload, model, spec)


def backend_name(text: str) -> str:
    """Return the plugin's name of a backend, which may be called by its framework."""
    return _ALIASES.get(text, text)


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


def find_same_model(
    home: Path, workload: Workload, sha256: str, name: str, substitute: Path | None
) -> ModelFile:
    """Return the model whose file has the SHA-256: the user's file, or one of the benchmark's.

    Raises
    ------
    UserError
        None has it.
    """
    if substitute is not None:
        candidates = [find_model(home, workload, substitute, "")]
    elif workload.model is not None:
        candidates = [workload.model]
    else:
        store = ModelStore(home)
        known = (model for model in store.known() if model.benchmark == workload.name)
        stored = (store.get(model) for model in known)
        candidates = [one.model_file() for one in stored if one is not None]
    for model in candidates:
        if model.path.is_file() and sha256_file(model.path) == sha256:
            return model
    found = ", ".join(str(model.path) for model in candidates) or "none"
    raise UserError(
        f"The recorded model {name} (SHA-256 {sha256}) is not here; looked at: {found}.",
        hint="`mlrepo model list` shows which models can be fetched; a file of your own is given "
        "with --model-file.",
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
