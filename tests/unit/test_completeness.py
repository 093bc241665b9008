"""A detail log has all lines that LoadGen writes: missing or quoted lines hide nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.repository.trees import DirectoryTree
from tests.submissions import Submission, write_submission

_DETAIL = "mlperf_log_detail.txt"


def _edit(log: Path, key: str, change: Callable[[str], str]) -> None:
    lines = log.read_text().splitlines(keepends=True)
    assert any(f'"{key}"' in line for line in lines)
    log.write_text("".join(change(line) if f'"{key}"' in line else line for line in lines))


def _dropped(line: str) -> str:
    return ""


def _quoted(line: str) -> str:
    entry = json.loads(line.removeprefix(":::MLLOG "))
    return f":::MLLOG {json.dumps(entry | {'value': json.dumps(entry['value'])})}\n"


def _rules(submission: Submission, scenario: str) -> set[str]:
    report = check(DirectoryTree(submission.root), submission.round)
    place = submission.result(scenario)
    (result,) = (each for each in report.results if place.as_posix().endswith(each.path))
    assert result.strict == (not any(each.breaks_strict for each in result.findings))
    assert result.official
    return {each.rule for each in result.findings if each.breaks_strict}


@pytest.mark.parametrize("round_name", ["v1.1", "v4.1"])
@pytest.mark.parametrize("change", [_dropped, _quoted])
@pytest.mark.parametrize(
    "key", ["result_max_latency_ns", "generated_samples_per_query", "result_min_duration_met"]
)
def test_a_line_that_would_contradict_the_result_cannot_be_hidden(
    tmp_path: Path, round_name: str, change: Callable[[str], str], key: str
) -> None:
    """Without it nothing could be said against an edited result."""
    submission = write_submission(tmp_path, round_name)
    run = submission.result("Offline") / "performance" / "run_1"
    assert _rules(submission, "Offline") == set()
    _edit(run / _DETAIL, key, change)
    assert "log-incomplete" in _rules(submission, "Offline")


@pytest.mark.parametrize("key", ["effective_test_mode", "test_datetime", "loadgen_version"])
@pytest.mark.parametrize("run", ["performance/run_1", "accuracy"])
def test_a_log_says_of_what_mode_date_and_loadgen_it_is(tmp_path: Path, run: str, key: str) -> None:
    """Of both runs: a log that does not say its mode may be of any."""
    submission = write_submission(tmp_path, "v5.1")
    _edit(submission.result("Offline") / run / _DETAIL, key, _dropped)
    assert _rules(submission, "Offline") == {"log-incomplete"}


def test_counts_that_a_loadgen_quoted_are_read(tmp_path: Path) -> None:
    """Those of 3 February 2022 wrote two counts as texts: they are there, and held to the rest."""
    submission = write_submission(tmp_path, "v2.0")
    log = submission.result("Offline") / "performance" / "run_1" / _DETAIL
    _edit(log, "result_query_count", _quoted)
    assert _rules(submission, "Offline") == set()
    _edit(log, "result_query_count", lambda line: line.replace('"value": "1"', '"value": "7"'))
    assert "performance-contradiction" in _rules(submission, "Offline")
    _edit(log, "result_query_count", lambda line: line.replace('"value": "7"', '"value": "one"'))
    assert "log-incomplete" in _rules(submission, "Offline")
