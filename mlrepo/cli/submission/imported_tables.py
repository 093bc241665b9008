"""Tables of what an import read: every run, or how many of whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from mlrepo.cli.render import print_table, verdict

if TYPE_CHECKING:
    from mlrepo.exchange.imported_run import ImportedRun, SkippedLogs

# Of a kind of logs that are left out, this many are named.
_NAMED = 3


class RunRow(NamedTuple):
    """A run as the table of runs has it."""

    run: str
    submitter: str
    sut: str
    benchmark: str
    scenario: str
    mode: str
    result: str
    validity: str

    @property
    def of_result(self) -> tuple[str, ...]:
        """What names the result that it belongs to."""
        return self.submitter, self.sut, self.benchmark, self.scenario


def row_of(run: ImportedRun) -> RunRow:
    """Return the row of a run that was read."""
    from mlrepo.repository.trailers import parse_result

    def said(name: str) -> str:
        return run.trailers.get(f"MLRepo-{name}", "")

    return RunRow(
        run.run,
        f"{said('Division')}/{said('Submitter')}",
        said("System"),
        said("Benchmark"),
        said("Scenario"),
        said("Test") or said("Mode"),
        str(parse_result(said("Result"))),
        said("Validity"),
    )


def print_runs(rows: Sequence[RunRow]) -> None:
    """Print a row for each run."""
    print_table(
        ("RUN", "SUBMITTER", "SUT", "BENCHMARK", "SCENARIO", "MODE", "RESULT", "VERDICT"),
        [(*row[:-1], verdict(row.validity)) for row in rows],
        right=(6,),
        drop=("SUBMITTER", "BENCHMARK", "SUT", "MODE"),
        tail="RUN",
    )


def print_counts(rows: Sequence[RunRow]) -> None:
    """Print how many results and runs there are of each submitter, and of each benchmark."""
    verdicts = [name for name, _ in Counter(row.validity for row in rows).most_common()]
    for column in ("submitter", "benchmark"):
        groups: dict[str, list[RunRow]] = {}
        for row in rows:
            groups.setdefault(getattr(row, column), []).append(row)
        print_table(
            (column.upper(), "SUTS", "RESULTS", "RUNS", *verdicts),
            [(name, *_counts(group, verdicts)) for name, group in sorted(groups.items())],
            right=range(1, 4 + len(verdicts)),
            drop=("SUTS", "RESULTS"),
        )
        click.echo()


def print_left_out(left_out: Sequence[SkippedLogs]) -> None:
    """Print why logs were left out, how many for each reason, and the first of them."""
    reasons: dict[str, list[str]] = {}
    for one in left_out:
        reasons.setdefault(one.why.replace(one.path, "it"), []).append(one.path)
    for why, paths in reasons.items():
        if len(paths) == 1:
            click.echo(f"Left out: {paths[0]}: {why}.")
            continue
        click.echo(f"Left out, {len(paths)} times: {why}.")
        for path in paths[:_NAMED]:
            click.echo(f"  {path}")
        if len(paths) > _NAMED:
            click.echo(f"  … and {len(paths) - _NAMED} more; --json lists them.")


def _counts(rows: Sequence[RunRow], verdicts: Sequence[str]) -> list[str]:
    found = Counter(row.validity for row in rows)
    suts, results = {row[1:3] for row in rows}, {row.of_result for row in rows}
    numbers = [len(suts), len(results), len(rows), *(found[name] for name in verdicts)]
    return [str(number) if number else "" for number in numbers]
