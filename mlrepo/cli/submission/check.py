"""``mlrepo check``: judge a submission by the rules of its round."""

from __future__ import annotations

import gc
import posixpath
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import not_empty, resolver
from mlrepo.cli.screen import unstyled, write_bytes
from mlrepo.cli.submission.rendering import FORMATS, renderer
from mlrepo.cli.submission.tree_to_check import tree_to_check
from mlrepo.cli.table import output_width
from mlrepo.errors import UserError
from mlrepo.harmless import harmless
from mlrepo.limits import usable_cpus

if TYPE_CHECKING:
    from mlrepo.checker.report import Report
    from mlrepo.tree import Tree

_PROFILES = click.Choice(("strict", "official"))


@click.command("check", cls=Command)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--rev", metavar="REV", help="Judge a commit or branch, such as exp/first.")
@click.option("--staged", is_flag=True, help="Judge what the next commit would hold.")
@click.option("--round", "round_", metavar="ROUND", help="The rules, such as v5.1.")
@click.option("--submitter", metavar="NAME", callback=not_empty, help="Judge only this submitter.")
@click.option(
    "--only",
    metavar="PATH",
    callback=not_empty,
    help="Judge only what lies below this path of the tree.",
)
@click.option(
    "--profile",
    type=_PROFILES,
    help="The rules as written, or the verdict of the round's official checker; by default the "
    "setting profile, which is strict if you do not change it.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="csv is the round's own summary.csv.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--output", type=click.Path(path_type=Path), help="Write to a file instead.")
@click.option("-q", "--quiet", is_flag=True, help="Print only the verdict.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processes that read; by default one for each core.",
)
@click.option("--no-cache", is_flag=True, help="Judge everything anew.")
@click.option("--explain", metavar="RULE", help="Explain a rule, and how to fix a breach.")
@click.option("--list-rules", is_flag=True, help="List all rules.")
def command(
    path: Path | None,
    rev: str | None,
    staged: bool,
    round_: str | None,
    submitter: str | None,
    only: str | None,
    profile: str | None,
    format_: str,
    as_json: bool,
    output: Path | None,
    quiet: bool,
    workers: int | None,
    no_cache: bool,
    explain: str | None,
    list_rules: bool,
) -> int:
    """Judge a submission by the rules of its round.

    PATH is the directory that holds closed/, open/ or network/; by default the repository around
    the working directory. Exit code 0: valid; 1: invalid; 2: nothing could be judged.

    \b
    Example:
      mlrepo check
      mlrepo check --rev exp/first
      mlrepo check ../inference_results_v5.1 --round v5.1 --profile official --format csv
      mlrepo check --explain performance-validity
    """
    if explain is not None or list_rules:
        from mlrepo.cli.submission.rule_texts import explanation, rule_list

        click.echo(rule_list() if explain is None else explanation(explain))
        return 0
    if sum((path is not None, rev is not None, staged)) > 1:
        raise UserError(
            "A path, --rev and --staged exclude each other.",
            hint="`mlrepo -C DIR check --rev REV` judges a commit of another repository.",
        )
    from mlrepo.checker.check import check
    from mlrepo.checker.round_of_tree import round_of
    from mlrepo.checker.selection import CheckSelection, refuse_nothing, refuse_unknown, restricted
    from mlrepo.proposal.measured import with_machines
    from mlrepo.rounds import SHIPPED

    source = tree_to_check(path, rev=rev, staged=staged)
    rounds = SHIPPED if source.repository is None else source.repository.rounds
    settings = resolver(source.repository)
    rules = round_of(source.tree, settings, rounds, label=source.label, flag=round_)
    chosen = settings.require("profile", profile).value
    selection = CheckSelection(submitter or "", _path_in(source.tree, only or ""))
    if note := rounds.note(rules.name):
        click.echo(note, err=True)
    refuse_unknown(source.tree, rules.tables["divisions"], selection, source.label)
    # The process ends with the verdict, so collecting reference cycles is not worth the time.
    gc.disable()
    click.get_current_context().call_on_close(gc.enable)
    report = check(
        source.tree,
        rules,
        submitter=selection.submitter,
        only=selection.only,
        workers=workers or usable_cpus(),
        store=None if no_cache else source.verdicts,
    )
    report = with_machines(report, source.repository, source.tree, rules)
    report = restricted(report, selection.only, chosen)
    refuse_nothing(report, chosen, selection, source.label)
    _emit(report, chosen, "json" if as_json else format_, output, quiet=quiet)
    return 0 if report.valid(chosen) else 1


def _path_in(tree: Tree, path: str) -> str:
    """Return ``path``, relative to the tree or to the working directory, relative to the tree."""
    from mlrepo.repository.trees import DirectoryTree

    inside = posixpath.normpath(path) if path else "."
    if isinstance(tree, DirectoryTree) and tree.entry(inside) is None and Path(inside).exists():
        place = Path(inside).resolve()
        if place.is_relative_to(tree.root):
            inside = place.relative_to(tree.root).as_posix()
    return "" if inside == "." else inside


def _emit(report: Report, profile: str, format_: str, output: Path | None, *, quiet: bool) -> None:
    from mlrepo.cli.submission.rendering.reading import verdict_line
    from mlrepo.cli.submission.rendering.text import render

    # CSV is not escaped: its rows must be those of the official checker.
    machine = format_ == "csv"
    if output is not None:
        text = unstyled(renderer(format_)(report, profile))
        _write(output, text if machine else harmless(text))
    elif machine and not quiet:
        write_bytes(renderer(format_)(report, profile).encode())
    elif format_ == "text" and not quiet:
        click.echo(render(report, profile, output_width()), nl=False)
    elif not quiet:
        click.echo(renderer(format_)(report, profile), nl=False)
    if quiet or (output is not None and sys.stderr.isatty()):
        click.echo(verdict_line(report, profile), err=output is not None)


def _write(output: Path, text: str) -> None:
    """Write a file atomically; write to a pipe or device directly."""
    from mlrepo.repository.files import write_where_named

    if output.is_dir() or not output.absolute().parent.is_dir():
        what = "is a directory" if output.is_dir() else "is in a directory that does not exist"
        raise UserError(f"--output {output} {what}.", hint="Name a file in an existing directory.")
    write_where_named(output, text.encode("utf-8", "backslashreplace"))
