"""The top level of the command line: commands that are imported only when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

from mlrepo.cli.command import Group
from mlrepo.cli.verbosity import add_common_options, common_options

# Name: module, one line of help.
CommandTable = Mapping[str, tuple[str, str]]


class LazyGroup(Group):
    """A group that imports a command only when it is used, and says what was meant."""

    def __init__(self, *, table: CommandTable, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.table = table
        self.params += common_options(hidden=False)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in self.table:
            return None
        if cmd_name not in self.commands:
            command: click.Command = importlib.import_module(self.table[cmd_name][0]).command
            add_common_options(command)
            self.commands[cmd_name] = command
        if ctx.resilient_parsing:  # only completion parses so
            from mlrepo.cli.complete import add_sources

            add_sources(self.commands[cmd_name])
        return self.commands[cmd_name]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Offer the commands without importing them; after a dash, the options."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=line.replace(",", ";"))  # fish's script splits at commas
            for name, (_, line) in self.table.items()
            if name.startswith(incomplete)
        ]

    def summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """Yield each command's name and line of help without importing it."""
        yield from ((name, line) for name, (_, line) in self.table.items())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; for an unknown name, say which ones are like it."""
        name = args[0]
        if name in self.table or ctx.resilient_parsing or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from mlrepo.nearest import nearest

        below = [path for path in self._paths_below(ctx) if path.endswith(f" {name}")]
        # Of the CK automation: `mlrepo from-ck ck run …` translates its commands.
        found = [f"from-{name}"] if f"from-{name}" in self.table else []
        found = found or below or nearest(name, self.table)
        meant = f" Did you mean `mlrepo {'` or `mlrepo '.join(found)}`?" if found else ""
        raise click.UsageError(f"No such command {name!r}.{meant}", ctx)

    def _paths_below(self, ctx: click.Context) -> Iterator[str]:
        """Yield the names of the commands in groups, each with its group's."""
        for name in self.table:
            command = self.get_command(ctx, name)
            if isinstance(command, click.Group):
                yield from (f"{name} {below}" for below in command.commands)

    def elsewhere(self, ctx: click.Context, group: str, name: str) -> list[str]:
        """Return the commands that somebody may mean who typed ``mlrepo GROUP NAME``.

        These are a command NAME of another group or of the top, and, where the words are in the
        wrong order, a command GROUP of the group NAME.
        """
        below = [path for path in self._paths_below(ctx) if path.endswith(f" {name}")]
        swapped = [f"{name} {group}"] if f"{name} {group}" in self._paths_below(ctx) else []
        return swapped or ([name] if name in self.table else below)
