"""Rounds as data: layouts, names and units of all rounds."""

from __future__ import annotations

import pytest

from mlrepo.errors import UserError
from mlrepo.rounds import SHIPPED, Place
from mlrepo.scenarios import LOADGEN_SCENARIOS

ROUNDS = (
    "v0.5",
    "v0.7",
    "v1.0",
    "v1.1",
    "v2.0",
    "v2.1",
    "v3.0",
    "v3.1",
    "v4.0",
    "v4.1",
    "v5.0",
    "v5.1",
    "v6.0",
    "v6.1",
)
PLACE = Place("closed", "Acme Inc", "box-onnx", "resnet50", "Offline")
_RESULT = "closed/Acme Inc/results/box-onnx/resnet50/Offline"


def test_all_rounds_are_known_in_their_order() -> None:
    """Fourteen rounds, sorted as versions, not as text."""
    assert tuple(SHIPPED) == ROUNDS


@pytest.mark.parametrize("name", ROUNDS)
def test_every_round_answers_every_question(name: str) -> None:
    """Layout, units, seeds, durations and system fields of each round, for all scenarios."""
    round_ = SHIPPED[name]
    assert round_.name == name
    assert {"open", "closed"} <= set(round_.tables["divisions"])
    assert round_.min_duration_ms() in (60_000, 600_000)
    assert set(round_.seeds()) >= {"qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"}
    assert {"submitter", "system_name", "framework"} <= set(round_.system_fields())
    assert round_.system_nonempty_fields() <= set(round_.system_fields())
    assert str(round_.layout.result_directory(PLACE)) == _RESULT
    assert str(round_.layout.run_directory(PLACE, "accuracy")) == f"{_RESULT}/accuracy"
    assert str(round_.layout.run_directory(PLACE, "performance")) == f"{_RESULT}/performance/run_1"
    assert str(round_.layout.system_file(PLACE)) == "closed/Acme Inc/systems/box-onnx.json"
    assert round_.layout.measurements_file(PLACE).name.endswith(".json")
    for scenario in LOADGEN_SCENARIOS:
        unit = round_.unit("resnet50", scenario)
        assert unit in ("samples/s", "queries/s", "ms", "streams")
        assert round_.result_key("resnet50", scenario)
        assert round_.lower_is_better("resnet50", scenario) == (unit == "ms")


@pytest.mark.parametrize(
    ("name", "directory", "file"),
    [
        ("v1.0", "closed/Acme Inc/measurements/box-onnx/resnet50/Offline", "box-onnx_Offline.json"),
        ("v5.1", "closed/Acme Inc/measurements/box-onnx/resnet50/Offline", "box-onnx_Offline.json"),
        ("v6.0", _RESULT, "measurements.json"),
        ("v6.1", _RESULT, "measurements.json"),
    ],
)
def test_measurements_moved_into_the_result_with_v6(name: str, directory: str, file: str) -> None:
    """Until v5.1 measurements stood in a tree of their own."""
    round_ = SHIPPED[name]
    assert str(round_.layout.measurements_directory(PLACE)) == directory
    assert str(round_.layout.measurements_file(PLACE)) == f"{directory}/{file}"


@pytest.mark.parametrize(
    ("name", "scenario", "unit", "lower"),
    [
        ("v0.7", "SingleStream", "ms", True),
        ("v1.0", "MultiStream", "streams", False),
        ("v1.1", "MultiStream", "streams", False),
        ("v2.0", "MultiStream", "ms", True),
        ("v6.1", "MultiStream", "ms", True),
        ("v6.1", "SingleStream", "ms", True),
        ("v6.1", "Offline", "samples/s", False),
        ("v6.1", "Server", "queries/s", False),
        ("v1.0", "Server", "queries/s", False),
    ],
)
def test_units_follow_the_round(name: str, scenario: str, unit: str, lower: bool) -> None:
    """MultiStream counted streams until v1.1, and measures latency since v2.0."""
    round_ = SHIPPED[name]
    assert round_.unit("resnet50", scenario) == unit
    assert round_.lower_is_better("resnet50", scenario) is lower


@pytest.mark.parametrize(
    ("name", "scenario", "raw", "printed"),
    [
        ("v6.1", "SingleStream", 1_500_000, 1.5),
        ("v6.1", "MultiStream", 2_000_000, 2.0),
        ("v1.1", "MultiStream", 8, 8),
        ("v1.0", "SingleStream", 1_500_000, 1.5),
        ("v6.1", "Offline", 885.05, 885.05),
        ("v6.1", "Server", 100, 100),
    ],
)
def test_results_are_told_in_the_unit_of_the_round(
    name: str, scenario: str, raw: float, printed: float
) -> None:
    """LoadGen's nanoseconds become milliseconds where a latency is the result."""
    assert SHIPPED[name].result_in_unit("resnet50", scenario, raw) == printed


@pytest.mark.parametrize(
    ("name", "benchmark", "scenario", "key"),
    [
        ("v6.1", "resnet50", "Offline", "result_samples_per_second"),
        ("v6.1", "resnet50", "SingleStream", "early_stopping_latency_ss"),
        ("v6.1", "resnet50", "MultiStream", "early_stopping_latency_ms"),
        ("v6.1", "resnet50", "Server", "result_completed_samples_per_sec"),
        ("v4.0", "resnet50", "Server", "result_scheduled_samples_per_sec"),
        ("v6.1", "whisper", "Offline", "result_tokens_per_second"),
        ("v6.1", "digits", "Offline", "result_samples_per_second"),
        ("v1.0", "resnet50", "SingleStream", "result_90.00_percentile_latency_ns"),
    ],
)
def test_the_result_is_read_from_the_key_of_the_round(
    name: str, benchmark: str, scenario: str, key: str
) -> None:
    """Token benchmarks and older rounds have keys of their own."""
    assert SHIPPED[name].result_key(benchmark, scenario) == key


@pytest.mark.parametrize(("name", "has"), [("v0.5", False), ("v0.7", False), ("v1.0", True)])
def test_the_oldest_rounds_have_no_detail_log(name: str, has: bool) -> None:
    """Before v1.0 results stood in the summary only."""
    assert SHIPPED[name].has_detail_log() is has


@pytest.mark.parametrize(
    ("division", "category", "benchmark", "scenario", "allowed"),
    [
        ("closed", "edge", "resnet50", "Offline", True),
        ("closed", "edge", "resnet", "SingleStream", True),
        ("closed", "edge", "resnet50", "Server", False),
        ("closed", "edge", "digits", "Offline", False),
        ("closed", "datacenter", "whisper", "Offline", True),
        ("closed", "datacenter,edge", "bert-99", "SingleStream", True),
        ("closed", "nowhere", "resnet50", "Offline", False),
        ("network", "datacenter", "digits", "Offline", False),
        ("open", "edge", "digits", "Server", True),
    ],
)
def test_a_division_has_its_benchmarks_and_scenarios(
    division: str, category: str, benchmark: str, scenario: str, allowed: bool
) -> None:
    """Closed takes what the category requires or allows; open takes any model."""
    assert SHIPPED["v6.1"].allows(division, category, benchmark, scenario) is allowed


def test_directory_names_stand_for_official_benchmarks() -> None:
    """``resnet50`` is ``resnet``; a custom name stands for nothing official."""
    round_ = SHIPPED["v6.1"]
    assert round_.official_benchmark("resnet50") == "resnet"
    assert round_.official_benchmark("resnet") == "resnet"
    assert round_.official_benchmark("digits") == ""
    targets = round_.accuracy_targets("resnet50", "Offline")
    assert [target["metric"] for target in targets] == ["acc"]
    assert targets[0]["min"] == pytest.approx(76.46 * 0.99)
    assert round_.accuracy_targets("digits", "Offline") == []


@pytest.mark.parametrize("name", ["v7.0", "6.1", "V6.1", "", "../v6.1", "v6.1.json"])
def test_an_unknown_round_is_refused_with_the_known_ones(name: str) -> None:
    """Only exact names; the message lists them."""
    with pytest.raises(UserError) as caught:
        SHIPPED[name]
    assert "v6.1" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "benchmark", "scenario", "printed"),
    [
        ("v6.1", "resnet50", "Server", "5e+06 queries/s"),
        ("v6.1", "resnet50", "SingleStream", "5 ms"),
        ("v6.1", "gpt-oss-120b", "Offline", "5e+06 tokens/s"),
        ("v5.1", "llama2-70b-99", "Interactive", "5e+06 tokens/s"),
        ("v4.1", "mixtral-8x7b", "Server", "5e+06 tokens/s"),
        ("v4.1", "gptj-99", "Offline", "5e+06 tokens/s"),
        ("v5.1", "whisper", "Offline", "5e+06 tokens/s"),
        ("v6.1", "wan-2.2-t2v-a14b", "SingleStream", "0.005 s"),
        ("v1.1", "resnet50", "MultiStream", "5e+06 streams"),
        ("v6.1", "my-own", "Offline", "5e+06 samples/s"),
    ],
)
def test_a_number_of_loadgen_has_one_unit(
    name: str, benchmark: str, scenario: str, printed: str
) -> None:
    """By benchmark: tokens where LoadGen counted tokens, whatever the official summary says."""
    result = SHIPPED[name].result(benchmark, scenario, 5e6)
    assert f"{result.value:g} {result.unit}" == printed
    assert SHIPPED[name].result(benchmark, scenario, None).value is None


@pytest.mark.parametrize(
    ("benchmark", "scenario", "unit"),
    [
        ("resnet50", "Server", "queries/s"),
        ("resnet50", "SingleStream", "ms"),
        ("gpt-oss-120b", "Offline", "tokens/s"),
        ("wan-2.2-t2v-a14b", "SingleStream", "s"),
        ("", "Offline", "samples/s"),
    ],
)
def test_a_benchmark_may_have_units_of_its_own(benchmark: str, scenario: str, unit: str) -> None:
    """Language models are counted in tokens, videos in whole seconds."""
    assert SHIPPED["v6.1"].unit(benchmark, scenario) == unit
