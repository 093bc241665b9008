"""``mlrepo run``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import AskedOption, Group, missing_arguments
from mlrepo.cli.context import current_repository
from mlrepo.cli.records.show import act_values
from mlrepo.cli.render import print_json

if TYPE_CHECKING:
    from mlrepo.curation.decide import Decision
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.history import RecordedRun
    from mlrepo.repository.identity import Identity

    Act = Callable[[ResultsRepository, Identity, list[RecordedRun]], Decision]

_json = click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
_runs = click.argument("runs", nargs=-1, required=True, metavar="RUN...")
_about = "The reason, for those who look for the run; it is recorded."
_why = click.option("--why", default="", metavar="TEXT", help=_about)


@click.group("run", cls=Group)
def command() -> None:
    """Withdraw, restore, annotate and move recorded runs.

    What is decided about a run is a commit of its own on the run's experiment branch: nothing that
    was recorded is changed or lost, and each decision can be taken back. A new run is made by
    `mlrepo bench run`.

    \b
    Example:
      mlrepo run withdraw 3fa9c1 --why "the fan was broken"
      mlrepo run restore 3fa9c1
    """


@command.command("withdraw")
@_runs
@click.option("--why", cls=AskedOption, required=True, metavar="TEXT", help=_about)
@_json
def withdraw(runs: tuple[str, ...], why: str, as_json: bool) -> None:
    """Let runs count no longer, and say why.

    `log`, `status`, `select` and `compare` leave them out. The runs and their logs stay recorded;
    `mlrepo log --withdrawn` lists them. Where one of them is in the layout of the round, the newest
    other run that may be there takes its place, in the same commit.

    \b
    Example:
      mlrepo run withdraw 3fa9c1 --why "the fan was broken"
    """
    from mlrepo.curation.withdraw import withdraw as withdraw_runs

    _decide(
        runs,
        lambda repository, who, found: withdraw_runs(repository, who, found, why),
        "Withdrew",
        lambda run: f"was withdrawn before: {run.withdrawn}",
        as_json=as_json,
    )


@command.command("restore")
@_runs
@_why
@_json
def restore(runs: tuple[str, ...], why: str, as_json: bool) -> None:
    """Let withdrawn runs count again, or pruned ones.

    \b
    Example:
      mlrepo run restore 3fa9c1
    """
    from mlrepo.curation.withdraw import restore as restore_runs

    _decide(
        runs,
        lambda repository, who, found: restore_runs(repository, who, found, why),
        "Restored",
        lambda run: "is not withdrawn",
        as_json=as_json,
    )


@command.command("note")
# Not RUN... and TEXT: of one word, click would make the text.
@click.argument("words", nargs=-1, metavar="RUN... TEXT")
@_json
@click.pass_context
def note(ctx: click.Context, words: tuple[str, ...], as_json: bool) -> None:
    """Put a note on runs: TEXT, in quotes. The last one is shown, and all are kept.

    \b
    Example:
      mlrepo run note 3fa9c1 "with the new BIOS"
    """
    from mlrepo.curation.annotate import note as note_on

    if len(words) < 2:
        raise missing_arguments(ctx, *("RUN", "TEXT")[len(words) :])
    *runs, text = words
    _decide(
        tuple(runs),
        lambda repository, who, found: note_on(repository, who, found, text),
        "Noted on",
        lambda run: "is unchanged",
        as_json=as_json,
    )


# "-hot" is a tag to remove, not the option -h and more.
@command.command(
    "tag", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]}
)
@click.argument("words", nargs=-1, metavar="RUN... +TAG -TAG", type=click.UNPROCESSED)
@_json
@click.pass_context
def tag(ctx: click.Context, words: tuple[str, ...], as_json: bool) -> None:
    """Add tags to runs (+TAG) and remove tags from them (-TAG).

    \b
    Example:
      mlrepo run tag 3fa9c1 +tuned -first
    """
    from mlrepo.curation.annotate import tag as tag_runs

    if "-h" in words:
        click.echo(ctx.get_help())
        return
    runs = tuple(word for word in words if word[:1] not in ("+", "-"))
    add = [word[1:] for word in words if word.startswith("+")]
    remove = [word[1:] for word in words if word.startswith("-")]
    needed = {"RUN": runs, "+TAG or -TAG": add + remove}
    if missing := [name for name, given in needed.items() if not given]:
        raise missing_arguments(ctx, *missing)
    _decide(
        runs,
        lambda repository, who, found: tag_runs(repository, who, found, add, remove),
        "Tagged",
        lambda run: f"has these tags already: {', '.join(run.tags) or 'none'}",
        as_json=as_json,
    )


@command.command("move", one_of=("system", "experiment"))
@_runs
@click.option("--system", metavar="NAME", help="The system that the runs were measured on.")
@click.option("--experiment", metavar="NAME", help="The experiment that the runs belong to.")
@click.option(
    "--any-system",
    is_flag=True,
    help="Also if the system's description contradicts what the runs recorded of their machine.",
)
@_why
@_json
def move(
    runs: tuple[str, ...],
    system: str | None,
    experiment: str | None,
    any_system: bool,
    why: str,
    as_json: bool,
) -> None:
    """Move runs to the system that they were measured on, or to another experiment.

    The records stay as they are, and say where the runs were recorded; the layout of the round is
    decided anew. Move all runs of a result together: runs of two systems never share one.

    \b
    Example:
      mlrepo run move 3fa9c1 71b0d2 --system server --why "recorded as laptop by mistake"
      mlrepo run move latest --experiment tuning
    """
    from mlrepo.curation.move import move_to_experiment, move_to_system
    from mlrepo.repository.experiments import Experiment

    if experiment is not None:
        target = Experiment.parse(experiment)
        _decide(
            runs,
            lambda repository, who, found: move_to_experiment(
                repository, who, found, target, why=why
            ),
            f"Moved to {target.branch}:",
            lambda run: f"is on {target.branch} already",
            as_json=as_json,
        )
        return
    name = system or ""
    _decide(
        runs,
        lambda repository, who, found: move_to_system(
            repository, who, found, name, why=why, any_system=any_system
        ),
        f"Moved to {name}:",
        lambda run: f"counts for {name} already",
        as_json=as_json,
    )


def _decide(
    names: tuple[str, ...],
    act: Act,
    verb: str,
    unchanged: Callable[[RecordedRun], str],
    *,
    as_json: bool,
) -> None:
    """Decide about the named runs, and print what was done."""
    from mlrepo.curation.decide import described, named_runs, said_replaced
    from mlrepo.curation.selected import rounds_that_select
    from mlrepo.repository.identity import git_identity

    repository = current_repository()
    done = act(repository, git_identity(repository.root), named_runs(repository, names))
    selected = rounds_that_select(repository, [act.run for act in done.acts])
    if as_json:
        print_json("mlrepo.acts/1", {**_values(done), "selected": selected})
        return
    for run in done.unchanged:
        click.echo(f"{run.run} {unchanged(run)}.")
    for run in done.runs:
        click.echo(f"{verb} {run.run}: {described(run)}")
    for branch in done.branches:
        click.echo(f"  recorded as {branch.commit[:10]} on {branch.branch}")
        for replaced in branch.replaced:
            click.echo(f"  {said_replaced(replaced)}")
    if any(branch.published for branch in done.branches):
        click.echo("Others see it after `mlrepo sync`.")
    for round_, ids in selected.items():
        click.echo(
            f"Selected for {round_}: {', '.join(ids)}. `mlrepo select` decides the results anew."
        )


def _values(done: Decision) -> dict[str, object]:
    return {
        "acts": [act_values(act) for act in done.acts],
        "unchanged": [run.run for run in done.unchanged],
        "branches": [
            {
                "branch": branch.branch,
                "commit": branch.commit,
                "published": list(branch.published),
                "layout": [
                    {"path": str(one.path), "before": one.before, "now": one.now}
                    for one in branch.replaced
                ],
            }
            for branch in done.branches
        ],
    }
