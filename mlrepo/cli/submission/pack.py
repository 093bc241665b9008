"""``mlrepo pack``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, style
from mlrepo.errors import UserError
from mlrepo.limits import usable_cpus

if TYPE_CHECKING:
    from mlrepo.exchange.pack import Packed

_VARIABLE = "MLREPO_PASSPHRASE"


@click.command("pack", cls=Command)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A .tar.gz or .zip file, or a directory (default: SUBMITTER-ROUND.tar.gz).",
)
@click.option("--encrypt", is_flag=True, help="Encrypt the file under a passphrase.")
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Read the passphrase from the first line of a file.",
)
@click.option("--round", "round_", metavar="ROUND", help="The round (default: the repository's).")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option(
    "--profile",
    type=click.Choice(("strict", "official")),
    default="strict",
    show_default=True,
    help="By which verdict of `mlrepo check` the submission must be valid.",
)
@click.option("--allow-invalid", is_flag=True, help="Pack the selection even if it is not valid.")
@click.option("--json", "as_json", is_flag=True, help="Print paths and digests as JSON.")
def command(
    output: Path | None,
    encrypt: bool,
    passphrase_file: Path | None,
    round_: str | None,
    force: bool,
    profile: str,
    allow_invalid: bool,
    as_json: bool,
) -> None:
    """Pack what is selected for a round into one file.

    The selection is checked first, and packed only if it is valid or with --allow-invalid. The
    same selection gives the same bytes on every machine. A manifest beside the file names the
    commit, the runs, both verdicts, and every file with its SHA-256.

    An encrypted file is opened with openssl; its passphrase is read from the variable
    MLREPO_PASSPHRASE or a file, or you are asked for it; it is never on the command line.

    Exit code: 0 packed; 1 not valid.

    \b
    Example:
      mlrepo pack
      mlrepo pack -o /mnt/upload/submission.zip
      mlrepo pack --encrypt
    """
    from mlrepo.cli.submission.rendering.reading import verdict_line
    from mlrepo.exchange.pack import pack
    from mlrepo.repository.ignored import ignore_here

    if passphrase_file is not None and not encrypt:
        raise UserError("--passphrase-file belongs to --encrypt.", hint="Add --encrypt.")
    repository = current_repository()
    packed = pack(
        repository,
        resolver(repository).require("round", round_).value,
        output,
        passphrase=(lambda: _passphrase(passphrase_file)) if encrypt else None,
        overwrite=force,
        profile=profile,
        allow_invalid=allow_invalid,
        workers=usable_cpus(),
    )
    for path in (packed.path, packed.manifest):
        ignore_here(repository, path)
    if as_json:
        print_json("mlrepo.pack/1", _values(packed))
        return
    for name in ("strict", "official"):
        click.echo(verdict_line(packed.report, name))
    for sentence in packed.practice:
        click.echo(sentence)
    click.echo(
        f"{style(str(packed.path), bold=True)}: {packed.files} files of "
        f"{packed.selection.branch}, commit {packed.selection.commit[:10]}, {packed.size} bytes",
    )
    click.echo(f"  SHA-1    {packed.sha1}")
    click.echo(f"  SHA-256  {packed.sha256}")
    click.echo(f"  manifest {packed.manifest}")
    if packed.open_with:
        click.echo(f"  open it with: {packed.open_with}")


def _passphrase(file: Path | None) -> bytes:
    if file is not None:
        lines = file.read_bytes().splitlines()
        return lines[0] if lines else b""
    if os.environ.get(_VARIABLE):
        return os.environ[_VARIABLE].encode("utf-8", "surrogateescape")
    if not sys.stdin.isatty():
        raise UserError(
            "There is no terminal on which to ask for the passphrase.",
            hint=f"Set {_VARIABLE}, or use --passphrase-file FILE.",
        )
    text: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return text.encode()


def _values(packed: Packed) -> dict[str, object]:
    return {
        "round": packed.selection.round,
        "commit": packed.selection.commit,
        "file": str(packed.path),
        "manifest": str(packed.manifest),
        "size": packed.size,
        "sha1": packed.sha1,
        "sha256": packed.sha256,
        "files": packed.files,
        "open_with": packed.open_with or None,
        "valid": {name: packed.report.valid(name) for name in ("strict", "official")},
    }
