"""`mlrepo run`, `experiment` and `prune` on the command line: what they print and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlrepo.cli.main import main
from mlrepo.record import FAILED, Metric
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.recorder import Recorder
from tests.curated import counting, placed_run, standing, withdrawn
from tests.git.test_recording import clone
from tests.samples import git


def _mlrepo(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    monkeypatch.chdir(root)
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_withdrawal_says_where_it_is_recorded_and_what_it_changes(
    results: ResultsRepository,
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And that others see it after a push; done twice, it changes nothing."""
    first, second = (placed_run(recorder, number).run for number in (0, 1))
    here = clone(results.root, tmp_path / "here")
    words = ("run", "withdraw", "latest", "--why", "the fan broke")
    code, out, _ = _mlrepo(here, monkeypatch, capsys, *words)
    assert code == 0
    assert f"Withdrew {second}" in out
    assert f"performance/run_1 has {first} now, instead of {second}." in out
    assert "Others see it after `mlrepo sync`." in out
    code, out, _ = _mlrepo(here, monkeypatch, capsys, "run", "withdraw", second, "--why", "again")
    assert (code, out) == (0, f"{second} was withdrawn before: the fan broke.\n")
    code, out, _ = _mlrepo(here, monkeypatch, capsys, "log", "--withdrawn", "--json")
    (run,) = json.loads(out)["runs"]
    assert (run["run"], run["withdrawn"]) == (second, "the fan broke")
    code, out, _ = _mlrepo(here, monkeypatch, capsys, "show", second)
    assert "It was withdrawn: the fan broke." in out
    code, out, _ = _mlrepo(here, monkeypatch, capsys, "run", "restore", second, "--json")
    said = json.loads(out)
    assert said["schema"] == "mlrepo.acts/1"
    assert [act["action"] for act in said["acts"]] == ["restore"]
    assert said["branches"][0]["layout"][0]["now"] == second
    code, out, _ = _mlrepo(here, monkeypatch, capsys, "show", second, "--json")
    shown = json.loads(out)
    assert (shown["withdrawn"], len(shown["acts"])) == ("", 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run withdraw", "required: RUN, --why."),
        ("run withdraw latest", "required: --why."),
        ("run withdraw latest --why=", "required: --why."),
        ("run withdraw nothing --why x", "No recorded run matches 'nothing'"),
        ("run note latest", "required: TEXT."),
        ("run tag latest", "required: +TAG or -TAG."),
        ("run tag +tuned", "required: RUN."),
        ("run tag latest -probe", "mlrepo itself gives"),
        ("run tag latest +", "is empty"),
        ("run move latest", "required: --system or --experiment."),
        (
            "run move latest --system a --experiment b",
            "--system and --experiment exclude each other",
        ),
        ("run move latest --system nowhere", "There is no system 'nowhere'"),
        ("run move latest --experiment Upper", "is not a name for an experiment"),
        ("experiment rename tuning", "required: NEW."),
        ("experiment rename tuning tuning", "already"),
        ("experiment rename other new", "no experiment other"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_committed(
    results: ResultsRepository,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    said: str,
) -> None:
    """Each with exit code 2."""
    placed_run(recorder, 0)
    tip = git(results.root, "for-each-ref")
    code, _, err = _mlrepo(results.root, monkeypatch, capsys, *words.split())
    assert code == 2
    assert said in err
    assert git(results.root, "for-each-ref") == tip


def test_a_comparison_with_a_withdrawn_run_says_that_it_is_one(
    results: ResultsRepository,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Named by its id it is compared all the same."""
    first, second = (placed_run(recorder, number).run for number in (0, 1))
    withdrawn(results, second)
    code, _, err = _mlrepo(results.root, monkeypatch, capsys, "compare", first, second)
    assert code == 0
    assert f"The run {second} was withdrawn: the fan broke." in err


def test_pruning_asks_and_where_nobody_answers_it_says_how(
    results: ResultsRepository,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A dry run changes nothing either."""
    kept = placed_run(recorder, 0).run
    gone = placed_run(recorder, 1, validity=FAILED, result=Metric(None, "samples/s")).run
    tip = git(results.root, "for-each-ref")
    prune = ("prune", "--older-than", "0")
    code, out, _ = _mlrepo(results.root, monkeypatch, capsys, *prune, "--dry-run", "--json")
    assert [run["run"] for run in json.loads(out)["runs"]] == [gone]
    code, out, err = _mlrepo(results.root, monkeypatch, capsys, *prune)
    assert code == 2
    assert "0 probes and 1 FAILED run on exp/tuning" in out
    assert "--yes" in err
    assert git(results.root, "for-each-ref") == tip
    assert _mlrepo(results.root, monkeypatch, capsys, *prune, "--yes")[0] == 0
    assert counting(results) == [kept]
    assert standing(results) == kept


def test_status_says_that_all_runs_are_withdrawn(
    results: ResultsRepository,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not that nothing is recorded."""
    withdrawn(results, placed_run(recorder, 0).run)
    code, _, err = _mlrepo(results.root, monkeypatch, capsys, "status")
    assert code == 0
    assert "All runs of v6.1 are withdrawn or pruned: `mlrepo log --withdrawn`" in err
    code, _, err = _mlrepo(results.root, monkeypatch, capsys, "status", "--round", "v6.0")
    assert "Nothing is recorded for v6.0." in err
