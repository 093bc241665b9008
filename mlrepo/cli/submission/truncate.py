"""``mlrepo truncate``."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import not_empty
from mlrepo.cli.render import print_json
from mlrepo.cli.submission.elsewhere import in_words
from mlrepo.errors import MlrepoError, UserError
from mlrepo.paths import DIVISIONS

if TYPE_CHECKING:
    from mlrepo.guard.truncate import Truncation


@click.command("truncate", cls=Command)
@click.argument("path", default=".", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--submitter", callback=not_empty, help="Only the logs of this submitter.")
@click.option("--backup", type=click.Path(path_type=Path), help="Also copy the full logs to DIR.")
@click.option("--output", type=click.Path(path_type=Path), help="Truncate a copy of PATH in DIR.")
@click.option("--clean", is_flag=True, help="Remove from --backup the logs that are kept anyway.")
@click.option("--yes", is_flag=True, help="With --clean: do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(
    path: Path,
    submitter: str | None,
    backup: Path | None,
    output: Path | None,
    clean: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Truncate the accuracy logs of a submission, keeping the full ones.

    The full log goes to mlrepo's store in the Git directory, accuracy.txt beside it gets the
    line hash=, and the log is replaced by its first and last 4096 bytes. Doing it again changes
    nothing. A log that is not the one that accuracy.txt names is refused. Without Git, --backup
    or --output is needed.

    Exit code 1: a log was refused, the others are done. 2: there is nothing to truncate.

    \b
    Example:
      mlrepo truncate --submitter MyOrg
      mlrepo truncate --backup ~/full-logs
      mlrepo truncate --backup ~/full-logs --clean
    """
    from mlrepo.repository.discovery import find_git_repository

    if ".." in path.parts:
        path = path.resolve()  # paths of the logs are printed
    if backup and output:
        raise click.UsageError("--backup and --output exclude each other.")
    if clean and not backup:
        raise click.UsageError("--clean needs --backup DIR.")
    repository = find_git_repository(path)
    store = repository.store if repository is not None else None
    if store is None and (clean or not (backup or output)):
        raise UserError(
            f"{in_words(path)} is not in a Git working tree.",
            hint="Full logs are kept in the Git directory: use `mlrepo init --adopt` first; or say "
            "where they are kept: --backup DIR, or --output DIR for a truncated copy.",
        )
    if backup and any(
        backup.resolve().is_relative_to(path.resolve() / division) for division in DIVISIONS
    ):
        raise UserError(
            f"{backup} is inside the submission, and the full logs would be part of it.",
            hint="Choose a place outside of it.",
        )
    if clean and backup and store:
        return _clean(backup, store / "raw", yes=yes)
    submitter = submitter or ""
    _refuse_nothing(path, submitter)
    if output:
        with _copy_of(path, output, submitter) as copy:
            done, refused = _truncate_all(copy, submitter, store, shown=output, source=path)
    else:
        done, refused = _truncate_all(path, submitter, store, backup=backup)
    if as_json:
        rows = [
            {
                "path": str(d.path),
                "outcome": d.outcome.name.lower(),
                "size": d.size,
                "sha256": d.sha256,
            }
            for d in done
        ]
        print_json("mlrepo.truncate/1", {"logs": rows, "refused": [e.message for e in refused]})
    else:
        for one in done:
            click.echo(f"{one.outcome.value}: {one.path} ({one.size} bytes before)")
    for refusal in refused:
        click.echo(f"mlrepo: {refusal.message}\n  {refusal.hint}", err=True)
    return 1 if refused else 0


def _refuse_nothing(path: Path, submitter: str) -> None:
    """Raise :class:`UserError` if there is no log to truncate."""
    from mlrepo.guard.truncate import accuracy_logs
    from mlrepo.nearest import meant

    if next(accuracy_logs(path, submitter), None) is not None:
        return
    hint = "They are in DIVISION/SUBMITTER/results/SYSTEM/BENCHMARK/SCENARIO/accuracy."
    if submitter:
        others = [one for division in DIVISIONS for one in (path / division).glob("*/results")]
        hint = meant(submitter, {one.parent.name for one in others}) or hint
    of = f" of {submitter}" if submitter else ""
    raise UserError(f"There is no accuracy log{of} to truncate in {in_words(path)}.", hint=hint)


def _truncate_all(
    base: Path,
    submitter: str,
    store: Path | None,
    *,
    backup: Path | None = None,
    shown: Path | None = None,
    source: Path | None = None,
) -> tuple[list[Truncation], list[MlrepoError]]:
    """Truncate the logs below ``base``, which may be a copy of ``source``.

    Messages say ``shown`` in place of ``base``.
    """
    from mlrepo.guard.truncate import accuracy_logs, truncate

    done: list[Truncation] = []
    refused: list[MlrepoError] = []
    for log in accuracy_logs(base, submitter, source):
        name = log.relative_to(base)
        path = (shown or base) / name
        try:
            one = truncate(log, store, origin=path, backup=backup / name if backup else None)
            done.append(one._replace(path=path))
        except MlrepoError as error:
            error.message = error.message.replace(str(base), str(shown or base))
            refused.append(error)
    return done, refused


@contextlib.contextmanager
def _copy_of(path: Path, output: Path, submitter: str) -> Iterator[Path]:
    """Copy the tree, or the submitter's part of it; after the block, the copy becomes ``output``.

    If copying or the block fails, nothing is left behind.
    """
    if output.exists():
        raise UserError(f"{output} exists and is not overwritten.", hint="Choose another name.")
    if output.resolve().is_relative_to(path.resolve()):
        raise UserError(f"{output} is inside {path}.", hint="Choose a place outside of it.")
    parts = [Path(division) / submitter for division in DIVISIONS] if submitter else [Path()]
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as beside:
        copy = Path(beside) / output.name
        copy.mkdir()
        try:
            for part in filter(lambda part: (path / part).is_dir(), parts):
                shutil.copytree(
                    path / part,
                    copy / part,
                    symlinks=True,
                    dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns(".git"),
                )
        except shutil.Error as error:
            source, _, reason = error.args[0][0]
            raise UserError(
                f"{source} cannot be copied: {reason}.", hint="Fix or remove it first."
            ) from error
        yield copy
        copy.rename(output)


def _clean(backup: Path, raw: Path, *, yes: bool) -> int:
    from mlrepo.digest import sha256_file

    files = sorted(path for path in backup.rglob("*.json") if path.is_file())
    removable: list[Path] = []
    only: list[Path] = []
    for file in files:
        sha256 = sha256_file(file)
        kept = raw / sha256
        safe = kept.is_file() and not kept.samefile(file) and sha256_file(kept) == sha256
        (removable if safe else only).append(file)
    for file in only:
        click.echo(f"kept {file}: it is the only copy of this log.")
    if removable:
        click.echo(f"{len(removable)} backups are kept by mlrepo as well, in {raw}.")
        if not yes and not click.confirm("Remove them?"):
            click.echo("Nothing was removed.")
            return 0
        for file in removable:
            file.unlink()
        click.echo(f"Removed {len(removable)} backups.")
    elif not only:
        click.echo(f"{backup} holds no backup.")
    return 0
