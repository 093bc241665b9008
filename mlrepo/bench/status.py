"""The matrix of a round: every result that has a run, and which runs are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from mlrepo.bench.matrix import (
    INFERRED,
    SETTLED,
    SHORT,
    STALE,
    Cell,
    RunsByResult,
    runs_of,
    scenarios_of,
    with_inferred,
)
from mlrepo.errors import UserError
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.layout.inferred import inferred_metric
from mlrepo.layout.never_valid import why_never_valid
from mlrepo.plugins import BACKENDS, WORKLOADS, load_plugin, plugin_names
from mlrepo.record import ACCURACY, PERFORMANCE
from mlrepo.record.backend_label import label_options
from mlrepo.record.run_request import ENDPOINT_FIELDS
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import read_file, readable_record, recorded_runs
from mlrepo.rounds import Round
from mlrepo.scenarios import SCENARIOS
from mlrepo.shell import quoted, shell_command
from mlrepo.workloads import Workload


@dataclass(frozen=True)
class StatusRow:
    """One benchmark on one system with one backend, and each of its runs.

    Scenarios are those that the category requires and any others that were run.

    Attributes
    ----------
    never_valid:
        Why no run of the benchmark can be a valid result of the round; usually empty.
    commands:
        They make the missing runs, with the configuration of the runs that they complete; one
        command for each configuration.
    by_scenario:
        The command that makes the missing runs of one scenario alone.
    remarks:
        How stale runs differ from the performance run of their result.
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

    commands: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    by_scenario: Mapping[str, str] = field(default_factory=dict)

    def identity(self, scenario: str) -> dict[str, str]:
        """Return the trailers of the runs of one scenario, by short name."""
        return {
            "Round": self.round,
            "Division": self.division,
            "Submitter": self.submitter,
            "System": self.system,
            "Backend": self.backend,
            "Benchmark": self.benchmark,
            "Scenario": scenario,
        }

    @property
    def can_be_rehearsed(self) -> bool:
        """Whether all runs are there and some are short: enough for ``mlrepo select --quick``."""
        states = {cell.state for cell in self.cells}
        return SHORT in states and states <= {SHORT, *SETTLED}

    @property
    def next_command(self) -> str:
        """The first of the commands that make the missing runs, or '' if there are none."""
        return self.commands[0] if self.commands else ""

    def on(self, engine: str) -> StatusRow:
        """Return the row with commands that submit jobs to an engine; '' for none."""
        if not engine:
            return self
        more = f" --on {quoted(engine)}"
        return replace(
            self,
            commands=tuple(f"{one}{more}" for one in self.commands),
            by_scenario={name: f"{one}{more}" for name, one in self.by_scenario.items()},
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
    installed, backends = set(plugin_names(WORKLOADS)), set(plugin_names(BACKENDS))
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
        cells, imported = [], True
        for scenario in (name for name in SCENARIOS if name in scenarios):
            identity = dict(zip(names, key, strict=True))
            identity |= {"Round": round_.name, "Scenario": scenario}
            imported = imported and journal.is_imported(identity)
            kinds = [(ACCURACY, ""), (PERFORMANCE, "")]
            if workload is not None:
                kinds = runs_of(round_, workload, scenario, tests=division_ != "open")
            cells += [journal.cell(identity, mode, test) for mode, test in kinds]
        shown = tuple(
            _with_inferred_result(repository, journal, cell)
            for cell in with_inferred(cells, round_, category)
        )
        why = why_never_valid(round_, division_, category, benchmark, workload)
        row = StatusRow(
            round_.name, category, division_, submitter, system, backend, benchmark, shown, why
        )
        if workload is not None and not imported and backend.partition(" ")[0] in backends:
            row = _with_commands(repository, journal, row)
        rows.append(row)
    return rows


def _with_commands(
    repository: ResultsRepository, journal: RunsByResult, row: StatusRow
) -> StatusRow:
    """Return the row with the commands that make its missing runs."""
    # With all that a run needs, which a round that is done need not import.
    from mlrepo.bench.recorded import configuration_words, differing_settings

    scenarios: dict[tuple[str, ...], dict[str, None]] = {}
    remarks: list[str] = []
    for cell in row.cells:
        if cell.state in SETTLED:
            continue
        leading = journal.leading(row.identity(cell.scenario))
        record = None if leading is None else readable_record(repository, leading, {})
        if record is not None:
            words = configuration_words(record)
        else:  # without its endpoint, the command would be refused
            words = next(_endpoints(repository, journal, row), ())
        scenarios.setdefault(words, {})[cell.scenario] = None
        if cell.state == STALE and leading is not None:
            differs = differing_settings(repository, leading, journal.find(cell.run))
            if differs:
                what = f"{row.benchmark} {cell.scenario} {cell.name}"
                remarks.append(f"{what}: {cell.run} differs from {leading.run} in {differs}")
    return replace(
        row,
        commands=tuple(_suite(row, words, named) for words, named in scenarios.items()),
        by_scenario={
            one: _suite(row, words, [one]) for words, named in scenarios.items() for one in named
        },
        remarks=tuple(remarks),
    )


def _suite(row: StatusRow, words: Iterable[str], scenarios: Iterable[str]) -> str:
    """Return the command that makes the missing runs of scenarios."""
    return shell_command(
        [
            *("mlrepo", "bench", "suite", "--benchmark", row.benchmark),
            *(*label_options(row.backend), *words, "--system", row.system),
            *("--round", row.round, "--category", row.category),
            *("--division", row.division, "--submitter", row.submitter),
            *(word for scenario in scenarios for word in ("--scenario", scenario)),
        ]
    )


def _endpoints(
    repository: ResultsRepository, journal: RunsByResult, row: StatusRow
) -> Iterator[tuple[str, ...]]:
    """Yield the options that name the endpoints of a row's runs."""
    from mlrepo.bench.recorded import configuration_words

    for scenario in dict.fromkeys(cell.scenario for cell in row.cells):
        leading = journal.leading(row.identity(scenario))
        record = None if leading is None else readable_record(repository, leading, {})
        if record is not None and record.backend.endpoint is not None:
            yield configuration_words(record, ENDPOINT_FIELDS)


def _with_inferred_result(repository: ResultsRepository, journal: RunsByResult, cell: Cell) -> Cell:
    """Return the cell with the result that follows from the run of another scenario."""
    if cell.state != INFERRED or cell.mode != PERFORMANCE:
        return cell
    run = journal.find(cell.run)
    try:
        log = read_file(repository, run, DETAIL_LOG)
    except UserError as lost:
        repository.damage.setdefault(cell.run, lost)
        return replace(cell, result="")
    metric = inferred_metric(cell.scenario, run.trailer("Scenario"), log)
    return replace(cell, result="" if metric.value is None else str(metric))
