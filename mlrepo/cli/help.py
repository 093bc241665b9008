"""``mlrepo help``."""

from __future__ import annotations

import click


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command.

    \b
    Example:
      mlrepo help bench run
    """
    context = ctx.find_root()
    for word in words:
        group = context.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"`{context.command_path}` has no command {word!r}.", context)
        _, found, _ = group.resolve_command(context, [word])
        assert found is not None  # an unknown one raises
        context = click.Context(found, info_name=word, parent=context)
    click.echo(context.command.get_help(context))
