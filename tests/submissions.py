"""A small submission that is valid by the rules of its round, generated in code.

One system of the edge category, ResNet-50 in every scenario the round requires there, with
compliance tests. Nothing is copied, so tests that need a submission need no external data. The
layouts of v0.7 to v5.1, and since v6.0, come from the round's tables; the logs of v0.7 are text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlrepo.rounds import SHIPPED, Place, Round

SUBMITTER, SYSTEM, BENCHMARK = "Acme", "alpha", "resnet50"
_IMAGES = 50_000
_DURATION_MS = 600_000
_TEST05_SEEDS = {
    "qsl_rng_seed": 313588358309856706,
    "sample_index_rng_seed": 471397156132239067,
    "schedule_rng_seed": 413914573387865862,
}
# What each compliance test changes in LoadGen's settings (audit.config of the test).
_AUDITS: Mapping[str, Mapping[str, Any]] = {
    "TEST01": {"accuracy_log_rng_seed": 720381539243781796, "accuracy_log_sampling_target": 4096},
    "TEST04": {"performance_issue_same": True, "performance_issue_same_index": 3},
    "TEST04-A": {"performance_issue_unique": True},
    "TEST04-B": {"performance_issue_same": True, "performance_issue_same_index": 3},
    "TEST05": _TEST05_SEEDS,
}
_AUDIT_KEYS = (
    "accuracy_log_rng_seed",
    "accuracy_log_probability",
    "accuracy_log_sampling_target",
    "performance_issue_unique",
    "performance_issue_same",
    "performance_issue_same_index",
)


@dataclass(frozen=True)
class Submission:
    """A written submission.

    Attributes
    ----------
    root:
        The directory that holds ``closed/``.
    round:
        Its round.
    """

    root: Path
    round: Round

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The scenarios it has a result of: those the round requires of an edge system."""
        return self.round.scenarios_of("edge", "resnet")

    def place(self, scenario: str) -> Place:
        """Return the names of the result of a scenario."""
        return Place("closed", SUBMITTER, SYSTEM, BENCHMARK, scenario)

    def result(self, scenario: str) -> Path:
        """Return the directory of a result."""
        return self.root / str(self.round.layout.result_directory(self.place(scenario)))

    def compliance(self, scenario: str, test: str) -> Path:
        """Return the directory of a compliance test."""
        layout = str(self.round.tables["layout"]["compliance"])
        place = self.place(scenario)
        return self.root / layout.format(
            division=place.division,
            submitter=place.submitter,
            system=place.system,
            model=place.benchmark,
            scenario=place.scenario,
            TEST=test,
        )

    def tests(self, scenario: str) -> tuple[str, ...]:
        """Return the compliance tests that the round demands."""
        tests = self.round.tables["compliance_tests"]["resnet"]
        return tuple(tests[scenario] if isinstance(tests, dict) else tests)


def write_submission(root: Path, round_name: str) -> Submission:
    """Write a valid submission of the round (v0.7 or later) below ``root``."""
    submission = Submission(root, SHIPPED[round_name])
    home = root / "closed" / SUBMITTER
    _write(home / "calibration.md", "Weights are quantized by their largest value.\n")
    code = "src" if submission.round.tables["layout"]["code"].endswith("/src") else "code/resnet50"
    _write(home / code / "README.md", "See the reference implementation.\n")
    _write_system(submission)
    for scenario in submission.scenarios:
        _write_measurements(submission, scenario)
        _write_performance(submission, scenario)
        _write_accuracy(submission, scenario)
        for test in submission.tests(scenario):
            _write_compliance(submission, scenario, test)
    return submission


def detail_log(entries: Mapping[str, Any]) -> str:
    """Return a detail log as LoadGen writes it, one line a key."""
    lines = []
    for number, (key, value) in enumerate(entries.items()):
        line = {
            "key": key,
            "value": value,
            "time_ms": number / 8,
            "namespace": "mlperf::logging",
            "event_type": "POINT_IN_TIME",
            "metadata": {
                "is_error": False,
                "is_warning": False,
                "file": "f.cc",
                "line_no": 1,
                "pid": 1,
                "tid": 1,
            },
        }
        lines.append(f":::MLLOG {json.dumps(line)}\n")
    return "".join(lines)


def _entries(
    submission: Submission, scenario: str, mode: str, score: float, audit: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keys and values of a run; ``score`` is samples a second."""
    ns = round(1e9 / score)
    offline = scenario == "Offline"
    per_query = round(score * _DURATION_MS / 1000 * 1.1) if offline else 1
    per_query = 8 if scenario == "MultiStream" else per_query
    settings: dict[str, Any] = {
        "scenario": scenario,
        "test_mode": mode,
        "samples_per_query": per_query,
        "target_qps": score,
        "target_latency_ns": 0,
        "target_latency_percentile": 0.9 if scenario == "SingleStream" else 0.99,
        "min_duration_ms": _DURATION_MS,
        "max_duration_ms": 0,
        "min_query_count": {"Offline": 1, "SingleStream": 1024}.get(scenario, 270336),
        "max_query_count": 0,
        "min_sample_count": per_query,
        **submission.round.seeds(),
        "accuracy_log_rng_seed": 0,
        "accuracy_log_probability": 0,
        "accuracy_log_sampling_target": 0,
        "performance_issue_unique": False,
        "performance_issue_same": False,
        "performance_issue_same_index": 0,
        "performance_sample_count": 1024,
        "sample_concatenate_permutation": False,
        **audit,
    }
    head = {
        "loadgen_version": f"{submission.round.name[1:]} @ 0123456789",
        "loadgen_build_date_utc": "2026-02-01T12:00:00",
        "test_datetime": "2026-03-01T12:00:00Z",
        "sut_name": "PySUT",
        "qsl_name": "PyQSL",
        "qsl_reported_total_count": _IMAGES,
        "qsl_reported_performance_count": 1024,
        **{f"requested_{key}": value for key, value in settings.items()},
        **{f"effective_{key}": value for key, value in settings.items()},
        "loaded_qsl_set": list(range(16)),
        "generated_query_count": 1 if offline else round(score * 610),
        "generated_samples_per_query": per_query,
        "generated_query_duration": _DURATION_MS * 1_000_000,
        "power_begin": "03-01-2026 12:00:00.000",
        "power_end": "03-01-2026 12:11:10.000",
    }
    if mode == "AccuracyOnly":
        return {**head, "accuracy_sample_count": _IMAGES, "num_errors": 0}
    # All samples of an Offline run are asked for at its beginning: the last answer ends it.
    longest = round(per_query / score * 1e9) if offline else ns + 5000
    latencies = {
        name: round(longest * float(name) / 100) if offline else ns + 10 * number
        for number, name in enumerate(_PERCENTILES)
    }
    return {
        **head,
        "result_validity": "VALID",
        "result_min_duration_met": True,
        "result_min_queries_met": True,
        "early_stopping_met": True,
        "result_query_count": 1 if offline else round(score * 610),
        "result_samples_per_second": score,
        "result_qps_with_loadgen_overhead": score * 0.999,
        "result_qps_without_loadgen_overhead": score,
        "early_stopping_latency_ss": ns + 1000,
        "early_stopping_latency_ms": 8 * ns + 1000 if scenario == "MultiStream" else ns + 2000,
        "result_min_latency_ns": ns - 1000,
        "result_max_latency_ns": longest,
        "result_mean_latency_ns": longest // 2 if offline else ns,
        **{f"result_{name}_percentile_latency_ns": value for name, value in latencies.items()},
        **(_of_queries(ns) if scenario == "MultiStream" else {}),
        "num_errors": 0,
        "num_warnings": 0,
    }


def _of_queries(ns: int) -> dict[str, int]:
    """Return the latencies of queries of eight samples that take ``ns`` nanoseconds each."""
    return {
        "result_min_query_latency_ns": 8 * ns - 1000,
        "result_max_query_latency_ns": 8 * ns + 5000,
        "result_mean_query_latency_ns": 8 * ns,
        **{
            f"result_{name}_percentile_per_query_latency_ns": 8 * ns + 10 * number
            for number, name in enumerate(_PERCENTILES)
        },
    }


_PERCENTILES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
_HEADLINES = {
    "Offline": "Samples per second: {result_samples_per_second}",
    "SingleStream": "90th percentile latency (ns) : {early_stopping_latency_ss}",
    "MultiStream": "99th percentile latency (ns) : {early_stopping_latency_ms}",
}


def _summary(entries: Mapping[str, Any], seeds: Mapping[str, int]) -> str:
    """Return the summary that LoadGen writes beside the detail log."""
    scenario, mode = entries["effective_scenario"], entries["effective_test_mode"]
    head = f"SUT name : PySUT\nScenario : {scenario}\nMode     : {mode}\n"
    if mode == "AccuracyOnly":
        return (
            f"\nNo warnings encountered during test.\n\nNo errors encountered during test.\n{head}"
        )
    rule = "=" * 48
    headline = _HEADLINES[scenario].format(**entries)
    percentile = entries["result_90.00_percentile_latency_ns"]
    if scenario == "SingleStream" and "90.00" in _result_key(entries):
        headline = f"90th percentile latency (ns) : {percentile}"
    parameters = "".join(f"{key} : {entries[f'effective_{key}']}\n" for key in seeds)
    of = "percentile_per_query" if scenario == "MultiStream" else "percentile"
    latencies = "".join(
        f"{name} percentile latency (ns)   : {entries[f'result_{name}_{of}_latency_ns']}\n"
        for name in _PERCENTILES
    )
    return (
        f"{rule}\nMLPerf Results Summary\n{rule}\n{head}{headline}\nResult is : VALID\n"
        f"  Min duration satisfied : Yes\n  Min queries satisfied : Yes\n\n"
        f"{rule}\nAdditional Stats\n{rule}\n{latencies}\n"
        f"{rule}\nTest Parameters Used\n{rule}\n"
        f"samples_per_query : {entries['effective_samples_per_query']}\n"
        f"min_duration (ms): {entries['effective_min_duration_ms']}\n"
        f"min_query_count : {entries['effective_min_query_count']}\n{parameters}"
        "\nNo warnings encountered during test.\n\nNo errors encountered during test.\n"
    )


def _old_detail_log(entries: Mapping[str, Any]) -> str:
    """Return a detail log as LoadGen wrote it up to v0.7: sentences, which nobody parses."""
    head = '"pid": 4499, "tid": 4499, "ts": 5113ns :'
    return "".join(f"{head} {key} : {value}\n" for key, value in entries.items())


def _old_summary(entries: Mapping[str, Any], round_: Round) -> str:
    """Return the summary that the checkers up to v0.7 read instead of a detail log."""
    scenario = entries["effective_scenario"]
    words = {"SingleStream": "Single Stream", "MultiStream": "Multi Stream"}
    head = f"SUT name : PySUT\nScenario : {words.get(scenario, scenario)}\n"
    if entries["effective_test_mode"] == "AccuracyOnly":
        return f"{head}Mode     : Accuracy\n\nNo errors encountered during test.\n"
    headline = {
        "Offline": f"Samples per second: {entries['result_samples_per_second']}",
        "SingleStream": "90th percentile latency (ns) : "
        f"{entries['result_90.00_percentile_latency_ns']}",
        "MultiStream": f"Samples per query : {entries['effective_samples_per_query']}",
    }[scenario]
    rule = "=" * 48
    latencies = "".join(
        f"{name} percentile latency (ns)   : {entries[f'result_{name}_percentile_latency_ns']}\n"
        for name in _PERCENTILES
    )
    seeds = "".join(f"{name} : {entries[f'effective_{name}']}\n" for name in round_.seeds())
    settings = "".join(
        f"{name} : {json.dumps(entries[f'effective_{name}'])}\n" for name in _AUDIT_KEYS
    )
    return (
        f"{rule}\nMLPerf Results Summary\n{rule}\n{head}Mode     : Performance\n{headline}\n"
        "Result is : VALID\n  Min duration satisfied : Yes\n  Min queries satisfied : Yes\n\n"
        f"{rule}\nAdditional Stats\n{rule}\n"
        f"QPS w/ loadgen overhead         : {entries['result_qps_with_loadgen_overhead']:.2f}\n"
        f"QPS w/o loadgen overhead        : {entries['result_qps_without_loadgen_overhead']:.2f}"
        f"\n\nMin latency (ns)                : {entries['result_min_latency_ns']}\n"
        f"Max latency (ns)                : {entries['result_max_latency_ns']}\n"
        f"Mean latency (ns)               : {entries['result_mean_latency_ns']}\n"
        f"{latencies}\n{rule}\nTest Parameters Used\n{rule}\n"
        f"samples_per_query : {entries['effective_samples_per_query']}\n"
        f"min_duration (ms): {entries['effective_min_duration_ms']}\n"
        f"min_query_count : {entries['effective_min_query_count']}\n{seeds}{settings}"
        "performance_sample_count : 1024\n\nNo warnings encountered during test.\n\n"
        "No errors encountered during test.\n"
    )


def _result_key(entries: Mapping[str, Any]) -> str:
    """Return the key of a SingleStream result of the LoadGen generation that wrote the log."""
    old = float(str(entries["loadgen_version"]).split(" ")[0]) < 2
    return "result_90.00_percentile_latency_ns" if old else "early_stopping_latency_ss"


def _write_logs(
    directory: Path,
    submission: Submission,
    scenario: str,
    mode: str,
    score: float,
    audit: Mapping[str, Any] | None = None,
) -> None:
    entries = _entries(submission, scenario, mode, score, audit or {})
    if not submission.round.has_detail_log():
        _write(directory / "mlperf_log_detail.txt", _old_detail_log(entries))
        _write(directory / "mlperf_log_summary.txt", _old_summary(entries, submission.round))
        return
    _write(directory / "mlperf_log_detail.txt", detail_log(entries))
    summary = _summary(entries, submission.round.seeds())
    _write(directory / "mlperf_log_summary.txt", summary)


def _score(scenario: str) -> float:
    return {"Offline": 2600.25, "SingleStream": 800.0, "MultiStream": 900.0}[scenario]


def _write_performance(submission: Submission, scenario: str) -> None:
    run = submission.result(scenario) / "performance" / "run_1"
    _write_logs(run, submission, scenario, "PerformanceOnly", _score(scenario))


def _write_accuracy(submission: Submission, scenario: str) -> None:
    directory = submission.result(scenario) / "accuracy"
    _write_logs(directory, submission, scenario, "AccuracyOnly", _score(scenario))
    _write_accuracy_log(directory, "accuracy=76.456%, good=38228, total=50000\n")


def _write_accuracy_log(directory: Path, text: str, first: int = 0) -> None:
    """Write the truncated log of a run from a sample on, and its text with the whole log's hash."""
    full = "[\n" + ",\n".join(
        f'{{ "seq_id" : {i}, "qsl_idx" : {i}, "data" : "{i % 1000:08x}", "token_count" : 0 }}'
        for i in range(first, first + 500)
    )
    data = (full + "\n]\n").encode()
    _write(directory / "accuracy.txt", f"{text}hash={hashlib.sha256(data).hexdigest()}\n")
    _write(
        directory / "mlperf_log_accuracy.json",
        (data[:4096] + b"\n\n...\n\n" + data[-4096:]).decode(),
    )


def put_full_log(submission: Submission, scenario: str, data: bytes) -> Path:
    """Put a full log in the place of the truncated one, and the text of its accuracy beside it."""
    directory = submission.result(scenario) / "accuracy"
    _write(directory / "accuracy.txt", "accuracy=76.456%, good=38228, total=50000\n")
    log = directory / "mlperf_log_accuracy.json"
    log.write_bytes(data)
    return log


def _test_score(scenario: str, test: str) -> float:
    """Return the score of a test: no two runs take the same nanoseconds."""
    return _score(scenario) * (1.001 + list(_AUDITS).index(test) / 1000)


def _write_compliance(submission: Submission, scenario: str, test: str) -> None:
    directory = submission.compliance(scenario, test)
    score = _test_score(scenario, test)
    run = directory / "performance" / "run_1"
    audit = _AUDITS[test]
    if test == "TEST05":
        audit = submission.round.test05_seeds() or audit
    _write_logs(run, submission, scenario, "PerformanceOnly", score, audit)
    if test != "TEST04-B":
        names, scores = ("reference", "test"), (_score(scenario), score)
        if test == "TEST04-A":
            names, scores = (test, "TEST04-B"), (score, _test_score(scenario, "TEST04-B"))
        lines = (f"{name} score = {value}\n" for name, value in zip(names, scores, strict=True))
        _write(
            directory / "verify_performance.txt",
            f"Verifying performance.\n{''.join(lines)}TEST PASS\n",
        )
    if test == "TEST01":
        _write(
            directory / "verify_accuracy.txt",
            "Verifying accuracy. This might take a while...\nnum_acc_log_entries = 50000\n"
            "num_acc_log_duplicate_keys = 0\nnum_acc_log_data_mismatch = 0\n"
            "num_perf_log_entries = 4083\nnum_perf_log_qsl_idx_match = 4083\n"
            "num_perf_log_data_mismatch = 0\nnum_missing_qsl_idxs = 0\nTEST PASS\n",
        )
        _write_accuracy_log(directory / "accuracy", "", first=7)


def _write_measurements(submission: Submission, scenario: str) -> None:
    place = submission.place(scenario)
    directory = submission.root / str(submission.round.layout.measurements_directory(place))
    for name in submission.round.tables["required_files"]["measurements"]:
        _write(directory / name, f"{name} of {scenario}\n" if name.endswith(".md") else "# none\n")
    values = dict.fromkeys(submission.round.tables["measurements_required"], "fp32")
    values |= {"retraining": "no", "starting_weights_filename": "resnet50_v1.onnx"}
    file = submission.root / str(submission.round.layout.measurements_file(place))
    _write(file, json.dumps(values, indent=2))


def _write_system(submission: Submission) -> None:
    values = dict.fromkeys(submission.round.system_fields(), "N/A")
    values |= {
        "submitter": SUBMITTER,
        "division": "closed",
        "system_type": "edge",
        "status": "available",
        "system_name": "Alpha",
        "number_of_nodes": "1",
        "host_processors_per_node": "1",
        "host_processor_core_count": "8",
        "accelerators_per_node": "0",
    }
    if "system_type_detail" in values:
        values["system_type_detail"] = "edge server"
    file = submission.root / str(submission.round.layout.system_file(submission.place("Offline")))
    _write(file, json.dumps(values, indent=2))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
