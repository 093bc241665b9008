"""The class of each LoadGen setting by round, and what breaks it."""

from __future__ import annotations

import pytest

from mlrepo.logs.user_conf import EMBEDDED_ONLY, KEYS
from mlrepo.rounds import SHIPPED, Round
from mlrepo.rounds.setting_rules import (
    Subject,
    broken_in_conf,
    broken_in_log,
    loadgen_names,
)
from mlrepo.rounds.setting_table import CLASSES

_SCENARIOS = ("Offline", "SingleStream", "MultiStream", "Server")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_setting_has_a_class_in_every_round_and_scenario(name: str) -> None:
    """Every key that LoadGen reads, in user.conf or its own file; a value where the class has one.

    A table that is named is one of the round's.
    """
    round_ = SHIPPED[name]
    assert set(round_.settings) >= set(KEYS) | EMBEDDED_ONLY
    for key, setting in round_.settings.items():
        assert set(setting.classes) & {"*", *_SCENARIOS}
        for scenario in _SCENARIOS:
            rule = setting.in_scenario(scenario)
            assert rule.kind in CLASSES
            assert (
                rule.value is not None
                or rule.table in round_.tables
                or key == "mode"
                or rule.kind == "free"
            )


def _subject(
    scenario: str,
    *,
    division: str = "closed",
    benchmark: str = "resnet",
    round_: str = "v6.1",
    test: str = "",
) -> Subject:
    return Subject(SHIPPED[round_], division, benchmark, scenario, test)


@pytest.mark.parametrize(
    ("subject", "conf", "asked"),
    [
        (_subject("Server"), {"target_latency_percentile": "50"}, "at least 99"),
        (_subject("SingleStream"), {"target_latency_percentile": "89.9"}, "at least 90"),
        (_subject("Server", round_="v5.1"), {"target_latency": "16"}, "at most 15"),
        (_subject("Server"), {"target_latency": "15"}, ""),
        (_subject("Server", division="open"), {"target_latency": "16000"}, ""),
        (_subject("Server", division="open"), {"target_latency_percentile": "98"}, "at least 99"),
        (_subject("MultiStream"), {"samples_per_query": "4"}, "8"),
        (_subject("MultiStream", round_="v1.0"), {"samples_per_query": "4"}, ""),
        (_subject("MultiStream", division="open"), {"samples_per_query": "4"}, ""),
        (_subject("Offline"), {"performance_issue_same": "1"}, "0"),
        (_subject("Offline", test="TEST04"), {"performance_issue_same": "1"}, ""),
        (_subject("Offline", division="open"), {"performance_issue_unique": "1"}, "0"),
        (_subject("Offline"), {"accuracy_log_sampling_target": "100"}, "0"),
        (_subject("Offline"), {"sample_concatenate_permutation": "1"}, "0"),
        (_subject("Offline", benchmark="whisper"), {"sample_concatenate_permutation": "0"}, "1"),
        (_subject("Server", benchmark="resnet"), {"use_token_latencies": "1"}, "0"),
        (_subject("Server", benchmark="gpt-oss-120b"), {"use_token_latencies": "1"}, ""),
        (_subject("Server", benchmark="llama2-70b-99.9"), {"ttft_latency": "2001"}, "at most 2000"),
        (
            _subject("Interactive", benchmark="llama2-70b-99.9"),
            {"ttft_latency": "500"},
            "at most 450",
        ),
        (
            _subject("SingleStream", benchmark="pointpainting", round_="v5.1"),
            {"target_latency_percentile": "99"},
            "at least 99.9",
        ),
        (_subject("SingleStream"), {"min_duration": "599999"}, "at least 600000"),
        (_subject("Offline"), {"performance_sample_count_override": "1023"}, "at least 1024"),
        (_subject("Offline"), {"min_query_count": "24575"}, "at least 24576"),
        (_subject("Offline", benchmark=""), {"min_query_count": "5"}, ""),
        (_subject("Server"), {"min_query_count": "100"}, ""),  # early stopping decides
        (_subject("Server", round_="v1.1"), {"min_query_count": "100"}, "at least 270336"),
        (_subject("Server"), {"coalesce_queries": "1", "max_async_queries": "200"}, ""),
        (_subject("Offline"), {"target_latency_percentile": "50"}, ""),  # LoadGen asks for none
    ],
)
def test_a_configuration_is_held_to_the_classes(
    subject: Subject, conf: dict[str, str], asked: str
) -> None:
    """What a user.conf says, in its own unit."""
    assert [broken.asked for broken in broken_in_conf(subject, conf)] == [asked] * bool(asked)


def test_a_log_is_held_to_the_same_classes() -> None:
    """In the log's units; a seed of 64 bits is compared to the last."""
    subject = _subject("Server")
    seed = subject.round.seeds()["schedule_rng_seed"]
    good = {
        "effective_target_latency_percentile": 0.99,
        "effective_schedule_rng_seed": seed,
        "effective_target_latency_ns": 15_000_000,
        "effective_performance_issue_same": False,
        "effective_min_duration_ms": 600_000,
    }
    assert list(broken_in_log(subject, good)) == []
    bad = {
        "effective_target_latency_percentile": 0.0099,
        "effective_schedule_rng_seed": seed - 1,
        "effective_target_latency_ns": 15_000_001,
        "effective_performance_issue_same": True,
        "effective_min_duration_ms": 599_999,
    }
    assert {broken.logged: broken.actual for broken in broken_in_log(subject, bad)} == bad
    assert list(broken_in_log(subject, {"effective_target_latency_percentile": "half"})) == []


def test_a_round_without_the_table_has_that_of_the_newest_before() -> None:
    """A repository may hold rounds that an older version imported."""
    without = SHIPPED["v6.0"].tables.copy()
    del without["settings"]
    old = Round("v6.0", without)
    assert old.settings == SHIPPED["v6.0"].settings
    newer = Round("v99.0", {})
    assert newer.settings == SHIPPED[list(SHIPPED)[-1]].settings


def test_the_names_are_those_of_mlperf_conf() -> None:
    """LoadGen knows no accuracy targets and no dots, and calls resnet resnet50."""
    assert loadgen_names("resnet")[0] == "resnet50"
    assert loadgen_names("3d-unet-99.9")[0] == "3d-unet"
    assert loadgen_names("llama3.1-8b", "Interactive")[:2] == (
        "llama3_1-8b-interactive",
        "llama3_1-8b",
    )
