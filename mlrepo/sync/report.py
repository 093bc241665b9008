"""What a synchronisation did, for people and machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlrepo.curation.layout import Replaced
from mlrepo.errors import MlrepoError
from mlrepo.repository.acts import acts_in
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.process import git
from mlrepo.repository.trailers import parse_trailers


@dataclass(frozen=True)
class Exchanged:
    """What came or went of one machine.

    Attributes
    ----------
    system:
        The system that the runs were recorded for.
    runs:
        How many were recorded.
    """

    system: str
    runs: int


@dataclass(frozen=True)
class Traffic:
    """What came, or what went: runs by machine, and decisions about runs (withdrawn, moved, …)."""

    machines: tuple[Exchanged, ...] = ()
    acts: int = 0

    @property
    def runs(self) -> int:
        """All runs."""
        return sum(one.runs for one in self.machines)


@dataclass(frozen=True)
class MergedBranch:
    """A branch on which two machines had recorded.

    Attributes
    ----------
    branch, commit:
        Its short name and the merge.
    decided:
        Where the layout has a run that one of them alone would not have put there.
    """

    branch: str
    commit: str
    decided: tuple[Replaced, ...] = ()


@dataclass(frozen=True)
class Kept:
    """A branch that stays as it is, here or at the hub: why, and what to do."""

    branch: str
    why: str
    hint: str = ""
    refused: bool = False


@dataclass(frozen=True)
class SyncReport:
    """What a synchronisation did.

    Attributes
    ----------
    hub, url:
        The name of the remote, or of the bundle, and where it is, without credentials.
    contacted:
        Whether the hub was asked; not with ``offline``.
    came, went:
        What this clone did not have before, and what the hub did not.
    forwarded, pushed:
        The short names of local branches that moved to what was fetched, and of those that went.
    waiting:
        The short names of branches that would go, and did not: offline, or after a failure.
    kept:
        Branches that stay as they are.
    strange:
        Branches of the hub below ``exp/`` whose names no experiment can have.
    experiments:
        How many experiment branches the hub has.
    problem:
        The failure that ended it after something was done already.
    lifted:
        How the environment lifts the embargo.
    """

    hub: str
    url: str
    contacted: bool = True
    came: Traffic = Traffic()
    went: Traffic = Traffic()
    forwarded: tuple[str, ...] = ()
    merged: tuple[MergedBranch, ...] = ()
    pushed: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    strange: tuple[str, ...] = ()
    experiments: int = 0
    problem: MlrepoError | None = None
    lifted: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Return whether anything came, went or moved."""
        exchanged = any(one.runs or one.acts for one in (self.came, self.went))
        return exchanged or bool(self.forwarded or self.merged or self.pushed)

    @property
    def complete(self) -> bool:
        """Return whether all that should go went, and nothing needs a person."""
        return not any(one.refused for one in self.kept) and self.problem is None


def traffic_of(repository: ResultsRepository, tips: Iterable[str], known: Sequence[str]) -> Traffic:
    """Return the runs and acts of the commits that ``tips`` reach and ``known`` do not."""
    asked = [*dict.fromkeys(tips)]
    if not asked:
        return Traffic()
    lines = "".join(
        [*(f"{tip}\n" for tip in asked), *(f"^{oid}\n" for oid in dict.fromkeys(known))]
    )
    listed = git(
        *("log", "-z", "--format=%B", "--no-show-signature", "--stdin"),
        cwd=repository.root,
        stdin=lines.encode(),
    )
    runs: dict[str, str] = {}
    acts: set[str] = set()
    for message in listed.split("\0"):
        trailers = parse_trailers(message)
        if trailers is not None:
            runs.setdefault(trailers["MLRepo-Run"], trailers.get("MLRepo-System", ""))
        else:
            acts.update(act.id for act in acts_in(message))
    counted = Counter(runs.values())
    machines = tuple(Exchanged(system, counted[system]) for system in sorted(counted))
    return Traffic(machines, len(acts))
