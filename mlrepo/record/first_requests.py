"""Read a person's request from any record: mlrepo 0.1 only kept the command line.

Only this module reads recorded command lines. An environment variable or ``mlrepo.toml`` may have
decided what the command line does not say: settings are in the record, a model's file is not.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any

from mlrepo.record.endpoint_facts import EndpointFacts
from mlrepo.record.options import option_of
from mlrepo.record.plans import PLANS, CommandPlan, ReplayPlan, SuitePlan
from mlrepo.record.request import AnyRequest, Request, argv
from mlrepo.record.run import RunRecord
from mlrepo.record.run_request import RunRequest, Where
from mlrepo.record.values import IMPORTED_TAG

_COMMAND = ("mlrepo", "bench")
# Options with a value that are not part of a request.
_OTHERS = ("--budget", "--since")
# What the record itself says about a run, more reliably than the command line.
_FACTS = ("benchmark", "backend", "scenario", "mode")
# The tag of a suite's runs that says when it began, in the form of a run's id.
BEGAN = re.compile(r"suite-([0-9]{8}T[0-9]{6}Z)")


def request_of(record: RunRecord) -> AnyRequest | None:
    """Return the request that made a run, as far as its record says.

    None if it was imported, or if this mlrepo does not have the command.
    """
    if record.request is not None:
        return record.request if record.request.plan.NAME else None
    command = record.argv[2] if record.argv[:2] == _COMMAND and len(record.argv) > 2 else ""
    if command not in PLANS or IMPORTED_TAG in record.tags:
        return None
    try:
        return _typed(PLANS[command], record)
    except ValueError:  # words that no option accepts
        return None


def command_of(record: RunRecord) -> tuple[str, ...]:
    """Return the command of a run's request, or the typed one if the request is unknown."""
    request = request_of(record)
    return record.argv if request is None else argv(request)


def own_prefix(record: RunRecord) -> tuple[str, ...]:
    """Return the command prefix that the user gave, without that of the platform profile."""
    prefix, profile = record.backend.prefix, record.host.platform.prefix
    return prefix[len(profile) :] if prefix[: len(profile)] == profile else prefix


def repeated_run(record: RunRecord) -> RunRequest:
    """Return the request that repeats a recorded run, with its backend's effective options.

    LoadGen's settings are those of the run's ``user.conf``.
    """
    asked = request_of(record)
    run = asked.run if asked else RunRequest("", "", "", "")
    backend, naming = record.backend, record.backend.naming
    endpoint = backend.endpoint or EndpointFacts()
    return RunRequest(
        benchmark=record.benchmark,
        backend=backend.name,
        scenario=record.scenario,
        mode=record.mode,
        max_batch=backend.max_batch,
        threads=backend.threads,
        model_file=run.model_file,
        model_variant=run.model_variant,
        way=run.way,
        layout=run.layout,
        device=backend.device or run.device,
        precision=run.precision or ("" if backend.precision in ("", "fp32") else backend.precision),
        endpoint=endpoint.url,
        endpoint_model=endpoint.model,
        endpoint_kind=endpoint.kind,
        endpoint_ca=Path(endpoint.authority) if endpoint.authority else None,
        backend_options=backend.asked_options or run.backend_options,
        agreement_check=run.agreement_check,
        prefix=own_prefix(record),
        framework_version=naming.version or run.framework_version,
        framework_ext=naming.ext or run.framework_ext,
        skip_system_ext=naming.plain or run.skip_system_ext,
    )


def _typed(plan: type[CommandPlan], record: RunRecord) -> AnyRequest:
    values = dict(_values(plan, record.argv[3:]))
    run = RunRequest(record.benchmark, record.backend.name, record.scenario, record.mode)
    given: dict[str, Any] = {name: "" for name in ("scenario", "mode") if name not in plan.RUN}
    given |= {name: values[name] for name in plan.RUN if name in values and name not in _FACTS}
    if "prefix" in plan.RUN:
        given["prefix"] = own_prefix(record)
    where = {name: getattr(record, name) for name in plan.WHERE if name != "experiment"}
    own = {one.name: values[one.name] for one in fields(plan) if one.name in values}
    if issubclass(plan, ReplayPlan):
        own["run"] = record.replays
        where = where if own.get("on_this_system") else {}
    if issubclass(plan, SuitePlan):
        began = (BEGAN.fullmatch(tag) for tag in record.tags)
        own["since"] = next((match[1] for match in began if match), "")
    return Request(
        plan(**own),
        replace(run, **given),
        replace(Where(**where), experiment=str(values.get("experiment", ""))),
    )


def _values(plan: type[CommandPlan], words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the values of fields from a command line."""
    by_flag = _by_flag(plan)
    found: dict[str, list[str]] = {}
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        named = by_flag.get(flag)
        if named is not None and named.type in ("bool", "bool | None"):
            found.setdefault(named.name, []).append(flag)
        elif named is not None:
            found.setdefault(named.name, []).append(value if equals else next(rest, ""))
        elif flag in _OTHERS and not equals:
            next(rest, "")
        elif "" in by_flag and not word.startswith("-"):
            found.setdefault(by_flag[""].name, []).append(word)
    for one in {one.name: one for one in by_flag.values()}.values():
        if one.name in found:
            yield one.name, _value(one, found[one.name])


_BY_FLAG: dict[type[CommandPlan], Mapping[str, Field[object]]] = {}


def _by_flag(plan: type[CommandPlan]) -> Mapping[str, Field[object]]:
    """Return the fields that a command fills by their flags; made once for each command."""
    if plan in _BY_FLAG:
        return _BY_FLAG[plan]
    found: dict[str, Field[object]] = {}
    for kind, names in ((RunRequest, plan.RUN), (Where, plan.WHERE), (plan, None)):
        for one in fields(kind):
            if names is None or one.name in names:
                found |= dict.fromkeys("/".join(option_of(one).flags).split("/"), one)
    _BY_FLAG[plan] = found
    return found


def _value(declared: Field[object], texts: Sequence[str]) -> object:
    """Return the value of a field from its typed texts; the last one wins."""
    match declared.type:
        case "bool" | "bool | None":
            return not texts[-1].startswith("--no-")
        case "int" | "Small | None" | "int | None":
            return int(texts[-1])
        case "float" | "float | None":
            return float(texts[-1])
        case "File | None":
            return Path(texts[-1])
        case "Mapping[str, str]" | "AskedOptions":
            pairs = (text.partition("=") for text in texts)
            return {key.strip(): value.strip() for key, _, value in pairs}
        case "Words":
            return tuple(texts)
        case "Prefix":
            return tuple(shlex.split(texts[-1]))
    return texts[-1]
