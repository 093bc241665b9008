"""``mlrepo raw``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Group
from mlrepo.cli.context import current_repository
from mlrepo.cli.render import print_json, print_table
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.repository.raw_store import RawStore


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


@command.command("backup")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print what was copied as JSON.")
def backup(directory: Path, as_json: bool) -> int:
    """Copy the full logs to a directory, such as one on another disk; each is verified.

    They are on this machine only: pushing and cloning takes the commits, not the full logs. Logs
    that the directory has are compared and not copied again; nothing in it is deleted. Exit code:
    1 if a log here is damaged.

    \b
    Example:
      mlrepo raw backup /mnt/backup/raw
    """
    from mlrepo.repository.ignored import ignore_here
    from mlrepo.repository.raw_store import RawStore

    repository = current_repository()
    code = _copy(
        RawStore(repository.store / "raw"), RawStore(directory), directory, as_json=as_json
    )
    ignore_here(repository, directory)
    return code


@command.command("restore")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print what was copied as JSON.")
def restore(directory: Path, as_json: bool) -> int:
    """Copy back the full logs that are missing or damaged here; each is verified.

    \b
    Example:
      mlrepo raw restore /mnt/backup/raw
    """
    from mlrepo.repository.raw_store import RawStore

    if not directory.is_dir():
        raise UserError(
            f"{directory} is not a directory.",
            hint="Name the one of `mlrepo raw backup DIRECTORY`.",
        )
    here = RawStore(current_repository().store / "raw")
    return _copy(RawStore(directory), here, directory, as_json=as_json)


def _copy(source: RawStore, target: RawStore, directory: Path, *, as_json: bool) -> int:
    from mlrepo.repository.raw_copy import copy_logs

    done = copy_logs(source, target)
    if as_json:
        print_json("mlrepo.raw.copy/1", {"directory": str(directory.resolve()), **vars(done)})
    else:
        click.echo(
            f"copied {_logs(len(done.copied))} ({done.size} bytes) to {target.root}; "
            f"{done.there} there already"
        )
    for sha256 in done.damaged:
        click.echo(f"{source.root / sha256} is damaged: not copied", err=True)
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
