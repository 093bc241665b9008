"""Judge whether a performance run's settings are allowed for a result of its round.

The settings of a round (:mod:`mlrepo.rounds.setting_table`) are compared with a configuration
before a run, a detail log after it, and a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlrepo.rounds import Round
from mlrepo.rounds.setting_table import MAXIMUM, MINIMUM, LoadgenSetting, Number, SettingClass
from mlrepo.scenarios import SCENARIOS

TOO_SHORT = frozenset({"min_duration", "min_query_count"})
"""Settings that make a run too short for a submission; its load is that of a longer run."""
SAMPLES = "performance_sample_count_override"
"""How many samples LoadGen draws from: the whole data set, unless fewer are requested."""
# The settings that an audit.config changes, or may reduce.
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
    """The run for which a setting is judged.

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
    """A setting that breaks the round's rules.

    Attributes
    ----------
    key:
        Its name in a ``user.conf``.
    logged:
        Its key in the detail log; empty if the log does not show it.
    expected, actual:
        In the unit of the detail log.
    scale:
        The factor from ``user.conf``'s unit to the log's.
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
    """Say whether LoadGen times a benchmark's tokens, according to the round's mlperf.conf."""
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
    """Yield a run's requested settings that break a class; ``asked`` has LoadGen's keys."""
    for key, setting in subject.round.settings.items():
        if key in asked:
            value = int(asked[key]) if asked[key].isdecimal() else float(asked[key])
            yield from _held(subject, key, setting, value * setting.scale)


def _held(subject: Subject, key: str, setting: LoadgenSetting, value: Number) -> Iterator[Broken]:
    """Compare a value, in the unit of the log, with the class that is binding for the subject."""
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
    """Return the class that is binding for the subject; the free one if none is."""
    rule = setting.in_scenario(subject.loadgen_scenario)
    elsewhere = rule.divisions and subject.division not in rule.divisions
    audited = subject.test and key in _AUDITED
    return SettingClass() if elsewhere or audited else rule


def _bound(subject: Subject, key: str, rule: SettingClass) -> Number | None:
    """Return the value of a class for the subject; None if it has none.

    A model in the open division may be of any benchmark: it gets the least strict value.
    """
    if rule.table:
        return _of_table(subject, key, rule)
    if rule.value is None or subject.division == "open":
        return None if rule.value is None else min([rule.value, *rule.per_model.values()])
    names = loadgen_names(subject.benchmark, subject.scenario)
    return next((rule.per_model[name] for name in names if name in rule.per_model), rule.value)


def _of_table(subject: Subject, key: str, rule: SettingClass) -> Number | None:
    """Return the value from another of the round's tables.

    Such a table is a number, or has numbers by key, or by benchmark and perhaps scenario.
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
