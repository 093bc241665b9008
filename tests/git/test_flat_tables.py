"""The table of runs as CSV, Markdown and Parquet, read back by DuckDB and a spreadsheet's rules."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyarrow import parquet

from mlrepo.cli.main import main
from mlrepo.record import Metric, RunRecord
from mlrepo.report.flat_files import csv_text
from mlrepo.report.run_table import LONGEST_TEXT
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.trailers import commit_message
from tests.curated import withdrawn
from tests.fast_import import import_commits, import_runs
from tests.repeated_runs import RepeatedRuns
from tests.samples import git, sample_record

Out = Callable[..., str]

# What a spreadsheet takes for a formula, what breaks lines, and what quotes and hides.
_HOSTILE = (
    '=cmd|"/c calc"!A1',
    "@SUM(1+1)*cmd",
    "+1+cmd",
    "-2+3",
    'a "quoted", text\nin two lines',
    "\x1b[2J\u202egnp.exe",
    "=1\n=2",
    "| a | <script> @you",
)


@pytest.fixture
def out(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Out:
    """Return a function that runs a command and returns what it printed."""
    monkeypatch.chdir(results.root)

    def run(*arguments: str, code: int = 0) -> str:
        assert main(list(arguments)) == code
        return capsys.readouterr().out

    return run


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _records() -> list[RunRecord]:
    runs = RepeatedRuns()
    return [
        *runs.make(3, 1000, backend={"name": "onnx", "threads": 4, "precision": "fp32"}),
        *runs.make(2, 900, validity="INVALID", reasons=("too short, by far", "too few")),
    ]


def test_duckdb_reads_both_files_to_the_same_rows(
    results: ResultsRepository, out: Out, tmp_path: Path
) -> None:
    """With the same names and values; metrics are numbers, and their units stand in Parquet."""
    records = _records()
    import_runs(results.root, records)
    for suffix in ("csv", "parquet"):
        out("report", "--format", suffix, "--out", str(tmp_path / f"runs.{suffix}"))
    columns = (
        'run, commit, result, unit, verdict, reasons, threads, "metric:mean_latency (ms)", '
        '"system:host_processor_model_name", "setting:model", kernel'
    )
    read: list[list[tuple[Any, ...]]] = [
        duckdb.sql(f"select {columns} from '{tmp_path}/runs.{suffix}' order by run").fetchall()
        for suffix in ("csv", "parquet")
    ]
    from_csv, from_parquet = read
    assert [tuple(value or None for value in row) for row in from_parquet] == from_csv
    assert [row[0] for row in from_parquet] == [record.run for record in records]
    for row, record in zip(from_parquet, records, strict=True):
        assert row[2] == record.result.value
        assert row[6] == record.backend.threads
        assert row[7] == record.metrics["mean_latency"].value
    assert from_parquet[-1][4:6] == ("INVALID", "too short, by far; too few")
    schema = parquet.read_schema(tmp_path / "runs.parquet")
    assert schema.field("metric:mean_latency (ms)").metadata == {b"unit": b"ms"}
    kinds = {name: str(schema.field(name).type) for name in ("result", "threads", "commit")}
    assert kinds == {"result": "double", "threads": "int64", "commit": "string"}
    mean = f"select avg(result) from '{tmp_path}/runs.parquet' where verdict = 'VALID'"
    [(value,)] = duckdb.sql(mean).fetchall()
    assert value == pytest.approx(sum(one.result.value or 0 for one in records[:3]) / 3)


def test_log_has_the_same_rows_for_what_it_lists(results: ResultsRepository, out: Out) -> None:
    """In its order; --columns still chooses."""
    import_runs(results.root, _records())
    report, log = _rows(out("report", "--format", "csv")), _rows(out("log", "--format", "csv"))
    assert log == report[::-1]
    valid = _rows(out("log", "--valid", "--sort", "result", "-n", "2", "--format", "csv"))
    assert [one["verdict"] for one in valid] == ["VALID"] * 2
    assert {name: valid[0][name] for name in report[0]} in report
    [first, *_] = _rows(out("log", "--columns", "run,threads", "--format", "csv"))
    assert list(first) == ["run", "threads"]


def test_hostile_texts_are_neither_formulas_nor_lines(
    results: ResultsRepository, out: Out, tmp_path: Path
) -> None:
    """In CSV, also of chosen columns; Parquet has the texts without the apostrophe."""
    runs = RepeatedRuns()
    records = [run for text in _HOSTILE for run in runs.make(1, 1000, reasons=(text,))]
    import_runs(results.root, records)
    text = out("report", "--format", "csv")
    rows = _rows(text)
    assert [row["run"] for row in rows] == [record.run for record in records]
    for row in rows:
        assert not row["reasons"].startswith(("=", "+", "-", "@"))
        # Numbers are numbers: no apostrophe before a sign of theirs.
        assert float(row["result"]) > 0
    assert [row["reasons"] for row in rows][:4] == [f"'{one}" for one in _HOSTILE[:4]]
    assert rows[4]["reasons"] == _HOSTILE[4]
    assert not set(text) & set("\x1b\u202e")
    out("report", "--format", "parquet", "--out", str(tmp_path / "runs.parquet"))
    read = duckdb.sql(f"select reasons from '{tmp_path}/runs.parquet'").fetchall()
    assert [row[0] for row in read][:5] == list(_HOSTILE[:5])
    markdown = out("report", "--format", "md").splitlines()
    assert len(markdown) == 2 + len(records)
    assert all(line.count(" | ") == 9 for line in markdown)


def test_cells_of_csv() -> None:
    """A negative number stays one; a text that looks like one does not."""
    row = (-1.5, -2, 3.0, None, "", "-1", "=1", "\t=1", "a,b", 'c"d')
    assert csv_text([row]) == '-1.5,-2,3,,,\'-1,\'=1,\'\t=1,"a,b","c""d"\n'


def test_nothing_is_left_out_without_a_word(
    results: ResultsRepository, out: Out, capsys: pytest.CaptureFixture[str]
) -> None:
    """Withdrawn runs have the reason, and a record that cannot be read leaves the trailers."""
    good, gone, bad = RepeatedRuns().make(3, 1000)
    import_runs(results.root, [good, gone])
    withdrawn(results, gone.run, why="the fan failed")
    import_commits(results.root, [("e2", bad.run, commit_message(bad), b"{}")])
    assert main(["report", "--format", "csv"]) == 0
    printed = capsys.readouterr()
    rows = {row["run"]: row for row in _rows(printed.out)}
    assert rows[gone.run]["withdrawn"] == "the fan failed"
    assert rows[bad.run]["result"] == str(bad.result.value)
    assert rows[bad.run]["metric:mean_latency (ms)"] == ""
    assert bad.run in printed.err
    assert bad.run in [row["run"] for row in _rows(out("log", "--format", "csv"))]


def test_no_run_is_a_table_without_rows(results: ResultsRepository, out: Out) -> None:
    """With the same columns, so that a script that reads it goes on."""
    assert out("report", "--format", "csv").startswith("run,commit,start,")
    assert len(out("report", "--format", "md").splitlines()) == 2
    out("report", "--format", "parquet")
    assert parquet.read_table(results.root / "mlrepo-report.parquet").num_rows == 0
    assert git(results.root, "status", "--porcelain") == ""


def test_columns_have_names_of_their_own(
    results: ResultsRepository, out: Out, tmp_path: Path
) -> None:
    """A metric in two units is two columns; names differ by more than their case."""
    names = ("Latency", "latency")
    records = [
        sample_record(
            f"20261123T12000{number}Z-0a1b2c",
            experiment="e",
            metrics={name: Metric(1.5, unit) for name in names},
        )
        for number, unit in enumerate(("ms", "s"))
    ]
    import_runs(results.root, records)
    out("report", "--format", "parquet", "--out", str(tmp_path / "runs.parquet"))
    found = duckdb.sql(f"select * from '{tmp_path}/runs.parquet'").columns
    metrics = [name for name in found if name.startswith("metric:")]
    assert metrics == [
        "metric:Latency (ms)",
        "metric:latency (ms) 2",
        "metric:Latency (s)",
        "metric:latency (s) 2",
    ]


def test_a_long_text_is_cut_and_says_so(results: ResultsRepository, out: Out) -> None:
    """As in the page."""
    import_runs(results.root, RepeatedRuns().make(1, 1000, reasons=("x" * 100_000,)))
    [row] = _rows(out("report", "--format", "csv"))
    assert row["reasons"] == "x" * LONGEST_TEXT + "… (100000 characters)"


def test_without_pyarrow_the_error_says_how_to_have_it(
    results: ResultsRepository,
    out: Out,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And names CSV, which needs nothing."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["report", "--format", "parquet"]) == 2
    said = capsys.readouterr().err
    assert "pip install 'mlrepo[parquet]'" in said
    assert "--format csv" in said
    assert not list(results.root.glob("*.parquet"))
    assert out("report", "--format", "csv")


def test_a_directory_that_does_not_exist_is_named(results: ResultsRepository, out: Out) -> None:
    """Nothing is written, and only a page can be opened."""
    for suffix in ("csv", "md", "parquet"):
        out("report", "--format", suffix, "--out", f"no/runs.{suffix}", code=2)
        out("report", "--format", suffix, "--open", code=2)
        out("report", "--format", suffix, "--chart", "help", code=2)
    assert git(results.root, "status", "--porcelain", "--ignored") == ""
