"""Commands that name everything that is required and was not given, in one message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlrepo.errors import UserError
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.cli.questions import Question


class AskedOption(click.Option):
    """A required option whose value is asked for on a terminal.

    Parameters
    ----------
    choices:
        Returns the values that it can have, if they are not those of its type; called only when
        the option is not given.
    """

    def __init__(
        self, *declared: Any, choices: Callable[[], Sequence[str]] | None = None, **attributes: Any
    ) -> None:
        super().__init__(*declared, **attributes)
        self.choices = choices

    def value_is_missing(self, value: object) -> bool:
        """Leave it to the command: click names the first one only."""
        return False


class Command(click.Command):
    """A command that says all at once what is missing, and asks for what can be asked.

    Parameters
    ----------
    one_of:
        Names of parameters of which exactly one must be given.
    """

    def __init__(self, *declared: Any, one_of: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*declared, **attributes)
        self.one_of = one_of

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; raise :class:`~mlrepo.errors.UserError` that names all that is missing."""
        typed = list(args)
        takes_more, ctx.allow_extra_args = ctx.allow_extra_args, True
        try:
            rest = super().parse_args(ctx, args)
        except click.MissingParameter as error:
            if error.ctx is not ctx:
                raise
            given, _, _ = self.make_parser(ctx).parse_args(typed)
            missing = [*self._missing(ctx, given), *self._missing_alternatives(ctx, given)]
            raise _not_given(ctx, missing) from error
        ctx.allow_extra_args = takes_more
        if rest and not takes_more and not ctx.resilient_parsing:
            raise self._too_many(ctx, rest)
        if not ctx.resilient_parsing:
            self._complete(ctx)
        return rest

    def _too_many(self, ctx: click.Context, words: Sequence[str]) -> click.UsageError:
        """Return the error for words that a command does not take; often options were meant."""
        meant = [self._as_option(word) for word in words]
        also = f" Did you mean `{' '.join(filter(None, meant))}`?" if all(meant) else ""
        s = "s" if len(words) > 1 else ""
        return click.UsageError(f"Got unexpected extra argument{s} ({' '.join(words)}).{also}", ctx)

    def _as_option(self, word: str) -> str:
        """Return the option, with its value, that a word was meant as; '' if none has the value."""
        for param in self.params:
            if isinstance(param, click.Option) and any(
                word.lower() == value.lower() for value in _choices(param)
            ):
                return shell_command((param.opts[0], word))
        outputs = [param.opts for param in self.params if "--output" in param.opts]
        return shell_command(("--output", word)) if outputs and Path(word).suffix else ""

    def _complete(self, ctx: click.Context) -> None:
        """Ask for options that are missing, and check those of which one is required."""
        missing = [*self._missing(ctx, ctx.params), *self._missing_alternatives(ctx, ctx.params)]
        if missing:
            from mlrepo.cli.questions import answers, can_ask

            if not (can_ask() and all(param is not None for param, _ in missing)):
                raise _not_given(ctx, missing)
            asked = answers([question for _, question in missing])
            for param, question in missing:
                assert param is not None
                assert param.name is not None
                ctx.params[param.name] = param.type_cast_value(ctx, asked[question.name])
        both = [param for param in self._alternatives() if ctx.params[str(param.name)] is not None]
        if len(both) > 1:
            names = " and ".join(_shown(ctx, param) for param in both)
            raise click.UsageError(f"{names} exclude each other.", ctx)

    def _missing(
        self, ctx: click.Context, given: Mapping[str, object]
    ) -> Iterator[tuple[click.Parameter | None, Question]]:
        """Yield the required parameters that have no value, with the questions for them."""
        for param in self.params:
            if param.required and not _has_value(ctx, param, given):
                yield param, _question(ctx, param)

    def _missing_alternatives(
        self, ctx: click.Context, given: Mapping[str, object]
    ) -> Iterator[tuple[None, Question]]:
        """Yield the alternatives as one question if none of them has a value."""
        params = self._alternatives()
        if params and not any(_has_value(ctx, param, given) for param in params):
            from mlrepo.cli.questions import Question

            *first, last = (_shown(ctx, param) for param in params)
            yield None, Question(f"{', '.join(first)} or {last}")

    def _alternatives(self) -> list[click.Parameter]:
        return [param for param in self.params if param.name in self.one_of]


class Group(click.Group):
    """A group of such commands."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; for an unknown name, say where there is one or which are like it."""
        name = args[0]
        root = ctx.find_root().command
        if (
            ctx.resilient_parsing
            or name.startswith("-")
            or self.get_command(ctx, name) is not None
            or not isinstance(root, Group)
        ):
            return super().resolve_command(ctx, args)
        from mlrepo.nearest import nearest

        like = [f"{self.name} {one}" for one in nearest(name, self.list_commands(ctx))]
        found = like or root.elsewhere(ctx.find_root(), str(self.name), name)
        meant = f" Did you mean `mlrepo {'` or `mlrepo '.join(found)}`?" if found else ""
        raise click.UsageError(f"No such command {name!r}.{meant}", ctx)

    def elsewhere(self, ctx: click.Context, group: str, name: str) -> list[str]:
        """Return the commands that somebody may mean who typed ``mlrepo GROUP NAME``; here none."""
        return []

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the whole first sentence of each."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries(ctx)))

    def summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """Yield each command's name and the first line of its help."""
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                paragraph = (command.help or "").partition("\n\n")[0]
                yield name, " ".join(paragraph.split())


def missing_arguments(ctx: click.Context, *names: str) -> UserError:
    """Return the error for arguments that only the command itself can tell apart."""
    from mlrepo.cli.questions import Question

    return _not_given(ctx, [(None, Question(name)) for name in names])


def _not_given(
    ctx: click.Context, missing: Sequence[tuple[click.Parameter | None, Question]]
) -> UserError:
    from mlrepo.cli.questions import not_given

    return not_given([question for _, question in missing], ctx.command_path)


def _has_value(ctx: click.Context, param: click.Parameter, given: Mapping[str, object]) -> bool:
    """Return whether a parameter was typed, or has a value from the environment or a default."""
    value = param.consume_value(ctx, given)[0]
    if isinstance(param, AskedOption) and isinstance(value, str):
        return bool(value.strip())
    return value is not None and not click.Parameter.value_is_missing(param, value)


def _shown(ctx: click.Context, param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return param.opts[0]
    name = param.make_metavar(ctx)
    return name if name[:1].isupper() else str(param.name).upper()


def _question(ctx: click.Context, param: click.Parameter) -> Question:
    from mlrepo.cli.questions import Question

    about = param.help if isinstance(param, click.Option) else ""
    name = _shown(ctx, param).replace("...", "")
    return Question(name, about or "", name, _choices(param))


def _choices(param: click.Parameter) -> Sequence[str]:
    """Return the values that a parameter can have, as far as they can be listed."""
    if isinstance(param, AskedOption) and param.choices:
        return param.choices()
    return tuple(map(str, param.type.choices)) if isinstance(param.type, click.Choice) else ()
