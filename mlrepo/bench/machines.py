"""The machines of a round: which is best at what, what is missing where, and the command for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mlrepo.bench.matrix import DONE, MISSING, SETTLED, SHORT
from mlrepo.bench.status import StatusRow
from mlrepo.record import PERFORMANCE
from mlrepo.record.backend_label import label_options
from mlrepo.repository.trailers import parse_result
from mlrepo.scenarios import SCENARIOS
from mlrepo.shell import shell_command

_COUNTED = frozenset({DONE, SHORT})


@dataclass(frozen=True)
class Standing:
    """The best result of one machine.

    Attributes
    ----------
    ratio:
        How good it is beside the best machine's, which has 1: of rates their ratio, of latencies
        the inverse one.
    short:
        Whether the run is shorter than the round requires.
    """

    system: str
    backend: str
    result: str
    run: str
    ratio: float
    short: bool


@dataclass(frozen=True)
class Leaderboard:
    """The machines that have a result of a benchmark in a scenario, the best first."""

    division: str
    submitter: str
    benchmark: str
    scenario: str
    standings: tuple[Standing, ...]


@dataclass(frozen=True)
class MissingOn:
    """What a machine has not run of a benchmark that another one has.

    Attributes
    ----------
    scenarios:
        Those of which a run is missing, in the order of the round.
    commands:
        What makes them; with ``--on`` where jobs went to that machine before.
    here:
        Whether the commands can be typed on this machine.
    """

    system: str
    benchmark: str
    backend: str
    scenarios: tuple[str, ...]
    commands: tuple[str, ...]
    here: bool


def leaderboards(rows: Sequence[StatusRow]) -> list[Leaderboard]:
    """Return the machines by benchmark and scenario; only results of one unit are compared.

    Of several backends of a machine the best one counts.
    """
    found: dict[tuple[str, str, str, str, str], dict[str, Standing]] = {}
    for row in rows:
        for cell in row.cells:
            value, unit = _result(cell.result)
            if cell.mode != PERFORMANCE or cell.state not in _COUNTED or not value:
                continue
            good = 1 / value if SCENARIOS[cell.scenario].is_stream else value
            key = (row.division, row.submitter, row.benchmark, cell.scenario, unit)
            mine = Standing(
                row.system, row.backend, cell.result, cell.run, good, cell.state == SHORT
            )
            best = found.setdefault(key, {})
            if row.system not in best or good > best[row.system].ratio:
                best[row.system] = mine
    return [
        Leaderboard(*key[:4], tuple(_ranked(by_system.values())))
        for key, by_system in found.items()
    ]


def missing_on(
    rows: Sequence[StatusRow], submitter: str, engines: Mapping[str, str], here: str
) -> list[MissingOn]:
    """Return what the machines of a submitter lack beside each other.

    Parameters
    ----------
    engines:
        The engine by which jobs went to a system before, such as ``slurm:gpu``.
    here:
        The system that this clone measures; '' if that is not decided.
    """
    own = [row for row in rows if row.submitter == submitter]
    systems = dict.fromkeys(row.system for row in own)
    found = []
    for benchmark in dict.fromkeys(row.benchmark for row in own):
        of_benchmark = [row for row in own if row.benchmark == benchmark]
        for system in systems:
            mine = [row for row in of_benchmark if row.system == system]
            if not mine:
                mine = [_elsewhere(of_benchmark[0], system)]
            for row in mine:
                lacking = [cell.scenario for cell in row.cells if cell.state not in SETTLED]
                if not lacking:
                    continue
                on = engines.get(system, "")
                commands = row.commands or (_command(row, lacking),)
                words = f" {shell_command(('--on', on))}" if on else ""
                found.append(
                    MissingOn(
                        system,
                        benchmark,
                        row.backend,
                        tuple(dict.fromkeys(lacking)),
                        tuple(f"{command}{words}" for command in commands),
                        bool(on) or system == here,
                    )
                )
    return found


def _ranked(standings: Iterable[Standing]) -> Iterator[Standing]:
    ordered = sorted(standings, key=lambda one: (-one.ratio, one.system))
    for one in ordered:
        yield replace(one, ratio=one.ratio / ordered[0].ratio)


def _elsewhere(row: StatusRow, system: str) -> StatusRow:
    """Return a row of another machine as one of ``system``, which has run nothing of it."""
    cells = tuple(replace(cell, state=MISSING, run="", result="") for cell in row.cells)
    return replace(row, system=system, cells=cells, commands=(), remarks=())


def _command(row: StatusRow, scenarios: Sequence[str]) -> str:
    named = (word for one in dict.fromkeys(scenarios) for word in ("--scenario", one))
    return shell_command(
        [
            *("mlrepo", "bench", "suite", "--benchmark", row.benchmark),
            *(*label_options(row.backend), "--system", row.system, "--round", row.round),
            *("--category", row.category, "--division", row.division),
            *("--submitter", row.submitter, *named),
        ]
    )


def _result(text: str) -> tuple[float, str]:
    metric = parse_result(text)
    return metric.value or 0.0, metric.unit
