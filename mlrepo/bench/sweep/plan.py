"""Plan a sweep: which cells it has, which of them are recorded, and how long the others take."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from mlrepo.bench.estimate import Speed, least_offline_samples, measure_speed
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.bench.sweep.axes import Excluded, SweepAxis, axes_of, excluded_of, load_axis
from mlrepo.bench.sweep.cells import SweepCell, combinations, count_of, make_cell
from mlrepo.bench.sweep.journal import SweepJournal, refuse_another
from mlrepo.bench.sweep.limits import limits_of
from mlrepo.errors import UserError
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record import ACCURACY
from mlrepo.record.plans import SweepPlan
from mlrepo.record.request import Request, argv
from mlrepo.repository.history import RecordedRun
from mlrepo.scenarios import SCENARIOS
from mlrepo.scenarios import scenario as known_scenario
from mlrepo.workloads import Workload

MOST_CELLS = 1000
# Seconds to start and record a run, where nothing is known.
_OVERHEAD = 3.0
_NAME_DIGITS = 8
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789._-"
_LONGEST_NAME = 60

# LoadGen's min_query_count where nothing sets it.
_LOADGEN_QUERIES = 100

# What a speed depends on, among the fields of a request.
_GROUP = (
    *("benchmark", "backend", "device", "precision", "model_variant", "way", "layout"),
    *("endpoint", "endpoint_model"),
)
# What LoadGen's settings depend on, beside those by key and the rate.
_CONFIGURED = (
    *("benchmark", "scenario", "mode", "max_latency"),
    *("samples_per_query", "count", "time"),
)


@dataclass(frozen=True)
class PlannedCell:
    """One cell of the plan.

    Attributes
    ----------
    measured, failed:
        Its recorded runs, newest first.
    wanted:
        How many runs it still needs.
    seconds:
        The estimated duration of one run.
    """

    cell: SweepCell
    measured: tuple[RecordedRun, ...]
    failed: tuple[RecordedRun, ...]
    wanted: int
    seconds: float


@dataclass(frozen=True)
class Sweep:
    """A sweep that can begin or go on: nothing of it was refused.

    Attributes
    ----------
    bench:
        Its request holds the plan as decided, which each run records.
    base:
        What all cells have in common.
    remarks:
        What there is to be known before it begins.
    """

    bench: Bench
    base: BenchRequest
    plan: SweepPlan
    axes: tuple[SweepAxis, ...]
    cells: tuple[PlannedCell, ...]
    journal: SweepJournal
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name by which its runs are tagged."""
        return self.plan.name

    @property
    def wanted(self) -> int:
        """How many runs are to be made, without further points."""
        return sum(one.wanted for one in self.cells)

    @property
    def seconds(self) -> float:
        """The estimated duration of these runs."""
        return sum(one.wanted * one.seconds for one in self.cells)

    def cell(self, values: Mapping[str, str]) -> SweepCell:
        """Return a cell with other values than the planned ones."""
        return make_cell(self.base, self.name, values)


def plan_sweep(
    bench: Bench,
    request: Request[SweepPlan],
    *,
    most: int = MOST_CELLS,
    retry: bool = False,
    speed: Callable[[Bench, BenchRequest], Speed] = measure_speed,
    elsewhere: bool = False,
) -> Sweep:
    """Return the cells of a sweep, what is recorded of them, and how long the others take.

    Parameters
    ----------
    bench:
        Its request is ``request`` with all settings decided.
    most:
        The largest number of cells that is planned.
    retry:
        Whether cells that failed are wanted again.
    elsewhere:
        Whether the cells run on other machines: models and backends are not looked for on this one,
        whose speed says nothing.

    Raises
    ------
    UserError
        The plan is malformed or too large, the name belongs to another sweep, or a cell can never
        run here. Nothing was started.
    """
    plan = request.plan
    base = BenchRequest.of(request.run)
    axes = axes_of(plan)
    _refuse_incomplete(axes)
    excluded = excluded_of(plan, axes) if count_of(axes) <= most * 100 else ()
    _refuse_too_many(bench, axes, excluded, most, plan.repeat)
    limits_of(plan)
    if plan.adaptive:
        load_axis(axes)
        _refuse_resolution(plan.resolution)
    bench, name = _named(bench)
    refuse_another(bench, name)
    cells = [make_cell(base, name, values) for values in combinations(axes, excluded)]
    if not cells:
        raise UserError(
            "Every combination is excluded: the sweep has no cell.", hint="Leave an --exclude out."
        )
    _refuse_impossible(bench, cells, elsewhere=elsewhere)
    journal = SweepJournal.of(bench.repository, name)
    planned = [_planned(cell, journal, plan.repeat, retry=retry) for cell in cells]
    seconds, remarks = _estimates(bench, planned, journal, None if elsewhere else speed)
    timed = tuple(replace(one, seconds=took) for one, took in zip(planned, seconds, strict=True))
    decided = replace(plan, name=name)
    return Sweep(bench, base, decided, axes, timed, journal, tuple(remarks))


def _refuse_incomplete(axes: Sequence[SweepAxis]) -> None:
    names = {axis.name for axis in axes}
    lacking = [name for name in ("benchmark", "scenario") if name not in names]
    if lacking:
        options = " and ".join(f"--{name}" for name in lacking)
        raise UserError(
            f"Not given, and required: {options}.",
            hint='Type them, or write them into the plan: benchmark = "digits".',
        )


def _refuse_too_many(
    bench: Bench, axes: Sequence[SweepAxis], excluded: Sequence[Excluded], most: int, repeat: int
) -> None:
    """Refuse a plan that is larger than anybody meant, without making its cells."""
    count = count_of(axes)
    if excluded and count > most:
        count = sum(1 for _ in combinations(axes, excluded))
    if count <= most:
        return
    typed = [axis for axis in axes if axis.name == "time" and axis.size <= MOST_CELLS]
    each = min(map(float, typed[0].values())) if typed else bench.round.min_duration_ms() / 1e3
    days = count * repeat * (each + _OVERHEAD) / 86_400
    sizes = " × ".join(f"{axis.size:,} {axis.name}" for axis in axes if axis.varies)
    raise UserError(
        f"The plan has {count:,} cells ({sizes}), about {days:,.1f} days of runs; "
        f"at most {most:,} are planned.",
        hint=f"Ask for fewer values, leave combinations out with --exclude, or allow it: "
        f"--max-cells {count}. --adaptive finds the bend of a curve with few points.",
    )


def _refuse_resolution(resolution: float) -> None:
    if not 0.001 <= resolution <= 0.5:
        raise UserError(
            f"--resolution {resolution:g} is not between 0.001 and 0.5.",
            hint="0.02 places points until they are 2 % apart.",
        )


def _named(bench: Bench) -> tuple[Bench, str]:
    """Return the bench whose request has the name of the sweep, and that name.

    Without a typed name it is made from the request, so that the same command finds its runs.
    """
    plan = bench.request.plan
    assert isinstance(plan, SweepPlan)
    name = plan.name
    if not name:
        words = "\0".join(argv(bench.request.redacted(bench.redactor)))
        name = hashlib.sha256(words.encode("utf-8", "backslashreplace")).hexdigest()
        name = name[:_NAME_DIGITS]
    elif len(name) > _LONGEST_NAME or name[0] in "._-" or not set(name) <= set(_NAME):
        raise UserError(
            f"--name {name!r} cannot be a tag.",
            hint="Use lower-case letters, digits, dots and hyphens, at most "
            f"{_LONGEST_NAME}, beginning with a letter or digit.",
        )
    request = replace(bench.request, plan=replace(plan, name=name))
    return replace(bench, request=request), name


def _refuse_impossible(bench: Bench, cells: Sequence[SweepCell], *, elsewhere: bool) -> None:
    """Refuse a sweep with a cell that could not start: nothing is run before that is known.

    What a backend and a file of settings have to say is asked once for all cells of a kind.
    """
    found: set[tuple[object, ...]] = set()
    for cell in cells:
        try:
            request = cell.request.checked()
            configured = tuple(getattr(request, name) for name in _CONFIGURED)
            configured += (tuple(request.extra.items()), request.qps is None)
            if configured not in found:
                bench.check_settings(request)
            inputs = (*_group(request), request.scenario, request.mode, request.threads is None)
            inputs += (tuple(sorted(request.backend_options)), request.max_batch is None)
            if inputs not in found and not elsewhere:
                bench.check(request)
                bench.prepare(request)
            found |= {configured, inputs}
        except UserError as error:
            where = ", ".join(f"{name}={value}" for name, value in cell.values.items())
            raise UserError(
                f"{error.message} That is the cell {where}.",
                hint=f"{error.hint or ''} Or leave such cells out with --exclude.".strip(),
            ) from error


def _group(request: BenchRequest) -> tuple[object, ...]:
    return tuple(getattr(request, name) for name in _GROUP)


def _planned(cell: SweepCell, journal: SweepJournal, repeat: int, *, retry: bool) -> PlannedCell:
    measured, failed = journal.measured(cell.key), journal.failed(cell.key)
    spent = len(measured) + (0 if retry else len(failed))
    return PlannedCell(cell, tuple(measured), tuple(failed), max(0, repeat - spent), 0.0)


def _estimates(
    bench: Bench,
    planned: Sequence[PlannedCell],
    journal: SweepJournal,
    measure: Callable[[Bench, BenchRequest], Speed] | None,
) -> tuple[list[float], list[str]]:
    """Return the seconds of a run of each cell, and what could not be measured.

    A cell takes as long as its last run did. Otherwise a short probe of each kind of cell tells,
    where the options do not: a Server's rate and duration say nearly all.
    """
    speeds: dict[tuple[object, ...], Speed | None] = {}
    remarks: dict[str, None] = {}
    found = []
    for one in planned:
        request = one.cell.request
        took = _took(journal, one.measured)
        if took is None and one.wanted:
            key = _group(request)
            if measure is not None and key not in speeds and _needs_probe(request):
                try:
                    speeds[key] = measure(bench, request)
                except UserError as error:
                    speeds[key] = None
                    remarks[f"{error.message} Its cells are tried all the same."] = None
            took = expected_seconds(bench, request, speeds.get(key))
        found.append(took or 0.0)
    return found, [*remarks, *_too_short(bench, planned)]


def _took(journal: SweepJournal, runs: Sequence[RecordedRun]) -> float | None:
    """Return the mean duration of recorded runs; None if no record says it."""
    records = [journal.record(run) for run in runs[:3]]
    seconds = [record.load.noise.seconds for record in records if record is not None]
    known = [one for one in seconds if one is not None]
    return fmean(known) if known else None


def _needs_probe(request: BenchRequest) -> bool:
    return not (SCENARIOS[known_scenario(request.scenario).name].at_random and request.qps)


def _shortest(bench: Bench, request: BenchRequest) -> float:
    if request.time is not None:
        return request.time
    return 0.0 if request.count else bench.round.min_duration_ms() / 1e3


def _expected_queries(bench: Bench, request: BenchRequest) -> float:
    """Return how many queries a run at a rate has."""
    least = request.extra.get("min_query_count", "")
    fewest = request.count or (int(least) if least.isdecimal() else _LOADGEN_QUERIES)
    return max(fewest, _shortest(bench, request) * (request.qps or 0.0))


def _too_short(bench: Bench, planned: Sequence[PlannedCell]) -> list[str]:
    """Say which runs have too few queries for LoadGen's verdict; they can still be compared."""
    asked = [one.cell.request for one in planned if one.wanted]
    short = [
        request
        for request in asked
        if request.mode != ACCURACY
        and request.qps
        and SCENARIOS[request.scenario].bounded
        and _expected_queries(bench, request) < SCENARIOS[request.scenario].least_queries
    ]
    if not short:
        return []
    least = SCENARIOS[short[0].scenario].least_queries
    fewest = min(_expected_queries(bench, request) for request in short)
    return [
        f"{len(short)} of {len(asked)} cells have too few queries ({fewest:.0f} or more) for a "
        f"VALID verdict, which needs {least}: --count {least + least // 20} makes them longer."
    ]


def expected_seconds(bench: Bench, request: BenchRequest, speed: Speed | None) -> float:
    """Return how long a run of a request takes; without a speed, what the options alone say."""
    known = SCENARIOS[request.scenario]
    shortest = _shortest(bench, request)
    if request.mode != ACCURACY and known.at_random and request.qps:
        queries = _expected_queries(bench, request)
        return (speed.overhead if speed else _OVERHEAD) + queries / request.qps
    if speed is None:
        return _OVERHEAD + (shortest if request.mode != ACCURACY else 0.0)
    if request.mode == ACCURACY and request.count:
        speed = dataclasses.replace(speed, samples=min(speed.samples, request.count))
    workload: Workload = load_plugin(WORKLOADS, request.benchmark)
    least = request.count or least_offline_samples(bench.round, workload)
    return speed.seconds_of(request.scenario, request.mode, shortest, least)
