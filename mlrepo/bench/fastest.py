"""Tune one backend and remember the result, or compare all backends."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from mlrepo.backends import available_threads
from mlrepo.backends.capabilities import backends_that, capabilities_of, refuse_absent
from mlrepo.backends.devices import CPU, Device
from mlrepo.backends.requirements import missing
from mlrepo.bench.inputs import find_dataset, find_model
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.bench.tune import (
    DEFAULT_BATCH,
    WORTH,
    TuneSetting,
    candidates,
    choose,
    fixed_batch,
)
from mlrepo.bench.tune import probes as start_probes
from mlrepo.bench.tune import search as search_candidates
from mlrepo.bench.tuned import Tuned, refuse_unwritable, remember, tuned_file
from mlrepo.errors import MlrepoError, Unusable, UserError
from mlrepo.harness.probe import ProbeSpec
from mlrepo.model_files import find_model_files
from mlrepo.plugins import WORKLOADS, backend_name, load_plugin
from mlrepo.record import timestamp
from mlrepo.scenarios import scenario
from mlrepo.workloads import Task, Workload
from mlrepo.workloads.described import CONVERTED, FLOATS, run_precision
from mlrepo.workloads.task import agree

ALL = "all"
_ROUNDS = 3
_WARM_SECONDS, _TURN_SECONDS = 0.3, 1.5

OnProgress = Callable[[str, float], None]


@dataclass(frozen=True)
class Tuning:
    """The result of tuning one backend.

    Attributes
    ----------
    note:
        What was searched, or why nothing was; for people.
    """

    entry: Tuned
    spec: ProbeSpec
    note: str


@dataclass(frozen=True)
class Compared:
    """One line of the table of backends.

    Attributes
    ----------
    ratio:
        The rate relative to the first line's, measured in turns.
    agreement:
        The share of inputs whose answers are those of the first line.
    """

    backend: str
    precision: str
    settings: str
    rate: float
    ratio: float
    agreement: float
    note: str


def tune(
    bench: Bench,
    request: BenchRequest,
    *,
    budget: float,
    database: Path | None = None,
    on_progress: OnProgress = lambda best, left: None,
) -> Tuning:
    """Tune one backend for a model and scenario, and remember the best settings for the system.

    Raises
    ------
    UserError
        The model, data or backend is not here, or the result cannot be saved.
    """
    kept_in = tuned_file(bench.repository.systems, bench.settings["system"].value)
    refuse_unwritable(kept_in)
    spec, model_hash, scenario = _specification(bench, request)
    able = capabilities_of(spec.backend)
    if database is not None and not able.tunes:
        tuned = backends_that(lambda one: one.tunes)
        raise UserError(
            f"--database does not apply to {spec.backend}: it compiles nothing.",
            hint=f"It is for {', '.join(tuned)}.",
        )
    threads = request.threads or available_threads()
    if able.tunes:
        batch = request.max_batch or fixed_batch(scenario) or DEFAULT_BATCH
        spec = replace(spec, threads=threads, batch=batch)
        rate, default_rate, note = _tune_code(bench, spec, budget, database, on_progress)
        chosen = TuneSetting(threads, batch)
    else:
        tried = candidates(able, scenario, threads, request.max_batch)
        found = search_candidates(spec, tried, bench.environ, budget, on_progress)
        best = choose(found, tried[0])
        own = next(measured for measured in found if measured.candidate == tried[0])
        chosen, rate, default_rate = best.candidate, best.rate, own.rate
        note = f"{len(found)} settings measured"
    if find_model_files(Path(spec.model_file)).digest != model_hash:
        raise UserError(
            f"The model {spec.model_file} was changed while it was tuned; nothing is kept.",
            hint="Run the same command when nothing writes to its files.",
        )
    spec = replace(
        spec,
        threads=chosen.threads,
        batch=chosen.batch,
        backend_options={**spec.backend_options, **chosen.options},
    )
    if request.agreement_check:
        _refuse_wrong(spec, bench.environ)
    entry = Tuned(
        model_hash,
        spec.backend,
        spec.precision,
        scenario,
        chosen.threads,
        chosen.batch,
        dict(chosen.options),
        round(rate, 3),
        round(default_rate, 3),
        timestamp(datetime.datetime.now(datetime.UTC)),
        spec.device,
    )
    remember(kept_in, entry)
    bench.gate.remember_tuned(entry)
    return Tuning(entry, spec, note)


def compare(
    bench: Bench,
    request: BenchRequest,
    *,
    budget: float,
    on_progress: OnProgress = lambda best, left: None,
) -> list[Compared]:
    """Tune every backend and precision that can run the model here, and compare them in turns.

    A named model runs in its own precision, and in bf16 if a backend can convert it; otherwise the
    benchmark's int8 model is compared too. A backend that fails keeps its line, with the reason.

    Raises
    ------
    UserError
        The first one, the reference, cannot run.
    """
    ways = compared_ways(bench.home, request)
    tunings: list[Tuning] = []
    failed: list[Compared] = []
    for backend, precision in ways:
        wanted = replace(request, backend=backend, precision=precision)
        try:
            share = budget / len(ways)
            tunings.append(tune(bench, wanted, budget=share, on_progress=on_progress))
        except MlrepoError as error:
            if (backend, precision) == ways[0]:
                raise
            failed.append(Compared(backend, precision, "", 0.0, 0.0, 0.0, error.message))
    specs = [tuning.spec for tuning in tunings]
    rates = _in_turns(specs, bench.environ)
    answers = [_answers(spec, bench.environ) for spec in specs]
    workload: Workload = load_plugin(WORKLOADS, request.benchmark)
    found = [
        Compared(
            spec.backend,
            spec.precision,
            str(TuneSetting(spec.threads, spec.batch, spec.backend_options)),
            median(rates[row]),
            median(own / first for own, first in zip(rates[row], rates[0], strict=True)),
            _agreement(workload.task, answers[row], answers[0]),
            tunings[row].note,
        )
        for row, spec in enumerate(specs)
    ]
    return sorted(found, key=lambda line: -line.rate) + failed


def compared_ways(home: Path, request: BenchRequest) -> list[tuple[str, str]]:
    """Return the backends and precisions to compare; the first is the reference.

    These are all installed backends that declare their capabilities and run on the device.
    """
    kind = Device.parse(request.device).kind
    names = backends_that(
        lambda one: (
            one.declared and one.computes and kind in one.devices and not missing(one.requirements)
        )
    )
    installed = [(name, word) for name in names for word in capabilities_of(name).devices[kind]]
    if not (request.model_file or request.model_variant):
        return installed
    workload: Workload = load_plugin(WORKLOADS, request.benchmark)
    own = find_model(home, workload, request.model_file, request.model_variant).precision
    converted = [way for way in installed if way[1] in CONVERTED and own in FLOATS]
    return list(dict.fromkeys([*((name, own) for name in names), *converted]))


def _specification(bench: Bench, request: BenchRequest) -> tuple[ProbeSpec, str, str]:
    workload: Workload = load_plugin(WORKLOADS, request.benchmark)
    backend = backend_name(request.backend)
    if capabilities_of(backend).endpoint:
        raise Unusable(
            f"There is nothing to tune for the backend {backend}: the server decides.",
            hint=f"`mlrepo bench peak --benchmark {request.benchmark} --scenario Server` finds the "
            "highest load that stays valid.",
        )
    device = Device.parse(request.device)
    if device != Device(CPU):
        refuse_absent(backend, device)
    model = find_model(
        bench.home,
        workload,
        request.model_file,
        request.model_variant,
        backend=backend,
        device=device.kind,
        precision=request.precision,
        way=request.way,
        layout=request.layout,
    )
    dataset = find_dataset(bench.home, workload, model)
    spec = ProbeSpec(
        workload=workload.name,
        backend=backend,
        model_file=str(model.path),
        threads=0,
        batch=0,
        device=str(device),
        precision=run_precision(
            model,
            request.precision,
            device=device.kind,
            quantized=capabilities_of(backend).quantizes,
        ),
        model_precision=model.precision,
        backend_options=dict(request.backend_options or {}),
        dataset=str(dataset or ""),
        layout=model.layout,
        size=model.size,
        cache=str(bench.home / "compiled"),
    )
    return spec, model.files.digest, scenario(request.scenario).name


def _refuse_wrong(spec: ProbeSpec, environ: Mapping[str, str]) -> None:
    """Raise :class:`UserError` if the fastest settings do not compute the model correctly."""
    try:
        with start_probes([spec], environ) as (process,):
            process.ask("check")
    except MlrepoError:
        if capabilities_of(spec.backend).tunes:
            with start_probes([spec], environ) as (process,):
                process.ask("adopt", better=False)
        raise


def _tune_code(
    bench: Bench, spec: ProbeSpec, budget: float, database: Path | None, on_progress: OnProgress
) -> tuple[float, float, str]:
    """Let the backend search, then compare with its default code; return both rates and a note."""

    def show(**values: Any) -> None:
        on_progress(
            f"{values['done']} of {values['total']} layers, {values['best']}", values["left"]
        )

    with start_probes([spec], bench.environ) as (process,):
        path = str(database.absolute()) if database is not None else ""
        summary = process.ask("tune", show, seconds=budget, database=path)["summary"]
    rates = _in_turns([spec, replace(spec, cache="")], bench.environ)
    rate, default = (median(row) for row in rates)
    better = rate > WORTH * default
    with start_probes([spec], bench.environ) as (process,):
        process.ask("adopt", better=better)
    left = summary["unmeasured"]
    note = f"{summary['layers'] - left} of {summary['layers']} layers measured"
    if not better:
        note += "; no faster by more than noise: the default stays"
    if left:
        note += "; the same command goes on"
    return rate if better else default, default, note


def _in_turns(specs: Sequence[ProbeSpec], environ: Mapping[str, str]) -> list[list[float]]:
    """Return the rates of each spec, measured in turns, each in a process that runs alone.

    Ten loaded models would need ten times the memory; and on a virtual machine, those loaded later
    can be 10 % slower regardless of what they are.
    """
    rates: list[list[float]] = [[] for _ in specs]
    for _ in range(_ROUNDS):
        for row, spec in zip(rates, specs, strict=True):
            with start_probes([spec], environ) as (process,):
                process.ask("measure", batch=spec.batch, seconds=_WARM_SECONDS)
                answer = process.ask("measure", batch=spec.batch, seconds=_TURN_SECONDS)
            row.append(answer["rate"])
    return rates


def _answers(spec: ProbeSpec, environ: Mapping[str, str]) -> list[bytes]:
    with start_probes([spec], environ) as (process,):
        found: list[str] = process.ask("answers")["answers"]
    return [bytes.fromhex(answer) for answer in found]


def _agreement(task: Task, found: Sequence[bytes], wanted: Sequence[bytes]) -> float:
    """Return the share of answers that agree; a fixed batch may leave some inputs out."""
    pairs = list(zip(found, wanted, strict=False))
    return sum(agree(task, one, other) for one, other in pairs) / len(pairs)
