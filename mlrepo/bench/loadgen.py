"""Say before a run whether the round accepts the installed LoadGen."""

from __future__ import annotations

from dataclasses import dataclass

from mlrepo.distributions import LOADGEN
from mlrepo.harness.loadgen import embedded_seeds, installed_release
from mlrepo.rounds import Round
from mlrepo.rounds.loadgen import has_seeds_of, loadgen_releases


@dataclass(frozen=True)
class LoadGenFit:
    """The installed release, whether it was made for the round, and which releases were.

    ``accepted`` is '' if no release embeds the round's seeds.
    """

    round: str
    installed: str
    fits: bool
    accepted: str

    @property
    def note(self) -> str:
        """What to say before a run, and what to do; '' if the installed LoadGen fits."""
        if self.fits:
            return ""
        if not self.accepted:
            return (
                f"No LoadGen from PyPI was made for {self.round}: mlrepo sets the round's seeds in "
                f"LoadGen {self.installed}, and all else is that release's own."
            )
        last = self.accepted.rpartition(" ")[2]
        return (
            f"LoadGen {self.installed} is installed, and {self.round} was run with {self.accepted}:"
            f" mlrepo sets the round's seeds, and all else is {self.installed}'s own. For a "
            f"submission: pip install '{LOADGEN}=={last}'"
        )


def loadgen_fit(round_: Round) -> LoadGenFit:
    """Compare the installed LoadGen with the round, by its seeds if the release is unknown."""
    installed = installed_release()
    fits = has_seeds_of(round_, installed)
    if fits is None:
        fits = embedded_seeds() == round_.seeds()
    releases = loadgen_releases(round_)
    accepted = "" if releases is None else f"{releases[0]} to {releases[1]}"
    return LoadGenFit(round_.name, installed or "built from source", fits, accepted)
