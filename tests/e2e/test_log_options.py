"""``mlrepo log``: time, order, columns and format; in-process, on one repository."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlrepo.cli.main import main
from mlrepo.repository.discovery import find_repository
from mlrepo.repository.history import find_run, load_record

Log = Callable[..., str]


@pytest.fixture
def log(measured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Log:
    """Run ``mlrepo log`` and return what it printed to standard output."""
    monkeypatch.chdir(measured)
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: str, code: int = 0) -> str:
        assert main(["log", *arguments]) == code
        captured = capsys.readouterr()
        return captured.out if code == 0 else captured.err

    return run


def _runs(log: Log, *arguments: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(log("--json", *arguments))["runs"]
    return runs


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--since", "1d"), 8),
        (("--since", "2000-01-01", "--until", "today"), 8),
        (("--until", "2000-01-01"), 0),
        (("--since", "2999-01-01T10:00"), 0),
        (("--invalid",), 0),
        (("--limit", "2"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_time_and_a_verdict_choose_runs(
    log: Log, arguments: tuple[str, ...], expected: int
) -> None:
    """Together with the other filters."""
    assert len(_runs(log, "--columns", "run", *arguments)) == expected


def test_the_bounds_of_a_time_belong_to_it(log: Log) -> None:
    """A run started in the second that is named is listed."""
    started = [run["start"] for run in _runs(log, "--columns", "start")]
    same = [run["start"] for run in _runs(log, "--since", started[2], "--until", started[2])]
    assert same
    assert set(same) == {started[2]}


def test_json_has_what_the_record_knows(log: Log, measured: Path) -> None:
    """Start, metrics, threads, batch and the command that makes the run again."""
    newest = _runs(log, "-n", "1")[0]
    repository = find_repository(measured)
    shown = load_record(repository, find_run(repository, "latest"))
    assert newest["start"] == shown.started
    assert newest["batch"] == shown.backend.batch
    assert newest["threads"] == shown.backend.threads
    assert newest["command"].startswith("mlrepo bench run --benchmark digits")
    count = {"value": shown.metrics["query_count"].value, "unit": ""}
    assert newest["metrics"]["query_count"] == count
    assert list(newest)[:3] == ["run", "commit", "experiment"]
    last = ["start", "threads", "batch", "command", "metrics", "disturbed", "contradicted"]
    assert list(newest)[-7:] == last


def test_runs_are_sorted_by_any_column(log: Log) -> None:
    """As numbers where they are numbers; what has no value comes last; the limit counts after."""
    results = [run["result"]["value"] for run in _runs(log, "--sort", "result")]
    assert results == sorted(results)
    assert [run["result"]["value"] for run in _runs(log, "--sort", "-result", "-n", "2")] == (
        results[:-3:-1]
    )
    names = [run["scenario"] for run in _runs(log, "--sort", "-scenario", "--columns", "scenario")]
    assert names == sorted(names, reverse=True)
    metric = "metric:query_count"
    counts = [run[metric] for run in _runs(log, "--sort", metric, "--columns", metric)]
    assert counts[:4] == sorted(counts[:4])
    assert counts[4:] == [None] * 4


def test_csv_holds_whatever_was_recorded(log: Log) -> None:
    """One line a run, with the same values as JSON."""
    rows = list(csv.DictReader(io.StringIO(log("--format", "csv"))))
    runs = _runs(log)
    assert [row["run"] for row in rows] == [run["run"] for run in runs]
    for row, run in zip(rows, runs, strict=True):
        assert float(row["result"]) == run["result"]["value"]
        assert row["unit"] == run["result"]["unit"]
        assert row["tags"] == ",".join(run["tags"])
        assert row["command"] == run["command"]


def test_the_table_has_the_columns_that_were_named(log: Log) -> None:
    """In that order, twice named or not."""
    lines = log("--columns", "run,verdict,threads,run,metric:query_count", "-n", "1").splitlines()
    assert lines[0].split() == ["RUN", "VERDICT", "THREADS", "query_count"]
    assert len(lines) == 2
    assert "metric:NAME" in log("--columns", "help")


def test_tags_are_listed_with_the_number_of_their_runs(log: Log) -> None:
    """Only those of the runs that the filters keep."""
    assert [line.split()[:2] for line in log("--tags").splitlines()] == [
        ["TAG", "RUNS"],
        ["first", "8"],
        ["judged", "4"],
    ]
    found = json.loads(log("--tags", "--json", "--mode", "performance"))
    assert [(one["tag"], one["runs"]) for one in found["tags"]] == [("first", 4)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "3 fortnights"), "'3 fortnights' is not a point in time"),
        (("--until", "2026-13-01"), "'2026-13-01' is not a point in time"),
        (("--columns", "runn"), "Did you mean run"),
        (("--sort", "speed"), "There is no column 'speed'"),
        (("--valid", "--invalid"), "exclude each other"),
        (("--json", "--format", "csv"), "exclude each other"),
        (("--format", "xml"), "'xml'"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_named(log: Log, arguments: tuple[str, ...], words: str) -> None:
    """Before anything is listed."""
    said = log(*arguments, code=2)
    assert words in said
    assert said.count("contradicted") <= 1  # a column: no list is printed twice
