"""The form of a round's data file, ``data/vX.Y.json``.

Tables are keyed by the official names of benchmarks unless stated otherwise; ``*`` is all others.
A table is null if the round's checker has none; tables that are then never read (files of power
results in rounds without power) are typed as if they were always there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class ScenarioLists(TypedDict):
    """The scenarios of a benchmark in a category; None if the category does not have it."""

    required: list[str] | None
    optional: list[str]


class LeastAccuracy(TypedDict):
    """The minimum of a metric for a closed result."""

    metric: str
    min: float


class MostAccuracy(TypedDict):
    """The maximum of a metric."""

    metric: str
    max: float


class OfflineSamples(TypedDict):
    """The minimum number of samples in an Offline run's query."""

    default: int
    per_model: dict[str, int] | None


class RequiredFiles(TypedDict):
    """The names of the files in each kind of directory."""

    performance: list[str]
    performance_optional: list[str]
    accuracy: list[str]
    measurements: list[str]
    power_run: list[str]
    power_dir: list[str]
    power_measurements_regex: list[str]
    compliance_performance: list[str]
    test01_accuracy_if_pass: list[str]
    test01_accuracy_if_fail: list[str]
    always_optional: list[str]


class FileLimits(TypedDict):
    """The maximum sizes of files."""

    accuracy_log_max_bytes: int
    file_max_mb: int | None


class EndpointsTables(TypedDict):
    """The tables for results measured over an HTTP endpoint."""

    allowed_models: list[str]
    compliance_mapping: dict[str, str]
    json_alt_paths: dict[str, str]
    field_map: dict[str, str]
    yaml_field_map: dict[str, str]
    test09_mean_output_tokens: list[float]


class RoundTables(TypedDict, total=False):
    """A data file. Times are in the unit of their name, accuracies in the metric's unit."""

    schema: str
    version: str
    source: dict[str, str]
    models: list[str]
    # The official name by a directory name.
    model_aliases: dict[str, str]
    # By category (datacenter, edge, datacenter-edge) and benchmark.
    scenarios: dict[str, dict[str, ScenarioLists] | None]
    accuracy_target: dict[str, dict[str, list[LeastAccuracy]]]
    accuracy_upper_limit: dict[str, list[MostAccuracy]]
    # How much a compliance test's accuracy may differ: by benchmark and metric; by a part of the
    # benchmark's name.
    accuracy_delta_percent: dict[str, dict[str, float]]
    accuracy_delta_percent_default: dict[str, float] | None
    accuracy_pattern: dict[str, str]
    performance_sample_count_min: dict[str, int]
    accuracy_sample_count: dict[str, int | dict[str, int]] | None
    dataset_size: dict[str, int] | None
    seeds: dict[str, int]
    test05_seeds: dict[str, int] | None
    ignored_loadgen_errors: list[str]
    # By benchmark and scenario.
    latency_limit_ns: dict[str, dict[str, int]]
    # By benchmark, scenario (not in the first rounds with limits) and latency.
    llm_latency_limit_ns: dict[str, dict[str, Any]] | None
    min_queries: dict[str, dict[str, int]]
    offline_min_samples_per_query: OfflineSamples
    min_duration_ms: int
    early_stopping_scenarios: list[str]
    performance_runs: dict[str, int]
    # LoadGen's key of the result of each scenario.
    result_field: dict[str, str]
    result_field_source: str
    result_field_per_model: dict[str, dict[str, str]]
    result_field_endpoints: dict[str, str]
    units: dict[str, str] | None
    units_per_model: dict[str, dict[str, str]] | None
    power_units: dict[str, str]
    summary_columns: list[str]
    divisions: list[str]
    availabilities: list[str]
    system_types: list[str]
    system_desc_required: list[str]
    system_desc_optional_known: list[str] | None
    system_desc_power_fields: list[str]
    system_desc_network_fields: list[str]
    system_desc_nonempty: list[str]
    measurements_required: list[str]
    required_files: RequiredFiles
    # Directories of files by name, for benchmarks whose accuracy run has images or videos.
    extra_accuracy_files: dict[str, dict[str, list[str]] | None]
    limits: FileLimits
    paths: dict[str, str | None] | None
    endpoints: EndpointsTables
    # By benchmark, in the first rounds also by scenario.
    compliance_tests: dict[str, list[str] | dict[str, list[str]]]
    # By division.
    equal_issue_required: dict[str, list[str]]
    # A path with names in braces for each kind of directory.
    layout: dict[str, str]
    # See :mod:`mlrepo.rounds.setting_classes`.
    settings: Mapping[str, Mapping[str, Any]]
    traits: Mapping[str, object]
