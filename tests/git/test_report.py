"""``mlrepo report``: one file with all runs, which loads nothing and runs no text of others."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import html5lib
import jsonschema
import pytest

from benchmarks.report import distribution, one_run
from mlrepo.cli.main import main
from mlrepo.record import Metric, RunRecord
from mlrepo.report.drawing import vega_script
from mlrepo.report.run_table import LONGEST_TEXT
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.trailers import commit_message
from tests.conftest import MadeOnce
from tests.curated import withdrawn
from tests.fast_import import import_commits, import_runs
from tests.report_pages import Page, source_of
from tests.samples import git, sample_record, sample_run_id

ROOT = Path(__file__).parents[2]
_SCHEMA = ROOT / "mlrepo" / "report" / "pages" / "report-1.schema.json"
_HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=http://far.example/x onerror=alert(1)>",
    "\x1b]0;owned\x07\x1b[2J",
    "\u202egnp.exe\u2066",
    '" autofocus onfocus="alert(1)',
    "{{ 7 * 7 }}${7*7}",
    "\u2028\ud800",
)


@pytest.fixture(autouse=True)
def home(made_once: MadeOnce, monkeypatch: pytest.MonkeyPatch) -> None:
    """Join the script of Vega once for all tests."""
    kept = made_once("vega", lambda path: vega_script(path / "compiled" / "vega"))
    monkeypatch.setenv("MLREPO_HOME", str(kept))


@pytest.fixture
def report(results: ResultsRepository, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Page]:
    """Return a function that runs the command and reads the page."""
    monkeypatch.chdir(results.root)

    def run(*options: str, code: int = 0) -> Page:
        assert main(["report", *options]) == code
        return Page((results.root / "mlrepo-report.html").read_text(encoding="utf-8"))

    return run


def _records(number: int) -> list[RunRecord]:
    noise = random.Random(1)
    return [one_run(i, i % 2, i // 2, noise) for i in range(number)]


def test_the_page_asks_for_nothing_and_runs_only_what_it_came_with(
    results: ResultsRepository, report: Callable[..., Page]
) -> None:
    """Each script and style is named by its hash; nothing else may be loaded or run."""
    import_runs(results.root, _records(40))
    page = report()
    assert all(reference.startswith("#") for reference in page.references)
    assert page.handlers == []
    script, style = (" ".join(map(source_of, texts)) for texts in (page.scripts, page.styles))
    assert page.policy == (
        f"default-src 'none'; script-src {script}; style-src {style}; "
        "base-uri 'none'; form-action 'none'"
    )
    assert len(page.scripts) == 2
    for text in page.scripts:
        assert "<!--" not in text
        assert "</script" not in text.lower()
    html = (results.root / "mlrepo-report.html").read_bytes()
    html5lib.HTMLParser(strict=True).parse(html.decode())
    assert report()
    assert (results.root / "mlrepo-report.html").read_bytes() == html
    assert git(results.root, "status", "--porcelain") == ""


def test_the_data_are_json_of_the_schema_and_have_every_run(
    results: ResultsRepository, report: Callable[..., Page], capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's, and what --format json prints."""
    records = _records(60)
    import_runs(results.root, records, distribution)
    page = report()
    schema = json.loads(_SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(page.document, schema)
    assert page.column("run") == sorted((r.run for r in records), key=page.column("run").index)
    assert set(page.column("run")) == {record.run for record in records}
    by_run = {record.run: record for record in records}
    for run, value, probe in zip(
        page.column("run"), page.column("result"), page.column("tags"), strict=True
    ):
        assert (value, probe) == (by_run[run].result.value, list(by_run[run].tags))
    kinds = {chart["kind"] for chart in page.document["charts"]}
    assert kinds == {"history", "pareto", "load", "achieved", "latency", "trace"}
    capsys.readouterr()
    assert main(["report", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == page.document


def test_damaged_distributions_are_said_and_the_percentiles_shown(
    results: ResultsRepository, report: Callable[..., Page]
) -> None:
    """Whatever is in the files, the page is made, and each chart says what it lacks."""
    bad = {"latencies.json": b'{"schema": "</script>\x1b[2J"}', "trace.json": b"\xff" * 300_000}
    import_runs(results.root, _records(20), lambda record: bad)
    charts = report().document["charts"]
    drawn = [chart for chart in charts if chart["kind"] in ("latency", "trace")]
    assert {chart["kind"] for chart in drawn} == {"latency"}
    assert all("recorded of latencies cannot be read" in chart["about"] for chart in drawn)


def test_options_choose_the_runs(results: ResultsRepository, report: Callable[..., Page]) -> None:
    """By experiment, benchmark, time and tag; the page says by what."""
    import_runs(results.root, _records(20))
    assert set(report("--experiment", "e1").column("experiment")) == {"e1"}
    probes = report("--tag", "probe")
    assert all("probe" in tags for tags in probes.column("tags"))
    assert 0 < len(probes.document["runs"]) < 20
    assert "tag probe" in probes.text
    assert report("--benchmark", "DIGITS").document["asked"] == {"benchmark": "DIGITS"}
    late = report("--since", "2026-11-23T00:00:10")
    assert min(late.column("start")) == "2026-11-23T00:00:10Z"
    assert "No run matches" in report("--benchmark", "none").text


def test_a_repository_without_runs_and_one_with_a_single_run(
    results: ResultsRepository, report: Callable[..., Page]
) -> None:
    """Both are reports, and the first says what records a run."""
    empty = report()
    jsonschema.validate(empty.document, json.loads(_SCHEMA.read_text()))
    assert "No run is recorded yet. mlrepo bench suite" in empty.text
    assert empty.document["runs"] == empty.document["charts"] == []
    import_runs(results.root, [sample_record(experiment="e")])
    one = report()
    assert "1 run on 1 experiment branch: 1 VALID ." in one.text
    assert [chart["kind"] for chart in one.document["charts"]] == ["history"]


def test_runs_of_the_first_version_are_in_it(
    results: ResultsRepository, report: Callable[..., Page]
) -> None:
    """As mlrepo 0.1 wrote them."""
    recorded = ROOT / "tests" / "recorded" / "runs"
    names = sorted(path.stem for path in recorded.glob("*.message"))
    commits = []
    for name in names:
        content = (recorded / f"{name}.json").read_bytes()
        raw = json.loads(content)
        message = (recorded / f"{name}.message").read_text()
        commits.append((raw["experiment"], raw["run"], message, content))
    import_commits(results.root, commits)
    page = report()
    assert page.document["unreadable"] == []
    assert sorted(page.column("run")) == sorted({run for _, run, _, _ in commits})
    jsonschema.validate(page.document, json.loads(_SCHEMA.read_text()))
    assert "1 of" in page.text or "runs were disturbed" in page.text


def test_hostile_texts_are_only_texts(
    results: ResultsRepository, report: Callable[..., Page]
) -> None:
    """In tags, reasons, notes, facts and command lines; what steers a screen is spelled out."""
    records = []
    for number, text in enumerate(_HOSTILE):
        record = sample_record(
            sample_run_id(number),
            backend={"name": text, "framework": text, "options": {text: text}},
            host={"kernel": text, "host_processor_model_name": text},
            load={"noise": {"disturbances": [text]}},
            loadgen={"version": text},
        )
        records.append(
            replace(
                record,
                experiment="e",
                system=text,
                submitter=text,
                benchmark=text,
                scenario=text,
                reasons=(text,),
                tags=(text,),
                argv=(text,),
                metrics={text: Metric(1.0, text), "50.00_percentile_latency": Metric(1e308, text)},
            )
        )
    import_runs(results.root, records)
    page = report()
    assert len(page.document["runs"]) == len(_HOSTILE)
    assert all(reference.startswith("#") for reference in page.references)
    assert page.handlers == []
    assert len(page.scripts) == 2
    raw = (results.root / "mlrepo-report.html").read_text(encoding="utf-8")
    html5lib.HTMLParser(strict=True).parse(raw)
    assert not set(raw) & set("\x1b\x07\u202e\u2066\u2028")
    assert "\ud800" not in raw
    assert "49" not in "".join(page.column("benchmark"))
    jsonschema.validate(page.document, json.loads(_SCHEMA.read_text()))


def test_a_text_of_megabytes_is_cut_and_says_so(
    results: ResultsRepository, report: Callable[..., Page]
) -> None:
    """A tag of 10 MB would be in the page twice."""
    run = sample_record(experiment="e", reasons=("x" * 10_000_000,))
    import_runs(results.root, [run])
    [[reason]] = report().column("reasons")
    assert reason == "x" * LONGEST_TEXT + "… (10000000 characters)"
    assert (results.root / "mlrepo-report.html").stat().st_size < 1_500_000


def test_a_record_with_numbers_that_json_does_not_have_is_named(
    results: ResultsRepository, report: Callable[..., Page]
) -> None:
    """NaN and infinity: no mlrepo writes them, and the report stays JSON."""
    record = sample_record(experiment="e")
    content = record.to_json().replace(b"885.05", b"NaN").replace(b"12.5", b"-Infinity")
    message = commit_message(record).replace("885.05", "nan")
    import_commits(results.root, [("e", record.run, message, content)])
    page = report()
    assert page.column("result") == [None]
    assert page.document["charts"] == []
    assert [one["run"] for one in page.document["unreadable"]] == [record.run]


def test_what_cannot_be_read_is_named(
    results: ResultsRepository, report: Callable[..., Page], capsys: pytest.CaptureFixture[str]
) -> None:
    """A record of another tool version, a record that is none, a branch that points nowhere."""
    good, newer, bad = (sample_record(sample_run_id(number)) for number in range(3))
    import_commits(
        results.root,
        [
            ("e", good.run, commit_message(good), good.to_json()),
            ("e", newer.run, commit_message(newer), newer.to_json().replace(b"run/2", b"run/9")),
            ("e", bad.run, commit_message(bad), b"[" * 100_000),
        ],
    )
    (results.root / ".git" / "refs" / "heads" / "exp" / "lost").write_text("1" * 40 + "\n")
    page = report(code=1)
    assert page.column("run") == [good.run, newer.run, bad.run]
    assert {one["run"] for one in page.document["unreadable"]} == {newer.run, bad.run}
    assert "this mlrepo reads" in page.text
    assert "exp/lost" in page.text
    assert "exp/lost" in capsys.readouterr().err
    (results.root / ".git" / "refs" / "heads" / "exp" / "lost").unlink()


def test_withdrawn_runs_are_in_the_table_and_in_no_chart(
    results: ResultsRepository, report: Callable[..., Page]
) -> None:
    """With the reason; a report that left them out would hide them."""
    runs = [sample_record(sample_run_id(number), experiment="tuning") for number in range(3)]
    import_runs(results.root, runs)
    withdrawn(results, runs[1].run, why="the fan <failed>")
    page = report()
    assert page.column("withdrawn") == ["", "the fan <failed>", ""]
    [chart] = page.document["charts"]
    names = [row[chart["columns"].index("run")] for row in chart["rows"]]
    assert names == [runs[0].run, runs[2].run]


def test_the_embargo_is_said_first(results: ResultsRepository, report: Callable[..., Page]) -> None:
    """While the settings have one."""
    assert "embargo" not in report().text
    settings = results.root / "mlrepo.toml"
    settings.write_text(settings.read_text() + 'embargo = "2027-04-01"\n')
    page = report()
    assert page.document["embargo"] == "2027-04-01"
    assert page.text.index("Under embargo until 2027-04-01") < page.text.index("0 runs")


def test_the_matrix_has_the_next_commands(
    results: ResultsRepository, report: Callable[..., Page]
) -> None:
    """As `mlrepo status` prints them."""
    settings = results.root / "mlrepo.toml"
    settings.write_text(settings.read_text() + 'category = "edge"\n')
    run = sample_record(experiment="e", benchmark="digits", division="open", system="alpha")
    import_runs(results.root, [run])
    page = report()
    [row] = page.document["round"]["results"]
    assert row["next"].startswith("mlrepo bench suite --benchmark digits --backend onnx")
    assert row["next"] in page.text
    assert f"#run={run.run}" in page.references


def test_one_chart_as_an_image(
    results: ResultsRepository, report: Callable[..., Page], capsys: pytest.CaptureFixture[str]
) -> None:
    """SVG and PNG from the specification of the page; without a request, and in Git's ignorance."""
    import_runs(results.root, _records(20))
    assert main(["report", "--format", "svg", "--chart", "help"]) == 0
    name = next(line.split()[0] for line in capsys.readouterr().out.splitlines() if "load-" in line)
    for suffix, begin in (("svg", b"<svg"), ("png", b"\x89PNG\r\n")):
        assert main(["report", "--format", suffix, "--chart", name]) == 0
        image = results.root / f"{name}.{suffix}"
        assert image.read_bytes().startswith(begin)
    svg = (results.root / f"{name}.svg").read_text()
    assert "VALID" in svg
    assert "offered (queries/s)" in svg
    assert "<image" not in svg
    assert git(results.root, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format", "svg"), "needs the name of a chart"),
        (("--chart", "x"), "--chart is of an image"),
        (("--format", "png", "--chart", "no-such"), "There is no chart 'no-such'"),
        (("--format", "json", "--open"), "Only a page can be opened"),
        (("--out", "no/such/place.html"), "no/such does not exist"),
        (("--since", "the day"), "is not a point in time"),
        (("--experiment", ""), "it is empty"),
    ],
    ids=["no name", "no image", "unknown", "not a page", "no directory", "no time", "empty"],
)
def test_mistakes_are_named_and_nothing_is_written(
    results: ResultsRepository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    words: str,
) -> None:
    """With exit code 2."""
    monkeypatch.chdir(results.root)
    assert main(["report", *options]) == 2
    assert words in capsys.readouterr().err
    assert git(results.root, "status", "--porcelain", "--ignored") == ""


def test_without_the_extra_the_error_says_how_to_have_it(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each of its packages; JSON needs none."""
    monkeypatch.chdir(results.root)
    for package in ("jinja2", "vl_convert"):
        with monkeypatch.context() as missing:
            missing.setitem(sys.modules, package, None)
            assert main(["report"]) == 2
            assert "pip install 'mlrepo[report]'" in capsys.readouterr().err
            assert main(["report", "--format", "json"]) == 0
    assert not (results.root / "mlrepo-report.html").exists()


def test_out_is_a_file_or_a_directory(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A directory gets the usual name."""
    monkeypatch.chdir(results.root)
    assert main(["report", "--out", str(tmp_path)]) == 0
    assert main(["report", "--out", str(tmp_path / "mine.html")]) == 0
    data: Any = (tmp_path / "mine.html").read_bytes()
    assert (tmp_path / "mlrepo-report.html").read_bytes() == data


def test_open_starts_the_browser_with_the_page(results: ResultsRepository, tmp_path: Path) -> None:
    """The user's own, by BROWSER."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    subprocess.run(
        [sys.executable, "-m", "mlrepo.cli.main", "report", "--open"],
        cwd=results.root,
        env={**os.environ, "BROWSER": f"{browser} %s"},
        check=True,
        capture_output=True,
    )
    page = results.root / "mlrepo-report.html"
    assert (tmp_path / "opened").read_text() == page.resolve().as_uri()
