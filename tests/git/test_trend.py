"""``mlrepo trend``: levels, marks, and an exit code for regressions."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from mlrepo.cli.main import main
from mlrepo.record import Metric, RunRecord, SettingFacts
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.trailers import commit_message
from tests.curated import withdrawn
from tests.fast_import import import_commits, import_runs
from tests.repeated_runs import Print, RepeatedRuns
from tests.samples import git

_RECORDED = Path(__file__).parents[1] / "recorded" / "runs"
_BLOCKS = set("▁▂▃▄▅▆▇█")
_NEW = {"commit": "b" * 40}


@pytest.fixture
def show(command_on: Print) -> Print:
    """Return a function that records runs and shows the trends."""
    return lambda records, *options: command_on(records, "trend", *options)


def test_the_commit_since_which_it_is_slower_is_named(show: Print) -> None:
    """With the loss, its interval, and a mark where the framework changed as well."""
    runs = RepeatedRuns()
    records = [
        *runs.make(5, 1000, backend={"name": "onnx", "framework": "onnxruntime 1.20"}),
        *runs.make(5, 945, backend={"name": "onnx", "framework": "onnxruntime 1.21"}, source=_NEW),
    ]
    done = show(records)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("digits Offline performance on box, onnx")
    assert "% slower [" in done.out
    assert f", commit {'b' * 12}" in lines[-1]
    assert "framework: onnxruntime 1.20 → onnxruntime 1.21" in done.words


def _history(after: float = 950, **changes: Any) -> list[RunRecord]:
    runs = RepeatedRuns()
    return [
        *runs.make(10, 1000),
        *runs.make(5, after, source=_NEW, **changes),
    ]


@pytest.mark.parametrize(
    ("after", "limit", "code"),
    [(950, "3%", 1), (950, "10%", 0), (985, "3%", 0), (1000, "0", 0), (1200, "0", 0)],
)
def test_the_exit_code_is_1_for_a_regression_only(
    show: Print, after: float, limit: str, code: int
) -> None:
    """Beyond the limit, by more than noise, in the direction of the result."""
    assert show(_history(after), "--gate", limit).code == code


def test_a_latency_is_better_when_it_is_lower(show: Print) -> None:
    """The result of SingleStream, and a metric of LoadGen that is asked for."""
    runs = RepeatedRuns()
    stream = [
        one
        for rate, source in ((10, {"commit": "a"}), (11, {"commit": "b"}))
        for one in runs.make(5, rate, scenario="SingleStream", source=source)
    ]
    milliseconds = [replace(one, result=Metric(one.result.value, "ms")) for one in stream]
    done = show(milliseconds, "--gate", "3")
    assert done.code == 1
    assert "% slower" in done.out
    assert "(lower is better)" in done.out


def test_one_metric_worse_and_another_better(show: Print) -> None:
    """Each by its own name."""
    records = _history(1100, latency=12)
    assert show(records, "--gate", "3").code == 0
    done = show([], "--gate", "3", "--metric", "mean_latency")
    assert done.code == 1
    assert "mean_latency" in done.out
    done = show([], "--metric", "mean-latency")
    assert done.code == 2
    assert "Did you mean mean_latency" in done.err


def test_losses_that_are_each_below_the_limit_add_up(show: Print) -> None:
    """The newest level is judged against the best one, not against the last."""
    runs = RepeatedRuns()
    records = [
        *runs.make(6, 1000),
        *runs.make(6, 978, source=_NEW),
        *runs.make(6, 955, source={"commit": "c" * 40}),
    ]
    done = show(records, "--gate", "3%")
    assert done.code == 1
    assert f"commit {'b' * 12}" in done.out.splitlines()[-1]


def test_a_change_without_a_commit_and_noise_that_hides_one_are_said(show: Print) -> None:
    """A commit that did not change is not to blame; a noisy trend has not shown all is well."""
    runs = RepeatedRuns()
    records = [
        *runs.make(6, 1000),
        *runs.make(6, 900),
        *runs.make(12, 1000, noise=0.1, benchmark="resnet50"),
    ]
    done = show(records, "--benchmark", "digits")
    assert f"at the commit of the run before, {'a' * 12}" in done.words
    done = show([], "--benchmark", "resnet50", "--gate", "3")
    assert done.code == 0
    assert "passed" in done.words
    assert "too noisy to exclude a loss of 3 %" in done.words


def test_what_is_not_compared_is_said(show: Print, results: ResultsRepository) -> None:
    """INVALID runs, other LoadGen settings, no value; withdrawn runs count no longer."""
    runs = RepeatedRuns()
    asked = {"user.conf": SettingFacts('{"*.Offline.min_query_count": "5"}', "--count")}
    records = [
        *runs.make(2, 500, settings=asked),
        *runs.make(8, 1000),
        *runs.make(3, 100, validity="INVALID"),
        *runs.make(1, 100, validity="FAILED"),
    ]
    gone = records[4].run
    import_runs(results.root, records)
    withdrawn(results, gone)
    done = show([], "--gate", "3")
    assert done.code == 0
    assert "3 runs with the verdict INVALID" in done.words
    assert "1 run with the verdict FAILED" in done.words
    assert "2 runs with other LoadGen settings" in done.words
    assert "no change in 7 runs" in done.words


def test_another_machine_is_another_trend(show: Print) -> None:
    """THE SYSTEMS DIFFER comes before the figures, and no verdict compares the two."""
    other = {"host_processor_model_name": "CPU 2", "kernel": "Linux 6.1"}
    done = show(_history(500, host=other), "--gate", "3%")
    assert done.code == 0
    assert done.out.index("THE SYSTEMS DIFFER") < done.out.index("SINCE RUN")
    assert "host_processor_model_name: here CPU 2; there CPU 1" in done.words
    assert "not judged" in done.out
    assert "THE SYSTEMS DIFFER: 5 VALID runs" in done.words
    values = show([], "--json").json["trends"][0]
    assert values["systems_differ"] is True
    assert [level["runs"] for level in values["levels"]] == [5]


@pytest.mark.parametrize("number", [0, 1, 5])
def test_too_few_runs_are_not_judged(show: Print, number: int) -> None:
    """A history begins with them, so that it is no error; no run at all is one."""
    done = show(RepeatedRuns().make(number, 1000), "--gate", "3%", "--github")
    if not number:
        assert done.code == 2
        assert "nothing to judge" in done.err
        assert show([]).code == 2
        return
    assert done.code == 0
    assert f"{number} VALID run" in done.out
    assert "6 can tell" in done.out
    assert "::warning title=mlrepo trend%3A not judged::" in done.out
    assert show([]).code == 0


def test_only_invalid_runs_are_nothing_to_judge(show: Print) -> None:
    """They are counted, and a gate does not pass over them."""
    done = show(RepeatedRuns().make(6, 1000, validity="INVALID"), "--gate", "3")
    assert done.code == 2
    assert "No VALID run" in done.err
    done = show([])
    assert done.code == 0
    assert "6 runs with the verdict INVALID" in done.words


def test_the_newest_commit_with_a_single_run(show: Print) -> None:
    """Its run cannot show a change yet, and the verdict says so."""
    runs = RepeatedRuns()
    records = [*runs.make(10, 1000), *runs.make(1, 800, source=_NEW)]
    done = show(records, "--gate", "3")
    assert done.code == 0
    assert "the newest commit has 1 run: a change is seen from 3 on" in done.words


def test_the_last_runs_and_other_selections(show: Print) -> None:
    """By number, tag, time and system."""
    records = [*_history(950, tags=("new",))]
    done = show(records, "-n", "5", "--json")
    [trend] = done.json["trends"]
    assert [one["run"] for one in trend["runs"]] == [one.run for one in records[-5:]]
    assert trend["runs"][0]["source"] == "b" * 40
    assert done.json["schema"] == "mlrepo.trend/1"
    assert len(show([], "--tag", "new", "--json").json["trends"][0]["runs"]) == 5
    since = show([], "--since", "2026-11-23T00:00:12", "--json").json["trends"][0]["runs"]
    assert len(since) == 3
    assert show([], "--system", "other").code == 2
    assert show([], "--mode", "fast").code == 2


def test_a_report_and_annotations_for_ci(
    show: Print, results: ResultsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JUnit with one case a trend, and an error at GitHub; nothing for Git to see."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = show(_history(), "--gate", "3%", "--junit", "trend.xml")
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("::error title=mlrepo trend%3A regressed::digits")
    [case] = ElementTree.parse(results.root / "trend.xml").getroot().iter("testcase")
    assert case.get("classname") == "digits.Offline.performance"
    assert [child.tag for child in case] == ["failure"]
    assert git(results.root, "status", "--porcelain") == ""


def test_records_that_cannot_be_read_are_named(show: Print, results: ResultsRepository) -> None:
    """NaN is no number that a record may have; the others are judged."""
    records = _history()
    bad = records.pop()
    import_runs(results.root, records)
    content = bad.to_json().replace(b'"value": ', b'"value": NaN, "x": ', 1)
    import_commits(results.root, [("bad", bad.run, commit_message(bad), content)])
    done = show([], "--gate", "3%")
    assert done.code == 1
    assert bad.run in done.err


def test_runs_of_older_versions_are_shown(show: Print, results: ResultsRepository) -> None:
    """Records of schema 1, as mlrepo wrote them; each configuration has its trend."""
    commits = []
    for path in sorted(_RECORDED.glob("*.json")):
        content = path.read_bytes()
        run = json.loads(content)["run"]
        commits.append(("old", run, path.with_suffix(".message").read_text(), content))
    import_commits(results.root, commits)
    done = show([], "--gate", "3%")
    assert done.code == 0
    assert done.err == ""
    assert "digits Offline performance on box, onnx fp32" in done.out
    assert "passed" not in done.out
    assert main(["report", "--format", "csv", "--out", "runs.csv"]) == 0
    with (results.root / "runs.csv").open(newline="") as file:
        assert [row["run"] for row in csv.DictReader(file)] == [run for _, run, _, _ in commits]


def test_it_is_readable_at_60_columns(show: Print, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wider, also with more runs than fit."""
    runs = RepeatedRuns()
    records = [*runs.make(90, 1000), *runs.make(5, 900, source=_NEW)]
    monkeypatch.setenv("COLUMNS", "60")
    done = show(records)
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= 60
    [line] = [line.strip() for line in lines if line.strip() and set(line.strip()) <= _BLOCKS]
    assert len(line) == 56
    assert line[-1] == "▁"
