"""``mlrepo log``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import current_repository
from mlrepo.cli.render import print_json, print_table, verdict
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.repository.history import RecordedRun


@click.command("log")
@click.option("--experiment", help="Only runs of this experiment branch.")
@click.option("--benchmark", help="Only this benchmark.")
@click.option("--scenario", help="Only this scenario (any case).")
@click.option("--mode", help="accuracy, performance or compliance.")
@click.option("--system", help="Only this system.")
@click.option("--backend", help="Only this backend.")
@click.option("--valid", is_flag=True, help="Only VALID runs.")
@click.option("--withdrawn", is_flag=True, help="Only runs that count no longer, with the reason.")
@click.option("--tag", "tags", multiple=True, help="Only runs with this tag (repeatable: all).")
@click.option("-n", "limit", type=click.IntRange(min=1), help="At most this many runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON.")
def command(
    experiment: str | None,
    benchmark: str | None,
    scenario: str | None,
    mode: str | None,
    system: str | None,
    backend: str | None,
    valid: bool,
    withdrawn: bool,
    tags: tuple[str, ...],
    limit: int | None,
    as_json: bool,
) -> int:
    """List the recorded runs, newest first.

    Runs of all experiment branches, local and fetched, are listed; each once.

    \b
    Example:
      mlrepo log --scenario offline --valid -n 10
    """
    from itertools import islice

    from mlrepo.record import COMPLIANCE, MODES
    from mlrepo.repository.experiments import Experiment
    from mlrepo.repository.history import recorded_runs
    from mlrepo.scenarios import scenario as known_scenario

    if mode is not None and mode.lower() not in (*MODES, COMPLIANCE):
        known = ", ".join((*MODES, COMPLIANCE))
        raise UserError(f"{mode!r} is not a mode.", hint=f"Use one of: {known}.")
    wanted = {
        "Benchmark": benchmark,
        "Scenario": known_scenario(scenario).name if scenario else None,
        "Mode": mode,
        "System": system,
        "Backend": backend,
        "Validity": "VALID" if valid else None,
    }
    matches = _filter(wanted, set(tags), hidden=withdrawn)
    branch = Experiment.parse(experiment) if experiment else None
    repository = current_repository()
    recorded = recorded_runs(repository, branch, hidden=withdrawn)
    runs = list(islice(filter(matches, recorded), limit))
    code = 1 if repository.damage else 0
    if as_json:
        print_json("mlrepo.log/1", {"runs": [_values(run) for run in runs]})
        return code
    if not runs:
        click.echo("No run matches. `mlrepo bench run` records one.", err=True)
        return code
    print_table(
        ("RUN", "SYSTEM", "BACKEND", "BENCHMARK", "SCENARIO", "MODE", "RESULT", "VERDICT", "TAGS"),
        [_row(run) for run in runs],
        right=(6,),
        drop=("TAGS", "BACKEND", "SYSTEM", "BENCHMARK", "MODE"),
        tail="RUN",
    )
    return code


def _filter(
    wanted: dict[str, str | None], tags: set[str], *, hidden: bool
) -> Callable[[RecordedRun], bool]:
    def matches(run: RecordedRun) -> bool:
        return (
            run.curation.hidden == hidden
            and tags <= set(run.tags)
            and all(
                value is None or run.trailer(name).lower() == value.lower()
                for name, value in wanted.items()
            )
        )

    return matches


def _values(run: RecordedRun) -> dict[str, object]:
    result = run.result
    return {
        "run": run.run,
        "commit": run.commit,
        "experiment": run.trailer("Experiment"),
        "round": run.trailer("Round"),
        "division": run.trailer("Division"),
        "submitter": run.trailer("Submitter"),
        "system": run.trailer("System"),
        "backend": run.trailer("Backend"),
        "benchmark": run.trailer("Benchmark"),
        "scenario": run.trailer("Scenario"),
        "mode": run.trailer("Mode"),
        "test": run.trailer("Test"),
        "result": {"value": result.value, "unit": result.unit},
        "validity": run.trailer("Validity"),
        "placed": run.trailer("Placed"),
        "tags": list(run.tags),
        "withdrawn": run.withdrawn,
        "pruned": run.curation.pruned,
        "note": run.note,
    }


def _row(run: RecordedRun) -> tuple[str, ...]:
    return (
        run.run,
        run.trailer("System"),
        run.trailer("Backend"),
        run.trailer("Benchmark"),
        run.trailer("Scenario"),
        run.trailer("Test") or run.trailer("Mode"),
        str(run.result),
        verdict(run.trailer("Validity")),
        run.trailer("Tags"),
    )
