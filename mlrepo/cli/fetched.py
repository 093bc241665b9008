"""When the hub was last fetched: what the commands about all runs say beside their lists."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import resolver
from mlrepo.cli.verbosity import quiet
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.last_fetch import LastFetch

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def last_fetch_of(repository: ResultsRepository) -> LastFetch | None:
    """Return when the hub was last fetched; None for a clone without a hub."""
    from mlrepo.repository.last_fetch import last_fetch

    try:
        hub = resolver(repository).require("hub").value
    except UserError:  # of settings that others complain about
        return None
    return last_fetch(repository, hub)


def fetch_values(repository: ResultsRepository) -> dict[str, str | None] | None:
    """Return the same for JSON."""
    found = last_fetch_of(repository)
    return None if found is None else found.to_dict()


def print_last_fetch(repository: ResultsRepository) -> None:
    """Print one line to standard error: runs that others recorded since are not in the list."""
    if quiet():
        return
    found = last_fetch_of(repository)
    if found is None:
        return
    if found.time is None:
        said = f"{found.hub} was never fetched here"
    else:
        said = f"{found.hub} was last fetched {_ago(found.time)}"
    click.echo(f"{said}; `mlrepo sync` brings what others recorded.", err=True)


def _ago(time: datetime.datetime) -> str:
    seconds = (datetime.datetime.now(datetime.UTC) - time).total_seconds()
    for size, name in _UNITS:
        number = int(seconds // size)
        if number >= 1:
            return f"{number} {name}{'' if number == 1 else 's'} ago"
    return "just now" if seconds >= 0 else f"on {time:%Y-%m-%d} by a clock that is ahead"
