"""Strict requires power samples of the whole run, each second, with real content."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.repository.trees import DirectoryTree
from tests.submissions import Submission, write_submission

_BEGIN = datetime(2026, 3, 1, 12, 0, 0)
_SECONDS = 610
_RULES = {"power-samples", "power-not-positive", "power-files", "power-window"}
_FORMAT = "%m-%d-%Y %H:%M:%S.%f"


def measured(root: Path, round_name: str = "v3.0", watts: float = 9.5) -> Submission:
    """Write a submission whose Offline result comes with a power measurement."""
    submission = write_submission(root, round_name)
    performance = submission.result("Offline") / "performance"
    run = performance / "run_1"
    _edit(run / "mlperf_log_detail.txt", lambda text: text.replace("12:11:10.000", "12:10:10.000"))
    # An Offline run lasts from its one query to its last answer.
    _edit(
        run / "mlperf_log_detail.txt",
        lambda text: re.sub(r'(max_latency_ns", "value": )\d+', r"\g<1>609900000000", text),
    )
    ranging = performance / "ranging"
    ranging.mkdir()
    for name in ("mlperf_log_detail.txt", "mlperf_log_summary.txt"):
        (ranging / name).write_bytes((run / name).read_bytes())
    for directory in (run, ranging):
        _write_samples(directory / "spl.txt", [watts] * _SECONDS)
    power = performance / "power"
    power.mkdir()
    for name in submission.round.tables["required_files"]["power_dir"]:
        (power / name).write_text('{"timezone": 0}' if name.endswith(".json") else "a line\n")
    return submission


def _write_samples(path: Path, watts: list[float], step: int = 1) -> None:
    times = (_BEGIN + timedelta(seconds=number * step + 0.5) for number in range(len(watts)))
    path.write_text(
        "".join(
            f"Time,{time.strftime(_FORMAT)[:-3]},Watts,{value:f},Volts,230.0,Amps,0.1,PF,0.9,Mark,run\n"
            for time, value in zip(times, watts, strict=True)
        )
    )


def _edit(path: Path, edit: Callable[[str], str]) -> None:
    before = path.read_text(encoding="utf-8")
    after = edit(before)
    assert after != before
    path.write_text(after, encoding="utf-8")


def found(submission: Submission) -> dict[str, bool]:
    """Return the rules about samples and files that are broken, and whether each breaks strict."""
    report = check(DirectoryTree(submission.root), submission.round)
    return {f.rule: f.breaks_strict for f in report.all_findings() if f.rule in _RULES}


def _spl(submission: Submission) -> Path:
    return submission.result("Offline") / "performance/run_1/spl.txt"


@pytest.mark.parametrize("round_name", ["v1.1", "v2.0", "v3.0", "v3.1"])
def test_a_whole_measurement_is_believed(tmp_path: Path, round_name: str) -> None:
    """In the rounds of both kinds of clocks, and with and without samples of no power."""
    assert found(measured(tmp_path, round_name)) == {}


@pytest.mark.parametrize("count", [1, 10, 500])
def test_a_sample_for_each_second_is_asked_for(tmp_path: Path, count: int) -> None:
    """One is enough for the official checkers."""
    submission = measured(tmp_path)
    _write_samples(_spl(submission), [9.5] * count)
    assert found(submission) == {"power-samples": True}


def test_repeated_lines_are_no_samples(tmp_path: Path) -> None:
    """The coolest second, six hundred times."""
    submission = measured(tmp_path)
    _write_samples(_spl(submission), [1.0])
    _edit(_spl(submission), lambda text: text * _SECONDS)
    assert found(submission) == {"power-samples": True}


def test_a_sample_a_minute_is_too_few(tmp_path: Path) -> None:
    """The highest ones may have been left out."""
    submission = measured(tmp_path)
    _write_samples(_spl(submission), [9.5] * 10, step=60)
    assert found(submission) == {"power-samples": True}


@pytest.mark.parametrize(
    ("key", "time"),
    [
        ("power_begin", "03-01-2026 12:09:00.000"),
        ("power_begin", "03-01-2026 12:00:20.000"),
        ("power_end", "03-01-2026 12:08:10.000"),
    ],
)
def test_a_window_shorter_than_the_run_is_refused(tmp_path: Path, key: str, time: str) -> None:
    """The warm-up, or the hottest minutes, are part of the run."""
    submission = measured(tmp_path)
    log = submission.result("Offline") / "performance/run_1/mlperf_log_detail.txt"
    _edit(log, lambda text: re.sub(rf'({key}", "value": ")[^"]+', rf"\g<1>{time}", text))
    assert found(submission) == {"power-samples": True}


def test_a_window_longer_than_the_run_is_refused(tmp_path: Path) -> None:
    """An idle machine after the run lowers the mean."""
    submission = measured(tmp_path)
    log = submission.result("Offline") / "performance/run_1/mlperf_log_detail.txt"
    _edit(log, lambda text: text.replace("03-01-2026 12:10:10.000", "03-01-2026 12:40:00.000"))
    _write_samples(_spl(submission), [9.5] * 610 + [1.0] * 1790)
    assert found(submission) == {"power-samples": True}


@pytest.mark.parametrize(
    ("round_name", "wrong", "rules"),
    [
        ("v3.0", [-9.5] * 610, {"power-samples": True}),
        ("v3.0", [-5000.0], {"power-samples": True}),
        ("v3.0", [0.0] * 60, {"power-samples": True}),
        # Real analyzers give a few; the rounds since v3.1 leave them out.
        ("v3.0", [-1.0] * 4, {"power-not-positive": False}),
        ("v3.1", [-1.0] * 60, {"power-not-positive": False}),
    ],
)
def test_samples_of_no_power_are_told_from_errors_of_measurement(
    tmp_path: Path, round_name: str, wrong: list[float], rules: dict[str, bool]
) -> None:
    """What counts is whether they change the result."""
    submission = measured(tmp_path, round_name)
    _write_samples(_spl(submission), [9.5] * (_SECONDS - len(wrong)) + wrong)
    assert found(submission) == rules


def test_only_samples_of_no_power_are_named_as_that(tmp_path: Path) -> None:
    """Since v3.1 no sample is left, and the reader learns why."""
    submission = measured(tmp_path, "v3.1")
    _write_samples(_spl(submission), [0.0] * _SECONDS)
    report = check(DirectoryTree(submission.root), submission.round)
    (message,) = [f.message for f in report.all_findings() if f.rule == "power-window"]
    assert "all 610 samples" in message
    assert "<= 0 watts" in message


@pytest.mark.parametrize("name", ["server.json", "client.json", "server.log", "ptd_logs.txt"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    """The official checkers up to v3.0 look at names alone."""
    submission = measured(tmp_path)
    (submission.result("Offline") / "performance/power" / name).write_bytes(b"")
    assert found(submission) == {"power-files": True}


@pytest.mark.parametrize("text", ["{", "[]", json.dumps("x"), "\x00"])
def test_what_is_called_json_is_a_json_object(tmp_path: Path, text: str) -> None:
    """Cut, or of another kind."""
    submission = measured(tmp_path)
    (submission.result("Offline") / "performance/power/server.json").write_text(text)
    assert found(submission) == {"power-files": True}
