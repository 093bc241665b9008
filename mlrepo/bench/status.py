"""The matrix of a round: every result that has a run, and which runs are missing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlrepo.bench.matrix import (
    DONE,
    INFERRED,
    Cell,
    RunsByResult,
    runs_of,
    scenarios_of,
    with_inferred,
)
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.layout.inferred import inferred_metric
from mlrepo.layout.never_valid import why_never_valid
from mlrepo.plugins import WORKLOADS, load_plugin, plugin_names
from mlrepo.record import ACCURACY, PERFORMANCE
from mlrepo.record.backend_label import label_options
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import read_file, recorded_runs
from mlrepo.rounds import Round
from mlrepo.scenarios import SCENARIOS
from mlrepo.shell import shell_command
from mlrepo.workloads import Workload


@dataclass(frozen=True)
class StatusRow:
    """One benchmark on one system with one backend, and each of its runs.

    Scenarios are those that the category requires and any others that were run.

    Attributes
    ----------
    never_valid:
        Why no run of the benchmark can be a valid result of the round; usually empty.
    """

    round: str
    category: str
    division: str
    submitter: str
    system: str
    backend: str
    benchmark: str
    cells: tuple[Cell, ...]
    never_valid: str = ""

    @property
    def next_command(self) -> str:
        """The command that makes the missing runs, or '' if there are none."""
        open_ = [cell for cell in self.cells if cell.state not in (DONE, INFERRED)]
        if not open_:
            return ""
        scenarios = dict.fromkeys(cell.scenario for cell in open_)
        return shell_command(
            [
                *("mlrepo", "bench", "suite", "--benchmark", self.benchmark),
                *(*label_options(self.backend), "--system", self.system),
                *("--round", self.round, "--category", self.category),
                *("--division", self.division, "--submitter", self.submitter),
                *(word for scenario in scenarios for word in ("--scenario", scenario)),
            ]
        )


def round_status(
    repository: ResultsRepository, round_: Round, category: str, division: str | None
) -> list[StatusRow]:
    """Return the rows of the round, sorted; ``division`` None takes all divisions.

    Compliance tests apply to all divisions except open. For a benchmark that is not installed here,
    only the scenarios that were run are listed, without tests.
    """
    journal = RunsByResult(recorded_runs(repository), repository.rounds)
    by_row: dict[tuple[str, ...], set[str]] = {}
    names = ("Division", "Submitter", "System", "Backend", "Benchmark")
    for identity in journal.results():
        if identity["Round"] == round_.name and division in (None, identity["Division"]):
            key = tuple(identity[name] for name in names)
            by_row.setdefault(key, set()).add(identity["Scenario"])
    installed = set(plugin_names(WORKLOADS))
    # Load each once: finding a plugin reads the metadata of every installed package.
    workloads: dict[str, Workload] = {
        name: load_plugin(WORKLOADS, name) for name in {key[-1] for key in by_row} & installed
    }
    rows = []
    for key, run in sorted(by_row.items()):
        division_, submitter, system, backend, benchmark = key
        workload = workloads.get(benchmark)
        scenarios = set(run)
        if workload is not None:
            scenarios |= set(scenarios_of(round_, category, workload, run))
        cells = []
        for scenario in (name for name in SCENARIOS if name in scenarios):
            identity = dict(zip(names, key, strict=True))
            identity |= {"Round": round_.name, "Scenario": scenario}
            kinds = [(ACCURACY, ""), (PERFORMANCE, "")]
            if workload is not None:
                kinds = runs_of(round_, workload, scenario, tests=division_ != "open")
            cells += [journal.cell(identity, mode, test) for mode, test in kinds]
        told = tuple(
            _with_inferred_result(repository, journal, cell)
            for cell in with_inferred(cells, round_, category)
        )
        why = why_never_valid(round_, division_, category, benchmark, workload)
        of_row = division_, submitter, system, backend, benchmark
        rows.append(StatusRow(round_.name, category, *of_row, told, why))
    return rows


def _with_inferred_result(repository: ResultsRepository, journal: RunsByResult, cell: Cell) -> Cell:
    """Return the cell with the result that follows from the run of another scenario."""
    if cell.state != INFERRED or cell.mode != PERFORMANCE:
        return cell
    run = journal.find(cell.run)
    log = read_file(repository, run, DETAIL_LOG)
    metric = inferred_metric(cell.scenario, run.trailer("Scenario"), log)
    return replace(cell, result="" if metric.value is None else str(metric))
