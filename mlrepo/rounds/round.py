"""One round: its name, its tables, and pure lookups in them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.rounds.layout import RoundLayout
from mlrepo.rounds.traits import Traits
from mlrepo.scenarios import LOADGEN_SCENARIOS, SCENARIOS

if TYPE_CHECKING:
    from mlrepo.record import Metric
    from mlrepo.rounds.setting_table import LoadgenSetting
    from mlrepo.rounds.tables import LeastAccuracy, MostAccuracy, RoundTables

# Nanoseconds in each unit of latencies.
_NANOSECONDS = {"ms": 1e6, "s": 1e9}
LATENCY_UNITS = tuple(_NANOSECONDS)
_RATES = ("samples/s", "queries/s")
# The MultiStream result of the oldest rounds: how many streams a system sustains.
NUMBER_OF_STREAMS = ("Samples per query", "effective_samples_per_query")


def tests_in(
    table: Mapping[str, list[str] | dict[str, list[str]]],
) -> frozenset[str]:
    """Return the compliance tests in a round's table, for any benchmark and scenario."""
    lists = (
        each.values() if isinstance(each, Mapping) else (each or (),) for each in table.values()
    )
    return frozenset(test for of_benchmark in lists for tests in of_benchmark for test in tests)


@dataclass(frozen=True)
class Round(Traits):
    """One round of MLPerf Inference; what it does differently from others is in its traits.

    Attributes
    ----------
    name:
        Such as ``v6.1``.
    tables:
        The round's data file.
    """

    name: str
    tables: RoundTables

    @functools.cached_property
    def layout(self) -> RoundLayout:
        """Where each file of a result belongs."""
        return RoundLayout(self.tables["layout"])

    @functools.cached_property
    def settings(self) -> Mapping[str, LoadgenSetting]:
        """LoadGen's settings, by key; if the file has none, those of the previous round."""
        from mlrepo.rounds.known import SHIPPED
        from mlrepo.rounds.setting_table import read_settings

        own = self.tables.get("settings")
        return read_settings(own or SHIPPED.newest_up_to(self.name).tables["settings"])

    @functools.cached_property
    def version(self) -> tuple[int, int]:
        """Return the name as two numbers, so that rounds can be compared."""
        major, minor = self.name[1:].split(".")
        return int(major), int(minor)

    def official_benchmark(self, benchmark: str) -> str:
        """Return the official name behind a directory name (``resnet50`` is ``resnet``), or ''."""
        if benchmark in self.tables["models"]:
            return benchmark
        return str(self.tables["model_aliases"].get(benchmark, ""))

    def allows(self, division: str, category: str, benchmark: str, scenario: str) -> bool:
        """Say whether the division may have a result of this benchmark and scenario.

        The open division accepts any model (custom names need a model mapping at submission);
        the others accept what the category requires or allows.
        """
        if division == "open":
            return True
        required, optional = self.scenario_rules(category, benchmark) or ((), ())
        return scenario in (*required, *optional)

    def scenario_rules(
        self, category: str, benchmark: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """Return the required and the optional scenarios; None if there is no such benchmark.

        v0.5 has no categories: it requires none and allows all.
        """
        if not self.has_categories():
            return (), tuple(LOADGEN_SCENARIOS)
        both = "datacenter-edge" if "," in category else category
        table = self.tables["scenarios"].get(both) or {}
        entry = table.get(self.official_benchmark(benchmark) or benchmark)
        if entry is None or entry["required"] is None:
            return None
        return tuple(entry["required"]), tuple(entry.get("optional") or ())

    def has_categories(self) -> bool:
        """Say whether the round sorts systems into categories (v0.7 and later)."""
        return any(self.tables["scenarios"].values())

    def asked_tests(self, benchmark: str = "") -> frozenset[str]:
        """Return a benchmark's compliance tests in any scenario; if it has none, all tests."""
        tables = self.tables["compliance_tests"]
        official = self.official_benchmark(benchmark)
        return tests_in({official: tables[official]} if tables.get(official) else tables)

    def compliance_tests(self, benchmark: str, scenario: str) -> tuple[str, ...]:
        """Return the compliance tests of a benchmark in a scenario, in the checker's order."""
        tests = self.tables["compliance_tests"].get(self.official_benchmark(benchmark)) or []
        return tuple(tests.get(scenario, ()) if isinstance(tests, Mapping) else tests)

    def scenarios_of(self, category: str, benchmark: str) -> tuple[str, ...]:
        """Return the scenarios that the category requires of a benchmark; may be empty."""
        required, _ = self.scenario_rules(category, benchmark) or ((), ())
        return required

    def scenario_choices(self, category: str, benchmark: str) -> tuple[tuple[str, ...], ...]:
        """Return the sets of scenarios of which a benchmark in the category needs at least one.

        A set with a required scenario is left out: there is nothing to choose.
        """
        required, optional = self.scenario_rules(category, benchmark) or ((), ())
        allowed = {*required, *optional}
        return tuple(
            group
            for group in self.one_of
            if allowed.issuperset(group) and not set(group).intersection(required)
        )

    def test05_seeds(self) -> dict[str, int]:
        """Return TEST05's seeds by name; empty if the round has no TEST05."""
        return dict(self.tables.get("test05_seeds") or {})

    def has_detail_log(self) -> bool:
        """Say whether its results are in a detail log as today's LoadGen writes it (since v1.0)."""
        return not any(" " in str(key) for key in self.tables["result_field"].values())

    def result_key(self, benchmark: str, scenario: str) -> str:
        """Return the key of the detail log (v1.0 and later) that holds the result.

        It is empty for a scenario that the round does not have.
        """
        fields = self.tables["result_field"]
        own = (self.tables.get("result_field_per_model") or {}).get(
            self.official_benchmark(benchmark)
        ) or {}
        known = SCENARIOS.get(scenario)
        names = dict.fromkeys((scenario, known.loadgen if known else scenario))
        keys = (table[name] for table in (own, fields) for name in names if name in table)
        return str(next(keys, ""))

    def result(self, benchmark: str, scenario: str, raw: float | None) -> Metric:
        """Return the number of :meth:`result_key` with its unit, as the round prints it.

        The only place where a LoadGen number gets a unit: latencies are in milliseconds, or in
        seconds if the round reports the benchmark so; tokens if tokens were counted.
        """
        from mlrepo.record import Metric  # most users of a round make no record

        value = None if raw is None else self.result_in_unit(benchmark, scenario, raw)
        return Metric(value, self.unit(benchmark, scenario))

    def result_in_unit(self, benchmark: str, scenario: str, raw: float) -> float:
        """Return the result as printed: nanoseconds in the unit of latencies, rates unchanged."""
        return raw / _NANOSECONDS.get(self.unit(benchmark, scenario), 1)

    def unit(self, benchmark: str, scenario: str) -> str:
        """Return the unit of the result: ``samples/s``, ``queries/s``, ``tokens/s``, ``ms``…

        A benchmark that the round does not have gets the most common unit. Up to v4.1, and for some
        benchmarks since, the unit in the official tables is not that of LoadGen's key: what LoadGen
        counts is right.
        """
        own = (self.tables.get("units_per_model") or {}).get(self.official_benchmark(benchmark))
        units = self.tables.get("units") or self._oldest_units()
        text = str((own or {}).get(scenario) or units.get(scenario, "")).lower()
        if text in _RATES and self.has_detail_log():
            counts_tokens = "tokens_per_second" in self.result_key(benchmark, scenario)
            text = "tokens/s" if counts_tokens else text
        return text.removeprefix("latency (").removesuffix(")")

    def _oldest_units(self) -> Mapping[str, str]:
        """Return the unit by scenario; the checkers have had a table of them since v1.1."""
        fields = self.tables["result_field"]
        return {
            name: "streams" if fields.get(name) in NUMBER_OF_STREAMS else each.unit
            for name, each in LOADGEN_SCENARIOS.items()
        }

    def lower_is_better(self, benchmark: str, scenario: str) -> bool:
        """Say whether a smaller result is the better one."""
        known = SCENARIOS.get(scenario)
        is_latency = self.unit(benchmark, scenario) in LATENCY_UNITS
        return known is not None and known.lower_is_better and is_latency

    def min_duration_ms(self) -> int:
        """Return the shortest performance run that the round accepts, in milliseconds."""
        return int(self.tables["min_duration_ms"])

    def min_offline_samples(self, benchmark: str) -> int:
        """Return how many samples an Offline run's query must have (official names)."""
        table = self.tables["offline_min_samples_per_query"]
        return int((table.get("per_model") or {}).get(benchmark, table["default"]))

    def seeds(self) -> dict[str, int]:
        """Return LoadGen's seeds of the round by name (``qsl_rng_seed``, …)."""
        return dict(self.tables["seeds"])

    def accuracy_targets(self, benchmark: str, scenario: str) -> list[LeastAccuracy]:
        """Return ``{"metric", "min"}`` per metric that a closed result must reach; may be empty."""
        by_scenario = self.tables["accuracy_target"].get(self.official_benchmark(benchmark)) or {}
        return list(by_scenario.get(scenario) or by_scenario.get("*") or [])

    def accuracy_limits(self, benchmark: str) -> list[MostAccuracy]:
        """Return ``{"metric", "max"}`` per metric that must not be exceeded; may be empty."""
        limits = self.tables.get("accuracy_upper_limit") or {}
        return list(limits.get(self.official_benchmark(benchmark)) or [])

    def accuracy_patterns(self, benchmark: str, scenario: str) -> dict[str, str]:
        """Return the patterns of the metrics in the benchmark's accuracy text, in order.

        They are all patterns of the round if it has no bounds for the benchmark.
        """
        patterns: Mapping[str, str] = self.tables["accuracy_pattern"]
        bounds = [
            *self.accuracy_targets(benchmark, scenario),
            *self.accuracy_limits(benchmark),
        ]
        own = dict.fromkeys(bound["metric"] for bound in bounds)
        return {metric: patterns[metric] for metric in own or patterns}

    def accuracy_samples(self, model: str, scenario: str) -> int | None:
        """Return how many samples an accuracy run covers; None if the round does not say."""
        counts = self.tables.get("accuracy_sample_count") or {}
        count = counts.get(model, (self.tables.get("dataset_size") or {}).get(model))
        return count.get(scenario) if isinstance(count, Mapping) else count

    def system_fields(self) -> tuple[str, ...]:
        """Return the fields that a system description must have, in the checker's order."""
        return tuple(self.tables["system_desc_required"])

    def system_nonempty_fields(self) -> frozenset[str]:
        """Return the fields that must not be empty (v3.1 and later; empty set before)."""
        return frozenset(self.tables.get("system_desc_nonempty") or ())

    def system_further_fields(self) -> tuple[str, ...]:
        """Return the fields that only power and network results need."""
        return (
            *self.tables.get("system_desc_power_fields", ()),
            *self.tables.get("system_desc_network_fields", ()),
        )
