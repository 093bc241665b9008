"""``mlrepo log`` says what was decided about runs, at any width and in any format."""

from __future__ import annotations

import csv
import io

import pytest

from mlrepo.cli.main import main
from mlrepo.curation.annotate import note
from mlrepo.exchange.export import experiment_source, export, run_source
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import find_run
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from tests.curated import PERFORMANCE_LOG, TUNING, placed_run, withdrawn


def test_notes_and_reasons_are_in_the_list(
    results: ResultsRepository,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A note where there is one, a reason where it was asked for; none counts as ``latest``."""
    monkeypatch.chdir(results.root)
    kept, bad = (placed_run(recorder, number).run for number in (0, 1))
    assert main(["log"]) == 0
    assert "NOTE" not in capsys.readouterr().out
    note(results, git_identity(results.root), [find_run(results, kept)], "a wide 注記")
    withdrawn(results, bad, why="the fan failed")
    assert main(["log"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].split()[-1] == "NOTE"
    assert "a wide 注記" in shown
    assert bad not in shown
    assert find_run(results, "latest").run == kept
    assert main(["log", "--withdrawn"]) == 0
    assert "the fan failed" in capsys.readouterr().out
    assert main(["log", "--withdrawn", "--format", "csv"]) == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["run"], row["withdrawn"]) == (bad, "the fan failed")
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["log"]) == 0
    narrow = capsys.readouterr().out.splitlines()
    assert narrow[1].startswith(f"…{kept[-6:]} ")
    assert "NOTE" in narrow[-1]


def test_a_withdrawn_run_is_exported_by_its_name_only(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """The layout that is exported is that of the runs that count."""
    run = placed_run(recorder, 0).run
    other = placed_run(recorder, 1).run
    withdrawn(results, other)
    away = results.root.parent
    export(results, [experiment_source(results, TUNING)], away / "layout")
    assert run in (away / "layout" / PERFORMANCE_LOG).read_text()
    with pytest.raises(Exception, match="not the one that its record describes"):
        run_source(results, other)  # the sample's logs are not those of its record
