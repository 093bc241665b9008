"""Turn the user's request into LoadGen settings, and refuse invalid ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType

from mlrepo.bench.audit import PreparedTest
from mlrepo.errors import UserError
from mlrepo.limits import machine_cpus
from mlrepo.logs.user_conf import UserConf, check_setting, read_user_conf
from mlrepo.logs.user_conf_effect import Names, fitted, overruled
from mlrepo.record import ACCURACY, MODES, PERFORMANCE
from mlrepo.record.run_request import RunRequest
from mlrepo.scenarios import SCENARIOS
from mlrepo.scenarios import scenario as known_scenario
from mlrepo.workloads import Model

# Far beyond any useful value; more would exhaust memory or processes.
_LARGEST_BATCH = 1 << 16
_THREADS_OF_A_CPU = 16
_THREADS_ANYWHERE = 64


def most_threads() -> int:
    """Return the maximum number of threads that may be requested on this machine."""
    return max(_THREADS_ANYWHERE, _THREADS_OF_A_CPU * machine_cpus())


@dataclass(frozen=True)
class RecordedModel:
    """A recorded run's id and model; ``digest`` is the recorded SHA-256 of the model."""

    run: str
    model: Model
    digest: str


@dataclass(frozen=True)
class RecordedInputs(RecordedModel):
    """With ``user.conf`` and its estimates, to be used unchanged."""

    conf: UserConf


@dataclass(frozen=True)
class RecordedConfiguration(RecordedModel):
    """With the platform profile, and the digest of the whole configuration."""

    platform: str
    configuration: str


@dataclass(frozen=True)
class BenchRequest(RunRequest):
    """A request for one LoadGen run.

    Attributes
    ----------
    test:
        The compliance test that the run is, or None.
    replays:
        The recorded run that is repeated, or None.
    completes:
        The recorded run of the same result whose configuration this run has, or None.
    """

    test: PreparedTest | None = None
    replays: RecordedInputs | None = None
    completes: RecordedConfiguration | None = None

    @classmethod
    def of(cls, run: RunRequest) -> BenchRequest:
        """Return the request of a person."""
        return cls(**{one.name: getattr(run, one.name) for one in fields(run)})

    @property
    def recorded(self) -> RecordedModel | None:
        """The recorded run whose model this run has, or None."""
        return self.replays or self.completes

    def checked(self) -> BenchRequest:
        """Return the request with canonical names; raise :class:`UserError` if it is invalid."""
        known = known_scenario(self.scenario)
        scenario = known.name
        if self.mode not in MODES and self.test is None:
            raise UserError(
                f"{self.mode!r} is not a mode.", hint=f"Use one of: {', '.join(MODES)}."
            )
        for flag, value in (
            ("--count", self.count),
            ("--time", self.time),
            ("--qps", self.qps),
            ("--max-latency", self.max_latency),
            ("--max-batchsize", self.max_batch),
            ("--threads", self.threads),
            ("--samples-per-query", self.samples_per_query),
            ("--timeout", self.timeout),
        ):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UserError(
                    f"{flag} must be a positive number, not {value}.",
                    hint="Leave it out for the "
                    "default, which follows the rules of the round or is estimated.",
                )
        self.refuse_too_many()
        if self.qps is not None and known.is_stream:
            raise UserError(
                f"--qps does not apply to {scenario}: LoadGen sends the next query when the last "
                "one is answered.",
                hint="Leave it out, or give the expected latency with --max-latency SECONDS.",
            )
        if self.max_latency is not None and known.at_once:
            raise UserError(
                f"--max-latency does not apply to {scenario}: its only measure is throughput.",
                hint="Leave it out.",
            )
        if self.samples_per_query is not None and known.samples_per_query == 1:
            grouped = [each.name for each in SCENARIOS.values() if each.samples_per_query > 1]
            raise UserError(
                f"--samples-per-query does not apply to {scenario}.",
                hint=f"Only to {', '.join(grouped)}.",
            )
        if self.mode == ACCURACY and self.time is not None:
            raise UserError(
                "--time does not apply to accuracy runs: they judge each sample once.",
                hint="Use --count N to judge only some samples.",
            )
        if self.time is not None and self.time < 1e-3:
            raise UserError(
                f"--time {self.time:g} is less than a millisecond, LoadGen's unit.",
                hint="Give seconds, or use --count N without --time for the shortest run.",
            )
        for tag in self.tags:
            if not tag.strip() or "," in tag or any(ord(char) < 32 for char in tag):
                raise UserError(
                    f"--tag {tag!r} is empty or holds a comma or a control character.",
                    hint="A tag is a word; give --tag again for each further one.",
                )
        return replace(self, scenario=scenario)

    def refuse_too_many(self) -> BenchRequest:
        """Return the request; raise :class:`UserError` for numbers too large for any machine.

        They are typed, or come from a repository's ``tuned.json``.
        """
        for flag, number, most in (
            ("--threads", self.threads, most_threads()),
            ("--max-batchsize", self.max_batch, _LARGEST_BATCH),
        ):
            if number is not None and number > most:
                raise UserError(
                    f"{flag} {number} is more than {most}.",
                    hint="So many would end the run for want of memory; leave it out for the "
                    "default.",
                )
        return self

    def loadgen_settings(self, model: str) -> dict[str, str]:
        """Return the settings of the flags, by full LoadGen key.

        ``model`` is what LoadGen calls the benchmark in most scenarios.
        """
        found: dict[str, str] = {}
        if self.count is not None:
            if self.mode == ACCURACY:
                found["accuracy_sample_count_override"] = str(self.count)
            else:
                found["min_query_count"] = str(self.count)
        if self.time is not None:
            found["min_duration"] = str(round(self.time * 1e3))
        if self.qps is not None:
            found["target_qps"] = f"{self.qps:.10g}"
        if self.max_latency is not None:
            found["target_latency"] = f"{self.max_latency * 1e3:.10g}"
        if self.samples_per_query is not None:
            found["samples_per_query"] = str(self.samples_per_query)
        for key, value in self.extra.items():
            name = self._name_of(key, model)
            if found.setdefault(name, value) != value:
                raise UserError(
                    f"--set {key}={value} contradicts another option: {name} = {found[name]}.",
                    hint="Give one of them.",
                )
        place = ".".join(self.loadgen_names(model))
        settings = {f"{place}.{name}": value for name, value in found.items()}
        for key, value in settings.items():
            check_setting(key, value, "command line")
        return settings

    def _shortest(
        self, conf: UserConf, typed: Mapping[str, str], model: str, scenario: str
    ) -> dict[str, str]:
        """Return the setting that ends a run after ``--count`` queries, whatever its duration.

        A minimum duration of the user's own, in an option or a file, is left alone.
        """
        key = f"{model}.{scenario}.min_duration"
        own = key in typed or conf.effective(model, scenario, "min_duration") is not None
        return {} if self.count is None or self.mode == ACCURACY or own else {key: "0"}

    def loadgen_names(self, model: str) -> tuple[str, str]:
        """Return LoadGen's names of the benchmark in this scenario, and of the scenario."""
        known = SCENARIOS[self.scenario]
        return known.loadgen_model(model), known.loadgen

    def _name_of(self, key: str, model: str) -> str:
        """Return the last part of a ``--set`` key; refuse a full key for another run."""
        *place, name = key.rsplit(".", 2)
        if name == "mode":
            raise UserError("The mode of a run is not one of its settings.", hint="Use --mode.")
        if len(place) == 1:
            raise UserError(f"{key!r} is not model.scenario.key.", hint=f"Give {name} alone.")
        names = self.loadgen_names(model)
        if place and any(one not in (name, "*") for one, name in zip(place, names, strict=True)):
            raise UserError(
                f"--set {key} does not apply to {model} {self.scenario}.",
                hint=f"Give {name} alone, or write it into a user.conf that several runs share.",
            )
        return name

    def compose_user_conf(
        self,
        model: str,
        base: Path | None,
        names: Names | None = None,
        benchmark: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[UserConf, str]:
        """Return the run's ``user.conf`` and the file it is based on ('' for none).

        ``--user-conf`` wins over ``base``, the system's own file for the round; ``names`` are the
        names under which it may have settings for the run. ``benchmark`` are the settings that the
        benchmark itself has, by key; all others replace them.
        """
        if self.test is not None:
            return self.test.conf, f"runs/{self.test.reference[PERFORMANCE]}/user.conf"
        if self.replays is not None:
            return self.replays.conf, f"runs/{self.replays.run}/user.conf"
        file = self.user_conf or base
        conf = UserConf("", {})
        called, scenario = self.loadgen_names(model)
        if file is not None:
            conf = fitted(read_user_conf(file), names or Names("", called), scenario, str(file))
        typed = self.loadgen_settings(model)
        typed |= self._shortest(conf, typed, called, scenario)
        notes = [*conf.notes, *overruled(conf, typed, str(file))]
        if self.user_conf and conf.values and not conf.has_lines_for(scenario):
            notes.append(f"{file}: no line of it is for {scenario}.")
        conf = conf.with_lines("set on the command line", typed)
        own = {
            f"{called}.{scenario}.{key}": value
            for key, value in benchmark.items()
            if conf.effective(called, scenario, key) is None
        }
        conf = conf.with_lines("of the benchmark, which LoadGen's mlperf.conf does not have", own)
        return replace(conf, notes=tuple(notes)), str(file or "")
