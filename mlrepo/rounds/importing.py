"""Make a round's data file from the official checker in a checkout of mlcommons/inference.

The checker's Python is parsed, never executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlrepo.errors import UserError
from mlrepo.rounds import SCHEMA, SHIPPED, Round, Rounds, import_map
from mlrepo.rounds import checker_functions as functions
from mlrepo.rounds.checker_source import parse_checker
from mlrepo.rounds.known import BASE
from mlrepo.rounds.python_facts import NotAFact, constants
from mlrepo.rounds.setting_classes import classes_in
from mlrepo.rounds.traits import KEY

_ROUND = re.compile(r"v[0-9]+\.[0-9]+")
# Description fields added in a round; older checkers misspell the name.
_SINCE = re.compile(r"SYSTEM_DESC_REQUIR?ED_FIELDS_SINCE_V([0-9]+)(?:_([0-9]+))?")
_CATEGORIES = ("datacenter", "edge", "datacenter-edge")
_BASE = "{division}/{submitter}"
_PER_RESULT = "{system}/{model}/{scenario}"
# The layout up to v5.1, which the checkers of those rounds assemble in many places in code.
_OLD_LAYOUT = {
    "results": f"{_BASE}/results/{_PER_RESULT}",
    "performance": "performance/run_1",
    "measurements": f"{_BASE}/measurements/{_PER_RESULT}",
    "measurements_json": "{system}*_{scenario}.json or {system}*.json",
    "compliance": f"{_BASE}/compliance/{_PER_RESULT}/{{TEST}}",
    "code": f"{_BASE}/code/{{model}}",
    "systems": f"{_BASE}/systems/{{system}}.json",
}


@dataclass(frozen=True)
class ImportedRound:
    """A round's tables and what the import could not do.

    Attributes
    ----------
    tables:
        The content of the data file.
    missing:
        Keys of the data file that could not be filled, with the reason; they are null.
    unread:
        Constants and keys of the checker that are in no key of the data file: they may contain
        new rules.
    """

    tables: Mapping[str, Any]
    missing: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the round's name, such as ``v6.1``."""
        return str(self.tables["version"])


def begin_round(rounds: Rounds, base: str, name: str) -> ImportedRound:
    """Return a round ``name`` that is the older round ``base`` so far.

    Raises
    ------
    UserError
        There is no such base, or ``name`` is not that of a later round.
    """
    if not _ROUND.fullmatch(name) or rounds[base].version >= Round(name, {}).version:
        raise UserError(
            f"--round {name!r} does not name a round after {base}.", hint="Write it like v6.2."
        )
    return ImportedRound({"schema": SCHEMA, "version": name, BASE: base}, (), ())


def import_round(checkout: Path, name: str = "", ref: str = "") -> ImportedRound:
    """Read the tables of one round.

    Parameters
    ----------
    checkout:
        Root of a checkout of mlcommons/inference.
    name:
        The round; if empty, the newest that the checker knows.
    ref:
        Which revision the checkout is, for the data file's ``source``.

    Raises
    ------
    UserError
        There is no checker that can be parsed, or it does not know the round.
    """
    source = parse_checker(checkout)
    path, trees = source.path, source.trees
    known, refused = constants(trees[0])
    rounds = known.get("MODEL_CONFIG")
    if not isinstance(rounds, dict) or not rounds:
        raise UserError(
            f"{path} has no table MODEL_CONFIG.", hint="It may be newer than this mlrepo."
        )
    name = name or max(rounds, key=_number)
    if not isinstance(rounds.get(name), dict):
        raise UserError(
            f"{path} does not know the round {name!r}.",
            hint=f"It knows {', '.join(sorted(map(str, rounds), key=_number))}.",
        )
    importer = _Importer(name, rounds[name], known, trees)
    try:
        read = importer.tables()
        read["settings"] = (
            classes_in(checkout, read["early_stopping_scenarios"] or (), read["result_field"] or {})
            or importer.inherited_settings()
        )
        read[KEY] = {**importer.inherited_traits(), Round.checker.name: source.program}
    except (TypeError, AttributeError, LookupError, ValueError) as error:
        raise UserError(
            f"The tables of {name} in {path} have an unknown shape: {error}.",
            hint="The checker may be newer than this mlrepo.",
        ) from error
    origin = {"repo": "mlcommons/inference", "ref": ref, "path": path}
    tables = {"schema": SCHEMA, "version": name, "source": origin, **read}
    return ImportedRound(tables, tuple(importer.missing), (*importer.unread(), *refused))


def _number(name: object) -> tuple[int, ...]:
    return tuple(int(part) for part in str(name).removeprefix("v").split(".") if part.isdigit())


class _Importer:
    """Fill the keys of one data file, and record what was used and what was missing."""

    def __init__(
        self, name: str, base: dict[str, Any], known: dict[str, Any], trees: functions.Trees
    ) -> None:
        self._name, self._base, self._known, self._trees = name, base, known, trees
        self._used = {"MODEL_CONFIG"}
        self._used_keys: set[str] = set()
        self.missing: list[str] = []

    def tables(self) -> dict[str, Any]:
        """Return the content of the data file except its head."""
        models = sorted(self._base.get("models") or [])
        self._used_keys.add("models")
        result: dict[str, Any] = {"models": models}
        result |= {key: self._own(key, source) for key, source in import_map.OWN.items()}
        result |= {key: self._constant(key, *names) for key, names in import_map.CONSTANTS.items()}
        result["scenarios"] = {category: self._scenarios(category) for category in _CATEGORIES}
        targets = self._own("accuracy_target", "accuracy-target") or {}
        result["accuracy_target"] = {model: _targets(value) for model, value in targets.items()}
        limits = self._own("accuracy_upper_limit", "accuracy-upper-limit") or {}
        result["accuracy_upper_limit"] = {m: _pairs(v, "max") for m, v in limits.items()}
        result["system_desc_required"] = self._system_fields()
        result |= self._results()
        result |= self._from_functions(models)
        result["required_files"] |= {
            key: self._constant(f"required_files.{key}", source)
            for key, source in import_map.REQUIRED_FILES.items()
        }
        result["limits"] = {
            "accuracy_log_max_bytes": self._constant("limits", "MAX_ACCURACY_LOG_SIZE"),
            "file_max_mb": self._constant("limits.file_max_mb", "FILE_SIZE_LIMIT_MB"),
        }
        extra = self._constant("extra_accuracy_files", "REQUIRED_ACC_BENCHMARK") or {}
        result["extra_accuracy_files"] = {m: by.get(self._name) for m, by in extra.items()}
        queries = "offline_min_samples_per_query"
        result[queries] = {
            "default": self._constant(queries, "OFFLINE_MIN_SPQ"),
            "per_model": self._constant(f"{queries}.per_model", "OFFLINE_MIN_SPQ_SINCE_V4"),
        }
        result["paths"] = paths = self._paths()
        result["layout"] = _layout(paths) if paths else dict(_OLD_LAYOUT)
        if not any(result["scenarios"].values()):
            result["system_types"] = None  # v0.5 has no system categories
        runs = functions.performance_runs(self._trees, self._name)
        if max(runs.values()) > 1:
            result["layout"]["performance"] = "performance/run_{1..N}"
        return result | {"performance_runs": runs}

    def unread(self) -> list[str]:
        """Return the constants, keys and lists of models that the data file does not use.

        The reason follows the name, where it is known.
        """
        keys = [f"MODEL_CONFIG[{self._name}][{k}]" for k in self._base if k not in self._used_keys]
        names = sorted(n for n in self._known if n not in self._used)
        lists = functions.unread_model_lists(self._trees, self._base.get("models") or ())
        return keys + [
            f"{name}: {why}" if (why := import_map.NOT_MAPPED.get(name)) else name
            for name in [*names, *lists]
        ]

    def inherited_settings(self) -> Mapping[str, object]:
        """Return the previous round's classes, for a checkout without mlperf.conf."""
        self.missing.append("settings: there is no mlperf.conf; the previous round's are used")
        return SHIPPED.newest_up_to(self._name).tables["settings"]

    def inherited_traits(self) -> Mapping[str, object]:
        """Return the traits of the newest round up to this one: they are in code, not in tables."""
        before = SHIPPED.newest_up_to(self._name)
        if before.name != self._name:
            self.missing.append(
                f"{KEY}: they are in no table of the checker; those of {before.name} are used"
            )
        traits: Mapping[str, object] = before.tables[KEY]
        return traits

    def _own(self, key: str, source: str) -> Any:
        self._used_keys.add(source)
        if source not in self._base:
            self._lacks(key, f"MODEL_CONFIG has no {source!r}")
        return self._base.get(source, import_map.ABSENT.get(key))

    def _constant(self, key: str, *names: str) -> Any:
        self._used.update(names)
        for name in names:
            if name in self._known:
                return self._known[name]
        self._lacks(key, f"there is no {names[0]}")
        return import_map.ABSENT.get(key.partition(".")[0])

    def _lacks(self, key: str, why: str) -> None:
        """Record a key that could not be filled, unless the previous round lacks it, too."""
        held: Any = SHIPPED.newest_up_to(self._name).tables
        for part in key.split("."):
            held = held.get(part) if isinstance(held, dict) else None
        if key not in import_map.OPTIONAL and held and held != import_map.ABSENT.get(key):
            self.missing.append(f"{key}: {why}")

    def _scenarios(self, category: str) -> dict[str, object] | None:
        sources = [f"{word}-scenarios-{category}" for word in ("required", "optional")]
        self._used_keys.update(sources)
        if not any(source in self._base for source in sources):
            if category != _CATEGORIES[-1]:  # the first rounds have no datacenter-edge systems
                self.missing.append(f"scenarios: MODEL_CONFIG has no {sources[0]!r}")
            return None
        required, optional = (self._base.get(source) or {} for source in sources)
        return {
            model: {"required": required.get(model), "optional": optional.get(model) or []}
            for model in sorted({*required, *optional})
        }

    def _system_fields(self) -> list[str] | None:
        """Return the fields of every description, including those that later rounds added."""
        fields: list[str] | None = self._constant(
            "system_desc_required", "SYSTEM_DESC_REQUIRED_FIELDS"
        )
        for name in sorted(self._known):
            since = _SINCE.fullmatch(name)
            if since and fields is not None:
                self._used.add(name)
                if _number(self._name) >= (int(since[1]), int(since[2] or 0)):
                    fields = [*fields, *self._known[name]]
        return fields

    def _results(self) -> dict[str, object]:
        self._used.add("RESULT_FIELD_NEW")
        by_round = self._known.get("RESULT_FIELD_NEW")
        # The first checkers with a detail log have one table, not one per round.
        fields = _of_round(by_round, self._name)
        source = "mlperf_log_detail.txt key"
        if fields is None:
            source = "mlperf_log_summary.txt label"
            fields = self._constant("result_field", "RESULT_FIELD") if by_round is None else None
            if by_round is not None:
                self.missing.append("result_field: RESULT_FIELD_NEW has no such round")
        own = self._constant("result_field_per_model", "RESULT_FIELD_BENCHMARK_OVERWRITE")
        self._used.add("RESULT_FIELD_ENDPOINTS")
        endpoints = self._known.get("RESULT_FIELD_ENDPOINTS")
        result = {
            "result_field": fields,
            "result_field_source": source,
            "result_field_per_model": _of_round(own, self._name) or {},
            "result_field_endpoints": (endpoints or {}).get(self._name),
        }
        if endpoints is not None:
            of_round = result["result_field_endpoints"]
            result["endpoints"] = self._endpoints() if of_round else None
        return result

    def _endpoints(self) -> dict[str, object]:
        result = {
            key: self._constant(f"endpoints.{key}", source)
            for key, source in import_map.ENDPOINTS.items()
        }
        bounds = [self._constant("endpoints", name) for name in ("TEST09_LOW", "TEST09_HIGH")]
        return result | {"test09_mean_output_tokens": bounds}

    def _from_functions(self, models: list[str]) -> dict[str, object]:
        trees, name, divisions = self._trees, self._name, ("closed", "open", "network")
        optional = self._read("required_files", lambda: functions.always_optional_files(trees))
        return {
            "system_types": self._read("system_types", lambda: functions.system_types(trees)),
            "early_stopping_scenarios": self._read(
                "early_stopping_scenarios", lambda: functions.early_stopping_scenarios(trees, name)
            ),
            "accuracy_delta_percent_default": self._read(
                "accuracy_delta_percent_default", lambda: functions.accuracy_delta_default(trees)
            ),
            "summary_columns": self._read(
                "summary_columns", lambda: functions.summary_columns(trees)
            ),
            "equal_issue_required": self._read(
                "equal_issue_required",
                lambda: functions.equal_issue_models(trees, name, divisions, models),
            ),
            "llm_latency_limit_ns": self._token_limits(models),
            "compliance_tests": self._compliance(models),
            "required_files": {"always_optional": optional},
        }

    def _token_limits(self, models: list[str]) -> Any:
        older = self._known.get("LLAMA2_LATENCY_LIMITS")
        if older is None:
            return self._constant("llm_latency_limit_ns", "LLM_LATENCY_LIMITS")
        self._used.add("LLAMA2_LATENCY_LIMITS")
        held = functions.models_with_token_latencies(self._trees)
        return {model: older for model in models if model in held} or None

    def _compliance(self, models: list[str]) -> Any:
        tests = sorted(key for key in self._base if key.startswith("models_TEST"))
        if not tests:
            return self._read(
                "compliance_tests",
                lambda: functions.compliance_tests(self._trees, self._name, models),
            )
        self._used_keys.update(tests)
        result: dict[str, list[str]] = {}
        for key in tests:
            for model in self._base[key]:
                result.setdefault(model, []).append(key.removeprefix("models_"))
        return result | {model: [] for model in models if model not in result}

    def _read(self, key: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (NotAFact, LookupError) as error:
            self._lacks(key, str(error))
            return import_map.ABSENT.get(key)

    def _paths(self) -> dict[str, object] | None:
        result: dict[str, object] = {}
        for name, table in self._known.items():
            if name.endswith(("_PATH", "_DIR")) and isinstance(table, dict):
                self._used.add(name)
                result[name] = table.get(self._name, table.get("default"))
        return result or None


def _of_round(table: Any, name: str) -> Any:
    """Return a round's part of a table; the whole table if it is not by round."""
    if not isinstance(table, dict):
        return None
    return table.get(name) if any(_ROUND.fullmatch(str(key)) for key in table) else table


def _targets(value: Any) -> dict[str, object]:
    by_scenario = value if isinstance(value, dict) else {"*": value}
    return {scenario: _pairs(pairs, "min") for scenario, pairs in by_scenario.items()}


def _pairs(values: list[Any], bound: str) -> list[dict[str, object]]:
    """Return the checker's ``(metric, number, metric, number, …)`` as one mapping per metric."""
    return [
        {"metric": metric, bound: number}
        for metric, number in zip(values[::2], values[1::2], strict=True)
    ]


def _layout(paths: Mapping[str, Any]) -> dict[str, str]:
    result, _, run = paths["PERFORMANCE_LOG_PATH"].partition("/performance/")
    measurements, _, file = paths["MEASUREMENTS_PATH"].rpartition("/")
    layout = {
        "results": result,
        "performance": f"performance/{run.rpartition('/')[0]}",
        "measurements": measurements,
        "measurements_json": _OLD_LAYOUT["measurements_json"] if "{" in file else file,
        "compliance": paths["COMPLIANCE_PATH"] + "{TEST}",
        "code": paths["SRC_PATH"],
        "systems": paths["SYSTEM_PATH"],
    }
    return {key: path.replace("{benchmark}", "{model}") for key, path in layout.items()}
