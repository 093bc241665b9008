"""``mlrepo raw``."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Group
from mlrepo.cli.context import current_repository
from mlrepo.cli.render import print_json, print_table
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.raw_place import DirectoryPlace, LogPlace, RemotePlace


@click.group("raw", cls=Group)
def command() -> None:
    """Handle the full accuracy logs that commits hold truncated.

    \b
    Example:
      mlrepo raw list
      mlrepo raw export latest
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the logs as JSON.")
def list_(as_json: bool) -> None:
    """List the full logs that are kept on this machine, and the runs they belong to.

    \b
    Example:
      mlrepo raw list
    """
    from mlrepo.repository.raw_garbage import needed_logs
    from mlrepo.repository.raw_store import RawStore

    repository = current_repository()
    entries = RawStore(repository.store / "raw").entries()
    runs = needed_logs(repository)
    if as_json:
        logs = [{"sha256": sha, "size": size, "run": runs.get(sha)} for sha, size in entries]
        print_json("mlrepo.raw/1", {"logs": logs})
        return
    if not entries:
        click.echo("No full log is kept here: no accuracy log was truncated.", err=True)
        return
    print_table(
        ("SHA-256", "BYTES", "RUN"),
        [(sha, str(size), runs.get(sha, "none")) for sha, size in entries],
        right=(1,),
        cut="SHA-256",
    )


@command.command("export")
@click.argument("run")
@click.option("--output", type=click.Path(path_type=Path), help="The file to write.")
def export(run: str, output: Path | None) -> None:
    """Write the full accuracy log of a run to a file, verified against its SHA-256.

    \b
    Example:
      mlrepo raw export latest --output full.json
    """
    from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG
    from mlrepo.repository.history import find_run, load_record
    from mlrepo.repository.ignored import ignore_here
    from mlrepo.repository.raw_store import RawStore

    repository = current_repository()
    record = load_record(repository, find_run(repository, run))
    # Use LoadGen's file names, never those in a record, which may come from anybody.
    full = {
        name: log
        for name in (SUMMARY_LOG, DETAIL_LOG, ACCURACY_LOG)
        if (log := record.logs.get(name)) is not None and log.full_sha256
    }
    if not full:
        raise UserError(
            f"No log of the run {record.run} was truncated; the commit holds them whole.",
            hint=f"`mlrepo show {record.run[-6:]} --log accuracy` prints the accuracy log.",
        )
    for name, log in full.items():
        target = output or Path(f"{record.run}-{name}")
        RawStore(repository.store / "raw").export(log.full_sha256, target)
        ignored = ", which Git ignores in this clone" if ignore_here(repository, target) else ""
        click.echo(f"wrote {target} ({log.full_size} bytes){ignored}")


@command.command("push")
@click.argument("place")
@click.option("--json", "as_json", is_flag=True, help="Print what was copied as JSON.")
def push(place: str, as_json: bool) -> int:
    """Copy the full logs to a directory or a URL, so that they are not on this machine only.

    Pushing and cloning takes the commits, not the full logs. PLACE is a directory, such as one on
    another disk, or a URL that fsspec knows: s3://bucket/logs, gs://…, sftp://host/logs. Each log
    is read back and compared with its SHA-256; what is there already is not copied again, and
    nothing is overwritten or deleted. Exit code: 1 if a log here is damaged.

    \b
    Example:
      mlrepo raw push /mnt/backup/raw
      mlrepo raw push s3://our-bucket/full-logs
    """
    from mlrepo.repository.ignored import ignore_here
    from mlrepo.repository.raw_place import DirectoryPlace, RemotePlace, place_named

    repository = current_repository()
    target = place_named(place)
    if isinstance(target, RemotePlace):
        _refuse_early(repository, target)
    code = _copy(_here(repository), target, target, as_json=as_json)
    if isinstance(target, DirectoryPlace):
        ignore_here(repository, target.root)
    return code


@command.command("fetch")
@click.argument("place")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--all", "everything", is_flag=True, help="Also logs that no run here needs.")
@click.option("--json", "as_json", is_flag=True, help="Print what was copied as JSON.")
def fetch(place: str, runs: tuple[str, ...], everything: bool, as_json: bool) -> int:
    """Copy the full logs of runs here from a directory or a URL; each is verified.

    By default those that any run needs and that are missing or damaged here. Exit code: 1 if a log
    in PLACE is damaged.

    \b
    Example:
      mlrepo raw fetch /mnt/backup/raw
      mlrepo raw fetch s3://our-bucket/full-logs 3fa9c1
    """
    from mlrepo.repository.raw_garbage import recorded_logs
    from mlrepo.repository.raw_place import DirectoryPlace, place_named

    repository = current_repository()
    source = place_named(place)
    if isinstance(source, DirectoryPlace) and not source.root.is_dir():
        raise UserError(
            f"{place} is not a directory.", hint="Name the one of `mlrepo raw push PLACE`."
        )
    if runs and everything:
        raise click.UsageError("RUN and --all exclude each other.")
    only = None
    if runs:
        only = {sha256 for run in runs for sha256 in _full_logs_of(repository, run)}
    elif not everything:
        only = {*recorded_logs(repository), *source.pins()}
    return _copy(source, _here(repository), source, only, as_json=as_json)


@command.command("verify")
@click.argument("place", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the logs as JSON.")
def verify(place: str | None, as_json: bool) -> int:
    """Read every full log that a run needs, here and in a place, and compare it with its SHA-256.

    Exit code: 1 if one is damaged or, with PLACE, is not there.

    \b
    Example:
      mlrepo raw verify /mnt/backup/raw
    """
    from mlrepo.repository.raw_copy import LogState, verify_logs
    from mlrepo.repository.raw_garbage import recorded_logs
    from mlrepo.repository.raw_place import place_named

    repository = current_repository()
    there = None if place is None else place_named(place)
    found = list(verify_logs(recorded_logs(repository), _here(repository), there))
    code = 0 if all(one.is_safe for one in found) else 1
    if as_json:
        logs = [
            {
                "sha256": one.sha256,
                "run": one.needed_by,
                "here": one.here.value,
                "there": one.there.value if one.there else None,
            }
            for one in found
        ]
        print_json("mlrepo.raw.verify/1", {"place": there and there.shown, "logs": logs})
        return code
    wrong = [one for one in found if not one.is_safe or one.here is not LogState.INTACT]
    if wrong:
        print_table(
            ("RUN", "HERE", *(("THERE",) if there else ()), "SHA-256"),
            [
                (
                    one.needed_by,
                    one.here.value,
                    *((one.there.value,) if one.there else ()),
                    one.sha256,
                )
                for one in wrong
            ],
            drop=("SHA-256",),
            tail="RUN",
        )
    here = sum(one.here is LogState.INTACT for one in found)
    said = f"{_logs(len(found))} needed; intact: {here} here"
    if there is not None:
        said += f", {sum(one.there is LogState.INTACT for one in found)} in {there.shown}"
    click.echo(f"{said}.")
    return code


def _here(repository: ResultsRepository) -> DirectoryPlace:
    from mlrepo.repository.raw_place import DirectoryPlace

    return DirectoryPlace(repository.store / "raw")


def _full_logs_of(repository: ResultsRepository, run: str) -> list[str]:
    from mlrepo.repository.history import find_run, full_logs

    found = [sha256 for sha256 in full_logs(repository, find_run(repository, run)) if sha256]
    if not found:
        raise UserError(
            f"No log of the run {run} was truncated; the commit holds them whole.",
            hint="Leave the run out.",
        )
    return found


def _refuse_early(repository: ResultsRepository, place: RemotePlace) -> None:
    """Raise if an embargo keeps results from a place that may be public."""
    import datetime

    from mlrepo.guard.contents import refused_by
    from mlrepo.guard.embargo import embargo_in_force

    embargo = embargo_in_force(repository.root, os.environ)
    if embargo.holds(place.url, datetime.datetime.now(datetime.UTC).date()):
        raise UserError(refused_by(embargo, place.url, "full logs"), hint="Nothing has left.")


def _copy(
    source: LogPlace,
    target: LogPlace,
    place: LogPlace,
    only: Collection[str] | None = None,
    *,
    as_json: bool,
) -> int:
    from mlrepo.repository.raw_copy import copy_logs

    done = copy_logs(source, target, only)
    if as_json:
        print_json("mlrepo.raw.copy/2", {"place": place.shown, **vars(done)})
    else:
        click.echo(
            f"copied {_logs(len(done.copied))} ({done.size} bytes) to {target.shown}; "
            f"{done.there} there already"
        )
    for sha256 in done.damaged:
        click.echo(f"{source.shown}/{sha256} is damaged: not copied", err=True)
    for sha256 in done.set_aside:
        click.echo(f"{target.shown}/{sha256} was damaged: renamed, and copied again", err=True)
    return 1 if done.damaged else 0


@command.command("gc")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(min=0),
    default=14.0,
    show_default=True,
    metavar="DAYS",
    help="Keep what was added later than this, as `git gc` keeps young objects.",
)
def gc(yes: bool, days: float) -> None:
    """Delete the full logs that no recorded run on any experiment branch names.

    \b
    Example:
      mlrepo raw gc
    """
    from mlrepo.repository.raw_garbage import delete_garbage, find_garbage

    repository = current_repository()
    garbage = find_garbage(repository, days)
    if garbage.young:
        click.echo(
            f"{_logs(garbage.young)} that no recorded run names, but added less than {days:g} days "
            "ago, are kept; --older-than 0 deletes them too."
        )
    if not garbage.old:
        click.echo(
            "Every other full log belongs to a recorded run; there is nothing to delete."
            if garbage.young
            else "Every full log belongs to a recorded run; there is nothing to delete."
        )
        return
    click.echo(
        f"{_logs(len(garbage.old))} ({garbage.size} bytes) that no recorded run on this machine "
        "names."
    )
    if not yes:
        click.confirm("Delete them permanently?", abort=True)
    # Check again: while the user answered, a new run or truncated log may have come to need one.
    gone = delete_garbage(repository, days, garbage)
    click.echo(f"Deleted {_logs(len(gone.old))}.")
    kept = len(garbage.old) - len(gone.old)
    if kept:
        are = "is" if kept == 1 else "are"
        click.echo(f"{_logs(kept)} {are} kept: needed since the question was asked.")


def _logs(number: int) -> str:
    return "1 log" if number == 1 else f"{number} logs"
