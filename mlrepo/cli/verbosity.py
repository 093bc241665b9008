"""How much a command says (``-q``, ``-v``), and the options that every command accepts."""

from __future__ import annotations

import functools
import os
import shlex
import sys

import click

HELP_OPTIONS = ["-h", "--help"]
_QUIET, _VERBOSE, _NO_PAGER = "mlrepo.quiet", "mlrepo.verbose", "mlrepo.no_pager"


def quiet() -> bool:
    """Return whether progress is not wanted."""
    return _is_set(_QUIET)


def verbose() -> bool:
    """Return whether to say which settings apply and which programs run."""
    return _is_set(_VERBOSE)


def pager_wanted() -> bool:
    """Return whether long output may go through the pager."""
    return not _is_set(_NO_PAGER)


def _is_set(key: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(key))


def common_options(*, hidden: bool) -> list[click.Option]:
    """Return the options that may be typed before or after a command's name."""
    declared = (
        (("-q", "--quiet"), _QUIET, "Show no progress."),
        (("-v", "--verbose"), _VERBOSE, "Say which settings apply and which programs run."),
        (("--no-pager",), _NO_PAGER, "Do not show long output in a pager."),
    )
    return [
        click.Option(
            [key.rpartition(".")[2] + "_", *flags],
            is_flag=True,
            hidden=hidden,
            expose_value=False,
            callback=functools.partial(_note, key),
            help=about,
        )
        for flags, key, about in declared
    ]


def add_common_options(command: click.Command) -> None:
    """Add the common options to a command and those below it, unless it has one of its own."""
    command.context_settings.setdefault("help_option_names", HELP_OPTIONS)
    taken = {flag for param in command.params for flag in param.opts}
    for option in common_options(hidden=True):
        if not taken.intersection(option.opts):
            command.params.append(option)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_common_options(below)


def _note(key: str, ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[key] = True
    if value and key == _VERBOSE:
        _show_programs()


@functools.cache
def _show_programs() -> None:
    """Print each program that is started from now on, without secrets.

    An audit hook sees them all. It cannot be removed, so it asks whether the command still runs.
    """
    from mlrepo.redaction import Redactor, secret_values

    clean = Redactor(secrets=secret_values(os.environ))

    def say(event: str, arguments: tuple[object, ...]) -> None:
        if event == "subprocess.Popen" and verbose() and isinstance(arguments[1], list):
            words, _ = clean.arguments(map(os.fsdecode, arguments[1]))
            click.echo(f"mlrepo: runs {shlex.join(words)}", err=True)

    sys.addaudithook(say)
