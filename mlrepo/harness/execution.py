"""One LoadGen run in the current directory, described by ``spec.json``.

LoadGen reads its embedded mlperf.conf once per process, so each run has its own process.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import mlperf_loadgen as lg

from mlrepo.backends import Backend, BackendOptions, SubmitBackend
from mlrepo.backends.endpoint import Endpoint
from mlrepo.errors import Unusable, UserError
from mlrepo.harness import query_list, warmup
from mlrepo.harness.by_length import unpadded_form
from mlrepo.harness.clock import clock_offset
from mlrepo.harness.device_guard import described_on
from mlrepo.harness.events import Reporter
from mlrepo.harness.loadgen import (
    COUNT_TO_JUDGE,
    installed_release,
    read_settings,
    samples_to_judge,
)
from mlrepo.harness.model_guard import ModelGuard
from mlrepo.harness.predicting import PredictingSystem
from mlrepo.harness.requests import SubmittingSystem, takes_requests
from mlrepo.harness.samples import source_of
from mlrepo.harness.spec import AUDIT_FILE, SPEED, USER_CONF_FILE, RunSpec
from mlrepo.harness.timing import Timing
from mlrepo.logs.user_conf import parse_user_conf
from mlrepo.plugins import BACKENDS, WORKLOADS, load_plugin
from mlrepo.record import ACCURACY
from mlrepo.scenarios import SCENARIOS
from mlrepo.workloads import Dataset, Workload
from mlrepo.workloads.task import task_of_run
from mlrepo.workloads.tensors import shapes_of

# The Offline batch of backends that compile for one size: ResNet-50 gains nothing beyond 4.
_COMPILED_BATCH = 4


def main() -> None:
    """Run the specification in the working directory; every failure becomes an event."""
    directory = Path.cwd()
    reporter = Reporter(directory)
    try:
        spec = RunSpec.read(directory)
        reporter.event("loading")
        workload: Workload = load_plugin(WORKLOADS, spec.workload).of_model(spec.model_file)
        backend: Backend = load_plugin(BACKENDS, spec.backend)()
        execute(spec, workload, backend, directory, reporter)
    except BaseException as error:
        reporter.fail(error)


def execute(
    spec: RunSpec,
    workload: Workload,
    backend: Backend | SubmitBackend,
    directory: Path,
    reporter: Reporter,
) -> None:
    """Load, warm up, run LoadGen, report; logs are written to ``directory``.

    Raises
    ------
    MlrepoError
        Something the user can fix: model, data set, settings.
    """
    if spec.by_length:
        workload = unpadded_form(workload)
    dataset = workload.open(spec.dataset, spec.layout, spec.size)
    preflight = getattr(workload.task, "preflight", None)
    if preflight is not None:
        preflight(dataset)
    settings = _settings(spec, workload, directory)
    _refuse_too_many(spec, workload, settings, dataset, directory)
    scenario = SCENARIOS[spec.scenario]
    query = query_list.samples_per_query(settings, scenario)
    guard = ModelGuard(spec)
    guard.before_loading()
    loaded = list(range(min(dataset.total, max(64, query))))
    system: PredictingSystem | SubmittingSystem
    if takes_requests(backend, spec.backend, dataset, workload.task):
        options = _backend_options(spec, query, {}, reporter)
        marks = settings.use_token_latencies and not scenario.at_once
        taking: SubmitBackend = cast(SubmitBackend, backend)
        taking.load(Path(spec.model_file), options)
        task = task_of_run(workload.task, dataset, ())
        system = SubmittingSystem(task, taking, dataset, reporter, marks=marks)
    else:
        source = source_of(dataset, workload)
        shapes = {} if source.collate else shapes_of(source.tensors)
        options = _backend_options(spec, query, shapes, reporter)
        most = settings.multi_stream_samples_per_query
        system = PredictingSystem(
            spec, workload, cast(Backend, backend), source, options, loaded, most, reporter
        )
    described_on(backend, spec.backend, spec.device)
    guard.after_loading()
    rehearsed = system.prepare(loaded)
    reporter.event("warming")
    at_once = scenario.at_once and _lacks_estimate(spec, workload, directory)
    estimates = spec.mode == SPEED or at_once
    times = system.measure(loaded, query, estimates=estimates)
    if spec.mode == SPEED:
        seconds = {str(size): took for size, took in times.items()}
        reporter.event("measured", batch_seconds=seconds, total=dataset.total)
        return
    bound = settings.server_target_latency_ns / 1e9 if scenario.bounded else None
    rehearsed.max_batch = warmup.choose_batch(times, system.fixed, bound)
    reporter.event("comparing")
    agreed = system.compare(scenario, query)
    _write_estimates(spec, workload, directory, times, query, rehearsed, loaded)
    settings = _settings(spec, workload, directory)

    queries = _query_list(spec, workload, dataset, directory)
    about = {
        "batch": rehearsed.max_batch,
        "batch_seconds": {str(size): seconds for size, seconds in times.items()},
        **_length(spec, workload, directory, queries, times),
        "agreement": agreed,
        "loadgen": installed_release(),
        "queries": str(queries),
    }
    reporter.event("generating", **about)
    timing = Timing(scenario) if spec.mode != ACCURACY else None
    if timing is not None:
        rehearsed.answer_through(timing.stamped)

    begin = getattr(backend, "begin", None)

    def started(sample: int) -> None:
        if begin is not None:
            begin()
        if timing is not None:
            timing.first_query(sample)
        # The answers of an accuracy run are the same by any clock.
        clock = {} if timing is None else {"clock": clock_offset()}
        reporter.event("started", **about, **clock)

    rehearsed.at_first_query(started)
    # A garbage collection during a query would show up as latency; nothing here creates cycles.
    gc.collect()
    gc.disable()
    _run_loadgen(spec, workload, dataset, system, settings, directory, reporter, timing)
    guard.after_run()
    reporter.event(
        "finished",
        backend=dict(described_on(backend, spec.backend, spec.device)),
        input=system.describe_input(),
        dataset=dict(dataset.describe()),
        batch=rehearsed.max_batch,
        max_rss=_peak_memory(),
        **_traffic(backend),
    )


def _run_loadgen(
    spec: RunSpec,
    workload: Workload,
    dataset: Dataset,
    system: PredictingSystem | SubmittingSystem,
    settings: Any,
    directory: Path,
    reporter: Reporter,
    timing: Timing | None,
) -> None:
    def load(indices: list[int]) -> None:
        try:
            system.library.load(indices)
        except BaseException as error:
            reporter.fail(error)

    sut = system.sut(SCENARIOS[spec.scenario])
    # Queries are never held back, so that there is nothing to flush.
    flush = _nothing_to_flush if timing is None else timing.flush
    loadgen_sut = lg.ConstructFastSUT(sut.issue, flush)
    loadgen_qsl = lg.ConstructQSL(
        dataset.total,
        min(dataset.total, workload.performance_samples),
        load,
        system.library.unload,
    )
    output = lg.LogOutputSettings()
    output.outdir = str(directory)
    output.copy_summary_to_stdout = False
    log_settings = lg.LogSettings()
    log_settings.log_output = output
    log_settings.enable_trace = False
    # LoadGen silently obeys an audit.config in the working directory: name the test's own, or one
    # that does not exist.
    audit = str(directory / (AUDIT_FILE if spec.test else "no-audit.config"))
    try:
        lg.StartTestWithLogSettings(loadgen_sut, loadgen_qsl, settings, log_settings, audit)
    except MemoryError as error:  # a process limit; otherwise the kernel kills it
        raise UserError(
            "Memory ran out while LoadGen generated its queries, or while they ran.",
            hint=query_list.ADVICE,
        ) from error
    sut.close()
    lg.DestroyFastSUT(loadgen_sut)
    lg.DestroyQSL(loadgen_qsl)
    if timing is not None:
        timing.write(directory)


def _settings(spec: RunSpec, workload: Workload, directory: Path) -> Any:
    path = directory / USER_CONF_FILE
    settings = _read(spec, workload, path)
    for name, seed in spec.seeds.items():
        setattr(settings, name, seed)
    return settings


def _list_settings(spec: RunSpec, workload: Workload, directory: Path) -> Any:
    """Return the settings from which LoadGen builds its list, including those of a test."""
    files = [directory / USER_CONF_FILE]
    if spec.test:
        files.append(directory / AUDIT_FILE)
    return _read(spec, workload, *files)


def _read(spec: RunSpec, workload: Workload, *files: Path) -> Any:
    return read_settings(
        workload.loadgen_model,
        SCENARIOS[spec.scenario],
        spec.mode,
        *files,
        min_duration_ms=spec.min_duration_ms,
    )


def _query_list(
    spec: RunSpec, workload: Workload, dataset: Dataset, directory: Path
) -> query_list.QueryList:
    """Return the list that LoadGen will build; raise :class:`UserError` if it does not fit."""
    settings = _list_settings(spec, workload, directory)
    accuracy = spec.mode == ACCURACY
    samples = samples_to_judge(settings) if accuracy else workload.performance_samples
    loaded = min(dataset.total, samples or dataset.total)
    scenario = SCENARIOS[spec.scenario]
    found = query_list.planned(settings, scenario, loaded, accuracy=accuracy)
    query_list.refuse_too_long(found, settings, scenario, loaded)
    return found


def _backend_options(
    spec: RunSpec, query: int, samples: Mapping[str, tuple[int, ...]], reporter: Reporter
) -> BackendOptions:
    """Return the options of the backend; the batch is for those that compile for one size."""
    batch = _COMPILED_BATCH if SCENARIOS[spec.scenario].at_once else query
    return BackendOptions(
        threads=spec.threads,
        device=spec.device,
        precision=spec.precision,
        model_precision=spec.model_precision,
        batch=spec.max_batch or batch,
        most=spec.max_batch,
        extra=spec.backend_options,
        samples=samples,
        cache=Path(spec.cache) if spec.cache else None,
        endpoint=Endpoint(**spec.endpoint) if spec.endpoint else None,
        on_step=lambda done, total: reporter.event("compiling", done=done, total=total),
    )


def _lacks_estimate(spec: RunSpec, workload: Workload, directory: Path) -> bool:
    """Return whether the load of the run is to be estimated: the user left it open."""
    setting = SCENARIOS[spec.scenario].setting
    return spec.estimate and _in_conf(spec, workload, directory, setting) is None


def _in_conf(spec: RunSpec, workload: Workload, directory: Path, setting: str) -> str | None:
    """Return what the run's ``user.conf`` says of a setting; None if it says nothing."""
    text = (directory / USER_CONF_FILE).read_text(encoding="utf-8")
    scenario = SCENARIOS[spec.scenario]
    names = scenario.loadgen_model(workload.loadgen_model), scenario.loadgen
    return parse_user_conf(text, USER_CONF_FILE).effective(*names, setting)


def _write_estimates(
    spec: RunSpec,
    workload: Workload,
    directory: Path,
    times: dict[int, float],
    query: int,
    rehearsed: warmup.Rehearsing,
    loaded: list[int],
) -> None:
    if not spec.estimate:
        return
    path = directory / USER_CONF_FILE
    conf = parse_user_conf(path.read_text(encoding="utf-8"), USER_CONF_FILE)
    scenario = SCENARIOS[spec.scenario]
    found = warmup.estimates(conf, workload.loadgen_model, scenario, times, query)
    if spec.mode != ACCURACY:
        settings = _list_settings(spec, workload, directory)
        fastest = partial(warmup.fastest_query, rehearsed, loaded, query)
        samples = workload.performance_samples
        found = {
            key: query_list.fitted(value, settings, scenario, samples, fastest)
            for key, value in found.items()
        }
    texts = {key: warmup.as_text(value) for key, value in found.items()}
    conf = conf.with_lines("estimated by mlrepo from the warm-up of this run", texts)
    path.write_text(conf.text, encoding="utf-8")


def _length(
    spec: RunSpec,
    workload: Workload,
    directory: Path,
    queries: query_list.QueryList,
    times: dict[int, float],
) -> dict[str, float]:
    """Return what decides how long a run takes, for people.

    These are seconds and samples that it takes at least, and the expected samples per second. The
    one query of Offline ends with its last sample, whatever the duration.
    """
    settings, scenario = _list_settings(spec, workload, directory), SCENARIOS[spec.scenario]
    whole = spec.mode == ACCURACY or settings.performance_issue_unique or scenario.at_once
    query = query_list.samples_per_query(settings, scenario)
    least = queries.queries * queries.samples if whole else settings.min_query_count * query
    rate = max(size / seconds for size, seconds in times.items())
    if scenario.is_stream:
        nearest = max((size for size in times if size <= query), default=min(times))
        rate = nearest / times[nearest]
    elif scenario.at_random:
        rate = float(settings.server_target_qps)
    return {
        "min_duration": 0.0 if whole else settings.min_duration_ms / 1e3,
        "least_samples": least,
        "rate": rate,
    }


def _refuse_too_many(
    spec: RunSpec, workload: Workload, settings: Any, dataset: Dataset, directory: Path
) -> None:
    """Raise :class:`Unusable` if more samples are to be judged than there are, or fewer than all
    where LoadGen judges all.
    """
    if spec.mode != ACCURACY:
        return
    asked = samples_to_judge(settings)
    if asked is None:
        if _in_conf(spec, workload, directory, COUNT_TO_JUDGE) is not None:
            raise Unusable(
                f"LoadGen {installed_release()} judges all samples of an accuracy run.",
                hint="Leave out --count, or install a LoadGen from 6.0 on.",
            )
    elif asked > dataset.total:
        raise Unusable(
            f"{asked} samples were requested, but the data set has {dataset.total}.",
            hint="Leave out --count to use all samples.",
        )


def _nothing_to_flush() -> None:
    """Do nothing."""


def _traffic(backend: Backend | SubmitBackend) -> dict[str, object]:
    """Return what a backend says about the requests that it sent elsewhere, if it does."""
    counts = getattr(backend, "traffic", None)
    return {"traffic": dict(counts())} if counts is not None else {}


def _peak_memory() -> int:
    """Return the peak memory of this process in bytes.

    ``ru_maxrss`` would include the peak of the parent process, if that is larger.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, ValueError, IndexError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
