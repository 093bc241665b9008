"""An accuracy counts only if an accuracy run measured it on the whole data set."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mlrepo.checker.accuracy.judge import judge_accuracy
from mlrepo.checker.docket import Docket
from mlrepo.checker.runs.run_facts import judge_pair, judge_run_dates, judge_tokens
from mlrepo.checker.scope import Scope
from mlrepo.findings import Finding
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED, Place
from mlrepo.rounds.document_problems import document_problems

_PLACE = Place("closed", "Acme", "alpha", "resnet50", "Offline")
_TEXT = "accuracy=76.456%, good=38228, total=50000\n"
_LOG = b"[\n]\n"
_SUMMARY = "\nNo warnings encountered during test.\n\nNo errors encountered during test.\n"


def _detail(**changes: object) -> str:
    values = {
        "loadgen_version": "5.0 @ 0123456789",
        "loadgen_build_date_utc": "2025-02-13T10:00:00.000000",
        "loadgen_git_commit_date": "2025-02-01T10:00:00+00:00",
        "loadgen_git_status_message": "",
        "test_datetime": "2025-02-13T13:29:06Z",
        "qsl_reported_total_count": 50000,
        "effective_scenario": "Offline",
        "effective_test_mode": "AccuracyOnly",
    } | changes
    return "".join(
        f':::MLLOG {{"key": "{key}", "value": {json.dumps(value)}, "time_ms": 0.1, '
        '"namespace": "mlperf::logging", "event_type": "POINT_IN_TIME", "metadata": '
        '{"is_error": false, "is_warning": false, "file": "a.cc", "line_no": 1, "pid": 1, '
        '"tid": 1}}\n'
        for key, value in values.items()
    )


def _judged(
    root: Path,
    *,
    text: str = _TEXT,
    log: bytes = _LOG,
    summary: str = _SUMMARY,
    round_name: str = "v5.0",
    division: str = "closed",
    benchmark: str = "resnet",
    **changes: object,
) -> list[Finding]:
    place = Place(division, "Acme", "alpha", "resnet50", "Offline")
    scope = Scope(DirectoryTree(root), SHIPPED[round_name], place, benchmark, "Offline")
    directory = root / scope.path / "accuracy"
    directory.mkdir(parents=True, exist_ok=True)
    named = text + f"hash={hashlib.sha256(log).hexdigest()}\n" if "hash=" not in text else text
    (directory / "accuracy.txt").write_text(named)
    (directory / "mlperf_log_accuracy.json").write_bytes(log)
    (directory / "mlperf_log_detail.txt").write_text(_detail(**changes))
    (directory / "mlperf_log_summary.txt").write_text(summary)
    judge_accuracy(Docket(scope))
    return scope.findings


def test_an_honest_accuracy_run_has_no_finding(tmp_path: Path) -> None:
    """Neither has one that made both runs."""
    assert _judged(tmp_path) == []
    assert _judged(tmp_path, effective_test_mode="SubmissionRun") == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("accuracy-range", "accuracy=764.56%, good=1, total=2\n"),
        ("accuracy-range", "accuracy=76,456%, good=38228, total=50000\n"),
        ("accuracy-range", "accuracy=76.9e-05%\n"),
        ("accuracy-range", "accuracy=76 456%\n"),
        ("accuracy-data-set", "accuracy=76.400%, good=382, total=500\n"),
        ("accuracy-hash", f"{_TEXT}hash={hashlib.sha256(b'').hexdigest()}\n"),
    ],
)
def test_a_number_that_was_not_measured_is_refused(tmp_path: Path, rule: str, text: str) -> None:
    """In strict; the official checkers read the beginning of the number, and no hash."""
    found = [each for each in _judged(tmp_path, text=text) if each.rule == rule]
    assert found
    assert all(each.breaks_strict and not each.breaks_official for each in found)


@pytest.mark.parametrize(
    ("text", "line", "actual"),
    [
        (
            "INFO: done\n{'rouge1': np.float64(38.78), 'rouge2': '15.9'}\n",
            2,
            "rouge1': np.float64(38.78)",
        ),
        ("INFO: done\n", 0, ""),
    ],
)
def test_a_metric_in_another_spelling_is_shown_with_its_line(
    tmp_path: Path, text: str, line: int, actual: str
) -> None:
    """What is refused is the spelling, and the message says where it is."""
    found = _judged(tmp_path, text=text, benchmark="gptj-99")
    (own,) = (each for each in found if "ROUGE1" in each.message)
    assert (own.rule, own.line, own.breaks_official) == ("accuracy-text", line, True)
    assert own.actual.startswith(actual)
    assert ("np.float64" in own.hint) is bool(line)


@pytest.mark.parametrize("round_name", ["v1.1", "v4.1", "v5.0"])
def test_a_part_of_the_data_set_is_refused_in_rounds_that_name_no_size(
    tmp_path: Path, round_name: str
) -> None:
    """The data sets are those of the benchmarks; open results may take others."""
    part: dict[str, Any] = {"qsl_reported_total_count": 500}
    text = "accuracy=76.400%\n"
    found = _judged(tmp_path, text=text, round_name=round_name, **part)
    assert "accuracy-data-set" in {each.rule for each in found}
    assert _judged(tmp_path, text=text, round_name=round_name, division="open", **part) == []


@pytest.mark.parametrize(
    ("benchmark", "index", "data", "is_other"),
    [
        ("resnet", 49999, "00000000", False),
        ("resnet", 49999, "0000000000000000", False),
        ("resnet", 7511, "00" * 56, True),
        ("resnet", 50000, "00000000", True),
        ("retinanet", 24780, "00" * 56, False),
        ("retinanet", 24780, "", False),
        ("retinanet", 24780, "00000000", True),
        ("retinanet", 49999, "00" * 28, True),
    ],
)
def test_answers_of_another_benchmark_are_refused(
    tmp_path: Path, benchmark: str, index: int, data: str, is_other: bool
) -> None:
    """Each answer in the log has the form of the benchmark, and is of a sample that it has."""
    log = f'[\n{{ "seq_id" : 0, "qsl_idx" : {index}, "data" : "{data}" }}\n]\n'.encode()
    found = _judged(tmp_path, log=log, benchmark=benchmark, qsl_reported_total_count=None)
    assert ("accuracy-answers" in {each.rule for each in found}) is is_other


@pytest.mark.parametrize(
    ("values", "is_more"),
    [
        ({"result_tokens_per_second": 2945.0, "result_samples_per_second": 10.0}, False),
        ({"result_tokens_per_second": 5890.0, "result_samples_per_second": 10.0}, True),
        (
            {
                "result_completed_tokens_per_second": 3900.0,
                "result_completed_samples_per_sec": 10.0,
            },
            True,
        ),
        ({"result_tokens_per_second": "many", "result_samples_per_second": 0}, False),
        ({}, False),
    ],
)
def test_tokens_that_no_answer_has_are_refused(
    tmp_path: Path, values: dict[str, object], is_more: bool
) -> None:
    """A rate of tokens is that of the samples times the length of the answers."""
    scope = Scope(DirectoryTree(tmp_path), SHIPPED["v5.0"], _PLACE, "llama2-70b-99", "Offline")
    Docket(scope).record(judge_tokens(scope, values, "294.45"))
    Docket(scope).record(judge_tokens(scope, values, ""))
    assert [each.rule for each in scope.findings] == ["performance-tokens"] * is_more


@pytest.mark.parametrize(
    ("model", "key", "rate", "is_more"),
    [
        ("llama3.1-8b", "result_tokens_per_second", 1291.0, False),
        ("llama3.1-8b", "result_tokens_per_second", 2560.0, True),
        ("gptj-99", "result_inferred_tokens_per_second", 690.0, False),
        ("gptj-99", "result_inferred_tokens_per_second", 1380.0, True),
        ("resnet", "result_tokens_per_second", 1380.0, False),
    ],
)
def test_tokens_are_bounded_where_accuracy_counts_none(
    tmp_path: Path, model: str, key: str, rate: float, is_more: bool
) -> None:
    """By the longest answer that the benchmark asks for."""
    scope = Scope(DirectoryTree(tmp_path), SHIPPED["v5.1"], _PLACE, model, "Offline")
    Docket(scope).record(judge_tokens(scope, {key: rate, "result_samples_per_second": 10.0}, ""))
    assert [each.rule for each in scope.findings] == ["performance-tokens"] * is_more


@pytest.mark.parametrize("mode", ["PerformanceOnly", "FindPeakPerformance"])
def test_a_log_of_another_mode_is_refused(tmp_path: Path, mode: str) -> None:
    """The log of a performance run says nothing about the accuracy."""
    (found,) = _judged(tmp_path, effective_test_mode=mode)
    assert (found.rule, found.actual, found.line > 0) == ("accuracy-mode", mode, True)
    assert found.breaks_strict


def test_the_summary_of_the_accuracy_run_is_looked_at(tmp_path: Path) -> None:
    """Empty, of a performance run, or with errors that the detail log does not show."""
    assert [each.rule for each in _judged(tmp_path, summary="")] == ["accuracy-summary"]
    errors = "\n1 ERROR encountered. See detailed log.\n"
    assert [each.rule for each in _judged(tmp_path, summary=errors)] == ["accuracy-loadgen-error"]
    performance = f"Mode     : PerformanceOnly\n{_SUMMARY}"
    assert [each.rule for each in _judged(tmp_path, summary=performance)] == ["accuracy-mode"]


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("run-date", {"test_datetime": "yesterday"}),
        ("run-date", {"test_datetime": "2999-01-01T00:00:00Z"}),
        ("run-date", {"test_datetime": "2025-02-11T00:00:00Z"}),
        ("run-date", {"test_datetime": "2025-01-30T00:00:00Z", "loadgen_build_date_utc": "?"}),
        (
            "performance-contradiction",
            {"test_datetime": "2025-03-13T13:29:06Z", "power_begin": "02-13-2025 21:29:06.000"},
        ),
        ("loadgen-modified", {"loadgen_git_status_message": " M loadgen.cc"}),
    ],
)
def test_a_run_of_an_impossible_date_or_loadgen_is_told(
    tmp_path: Path, rule: str, changes: dict[str, Any]
) -> None:
    """A wrong clock is a warning; two dates of one run that differ are not."""
    (found,) = _judged(tmp_path, **changes)
    assert found.rule == rule
    assert found.breaks_strict == (rule == "performance-contradiction")


def test_dates_within_a_day_are_time_zones(tmp_path: Path) -> None:
    """LoadGen's build date is local time in some versions, power_begin in all."""
    assert _judged(tmp_path, test_datetime="2025-02-13T02:00:00Z") == []
    scope = Scope(DirectoryTree(tmp_path), SHIPPED["v5.0"], _PLACE)
    Docket(scope).record(judge_run_dates(scope, "log", {}))
    assert scope.findings == []


def test_the_two_runs_of_a_result_are_compared(tmp_path: Path) -> None:
    """Another LoadGen or scenario is a warning: honest results have both."""
    scope = Scope(DirectoryTree(tmp_path), SHIPPED["v5.0"], _PLACE, "resnet", "Offline")
    performance = {"loadgen_version": "5.0 @ a", "effective_scenario": "Offline"}
    Docket(scope).record(judge_pair(scope, performance, dict(performance)))
    Docket(scope).record(judge_pair(scope, performance, {}))
    assert scope.findings == []
    Docket(scope).record(
        judge_pair(scope, performance, {"loadgen_version": "4.1", "effective_scenario": "Server"})
    )
    assert [each.rule for each in scope.findings] == ["loadgen-differs", "accuracy-scenario"]
    assert not any(each.breaks_strict for each in scope.findings)


def test_a_description_says_each_thing_once_in_plain_json() -> None:
    """NaN and two different values are errors; a field left over from a template is not."""
    document = b'{"a": 1, "b": NaN, "c": {"d": "x", "d": "y"}, "e": "passive", "e": ""}'
    found = [(each.rule, each.field, each.breaks_strict) for each in document_problems(document)]
    assert found == [
        ("system-json", "", True),
        ("system-json", "d", True),
        ("system-repeated", "e", False),
    ]
    assert document_problems(b'{"a": 1e5, "b": [1, 2]}') == ()
    assert document_problems(b"{") == document_problems(b"\xff") == ()


@pytest.mark.parametrize(
    ("division", "text", "breaks"),
    [
        ("open", "accuracy : 75.1 %\n", False),
        ("closed", "accuracy : 75.1 %\n", True),
        ("open", "accuracy: unknown\n", True),
        ("open", "top1: 75.1\n", True),
    ],
)
def test_an_open_accuracy_in_another_spelling_is_read_by_a_person(
    tmp_path: Path, division: str, text: str, breaks: bool
) -> None:
    """There is no target in the open division, but the metric must be named, with a number."""
    [own] = [
        f
        for f in _judged(tmp_path, text=text, division=division, round_name="v1.1")
        if f.rule == "accuracy-text"
    ]
    assert own.breaks_strict is breaks
    assert own.breaks_official is (division == "closed")
