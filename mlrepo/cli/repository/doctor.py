"""``mlrepo doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, redactor, resolver, user_directory
from mlrepo.cli.render import print_json, style
from mlrepo.settings import SETTINGS

if TYPE_CHECKING:
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.health import Check

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
    if not quick:
        checks += [_layouts(repository)] if readable else []
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
