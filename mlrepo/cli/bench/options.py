"""The options of ``mlrepo bench``, derived from the request that they fill."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from mlrepo.account import expanded
from mlrepo.cli.command import AskedOption
from mlrepo.errors import UserError
from mlrepo.record.options import Option, default_of, is_required, option_of
from mlrepo.record.plans import CommandPlan, SuitePlan, SweepPlan
from mlrepo.record.request import Request, own_fields
from mlrepo.record.run_request import RunRequest, Where
from mlrepo.workloads.ways import LAYOUTS

PlanT = TypeVar("PlanT", bound=CommandPlan)
# The options that come first in a help text.
_FIRST = ("benchmark", "backend", "scenario", "mode")


class _File(click.ParamType[Path]):
    """A file, recorded as an absolute path so that it does not depend on the working directory."""

    name = "path"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the absolute path; expand ``~``, which masks home directories in records."""
        return expanded(str(value)).absolute()


class _ShellWords(click.ParamType[tuple[str, ...]]):
    """A command in one string, split as a shell splits it."""

    name = "text"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words; raise :class:`UserError` if a quote is not closed."""
        try:
            return tuple(shlex.split(value)) if isinstance(value, str) else value
        except ValueError as error:
            raise UserError(f"The command prefix {value!r} cannot be read: {error}.") from error


_CHOICES = {
    "layout": click.Choice(LAYOUTS, case_sensitive=False),
}


def request_options(
    plan: type[CommandPlan],
    *,
    usual: Mapping[str, str] = {},
    about: Mapping[str, str] = {},
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add a command's options, and pass their values to it as ``request``.

    Parameters
    ----------
    usual, about:
        Defaults and help texts by field, where they differ from those of other commands.
    """
    declared = list(_declared(plan))
    own = [_parameter(one, option_of(one), usual, about) for one in declared]

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def command(**values: object) -> int:
            context = click.get_current_context()
            given = {one.name: values.pop(one.name) for one in declared}
            return function(request=_request(plan, given, context), **values)

        # Click keeps parameters in the order in which decorators apply, from the last to the first.
        later = getattr(function, "__click_params__", [])
        command.__dict__["__click_params__"] = [*later, *reversed(own)]
        return command

    return decorate


def parsed(command: click.Command, plan: type[PlanT], words: Sequence[str]) -> Request[PlanT]:
    """Return the request that a command parses from ``words``, ignoring the environment."""
    with command.make_context(plan.NAME, list(words)) as context:
        given = {
            name: value
            for name, value in context.params.items()
            if context.get_parameter_source(name) is not ParameterSource.ENVIRONMENT
        }
        return replace(_request(plan, given, context), origins={})


def key_values(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Read repeated ``key=value`` options."""
    found: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise click.BadParameter(f"{text!r} is not key=value.")
        found[key.strip()] = value.strip()
    return found


def _declared(plan: type[CommandPlan]) -> Iterator[Field[object]]:
    """Yield the fields that the command fills, in the order of its help text."""
    of_run = {one.name: one for one in fields(RunRequest)}
    yield from (of_run[name] for name in plan.RUN if name in _FIRST)
    yield from fields(plan)
    yield from (of_run[name] for name in plan.RUN if name not in _FIRST)
    yield from (one for one in fields(Where) if one.name in plan.WHERE)


def _parameter(
    declared: Field[object], option: Option, usual: Mapping[str, str], about: Mapping[str, str]
) -> click.Parameter:
    name = declared.name
    if not option.flags:
        return click.Argument([name])
    default = usual.get(name) or option.usual or default_of(declared)
    more: dict[str, Any] = {"default": default if isinstance(default, str | float) else None}
    match declared.type:
        case "bool" | "bool | None":
            more["default"] = default
            if "/" not in option.flags[0]:
                more |= {"is_flag": True, "flag_value": not option.negates}
        case "int" | "int | None" | "Small | None":
            more["type"] = click.INT if option.least is None else click.IntRange(option.least)
        case "float" | "float | None":
            more["type"] = click.FLOAT
        case "File | None":
            more["type"] = _File()
        case "Mapping[str, str]" | "AskedOptions":
            more = {"multiple": True, "callback": key_values}
        case "Prefix":
            more = {"type": _ShellWords()}
        case "Words" | "AskedWords":
            more = {"multiple": True}
        case _:
            more["type"] = _CHOICES.get(name)
            if option.choices:
                more["type"] = click.Choice(option.choices)
            more["default"] = default or None
    return AskedOption(
        [name, *option.flags],
        choices=functools.partial(_choices, name),
        help=about.get(name, option.about),
        envvar=option.variable or None,
        metavar=option.metavar or None,
        hidden=option.hidden,
        required=is_required(declared) and not default,
        show_default=_shows_default(option, default) or name in usual,
        **more,
    )


def _choices(name: str) -> Sequence[str]:
    """Return the values that a required option can have."""
    from mlrepo.plugins import WORKLOADS, plugin_names
    from mlrepo.record.values import MODES
    from mlrepo.scenarios import SCENARIOS

    if name == "benchmark":
        return plugin_names(WORKLOADS)
    return {"mode": MODES, "scenario": tuple(SCENARIOS)}.get(name, ())


def _shows_default(option: Option, default: object) -> bool:
    either = "/" in option.flags[0] and default is not None
    return bool(either or option.usual or option.always or option.choices)


def _request(plan: type[PlanT], given: Mapping[str, Any], context: click.Context) -> Request[PlanT]:
    values = {name: value for name, value in given.items() if value is not None}
    origins = dict(_origins(plan, context))
    # The variable of the CK automation sets the model file only if the command line names no model.
    if values.get("model_variant") and not origins.get("model_file", "--").startswith("--"):
        values.pop("model_file", None)
        del origins["model_file"]
    own, run, where = (
        {name: values[name] for name in names if name in values}
        for names in (own_fields(plan), plan.RUN, plan.WHERE)
    )
    empty = dict.fromkeys(_FIRST, "")
    return Request(
        _canonical_plan(plan(**own)),
        _canonical_run(RunRequest(**empty | run)),
        Where(**where),
        origins,
    )


def _origins(plan: type[CommandPlan], context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield each value that is not a default, with the option or variable that set it."""
    for declared in _declared(plan):
        option = option_of(declared)
        match context.get_parameter_source(declared.name):
            case ParameterSource.COMMANDLINE:
                yield declared.name, option.flag
            case ParameterSource.ENVIRONMENT:
                yield declared.name, option.variable


def _canonical_run(run: RunRequest) -> RunRequest:
    """Return the run with the canonical names of its scenario and mode."""
    from mlrepo.scenarios import scenario

    name = scenario(run.scenario).name if run.scenario else ""
    return replace(run, scenario=name, mode=run.mode.lower())


def _canonical_plan(plan: PlanT) -> PlanT:
    """Return the plan with the canonical names of its scenarios, without duplicates."""
    from mlrepo.scenarios import scenario

    if isinstance(plan, SuitePlan):
        names = dict.fromkeys(scenario(text).name for text in plan.scenarios)
        return replace(plan, scenarios=tuple(names))
    if isinstance(plan, SweepPlan):  # a value that comes twice is refused with the others
        return replace(plan, scenarios=tuple(scenario(text).name for text in plan.scenarios))
    return plan
