"""A user's request for a run, turned into LoadGen's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlrepo.bench.request import BenchRequest
from mlrepo.errors import UserError


def _request(**changes: Any) -> BenchRequest:
    given = {"benchmark": "digits", "backend": "onnx", "scenario": "offline", "mode": "performance"}
    return BenchRequest(**{**given, **changes}).checked()


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({}, {}),
        ({"count": 5}, {"min_query_count": "5"}),
        ({"count": 5, "time": 2.0}, {"min_query_count": "5", "min_duration": "2000"}),
        ({"count": 5, "mode": "accuracy"}, {"accuracy_sample_count_override": "5"}),
        ({"time": 0.0014}, {"min_duration": "1"}),
        ({"qps": 1e6}, {"target_qps": "1000000"}),
        ({"qps": 0.1}, {"target_qps": "0.1"}),
        ({"scenario": "server", "max_latency": 0.015}, {"target_latency": "15"}),
        ({"scenario": "SINGLESTREAM", "max_latency": 0.00005}, {"target_latency": "0.05"}),
        ({"scenario": "multi-stream", "samples_per_query": 4}, {"samples_per_query": "4"}),
        ({"extra": {"min_query_count": "7"}}, {"min_query_count": "7"}),
        ({"extra": {"digits.Offline.min_query_count": "7"}}, {"min_query_count": "7"}),
        ({"extra": {"*.*.min_query_count": "7"}}, {"min_query_count": "7"}),
        ({"count": 7, "extra": {"min_query_count": "7"}}, {"min_query_count": "7"}),
    ],
    ids=str,
)
def test_flags_become_settings_of_exactly_this_run(
    changes: dict[str, Any], settings: dict[str, str]
) -> None:
    """Seconds become milliseconds, and every key names model and scenario in full."""
    request = _request(**changes)
    expected = {f"digits.{request.scenario}.{key}": value for key, value in settings.items()}
    assert request.loadgen_settings("digits") == expected


@pytest.mark.parametrize(
    "flag",
    ["count", "time", "qps", "max_latency", "max_batch", "threads", "samples_per_query", "timeout"],
)
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_numbers_must_be_positive_and_finite(flag: str, value: float) -> None:
    """Every number of a request is refused with the name of its option."""
    with pytest.raises(UserError, match="must be a positive number"):
        _request(**{flag: value})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scenario": "SingleStream", "qps": 1.0}, "--qps does not apply"),
        ({"scenario": "MultiStream", "qps": 1.0}, "--qps does not apply"),
        ({"max_latency": 1.0}, "--max-latency does not apply"),
        ({"scenario": "Server", "samples_per_query": 2}, "--samples-per-query does not apply"),
        ({"mode": "accuracy", "time": 1.0}, "--time does not apply"),
        ({"time": 0.0009}, "less than a millisecond"),
        ({"mode": "compliance"}, "is not a mode"),
        ({"scenario": "Online"}, "is not a scenario"),
        ({"tags": ("a,b",)}, "--tag"),
        ({"tags": ("",)}, "--tag"),
        ({"tags": ("a\nb",)}, "--tag"),
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], words: str) -> None:
    """An option without effect would be a lie in the record."""
    with pytest.raises(UserError, match=words):
        _request(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"extra": {"mode": "2"}}, "mode of a run"),
        ({"extra": {"digits.Offline.mode": "2"}}, "mode of a run"),
        ({"extra": {"Offline.target_qps": "2"}}, "model.scenario.key"),
        ({"extra": {"digits.Server.target_qps": "2"}}, "does not apply"),
        ({"extra": {"resnet50.Offline.target_qps": "2"}}, "does not apply"),
        ({"extra": {"target_qps": "2"}, "qps": 3.0}, "contradicts"),
        ({"extra": {"target_qps": "2", "*.*.target_qps": "3"}}, "contradicts"),
        ({"extra": {"qsl_rng_seed": "2"}}, "embedded mlperf.conf"),
        ({"scenario": "Server", "max_latency": 0.0015}, "whole number"),
        ({"time": 1e18}, "too large"),
    ],
    ids=str,
)
def test_settings_that_loadgen_would_not_take_are_refused(
    changes: dict[str, Any], words: str
) -> None:
    """``--set`` goes through the same check as a user.conf."""
    with pytest.raises(UserError, match=words):
        _request(**changes).loadgen_settings("digits")


def test_the_user_s_file_wins_over_the_system_s(tmp_path: Path) -> None:
    """One file is the base; flags stand below it."""
    system, mine = tmp_path / "system.conf", tmp_path / "mine.conf"
    system.write_text("*.Offline.target_qps = 1\n")
    mine.write_text("*.Offline.target_qps = 2")
    conf, source = _request().compose_user_conf("digits", system)
    assert (conf.effective("digits", "Offline", "target_qps"), source) == ("1", str(system))
    conf, source = _request(user_conf=mine).compose_user_conf("digits", system)
    assert (conf.effective("digits", "Offline", "target_qps"), source) == ("2", str(mine))
    conf, _ = _request(user_conf=mine, qps=3.0).compose_user_conf("digits", system)
    assert conf.effective("digits", "Offline", "target_qps") == "3"
    assert conf.text.startswith("*.Offline.target_qps = 2\n# set on the command line\n")
    assert _request().compose_user_conf("digits", None) == (conf.__class__("", {}), "")


@pytest.mark.parametrize(
    ("changes", "conf", "duration"),
    [
        ({"count": 5}, "", "0"),
        ({"count": 5}, "*.Server.min_duration = 9", "0"),
        ({"count": 5}, "*.*.min_duration = 9", "9"),
        ({"count": 5}, "digits.Offline.min_duration = 9", "9"),
        ({"count": 5, "time": 2.0}, "*.*.min_duration = 9", "2000"),
        ({"count": 5, "extra": {"min_duration": "7"}}, "", "7"),
        ({"count": 5, "mode": "accuracy"}, "", None),
        ({}, "", None),
    ],
    ids=str,
)
def test_a_count_leaves_the_users_own_duration_alone(
    tmp_path: Path, changes: dict[str, Any], conf: str, duration: str | None
) -> None:
    """Without one, the run ends after so many queries."""
    file = tmp_path / "user.conf"
    file.write_text(conf + "\n")
    for chosen in (_request(**changes), _request(user_conf=file, **changes)):
        base = None if chosen.user_conf else file
        made, _ = chosen.compose_user_conf("digits", base)
        assert made.effective("digits", "Offline", "min_duration") == duration


def test_a_file_of_other_scenarios_is_named(tmp_path: Path) -> None:
    """One file may serve all scenarios; one given for a run that has none of its own is a slip."""
    file = tmp_path / "x.conf"
    for text, noted in (
        ("*.Server.target_qps = 1", True),
        ("*.*.min_duration = 1", False),
        ("*.Server.target_qps = 1\n*.Offline.target_qps = 2", False),
        ("# nothing", False),
    ):
        file.write_text(text)
        conf, _ = _request(user_conf=file).compose_user_conf("digits", None)
        assert [note for note in conf.notes if "no line of it is for Offline" in note] == (
            [f"{file}: no line of it is for Offline."] if noted else []
        )
        assert _request().compose_user_conf("digits", file)[0].notes == ()


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["absent", "not UTF-8"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    """The option to check is in the hint."""
    file = tmp_path / "x.conf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.conf cannot be read") as caught:
        _request(user_conf=file).compose_user_conf("digits", None)
    assert "--user-conf" in caught.value.hint
