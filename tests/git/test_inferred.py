"""Results inferred from runs of another scenario, in the matrix of a round."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from mlrepo.bench.status import StatusRow, round_status
from mlrepo.layout.inferred import inferred_metric
from mlrepo.paths import RepoPath
from mlrepo.record import Metric
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.recorder import Composition, Recorder
from mlrepo.repository.trailers import commit_message
from mlrepo.rounds import SHIPPED
from mlrepo.rounds.inference import inferred_result, sources_of
from tests.samples import sample_files, sample_record, sample_run_id
from tests.submissions import detail_log

VALUES = {
    "result_qps_without_loadgen_overhead": 250.0,
    "early_stopping_latency_ms": 4_100_000,
    "result_mean_query_latency_ns": 32_000_000,
    "effective_samples_per_query": 8,
}


def _record(
    recorder: Recorder, number: int, scenario: str, mode: str, *, log: bool = True, **changes: Any
) -> str:
    """Record a full VALID run, with a detail log of the values above unless ``log`` is false."""
    run = sample_run_id(number)
    record = sample_record(
        run,
        division="open",
        benchmark="digits",
        scenario=scenario,
        mode=mode,
        result=Metric(99.0, "%") if mode == "accuracy" else Metric(4.1, "ms"),
        loadgen={"effective": {"min_duration_ms": 600_000}},
        **changes,
    )
    lines = (
        f':::MLLOG {{"key": "{key}", "value": {json.dumps(value)}, "metadata": {{}}}}'
        for key, value in VALUES.items()
    )
    path = RepoPath(("runs", run, "mlperf_log_detail.txt"))
    files = sample_files(run) | {path: "\n".join(lines).encode()}
    if not log:
        del files[path]
    recorder.record(
        Experiment("a"),
        run,
        files,
        lambda tip: Composition(commit_message(record)),
    )
    return run


def _states(rows: Iterable[StatusRow]) -> dict[tuple[str, str], tuple[str, str]]:
    [row] = rows
    return {(cell.scenario, cell.mode): (cell.state, cell.result) for cell in row.cells}


def test_edge_results_follow_from_single_stream(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Offline and MultiStream are inferred with the checker's values; nothing is left to run."""
    round_ = SHIPPED["v6.1"]
    _record(recorder, 0, "SingleStream", "accuracy")
    performance = _record(recorder, 1, "SingleStream", "performance")
    rows = round_status(results, round_, "edge", None)
    states = _states(rows)
    assert states["SingleStream", "performance"] == ("done", "4.1 ms")
    assert states["Offline", "performance"] == ("inferred", "250 samples/s")
    assert states["Offline", "accuracy"] == ("inferred", "99.0 %")
    assert states["MultiStream", "performance"] == ("inferred", "32.8 ms")
    assert rows[0].next_command == ""
    inferred = [cell for cell in rows[0].cells if cell.state == "inferred"]
    assert {cell.run for cell in inferred if cell.mode == "performance"} == {performance}


def test_a_run_without_its_log_hides_no_other_row(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """What follows from it has no value; the matrix is there, and the damage is known."""
    lost = _record(recorder, 0, "SingleStream", "performance", log=False)
    states = _states(round_status(results, SHIPPED["v6.1"], "edge", None))
    assert states["SingleStream", "performance"] == ("done", "4.1 ms")
    assert states["Offline", "performance"] == ("inferred", "")
    assert lost in results.damage


def test_what_was_run_is_never_replaced_by_what_was_inferred(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """An INVALID Offline run is a hole to fill, not a result to infer."""
    _record(recorder, 0, "SingleStream", "performance")
    _record(recorder, 1, "Offline", "performance", validity="INVALID")
    rows = round_status(results, SHIPPED["v6.1"], "edge", None)
    states = _states(rows)
    assert states["Offline", "performance"][0] == "INVALID"
    assert states["Offline", "accuracy"][0] == "missing"
    # There is no accuracy run of SingleStream, so that of MultiStream cannot follow from it.
    assert states["MultiStream", "accuracy"][0] == "missing"
    assert "--scenario Offline" in rows[0].next_command


@pytest.mark.parametrize(
    ("name", "category", "scenario", "sources"),
    [
        ("v1.1", "edge", "Offline", ("SingleStream",)),
        ("v1.1", "edge", "MultiStream", ()),
        ("v5.1", "datacenter", "Offline", ("MultiStream", "SingleStream")),
        ("v6.1", "datacenter", "Offline", ()),
        ("v6.1", "datacenter,edge", "Offline", ("MultiStream", "SingleStream")),
        ("v6.1", "edge", "MultiStream", ("SingleStream",)),
        ("v6.1", "edge", "SingleStream", ()),
        ("v6.1", "edge", "Server", ()),
    ],
)
def test_rounds_differ_in_what_they_infer(
    name: str, category: str, scenario: str, sources: tuple[str, ...]
) -> None:
    """As the checkers of the rounds do it (the rule INFER of the enforcement table)."""
    assert sources_of(SHIPPED[name], scenario, category) == sources


def test_the_values_are_those_of_the_checkers() -> None:
    """Samples per second and milliseconds, from the log's own keys."""
    number = VALUES.__getitem__
    assert inferred_result("Offline", "SingleStream", number) == 250.0
    assert inferred_result("Offline", "MultiStream", number) == 250.0
    assert inferred_result("MultiStream", "SingleStream", number) == pytest.approx(32.8)
    with pytest.raises(ZeroDivisionError):
        inferred_result("Offline", "MultiStream", lambda key: 0.0)


def test_an_inferred_rate_is_of_samples_whatever_the_benchmark_counts() -> None:
    """No number of tokens follows from latencies per query, so an LLM's is of samples, too."""
    log = detail_log({"result_qps_without_loadgen_overhead": 250.0, "early_stopping_latency_ms": 4})
    assert str(inferred_metric("Offline", "SingleStream", log.encode())) == "250 samples/s"
    assert inferred_metric("MultiStream", "SingleStream", log.encode()).unit == "ms"
    assert SHIPPED["v6.1"].unit("llama3.1-8b-edge", "Offline") == "tokens/s"
