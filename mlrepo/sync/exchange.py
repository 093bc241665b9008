"""Where branches are exchanged, and what becomes of the branches of a clone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mlrepo.errors import Busy
from mlrepo.repository.hub import HubBranches, Pushed
from mlrepo.shell import quoted


class Exchange(Protocol):
    """Where branches are exchanged: a hub, or a bundle."""

    @property
    def name(self) -> str:
        """What it is called here: the name of a remote."""

    @property
    def shown(self) -> str:
        """Where it is, without credentials."""

    @property
    def prefix(self) -> str:
        """The beginning of the full names of its fetched branches."""

    @property
    def source(self) -> str:
        """What `git fetch` takes for it."""

    @property
    def notes_deletions(self) -> bool:
        """Whether a branch that was there and is not was deleted by somebody."""

    @property
    def push_url(self) -> str:
        """Where pushes go, for the embargo."""

    def branches(self) -> HubBranches:
        """Return the branches that it has now."""

    def fetched(self) -> dict[str, str]:
        """Return the commits of its branches as far as they were fetched, by short name."""

    def fetch(self, names: Collection[str]) -> set[str]:
        """Fetch branches by short name; return those that were rewritten, and so not fetched."""

    def push(self, commits: Mapping[str, str]) -> dict[str, Pushed]:
        """Move branches, by short name, to commits that contain them."""

    def note_contact(self) -> None:
        """Note that its branches were fetched now."""


@dataclass
class Plan:
    """What becomes of local branches: they move, are pushed, or are merged first.

    The values are commits: where a branch is and where it moves to; what is pushed; both sides.
    """

    forward: dict[str, tuple[str, str]] = field(default_factory=dict)
    push: dict[str, str] = field(default_factory=dict)
    diverged: dict[str, tuple[str, str]] = field(default_factory=dict)


def rewritten(place: Exchange, name: str) -> tuple[str, str]:
    """Return why a branch that its hub rewrote stays, and what to do."""
    theirs = f"{place.prefix}{name}"
    return (
        f"{place.name} has another history of it than before: somebody rewrote it",
        "ask who did, and why. To take theirs: "
        f"`git fetch {quoted(place.source)} +refs/heads/{quoted(name)}:{quoted(theirs)}`",
    )


def too_shallow(place: Exchange) -> tuple[str, str]:
    """Return why a branch cannot be merged in a shallow clone, and what to do."""
    return (
        "this clone is shallow and does not reach back to where the two began",
        f"`git fetch --unshallow {quoted(place.source)}`, then `mlrepo sync`",
    )


def never_ends(place: Exchange, rounds: int, said: str) -> Busy:
    """Return the error for a race that was lost too often."""
    return Busy(
        f"{rounds} pushes to {place.name} lost a race: {said or 'others were faster'}.",
        hint="Run `mlrepo sync` again.",
    )
