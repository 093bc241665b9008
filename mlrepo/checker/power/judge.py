"""Judge power: the files of a power run, its window, and the metric (rules W1 and W2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlrepo.checker.breach import Breach, Breaches, Judging
from mlrepo.checker.official.rows import describes_power_supplies
from mlrepo.checker.power.evidence import judge_contents, judge_samples, judge_window
from mlrepo.checker.power.session import judge_session
from mlrepo.checker.runs.numbers import Unjudgeable
from mlrepo.checker.runs.result import compute_result
from mlrepo.checker.scope import Scope
from mlrepo.logs.endpoints import parse_config
from mlrepo.logs.power import PowerSamples, parse_time, samples_between
from mlrepo.logs.scan import digest_of_head
from mlrepo.scenarios import named
from mlrepo.tree import Missing

POWER = "performance/power"
_RUNS = ("performance/run_1", "performance/ranging")
_LARGEST = 256 << 20


def has_power(scope: Scope) -> bool:
    """Say whether the result has a power measurement."""
    return scope.exists(f"{scope.path}/{POWER}")


@dataclass(frozen=True)
class MeasuredPower:
    """The outcome of a power measurement.

    Attributes
    ----------
    metric:
        Watts for Offline and Server; energy per query or sample for the others, in Joules up to
        v2.1 and in millijoules since v3.0. None if none is read.
    fingerprint:
        The fingerprint of the samples; empty if none are read.
    """

    metric: float | None = None
    fingerprint: str = ""


def judge_power(scope: Scope, detail: Mapping[str, Any]) -> Judging[MeasuredPower]:
    """Judge the power measurement of a result; return its outcome.

    Parameters
    ----------
    scope:
        The result.
    detail:
        The values of the performance run's detail log.
    """
    yield from _judge_files(scope)
    yield from _judge_ranging(scope)
    yield from judge_session(scope)
    yield Breach(
        "power-not-verified",
        f"{scope.path}/{POWER}",
        "The messages and the log of the power daemon were not verified.",
    )
    fingerprint = ""
    path = f"{scope.path}/{_RUNS[0]}/spl.txt"
    try:
        client, server = _zones(scope)
        begin = parse_time(detail["power_begin"], client)
        end = parse_time(detail["power_end"], client)
        data = scope.tree.read(path, _LARGEST)
        fingerprint = digest_of_head(data)
        text = data.decode("utf-8")
        samples = samples_between(
            text,
            begin,
            end,
            server,
            samples_only=scope.round.power_of_samples_only,
            positive_only=scope.round.power_is_positive,
        )
        seconds = (end - begin).total_seconds()
        if not samples.count:
            raise ValueError(_no_samples(samples, begin, end))
        yield from judge_samples(scope, path, samples, seconds)
        yield from judge_window(scope, seconds, detail)
        metric = _metric(scope, samples.mean_watts, seconds, detail)
        return MeasuredPower(metric, fingerprint)
    except KeyError as error:
        yield Breach("power-window", path, f"The detail log has no {error.args[0]}.")
    except (Missing, ValueError, TypeError, ZeroDivisionError, OverflowError) as error:
        yield Breach("power-window", path, f"The power cannot be read: {error}.")
    return MeasuredPower(None, fingerprint)


def _no_samples(samples: PowerSamples, begin: datetime, end: datetime) -> str:
    if samples.total:
        return f"all {samples.total} samples between {begin} and {end} are <= 0 watts"
    return f"no sample is between {begin} and {end}"


def design_power(scope: Scope) -> Judging[Any]:
    """Return the total watts of the power supplies a system needs, or None (v6.1 and later).

    Read from the field ``system_power_capacity`` of the system description, or else summed up from
    ``systems/<system>_power.yaml``: for each part with ``PSUs`` and ``Min PSUs Needed``, the
    capacities of the largest PSUs, as many as are needed.
    """
    if not describes_power_supplies(scope.round):
        return None
    if "system_power_capacity" in scope.system:
        return scope.system["system_power_capacity"]
    path = f"{scope.root}/systems/{scope.place.system}_power.yaml"
    if not scope.exists(path):
        return None
    try:
        return _capacity(parse_config(scope.tree.read(path, _LARGEST)))
    except (Missing, ValueError, TypeError, AttributeError, RecursionError) as error:
        yield Breach("power-files", path, f"The power supplies cannot be read: {error}.")
        return None


def _capacity(part: Any) -> Any:
    if isinstance(part, list):
        return sum(_capacity(each) for each in part)
    if not isinstance(part, dict):
        return 0
    names = {str(name).lower(): name for name in part}
    if {"psus", "min psus needed"} <= set(names):
        supplies = part[names["psus"]]
        watts = sorted((each.get("PowerCapacityWatts", 0) for each in supplies), reverse=True)
        return sum(watts[: part[names["min psus needed"]]])
    return sum(_capacity(each) for each in part.values())


def _judge_files(scope: Scope) -> Breaches:
    required = scope.round.tables["required_files"]
    run = [*required["performance"], *required["power_run"]]
    for directory, wanted, optional in (
        *((run_directory, run, required["performance_optional"]) for run_directory in _RUNS),
        (POWER, required["power_dir"], []),
    ):
        path = f"{scope.path}/{directory}"
        present = scope.files(path)
        missing = [name for name in wanted if name not in present]
        allowed = {*wanted, *optional, *required["always_optional"]}
        extra = sorted(set(present) - allowed)
        if missing or extra:
            yield Breach(
                "power-files",
                path,
                "The files are not those of a power run.",
                expected=", ".join(wanted),
                actual="; ".join(
                    f"{word} {', '.join(names)}"
                    for word, names in (("without", missing), ("also", extra))
                    if names
                ),
            )
        own = [name for name in wanted if name in present and name not in required["performance"]]
        yield from judge_contents(scope, path, own)


def _judge_ranging(scope: Scope) -> Breaches:
    """Yield a ranging run whose result cannot be computed."""
    path = f"{scope.path}/{_RUNS[1]}/mlperf_log_detail.txt"
    if not scope.exists(path):
        return  # reported by _judge_files
    try:
        compute_result(scope, path)
    except Unjudgeable as error:
        yield Breach(
            "power-window", path, f"The ranging run cannot be read: {error}", part="ranging"
        )


def _zones(scope: Scope) -> tuple[float, float]:
    """Return the offsets to add to client's and server's clocks, in seconds (UTC since v2.0)."""
    if not scope.round.power_clocks_have_zones:
        return 0, 0
    client, server = (_zone(scope, f"{scope.path}/{POWER}/{n}.json") for n in ("client", "server"))
    return client, server


def _zone(scope: Scope, path: str) -> float:
    try:
        return float(json.loads(scope.tree.read(path, _LARGEST).decode("utf-8"))["timezone"])
    except (KeyError, RecursionError) as error:
        raise ValueError(f"{path} has no timezone") from error


def _metric(scope: Scope, watts: float, seconds: float, detail: Mapping[str, Any]) -> float:
    scenario = named(scope.scenario)
    if not scenario.is_stream:
        return watts
    if scope.round.energy_of_logged_queries:
        unit = 1000 if scope.round.tables["power_units"][scenario.name] == "millijoules" else 1
        energy = watts * seconds * unit / int(detail["result_query_count"])
        # A MultiStream result may be inferred from a SingleStream log: eight samples per query.
        logged = named(detail.get("effective_scenario"))
        inferred = logged.is_stream and logged.samples_per_query < scenario.samples_per_query
        return energy * scenario.samples_per_query if inferred else energy
    if scenario.samples_per_query == 1:
        samples = float(detail["result_qps_with_loadgen_overhead"]) * seconds
    else:
        queries = float(detail["generated_query_count"])
        samples = queries * float(detail["generated_samples_per_query"])
    return watts * seconds / samples
