"""What the commands of ``mlrepo bench`` share: options, the resolved session, one run on screen."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlrepo import account
from mlrepo.cli.context import current_repository, redactor, resolver, user_directory
from mlrepo.cli.render import ProgressLine, print_headline
from mlrepo.workloads.ways import LAYOUTS, WAY_NAMES

if TYPE_CHECKING:
    from mlrepo.bench.conclude import ConcludedRun
    from mlrepo.bench.consent import Ask, RecordedWords
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.run import Bench
    from mlrepo.repository.discovery import ResultsRepository

_WHERE = (
    click.option(
        "--experiment", help="The branch exp/NAME that gets the commit (default: the system)."
    ),
    click.option("--system", help="The system that is measured (default: the repository's)."),
    click.option("--round", "round_", help="The round (default: the repository's)."),
    click.option("--division", help="The division (default: the repository's)."),
    click.option("--submitter", help="The submitter (default: the repository's)."),
    click.option("--category", help="The category (default: the repository's)."),
    click.option("--platform", help="The platform profile to run under."),
)


def where_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where runs are recorded."""
    for option in reversed(_WHERE):
        function = option(function)
    return function


_TRUST = click.option(
    "--trust-prefix",
    is_flag=True,
    help="Run what others recorded or tuned without asking: it was read before.",
)


def trust_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that agrees to what others would run here."""
    return _TRUST(function)


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


def open_bench(given: Mapping[str, Any], argv: list[str], *, trusted: bool = False) -> Bench:
    """Return the session that the options and the repository's settings describe.

    ``trusted`` agrees to what others would run here.

    Raises
    ------
    UserError
        A setting is missing, or the round refuses the submitter's or the system's name.
    """
    from mlrepo.bench.run import Bench
    from mlrepo.repository.experiments import Experiment
    from mlrepo.rounds.naming import check_new_name

    repository = current_repository()
    found = resolver(repository)
    settings = {
        key: found.require(key, given["round_" if key == "round" else key])
        for key in ("round", "division", "submitter", "category", "system", "platform")
    }
    round_ = repository.rounds[settings["round"].value]
    for key in ("submitter", "system"):
        check_new_name(round_, settings[key].value, key)
    system = settings["system"].value
    name = given["experiment"] or re.sub(r"[^a-z0-9._-]+", "-", system.lower()).strip("-._")
    return Bench(
        repository,
        settings,
        Experiment.parse(name),
        account.complete(os.environ),
        redactor(system),
        ("mlrepo", *argv),
        user_directory(),
        asker(repository, trusted=trusted),
        _teller(),
    )


def _teller() -> Callable[[str], None]:
    """Return what prints each remark once, however many runs it is about."""
    told: set[str] = set()

    def tell(remark: str) -> None:
        if remark not in told:
            told.add(remark)
            click.echo(remark, err=True)

    return tell


def typed_arguments(ctx: click.Context) -> list[str]:
    """Return the arguments as typed, without what stands before the command."""
    arguments = list(ctx.obj)
    return arguments[arguments.index("bench") :] if "bench" in arguments else arguments


def before_runs(bench: Bench) -> None:
    """Record what a crash left behind; say what makes the runs worth less.

    That is a LoadGen made for another round, and another benchmark on this machine.
    """
    from mlrepo.bench.recover import recover
    from mlrepo.systems.noise import other_benchmarks

    tell_loadgen(bench)
    for name in other_benchmarks():
        click.echo(
            f"Another benchmark of mlrepo runs on this machine ({name}): both will be slower, and "
            "the record will say so. With --require-quiet a run refuses to start.",
            err=True,
        )
    done, failed = recover(bench.repository, bench.redactor)
    for concluded in done:
        record = concluded.record
        click.echo(f"Recovered the run {record.run} ({record.validity}).", err=True)
    for run_id, error in failed:
        click.echo(f"The run {run_id} still waits in the spool: {error.message}", err=True)


def tell_loadgen(bench: Bench) -> None:
    """Say on standard error if the installed LoadGen was made for another round."""
    from mlrepo.bench.loadgen import loadgen_fit

    if note := loadgen_fit(bench.round).note:
        click.echo(note, err=True)


def run_one(bench: Bench, request: BenchRequest, label: str) -> ConcludedRun:
    """Execute and record a run under a progress line."""
    line = ProgressLine(label)
    try:
        return bench.run(request, line.update)
    finally:
        line.close()


def print_run(done: ConcludedRun) -> None:
    """Print result, verdict, and where the run stands."""
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
    for problem in (record.host.get("platform") or {}).get("problems", ()):
        click.echo(f"  not set by the platform profile {record.platform}: {problem}", err=True)


def run_values(done: ConcludedRun) -> dict[str, Any]:
    """Return a run as it stands in JSON output: commit and record."""
    from dataclasses import asdict

    return {"commit": done.commit, "record": asdict(done.record)}


def exit_code(validity: str) -> int:
    """Return the exit code of a run: 0 VALID, 130 interrupted, else 1."""
    from mlrepo.record import INTERRUPTED, VALID

    if validity == VALID:
        return 0
    return 130 if validity == INTERRUPTED else 1


def key_values(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Read repeated ``key=value`` options."""
    found: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise click.BadParameter(f"{text!r} is not key=value.")
        found[key.strip()] = value.strip()
    return found


_AGREEMENT = click.option(
    "--no-agreement-check",
    "agreement_check",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Do not compare the backend's scores with ONNX Runtime's; closed takes no such run.",
)


def agreement_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that leaves out the comparison of a backend's scores."""
    return _AGREEMENT(function)


_MODEL = (
    click.option(
        "--model-file",
        type=click.Path(path_type=Path),
        help="Another model file with the same input.",
    ),
    click.option(
        "--model-variant", default="", help="Which model of the benchmark (mlrepo model list)."
    ),
    click.option(
        "--way",
        type=click.Choice(WAY_NAMES),
        default=None,
        help="How images are prepared for the model (default: that of the model, pytorch for files "
        "of PyTorch, else that of the benchmark).",
    ),
    click.option(
        "--layout",
        type=click.Choice(LAYOUTS, case_sensitive=False),
        default=None,
        help="Where the model takes the channels (default: as its input says, else nchw).",
    ),
    click.option(
        "--precision",
        default="",
        help="fp32, bf16, int8 … (default: the model's own; a backend may convert to bf16).",
    ),
    click.option(
        "--backend-opt",
        "backend_options",
        multiple=True,
        callback=key_values,
        metavar="KEY=VALUE",
        help="An option of the backend's own (repeatable).",
    ),
    _AGREEMENT,
)


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose the model and how the backend runs it."""
    for option in reversed(_MODEL):
        function = option(function)
    return function


def model_choice(given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a request that :func:`model_options` fill.

    Without a model named, the CK automation's variable names the file.
    """
    legacy = "" if given["model_variant"] else environ.get("ML_MODEL_FILEPATH_EXTERNAL")
    return {
        "model_file": given["model_file"] or (Path(legacy) if legacy else None),
        "model_variant": given["model_variant"],
        "way": given["way"] or "",
        "layout": given["layout"] or "",
        "precision": given["precision"],
        "backend_options": given["backend_options"],
        "agreement_check": given["agreement_check"],
    }
