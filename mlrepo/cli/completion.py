"""``mlrepo completion``."""

from __future__ import annotations

import click

from mlrepo.cli.command import Command

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(_SHELLS), metavar="bash|zsh|fish")
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and names in a shell.

    \b
    bash: mlrepo completion bash > ~/.local/share/bash-completion/completions/mlrepo
    zsh:  mlrepo completion zsh > "${fpath[1]}/_mlrepo"
    fish: mlrepo completion fish > ~/.config/fish/completions/mlrepo.fish

    \b
    Example:
      mlrepo completion bash
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from mlrepo.cli.complete import VARIABLE

    kind = get_completion_class(shell)
    assert kind is not None
    # Not kind.source, which runs bash to ask for its version.
    click.echo(ShellComplete.source(kind(ctx.find_root().command, {}, "mlrepo", VARIABLE)))
