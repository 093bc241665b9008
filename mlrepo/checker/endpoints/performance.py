"""Apply the rules of performance runs to the summary of an endpoints run instead of a log."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mlrepo.checker.breach import Breach, Breaches, Judging, death
from mlrepo.checker.runs.tokens import has_token_latencies, token_limits_exceeded
from mlrepo.checker.scope import Scope
from mlrepo.logs.endpoints import Found, Values
from mlrepo.rounds.inference import sources_of
from mlrepo.scenarios import named as scenario_named
from mlrepo.scenarios import spelled

SUMMARY = "performance/result_summary.json"
# Keys read from the configuration; measured values are read from the summary.
_CONFIGURED = (
    "effective_scenario",
    "effective_min_duration_ms",
    "effective_sample_index_rng_seed",
    "effective_schedule_rng_seed",
)


def scenario_of_endpoints(name: str) -> str:
    """Return the scenario of a directory name that only endpoints results use; '' for others."""
    return "Server" if name.lower() == "online" else ""


def _typed(name: str) -> str:
    """Return the scenario of a configuration's type: offline, or online for all other scenarios.

    Any other text is a scenario in some spelling, or is returned unchanged.
    """
    return "Server" if name.lower() == "online" else spelled(name)


def directory_of_endpoints(scope: Scope) -> str:
    """Return the scenario as the official checker calls the result's directory."""
    name = scope.place.scenario
    return "server" if name.lower() == "online" else name


@dataclass(frozen=True)
class EndpointsPerformance:
    """Judge a performance run.

    Attributes
    ----------
    scope:
        The scope of the result.
    values:
        The values of the run.
    config_path:
        The configuration, from which some of them come.
    concurrency:
        How many requests the configuration allows in flight; None if it does not say.
    """

    scope: Scope
    values: Values
    config_path: str
    concurrency: object = None

    @property
    def is_inferred(self) -> bool:
        """Say, as the official summary does, whether two spellings of the scenario differ."""
        pair = (self._value("effective_scenario"), directory_of_endpoints(self.scope))
        return pair[0] != pair[1] and pair != ("server", "interactive")

    @property
    def unit(self) -> str:
        """The unit of the number that the official checker takes as the result.

        Where its table lacks the scenario, that number counts samples, even for a language model.
        """
        scope = self.scope
        scenario = self._scenario(self._value("effective_scenario")) or ""
        unit = scope.round.unit(scope.model, scope.scenario)
        own = (scope.round.tables.get("result_field_per_model") or {}).get(scope.model) or {}
        of_tokens = unit.startswith("tokens")
        return unit if scenario in own or not of_tokens else scenario_named(scope.scenario).unit

    def judge(self) -> Judging[float | None]:
        """Yield what is wrong; return the result as the official checker prints it, if any."""
        scenario = self._scenario(self._value("effective_scenario"))
        if scenario is None:
            yield self._breach(
                "endpoints", "effective_scenario", "The configuration does not name a scenario."
            )
            yield death(self.config_path, "it compares a scenario that is missing")
            return None
        value = yield from self._result(scenario)
        yield from self._judge_scenario(scenario)
        yield from self._judge_settings()
        yield from self._judge_latency(scenario)
        errors = self._value("num_errors")
        if errors:
            yield self._breach(
                "performance-loadgen-error",
                "num_errors",
                "Samples failed.",
                expected=0,
                actual=errors,
            )
        yield from self._judge_network()
        return value

    def _scenario(self, named: object) -> str | None:
        """Return the scenario as the official checker reads it; None if it crashes on it."""
        directory = directory_of_endpoints(self.scope).lower()
        if directory == "singlestream":
            return "SingleStream"
        if directory == "interactive" or str(named).lower() == "interactive":
            return "Interactive"
        if not isinstance(named, str):
            return None
        return "Server" if named.lower() == "online" else named

    def _judge_scenario(self, scenario: str) -> Breaches:
        """Yield a run of another scenario; only edge systems infer a result from another run."""
        directory = directory_of_endpoints(self.scope)
        source, wanted = _typed(scenario), self.scope.scenario
        pair = (source, wanted)
        if scenario.lower() == directory.lower() or source == scenario_named(wanted).loadgen:
            yield from self._judge_type(pair)
            return
        may_infer = source in sources_of(self.scope.round, wanted, self.scope.category)
        # No result can be inferred from a mean latency, and the files have nothing else.
        yield self._breach(
            "performance-scenario",
            "effective_scenario",
            "The run is of another scenario."
            if not may_infer
            else "The summary has nothing to infer the result from.",
            expected=self.scope.scenario,
            actual=scenario,
        )

    def _judge_type(self, pair: tuple[str, str]) -> Breaches:
        """Strict: check type and concurrency; the official checker believes the directory."""
        named, wanted = str(self._value("effective_scenario")), self.scope.scenario
        known, type_ = scenario_named(wanted), _typed(named)
        is_single = known.samples_per_query == 1 and (known.at_random or known.is_stream)
        is_online = named.lower() == "online" and is_single
        if not is_online and type_ != wanted and (type_, wanted) != pair:
            yield self._breach(
                "performance-scenario",
                "effective_scenario",
                "The configuration names another scenario.",
                part="type",
                expected=wanted,
                actual=named,
            )
        if known.is_stream and known.samples_per_query == 1 and self.concurrency not in (None, 1):
            line = self.scope.line_of(self.config_path, "target_concurrency:")
            yield Breach(
                "performance-scenario",
                self.config_path,
                f"{wanted} has one request in flight at a time.",
                line=line,
                expected="target_concurrency: 1",
                actual=self.concurrency,
                part="type",
            )

    def _result(self, scenario: str) -> Judging[float | None]:
        tables = self.scope.round.tables
        key = tables["result_field_endpoints"].get(scenario.lower())
        if key is None:
            yield self._breach(
                "endpoints",
                "effective_scenario",
                "The round has no such scenario.",
                actual=scenario,
            )
            return None
        value = yield from self._number(key)
        own = (tables.get("result_field_per_model") or {}).get(self.scope.model) or {}
        if value is not None and scenario in own:
            # The official checker requires a number in both fields.
            key = own[scenario]
            value = yield from self._number(key)
        if value is None:
            return None
        if not math.isfinite(value) or value <= 0:
            yield self._breach(
                "performance-result",
                key,
                "The result is not a positive number.",
                actual=value,
            )
        if scenario_named(scenario).is_stream:
            value /= 1e6
            if self.scope.model.startswith("wan-"):
                value /= 1e3
        return value

    def _judge_settings(self) -> Breaches:
        for name, seed in self.scope.round.seeds().items():
            key = f"effective_{name}"
            # A run against an endpoint has no query sample library of its own to shuffle.
            if name != "qsl_rng_seed" and self._value(key) != seed:
                yield self._breach(
                    "performance-seeds",
                    key,
                    f"{name} is not the round's.",
                    expected=seed,
                    actual=self._value(key),
                )
        key, least = "effective_min_duration_ms", self.scope.round.min_duration_ms()
        duration = yield from self._number(key)
        if duration is not None and not duration >= least:
            yield self._breach(
                "performance-min-duration",
                key,
                "The run is too short.",
                expected=f">= {least} ms",
                actual=duration,
            )

    def _judge_latency(self, scenario: str) -> Breaches:
        tables, scope = self.scope.round.tables, self.scope
        if not has_token_latencies(scope.round, scope.model):
            limit = (tables["latency_limit_ns"].get(scope.model) or {}).get(scope.scenario)
            key = "result_99.00_percentile_latency_ns"
            latency = None if limit is None else (yield from self._number(key))
            if limit is not None and latency is not None and not latency <= limit:
                yield self._breach(
                    "performance-latency",
                    key,
                    "The 99th percentile is too long.",
                    expected=f"<= {limit} ns",
                    actual=latency,
                )
            return
        # The official checker does not recognise a scenario in lower case, and checks no latency.
        official = scenario_named(scenario).bounded
        if scenario_named(scope.scenario).bounded or official:
            held_to = scenario if official else scope.scenario
            numbers = {key: found.value for key, found in self.values.items()}
            exceeded = token_limits_exceeded(scope.round, scope.model, held_to, numbers)
            if exceeded is not None:
                key, expected, actual = exceeded
                yield self._breach(
                    "performance-token-latency",
                    key,
                    "Token latencies exceed the limits, or are missing.",
                    expected=expected,
                    actual=actual,
                    part="" if official else "shown scenario",
                )

    def _judge_network(self) -> Breaches:
        over_network = str(self.scope.system.get("is_network")).lower() == "true"
        expected = {"network": True, "closed": False}.get(self.scope.place.division, over_network)
        if over_network or over_network is not expected:
            description = f"{self.scope.root}/systems/{self.scope.place.system}.json"
            yield Breach(
                "network-mode",
                description,
                "is_network contradicts the division, or needs a SUT name that is missing.",
                line=self.scope.line_of(description, '"is_network"'),
                expected=expected,
                actual=self.scope.system.get("is_network", "absent"),
            )

    def _value(self, key: str) -> Any:
        found = self.values.get(key)
        return None if found is None else found.value

    def _number(self, key: str) -> Judging[float | None]:
        value = self._value(key)
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            yield self._breach(
                "endpoints",
                key,
                f"{key} is not a number.",
                actual="nothing" if value is None else value,
            )
            return None

    def _breach(
        self,
        rule: str,
        key: str,
        message: str,
        *,
        expected: object = "",
        actual: object = "",
        part: str = "",
    ) -> Breach:
        """Return a breach at the field that has the value, or should have it."""
        found = self.values.get(key) or Found(None, "", key in _CONFIGURED)
        path = self.config_path if found.in_config else f"{self.scope.path}/{SUMMARY}"
        text = f"{found.name}:" if found.in_config else f'"{found.name}"'
        line = self.scope.line_of(path, text) if found.name else 0
        return Breach(rule, path, message, line=line, expected=expected, actual=actual, part=part)
