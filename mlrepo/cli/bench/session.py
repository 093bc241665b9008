"""What the commands of ``mlrepo bench`` share: the session, and running and printing one run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from mlrepo import account
from mlrepo.cli.bench.questions import find_settings
from mlrepo.cli.context import current_repository, redactor, resolver, user_directory
from mlrepo.cli.progress import ProgressLine
from mlrepo.cli.render import print_headline

if TYPE_CHECKING:
    from mlrepo.bench.conclude import ConcludedRun
    from mlrepo.bench.consent import Ask, RecordedWords
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.run import Bench
    from mlrepo.record.request import AnyRequest
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.settings import Resolved

trust_option = click.option(
    "--trust-prefix",
    is_flag=True,
    help="Run what others recorded or tuned without asking: it was read before.",
)


def asker(repository: ResultsRepository, *, trusted: bool) -> Ask:
    """Return what asks whether words of others may run: the flag, a terminal, else nobody."""
    from mlrepo.bench.consent import Gate

    def ask(recorded: RecordedWords) -> bool:
        if not trusted:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                return False
            click.echo(f"{recorded}", err=True)
            if not click.confirm("Run it here, with your rights?", err=True):
                return False
        Gate(repository).consents.remember(recorded.what, recorded.words)
        return True

    return ask


_SETTINGS = ("round", "division", "submitter", "category", "system", "platform")


def open_bench(
    request: AnyRequest,
    argv: Sequence[str],
    *,
    trusted: bool = False,
    recorded: Mapping[str, Resolved] | None = None,
) -> Bench:
    """Return the session that the request and the repository's settings describe.

    Its request is ``request`` with every setting resolved.

    Parameters
    ----------
    argv:
        The command as typed.
    trusted:
        Whether the user agrees to run commands and options that others recorded.
    recorded:
        Settings of a record that is run again; they are used unchanged.

    Raises
    ------
    UserError
        A setting is missing, or the round refuses the name of the submitter or system.
    """
    from mlrepo.bench.run import Bench
    from mlrepo.repository.experiments import Experiment
    from mlrepo.rounds.naming import check_new_name

    repository = current_repository()
    found, given = resolver(repository), recorded or {}
    open_ = [key for key in _SETTINGS if key not in given]
    typed = {key: getattr(request.where, key) for key in open_}
    settings = {**given, **find_settings(found, open_, typed)}
    settings = {key: settings[key] for key in _SETTINGS}
    round_ = repository.rounds[settings["round"].value]
    for key in ("submitter", "system"):
        check_new_name(round_, settings[key].value, key)
    system = settings["system"].value
    name = request.where.experiment or re.sub(r"[^a-z0-9._-]+", "-", system.lower()).strip("-._")
    decided = {
        key: setting
        for key, setting in settings.items()
        if key in request.plan.WHERE and key not in given
    }
    return Bench(
        repository,
        settings,
        Experiment.parse(name),
        account.complete(os.environ),
        redactor(system),
        ("mlrepo", *argv),
        request.decided(
            {key: setting.value for key, setting in decided.items()},
            {key: setting.origin for key, setting in decided.items()},
        ),
        user_directory(),
        asker(repository, trusted=trusted),
        _reporter(),
    )


def _reporter() -> Callable[[str], None]:
    """Return a function that prints each remark once, however many runs it concerns."""
    seen: set[str] = set()

    def report(remark: str) -> None:
        if remark not in seen:
            seen.add(remark)
            click.echo(remark, err=True)

    return report


def typed_arguments(ctx: click.Context) -> list[str]:
    """Return the arguments as typed, without the options before the command."""
    arguments = list(ctx.obj)
    return arguments[arguments.index("bench") :] if "bench" in arguments else arguments


def before_runs(bench: Bench, request: BenchRequest | None = None) -> None:
    """Recover runs that a crash left in the spool, and warn of what impairs the coming ones.

    A ``request`` that names what is not here is refused before.

    Warnings are for a LoadGen built for another round, a benchmark whose runs can be no valid
    result, and other benchmarks on this machine.

    Raises
    ------
    UserError
        The description of the system is missing, damaged, or of another machine.
    """
    from mlrepo.bench.recover import recover
    from mlrepo.systems.noise import other_benchmarks

    if request is not None:
        bench.check(request)
    bench.described.facts(bench.request.run.device)
    report_loadgen(bench)
    if request is not None:
        _report_never_valid(bench, request.benchmark)
    if names := other_benchmarks():
        what = "Another benchmark" if len(names) == 1 else f"{len(names)} other benchmarks"
        click.echo(
            f"{what} of mlrepo on this machine ({', '.join(names)}): all will be slower, and the "
            "record will say so. With --require-quiet a run refuses to start.",
            err=True,
        )
    done, failed = recover(bench.repository, bench.redactor)
    for concluded in done:
        record = concluded.record
        click.echo(f"Recovered the run {record.run} ({record.validity}).", err=True)
    for run_id, error in failed:
        click.echo(f"The run {run_id} still waits in the spool: {error.message}", err=True)


def _report_never_valid(bench: Bench, benchmark: str) -> None:
    """Say before hours are spent that no run of a benchmark can be a valid result of the round."""
    from mlrepo.layout.never_valid import installed_workload, why_never_valid

    division, category = (bench.settings[name].value for name in ("division", "category"))
    workload = installed_workload(benchmark)
    if why := why_never_valid(bench.round, division, category, benchmark, workload):
        click.echo(f"For practice only, not for {bench.round.name}: {why}.", err=True)


def report_loadgen(bench: Bench) -> None:
    """Warn on standard error if the installed LoadGen was made for another round."""
    from mlrepo.bench.loadgen import loadgen_fit

    if note := loadgen_fit(bench.round).note:
        click.echo(note, err=True)


def run_one(bench: Bench, request: BenchRequest, label: str) -> ConcludedRun:
    """Execute and record a run, showing a progress line."""
    line = ProgressLine(label, shorter=_shorter(request))
    try:
        return bench.run(request, line.update)
    finally:
        line.close()


def _shorter(request: BenchRequest) -> str:
    """Say how a run can be made shorter; '' if its length was typed, or is that of another run."""
    from mlrepo.record import ACCURACY

    if request.count or request.time or request.test or request.replays:
        return ""
    how = "--count N" if request.mode == ACCURACY else "--count N or --time SECONDS"
    return f"{how} shortens it, and the result is then not valid for the round"


def print_run(done: ConcludedRun) -> None:
    """Print the result, the verdict, and where the run was recorded."""
    from mlrepo.bench.advice import advise

    record = done.record
    print_headline(record)
    for words in advise(record).words:
        click.echo(f"  advice  {words}")
    placement = record.placement
    where = placement.path if placement.placed else f"not placed: {placement.reason}"
    click.echo(f"  run     {record.run}  (mlrepo show {record.run[-6:]})")
    click.echo(f"  commit  {done.commit[:10]} on exp/{record.experiment}")
    click.echo(f"  result  {where}")
    for problem in record.host.platform.problems:
        click.echo(f"  not set by the platform profile {record.platform}: {problem}", err=True)


def run_values(done: ConcludedRun) -> dict[str, object]:
    """Return a run for JSON output: its commit and record."""
    return {"commit": done.commit, "record": done.record.to_dict()}


def exit_code(validity: str) -> int:
    """Return the exit code of a run: 0 if VALID, 130 if interrupted, else 1."""
    from mlrepo.record import INTERRUPTED, VALID

    if validity == VALID:
        return 0
    return 130 if validity == INTERRUPTED else 1
