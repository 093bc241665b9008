"""The content and the cost of LoadGen's query list, compared with the installed LoadGen."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlrepo.harness import query_list
from mlrepo.harness.loadgen import read_settings
from mlrepo.harness.query_list import (
    LITTLE,
    QueryList,
    QueryListError,
    fitted,
    planned,
    refuse_too_long,
)
from mlrepo.limits import Limit
from mlrepo.scenarios import SCENARIOS

_LOADED = 100
# Runs LoadGen with a SUT that answers at once; prints what it generated and the growth in bytes.
_RUN = """
import json, re, resource, sys, tempfile
import mlperf_loadgen as lg
scenario, values = sys.argv[1], json.loads(sys.argv[2])
settings = lg.TestSettings()
settings.FromConfig("", "digits", scenario, 0)
settings.scenario = getattr(lg.TestScenario, scenario)
settings.mode = lg.TestMode.PerformanceOnly
for name, value in values.items():
    setattr(settings, name, value)

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def peak():
    # Not ru_maxrss: it holds the peak of the process that started this one.
    return 1024 * int(re.search("VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

first = []

def issue(ids, indices):
    first or first.append(peak())
    response = lg.QuerySampleResponse(0, 0, 0)
    for number in ids:
        response.id = number
        lg.QuerySamplesComplete([response])

sut = lg.ConstructFastSUT(issue, lambda: None)
qsl = lg.ConstructQSL(100, 100, lambda indices: None, lambda indices: None)
output = lg.LogOutputSettings()
output.outdir = tempfile.mkdtemp(dir=sys.argv[3])
log = lg.LogSettings()
log.log_output = output
log.enable_trace = False
before = resident()
lg.StartTestWithLogSettings(sut, qsl, settings, log, "none")
text = open(output.outdir + "/mlperf_log_detail.txt").read()
found = dict(re.findall('"key": "generated_([a-z_]+)", "value": (\\\\d+)', text))
print(json.dumps({
    "queries": int(found["query_count"]), "samples": int(found["samples_per_query"]),
    "bytes": first[0] - before,
}))
"""


def _settings(scenario: str, **values: Any) -> Any:
    settings = read_settings("digits", SCENARIOS[scenario], "performance")
    for name, value in values.items():
        setattr(settings, name, value)
    return settings


def _planned(settings: Any, scenario: str) -> QueryList:
    return planned(settings, SCENARIOS[scenario], _LOADED)


def _refuse(settings: Any, scenario: str) -> None:
    refuse_too_long(_planned(settings, scenario), settings, SCENARIOS[scenario], _LOADED)


def _fitted(value: float, scenario: str, fastest: Callable[[], float]) -> float:
    return fitted(value, _settings(scenario), SCENARIOS[scenario], _LOADED, fastest)


def _generated(tmp_path: Path, scenario: str, **values: Any) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, scenario, json.dumps(values), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("scenario", "values"),
    [
        ("SingleStream", {"single_stream_expected_latency_ns": 500.0}),
        ("SingleStream", {"single_stream_expected_latency_ns": 1e9, "min_query_count": 150_000}),
        ("MultiStream", {"multi_stream_expected_latency_ns": 4000.0}),
        (
            "MultiStream",
            {"multi_stream_expected_latency_ns": 30000.0, "multi_stream_samples_per_query": 50},
        ),
        ("Server", {"server_target_qps": 1.5e6}),
        ("Server", {"server_target_qps": 2e8, "min_duration_ms": 1, "min_query_count": 1}),
        ("Offline", {"offline_expected_qps": 5e6}),
        (
            "SingleStream",
            {"single_stream_expected_latency_ns": 1e5, "sample_concatenate_permutation": True},
        ),
        (
            "MultiStream",
            {
                "multi_stream_expected_latency_ns": 1e5,
                "performance_issue_unique": True,
                "multi_stream_samples_per_query": 10,
            },
        ),
        ("Offline", {"offline_expected_qps": 1e5, "performance_issue_unique": True}),
    ],
)
@pytest.mark.long
def test_it_is_the_list_that_loadgen_makes(
    tmp_path: Path, scenario: str, values: dict[str, Any]
) -> None:
    """Queries and samples by each setting; the bytes where there are enough to be measured."""
    values = {"min_duration_ms": 100, "min_query_count": 100, **values}
    made = _generated(tmp_path, scenario, **values)
    found = _planned(_settings(scenario, **values), scenario)
    assert found.queries == pytest.approx(made["queries"], rel=0.02, abs=_LOADED)
    assert found.samples == made["samples"]
    if found.size > 50e6:
        assert 0.5 * found.size <= made["bytes"] <= 1.05 * found.size


@pytest.mark.parametrize("expected", [0.5, 0.0])
def test_an_expected_latency_below_a_nanosecond_has_no_end(expected: float) -> None:
    """LoadGen counts whole nanoseconds: the list would never cover the duration."""
    settings = _settings("SingleStream", single_stream_expected_latency_ns=expected)
    with pytest.raises(QueryListError, match="endlessly many"):
        refuse_too_long(
            _planned(settings, "SingleStream"),
            settings,
            SCENARIOS["SingleStream"],
            _LOADED,
        )


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set how many bytes are available."""

    def available(size: float) -> None:
        limit = Limit(size, "memory.max")
        monkeypatch.setattr(query_list, "available_memory", lambda: limit)

    available(64e9)
    return available


@pytest.mark.parametrize(
    ("scenario", "values", "words"),
    [
        ("Server", {"server_target_qps": 1e6}, "--qps (target_qps) to"),
        ("Offline", {"offline_expected_qps": 1e6}, "--qps (target_qps) to"),
        ("SingleStream", {"single_stream_expected_latency_ns": 1000.0}, "--max-latency"),
        ("Offline", {"min_query_count": 10**9}, "--count (min_query_count) to"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_option_to_change(
    memory: Any, scenario: str, values: dict[str, Any], words: str
) -> None:
    """The value that the hint names fits."""
    memory(4e9)
    settings = _settings(scenario, **values)
    with pytest.raises(QueryListError) as caught:
        _refuse(settings, scenario)
    assert "4 GB that are available (memory.max)" in caught.value.message
    assert words in caught.value.hint
    memory(1e12)
    _refuse(settings, scenario)


def _size(scenario: str, value: float) -> float:
    settings = _settings(scenario)
    query_list.set_rate(settings, SCENARIOS[scenario], value)
    return _planned(settings, scenario).size


def test_a_short_list_stays_as_it_was_estimated(memory: Any) -> None:
    """10 ms a query for ten minutes: nothing is measured again."""
    assert _fitted(10.0, "SingleStream", lambda: 0.0) == 10.0


def test_a_long_list_of_a_stream_is_for_what_the_fastest_queries_need(memory: Any) -> None:
    """50 µs: the list holds the run with a quarter to spare, and not twice the run."""
    value = _fitted(0.045, "SingleStream", lambda: 48e-6)
    queries = 2 * 600e3 / value
    assert queries == pytest.approx(1.25 * 600 / 48e-6)
    # 16.9 million are cut to a power of two: the vector of 2^25 would take 4 GB more.
    value = _fitted(0.042, "SingleStream", lambda: 44.4e-6)
    assert 0.995 * 2**24 < 1 + 2 * 600e3 / (math.floor(value * 1e6) / 1e6) < 2**24
    # A disturbed second must not make it shorter than what the warm-up found usual.
    value = _fitted(0.045, "SingleStream", lambda: 1.0)
    assert 2 * 600e3 / value == pytest.approx(1.05 * 600 / 50e-6)


def test_a_rate_that_nobody_asked_for_takes_little(memory: Any) -> None:
    """Server: what is estimated is a safe point, and any lower rate is one."""
    value = _fitted(40_000.0, "Server", lambda: 0.0)
    assert _size("Server", value) <= 1.01 * LITTLE


@pytest.mark.parametrize("scenario", ["SingleStream", "Offline"])
def test_an_estimate_fits_into_what_is_available_or_the_run_ends_before_it(
    memory: Any, scenario: str
) -> None:
    """A little less than wanted is taken; what cannot hold the run is refused with the time."""
    value = {"SingleStream": 0.045, "Offline": 30_000.0}[scenario]
    wanted = _size(scenario, _fitted(value, scenario, lambda: 48e-6))
    memory(wanted / 0.8 * 0.95)
    value_now = _fitted(value, scenario, lambda: 48e-6)
    assert _size(scenario, value_now) <= 0.95 * wanted
    memory(wanted / 2)
    with pytest.raises(QueryListError) as caught:
        _fitted(value, scenario, lambda: 48e-6)
    assert "--time" in caught.value.hint


class _Older:
    """Settings of a release that does not tell whether it permutes."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings

    def __getattr__(self, name: str) -> Any:
        if name == "sample_concatenate_permutation":
            raise AttributeError(name)
        return getattr(self._settings, name)


def test_a_release_that_does_not_tell_whether_it_permutes_is_planned_with_it() -> None:
    """Before 6.0: a list that is too long by one permutation refuses nothing that fits by far."""
    settings = _settings("Server", server_target_qps=100.0, min_duration_ms=1000)
    assert _planned(_Older(settings), "Server").queries == (
        _planned(settings, "Server").queries + _LOADED
    )
