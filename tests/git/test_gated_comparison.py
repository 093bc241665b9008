"""``mlrepo compare --gate``: an exit code, a JUnit report and annotations for CI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from mlrepo.cli.main import main
from mlrepo.record import RunRecord
from mlrepo.repository.discovery import ResultsRepository
from tests.fast_import import import_runs
from tests.repeated_runs import Print, RepeatedRuns
from tests.samples import git


@pytest.fixture
def compare(command_on: Print) -> Print:
    """Return a function that compares the tags ``before`` and ``after`` of the records given."""
    words = ("compare", "tag:before", "tag:after")
    return lambda records, *options: command_on(records, *words, *options)


# What an element may have, must have, and its children, by the schema of JUnit in Jenkins' xUnit
# plugin (junit-10.xsd).
_JUNIT = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id"},
        {"name", "tests", "failures", "errors"},
        {"testcase", "properties", "system-out", "system-err"},
    ),
    "testcase": (
        {"name", "time", "classname", "group"},
        {"name"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": ({"type", "message"}, set(), set()),
    "skipped": ({"type", "message"}, set(), set()),
    "system-out": (set(), set(), set()),
}


def _assert_junit(file: Path) -> None:
    root = ElementTree.parse(file).getroot()
    assert root.tag == "testsuites"
    for element in root.iter():
        may, must, children = _JUNIT[element.tag]
        assert must <= set(element.attrib) <= may, element.tag
        assert {child.tag for child in element} <= children
        if "time" in element.attrib:
            assert re.fullmatch(r"[0-9]+\.[0-9]{3}", element.attrib["time"])
    [suite] = root
    counted = {tag: len(list(suite.iter(tag))) for tag in ("testcase", "failure", "skipped")}
    assert [suite.get(name) for name in ("tests", "failures", "skipped", "errors")] == [
        *map(str, counted.values()),
        "0",
    ]


def _pair(after: float, **changes: Any) -> Iterator[RunRecord]:
    runs = RepeatedRuns()
    yield from runs.make(5, 1000, tags=("before",))
    yield from runs.make(5, after, tags=("after",), **changes)


@pytest.mark.parametrize(
    ("after", "code", "said"),
    [(950, 1, "REGRESSION"), (985, 0, "passed"), (1000, 0, "passed"), (1100, 0, "passed")],
)
def test_the_exit_code_is_1_for_a_regression_only(
    compare: Print, after: float, code: int, said: str
) -> None:
    """Not for one below the limit, nor for an improvement."""
    done = compare(_pair(after), "--gate", "3%")
    assert done.code == code
    assert f"gate of 3 %: {said}: digits Offline performance, result" in done.out
    assert done.err == ""


def test_a_loss_that_may_be_noise_is_none(compare: Print) -> None:
    """Beyond the limit by its mean, with an interval that holds no change."""
    runs = RepeatedRuns(3)
    records = [
        *runs.make(3, 1000, noise=0.08, tags=("before",)),
        *runs.make(3, 930, noise=0.08, tags=("after",)),
    ]
    done = compare(records, "--gate", "0")
    assert done.code == 0
    assert "same within noise" in done.out


def test_one_metric_worse_and_another_better(compare: Print) -> None:
    """The gate judges the result or the metric that it is told; both changes are named."""
    done = compare(_pair(1100, latency=12), "--gate", "3")
    assert done.code == 0
    assert "]: better" in done.out
    assert "B: more than noise in 1 of 1 other metric: mean_latency" in done.out
    again = main(["compare", "tag:before", "tag:after", "--gate", "3", "--metric", "mean_latency"])
    assert again == 1
    assert main(["compare", "tag:before", "tag:after", "--gate", "3", "--metric", "mean"]) == 2


def test_same_within_noise_is_said_of_the_result_only(
    compare: Print, capsys: pytest.CaptureFixture[str]
) -> None:
    """A latency that differs is named beside it, in JSON, too."""
    done = compare(_pair(1000, latency=11))
    line = next(line for line in done.out.splitlines() if "same within noise" in line)
    assert line.startswith("  result B ÷ A ")
    assert "more than noise in 1 of 1 other metric: mean_latency" in done.out
    main(["compare", "tag:before", "tag:after", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["gate"] is None
    assert found["comparisons"][0]["parted_metrics"] == [["mean_latency"]]


def test_runs_that_are_not_compared_are_counted(compare: Print) -> None:
    """INVALID ones and those of another configuration; too few VALID ones are not judged."""
    runs = RepeatedRuns()
    records = [
        *runs.make(5, 1000, tags=("before",)),
        *runs.make(2, 100, tags=("after",), configuration="b" * 64),
        *runs.make(3, 100, tags=("after",), validity="INVALID"),
        *runs.make(2, 900, tags=("after",)),
    ]
    done = compare(records, "--gate", "3")
    assert done.code == 2
    words = done.words
    assert "B is without 3 runs with the verdict INVALID; 2 runs of another config" in words
    assert "not judged" in done.out
    assert "2 runs a side cannot tell" in words or "2 runs cannot tell" in words
    assert "--repeat 5" in done.err


def test_a_run_that_is_not_valid_is_not_judged(
    compare: Print, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given by its name it is compared, with its verdict beside it."""
    [bad, *_] = records = list(RepeatedRuns().make(4, 1000, validity="INVALID", tags=("before",)))
    compare(records)
    assert main(["compare", bad.run, records[1].run, "--gate", "3"]) == 2
    assert f"the run {bad.run} is INVALID" in capsys.readouterr().out


def test_two_systems_are_not_judged(compare: Print) -> None:
    """THE SYSTEMS DIFFER comes before the figures and in place of a verdict."""
    other = {"host_processor_model_name": "CPU 2", "kernel": "Linux 6.1"}
    done = compare(_pair(500, host=other), "--gate", "3")
    assert done.code == 2
    assert done.out.count("THE SYSTEMS DIFFER") == 2
    assert done.out.index("THE SYSTEMS DIFFER") < done.out.index("METRIC")


def test_a_report_and_annotations_for_ci(
    compare: Print,
    results: ResultsRepository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """JUnit in a file that Git ignores; annotations inside of GitHub's runner, or when asked."""
    done = compare(_pair(900), "--gate", "3%", "--junit", "gate.xml")
    assert done.code == 1
    assert "::" not in done.out
    _assert_junit(results.root / "gate.xml")
    [case] = ElementTree.parse(results.root / "gate.xml").getroot().iter("testcase")
    assert case.get("classname") == "digits.Offline.performance"
    assert [child.tag for child in case] == ["failure"]
    assert git(results.root, "status", "--porcelain") == ""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert main(["compare", "tag:before", "tag:after", "--gate", "3%"]) == 1
    lines = capsys.readouterr().out.splitlines()
    # Names of others may begin with "::": up to the token, the runner takes no line for a command.
    token = lines[0].removeprefix("::stop-commands::")
    assert len(token) == 32
    assert f"::{token}::" in lines
    assert lines[-1].startswith("::error title=mlrepo compare%3A regressed::digits Offline")
    assert main(["compare", "tag:before", "tag:after", "--gate", "3%", "--json"]) == 1
    found = capsys.readouterr()
    gate = json.loads(found.out)["gate"]
    assert (gate["limit"], gate["verdicts"][0]["state"]) == (0.03, "regressed")
    assert found.err.startswith("::error ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--gate", "300%"), "'300%' is not a limit"),
        (("--gate", "nan"), "from 0 to less than 100"),
        (("--junit", "x.xml"), "--junit is of use with a gate only"),
        (("--github", "--metric", "a"), "--metric and --github"),
        (("--gate", "3", "--metric", " "), "it is empty"),
        (("--gate", "3", "--junit", "no/x.xml"), "no does not exist"),
    ],
    ids=["300%", "nan", "junit", "github", "empty", "no directory"],
)
def test_mistakes_are_named_and_nothing_is_written(
    compare: Print, results: ResultsRepository, options: tuple[str, ...], words: str
) -> None:
    """With exit code 2, whatever the runs are."""
    done = compare(_pair(900), *options)
    assert done.code == 2
    assert words in done.err
    assert not list(Path(results.root).glob("*.xml"))


def test_a_report_of_every_verdict_is_of_the_schema(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A regression, one that passed and one that was not judged, with names that XML has not."""
    monkeypatch.chdir(results.root)
    runs = RepeatedRuns()
    subjects = (("b<&>'", 900, 5), ("digits", 1000, 5), ("few", 1000, 2))
    records = [
        run
        for benchmark, after, number in subjects
        for commit, rate in (("a", 1000), ("b", after))
        for run in runs.make(number, rate, benchmark=benchmark, source={"commit": commit * 40})
    ]
    import_runs(results.root, records)
    assert main(["trend", "--gate", "3", "--junit", "gate.xml"]) == 1
    _assert_junit(results.root / "gate.xml")
    cases = ElementTree.parse(results.root / "gate.xml").getroot().iter("testcase")
    assert sorted(case[0].tag for case in cases) == ["failure", "skipped", "system-out"]


def test_names_of_others_give_the_runner_no_commands(compare: Print) -> None:
    """A benchmark that is called like a command of GitHub's runner."""
    hostile = "::error::owned"
    runs = RepeatedRuns()
    records = [
        *runs.make(5, 1000, benchmark=hostile, tags=("before",)),
        *runs.make(5, 900, benchmark=hostile, tags=("after",)),
    ]
    done = compare(records, "--gate", "3", "--github")
    assert done.code == 1
    first, *lines = done.out.splitlines()
    last = lines.index(f"::{first.removeprefix('::stop-commands::')}::")
    assert any(line.startswith("::error::owned") for line in lines[:last])
    commands = [line for line in lines[last + 1 :] if line.startswith("::")]
    assert [line.partition(" title=")[0] for line in commands] == ["::error"]
