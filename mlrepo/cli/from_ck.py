"""``mlrepo from-ck``."""

from __future__ import annotations

import shlex

import click

from mlrepo.cli.command import Command
from mlrepo.cli.render import style
from mlrepo.errors import UserError


@click.command(
    "from-ck",
    cls=Command,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[ck WORD...]")
def command(words: tuple[str, ...]) -> None:
    """Say what a command of the CK automation of 2021 is here.

    Of one flag, variable or other word, print what the table says; without any, the whole table.

    \b
    Example:
      mlrepo from-ck ck run bench.mlperf.inference --model=resnet50 --loadgen.count=500
      mlrepo from-ck --experiment_uoa
    """
    from mlrepo.cli.bench.group import run
    from mlrepo.cli.ck import todays_lines

    typed = shlex.split(words[0]) if len(words) == 1 else list(words)
    if typed[:1] == ["ck"]:
        for line in todays_lines(typed, {flag for param in run.params for flag in param.opts}):
            click.echo(line)
    elif not _print_table(" ".join(typed)):
        raise UserError(
            f"{' '.join(typed)!r} is not in the table.",
            hint="`mlrepo from-ck` prints it; begin a whole command with ck.",
        )


def _print_table(wanted: str) -> bool:
    """Print the rows with ``wanted`` in them; return whether there are any."""
    from mlrepo.predecessor import table_rows

    any_row = False
    for section, rows in table_rows().items():
        found = [row for row in rows if wanted.partition("=")[0].lower() in row[0].lower()]
        if found:
            click.echo(style(section.replace("`", ""), bold=True))
        for there, here, how in found:
            any_row = True
            click.echo(f"  {there}")
            click.echo("      " + "  # ".join(filter(None, (here, how))))
    return any_row
