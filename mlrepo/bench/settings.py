"""Check before a run whether a result of its round may have the requested settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlrepo.bench.request import BenchRequest
from mlrepo.errors import UserError
from mlrepo.logs.user_conf import KEYS, UserConf, looked_up, read_user_conf
from mlrepo.logs.user_conf_effect import Names, strange_lines
from mlrepo.plugins import WORKLOADS, plugin_names
from mlrepo.record import ACCURACY
from mlrepo.rounds import Round
from mlrepo.rounds.setting_rules import (
    TOO_SHORT,
    Broken,
    Subject,
    broken_in_conf,
    has_token_latencies,
    loadgen_names,
)
from mlrepo.scenarios import SCENARIOS, Scenario
from mlrepo.systems.description import unread_user_confs, user_conf_of
from mlrepo.workloads import Workload


def known_benchmarks(round_: Round) -> frozenset[str]:
    """Return every name under which a ``user.conf`` of the round may have settings."""
    official = round_.tables["models"]
    of_loadgen = (
        name
        for model in official
        for scenario in SCENARIOS
        for name in loadgen_names(model, scenario)
    )
    named = {*plugin_names(WORKLOADS), *official, *round_.tables["model_aliases"]}
    return frozenset(
        {each.loadgen_model(name) for each in SCENARIOS.values() for name in named} | {*of_loadgen}
    )


def names_of(workload: Workload, round_: Round, scenario: Scenario) -> Names:
    """Return the names under which a ``user.conf`` may have settings for a benchmark."""
    official = round_.official_benchmark(workload.loadgen_model)
    benchmark, model, official = (
        name and scenario.loadgen_model(name)
        for name in (workload.name, workload.loadgen_model, official)
    )
    others = known_benchmarks(round_) - {benchmark, model, official}
    return Names(benchmark, model, official, others)


@dataclass(frozen=True)
class Rules:
    """The rules for the settings of a run, and where the system's own are."""

    round: Round
    division: str
    systems: Path
    system: str


@dataclass(frozen=True)
class Configured:
    """The settings requested from LoadGen.

    Attributes
    ----------
    conf, source:
        The run's ``user.conf``, and the file it is from; empty for none.
    notes:
        The lines that have no effect, one sentence each.
    no_result:
        Why the run will never be placed, one sentence per setting; usually empty.
    """

    conf: UserConf
    source: str
    notes: tuple[str, ...]
    no_result: tuple[str, ...]


def configure(request: BenchRequest, workload: Workload, rules: Rules) -> Configured:
    """Return the settings of a run, with notes for the user.

    Raises
    ------
    UserError
        A file cannot be read, or has a setting that no result of the round may have.
    """
    where = rules.systems, rules.system, rules.round.name
    names = names_of(workload, rules.round, SCENARIOS[request.scenario])
    conf, source = request.compose_user_conf(
        workload.loadgen_model,
        user_conf_of(*where),
        names,
        workload.settings.get(request.scenario, {}),
    )
    _refuse_bounds(request, conf, workload, rules.round)
    own = not (request.user_conf or request.test or request.replays)
    unread = unread_user_confs(*where) if own else ()
    no_result = _refuse(request, conf, source, workload, rules)
    return Configured(conf, source, (*unread, *conf.notes), no_result)


def _refuse_bounds(
    request: BenchRequest, conf: UserConf, workload: Workload, round_: Round
) -> None:
    """Raise :class:`UserError` for a latency bound that does not go with what LoadGen times.

    That is a typed bound of whole queries that it would ignore, or none for a scenario of tokens.
    """
    scenario = SCENARIOS[request.scenario]
    if request.mode == ACCURACY or not scenario.bounded or request.replays:
        return
    name, loadgen = request.loadgen_names(workload.loadgen_model)
    asked = conf.effective(name, loadgen, "use_token_latencies")
    timed = has_token_latencies(round_, name) if asked is None else asked == "1"
    limits = "--set ttft_latency=MS --set tpot_latency=MS"
    if timed and request.max_latency is not None:
        raise UserError(
            f"--max-latency does not apply to {workload.name} in {request.scenario}: LoadGen times "
            "its tokens, and ignores the latency of the whole query.",
            hint=f"Give the limits of the time to the first token and per output token: {limits}.",
        )
    if scenario.needs_tokens and not timed:
        raise UserError(
            f"LoadGen times no tokens of {name} in {request.scenario}, whose limits are those of "
            "the time to the first token and per output token.",
            hint=f"Give both, in milliseconds: --set use_token_latencies=1 {limits}.",
        )


def _refuse(
    request: BenchRequest, conf: UserConf, source: str, workload: Workload, rules: Rules
) -> tuple[str, ...]:
    """Return why the run will not be placed, one sentence per setting.

    This is for settings that the user typed for this run, or of a repeated run. One from a file, or
    from the run that a test verifies, is usually a mistake and is refused.
    """
    if request.mode == ACCURACY:
        return ()
    model, scenario = request.loadgen_names(workload.loadgen_model)
    test = request.test.name if request.test else ""
    official = rules.round.official_benchmark(workload.name)
    subject = Subject(rules.round, rules.division, official, request.scenario, test)
    typed = request.loadgen_settings(workload.loadgen_model)
    remarks = []
    for broken in broken_in_conf(subject, _asked(conf, model, scenario)):
        if broken.key in TOO_SHORT:
            continue
        full = _taken(conf, model, scenario, broken.key)
        what = why_no_result(broken, conf.values[full], subject)
        if full in typed or request.replays is not None:
            remarks.append(f"{what} The run is recorded and never placed.")
            continue
        line = f":{conf.lines[full]}" if full in conf.lines else ""
        raise UserError(
            f"{source}{line}: {what}",
            hint="Run the benchmark again without it: no test can be made of that run."
            if test
            else "Remove the line. For an experiment that is never placed, type "
            f"--set {broken.key}={conf.values[full]} instead.",
        )
    return tuple(remarks)


def refuse_without_tokens(request: BenchRequest, workload: Workload, round_: Round) -> None:
    """Raise :class:`UserError` for a scenario that times tokens if a benchmark has none.

    A benchmark for which the round requires or allows the scenario always has it.
    """
    if not SCENARIOS[request.scenario].needs_tokens:
        return
    official = round_.official_benchmark(workload.name) or workload.follows
    asked = any(
        request.scenario in (*required, *optional)
        for category in round_.tables["scenarios"]
        for required, optional in [round_.scenario_rules(category, official) or ((), ())]
    )
    timed = getattr(workload.task.responses, "tokens", False)
    if asked or timed or has_token_latencies(round_, workload.loadgen_model):
        return
    others = (name for name, each in SCENARIOS.items() if not each.needs_tokens)
    raise UserError(
        f"{workload.name} cannot run {request.scenario}: the scenario limits the time to the first "
        "token and the time per token, and this benchmark has no token latencies.",
        hint=f"Use one of: {', '.join(others)}.",
    )


def conf_problems(rules: Rules) -> list[tuple[str, bool]]:
    """Return the problems of a system's LoadGen settings, and whether runs are refused for each.

    The settings are checked for every benchmark of the round.
    """
    where = rules.systems, rules.system, rules.round.name
    path = user_conf_of(*where)
    found = [(note, False) for note in unread_user_confs(*where)]
    return found + (list(_file_problems(path, rules.round, rules.division)) if path else [])


def _file_problems(path: Path, round_: Round, division: str) -> Iterator[tuple[str, bool]]:
    try:
        conf = read_user_conf(path)
    except UserError as error:
        yield f"{error.message} {error.hint or ''}".rstrip(), True
        return
    yield from ((note, False) for note in strange_lines(conf, known_benchmarks(round_), str(path)))
    found: dict[str, str] = {}
    own = {("", full.rsplit(".", 2)[0]) for full in conf.values}
    for each in SCENARIOS.values():
        official = {
            (model, name)
            for model in round_.tables["models"]
            for name in (each.loadgen_model(model), *loadgen_names(model, each.name))
        }
        for model, name in sorted(official | own):
            if not name.endswith(each.suffix):
                continue
            subject = Subject(round_, division, model, each.name)
            for broken in broken_in_conf(subject, _asked(conf, name, each.loadgen)):
                full = _taken(conf, name, each.loadgen, broken.key)
                if broken.key not in TOO_SHORT:
                    what = why_no_result(broken, conf.values[full], subject)
                    found.setdefault(full, f"{path}:{conf.lines[full]}: {what}")
    yield from ((what, True) for what in found.values())


def why_no_result(broken: Broken, value: str, subject: Subject) -> str:
    """Say why a value of a ``user.conf`` is not allowed, in its unit."""
    unit = KEYS.get(broken.key, "")
    shown = f" {unit}" if unit and "|" not in unit else ""
    return (
        f"{broken.key} = {value} is not allowed in a result of {subject.round.name} "
        f"({subject.division} {subject.scenario}): it must be {broken.asked}{shown}."
    )


def _taken(conf: UserConf, model: str, scenario: str, key: str) -> str:
    """Return the full key whose value LoadGen takes; it must exist."""
    return next(one for one in looked_up(model, scenario, key) if one in conf.values)


def _asked(conf: UserConf, model: str, scenario: str) -> Mapping[str, str]:
    values = ((key, conf.effective(model, scenario, key)) for key in KEYS)
    return {key: value for key, value in values if value is not None}
