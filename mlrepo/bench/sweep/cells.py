"""The cells of a sweep: each combination of values, and the request for its run."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mlrepo.backends.capabilities import backends_that, capabilities_of
from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.execute import Progress
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.bench.sweep.axes import KEYED, Excluded, SweepAxis
from mlrepo.errors import UserError
from mlrepo.plugins import DEFAULT_BACKEND, backend_name
from mlrepo.record import PERFORMANCE, SWEEP_TAG
from mlrepo.record.options import option_of
from mlrepo.record.plans import RunPlan, SweepPlan
from mlrepo.record.request import Request
from mlrepo.record.run_request import RunRequest
from mlrepo.scenarios import SCENARIOS

CELL_TAG = "cell-"
_KEY_DIGITS = 10
# How many samples a backend that asks an endpoint has under way at one time.
CONNECTIONS = "connections"


@dataclass(frozen=True)
class SweepCell:
    """One point of a sweep.

    Attributes
    ----------
    values:
        Of every axis, by its name.
    request:
        For the run. Its tags say which cell of which sweep it is: that is all by which a recorded
        run is found again, whatever command made it and on whatever machine.
    """

    values: Mapping[str, str]
    request: BenchRequest

    @property
    def key(self) -> str:
        """Its name among the cells of a sweep: a digest of the values."""
        return key_of(self.values)

    def words(self, axes: Sequence[SweepAxis]) -> str:
        """Return the values that distinguish it: ``backend onnx, qps 100``."""
        varying = [axis.name for axis in axes if axis.varies]
        shown = varying or [name for name in ("benchmark", "scenario") if name in self.values]
        return ", ".join(f"{name} {self.values[name]}" for name in shown)


def key_of(values: Mapping[str, str]) -> str:
    """Return the key of the cell that has these values."""
    text = json.dumps(sorted(values.items()), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]


def tags_of(sweep: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the tags of a cell's runs."""
    return (SWEEP_TAG, f"{SWEEP_TAG}-{sweep}", f"{CELL_TAG}{key_of(values)}")


def count_of(axes: Sequence[SweepAxis]) -> int:
    """Return the number of combinations, the excluded ones among them."""
    return math.prod(axis.size for axis in axes)


def combinations(
    axes: Sequence[SweepAxis], excluded: Sequence[Excluded]
) -> Iterator[dict[str, str]]:
    """Yield the values of each cell, the last axis changing first."""
    names = [axis.name for axis in axes]
    for values in itertools.product(*(axis.values() for axis in axes)):
        cell = dict(zip(names, values, strict=True))
        if not any(one.holds(cell) for one in excluded):
            yield cell


def make_cell(base: BenchRequest, sweep: str, values: Mapping[str, str]) -> SweepCell:
    """Return the cell with these values.

    Parameters
    ----------
    base:
        What all cells have in common.

    Raises
    ------
    UserError
        The backend has no such axis, or two values contradict each other.
    """
    fields_of = _fields()
    given: dict[str, object] = {"mode": PERFORMANCE, "backend": DEFAULT_BACKEND}
    keyed: dict[str, dict[str, str]] = {option: {} for option in KEYED.values()}
    for name, value in values.items():
        option, _, key = name.partition(".")
        if option in keyed:
            keyed[option][key] = value
        elif name in fields_of:
            given[fields_of[name]] = _typed(fields_of[name], value)
    request = replace(
        base,
        **given,  # type: ignore[arg-type]
        extra=keyed["set"],
        backend_options=keyed["backend-opt"],
        tags=(*base.tags, *tags_of(sweep, values)),
    )
    if "concurrency" in values:
        request = _with_concurrency(request, values["concurrency"])
    return SweepCell(values, request)


def run_cell(
    bench: Bench,
    cell: SweepCell,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> ConcludedRun:
    """Run a cell here, once, and record it: see :meth:`Bench.run`."""
    return bench.run(cell.request, on_progress)


def cell_request(bench: Bench, cell: SweepCell) -> Request[RunPlan]:
    """Return the request for a cell as one of ``mlrepo bench run``.

    :func:`mlrepo.record.request.argv` makes a command of it, for another machine; its run counts
    for the sweep by its tags. Settings of ``bench`` that belong to a machine (``system``,
    ``experiment``) are in ``where``: replace them for a machine of another name.
    """
    run = RunRequest(**{name: getattr(cell.request, name) for name in RunPlan.RUN})
    return Request(RunPlan(), run, bench.request.where)


def _fields() -> dict[str, str]:
    """Return the field of a run's request by the name of an axis."""
    declared = SweepPlan.__dataclass_fields__
    return {
        option_of(declared[name]).flag.removeprefix("--"): field
        for name, field in SweepPlan.AXES.items()
        if field
    }


def _typed(field: str, value: str) -> object:
    kind = str(RunRequest.__dataclass_fields__[field].type)
    if kind.startswith("float"):
        return float(value)
    return int(value) if kind.startswith(("int", "Small")) else value


@functools.cache
def _asks_endpoint(backend: str) -> bool:
    return capabilities_of(backend).endpoint


def _with_concurrency(request: BenchRequest, value: str) -> BenchRequest:
    backend = backend_name(request.backend)
    if not _asks_endpoint(backend):
        asking = " or ".join(backends_that(lambda one: one.endpoint))
        raise UserError(
            f"The backend {backend} has no axis concurrency: it computes on this machine, where "
            "LoadGen decides what is asked at one time.",
            hint=f"Use --backend {asking} with an endpoint, or sweep --qps, --samples-per-query or "
            "--max-batchsize.",
        )
    known = next((one for one in SCENARIOS.values() if one.name == request.scenario), None)
    if known is None or not known.at_once:
        raise UserError(
            f"--concurrency does not apply to {request.scenario}, which has its own load.",
            hint="Use --scenario Offline: the client then keeps so many requests under way.",
        )
    if CONNECTIONS in request.backend_options:
        raise UserError(
            f"--concurrency and --backend-opt {CONNECTIONS} are two answers to one question.",
            hint="Give one of them.",
        )
    return replace(request, backend_options={**request.backend_options, CONNECTIONS: value})
