"""The real LoadGen reads every accepted ``user.conf`` with exactly the same values."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlrepo.errors import UserError
from mlrepo.logs.user_conf import EMBEDDED_ONLY, KEYS, UserConf, parse_user_conf
from mlrepo.logs.user_conf_effect import Names, fitted

_READER = Path(__file__).with_name("loadgen_reader.py")
_SCENARIOS = ("Offline", "SingleStream", "MultiStream", "Server")
_MODELS = ("digits", "resnet50", "3d-unet-99.9")

# Which field of TestSettings a key changes, for which scenarios, and by which factor.
_FIELDS: dict[str, tuple[str, tuple[str, ...], float]] = {
    "min_duration": ("min_duration_ms", _SCENARIOS, 1),
    "max_duration": ("max_duration_ms", _SCENARIOS, 1),
    "min_query_count": ("min_query_count", _SCENARIOS, 1),
    "max_query_count": ("max_query_count", _SCENARIOS, 1),
    "performance_sample_count_override": ("performance_sample_count_override", _SCENARIOS, 1),
    "accuracy_sample_count_override": ("accuracy_sample_count_override", _SCENARIOS, 1),
    "accuracy_log_rng_seed": ("accuracy_log_rng_seed", _SCENARIOS, 1),
    "accuracy_log_sampling_target": ("accuracy_log_sampling_target", _SCENARIOS, 1),
    "performance_issue_same_index": ("performance_issue_same_index", _SCENARIOS, 1),
    "max_async_queries": ("server_max_async_queries", ("Server",), 1),
    "samples_per_query": ("multi_stream_samples_per_query", ("MultiStream",), 1),
}
# The same key has a field of its own in some scenarios.
_BY_SCENARIO: dict[tuple[str, str], tuple[str, float]] = {
    ("target_qps", "Offline"): ("offline_expected_qps", 1),
    ("target_qps", "Server"): ("server_target_qps", 1),
    ("target_latency", "SingleStream"): ("single_stream_expected_latency_ns", 1e6),
    ("target_latency", "MultiStream"): ("multi_stream_expected_latency_ns", 1e6),
    ("target_latency", "Server"): ("server_target_latency_ns", 1e6),
    ("target_latency_percentile", "SingleStream"): (
        "single_stream_target_latency_percentile",
        0.01,
    ),
    ("target_latency_percentile", "MultiStream"): ("multi_stream_target_latency_percentile", 0.01),
    ("target_latency_percentile", "Server"): ("server_target_latency_percentile", 0.01),
}


def _field(key: str, scenario: str) -> tuple[str, float] | None:
    """Return the field that ``key`` sets in a run of ``scenario``, and its factor."""
    if (key, scenario) in _BY_SCENARIO:
        return _BY_SCENARIO[key, scenario]
    field, scenarios, factor = _FIELDS.get(key, ("", (), 1))
    return (field, factor) if scenario in scenarios else None


_values = st.one_of(
    st.integers(0, 10**6).map(str),
    st.integers(0, 10**6).map(str),
    st.integers(0, 2**31 - 1).map(str),
    st.integers(0, 2**64).map(str),
    st.floats(0, 1e12, allow_nan=False).map(repr),
    st.floats(0, 1e5, allow_nan=False).map(lambda x: f"{x:.3f}"),
    st.sampled_from(
        [
            "0",
            "00",
            "010",
            "08",
            "1e3",
            ".5",
            "5.",
            "1E2",
            "1e+2",
            "0x10",
            "+5",
            "-0",
            "nan",
            "inf",
            "1_000",
            "١٢",
            "0b1",
            "1e400",
            "1e-400",
            "18446744073709551616",
        ]
    ),
)
_keys = st.tuples(
    st.sampled_from((*_MODELS, "*")),
    st.sampled_from((*_SCENARIOS, "*")),
    st.sampled_from(sorted(KEYS)),
).map(".".join)
_space = st.sampled_from([" ", "  ", "\t", " \t "])
_assignments = st.tuples(
    _space, _keys, _space, _space, _values, st.sampled_from(["", " ", "\t"])
).map(lambda t: f"{t[0] if len(t[0]) > 1 else ''}{t[1]}{t[2]}={t[3]}{t[4]}{t[5]}")
_odd_lines = st.one_of(
    st.sampled_from(
        [
            "",
            "  ",
            "# comment",
            "#",
            "#glued",
            "#glued = 5",
            "#two words",
            "# a = b",
            "##",
            "a=5",
            "digits.Offline.target_qps=5",
            "digits.Offline.target_qps = 5 # comment",
            "= 5",
            "a = b",
            "*.*.min_duration = 5 6",
            "digits.Offline.min_duration =",
            "digits.Offline.min_duration",
            "digits.Offline.min_duration\u00a0= 5",
            "digits.Offline.min_duration\x0b=\x0c5",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30),
)
_configurations = st.lists(st.one_of(_assignments, _assignments, _odd_lines), max_size=5).map(
    "\n".join
)


def _accepted(text: str) -> UserConf | None:
    try:
        return parse_user_conf(text, "x")
    except UserError:
        return None


class _LoadGen:
    """The real LoadGen in a process of its own, asked line by line."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(_READER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, text: str, model: str, scenario: str) -> tuple[int, Any, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([text, model, scenario]) + "\n")
        self.process.stdin.flush()
        code, before, after = json.loads(self.process.stdout.readline())
        return code, before, after


@pytest.fixture(scope="module")
def loadgen() -> Iterator[_LoadGen]:
    """One LoadGen for all configurations of this file."""
    reader = _LoadGen()
    yield reader
    assert reader.process.stdin is not None
    reader.process.stdin.close()
    assert reader.process.wait(timeout=30) == 0


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(_configurations, st.sampled_from(_MODELS), st.sampled_from(_SCENARIOS))
@example("digits.Offline.min_query_count = 010", "digits", "Offline")
@example("*.Offline.target_qps = 5 # comment", "digits", "Offline")
@example("*.Offline.target_qps=5", "digits", "Offline")
@example("#two words\n*.Offline.target_qps = 5", "digits", "Offline")
@example("*.*.target_latency = 1.5", "digits", "Server")
@example("*.Server.target_latency = 20000000000000", "digits", "Server")
def test_loadgen_reads_what_mlrepo_accepts(
    loadgen: _LoadGen, text: str, model: str, scenario: str
) -> None:
    """LoadGen reports success and has exactly the values that mlrepo tells; seeds never change."""
    conf = _accepted(text)
    if conf is None:
        return
    code, before, found = loadgen.read(text, model, scenario)
    assert code == 0
    for key in KEYS:
        field = _field(key, scenario)
        if field is None:
            continue
        name, factor = field
        value = conf.effective(model, scenario, key)
        expected = before[name] if value is None else float(value) * factor
        assert math.isclose(float(found[name]), float(expected), rel_tol=1e-12), name
    for key in EMBEDDED_ONLY & set(found):
        assert found[key] == before[key]


@pytest.mark.parametrize("name", ["mobilenet", "resnet", "resnet50", "*"])
@pytest.mark.parametrize("scenario", [*_SCENARIOS, "*"])
def test_loadgen_reads_what_stands_under_the_benchmark_s_own_name(
    loadgen: _LoadGen, name: str, scenario: str
) -> None:
    """It is asked for resnet50, and would pass over mobilenet's lines without a word."""
    names = Names("mobilenet", "resnet50", "resnet")
    conf = parse_user_conf(f"{name}.{scenario}.min_duration = 77", "x")
    for asked in _SCENARIOS:
        _, before, found = loadgen.read(fitted(conf, names, asked, "x").text, names.loadgen, asked)
        takes = scenario in (asked, "*")
        # Each file is looked up by itself: a wildcard here beats an exact line of mlperf.conf.
        assert found["min_duration_ms"] == (77 if takes else before["min_duration_ms"])


@given(_configurations)
def test_parsing_is_total_and_stable(text: str) -> None:
    """Any text is accepted or a UserError with its line; what is accepted parses to itself."""
    conf = _accepted(text)
    if conf is not None:
        assert parse_user_conf(conf.text, "x") == conf
        more = conf.with_lines("more", {"*.Offline.target_qps": "7"})
        assert parse_user_conf(more.text, "x").values == more.values
