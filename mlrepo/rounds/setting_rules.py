"""Whether the settings of a performance run are those of a result of its round.

The table ``settings`` of a round's data says it (:mod:`mlrepo.rounds.setting_classes`); here it is
held against a configuration before a run, a detail log after it, and a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlrepo.rounds import SHIPPED, Round
from mlrepo.rounds.setting_classes import FREE, MAXIMUM, MINIMUM
from mlrepo.scenarios import SCENARIOS

TOO_SHORT = frozenset({"min_duration", "min_query_count"})
"""Settings that make a run too short for a submission; its load is that of a longer one."""
SAMPLES = "performance_sample_count_override"
"""How many samples are drawn from: what a data set has, where nobody asks for fewer."""
# What an audit.config changes, and what it may shorten.
_AUDITED = frozenset(
    {
        "performance_issue_same",
        "performance_issue_unique",
        "accuracy_log_rng_seed",
        "accuracy_log_sampling_target",
        "accuracy_log_probability",
        "qsl_rng_seed",
        "sample_index_rng_seed",
        "schedule_rng_seed",
        "sample_concatenate_permutation",
        SAMPLES,
        *TOO_SHORT,
    }
)
Number = int | float
# LoadGen multiplies in floating point: 99.9 times 0.01 is not 0.999.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Subject:
    """What a setting is judged for.

    Attributes
    ----------
    benchmark:
        The official name; empty for a benchmark that the round does not have.
    scenario:
        In the round's spelling.
    test:
        The compliance test that is run; empty for a result's own run.
    """

    round: Round
    division: str
    benchmark: str
    scenario: str
    test: str = ""

    @property
    def loadgen_scenario(self) -> str:
        """The scenario that LoadGen runs."""
        known = SCENARIOS.get(self.scenario)
        return known.loadgen if known else self.scenario


@dataclass(frozen=True)
class Broken:
    """A setting that no result of the round has.

    Attributes
    ----------
    key:
        As a ``user.conf`` calls it.
    logged:
        As the detail log calls it; empty where it does not show it.
    expected, actual:
        In the unit of the detail log.
    scale:
        What one in a ``user.conf`` is in the log.
    """

    key: str
    logged: str
    expected: str
    actual: Number
    bound: Number
    scale: Number = 1

    @property
    def asked(self) -> str:
        """What a ``user.conf`` may say instead, such as ``at least 99``."""
        words = self.expected.partition(" ")[0]
        names = {">=": "at least ", "<=": "at most ", "<": "less than "}
        return f"{names.get(words, '')}{self.bound / self.scale:.10g}"


def loadgen_names(benchmark: str, scenario: str = "") -> tuple[str, ...]:
    """Return the names under which LoadGen's ``mlperf.conf`` may know an official benchmark."""
    base = {"resnet": "resnet50", "ssd-large": "ssd-resnet34", "ssd-small": "ssd-mobilenet"}.get(
        benchmark, benchmark
    )
    base = base.removesuffix("-99.9").removesuffix("-99").removesuffix("-95").replace(".", "_")
    known = SCENARIOS.get(scenario)
    own = (base + known.suffix,) if known and known.suffix else ()
    return (*own, base, benchmark)


def has_token_latencies(round_: Round, loadgen_model: str) -> bool:
    """Say whether LoadGen times the tokens of a benchmark, by its mlperf.conf in the round."""
    entry = setting_classes(round_).get("use_token_latencies") or {}
    timed = (entry.get("*") or {}).get("per_model") or {}
    return any(timed.get(name) for name in loadgen_names(loadgen_model))


def setting_classes(round_: Round) -> Mapping[str, Mapping[str, Any]]:
    """Return the table ``settings``; a round without one has that of the newest shipped before."""
    own = round_.tables.get("settings")
    if own is None:
        own = SHIPPED.newest_up_to(round_.name).tables["settings"]
    found: Mapping[str, Mapping[str, Any]] = own
    return found


def broken_in_log(subject: Subject, values: Mapping[str, Any]) -> Iterator[Broken]:
    """Yield the settings in a performance run's detail log (``effective_…``) that break a class."""
    for key, entry in setting_classes(subject.round).items():
        rule = _rule(subject, key, entry)
        logged = rule.get("logged", entry["logged"])
        value = values.get(logged)
        if logged and isinstance(value, int | float):
            yield from _held(subject, key, logged, rule, value, entry.get("scale", 1))


def broken_in_conf(subject: Subject, asked: Mapping[str, str]) -> Iterator[Broken]:
    """Yield the settings that a run asks for and that break a class; by key as LoadGen reads it."""
    for key, entry in setting_classes(subject.round).items():
        if key in asked:
            rule, scale = _rule(subject, key, entry), entry.get("scale", 1)
            logged = rule.get("logged", entry["logged"])
            value = int(asked[key]) if asked[key].isdecimal() else float(asked[key])
            yield from _held(subject, key, logged, rule, value * scale, scale)


def _rule(subject: Subject, key: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the class that binds the subject, the free one where none does."""
    free: Mapping[str, Any] = {"class": FREE}
    rule: Mapping[str, Any] = entry.get(subject.loadgen_scenario) or entry.get("*") or free
    if subject.division not in rule.get("divisions", (subject.division,)):
        return free
    return free if subject.test and key in _AUDITED else rule


def _held(
    subject: Subject, key: str, logged: str, rule: Mapping[str, Any], value: Number, scale: Number
) -> Iterator[Broken]:
    bound = _bound(subject, key, rule)
    if bound is None:
        return
    slack = _ROUNDING * abs(bound)
    below, kind = rule.get("below"), rule["class"]
    if kind == MINIMUM and not value >= bound - slack:
        yield Broken(key, logged, f">= {bound:.10g}", value, bound, scale)
    elif kind == MAXIMUM and not value <= bound + slack:
        yield Broken(key, logged, f"<= {bound:.10g}", value, bound, scale)
    elif kind not in (MINIMUM, MAXIMUM) and value != bound:
        yield Broken(key, logged, f"{bound}", value, bound, scale)
    elif below is not None and not value < below:
        yield Broken(key, logged, f"< {below}", value, below, scale)


def _bound(subject: Subject, key: str, rule: Mapping[str, Any]) -> Number | None:
    """Return the value of a class for the subject, None where it has none.

    A model of the open division may follow any benchmark: it has the least strict value.
    """
    if "table" in rule:
        return _of_table(subject, key, rule)
    per_model: Mapping[str, Number] = rule.get("per_model") or {}
    value: Number | None = rule.get("value")
    if value is None or subject.division == "open":
        return None if value is None else min([value, *per_model.values()])
    names = loadgen_names(subject.benchmark, subject.scenario)
    return next((per_model[name] for name in names if name in per_model), value)


def _of_table(subject: Subject, key: str, rule: Mapping[str, Any]) -> Number | None:
    """Return a value of another of the round's tables.

    They hold a number, or numbers by key, or by benchmark and perhaps scenario.
    """
    found: Any = subject.round.tables.get(rule["table"])
    if isinstance(found, Mapping) and "per_model" in found:
        if not subject.benchmark:
            return None
        found = (found["per_model"] or {}).get(subject.benchmark, found["default"])
    for name in (key, subject.benchmark, subject.scenario, rule.get("part")):
        if isinstance(found, Mapping):
            found = found.get(name, found if name == key else None)
    return found if isinstance(found, int | float) else None
