"""``mlrepo report`` wherever it runs, whatever it reads and wherever it writes."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import html5lib
import jsonschema
import pytest

from benchmarks.report import distribution, one_run
from mlrepo.cli.main import main
from mlrepo.record import IMPORTED_TAG
from mlrepo.report.drawing import vega_script
from mlrepo.report.run_table import LONGEST_TEXT
from mlrepo.repository.discovery import ResultsRepository
from tests.conftest import MadeOnce
from tests.fast_import import import_commits, import_runs
from tests.report_pages import Page
from tests.samples import git, sample_record, sample_run_id

_ROOT = Path(__file__).parents[2]
_SCHEMA = json.loads((_ROOT / "mlrepo/report/pages/report-1.schema.json").read_text())
_RECORDED = _ROOT / "tests" / "recorded" / "runs"
_HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[2J\u202e{{7*7}}"
_MLREPO = (sys.executable, "-m", "mlrepo.cli.main")


@pytest.fixture(autouse=True)
def home(made_once: MadeOnce, monkeypatch: pytest.MonkeyPatch) -> None:
    """Join the script of Vega once for all tests."""
    kept = made_once("vega", lambda path: vega_script(path / "compiled" / "vega"))
    monkeypatch.setenv("MLREPO_HOME", str(kept))


@pytest.fixture
def recorded(results: ResultsRepository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a repository with 40 runs, in which the test is."""
    noise = random.Random(2)
    import_runs(results.root, (one_run(i, i % 3, i // 3, noise) for i in range(40)), distribution)
    monkeypatch.chdir(results.root)
    return results.root


def _run(cwd: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_MLREPO, "report", *options],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_same_runs_are_the_same_bytes_anywhere(recorded: Path, tmp_path: Path) -> None:
    """In another directory, time zone, day, locale, and order of Python's sets; each format."""
    below = recorded / "open" / "below"
    below.mkdir(parents=True)
    chart = json.loads(_run(recorded, "--format", "json").stdout)["charts"][0]["name"]
    wanted = {"html": (), "parquet": (), "svg": ("--chart", chart)}
    made: dict[str, list[bytes]] = {}
    # These two zones are two days apart.
    for where, zone, locale in ((recorded, "A-24", "C.UTF-8"), (below, "B+24", "C")):
        for suffix, options in wanted.items():
            file = tmp_path / f"{zone}.{suffix}"
            done = _run(
                where,
                *("--format", suffix, *options, "--out", str(file)),
                TZ=zone,
                LC_ALL=locale,
                PYTHONHASHSEED=str(len(zone)) if where == below else "0",
                PYTHONUTF8="0",
            )
            assert done.returncode == 0, done.stderr
            made.setdefault(suffix, []).append(file.read_bytes())
    assert [suffix for suffix, (one, other) in made.items() if one != other] == []


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, str):
        yield path
    if isinstance(value, dict | list):
        children = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in children:
            yield from _leaves(child, (*path, key))


def test_hostile_text_in_every_field_is_only_text(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run for each text of a record: all are in the page, or named as unreadable."""
    monkeypatch.chdir(results.root)
    message = (_RECORDED / "performance-valid.message").read_text()
    record = json.loads((_RECORDED / "performance-valid.json").read_text())
    commits, runs = [], []
    for number, path in enumerate(_leaves(record)):
        run = sample_run_id(number)
        changed = copy.deepcopy(record)
        changed["run"] = run
        place = changed
        for key in path[:-1]:
            place = place[key]
        if path != ("run",):
            place[path[-1]] = _HOSTILE
        content = json.dumps(changed).encode()
        commits.append(("e", run, message.replace(record["run"], run), content))
        runs.append(run)
    assert len(runs) > 60
    import_commits(results.root, commits)
    assert main(["report"]) in (0, 1)
    raw = (results.root / "mlrepo-report.html").read_text(encoding="utf-8")
    page = Page(raw)
    assert sorted(page.column("run")) == runs
    html5lib.HTMLParser(strict=True).parse(raw)
    assert not set(raw) & set("\x1b\u202e")
    assert all(reference.startswith("#") for reference in page.references)
    assert (page.handlers, len(page.scripts)) == ([], 2)
    jsonschema.validate(page.document, _SCHEMA)
    assert _HOSTILE[:13] not in raw
    charted = {str(row) for chart in page.document["charts"] for row in chart["rows"]}
    assert charted
    unread = {one["run"] for one in page.document["unreadable"]}
    assert len(unread) < len(runs) / 2  # most texts are free


def test_a_tag_of_megabytes_is_cut_in_the_page(recorded: Path) -> None:
    """Wherever it appears: the row, the choices of a comparison, a chart."""
    import_runs(recorded, [sample_record(sample_run_id(900), experiment="e", tags=("x" * 10**7,))])
    assert main(["report"]) == 0
    file = recorded / "mlrepo-report.html"
    [tags] = [tags for tags in Page(file.read_text("utf-8")).column("tags") if "xx" in str(tags)]
    assert tags == ["x" * LONGEST_TEXT + "… (10000000 characters)"]
    assert file.stat().st_size < 2_000_000


def test_imported_runs_are_counted_and_do_not_hide_the_own_ones(recorded: Path) -> None:
    """They are the last rows of the page; the data keep the order of commits."""
    published = sample_record(sample_run_id(901), experiment="import", tags=(IMPORTED_TAG,))
    import_runs(recorded, [published])
    assert main(["report"]) == 0
    page = Page((recorded / "mlrepo-report.html").read_text("utf-8"))
    assert "41 runs on 4 experiment branches" in page.text
    assert " VALID, " in page.text and " INVALID" in page.text


def test_pipes_devices_and_links_are_written_to_and_never_replaced(
    recorded: Path, tmp_path: Path
) -> None:
    """As root, a rename would put a file in the place of /dev/null."""
    device = Path(os.devnull)
    before = device.stat()
    assert _run(recorded, "--out", os.devnull).returncode == 0
    assert _run(recorded, "--format", "csv", "--out", os.devnull).returncode == 0
    assert device.stat().st_rdev == before.st_rdev and device.is_char_device()
    pipe, link, target = (tmp_path / name for name in ("pipe", "link.csv", "target.csv"))
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        assert _run(recorded, "--format", "csv", "--out", str(pipe)).returncode == 0
        read = reader.communicate()[0]
    assert read.startswith(b"run,commit,start,")
    link.symlink_to(target)
    assert _run(recorded, "--format", "csv", "--out", str(link)).returncode == 0
    assert link.is_symlink() and target.read_bytes() == read
    done = _run(recorded, "--format", "csv", "--out", "/dev/stdout")
    assert done.stdout.startswith("run,commit,start,")


def test_a_full_disk_is_named_and_the_old_report_stays(recorded: Path, small_mount: Path) -> None:
    """For a file, and for standard output."""
    kept = small_mount / "report.html"
    kept.write_text("old")
    (small_mount / "filler").write_bytes(b"x" * (os.statvfs(small_mount).f_bavail * 4096 - 65536))
    done = _run(recorded, "--out", str(kept))
    assert (done.returncode, kept.read_text()) == (2, "old")
    assert "report.html cannot be written: No space left on device" in done.stderr
    assert sorted(path.name for path in small_mount.iterdir()) == ["filler", "report.html"]
    with Path("/dev/full").open("w") as full:
        for format_ in ("csv", "json", "md"):
            command = [*_MLREPO, "report", "--format", format_]
            ended = subprocess.run(command, cwd=recorded, stdout=full, stderr=subprocess.PIPE)
            assert ended.returncode == 2
            assert b"No space left" in ended.stderr and b"Traceback" not in ended.stderr


@pytest.mark.parametrize("format_", ["json", "csv", "md"])
def test_a_reader_that_goes_away_ends_it_in_silence(recorded: Path, format_: str) -> None:
    """`mlrepo report --format csv | head -1`."""
    command = [*_MLREPO, "report", "--format", format_]
    with subprocess.Popen(
        command, cwd=recorded, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() in (0, 141)


def test_without_a_browser_the_page_is_named(recorded: Path) -> None:
    """It is written all the same; exit code 2."""
    done = _run(recorded, "--open", BROWSER="/no/such/browser %s", DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == 2
    assert "No browser could be started; the page is mlrepo-report.html" in done.stderr
    assert (recorded / "mlrepo-report.html").exists()


def test_a_directory_that_may_not_be_written_is_named(recorded: Path, tmp_path: Path) -> None:
    """Nothing is left half-written."""
    if os.getuid() == 0:
        target = Path("/proc/self/report.html")  # where root may not write, either
    else:
        (tmp_path / "closed").mkdir(mode=0o555)
        target = tmp_path / "closed" / "report.html"
    done = _run(recorded, "--out", str(target))
    assert done.returncode == 2
    assert f"{target} cannot be written" in done.stderr
    assert git(recorded, "status", "--porcelain") == ""
