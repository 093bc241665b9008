"""The values of a submission under way: what is asked for, each step, what is about to leave."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlrepo.forge.forge import PullRequest
from mlrepo.repository.official import Changes
from mlrepo.repository.outgoing import Outgoing

DONE_BEFORE, DONE, UNDER_WAY, TO_DO = "done before", "done", "under way", "to do"


@dataclass(frozen=True)
class Step:
    """One step as it is reported: its name, its state, and the details."""

    name: str
    state: str
    detail: str


@dataclass(frozen=True)
class Departure:
    """What is about to leave, for the person who confirms it.

    Attributes
    ----------
    fork:
        Where the branch is pushed; a fork that is yet to be made by its name.
    official:
        The URL of the repository that is asked to take it.
    public:
        Whether anybody may read the fork; None when that is not known.
    branch:
        The branch of the fork.
    replaces:
        The commit of an older submission there; empty when the branch is new.
    outgoing:
        All objects that leave; none when the branch is there and only the request is missing.
    changes:
        What the commit does to the official branch.
    """

    fork: str
    official: str
    public: bool | None
    branch: str
    replaces: str
    outgoing: Outgoing
    changes: Changes


@dataclass(frozen=True)
class DeliveryPlan:
    """What is asked for.

    Attributes
    ----------
    round, submitter:
        Whose selection; an empty submitter means the only one.
    target:
        The branch of the official repository.
    branch:
        The branch of the fork; empty for the usual name.
    profile:
        ``strict`` or ``official``: by which verdict the submission must be valid.
    draft:
        Whether the pull request is opened as a draft.
    dry_run:
        Ask everything, change nothing.
    wait:
        Seconds to wait for a fork that is being made.
    settings:
        Those that decide about the embargo.
    today:
        The date, for the embargo.
    """

    round: str
    submitter: str
    target: str
    branch: str
    profile: str
    draft: bool
    dry_run: bool
    wait: float
    settings: Mapping[str, str]
    today: datetime.date


@dataclass
class Submitted:
    """How far it got: which of branch, commit and request exist."""

    steps: list[Step] = field(default_factory=list)
    fork: str = ""
    branch: str = ""
    commit: str = ""
    outgoing: Outgoing = field(default_factory=lambda: Outgoing((), ()))
    request: PullRequest | None = None
    remote_said: str = ""
