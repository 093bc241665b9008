"""``mlrepo doctor``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, redactor, resolver, user_directory
from mlrepo.cli.render import print_json, style
from mlrepo.settings import SETTINGS
from mlrepo.shell import quoted, shell_command

if TYPE_CHECKING:
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.health import Check
    from mlrepo.settings import Resolver

_LEAST_FREE = 1 << 30
_KEPT_AWAY = (
    "`mlrepo doctor --fix` installs hooks again; `mlrepo config set hooks none` keeps them away"
)
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command("doctor", cls=Command)
@click.option(
    "--fix",
    is_flag=True,
    help="Record runs left in the spool, remove what crashes left, install hooks.",
)
@click.option("--remove-hooks", is_flag=True, help="Remove mlrepo's Git hooks from this clone.")
@click.option("--quick", is_flag=True, help="Do not compare every record with its commit.")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def command(fix: bool, remove_hooks: bool, quick: bool, as_json: bool) -> int:
    """Check the repository and the machine, and fix what can be fixed.

    Exit code: 0 when nothing is wrong, 1 when a problem remains.

    \b
    Example:
      mlrepo doctor --fix
    """
    from mlrepo.repository.health import (
        PROBLEM,
        can_be_read,
        check_repository,
        remove_stale_locks,
    )
    from mlrepo.repository.hook_install import install_hooks
    from mlrepo.repository.leftovers import remove_leftovers

    if fix and remove_hooks:
        raise click.UsageError("--fix installs hooks: give it or --remove-hooks.")
    repository = current_repository()
    settings = resolver(repository)
    for setting in SETTINGS:
        settings.find(setting.key)  # raises if a value is malformed
    kind = settings.require("hooks").value
    fixed: list[str] = []
    if fix:
        removed = [*remove_stale_locks(repository), *remove_leftovers(repository)]
        fixed = [f"removed {path}" for path in removed]
        fixed += install_hooks(repository, kind).lines()
        fixed += _recover(repository)
    readable = can_be_read(repository)
    if fix and readable:
        fixed += _refresh_layouts(repository)
    fixed += _restore_platform(repository) if fix else []
    fixed += _without_hooks(repository) if remove_hooks else []
    checks = [*check_repository(repository, records=not quick, hooks=kind), _platform(repository)]
    checks += [*_writable(repository), *_description(repository)]
    if not quick and readable:
        checks += [*_branches(repository, settings), _layouts(repository)]
    if not quick:
        checks.append(_disk(repository))
    repository.damage.clear()  # the checks report it
    if as_json:
        print_json("mlrepo.doctor/2", {"fixed": fixed, "checks": [vars(c) for c in checks]})
    else:
        for line in fixed:
            click.echo(line)
        for check in checks:
            word = style(f"{check.status:<8}", fg=_COLOURS[check.status])
            click.echo(f"{word} {check.name:<9} {check.found}")
            if check.hint:
                click.echo(f"{'':<19}{check.hint}")
    return 1 if any(check.status == PROBLEM for check in checks) else 0


def _refresh_layouts(repository: ResultsRepository) -> list[str]:
    """Decide those layouts anew that show runs which were withdrawn or moved away."""
    from mlrepo.curation.stale import refresh_layouts
    from mlrepo.repository.identity import git_identity

    return refresh_layouts(repository, git_identity(repository.root))


def _writable(repository: ResultsRepository) -> Iterator[Check]:
    """Yield a warning if this user can read the repository, but record nothing."""
    from mlrepo.repository.health import WARNING, Check

    places = [repository.common_dir, repository.store, repository.root]
    locked = [str(one) for one in places if one.exists() and not os.access(one, os.W_OK)]
    if locked:
        clone = shell_command(("mlrepo", "clone", repository.root, "DIRECTORY"))
        yield Check(
            "rights",
            WARNING,
            f"This user cannot write to {', '.join(locked)}: nothing can be recorded or selected.",
            f"`{clone}` makes a repository of your own.",
        )


def _description(repository: ResultsRepository) -> Iterator[Check]:
    """Yield a warning if the clone's system is another machine than this one."""
    from mlrepo.errors import MlrepoError
    from mlrepo.repository.health import WARNING, Check
    from mlrepo.systems.here import Here

    system = resolver(repository).find("system")
    if system is None or not any(repository.systems.glob("*/system.json")):
        return  # reported already
    try:
        found = Here(repository.systems).match(system.value).contradictions
    except MlrepoError as error:
        yield Check("systems", WARNING, error.message, error.hint)
        return
    if found:
        said = "; ".join(
            f"{one.field} is {one.written!r} there and {one.detected!r} here" for one in found
        )
        yield Check(
            "systems",
            WARNING,
            f"systems/{system.value}/system.json does not describe this machine: {said}.",
            "Runs are refused here, except of an --endpoint. `mlrepo system add NEW_NAME` describes"
            " this machine; `mlrepo system use NAME` makes this clone use another description.",
        )


def _branches(repository: ResultsRepository, settings: Resolver) -> Iterator[Check]:
    """Yield a warning for each branch that waits for a merge, or has one that went astray."""
    from mlrepo.repository.behind import behind_upstream
    from mlrepo.repository.health import WARNING, Check
    from mlrepo.repository.stray_runs import branches_with_runs, diverged_experiments

    if behind := behind_upstream(repository):
        yield Check("branches", WARNING, f"{behind}.", "`git pull`")
    for one in diverged_experiments(repository):
        yield Check(
            "branches",
            WARNING,
            f"{one.branch} and {one.fetched} went different ways: {_commits(one.here)} here only, "
            f"{_commits(one.there)} there only. All runs count, but it cannot be pushed.",
            f"{_sync_with(one.remote, settings)} merges the two and pushes.",
        )
    for stray in branches_with_runs(repository):
        undo = f"git switch {stray.branch} && git reset --keep {stray.before[:10]}"
        yield Check(
            "branches",
            WARNING,
            f"{stray.branch} holds runs: an experiment was merged into it. They count from the "
            "experiments' branches.",
            f"Unless it was pushed, take the merge back: `{undo}`." if stray.before else "",
        )


def _sync_with(remote: str, settings: Resolver) -> str:
    """Return the command that merges what was fetched from a remote with what is here."""
    if remote.startswith("bundle-"):
        return "`mlrepo sync --bundle FILE`"
    is_hub = remote == settings.require("hub").value
    return "`mlrepo sync`" if is_hub else f"`mlrepo sync --hub {quoted(remote)}`"


def _commits(number: int) -> str:
    return "1 commit" if number == 1 else f"{number} commits"


def _layouts(repository: ResultsRepository) -> Check:
    from mlrepo.curation.stale import stale_layouts
    from mlrepo.repository.health import OK, PROBLEM, Check

    found = stale_layouts(repository)
    if not found:
        return Check("layouts", OK, "no result has a run that was withdrawn or moved away")
    named = "; ".join(f"{one.experiment.branch} has {', '.join(one.runs)}" for one in found)
    return Check(
        "layouts",
        PROBLEM,
        f"Runs that were withdrawn or moved away are still in the layout: {named}.",
        "`mlrepo doctor --fix` decides the layout anew.",
    )


def _without_hooks(repository: ResultsRepository) -> list[str]:
    """Remove mlrepo's hooks and return what was removed, and what only the user can remove."""
    from mlrepo.repository.hook_install import hooks_that_call_us, remove_hooks

    removed = [f"removed the hook {name}" for name in remove_hooks(repository)]
    others = [f"{path} runs mlrepo: edit it" for path in hooks_that_call_us(repository)]
    return [*(removed or ["no hook of mlrepo was installed"]), *others, _KEPT_AWAY]


def _disk(repository: ResultsRepository) -> Check:
    """Report what takes disk space: in this clone, and of this user for all repositories."""
    from mlrepo.repository.disk import disk_words, free_space, size_below
    from mlrepo.repository.health import OK, WARNING, Check

    store = repository.store
    sizes = {
        "recorded history": size_below(repository.common_dir / "objects"),
        "full logs": size_below(store / "raw"),
        "other files of mlrepo": size_below(store) - size_below(store / "raw"),
        "models, data sets and caches": size_below(user_directory()),
    }
    free = free_space(repository.root)
    found = disk_words(sizes, free)
    if free < _LEAST_FREE:
        return Check("disk", WARNING, found, "Make room: an accuracy log may take gigabytes.")
    return Check("disk", OK, found)


def _restore_platform(repository: ResultsRepository) -> list[str]:
    """Restore what a run that crashed left changed on this machine."""
    from mlrepo.systems.machine import Machine
    from mlrepo.systems.tuning import Tuner

    changes = Tuner(Machine(), repository.store / "platform").recover()
    return [f"restored {change.label}" for change in changes or () if not change.problem]


def _platform(repository: ResultsRepository) -> Check:
    from mlrepo.repository.health import OK, PROBLEM, Check
    from mlrepo.systems.machine import Machine
    from mlrepo.systems.tuning import Tuner

    tuner = Tuner(Machine(), repository.store / "platform")
    left = tuner.left_behind()
    if left:
        return Check(
            "platform",
            PROBLEM,
            f"A run that crashed left the profile {left} applied.",
            "`mlrepo doctor --fix` restores the machine.",
        )
    applied = tuner.applied_by_user()
    return Check("platform", OK, f"{applied} is applied" if applied else "as it was found")


def _recover(repository: object) -> list[str]:
    from mlrepo.bench.recover import recover
    from mlrepo.repository.discovery import ResultsRepository

    assert isinstance(repository, ResultsRepository)
    system = resolver(repository).find("system")
    done, failed = recover(repository, redactor(system.value if system else ""))
    lines = [f"recorded the run {c.record.run} ({c.record.validity})" for c in done]
    return lines + [f"the run {run_id} cannot be recorded: {e.message}" for run_id, e in failed]
