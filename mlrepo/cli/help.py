"""``mlrepo help``."""

from __future__ import annotations

import click

from mlrepo.cli.command import Command

ENVIRONMENT = "environment"
"""The topic that is not a command."""


@click.command("help", cls=Command)
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command, or `environment`: the variables that are read.

    \b
    Example:
      mlrepo help bench run
      mlrepo help environment
    """
    if words == (ENVIRONMENT,):
        _print_environment()
        return
    context = ctx.find_root()
    for word in words:
        group = context.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"`{context.command_path}` has no command {word!r}.", context)
        _, found, _ = group.resolve_command(context, [word])
        assert found is not None  # an unknown one raises
        context = click.Context(found, info_name=word, parent=context, **found.context_settings)
    click.echo(context.command.get_help(context))


def _print_environment() -> None:
    from mlrepo.cli.environment import all_variables

    formatter = click.HelpFormatter(width=click.get_current_context().max_content_width or 80)
    with formatter.section("Environment variables"):
        formatter.write_dl(list(all_variables()), col_max=34)
    click.echo(formatter.getvalue().rstrip())
