"""Interactive results in a repository: read, planned, listed and selected by their own name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlrepo.bench.matrix import scenarios_of
from mlrepo.bench.status import round_status
from mlrepo.checker.runs.tokens import latencies_in_words
from mlrepo.exchange.imported import Importer
from mlrepo.exchange.imported_logs import LogOrigin, bare_runs
from mlrepo.exchange.imported_run import ImportedRun
from mlrepo.paths import RepoPath
from mlrepo.record import ACCURACY, PERFORMANCE, BackendFacts, RunRecord
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.recorder import RUNS, Composition, Recorder, Tip
from mlrepo.repository.trailers import commit_message
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from mlrepo.selection.select import plan_selection
from mlrepo.selection.wanted import Wanted
from mlrepo.workloads.digits import DIGITS
from tests.endpoints_submissions import write_endpoints
from tests.interactive import BENCHMARK, write_interactive_logs

_V61 = SHIPPED["v6.1"]
_CHAT = replace(DIGITS, name="chat", follows=BENCHMARK, loadgen_model="llama3_1-8b")


def _imported(tree: Path) -> Iterator[ImportedRun]:
    importer = Importer(DirectoryTree(tree), _V61, tree.name, "chat", "mlrepo")
    yield from bare_runs(importer, LogOrigin("open", "Acme", "datacenter", "box", BENCHMARK))


def _composition(record: RunRecord) -> Callable[[Tip], Composition]:
    return lambda tip: Composition(commit_message(record))


def _record(recorder: Recorder, runs: Iterator[ImportedRun]) -> dict[str, str]:
    """Record runs as mlrepo's own; return their ids by mode."""
    ids = {}
    for one in runs:
        record = replace(one.record, tags=(), configuration="a", backend=BackendFacts(name="vllm"))
        place = RepoPath((RUNS, record.run))
        files = {place / name: data for name, data in one.files.items()}
        files[place / "run.json"] = record.to_json()
        files |= {place / "system.json": b"{}", place / "user.conf": b"*.Server.target_qps = 9\n"}
        recorder.record(Experiment("chat"), record.run, files, _composition(record))
        ids[record.mode] = record.run
    return ids


def test_the_directory_tells_what_loadgen_calls_a_server(tmp_path: Path) -> None:
    """Logs of one harness beside each other: the same log is a Server's where nobody says more."""
    for name in ("Interactive", "interactive", "server", "build"):
        write_interactive_logs(tmp_path / name / "logs", tmp_path / f"scratch-{name}")
        found = {(run.record.scenario, run.record.mode) for run in _imported(tmp_path / name)}
        scenario = "Interactive" if name.lower() == "interactive" else "Server"
        assert found == {(scenario, ACCURACY), (scenario, PERFORMANCE)}


def test_latencies_of_tokens_are_told_in_milliseconds() -> None:
    """As logged in nanoseconds, where the round's checker reads them; what is no number is not."""
    logged = {
        "result_first_token_99.00_percentile_latency_ns": 431_000_000,
        "result_time_per_output_token_99.00_percentile_ns": 21_400_000.0,
    }
    words = latencies_in_words(_V61, BENCHMARK, logged)
    assert words == "TTFT p99 431 ms, TPOT p99 21.4 ms"
    assert latencies_in_words(_V61, BENCHMARK, dict.fromkeys(logged, "x")) == ""
    assert latencies_in_words(_V61, "resnet50", logged) == ""


def test_tokens_are_the_unit_of_what_is_read(tmp_path: Path) -> None:
    """The result is LoadGen's tokens per second, and a higher one is better."""
    write_interactive_logs(tmp_path / "a/Interactive", tmp_path / "scratch", tokens=100.5)
    [performance] = (r.record for r in _imported(tmp_path / "a") if r.record.mode == PERFORMANCE)
    assert str(performance.result) == "100.5 tokens/s"
    assert performance.validity == "VALID"
    assert not _V61.lower_is_better(BENCHMARK, "Interactive")


@pytest.mark.parametrize(
    ("name", "run", "scenarios"),
    [
        ("v6.1", (), ("Offline", "Server")),
        ("v6.1", ("Interactive",), ("Offline", "Interactive")),
        ("v6.1", ("Offline", "Server", "Interactive"), ("Offline", "Server", "Interactive")),
        ("v5.1", ("Interactive",), ("Offline", "Interactive")),
        ("v5.0", ("Interactive",), ()),
    ],
)
def test_of_server_and_interactive_one_is_planned(
    name: str, run: tuple[str, ...], scenarios: tuple[str, ...]
) -> None:
    """The one that was run, else the Server; v5.0 does not have the benchmark."""
    assert scenarios_of(SHIPPED[name], "datacenter", _CHAT, run) == scenarios


def test_a_benchmark_without_the_choice_is_planned_as_before() -> None:
    """Image classification is asked for a Server; nobody chooses."""
    assert _V61.scenario_choices("datacenter", "resnet50") == ()
    assert _V61.scenario_choices("datacenter", BENCHMARK) == (("Server", "Interactive"),)
    assert SHIPPED["v4.1"].scenario_choices("datacenter", "llama2-70b-99") == ()


def test_status_lists_and_select_takes_an_interactive_result(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """Of two results the one with more tokens, in the directory of its scenario."""
    slow, fast = tmp_path / "slow", tmp_path / "fast"
    write_interactive_logs(slow / "Interactive", tmp_path / "scratch-a", tokens=100.0)
    write_interactive_logs(fast / "Interactive", tmp_path / "scratch-b", tokens=200.0)
    _record(recorder, _imported(slow))
    best = _record(recorder, _imported(fast))
    [row] = round_status(results, _V61, "datacenter", None)
    # Offline, which the round requires of the benchmark, was not run.
    assert [(cell.scenario, cell.mode, cell.state) for cell in row.cells] == [
        ("Offline", ACCURACY, "missing"),
        ("Offline", PERFORMANCE, "missing"),
        ("Interactive", ACCURACY, "done"),
        ("Interactive", PERFORMANCE, "done"),
    ]
    plan = plan_selection(results, _V61, Wanted(scenario="Interactive"))
    [planned] = plan.results
    assert planned.result.performance.record.run == best[PERFORMANCE], plan.left_out
    assert str(planned.metric) == "200 tokens/s"
    assert str(planned.result.path) == f"open/Acme/results/box/{BENCHMARK}/Interactive"


def _endpoints(root: Path) -> dict[tuple[str, str], RunRecord]:
    importer = Importer(DirectoryTree(root), _V61, "theirs", "import", "mlrepo")
    records = [run.record for run in importer.published()]
    assert len({record.run for record in records}) == len(records)
    return {(record.scenario, record.mode): record for record in records}


def test_results_against_an_endpoint_are_read_in_every_scenario(tmp_path: Path) -> None:
    """Performance and accuracy each, in the unit of what was counted; the files are kept."""
    names = ("Offline", "Server", "Interactive")
    write_endpoints(tmp_path, "closed", "datacenter", "deepseek-r1", *names)
    found = _endpoints(tmp_path)
    assert set(found) == {(name, mode) for name in names for mode in (ACCURACY, PERFORMANCE)}
    assert {record.validity for record in found.values()} == {"VALID"}
    performance = found["Interactive", PERFORMANCE]
    assert str(performance.result) == "12.51 queries/s"
    assert str(found["Server", PERFORMANCE].result) == "15012.2 tokens/s"
    assert performance.started.startswith("2026-02-02T")
    assert list(performance.logs) == ["result_summary.json"]
    accuracy = found["Interactive", ACCURACY].result
    assert str(accuracy) == "80.625 exact_match"


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("performance/result_summary.json", ('"n_samples_failed": 0', '"n_samples_failed": 3'), ""),
        ("performance/result_summary.json", ("{", "["), "cannot be read"),
        ("accuracy/accuracy_results.json", ('"complete": true', '"complete": false'), "complete"),
    ],
)
def test_an_endpoints_run_that_failed_is_recorded_as_invalid(
    tmp_path: Path, file: str, change: tuple[str, str], words: str
) -> None:
    """The other run of the result is read all the same."""
    place = write_endpoints(tmp_path, "open", "datacenter", "deepseek-r1", "Interactive")
    path = place / "Interactive" / file
    path.write_text(path.read_text().replace(*change, 1))
    found = _endpoints(tmp_path)
    mode = file.partition("/")[0]
    other = ACCURACY if mode == PERFORMANCE else PERFORMANCE
    assert found["Interactive", mode].validity == "INVALID"
    assert words in " ".join(found["Interactive", mode].reasons)
    assert found["Interactive", other].validity == "VALID"
