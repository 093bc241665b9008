"""Which tables of the official checkers become which keys of a data file, and which none.

The names are those of all rounds' checkers (v0.5 to v6.1); a name may be spelled differently in an
older one.
"""

from __future__ import annotations

from collections.abc import Mapping

# Key in the data file: key in MODEL_CONFIG of the round.
OWN: Mapping[str, str] = {
    "performance_sample_count_min": "performance-sample-count",
    "dataset_size": "dataset-size",
    "seeds": "seeds",
    "ignored_loadgen_errors": "ignore_errors",
    "latency_limit_ns": "latency-constraint",
    "min_queries": "min-queries",
    "model_aliases": "model_mapping",
    "accuracy_delta_percent": "accuracy-delta-perc",
    "accuracy_sample_count": "accuracy-sample-count",
    "test05_seeds": "test05_seeds",
}
# Key in the data file: names of the checker's constant, the newest first.
CONSTANTS: Mapping[str, tuple[str, ...]] = {
    "accuracy_pattern": ("ACC_PATTERN",),
    "min_duration_ms": ("TEST_DURATION_MS",),
    "units": ("UNIT_DICT",),
    "units_per_model": ("SPECIAL_UNIT_DICT",),
    "power_units": ("POWER_UNIT_DICT",),
    "divisions": ("VALID_DIVISIONS",),
    "availabilities": ("VALID_AVAILABILITIES", "VALID_STATUS"),
    "system_desc_optional_known": ("SYSTEM_DESC_OPTIONAL_FIELDS",),
    "system_desc_power_fields": (
        "SYSTEM_DESC_REQUIRED_FIELDS_POWER",
        "SYSTEM_DESC_REQUIED_FIELDS_POWER",
    ),
    "system_desc_network_fields": ("SYSTEM_DESC_REQUIRED_FIELDS_NETWORK_MODE",),
    "system_desc_nonempty": ("SYSTEM_DESC_MEANINGFUL_RESPONSE_REQUIRED_FIELDS",),
    "measurements_required": ("SYSTEM_IMP_REQUIRED_FILES",),
}
REQUIRED_FILES: Mapping[str, str] = {
    "performance": "REQUIRED_PERF_FILES",
    "performance_optional": "OPTIONAL_PERF_FILES",
    "accuracy": "REQUIRED_ACC_FILES",
    "measurements": "REQUIRED_MEASURE_FILES",
    "power_run": "REQUIRED_PERF_POWER_FILES",
    "power_dir": "REQUIRED_POWER_FILES",
    "power_measurements_regex": "REQUIRED_POWER_MEASURE_FILES",
    "compliance_performance": "REQUIRED_COMP_PER_FILES",
    "test01_accuracy_if_pass": "REQUIRED_TEST01_ACC_FILES_1",
    "test01_accuracy_if_fail": "REQUIRED_TEST01_ACC_FILES",
}
ENDPOINTS: Mapping[str, str] = {
    "allowed_models": "ENDPOINTS_ALLOWED_MODELS",
    "compliance_mapping": "ENDPOINTS_COMPLIANCE_MAPPING",
    "json_alt_paths": "ENDPOINTS_JSON_ALT_PATHS",
    "field_map": "ENDPOINTS_MAPPINGS",
    "yaml_field_map": "ENDPOINTS_YAML_FIELD_MAP",
}
# The values for a round whose checker does not have the table yet.
ABSENT: Mapping[str, object] = {
    "accuracy_delta_percent": {},
    "latency_limit_ns": {},
    "min_queries": {},
    "system_desc_power_fields": [],
    "system_desc_network_fields": [],
    "system_desc_nonempty": [],
    "result_field_per_model": {},
    "required_files": [],
    "early_stopping_scenarios": [],
    "equal_issue_required": {"closed": [], "open": [], "network": []},
}
# Keys that are optional for a round.
OPTIONAL = frozenset(
    {
        "accuracy_sample_count",
        "accuracy_upper_limit",
        "system_desc_optional_known",
        "test05_seeds",
    }
)

_UNIT = "a unit, not a rule"
# Constants that become no key of a data file, and why or where their content is.
NOT_MAPPED: Mapping[str, str] = {
    "MB_TO_BYTES": _UNIT,
    "MS_TO_NS": _UNIT,
    "S_TO_MS": _UNIT,
    "TO_MS": _UNIT,
    "SCENARIO_MAPPING": "the spellings of scenarios are in the code",
    "EXPECTED_STATE_BY_DIVISION": "in the code of network-mode",
    "NETWORK_MODE_REQUIRED_SUBSTRING_IN_SUT_NAME": "in the code of network-mode",
    "SYSTEM_DESC_IS_NETWORK_MODE": "in the code of network-mode",
    "SYSTEM_DESC_MEANINGFUL_RESPONSE_REQUIRED_FIELDS_POWER": "empty in every round",
    "SYSTEM_DESC_NUMERIC_RESPONSE_REQUIRED_FIELDS": "only printed; system-count warns of the same",
    "RESULT_FIELD": "the summaries of v0.5 and v0.7 have these names, later rounds none",
    "TEST_DURATION_MS_PRE_1_0": "for v0.5 and v0.7, which another checker judges",
    "ENDPOINTS_INFERRED_FIELDS": "what an endpoints run implies is in the code",
    **dict.fromkeys(
        [*ENDPOINTS.values(), "TEST09_LOW", "TEST09_HIGH"], "the round has no endpoints results"
    ),
    "LLAMA2_LATENCY_LIMITS": "the round is older than the limits",
    "min_duration_check": "runs of one pass over a data set are in the code",
    "get_llm_models": "those of llm_latency_limit_ns, and llama3.1-8b-edge, which has no limits",
    "check_performance_dir": "the benchmarks of llm_latency_limit_ns, and llama3.1-8b-edge",
}
