"""A command of ``mlrepo bench``, which understands the flags of the CK automation as well."""

from __future__ import annotations

import os
from typing import Any

import click

from mlrepo.cli.command import Command


class BenchCommand(Command):
    """Translates CK's flags, and names CK's variables that it does not read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Translate CK's flags, say so, and parse."""
        if not ctx.resilient_parsing and _may_be_of_ck(args):
            from mlrepo.cli.ck import translated

            own = {flag for param in self.params for flag in param.opts}
            found = translated(args, own)
            for remark in found.remarks:
                click.echo(f"mlrepo: {remark}", err=True)
            args = found.words
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Name the variables of CK that are set without effect, and run the command."""
        from mlrepo.predecessor import unread_variables

        read = {param.envvar for param in self.params if isinstance(param.envvar, str)}
        for name, here in unread_variables(os.environ, read):
            instead = f" Use {here}." if here else ""
            click.echo(
                f"mlrepo: {name} is set, but this command does not read it.{instead}", err=True
            )
        return super().invoke(ctx)


def _may_be_of_ck(words: list[str]) -> bool:
    from mlrepo.predecessor import FLAGS

    names = tuple(word.there.partition("=")[0] for word in FLAGS)
    return any(word.startswith(names) or word.startswith("--env.") for word in words)
