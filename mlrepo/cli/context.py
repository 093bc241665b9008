"""What commands share: the current repository, resolved settings, the redactor."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.account import data_directory, homes, logins
from mlrepo.cli.verbosity import verbose
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.settings import SETTINGS, Resolver

if TYPE_CHECKING:
    from mlrepo.redaction import Redactor

# Login names that are ordinary words: replacing them would garble text and hide nothing.
_COMMON_LOGINS = frozenset(
    {"root", "user", "admin", "ubuntu", "debian", "runner", "test", "demo", "mlperf", "nobody"}
)


def not_empty(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty name: otherwise an unset shell variable would select everything."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty; leave the option out for all.")
    return value


def current_repository() -> ResultsRepository:
    """Return the results repository that contains the working directory.

    When the command ends, what could not be read of the repository, was left out, or is known
    twice, is printed to standard error.
    """
    repository = find_repository(Path.cwd())
    context = click.get_current_context(silent=True)
    if context is not None:
        context.call_on_close(lambda: _report_damage(repository))
    return repository


def _report_damage(repository: ResultsRepository) -> None:
    for damage in repository.damage.values():
        click.echo(f"mlrepo: {damage.message}\n  {damage.hint}", err=True)
    if repository.known_twice or repository.also_summarised:
        from mlrepo.repository.claims import known_twice_words

        for words in known_twice_words(repository):
            click.echo(f"mlrepo: {words}", err=True)
    if repository.left_out:
        from mlrepo.repository.left_out import left_out_words

        for words in left_out_words(repository):
            click.echo(f"mlrepo: {words}", err=True)
        click.echo("  A newer mlrepo shows it: update mlrepo.", err=True)


def user_directory() -> Path:
    """Return the directory of this user's models, data sets and compiled models.

    ``MLREPO_HOME`` if set, else ``mlrepo`` below the XDG data directory; for a user without a home
    directory, a private directory among the system's temporary files.
    """
    if home := os.environ.get("MLREPO_HOME"):
        return Path(home).absolute()
    return data_directory("mlrepo")


def resolver(repository: ResultsRepository | None = None) -> Resolver:
    """Return the resolver of settings from the environment and the repository."""
    found = Resolver(dict(os.environ), {})
    if repository is not None:
        found = replace(found, file=repository.file_settings(), clone=repository.clone_setting)
    if verbose():
        _show(found)
    return found


def _show(settings: Resolver) -> None:
    """Print the settings that have a value, once for each command."""
    meta = click.get_current_context().meta
    if not meta.setdefault("mlrepo.settings_shown", False):
        meta["mlrepo.settings_shown"] = True
        for setting in SETTINGS:
            if value := settings.find(setting.key):
                click.echo(f"mlrepo: {setting.key} is {value.value} ({value.origin})", err=True)


def redactor(system: str = "") -> Redactor:
    """Return the redactor for this user on this machine."""
    # Imported here: compiling its patterns takes 10 ms, and most commands do not need them.
    from mlrepo.redaction import Redactor, secret_values

    host = os.uname().nodename
    hosts = {host, host.partition(".")[0]} - {"", "localhost", system}  # a system's name is public
    return Redactor(
        homes=tuple(sorted(map(str, homes()))),
        users=tuple(sorted(logins() - _COMMON_LOGINS)),
        hosts=tuple(sorted(hosts, key=len, reverse=True)),
        host_label=f"<{system or 'host'}>",
        secrets=secret_values(os.environ),
    )
