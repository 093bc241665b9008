"""The verdicts on a selection beside those of MLCommons' own checker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlrepo.cli.submission.verdicts import check_selection
from mlrepo.errors import UserError
from mlrepo.proposal.verdict import judge_selection
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.rounds import SHIPPED
from mlrepo.selection.select import plan_selection, write_plan
from mlrepo.selection.wanted import Wanted
from tests.outside import INFERENCE, needs_inference
from tests.selections import Laboratory

# What a checker of another mind does: it takes the path of its own summary and says what it likes.
_STAND_IN = """\
import argparse, pathlib, sys
parser = argparse.ArgumentParser()
for flag in ("--input", "--csv"):
    parser.add_argument(flag)
parser.add_argument("--version", choices=["v6.1"])
asked = parser.parse_args()
assert pathlib.Path(asked.input, "closed", "Acme", "results").is_dir()
"""


@pytest.fixture
def selected(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ResultsRepository:
    """A selection of three closed results of v6.1 that is valid; the working directory is its."""
    _select(results, recorder, tmp_path, "v6.1")
    monkeypatch.chdir(results.root)
    return results


def _select(
    results: ResultsRepository,
    recorder: Recorder,
    scratch: Path,
    round_: str,
    *,
    infer: bool = False,
) -> None:
    laboratory = Laboratory(recorder, scratch / "scratch", round_)
    for scenario in ("SingleStream",) if infer else laboratory.submission.scenarios:
        laboratory.result(scenario)
    plan = plan_selection(results, SHIPPED[round_], Wanted(infer=infer))
    write_plan(results, git_identity(results.root), plan)


def _checkout(tmp_path: Path, code: str) -> Path:
    script = tmp_path / "inference" / "tools" / "submission" / "submission_checker.py"
    script.parent.mkdir(parents=True)
    script.write_text(_STAND_IN + code)
    return tmp_path / "inference"


@needs_inference()
@pytest.mark.parametrize("infer", [False, True])
@pytest.mark.parametrize("round_name", ["v5.1", "v6.0", "v6.1"])
def test_mlcommons_own_checker_accepts_what_was_selected(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path, round_name: str, infer: bool
) -> None:
    """In both layouts; it says that the submission looks OK, and so do we."""
    _select(results, recorder, tmp_path, round_name, infer=infer)
    verdict = judge_selection(results, round_name, official_checker=INFERENCE)
    assert verdict.official is not None
    assert verdict.official.summary == "submission looks OK", verdict.official.log
    assert verdict.official.results == {result.path for result in verdict.report.results}
    assert verdict.valid
    assert verdict.disagreements == ()


@needs_inference()
def test_mlcommons_own_checker_is_run_on_the_tree_and_its_log_kept(
    selected: ResultsRepository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both verdicts stand in one table; the exit code is 0."""
    log = tmp_path / "official.log"
    assert check_selection(None, INFERENCE, log, as_json=False) == 0
    out = capsys.readouterr().out
    assert out.count("accepted") == 3
    assert "MLCommons' checker: submission looks OK" in out
    assert "SUMMARY: submission looks OK" in log.read_text()


def test_without_a_checkout_our_two_verdicts_are_told(
    selected: ResultsRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text for people, one document for machines."""
    assert check_selection(None, None, None, as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["VALID", "VALID"]
    assert check_selection("v6.1", None, None, as_json=True) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["schema"] == "mlrepo.submit-check/1"
    assert values["valid"]
    assert values["check"]["counts"]["results"] == 3
    assert values["official_checker"] is None


def test_a_disagreement_is_loud_and_decides(
    selected: ResultsRepository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each result that the other checker has no row for is named; the exit code is 1."""
    row = "closed/Acme/results/alpha/resnet50/Offline/performance/run_1"
    checkout = _checkout(
        tmp_path,
        f"pathlib.Path(asked.csv).write_text('Location,Result\\n./{row},7\\n')\n"
        "print('SUMMARY: submission has errors'); sys.exit(1)\n",
    )
    assert check_selection(None, checkout, None, as_json=False) == 1
    out = capsys.readouterr().out
    assert out.count("DISAGREEMENT") == 3  # two results and the whole
    assert "DISAGREEMENT on closed/Acme/results/alpha/resnet50/SingleStream" in out
    assert "DISAGREEMENT on the submission as a whole: mlrepo says accepted" in out
    assert "MLCommons' checker decides" in out


def test_a_checker_that_dies_is_no_acceptance(selected: ResultsRepository, tmp_path: Path) -> None:
    """Its last exception is told, and its log kept."""
    checkout = _checkout(tmp_path, "raise ZeroDivisionError('division by zero')\n")
    verdict = judge_selection(selected, "v6.1", official_checker=checkout)
    assert verdict.official is not None
    assert verdict.official.summary == "it crashed: ZeroDivisionError: division by zero"
    assert not verdict.valid
    assert "Traceback" in verdict.official.log


def test_a_checker_that_cannot_judge_is_an_error(
    selected: ResultsRepository, tmp_path: Path
) -> None:
    """A missing package, a round that it does not know, and no checker at all."""
    checkout = _checkout(tmp_path, "import no_such_package\n")
    with pytest.raises(UserError, match="package no_such_package is missing"):
        judge_selection(selected, "v6.1", official_checker=checkout)
    script = checkout / "tools" / "submission" / "submission_checker.py"
    script.write_text(_STAND_IN.replace('"v6.1"', '"v5.1"'))
    with pytest.raises(UserError, match="does not know the round") as refused:
        judge_selection(selected, "v6.1", official_checker=checkout)
    assert str(checkout) in refused.value.hint
    with pytest.raises(UserError, match="no submission checker in"):
        judge_selection(selected, "v6.1", official_checker=tmp_path)
