"""Whether the settings of a performance run are those of a result of its round.

The settings of a round (:mod:`mlrepo.rounds.setting_table`) are held against a configuration before
a run, a detail log after it, and a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlrepo.rounds import Round
from mlrepo.rounds.setting_table import MAXIMUM, MINIMUM, LoadgenSetting, Number, SettingClass
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
    setting = round_.settings.get("use_token_latencies")
    timed = setting.in_scenario("*").per_model if setting else {}
    return any(timed.get(name) for name in loadgen_names(loadgen_model))


def broken_in_log(subject: Subject, values: Mapping[str, object]) -> Iterator[Broken]:
    """Yield the settings in a performance run's detail log (``effective_…``) that break a class."""
    for key, setting in subject.round.settings.items():
        logged = setting.line(subject.loadgen_scenario)
        value = values.get(logged)
        if logged and isinstance(value, int | float):
            yield from _held(subject, key, setting, value)


def broken_in_conf(subject: Subject, asked: Mapping[str, str]) -> Iterator[Broken]:
    """Yield the settings that a run asks for and that break a class; by key as LoadGen reads it."""
    for key, setting in subject.round.settings.items():
        if key in asked:
            value = int(asked[key]) if asked[key].isdecimal() else float(asked[key])
            yield from _held(subject, key, setting, value * setting.scale)


def _held(subject: Subject, key: str, setting: LoadgenSetting, value: Number) -> Iterator[Broken]:
    """Hold a value, in the unit of the log, against the class that binds the subject."""
    rule, logged = _binding(subject, key, setting), setting.line(subject.loadgen_scenario)
    bound, scale = _bound(subject, key, rule), setting.scale
    if bound is None:
        return
    slack = _ROUNDING * abs(bound)
    if rule.kind == MINIMUM and not value >= bound - slack:
        yield Broken(key, logged, f">= {bound:.10g}", value, bound, scale)
    elif rule.kind == MAXIMUM and not value <= bound + slack:
        yield Broken(key, logged, f"<= {bound:.10g}", value, bound, scale)
    elif rule.kind not in (MINIMUM, MAXIMUM) and value != bound:
        yield Broken(key, logged, f"{bound}", value, bound, scale)
    elif rule.below is not None and not value < rule.below:
        yield Broken(key, logged, f"< {rule.below}", value, rule.below, scale)


def _binding(subject: Subject, key: str, setting: LoadgenSetting) -> SettingClass:
    """Return the class that binds the subject, the free one where none does."""
    rule = setting.in_scenario(subject.loadgen_scenario)
    elsewhere = rule.divisions and subject.division not in rule.divisions
    audited = subject.test and key in _AUDITED
    return SettingClass() if elsewhere or audited else rule


def _bound(subject: Subject, key: str, rule: SettingClass) -> Number | None:
    """Return the value of a class for the subject, None where it has none.

    A model of the open division may follow any benchmark: it has the least strict value.
    """
    if rule.table:
        return _of_table(subject, key, rule)
    if rule.value is None or subject.division == "open":
        return None if rule.value is None else min([rule.value, *rule.per_model.values()])
    names = loadgen_names(subject.benchmark, subject.scenario)
    return next((rule.per_model[name] for name in names if name in rule.per_model), rule.value)


def _of_table(subject: Subject, key: str, rule: SettingClass) -> Number | None:
    """Return a value of another of the round's tables.

    They hold a number, or numbers by key, or by benchmark and perhaps scenario.
    """
    found: object = subject.round.tables.get(rule.table)
    if isinstance(found, Mapping) and "per_model" in found:
        if not subject.benchmark:
            return None
        found = (found["per_model"] or {}).get(subject.benchmark, found["default"])
    for name in (key, subject.benchmark, subject.scenario, rule.part):
        if isinstance(found, Mapping):
            found = found.get(name, found if name == key else None)
    return found if isinstance(found, int | float) else None
