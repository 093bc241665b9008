"""Find the inputs of a run on this machine: benchmark, backend, model file, prepared data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mlrepo.backends.capabilities import backends_that, capabilities_of, refuse_absent
from mlrepo.backends.devices import CPU, Device
from mlrepo.backends.requirements import absent
from mlrepo.bench.endpoint import requested_endpoint
from mlrepo.bench.request import BenchRequest
from mlrepo.errors import Unusable, UserError
from mlrepo.harness.spec import RunSpec
from mlrepo.model_files import ModelFiles, model_file_names
from mlrepo.model_kinds import DIRECTORY, kind_of
from mlrepo.plugins import (
    BACKENDS,
    DEFAULT_BACKEND,
    WORKLOADS,
    backend_name,
    load_plugin,
    plugin_names,
)
from mlrepo.record import ACCURACY, BY_LENGTH, PERFORMANCE, ModelFacts
from mlrepo.rounds import Round
from mlrepo.rounds.naming import check_new_name
from mlrepo.scenarios import SCENARIOS
from mlrepo.workloads import Model, Workload
from mlrepo.workloads.catalog import INT8, ReferenceModel
from mlrepo.workloads.described import described, refuse_unjudged, run_precision
from mlrepo.workloads.model_store import ModelStore
from mlrepo.workloads.ways import way_of
from mlrepo.workloads.weights import precision_of


@dataclass(frozen=True)
class Inputs:
    """The inputs of a run: benchmark, model, and the specification for the child."""

    workload: Workload
    model: Model
    files: ModelFiles
    spec: RunSpec


def gather_inputs(home: Path, round_: Round, request: BenchRequest) -> Inputs:
    """Return what the request names, found on this machine.

    Raises
    ------
    UserError
        The benchmark, backend, model or data set is not here, or the round refuses the benchmark's
        name.
    """
    workload, model = find_requested(home, round_, request)
    backend, device = backend_name(request.backend), Device.parse(request.device)
    endpoint = requested_endpoint(backend, request)
    files = model.files
    _refuse_another_model(request, files)
    if request.mode == ACCURACY and not model.served:
        refuse_unjudged(model, workload)
    spec = RunSpec(
        workload=workload.name,
        backend=backend,
        scenario=request.scenario,
        mode=request.mode,
        model_file="" if model.served else str(model.path),
        threads=request.threads,
        max_batch=request.max_batch,
        test=request.test.name if request.test else "",
        # Set explicitly: the installed LoadGen may embed the seeds of another round.
        seeds={**round_.seeds(), **(request.test.seeds if request.test else {})},
        device=str(device),
        precision=run_precision(
            model,
            request.precision,
            device=device.kind,
            quantized=capabilities_of(backend).quantizes,
        ),
        model_precision=model.precision,
        backend_options=dict(request.backend_options or {}),
        dataset=str(find_dataset(home, workload, model) or ""),
        layout=model.layout,
        size=model.size,
        by_length=_sorts(model, request.scenario),
        cache=str(home / "compiled"),
        agreement_check=request.agreement_check,
        min_duration_ms=round_.min_duration_ms(),
        model_digest=files.digest,
        model_states=files.states,
        endpoint=asdict(endpoint) if endpoint else {},
    )
    return Inputs(workload, model, files, spec)


def _sorts(model: Model, scenario: str) -> bool:
    """Return whether samples are sorted by length; refuse it where none can be sorted."""
    if model.preprocessing != BY_LENGTH:
        return False
    if not SCENARIOS[scenario].at_once:
        raise UserError(
            f"--way {BY_LENGTH} sorts the samples of one query; {scenario} has many queries.",
            hint="Leave it out, or use --scenario Offline.",
        )
    return True


def find_requested(home: Path, round_: Round, request: BenchRequest) -> tuple[Workload, Model]:
    """Return the benchmark and the model that a request names; its files are not read whole.

    Raises
    ------
    UserError
        As :func:`gather_inputs`, except for a data set.
    """
    check_new_name(round_, request.benchmark, "benchmark")
    backend = backend_name(request.backend)
    if backend not in plugin_names(BACKENDS):
        load_plugin(BACKENDS, backend)  # raises, naming the backends
    workload: Workload = load_plugin(WORKLOADS, request.benchmark)
    _refuse_unusable(backend, request)
    if endpoint := requested_endpoint(backend, request):
        return workload, Model.at_endpoint(endpoint.model)
    device = Device.parse(request.device)
    if device != Device(CPU):
        refuse_absent(backend, device)
    if request.recorded:
        return workload, request.recorded.model
    model = find_model(
        home,
        workload,
        request.model_file,
        request.model_variant,
        backend=backend,
        device=device.kind,
        precision=request.precision,
        way=request.way,
        layout=request.layout,
    )
    _refuse_unreadable(model, backend)
    return workload, model


def _refuse_unusable(backend: str, request: BenchRequest) -> None:
    """Raise :class:`Unusable` for a backend without its packages, or without a typed option."""
    capabilities = capabilities_of(backend)
    if lacking := absent(capabilities.requirements):
        raise Unusable(
            f"The backend {backend} is not installed: it needs {', '.join(lacking)}.",
            hint=f"`mlrepo bench prereq --backend {backend}` installs what it needs.",
        )
    if capabilities.declared:
        capabilities.refuse_options(backend, request.backend_options or {})


def _refuse_unreadable(model: Model, backend: str) -> None:
    """Raise :class:`Unusable` for a model of a kind that the backend does not read."""
    kind = kind_of(model.path)
    if capabilities_of(backend).can_read(kind):
        return
    readers = backends_that(lambda one: one.declared and one.computes and one.can_read(kind))
    raise Unusable(
        f"The backend {backend} does not read {model.path.name}, a model of the kind {kind}.",
        hint=f"Use --backend {' or '.join(readers)}." if readers else "",
    )


def _refuse_another_model(request: BenchRequest, files: ModelFiles) -> None:
    """Raise :class:`UserError` if a run repeats or verifies a run of another model."""
    test, recorded = request.test, request.recorded
    if test is not None and test.model not in ("", files.digest):
        raise UserError(
            f"{test.name} is verified against the run {test.reference[PERFORMANCE]}, whose model "
            f"has the SHA-256 {test.model}; {files.entry} has {files.digest}.",
            hint="Run performance and accuracy with this model first, or name the model of that "
            "run.",
        )
    if recorded is not None and recorded.digest not in ("", files.digest):
        raise UserError(
            f"The model {files.entry} was changed: the run {recorded.run} was of the SHA-256 "
            f"{recorded.digest}, now it has {files.digest}."
        )


def find_model(
    home: Path,
    workload: Workload,
    substitute: Path | None = None,
    variant: str = "",
    *,
    backend: str = DEFAULT_BACKEND,
    device: str = CPU,
    precision: str = "",
    way: str = "",
    layout: str = "",
) -> Model:
    """Return the model of a run: the user's file, a named variant, or the default.

    The precision int8 without a named model selects the benchmark's quantized one. ``way`` and
    ``layout`` say how the model takes images, if that differs from what is known about it.

    Raises
    ------
    UserError
        The file or variant does not exist, must be fetched first, or has another precision.
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
    quantized = capabilities_of(backend).quantizes
    if substitute is not None:
        model = _substitute(workload, substitute, backend)
    elif workload.model is not None:
        model = _embedded(workload.model)
    else:
        store = ModelStore(home)
        if precision == INT8 and not variant and INT8 not in quantized:
            variant = _quantized(store, workload.name, backend)
        name = f"{workload.name}/{variant}" if variant else workload.name
        model = store.require(store.find(name)).model_file()
    if way:
        model = replace(model, preprocessing=way_of(workload.name, model.path, way))
    model = described(model, workload, layout or model.layout)
    how = _how_to_quantize(workload)
    run_precision(model, precision, how, device=device, quantized=quantized)
    return model


def _substitute(workload: Workload, file: Path, backend: str) -> Model:
    path = file.absolute()
    model_file_names(path)
    capabilities = capabilities_of(backend)
    if path.is_dir() and not any(map(capabilities.can_read, (DIRECTORY, kind_of(path)))):
        raise UserError(
            f"--model-file {file} is a directory, and the backend {backend} reads files.",
            hint="Name the model's own file in it, such as its .onnx or .xml.",
        )
    model = workload.model
    return Model(
        name=path.stem,
        path=path,
        starting_weights_filename=path.name,
        retraining=model.retraining if model else "no",
        weight_data_types="",
        preprocessing=way_of(workload.name, path),
    )


def find_same_model(
    home: Path, workload: Workload, recorded: ModelFacts, substitute: Path | None
) -> Model:
    """Return the model with the recorded SHA-256: the user's, or one of the benchmark.

    Parameters
    ----------
    recorded:
        What the record says about its model; early records have no ``files``.

    Raises
    ------
    UserError
        No model has it.
    """
    sha256, looked = recorded.sha256, []
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
        try:
            files = model.files
        except UserError as error:
            looked.append(f"{model.path} ({error.message.removesuffix('.')})")
            continue
        if files.digest == sha256:
            return _as_recorded(model, workload, recorded)
        looked.append(f"{model.path}{_difference(files, recorded)}")
    raise UserError(
        f"The recorded model {recorded.file} (SHA-256 {sha256}) is not here; looked at: "
        f"{', '.join(looked) or 'none'}.",
        hint="`mlrepo model list` shows which models can be fetched; a file of your own is given "
        "with --model-file.",
    )


def _as_recorded(model: Model, workload: Workload, recorded: ModelFacts) -> Model:
    """Return the model with the recorded way and layout; early records have neither."""
    if recorded.preprocessing:
        way = way_of(workload.name, model.path, recorded.preprocessing)
        model = replace(model, preprocessing=way)
    return described(model, workload, recorded.layout or model.layout)


def _difference(files: ModelFiles, recorded: ModelFacts) -> str:
    """Return in parentheses how a model of several files differs from a similar recorded one."""
    before = {file.name: file.sha256 for file in recorded.files}
    here = {file.name: file.sha256 for file in files.files}
    if not before and len(here) > 1 and recorded.sha256 in here.values():
        return " (the record names only one of its files: nobody knows what the others were)"
    if len({*before, *here}) < 2 or set(before.items()).isdisjoint(here.items()):
        return ""
    other = sorted(name for name in {*before, *here} if before.get(name) != here.get(name))
    return f" (other or missing: {', '.join(other)})"


def _embedded(model: Model) -> Model:
    if not model.path.is_file():
        raise UserError(
            f"The model file {model.path} does not exist.",
            hint="It is part of the package: install mlrepo again.",
        )
    return model


def _quantized(store: ModelStore, benchmark: str, backend: str) -> str:
    """Return the variant of the benchmark's only local int8 model that fits the backend."""
    capabilities = capabilities_of(backend)
    found = [
        model.variant
        for model in store.known()
        if model.benchmark == benchmark
        and capabilities.can_read(model.framework)
        and _is_int8(store, model)
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


def _is_int8(store: ModelStore, model: ReferenceModel) -> bool:
    """Say whether a model is stored here with 8-bit integer weights, according to its files."""
    stored = store.get(model)
    types = stored.about.weight_data_types.split(",") if stored else []
    return INT8 in map(precision_of, types)


def _how_to_quantize(workload: Workload) -> str:
    if workload.model is not None:
        return ""
    return f"`mlrepo model quantize {workload.name}` makes an int8 model."


def find_dataset(home: Path, workload: Workload, model: Model) -> Path | None:
    """Return the path of the data set prepared for the model; None for an embedded one.

    Raises
    ------
    UserError
        It must be registered or prepared first.
    """
    return workload.dataset.find(home, model) if workload.dataset else None
