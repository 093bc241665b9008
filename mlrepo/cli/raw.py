"""``mlrepo raw``."""

from __future__ import annotations

from pathlib import Path

import click

from mlrepo.cli.context import current_repository
from mlrepo.cli.render import print_json, print_table
from mlrepo.errors import Busy, UserError


@click.group("raw")
def command() -> None:
    """Handle the full accuracy logs that commits hold truncated.

    \b
    Example:
      mlrepo raw list
      mlrepo raw export latest
    """


def _referenced() -> dict[str, str]:
    """Return the SHA-256 of every full log that is needed, with its run's id or its file's path.

    Needed is what a recorded run names, and what was truncated by hand or by the commit hook.
    """
    from mlrepo.repository.history import load_record, recorded_runs
    from mlrepo.repository.raw_store import RawStore

    repository = current_repository()
    return RawStore(repository.store / "raw").pinned() | {
        log.full_sha256: run.run
        for run in recorded_runs(repository)
        for log in load_record(repository, run).logs.values()
        if log.full_sha256
    }


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the logs as JSON.")
def list_(as_json: bool) -> None:
    """List the full logs that are kept on this machine, and the runs they belong to.

    \b
    Example:
      mlrepo raw list
    """
    from mlrepo.repository.raw_store import RawStore

    runs = _referenced()
    entries = RawStore(current_repository().store / "raw").entries()
    if as_json:
        logs = [{"sha256": sha, "size": size, "run": runs.get(sha)} for sha, size in entries]
        print_json("mlrepo.raw/1", {"logs": logs})
        return
    if not entries:
        click.echo("No full log is kept here: no accuracy log had to be truncated.", err=True)
        return
    print_table(
        ("SHA-256", "BYTES", "RUN"),
        [(sha, str(size), runs.get(sha, "none")) for sha, size in entries],
        right=(1,),
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
    from mlrepo.repository.history import find_run, load_record
    from mlrepo.repository.raw_store import RawStore

    repository = current_repository()
    record = load_record(repository, find_run(repository, run))
    full = {name: log for name, log in record.logs.items() if log.full_sha256}
    if not full:
        raise UserError(
            f"No log of the run {record.run} was truncated; the commit holds them whole.",
            hint=f"`mlrepo show {record.run[-6:]} --log accuracy` prints the accuracy log.",
        )
    for name, log in full.items():
        target = output or Path(f"{record.run}-{name}")
        RawStore(repository.store / "raw").export(log.full_sha256, target)
        click.echo(f"wrote {target} ({log.full_size} bytes)")


@command.command("gc")
@click.option("--yes", is_flag=True, help="Do not ask.")
def gc(yes: bool) -> None:
    """Delete the full logs that no recorded run on any experiment branch names.

    \b
    Example:
      mlrepo raw gc
    """
    from mlrepo.repository.raw_store import RawStore
    from mlrepo.repository.spool import Spool

    repository = current_repository()
    waiting = Spool(repository.store / "spool").run_ids()
    if waiting:
        raise Busy(
            f"Runs are not recorded yet and may need a log: {', '.join(waiting)}.",
            hint="Wait for them to end; `mlrepo doctor --fix` records what a crash left.",
        )
    store = RawStore(repository.store / "raw")
    named = _referenced()
    unnamed = [(sha, size) for sha, size in store.entries() if sha not in named]
    if not unnamed:
        click.echo("Every full log belongs to a recorded run; nothing to delete.")
        return
    total = sum(size for _, size in unnamed)
    logs = "1 log" if len(unnamed) == 1 else f"{len(unnamed)} logs"
    click.echo(f"{logs} ({total} bytes) that no recorded run on this machine names.")
    if not yes:
        click.confirm("Delete for ever?", abort=True)
    for sha, _ in unnamed:
        store.remove(sha)
    click.echo(f"Deleted {logs}.")
