"""What is attached to a pull request: no longer than its room, and harmless."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mlrepo.checker.report import Result
from mlrepo.proposal.selected import Selection
from mlrepo.report.attachment import attached_text
from mlrepo.repository.discovery import ResultsRepository, find_repository
from tests.samples import git
from tests.submissions import detail_log

_LATENCIES = {f"result_{share}.00_percentile_latency_ns": 10**6 * share for share in (50, 90, 99)}
_METRICS = {"result_samples_per_second": 812.5, **_LATENCIES}
_HOSTILE = "s|`@ada``` </details><script>"


def _result(name: str, system: str = "box") -> Result:
    path = f"open/Acme/results/{name}/digits/Offline"
    return Result(path, "open", "Acme", system, "digits", "Offline", official=True, strict=True)


@pytest.fixture
def selected(tmp_path: Path) -> tuple[ResultsRepository, Selection]:
    """Forty results with a log, one whose log is damaged, and one without."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "mlrepo.toml").write_text('round = "v6.1"\n')
    for number in range(41):
        text = detail_log(_METRICS) if number else ":::MLLOG {"
        for run in ("run_1", "ranging"):
            directory = tmp_path / f"open/Acme/results/s{number}/digits/Offline/performance/{run}"
            directory.mkdir(parents=True)
            (directory / "mlperf_log_detail.txt").write_text(text)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Select")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    tree = git(tmp_path, "rev-parse", "HEAD^{tree}").strip()
    return find_repository(tmp_path), Selection("v6.1", commit, tree, {"open/Acme": tree}, ())


def test_rows_that_do_not_fit_are_counted(selected: tuple[ResultsRepository, Selection]) -> None:
    """In any room, table and CSV together are no longer, and a text is never cut within a row."""
    results = [_result(f"s{number}") for number in range(1, 41)]
    whole = attached_text(*selected, results, 100_000)
    assert whole.count("\n| open |") == 40
    assert whole.count(",QueryLatency,") + whole.count(",run_1,") >= 120
    assert "more" not in whole
    for room in range(0, len(whole) + 200, 250):
        text = attached_text(*selected, results, room)
        assert len(text) <= room
        rows = text.count("\n| open |")
        assert not text or rows == 40 or f"{40 - rows} more runs." in text
        assert text.count("```") in (0, 2)
        assert text.count("<details>") == text.count("</details>")


def test_a_result_without_a_log_is_counted(selected: tuple[ResultsRepository, Selection]) -> None:
    """Damaged or missing; the ranging run of a power measurement is no result."""
    results = [_result("s0"), _result("s1"), _result("none")]
    text = attached_text(*selected, results, 50_000)
    assert "Of 2 results no log of LoadGen can be read." in text
    assert text.count("\n| open |") == 1
    assert "ranging" not in text


def test_names_of_others_are_no_markup(selected: tuple[ResultsRepository, Selection]) -> None:
    """Neither in a cell nor in the fenced block."""
    text = attached_text(*selected, [_result("s1", _HOSTILE)], 50_000)
    table, _, rest = text.partition("```csv\n")
    block, _, after = rest.partition("```")
    assert after.strip() == "</details>"
    rows = list(csv.DictReader(block.splitlines()))
    assert [row["percentile"] for row in rows] == ["p50", "p90", "p99"]
    assert [float(row["latency (ms)"]) for row in rows] == [50, 90, 99]
    row = next(line for line in table.splitlines() if line.startswith("| open |"))
    assert r"`s\|'@ada''' </details><script>`" in row
