"""``mlrepo submit --check``: the verdicts on the selection, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, print_table, style
from mlrepo.cli.submission.rendering import renderer
from mlrepo.cli.submission.rendering.reading import verdict_line
from mlrepo.cli.submission.rendering.text import render
from mlrepo.cli.table import output_width
from mlrepo.limits import usable_cpus

if TYPE_CHECKING:
    from mlrepo.checker.report import Result
    from mlrepo.proposal.verdict import SubmissionVerdict

_ACCEPTED, _REFUSED = "accepted", "REFUSED"


def check_selection(
    round_: str | None, official_checker: Path | None, log: Path | None, *, as_json: bool
) -> int:
    """Judge the selection of a round, print the verdicts, and return the exit code.

    Parameters
    ----------
    official_checker:
        A checkout of mlcommons/inference whose checker is run too.
    log:
        Where to write that checker's output.
    """
    from mlrepo.proposal.verdict import judge_selection

    repository = current_repository()
    verdict = judge_selection(
        repository,
        resolver(repository).require("round", round_).value,
        official_checker=official_checker,
        workers=usable_cpus(),
    )
    if log is not None and verdict.official is not None:
        log.write_text(verdict.official.log, encoding="utf-8")
    if as_json:
        print_json("mlrepo.submit-check/1", _values(verdict))
    else:
        _print(verdict)
    return 0 if verdict.valid and not verdict.disagreements else 1


def _print(verdict: SubmissionVerdict) -> None:
    selection, report = verdict.selection, verdict.report
    click.echo(f"{selection.branch}, commit {selection.commit[:10]}")
    if report.valid("strict") and report.valid("official"):
        click.echo(verdict_line(report, "strict"))
    else:
        click.echo(render(report, "strict", output_width()), nl=False)
    click.echo(verdict_line(report, "official"))
    for sentence in verdict.practice:
        click.echo(sentence)
    if verdict.official is None:
        return
    click.echo()
    print_table(
        ("RESULT", "STRICT", "OFFICIAL", "MLCOMMONS' CHECKER"),
        [_row(result, verdict) for result in report.results],
        cut="…RESULT",
    )
    click.echo(f"MLCommons' checker: {verdict.official.summary}")
    for disagreement in verdict.disagreements:
        what = disagreement.path or "the submission as a whole"
        said = (_word(disagreement.ours), _word(disagreement.theirs))
        text = f"DISAGREEMENT on {what}: mlrepo says {said[0]}, MLCommons' checker {said[1]}."
        click.echo(style(text, fg="red", bold=True))
    if verdict.disagreements:
        click.echo("MLCommons' checker decides. Please report the disagreement to mlrepo.")


def _row(result: Result, verdict: SubmissionVerdict) -> tuple[str, ...]:
    assert verdict.official is not None
    return (
        result.path,
        "valid" if result.strict else "INVALID",
        "valid" if result.official else "INVALID",
        _word(result.path in verdict.official.results),
    )


def _word(accepted: bool) -> str:
    return _ACCEPTED if accepted else _REFUSED


def _values(verdict: SubmissionVerdict) -> dict[str, object]:
    official = verdict.official
    return {
        "round": verdict.selection.round,
        "branch": verdict.selection.branch,
        "commit": verdict.selection.commit,
        "valid": verdict.valid and not verdict.disagreements,
        "check": json.loads(renderer("json")(verdict.report, "strict")),
        "official_checker": official
        and {
            "accepted": official.accepted,
            "results": sorted(official.results),
            "summary": official.summary,
        },
        "disagreements": [
            {"path": one.path, "ours": one.ours, "theirs": one.theirs}
            for one in verdict.disagreements
        ],
        "practice_only": list(verdict.practice),
    }
