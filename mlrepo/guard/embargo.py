"""The embargo: until when results may not become public, what sets it, and where they may go.

The committed settings decide, so that the same rule binds everybody who works on the repository.
An uncommitted change of ``mlrepo.toml`` can only make the embargo stricter; an environment variable
that lifts it is reported.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mlrepo.repository.committed_settings import committed_settings
from mlrepo.repository.discovery import read_settings
from mlrepo.repository.remotes import place_of, url_that_stands_for
from mlrepo.settings import FILE_NAME, Resolver, setting_named

# Embargoed paths: a submission's results and the notebook of runs. Elsewhere, results are
# recognized by content, see mlrepo.guard.recognise.
_RESULT_PATH = re.compile(
    r"\Aruns/|(?:\A|/)(?:closed|open|network)/[^/]+/(?:results|measurements|compliance)/",
    re.IGNORECASE,
)
_DAY, _PRIVATE = "embargo", "private_remotes"
_OFFICIAL, _VISIBILITY = "official.repository", "official.visibility"


class Embargo(NamedTuple):
    """An embargo, and who may get results before it ends.

    Attributes
    ----------
    until:
        The day, as ``YYYY-MM-DD``; empty if there is no embargo.
    origin:
        The setting it comes from.
    private:
        URLs that the public cannot read.
    lifted:
        One line for each way in which the environment allows more than the committed settings.
    """

    until: str = ""
    origin: str = FILE_NAME
    private: frozenset[str] = frozenset()
    lifted: tuple[str, ...] = ()

    def holds(self, url: str, today: datetime.date) -> bool:
        """Return whether results must not go to ``url`` today."""
        if not self.until or today >= datetime.date.fromisoformat(self.until):
            return False
        return place_of(url) not in {place_of(private) for private in self.private}


def embargo_in_force(
    root: Path, environ: Mapping[str, str], remote: str = "", tips: Sequence[str] = ()
) -> Embargo:
    """Return the embargo in force in the repository.

    Of the days in the commits and the working tree, the latest counts. A URL is private if any of
    the commits says so.

    Parameters
    ----------
    remote:
        The remote whose default branch is read.
    tips:
        Commits that are about to leave: their settings count too.

    Raises
    ------
    UserError
        A file is not a valid ``mlrepo.toml``, or a value is not valid.
    """
    committed = committed_settings(root, remote, tips)
    working = (f"{FILE_NAME} of the working tree", read_settings(root / FILE_NAME))
    day, origin = max(
        ((_day(values, where), where) for where, values in (*committed, working)),
        key=lambda found: found[0],
    )
    private = {url for _, values in committed for url in _private(values, root)}
    lifted = []
    variable = setting_named(_DAY).variable
    if asked := environ.get(variable, "").strip():
        asked = setting_named(_DAY).check(asked, variable)
        if asked < day:
            lifted.append(f"{variable} moves the embargo from {day} ({origin}) to {asked}")
        day, origin = asked, variable
    more = _private_by_environment(environ, committed, root) - private
    if more and day:
        lifted.append(
            f"the environment, and no committed {FILE_NAME}, calls private: "
            f"{', '.join(sorted(map(place_of, more)))}"
        )
    return Embargo(day, origin, frozenset(private | more), tuple(lifted))


def is_result_path(path: str) -> bool:
    """Return whether a path belongs to a submission's results or to the notebook."""
    return bool(_RESULT_PATH.search(f"{path}/"))


def _day(values: Mapping[str, str], where: str) -> str:
    value = values.get(_DAY, "").strip()
    return setting_named(_DAY).check(value, where) if value else ""


def _private(values: Mapping[str, str], root: Path) -> Iterator[str]:
    names = values.get(_PRIVATE, "").split(",")
    if values.get(_VISIBILITY, "").strip().lower() == "private":
        names.append(values.get(_OFFICIAL, ""))
    for name in filter(None, (name.strip() for name in names)):
        yield url_that_stands_for(name, root)


def _private_by_environment(
    environ: Mapping[str, str], committed: Sequence[tuple[str, Mapping[str, str]]], root: Path
) -> set[str]:
    if not any(
        setting_named(key).variable in environ for key in (_PRIVATE, _OFFICIAL, _VISIBILITY)
    ):
        return set()
    found = set()
    for _, values in committed or [("", {})]:
        resolver = Resolver(environ, values)
        resolved = {key: resolver.find(key) for key in (_PRIVATE, _OFFICIAL, _VISIBILITY)}
        found |= set(_private({k: v.value for k, v in resolved.items() if v}, root))
    return found
