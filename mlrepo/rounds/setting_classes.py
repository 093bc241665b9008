"""Classify each LoadGen setting by what a round lets a performance run choose.

Sources: ``inference_rules.adoc`` of mlcommons/inference_policies (the table of scenarios, "QSL
size", "Relaxed constraints for the Open division"), the ``mlperf.conf`` of each LoadGen, and
``TestSettings::FromConfig`` in loadgen/test_settings_internal.cc of mlcommons/inference. Where all
three are silent, 35,000 published performance runs of v1.0 to v6.0 decide: a setting in which
accepted results differ is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.rounds.round import NUMBER_OF_STREAMS
from mlrepo.rounds.setting_table import FORBIDDEN, FREE, MAXIMUM, MINIMUM, PRESCRIBED
from mlrepo.scenarios import LOADGEN_SCENARIOS, Scenario

_PLACES = ("loadgen/mlperf.conf", "mlperf.conf")  # up to v4.1 it was not part of LoadGen
_LARGEST_SOURCE = 1 << 20
_CLOSED = {"divisions": ["closed", "network"]}
_FREE: Mapping[str, object] = {"class": FREE}
_NS_PER_MS = 1_000_000


def classes_in(
    checkout: Path, early_stopping: Sequence[str], result_fields: Mapping[str, str]
) -> dict[str, object] | None:
    """Return the table ``settings`` of a round; None if the checkout has no ``mlperf.conf``.

    Parameters
    ----------
    checkout:
        Root of a checkout of mlcommons/inference.
    early_stopping:
        The scenarios in which LoadGen itself decides how many queries are enough.
    result_fields:
        LoadGen's key of the result of each scenario.

    Returns
    -------
    By LoadGen's key: ``logged``, the line of the detail log that shows it; ``scale``, the factor
    from ``user.conf``'s unit to the log's; and by scenario (``*``: all others) the class with its
    value, in the log's unit. ``table`` names the round's table that has the value; ``per_model``
    has the values of models by LoadGen's name; ``divisions`` are those for which it is binding,
    all if absent.

    Raises
    ------
    UserError
        The ``mlperf.conf`` cannot be read.
    """
    for place in _PLACES:
        path = checkout / place
        if path.is_file() and path.stat().st_size <= _LARGEST_SOURCE:
            try:
                return _classes(
                    _lines(path.read_text(encoding="utf-8")), early_stopping, result_fields
                )
            except (OSError, ValueError, KeyError) as error:
                raise UserError(
                    f"{path} cannot be read: {error!r}.", hint="Check out the revision again."
                ) from error
    return None


def _lines(text: str) -> dict[tuple[str, str, str], float]:
    """Return the values of an ``mlperf.conf`` by model, scenario and key."""
    found: dict[tuple[str, str, str], float] = {}
    for line in text.splitlines():
        words = line.split()
        name = words[0].rsplit(".", 2) if words else []
        if len(words) >= 3 and words[1] == "=" and len(name) == 3:
            found[name[0], name[1], name[2]] = float(words[2])
    return found


def _classes(
    conf: Mapping[tuple[str, str, str], float], early: Sequence[str], results: Mapping[str, str]
) -> dict[str, object]:
    def models(key: str) -> dict[str, int]:
        """Return the models for which the file sets ``key`` to 1, in any scenario."""
        return {model: 1 for (model, _, name), value in conf.items() if (name, value) == (key, 1)}

    def percentile(scenario: str) -> dict[str, object]:
        key = "target_latency_percentile"
        per_model = {
            model: round(value / 100, 9)
            for (model, where, name), value in conf.items()
            if (where, name) == (scenario, key) and model != "*"
        }
        least = round(conf["*", scenario, key] / 100, 9)
        return {"class": MINIMUM, "value": least, "per_model": per_model} | {"below": 1}

    timed = (name for name, each in LOADGEN_SCENARIOS.items() if not each.at_once)
    seed: Mapping[str, object] = {"*": {"class": PRESCRIBED, "table": "seeds"}}
    off = {"*": {"class": FORBIDDEN, "value": 0}}
    found: dict[str, Mapping[str, object]] = {
        "scenario": {"logged": "effective_scenario", "*": _FREE},
        "mode": {"logged": "effective_test_mode", "*": {"class": FORBIDDEN}},
        "target_latency_percentile": {
            "scale": 0.01,
            **_where(lambda each: each.at_once, _FREE),
            **{name: percentile(name) for name in timed},
        },
        "samples_per_query": {
            **{
                name: _samples_per_query(conf, name, results.get(name, ""))
                for name in _where(lambda each: each.samples_per_query > 1, _FREE)
            },
            "*": _FREE,
        },
        "target_latency": {
            "logged": "effective_target_latency_ns",
            "scale": _NS_PER_MS,
            "*": _FREE,
            **_where(
                lambda each: each.bounded,
                {"class": MAXIMUM, "table": "latency_limit_ns", **_CLOSED},
            ),
        },
        "min_duration": {
            "logged": "effective_min_duration_ms",
            "*": {"class": MINIMUM, "table": "min_duration_ms"},
        },
        "min_query_count": {
            "*": {"class": MINIMUM, "table": "min_queries"},
            **_where(
                lambda each: each.at_once,
                {
                    "class": MINIMUM,
                    "table": "offline_min_samples_per_query",
                    "logged": "effective_samples_per_query",
                },
            ),
            **dict.fromkeys(early, _FREE),
        },
        "performance_sample_count_override": {
            "logged": "effective_performance_sample_count",
            "*": {"class": MINIMUM, "table": "performance_sample_count_min"},
        },
        "performance_issue_unique": off,
        "performance_issue_same": off,
        "accuracy_log_rng_seed": off,
        "accuracy_log_sampling_target": off,
        "accuracy_log_probability": off,
        **dict.fromkeys(("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"), seed),
        **{key: {"logged": "", **off} for key in _TEST05},
        "use_token_latencies": {
            "logged": "requested_use_token_latencies",
            "*": {
                "class": PRESCRIBED,
                "value": 0,
                "per_model": models("use_token_latencies"),
                **_CLOSED,
            },
        },
        "sample_concatenate_permutation": {
            "*": {
                "class": PRESCRIBED,
                "value": 0,
                "per_model": models("sample_concatenate_permutation"),
                **_CLOSED,
            },
        },
        "infer_token_latencies": {
            "logged": "",
            "*": {
                "class": PRESCRIBED,
                "value": 0,
                "per_model": models("infer_token_latencies"),
                **_CLOSED,
            },
        },
        **{
            f"{name}_latency": {
                "logged": f"requested_server_{name}_latency",
                "scale": _NS_PER_MS,
                "*": _FREE,
                **_where(
                    lambda each: each.bounded,
                    {
                        "class": MAXIMUM,
                        "table": "llm_latency_limit_ns",
                        "part": name,
                        **_CLOSED,
                    },
                ),
            }
            for name in ("ttft", "tpot")
        },
        **{key: {"logged": logged, "*": _FREE} for key, logged in _FREE_KEYS.items()},
    }
    return {key: {"logged": f"effective_{key}", **found[key]} for key in sorted(found)}


def _where(holds: Callable[[Scenario], bool], entry: Mapping[str, object]) -> dict[str, object]:
    """Return the entry for each of LoadGen's scenarios that meets a condition."""
    return {name: entry for name, each in LOADGEN_SCENARIOS.items() if holds(each)}


def _samples_per_query(
    conf: Mapping[tuple[str, str, str], float], scenario: str, result: str
) -> Mapping[str, object]:
    """Return the class of a query's sample count, which is the result in the oldest rounds.

    ``result`` is LoadGen's key of the scenario's result.
    """
    if result in NUMBER_OF_STREAMS:
        return _FREE
    samples = int(conf["*", scenario, "samples_per_query"])
    return {"class": PRESCRIBED, "value": samples, **_CLOSED}


_TEST05 = (
    "test05",
    "test05_qsl_rng_seed",
    "test05_sample_index_rng_seed",
    "test05_schedule_rng_seed",
)
# With the line of the detail log that shows them. LoadGen itself calls a run INVALID that
# max_async_queries ends early, or that has too few queries by max_query_count; max_duration is
# compared with min_duration (`performance-max-duration`). Late queries that LoadGen coalesces keep
# their own latencies: 2,170 of 2,917 published closed Server runs do so.
_FREE_KEYS = {
    "target_qps": "effective_target_qps",
    "coalesce_queries": "requested_server_coalesce_queries",
    "max_async_queries": "effective_max_async_queries",
    "max_duration": "effective_max_duration_ms",
    "max_query_count": "effective_max_query_count",
    "performance_issue_same_index": "effective_performance_issue_same_index",
    "accuracy_sample_count_override": "effective_accuracy_sample_count",
    "print_timestamps": "effective_print_timestamps",
    "token_latency_scaling_factor": "",
    # LoadGen computes these from the others.
    "target_duration": "effective_target_duration_ms",
    "min_sample_count": "effective_min_sample_count",
}
