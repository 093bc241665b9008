"""Values of a submission: its plan, its steps, what is about to leave, and what stops it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlrepo.errors import MlrepoError
from mlrepo.forge.forge import PullRequest
from mlrepo.repository.official import Changes
from mlrepo.repository.outgoing import Outgoing

DONE_BEFORE, DONE, UNDER_WAY, TO_DO = "done before", "done", "under way", "to do"
# A step that would stop the real submission, found by a dry run or a rehearsal.
STOPS = "would stop"
# Nothing stops, but who submits should know.
WARNING = "warning"
CHECK, FORGE, EMBARGO = "check", "forge", "embargo"
# A rehearsal continues after these: they depend on the verdict and on the real forge.
_PASSED_OVER = frozenset({CHECK, FORGE, EMBARGO})


@dataclass(frozen=True)
class Step:
    """One step as it is reported: its name, its state, and the details."""

    name: str
    state: str
    detail: str


@dataclass(frozen=True)
class Obstacle:
    """The reason why the real submission would stop at a step."""

    step: str
    error: MlrepoError


@dataclass(frozen=True)
class Departure:
    """What is about to leave, for the person who confirms it.

    Attributes
    ----------
    fork:
        Where the branch is pushed; the name of the fork if it does not exist yet.
    official:
        The URL of the repository that receives the pull request.
    public:
        Whether anybody may read the fork; None if unknown.
    branch:
        The branch of the fork.
    replaces:
        The commit of an older submission there; empty if the branch is new.
    outgoing:
        All objects that leave; none if the branch is pushed and only the request is missing.
    changes:
        What the commit does to the official branch.
    attached:
        What is attached to the text of the pull request; empty for nothing.
    """

    fork: str
    official: str
    public: bool | None
    branch: str
    replaces: str
    outgoing: Outgoing
    changes: Changes
    attached: str = ""


@dataclass(frozen=True)
class DeliveryPlan:
    """The request for a submission.

    Attributes
    ----------
    round, submitter:
        Whose selection; an empty submitter stands for the only one.
    official:
        The URL of the official repository, for the embargo if no forge can be queried; empty if it
        is not set.
    target:
        The branch of the official repository.
    branch:
        The branch of the fork; empty for the default name.
    profile:
        ``strict`` or ``official``: the verdict by which the submission must be valid.
    replace:
        Whether to replace a submission even if this selection does not build on that one's.
    draft:
        Whether the pull request is opened as a draft.
    dry_run:
        Query everything, change nothing, and continue after what would stop the submission.
    rehearse_in:
        A directory for a rehearsal: its repositories replace those of the real forge, which is not
        contacted, and no verdict stops it. None for a real submission.
    wait:
        Seconds to wait for a fork that is being created.
    settings:
        The settings that decide about the embargo.
    today:
        The date, for the embargo.
    """

    round: str
    submitter: str
    official: str
    target: str
    branch: str
    profile: str
    replace: bool
    draft: bool
    dry_run: bool
    wait: float
    settings: Mapping[str, str]
    today: datetime.date
    rehearse_in: Path | None = None

    def continues_after(self, step: str) -> bool:
        """Return whether the next steps are tried if this one fails."""
        return self.dry_run or (self.rehearse_in is not None and step in _PASSED_OVER)


@dataclass
class Submitted:
    """The outcome: which of branch, commit and request exist, and what would have stopped it."""

    steps: list[Step] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)
    fork: str = ""
    branch: str = ""
    commit: str = ""
    outgoing: Outgoing = field(default_factory=lambda: Outgoing((), ()))
    request: PullRequest | None = None
    remote_said: str = ""
    attached: str = ""
