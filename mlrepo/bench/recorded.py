"""The configuration of a recorded run, as the request for another run.

A repeated run has it, and so have the runs that complete a result: the accuracy run and the tests
of a performance run prove something of it only with its model, threads and options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.bench.request import BenchRequest, RecordedConfiguration
from mlrepo.layout.eligibility import difference
from mlrepo.plugins import WORKLOADS, backend_name, load_plugin
from mlrepo.record import BackendFacts, EndpointFacts, ModelFacts, RunRecord
from mlrepo.record.first_requests import repeated_run, request_of
from mlrepo.record.options import typed_words
from mlrepo.record.run_request import ENDPOINT_FIELDS, RunRequest
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, readable_record
from mlrepo.rounds.setting_rules import TOO_SHORT
from mlrepo.workloads import Model, Workload
from mlrepo.workloads.described import CONVERTED
from mlrepo.workloads.weights import UNKNOWN

if TYPE_CHECKING:
    from mlrepo.bench.run import Bench

# The options of a run that its configuration depends on, beside the device.
CONFIGURING = (
    "max_batch",
    "threads",
    "model_file",
    "model_variant",
    "way",
    "layout",
    "precision",
    *ENDPOINT_FIELDS,
    "backend_options",
)
# What redaction writes in place of a secret or a name.
_MASKS = ("<redacted>", "<user>")


def recorded_model(home: Path, record: RunRecord, file: Path | None = None) -> Model:
    """Return the model of a recorded run, byte for byte, with the descriptions of its record.

    The path is that of this machine, and the weights' types are read from the file. ``file`` is the
    user's, if the model is not in the user's store.

    Raises
    ------
    UserError
        The model is not here.
    """
    from mlrepo.bench.inputs import find_same_model  # `status` needs no models

    if record.backend.endpoint is not None:
        return Model.at_endpoint(record.backend.endpoint.model)
    workload: Workload = load_plugin(WORKLOADS, record.benchmark)
    # Early records named the way only with the data set.
    way = record.model.preprocessing or record.dataset.preprocessing
    model = find_same_model(home, workload, replace(record.model, preprocessing=way), file)
    return _in_words_of(record.model, model)


def as_recorded(bench: Bench, run: RecordedRun, record: RunRecord, model: Model) -> BenchRequest:
    """Return the request for a run with the configuration, scenario and mode of a recorded one.

    Raises
    ------
    UserError
        The record's command prefix or backend options may not run here.
    """
    from mlrepo.bench.device import recorded_device

    again = repeated_run(record)
    bench.gate.endpoint(record, run)
    return BenchRequest(
        benchmark=again.benchmark,
        backend=again.backend,
        scenario=again.scenario,
        mode=again.mode,
        max_batch=again.max_batch,
        threads=again.threads,
        device=recorded_device(record.backend),
        precision=_asked_precision(record.backend, model),
        endpoint=again.endpoint,
        endpoint_model=again.endpoint_model,
        endpoint_kind=again.endpoint_kind,
        endpoint_ca=again.endpoint_ca,
        backend_options=bench.gate.options(record, run),
        prefix=bench.gate.prefix(record, run),
        framework_version=again.framework_version,
        framework_ext=again.framework_ext,
        skip_system_ext=again.skip_system_ext,
    )


def completing(
    bench: Bench, run: RecordedRun, record: RunRecord, request: BenchRequest
) -> BenchRequest:
    """Return ``request`` for a run that completes the result of a recorded run.

    It has the configuration of that run; the load, tags and limits remain those of the request.

    Raises
    ------
    UserError
        The model is not here, or the record's command prefix or options may not run here.
    """
    model = recorded_model(bench.home, record, request.model_file)
    asked = replace(
        as_recorded(bench, run, record, model),
        **{
            name: getattr(request, name)
            for name in ("mode", "scenario", "time", "count", "user_conf", "timeout", "tags")
        },
        agreement_check=request.agreement_check,
        require_quiet=request.require_quiet,
    )
    return replace(
        asked,
        completes=RecordedConfiguration(
            run.run, model, record.model.sha256, record.platform, record.configuration
        ),
    )


def with_load_of(record: RunRecord, request: BenchRequest) -> BenchRequest:
    """Return the request with the load that was typed for a recorded run, but not its length."""
    asked = request_of(record)
    if asked is None:
        return request
    extra = {
        key: value
        for key, value in asked.run.extra.items()
        if key.rpartition(".")[2] not in TOO_SHORT
    }
    return replace(
        request,
        qps=asked.run.qps,
        max_latency=asked.run.max_latency,
        samples_per_query=asked.run.samples_per_query,
        extra=extra,
    )


def configuration_words(record: RunRecord, names: tuple[str, ...] = CONFIGURING) -> tuple[str, ...]:
    """Return the options of ``mlrepo bench`` for the configuration of a recorded run.

    ``names`` are the fields of the request that are wanted. Options that hold something that was
    masked are left out.
    """
    run = repeated_run(record)
    words: list[str] = []
    for one in fields(RunRequest):
        found = tuple(typed_words(one, getattr(run, one.name))) if one.name in names else ()
        if not any(mask in word for word in found for mask in _MASKS):
            words += found
    return tuple(words)


def differing_settings(
    repository: ResultsRepository, first: RecordedRun, second: RecordedRun
) -> str:
    """Name what differs between the configurations of two runs; '' if nothing does.

    It is also empty if a record cannot be read.
    """
    if first.trailer("Configuration") == second.trailer("Configuration"):
        return ""
    records = [readable_record(repository, run, {}) for run in (first, second)]
    one, other = records
    return "" if one is None or other is None else difference(one, other)


@dataclass
class RequestedConfiguration:
    """What the user typed of a configuration: runs of another one are not those that are meant.

    A request that leaves the configuration open fits every run.
    """

    repository: ResultsRepository
    request: BenchRequest
    platform: str = ""
    digest: str = ""
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, bench: Bench, request: BenchRequest) -> RequestedConfiguration:
        """Return what was typed; the model's digest is computed only if a model was named."""
        from mlrepo.bench.inputs import find_model

        digest = ""
        if request.model_file or request.model_variant:
            workload: Workload = load_plugin(WORKLOADS, request.benchmark)
            backend = backend_name(request.backend)
            named = {"way": request.way, "layout": request.layout}
            digest = find_model(
                bench.home,
                workload,
                request.model_file,
                request.model_variant,
                backend=backend,
                **named,
            ).files.digest
        typed = bench.request.origins.get("platform", "").startswith("--")
        platform = bench.settings["platform"].value if typed else ""
        return cls(bench.repository, request, platform, digest)

    def fits(self, run: RecordedRun) -> bool:
        """Say whether a run has all that was typed."""
        return not self.unlike(run)

    def unlike(self, run: RecordedRun) -> tuple[str, ...]:
        """Return the options that were typed and of which a run has other values."""
        wanted = self._wanted()
        if not wanted:
            return ()
        key = run.trailer("Configuration") or run.run
        if key not in self._known:
            record = readable_record(self.repository, run, {})
            found = ("--backend",) if record is None else _unlike(record, wanted)
            self._known[key] = found
        return self._known[key]

    def _wanted(self) -> Mapping[str, object]:
        request = self.request
        values: dict[str, object] = {
            "--threads": request.threads,
            "--max-batchsize": request.max_batch,
            "--precision": request.precision.lower(),
            "--way": request.way,
            "--layout": request.layout.upper(),
            "--model-file": self.digest,
            "--platform": self.platform,
            "--endpoint": request.endpoint,
            "--endpoint-model": request.endpoint_model,
            "--endpoint-kind": request.endpoint_kind,
            **{
                f"--backend-opt {key}": value
                for key, value in (request.backend_options or {}).items()
            },
        }
        return {name: value for name, value in values.items() if value}


def _unlike(record: RunRecord, wanted: Mapping[str, object]) -> tuple[str, ...]:
    backend = record.backend
    endpoint = backend.endpoint or EndpointFacts()
    has: dict[str, object] = {
        "--threads": backend.threads,
        "--max-batchsize": backend.max_batch,
        "--precision": backend.precision or "fp32",
        "--way": record.model.preprocessing,
        "--layout": record.model.layout.upper() or "NCHW",
        "--model-file": record.model.sha256,
        "--platform": record.platform,
        "--endpoint": endpoint.url,
        "--endpoint-model": endpoint.model,
        "--endpoint-kind": endpoint.kind,
        **{f"--backend-opt {key}": value for key, value in backend.asked_options.items()},
    }
    return tuple(name for name, value in wanted.items() if has.get(name) != value)


def _in_words_of(recorded: ModelFacts, model: Model) -> Model:
    return replace(
        model,
        name=recorded.name or model.name,
        starting_weights_filename=(
            recorded.starting_weights_filename or model.starting_weights_filename
        ),
        retraining=recorded.retraining or model.retraining,
        weight_transformations=recorded.weight_transformations or model.weight_transformations,
    )


def _asked_precision(backend: BackendFacts, model: Model) -> str:
    """Return the precision to request; '' if the model's files determine it."""
    recorded = backend.precision
    if model.served:
        return ""
    return recorded if recorded in CONVERTED or model.weight_data_types == UNKNOWN else ""
