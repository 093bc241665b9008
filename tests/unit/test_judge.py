"""The verdict on a run, from handmade directories."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlrepo.bench.judge import Judgement, judge
from mlrepo.harness.spec import RunSpec, read_events
from mlrepo.record import AccuracyEntry, Metric
from mlrepo.rounds import SHIPPED
from mlrepo.workloads import Accuracy
from mlrepo.workloads.classification import Classification
from mlrepo.workloads.digits import DIGITS, DigitsDataset

ROUND = SHIPPED["v6.1"]
LABELS = DigitsDataset().labels


def _detail(**values: Any) -> str:
    lines = []
    for key, value in values.items():
        error = key.startswith("error_")
        event = {"key": key, "value": value, "metadata": {"is_error": error}}
        lines.append(f":::MLLOG {json.dumps(event)}\n")
    return "".join(lines)


GOOD = _detail(
    loadgen_version="6.0.17",
    result_validity="VALID",
    result_samples_per_second=885.05,
    result_mean_latency_ns=2_500_000,
    result_query_count=1,
    early_stopping_latency_ss=1_500_000,
)


def _run(
    directory: Path,
    *,
    events: list[Any] | None = None,
    outcome: dict[str, Any] | None = None,
    scenario: str = "Offline",
    mode: str = "performance",
    files: dict[str, str] | None = None,
    round_: Any = ROUND,
    workload: str = "digits",
) -> Judgement:
    names = ["loading", "warming", "started", "finished"] if events is None else events
    lines = [json.dumps({"event": e, "time": 0} if isinstance(e, str) else e) for e in names]
    (directory / "events.jsonl").write_text("".join(line + "\n" for line in lines))
    if outcome is not None:
        whole = {"returncode": 0, "stopped": "", "ended": "2026-11-23T12:00:00Z", "load": {}}
        (directory / "outcome.json").write_text(json.dumps(whole | outcome))
    for name, text in (files or {}).items():
        (directory / name).write_text(text)
    spec = RunSpec(workload, "onnx", scenario, mode, "m.onnx")
    return judge(directory, spec, round_)


def _entries(answers: Any) -> str:
    entries = [
        {"seq_id": i, "qsl_idx": int(i), "data": np.int32(answer).tobytes().hex()}
        for i, answer in enumerate(answers)
    ]
    return json.dumps(entries)


def test_a_valid_performance_run(tmp_path: Path) -> None:
    """Result in the unit of the round, latencies in milliseconds, rates per second."""
    found = _run(tmp_path, outcome={}, files={"mlperf_log_detail.txt": GOOD})
    assert (found.validity, found.reasons) == ("VALID", ())
    assert str(found.result) == "885.05 samples/s"
    assert str(found.metrics["mean_latency"]) == "2.5 ms"
    assert found.metrics["samples_per_second"].unit == "1/s"


@pytest.mark.parametrize(
    ("round_", "scenario", "value", "unit"),
    [
        ("v6.1", "SingleStream", 1.5, "ms"),
        ("v6.1", "Offline", 885.05, "samples/s"),
        ("v1.1", "Offline", 885.05, "samples/s"),
    ],
)
def test_the_result_follows_round_and_scenario(
    tmp_path: Path, round_: str, scenario: str, value: float, unit: str
) -> None:
    """The key that the round names is the result."""
    files = {"mlperf_log_detail.txt": GOOD}
    found = _run(tmp_path, outcome={}, scenario=scenario, files=files, round_=SHIPPED[round_])
    assert (found.result.value, found.result.unit) == (value, unit)


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        (GOOD.replace('"VALID"', '"INVALID"'), "LoadGen calls the run INVALID."),
        (_detail(result_samples_per_second=5), "LoadGen calls the run INVALID."),
        (_detail(result_validity="VALID"), "LoadGen gave no usable result (None)."),
        (_detail(result_validity="VALID", result_samples_per_second=0), "no usable result (0.0)"),
        (_detail(result_validity="VALID", result_samples_per_second=-5), "no usable result (-5.0)"),
        (GOOD.replace("885.05", "NaN"), "no usable result (nan)"),
        (GOOD.replace("885.05", "Infinity"), "no usable result (inf)"),
        (GOOD + _detail(error_runtime="Ran out of queries"), "LoadGen error: Ran out of queries"),
    ],
    ids=["INVALID", "no verdict", "no result", "zero", "negative", "NaN", "infinite", "error"],
)
def test_what_makes_a_performance_run_invalid(tmp_path: Path, detail: str, reason: str) -> None:
    """LoadGen's verdict, an impossible number, or any error that LoadGen logged."""
    summary = {"mlperf_log_detail.txt": detail, "mlperf_log_summary.txt": "Result is : INVALID\n"}
    found = _run(tmp_path, outcome={}, files=summary)
    assert found.validity == "INVALID"
    assert any(reason in text for text in found.reasons), found.reasons


def test_an_accuracy_run_is_judged_on_the_whole_data_set(tmp_path: Path) -> None:
    """All right is 100 %, and the text is MLPerf's."""
    files = {"mlperf_log_detail.txt": _detail(loadgen_version="6"), "mlperf_log_accuracy.json": ""}
    files["mlperf_log_accuracy.json"] = _entries(LABELS)
    found = _run(tmp_path, outcome={}, mode="accuracy", files=files)
    assert (found.validity, str(found.result)) == ("VALID", "100 %")
    assert found.accuracy_text == "accuracy=100.000%, good=500, total=500\n"


@dataclass(frozen=True)
class _Measures(Classification):
    """Gives the metrics that a test asks for."""

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    said: str = "F1=0.5\n"
    unit: str = "F1"

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Any) -> Accuracy:
        value: Any = np.float32(0.5)
        return Accuracy(value, self.unit, len(list(entries)), self.said, metrics=self.metrics)


@pytest.mark.parametrize(
    ("values", "validity"),
    [
        ({"F1": 0.5, "exact_match": np.float32(0.25)}, "VALID"),
        ({"F1": 0.5, "exact_match": float("nan")}, "INVALID"),
        ({"F1": 0.5, "exact_match": float("inf")}, "INVALID"),
    ],
)
def test_all_metrics_of_an_accuracy_are_recorded_as_finite_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], validity: str
) -> None:
    """Scalars of NumPy become plain numbers; what is none makes the run INVALID."""
    metrics = {name: Metric(value, name) for name, value in values.items()}
    benchmark = replace(DIGITS, task=_Measures(metrics=metrics))
    monkeypatch.setattr("mlrepo.bench.judge.load_plugin", lambda group, name: benchmark)
    files = {
        "mlperf_log_detail.txt": _detail(loadgen_version="6"),
        "mlperf_log_accuracy.json": _entries(LABELS),
    }
    found = _run(tmp_path, outcome={}, mode="accuracy", files=files)
    assert (found.validity, found.result) == (validity, Metric(0.5, "F1"))
    assert all(type(metric.value) is float for metric in (found.result, *found.metrics.values()))
    assert bool(found.reasons) == (validity == "INVALID")


@pytest.mark.parametrize(("text", "unit"), [("0.5", "F1"), ("50.0", "of one"), ("", "of one")])
def test_the_unit_is_the_one_that_the_round_reads_in_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, unit: str
) -> None:
    """Whatever the benchmark calls it, as in an imported result; another number is not its."""
    metrics = {"F1": Metric(0.5, "of one"), "exact_match": Metric(0.25, "of one")}
    said = f'{{"exact_match": 0.25, "f1": {text}}}\n' if text else "nothing\n"
    benchmark = replace(DIGITS, task=_Measures(metrics=metrics, said=said, unit="of one"))
    monkeypatch.setattr("mlrepo.bench.judge.load_plugin", lambda group, name: benchmark)
    files = {
        "mlperf_log_detail.txt": _detail(loadgen_version="6"),
        "mlperf_log_accuracy.json": _entries(LABELS),
    }
    found = _run(tmp_path, outcome={}, mode="accuracy", files=files, workload="bert-99")
    assert found.result == Metric(0.5, unit)
    assert found.metrics["F1"].unit == ("F1" if text else "of one")
    assert found.metrics["exact_match"] == Metric(0.25, "of one")


@pytest.mark.parametrize(
    ("entries", "validity", "reason"),
    [
        (_entries(LABELS[:499]), "INVALID", "Only 499 of 500 samples were judged."),
        (_entries([*LABELS, 3]), "FAILED", "sample 500, but the data set has 500"),
        ("[]", "FAILED", "contains no response"),
        ("[", "FAILED", "is not a LoadGen accuracy log"),
        ('[{"qsl_idx": 1, "data": "00"}]', "FAILED", "has 1 bytes"),
        (None, "FAILED", "mlperf_log_accuracy.json"),
    ],
    ids=["one less", "one more", "none", "cut", "another type", "absent"],
)
def test_what_an_accuracy_log_can_lack(
    tmp_path: Path, entries: str | None, validity: str, reason: str
) -> None:
    """Too few samples are INVALID; a log that cannot be judged is FAILED."""
    files = {"mlperf_log_detail.txt": _detail(loadgen_version="6")}
    if entries is not None:
        files["mlperf_log_accuracy.json"] = entries
    found = _run(tmp_path, outcome={}, mode="accuracy", files=files)
    assert found.validity == validity
    assert reason in found.reasons[0]


@pytest.mark.parametrize(
    ("events", "outcome", "validity", "reason"),
    [
        ([], {"returncode": 1}, "FAILED", "ended with exit code 1 while starting"),
        (["loading"], {"returncode": -9}, "FAILED", "killed by SIGKILL (often the kernel"),
        (
            ["loading", {"event": "generating", "time": 0, "queries": "2e+07 queries"}],
            {"returncode": -9, "memory_kills": 1},
            "FAILED",
            "Out of memory: the kernel killed the benchmark process while generating queries. "
            "LoadGen's list was 2e+07 queries.",
        ),
        (
            ["loading", "generating", "started"],
            {"returncode": 137, "memory_kills": 2},
            "FAILED",
            "Out of memory",
        ),
        (["loading"], {"returncode": -11}, "FAILED", "killed by SIGSEGV while loading"),
        (["loading"], {"returncode": -40}, "FAILED", "killed by signal 40"),
        (["loading", "warming"], {"returncode": 0}, "FAILED", "exit code 0 while warming up"),
        (["started"], {"returncode": -15, "stopped": "SIGINT"}, "INTERRUPTED", "by SIGINT"),
        (["started"], {"returncode": -15, "stopped": "timeout"}, "FAILED", "--timeout"),
        (["started"], None, "INTERRUPTED", "mlrepo itself was killed"),
        ([], None, "INTERRUPTED", "while the run was starting"),
        (["finished"], {"stopped": "SIGTERM"}, "INTERRUPTED", "Stopped by SIGTERM while ending"),
        (
            ["loading", {"event": "failed", "message": "No GPU.", "hint": "Buy one."}],
            {"returncode": 3},
            "FAILED",
            "No GPU.",
        ),
        ([{"event": "of a newer child"}], {"returncode": 1}, "FAILED", "exit code 1"),
    ],
    ids=str,
)
def test_how_a_run_ended_is_told(
    tmp_path: Path, events: list[Any], outcome: dict[str, Any] | None, validity: str, reason: str
) -> None:
    """From the last event of the child and what its parent saw, in one sentence."""
    found = _run(tmp_path, events=events, outcome=outcome)
    assert found.validity == validity
    assert reason in " ".join(found.reasons)
    assert found.result.value is None


def test_a_finished_run_counts_although_its_parent_died(tmp_path: Path) -> None:
    """All logs are there: the verdict needs no outcome."""
    assert _run(tmp_path, files={"mlperf_log_detail.txt": GOOD}).validity == "VALID"


@pytest.mark.parametrize(
    ("file", "text"),
    [("mlperf_log_detail.txt", ':::MLLOG {"key'), ("x", "")],
    ids=["damaged", "absent"],
)
def test_logs_that_cannot_be_read_fail_the_run(tmp_path: Path, file: str, text: str) -> None:
    """A full disk may leave half a log: recorded as FAILED, with the file."""
    found = _run(tmp_path, outcome={}, files={file: text})
    assert found.validity == "FAILED"
    assert "cannot be judged" in found.reasons[0]
    assert "mlperf_log_detail.txt" in found.reasons[0]


def test_the_last_words_of_a_dead_child_are_repeated(tmp_path: Path) -> None:
    """The last printed line is mostly the reason; control characters stay out of messages."""
    files = {"console.txt": "one\n\x1b[31mlibnuma: no such node\x07\x1b[0m\n\n"}
    found = _run(tmp_path, events=[], outcome={"returncode": 1}, files=files)
    assert found.reasons[1] == "The last line it printed: [31mlibnuma: no such node[0m"


@pytest.mark.parametrize("line", ['{"event": "fini', "5", "null", "[]", '{"no": "event"}', "\x00"])
def test_a_torn_line_of_events_is_no_event(tmp_path: Path, line: str) -> None:
    """What a full disk left of a line is passed over."""
    (tmp_path / "events.jsonl").write_text('{"event": "loading", "time": 1}\n' + line + "\n")
    assert [event["event"] for event in read_events(tmp_path)] == ["loading"]
