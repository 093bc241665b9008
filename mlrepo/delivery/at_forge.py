"""The steps that change something at a forge: the fork, the branch, the pull request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from mlrepo.delivery.proposal_text import describes, merged_body
from mlrepo.delivery.steps import DONE, DONE_BEFORE, TO_DO, UNDER_WAY
from mlrepo.errors import Busy, MlrepoError, NotThere, Unanswered, UserError
from mlrepo.forge.forge import CLOSED, OPEN, Forge, ForgeRepository, Proposal, PullRequest
from mlrepo.repository.official import OfficialCopy
from mlrepo.repository.remotes import BaseMissing, Remote

_ATTEMPTS = 3
_LONGEST_PAUSE = 10.0
_SHORT = 10
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Delivery:
    """Brings one commit to a forge, taking each step only if it is not done yet.

    Attributes
    ----------
    forge:
        The destination.
    copy:
        Contains the commit and its base.
    proposal:
        The branch, and the text of the pull request.
    say:
        Called with name, state and details of each step.
    """

    forge: Forge
    copy: OfficialCopy
    proposal: Proposal
    say: Callable[[str, str, str], None]

    def fork(self, fork: ForgeRepository | None, *, wait: float) -> ForgeRepository:
        """Return the fork once git can read it; create it if there is none.

        Raises
        ------
        Busy
            It is not ready after ``wait`` seconds.
        """
        existed, asked, said = fork is not None, False, False
        deadline, pause = time.monotonic() + wait, 0.5
        while True:
            if fork is not None and self._ready(fork, existed=existed):
                self.say("fork", DONE_BEFORE if existed else DONE, fork.address.url)
                return fork
            if fork is None and not asked:
                asked = _taken(self.forge.make_fork)
            if not said:
                self.say("fork", UNDER_WAY, f"{self.forge.fork_name()} is being made")
                said = True
            if time.monotonic() > deadline:
                raise Busy(
                    f"The fork {self.forge.fork_name()} is not ready after {wait:.0f} s.",
                    hint="Forges copy in the background. Run the command again in a minute: it "
                    "continues here. --wait SECONDS waits longer.",
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            fork = self.forge.fork()

    def push(self, fork: ForgeRepository, commit: str, tip: str) -> str:
        """Move the branch of the fork from ``tip`` ('': none) to ``commit``.

        Returns
        -------
        str
            The messages of the remote.
        """
        remote = self.copy.remote(fork.address.url, self.forge.access)
        branch, said = self.proposal.branch, ""
        where = f"{branch} is at {commit[:_SHORT]}"
        if commit == tip:
            self.say("push", DONE_BEFORE, where)
            return ""
        base = self.copy.parents(commit)[0]
        if not remote.has(base):
            self._update_fork(remote, base)

        def push() -> None:
            nonlocal said
            options = self.forge.push_options(self.proposal)
            said = remote.push(commit, branch, expected=tip, options=options)

        def pushed() -> bool | None:
            return remote.branches().get(branch) == commit or None

        try:
            _achieve(pushed, push)
        except BaseMissing:
            # Forks share objects, so it has the base, but on none of its branches.
            self._update_fork(remote, base)
            _achieve(pushed, push)
        self.say("push", DONE, where)
        return said

    def request(self) -> PullRequest | None:
        """Return the open request, whose text describes this selection."""
        forge, proposal = self.forge, self.proposal
        if not forge.opens_requests:
            self.say("pull request", TO_DO, forge.link(proposal))
            return None
        request, state = _achieve(
            lambda: open_request(forge, proposal), lambda: forge.open_pull_request(proposal)
        )
        if not describes(request.body, proposal.body):
            body = merged_body(request.body, proposal.body)
            forge.update_pull_request(request, replace(proposal, body=body))
            state = DONE
        self.say("pull request", state, request.url)
        return request

    def _ready(self, fork: ForgeRepository, *, existed: bool) -> bool:
        """Return whether git can read the fork; a new one must have the branch to build on."""
        try:
            there = self.copy.remote(fork.address.url, self.forge.access).branches()
        except NotThere:
            if not self.forge.makes_forks:
                raise
            return False
        if existed:
            return bool(there) or not self.forge.makes_forks
        return self.proposal.target in there

    def _update_fork(self, remote: Remote, base: str) -> None:
        """Update the fork with the base from the official repository.

        Otherwise the push would have to include what the fork lacks: other submitters' results.
        """
        target = self.proposal.target
        self.forge.update_fork(target)
        if not remote.has(base):
            raise Busy(
                f"The fork {remote.url} still lacks {base[:_SHORT]} of {target}.",
                hint="Run the command again in a minute.",
            )
        self.say("fork", DONE, f"its {target} was brought up to date")


def open_request(forge: Forge, proposal: Proposal) -> PullRequest | None:
    """Return the open request of the branch, or None.

    Raises
    ------
    UserError
        The last one was closed without being merged: the user must decide what to do.
    """
    request = forge.pull_request(proposal)
    if request is not None and request.state == CLOSED:
        raise UserError(
            f"The pull request {request.url} of this branch was closed without being merged.",
            hint="Reopen it there and run the command again, or submit with --branch NAME.",
        )
    return request if request is not None and request.state == OPEN else None


def _achieve(ask: Callable[[], _Found | None], act: Callable[[], None]) -> tuple[_Found, str]:
    """Act until ``ask`` finds it done; after an inconclusive failure, ask before acting again.

    A lost race is also inconclusive: it may have been an earlier run's own push.

    Raises
    ------
    MlrepoError
        The error of the last attempt.
    """
    failure: MlrepoError | None = None
    for attempt in range(_ATTEMPTS):
        found = ask()
        if found is not None:
            return found, DONE if attempt else DONE_BEFORE
        time.sleep(attempt)
        try:
            act()
            failure = None
        except (Unanswered, Busy) as error:
            failure = error
    found = ask()
    if found is not None:
        return found, DONE
    raise failure or Busy(
        "The forge took the request but does not show it yet.",
        hint="Run the command again in a minute: it looks first.",
    )


def _taken(act: Callable[[], None]) -> bool:
    """Act, and return whether it succeeded; False if that is unknown."""
    try:
        act()
    except Unanswered:
        return False
    return True
