"""The rules of each round as data files, and pure look-ups in them.

``data/vX.Y.json`` holds the tables of the official submission checker of that round
(mlcommons/inference, Apache-2.0; the file's ``source`` names the revision).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.scenarios import LOADGEN_SCENARIOS, SCENARIOS

if TYPE_CHECKING:
    from mlrepo.record import Metric

SCHEMA = "mlrepo-rules/1"
# Where a results repository keeps the rules of its own rounds.
FOLDER = "rounds"
# Not by importlib.resources: importing it takes a commit longer than reading the file.
_SHIPPED = Path(__file__).parent / "data"
_FILE_NAME = re.compile(r"v[0-9]+\.[0-9]+\.json")
# Nanoseconds in each unit of latencies.
_NANOSECONDS = {"ms": 1e6, "s": 1e9}
LATENCY_UNITS = tuple(_NANOSECONDS)
_RATES = ("samples/s", "queries/s")
# Units are in the checkers' tables since v1.1; the rounds before measured the same.
_OLDEST_UNITS = {
    "SingleStream": "Latency (ms)",
    "MultiStream": "Streams",
    "Offline": "Samples/s",
    "Server": "Queries/s",
}


@dataclass(frozen=True)
class Place:
    """The names that a path in a round's layout is made of."""

    division: str
    submitter: str
    system: str
    benchmark: str
    scenario: str = ""


@dataclass(frozen=True)
class Round:
    """One round of MLPerf Inference.

    Attributes
    ----------
    name:
        Such as ``v6.1``.
    tables:
        The round's data file.
    """

    name: str
    tables: Mapping[str, Any]

    @functools.cached_property
    def version(self) -> tuple[int, int]:
        """Return the name as two numbers, so that rounds compare."""
        major, minor = self.name[1:].split(".")
        return int(major), int(minor)

    def official_benchmark(self, benchmark: str) -> str:
        """Return the official name behind a directory name (``resnet50`` is ``resnet``), or ''."""
        if benchmark in self.tables["models"]:
            return benchmark
        return str(self.tables["model_aliases"].get(benchmark, ""))

    def allows(self, division: str, category: str, benchmark: str, scenario: str) -> bool:
        """Say whether a result of this benchmark and scenario may stand in the division.

        The open division takes any model (custom names need a model mapping at submission);
        the others take what the category requires or allows.
        """
        if division == "open":
            return True
        required, optional = self.scenario_rules(category, benchmark) or ((), ())
        return scenario in (*required, *optional)

    def scenario_rules(
        self, category: str, benchmark: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """Return the scenarios that are required and allowed besides, None for no such benchmark.

        v0.5 has no categories: it requires none and allows all.
        """
        if not self.has_categories():
            return (), tuple(LOADGEN_SCENARIOS)
        both = "datacenter-edge" if "," in category else category
        table = self.tables["scenarios"].get(both) or {}
        entry = table.get(self.official_benchmark(benchmark) or benchmark) or {}
        if entry.get("required") is None:
            return None
        return tuple(entry["required"]), tuple(entry.get("optional") or ())

    def has_categories(self) -> bool:
        """Say whether the round sorts systems into categories (v0.7 and later)."""
        return any(self.tables["scenarios"].values())

    def compliance_tests(self, benchmark: str, scenario: str) -> tuple[str, ...]:
        """Return the compliance tests of a benchmark in a scenario, in the checker's order."""
        tests = self.tables["compliance_tests"].get(self.official_benchmark(benchmark)) or []
        return tuple(tests.get(scenario, ()) if isinstance(tests, Mapping) else tests)

    def scenarios_of(self, category: str, benchmark: str) -> tuple[str, ...]:
        """Return the scenarios that the category requires of a benchmark; may be empty."""
        required, _ = self.scenario_rules(category, benchmark) or ((), ())
        return required

    def test05_seeds(self) -> dict[str, int]:
        """Return the seeds that TEST05 runs with by name; empty where the round has no TEST05."""
        return dict(self.tables.get("test05_seeds") or {})

    def has_detail_log(self) -> bool:
        """Say whether its results stand in a detail log as today's LoadGen writes (since v1.0)."""
        return " " not in str(self.tables["result_field"]["Offline"])

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

        The one place where a number of LoadGen gets a unit: latencies in milliseconds, or in
        seconds where the round counts a benchmark so; tokens where tokens were counted.
        """
        from mlrepo.record import Metric  # most of what asks for a round makes no record

        value = None if raw is None else self.result_in_unit(benchmark, scenario, raw)
        return Metric(value, self.unit(benchmark, scenario))

    def result_in_unit(self, benchmark: str, scenario: str, raw: float) -> float:
        """Return the result as printed: nanoseconds in the unit of latencies, rates as they are."""
        return raw / _NANOSECONDS.get(self.unit(benchmark, scenario), 1)

    def unit(self, benchmark: str, scenario: str) -> str:
        """Return the unit of the result: ``samples/s``, ``queries/s``, ``tokens/s``, ``ms``…

        A benchmark that the round does not have has the unit of most. Up to v4.1 and for some
        benchmarks since, the official tables have another unit than the key of LoadGen: what
        LoadGen counts is right.
        """
        own = (self.tables.get("units_per_model") or {}).get(self.official_benchmark(benchmark))
        units = self.tables.get("units") or _OLDEST_UNITS
        text = str((own or {}).get(scenario) or units.get(scenario, "")).lower()
        if text in _RATES and self.has_detail_log():
            counts_tokens = "tokens_per_second" in self.result_key(benchmark, scenario)
            text = "tokens/s" if counts_tokens else text
        return text.removeprefix("latency (").removesuffix(")")

    def lower_is_better(self, benchmark: str, scenario: str) -> bool:
        """Say whether a smaller result is the better one."""
        known = SCENARIOS.get(scenario)
        is_latency = self.unit(benchmark, scenario) in LATENCY_UNITS
        return known is not None and known.lower_is_better and is_latency

    def min_duration_ms(self) -> int:
        """Return the shortest performance run that the round accepts, in milliseconds."""
        return int(self.tables["min_duration_ms"])

    def min_offline_samples(self, benchmark: str) -> int:
        """Return how many samples the query of an Offline run must have (official names)."""
        table = self.tables["offline_min_samples_per_query"]
        return int((table.get("per_model") or {}).get(benchmark, table["default"]))

    def seeds(self) -> dict[str, int]:
        """Return LoadGen's seeds of the round by name (``qsl_rng_seed``, …)."""
        return dict(self.tables["seeds"])

    def accuracy_targets(self, benchmark: str, scenario: str) -> list[Mapping[str, Any]]:
        """Return ``{"metric", "min"}`` per metric that a closed result must reach; may be empty."""
        by_scenario = self.tables["accuracy_target"].get(self.official_benchmark(benchmark)) or {}
        return list(by_scenario.get(scenario) or by_scenario.get("*") or [])

    def accuracy_patterns(self, benchmark: str, scenario: str) -> dict[str, str]:
        """Return the pattern of each metric that an accuracy text of the benchmark has, in order.

        They are all patterns of the round where it has no bounds for the benchmark.
        """
        patterns: Mapping[str, str] = self.tables["accuracy_pattern"]
        limits = self.tables.get("accuracy_upper_limit") or {}
        bounds = [
            *self.accuracy_targets(benchmark, scenario),
            *(limits.get(self.official_benchmark(benchmark)) or ()),
        ]
        own = dict.fromkeys(bound["metric"] for bound in bounds)
        return {metric: patterns[metric] for metric in own or patterns}

    def accuracy_samples(self, model: str, scenario: str) -> int | None:
        """Return how many samples an accuracy run covers; None where the round names no number."""
        counts = self.tables.get("accuracy_sample_count") or {}
        count = counts.get(model, (self.tables.get("dataset_size") or {}).get(model))
        return count.get(scenario) if isinstance(count, Mapping) else count

    def result_directory(self, place: Place) -> RepoPath:
        """Return the directory of one result."""
        return self._path("results", place)

    def run_directory(self, place: Place, mode: str) -> RepoPath:
        """Return where the logs of a performance or accuracy run stand."""
        result = self.result_directory(place)
        if mode == "accuracy":
            return result / "accuracy"
        run = str(self.tables["layout"]["performance"]).replace("{1..N}", "1")
        return RepoPath.parse(f"{result}/{run}")

    def test_directory(self, place: Place, test: str) -> RepoPath:
        """Return where the files of a compliance test stand."""
        return self._path("compliance", place, test)

    def measurements_directory(self, place: Place) -> RepoPath:
        """Return where ``user.conf``, ``README.md`` and the measurements file stand."""
        return self._path("measurements", place)

    def measurements_file(self, place: Place) -> RepoPath:
        """Return the path of the measurements JSON file."""
        name = str(self.tables["layout"]["measurements_json"])
        if "*" in name:
            name = f"{place.system}_{place.scenario}.json"
        return self.measurements_directory(place) / name

    def code_readme(self, place: Place) -> RepoPath:
        """Return the README of the code that a benchmark was run with."""
        layout = str(self.tables["layout"]["code"])
        directory = self._path("code", place)
        return (directory if "{model}" in layout else directory / place.benchmark) / "README.md"

    def system_file(self, place: Place) -> RepoPath:
        """Return the path of the system description in the layout."""
        return self._path("systems", place)

    def system_fields(self) -> tuple[str, ...]:
        """Return the fields that a system description must have, in the checker's order."""
        return tuple(self.tables["system_desc_required"])

    def system_nonempty_fields(self) -> frozenset[str]:
        """Return the fields that must not be empty (v3.1 and later; empty set before)."""
        return frozenset(self.tables.get("system_desc_nonempty") or ())

    def system_further_fields(self) -> tuple[str, ...]:
        """Return the fields that only power and network results need."""
        tables = ("system_desc_power_fields", "system_desc_network_fields")
        return tuple(field for name in tables for field in self.tables.get(name) or ())

    def _path(self, kind: str, place: Place, test: str = "") -> RepoPath:
        return RepoPath.parse(
            str(self.tables["layout"][kind]).format(
                division=place.division,
                submitter=place.submitter,
                system=place.system,
                model=place.benchmark,
                scenario=place.scenario,
                TEST=test,
            )
        )


class Rounds:
    """The rounds that there are rules for: those that come with mlrepo, and a repository's own.

    Iteration and ``in`` go by names, oldest first; ``rounds["v6.1"]`` reads one round's data file,
    once. Nothing is read before it is asked for.

    Parameters
    ----------
    folder:
        Holds data files of rounds that mlrepo does not ship; None or an absent one has none. A
        file in it never takes the place of a shipped round: :meth:`note` says so.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._read: dict[str, Round] = {}

    @classmethod
    def of_repository(cls, root: Path) -> Self:
        """Return the rounds of the results repository whose working tree is ``root``."""
        return cls(root / FOLDER)

    def __getitem__(self, name: str) -> Round:
        """Return the round ``name`` (``v6.1``).

        Raises
        ------
        UserError
            There is no data for the round, or its file in the folder cannot be read.
        """
        if name not in self._read:
            if name not in self:
                raise UserError(
                    f"There are no rules for the round {name!r}.",
                    hint=f"Known rounds: {', '.join(self)}.",
                )
            self._read[name] = Round(name, _read(self._files[name]))
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def is_own(self, name: str) -> bool:
        """Say whether the rules of a round are the folder's, not mlrepo's."""
        return name in self and self._files[name].parent != _SHIPPED

    def note(self, name: str) -> str:
        """Say whose rules decide, where the folder has a file of the round; else ''."""
        if self.folder is None or name not in _files_in(self.folder):
            return ""
        file = f"{self.folder.name}/{name}.json"
        if not self.is_own(name):
            return f"{file} is ignored: the rules of {name} are those that come with mlrepo."
        return f"The rules of {name} are this repository's own, from {file}."

    @functools.cached_property
    def _files(self) -> Mapping[str, Path]:
        own = {} if self.folder is None else _files_in(self.folder)
        found = {**own, **_files_in(_SHIPPED)}
        return {name: found[name] for name in sorted(found, key=_numbers)}


def _files_in(folder: Path) -> dict[str, Path]:
    """Return the data files in a folder by the name of their round."""
    if not folder.is_dir():
        return {}
    return {
        file.name.removesuffix(".json"): file
        for file in folder.iterdir()
        if _FILE_NAME.fullmatch(file.name)
    }


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(map(int, name[1:].split(".")))


def _read(file: Path) -> Mapping[str, Any]:
    try:
        tables = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The rules in {file} cannot be read: {error}.") from error
    if not isinstance(tables, dict) or tables.get("schema") != SCHEMA:
        raise UserError(
            f"{file} is not a round's data file of schema {SCHEMA}.",
            hint="`mlrepo round import` writes such files.",
        )
    return tables


# The rounds that come with mlrepo: for what is about no repository.
SHIPPED = Rounds()
