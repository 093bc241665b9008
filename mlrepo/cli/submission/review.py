"""``mlrepo review``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import not_empty
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError
from mlrepo.limits import usable_cpus

if TYPE_CHECKING:
    from mlrepo.exchange.review import Review, ReviewedResult
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.history import RecordedRun
    from mlrepo.tree import Tree


@click.command("review", cls=Command)
@click.argument("source", metavar="PATH|REMOTE")
@click.argument("branch", required=False)
@click.option("--round", "round_", metavar="ROUND", help="The rules, such as v5.1.")
@click.option(
    "--submitter",
    metavar="NAME",
    callback=not_empty,
    help="Whose submission (default: the only one).",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the text to a file instead.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the review as JSON.")
def command(
    source: str,
    branch: str | None,
    round_: str | None,
    submitter: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Review somebody else's submission, and write the text to paste.

    PATH is the directory that holds closed/ or open/; or REMOTE, a remote's name or URL, and the
    BRANCH of their pull request. The text has both verdicts, the results beside the submitter's
    last round where that is recorded here (`mlrepo import`), and every finding with its file and
    line. Nothing of the other repository comes into yours.

    Exit code: 0 valid by the rules; 1 invalid.

    \b
    Example:
      mlrepo review ../their-submission --round v6.1
      mlrepo review https://github.com/acme/submissions_inference_6_1 acme-v6.1 --output acme.md
    """
    from mlrepo.checker.round_of_tree import round_of
    from mlrepo.cli.context import resolver
    from mlrepo.cli.submission.rendering.review_text import render
    from mlrepo.exchange.review import review
    from mlrepo.proposal.measured import with_machines
    from mlrepo.repository.discovery import find_git_repository
    from mlrepo.repository.files import write_where_named
    from mlrepo.rounds import SHIPPED

    here = find_git_repository(Path.cwd())
    rounds = SHIPPED if here is None else here.rounds
    # If the reviewed tree does not name its round, use that of the current repository.
    settings = resolver(here)
    with _opened(source, branch) as (tree, label, changed):
        name = _submitter(tree, changed, label, submitter)
        rules = round_of(tree, settings, rounds, label=label, flag=round_)
        runs = _recorded(here)
        done = review(tree, rules, name, label, runs, rounds, workers=usable_cpus())
        done = replace(done, report=with_machines(done.report, here, tree, rules))
    if as_json:
        print_json("mlrepo.review/1", _values(done))
    elif output is not None:
        write_where_named(output, render(done).encode("utf-8", "backslashreplace"))
        click.echo(f"Wrote {output}.", err=True)
    else:
        click.echo(render(done), nl=False)
    return (
        0 if all(one.result.strict for one in done.results) and done.report.valid("strict") else 1
    )


@contextlib.contextmanager
def _opened(source: str, branch: str | None) -> Iterator[tuple[Tree, str, tuple[str, ...] | None]]:
    """Yield the tree, its label, and the paths that the submission changes (None: all)."""
    from mlrepo.cli.submission.elsewhere import in_words, right_command
    from mlrepo.redaction import shown_url
    from mlrepo.repository.foreign import fetched, is_url, url_of
    from mlrepo.repository.trees import DirectoryTree

    if branch is None and not is_url(source):
        if not Path(source).is_dir():
            raise UserError(
                f"{source} is not a directory.",
                hint=right_command(Path(source), "review")
                or "Name a directory, or a remote and a branch: `mlrepo review REMOTE BRANCH`.",
            )
        yield DirectoryTree(Path(source)), str(in_words(Path(source))), None
        return
    with fetched(url_of(source, Path.cwd()), branch or "") as foreign:
        label = f"{shown_url(source)} {branch or ''}".strip() + f", commit {foreign.commit[:10]}"
        yield foreign.tree, label, foreign.changed


def _submitter(tree: Tree, changed: tuple[str, ...] | None, label: str, wanted: str | None) -> str:
    from mlrepo.exchange.review import submitters_in

    if wanted:
        return wanted
    found = submitters_in(tree, changed)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(
            f"There is no submission in {label}.",
            hint=_instead(tree, label) or "It holds DIVISION/SUBMITTER/results/…; name its root.",
        )
    listed = ", ".join(found[:8]) + (" …" if len(found) > 8 else "")
    raise UserError(f"{label} holds submissions of {listed}.", hint="Use --submitter NAME.")


def _instead(tree: Tree, label: str) -> str:
    from mlrepo.cli.submission.elsewhere import right_command
    from mlrepo.repository.trees import DirectoryTree

    return right_command(Path(label), "review") if isinstance(tree, DirectoryTree) else ""


def _recorded(repository: ResultsRepository | None) -> list[RecordedRun]:
    """Return the runs of the current results repository, if there is one."""
    from mlrepo.repository.history import recorded_runs

    if repository is None or not repository.settings_file.exists():
        return []
    return list(recorded_runs(repository))


def _values(review: Review) -> dict[str, object]:
    from mlrepo.cli.submission.rendering.document import render

    return {
        "submitter": review.submitter,
        "source": review.source,
        "results": [_result_values(one) for one in review.results],
        "check": json.loads(render(review.report, "strict")),
    }


def _result_values(one: ReviewedResult) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "path": one.result.path,
        "earlier": asdict(one.earlier) if one.earlier else None,
        "change": one.change,
    }
