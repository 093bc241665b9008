"""Turn a selection into an open pull request, in steps that first check what is already done.

No progress is stored: every step queries the repository or the forge to see whether it is done. So
the same command completes a submission after any failure, and running it twice changes nothing
(docs/design/009-submit.md).

A dry run takes every step that it can and lists everything that would stop the submission. A
rehearsal takes all steps, at a forge of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mlrepo.delivery.at_forge import Delivery, open_request
from mlrepo.delivery.attachment import Attach, body_with, refuse_unwritten
from mlrepo.delivery.branch_commit import ForkBranch, submission_commit
from mlrepo.delivery.proposal_text import commit_message, describes, title_of
from mlrepo.delivery.steps import (
    CHECK,
    DONE,
    DONE_BEFORE,
    EMBARGO,
    FORGE,
    STOPS,
    TO_DO,
    WARNING,
    DeliveryPlan,
    Departure,
    Obstacle,
    Step,
    Submitted,
)
from mlrepo.errors import MlrepoError, NotThere
from mlrepo.forge.forge import Forge, ForgeRepository, Proposal, PullRequest
from mlrepo.forge.rehearsal import RehearsalForge
from mlrepo.guard.departure import refuse_early, refuse_unfit
from mlrepo.proposal.candidate import Candidate, judged, only_of, refuse_invalid
from mlrepo.proposal.measured import MACHINE_RULE
from mlrepo.proposal.selected import read_selection, refuse_withdrawn
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.locks import locked
from mlrepo.repository.official import OfficialCopy
from mlrepo.repository.outgoing import Outgoing, held_by

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class _Base:
    """The tip of the official branch, and the copy that contains it."""

    copy: OfficialCopy
    commit: str


@dataclass
class Submitting:
    """A submission in progress.

    Attributes
    ----------
    make_forge:
        Called after the checks that need no network.
    tell:
        Called with each step as soon as its state is known.
    confirm:
        Called once before anything leaves, if anything does; raises to stop.
    attach:
        Returns what is attached to the text of the pull request; None for nothing.
    done:
        The outcome so far.
    public:
        Whether anybody may read the fork, once that is known.
    """

    repository: ResultsRepository
    plan: DeliveryPlan
    make_forge: Callable[[], Forge]
    tell: Callable[[Step], None]
    confirm: Callable[[Departure], None]
    attach: Attach | None = None
    done: Submitted = field(default_factory=Submitted)
    public: bool | None = None

    def run(self) -> Submitted:
        """Turn the selection into a pull request; return the outcome.

        Raises
        ------
        InvalidResult
            The submission is not valid, or contains something that may not leave.
        UserError
            Something must be changed first: the selection, a setting or the remote.
        RemoteUnavailable
            A remote did not answer or declined.
        Busy
            Another ``mlrepo submit`` runs here, the branch moved, or a fork is not ready yet.
        """
        with locked(self.repository.store / "submit.lock", timeout=1.0):
            candidate = self._candidate()
            proposal = self._proposal(candidate)
            forge = self._forge()
            try:
                self._steps(candidate, proposal, forge)
            finally:
                if self._copies is not None:
                    shutil.rmtree(self._copies, ignore_errors=True)
        return self.done

    def _steps(self, candidate: Candidate, proposal: Proposal, forge: Forge | None) -> None:
        """Take the steps; those at the forge need one, and a base there."""
        base = None if forge is None else self._try("base", lambda: self._base(forge, proposal))
        if forge is None or base is None:
            outgoing = _all_of(self.repository, candidate)
            self._scan(self.repository.root, outgoing, candidate, proposal)
            self._embargo(candidate, {self.plan.official: None} if self.plan.official else {})
            return
        request = self._try("pull request", lambda: open_request(forge, proposal))
        self.done.request = request
        copy, roots = base.copy, candidate.selection.roots
        if all(copy.resolve(f"{base.commit}:{path}") == tree for path, tree in roots.items()):
            self._say("commit", DONE_BEFORE, "the official branch holds this submission")
            return
        fork, tip = self._try("fork", lambda: self._fork(forge, copy)) or (None, "")
        commit = self._try("commit", lambda: self._commit(forge, base, candidate, tip)) or ""
        self._look_over(forge, copy, candidate, proposal, fork, commit, tip)
        if self.plan.dry_run:
            self._try_push(forge, copy, fork, commit, tip)
            self._say_what_is_left(forge, proposal, fork, commit == tip, request)
            return
        is_told = request is not None and describes(request.body, proposal.body)
        if commit != tip or (forge.opens_requests and not is_told):
            self._ask_user(forge, copy, fork, commit, tip)
        delivery = Delivery(forge, copy, proposal, self._say)
        fork = delivery.fork(fork, wait=self.plan.wait)
        self.done.fork = fork.address.url
        self.done.remote_said = delivery.push(fork, commit, tip)
        self.done.request = delivery.request()

    def _try(self, step: str, act: Callable[[], _Made]) -> _Made | None:
        """Take a step; return None if it fails and the plan continues after it."""
        try:
            return act()
        except MlrepoError as error:
            if not self.plan.continues_after(step):
                raise
            self.done.obstacles.append(Obstacle(step, error))
            self._say(step, STOPS, error.message.partition("\n")[0])
            return None

    def _candidate(self) -> Candidate:
        selection, submitter = only_of(
            read_selection(self.repository, self.plan.round), self.plan.submitter
        )
        where = ", ".join(sorted(selection.roots))
        self._say("selection", DONE, f"{selection.branch} at {selection.commit[:10]}: {where}")
        candidate = judged(self.repository, selection, submitter)
        self._try(CHECK, lambda: self._check(candidate))
        for finding in candidate.report.findings:
            if finding.rule == MACHINE_RULE:
                self._say("system", WARNING, finding.message)
        return candidate

    def _check(self, candidate: Candidate) -> None:
        selection, profile = candidate.selection, self.plan.profile
        refuse_withdrawn(self.repository, selection)
        stopped = "" if self.plan.continues_after(CHECK) else "nothing leaves"
        refuse_invalid(selection, candidate.report, candidate.practice, profile, stopped)
        count = len(candidate.report.results)
        results = f"{count} result{'' if count == 1 else 's'}"
        self._say(CHECK, DONE, f"{results} valid ({profile}, {selection.round})")

    def _forge(self) -> Forge | None:
        """Return the forge to submit to; None in a dry run that cannot query it."""
        real = self._try(FORGE, self._real_forge)
        if self.plan.rehearse_in is None:
            return real
        if real is not None:
            self._say(FORGE, DONE, f"{self.plan.official} ({real.name}) can be reached")
        return RehearsalForge(self.plan.rehearse_in, self.plan.target)

    def _real_forge(self) -> Forge:
        forge = self.make_forge()
        if self.attach is not None:
            refuse_unwritten(forge, self.plan.official)
        return forge

    @property
    def _copies(self) -> Path | None:
        """The directory for a rehearsal's copy of the official repository."""
        rehearsed = self.plan.rehearse_in
        return None if rehearsed is None else rehearsed / "copy"

    def _base(self, forge: Forge, proposal: Proposal) -> _Base:
        official = forge.official()
        copy = OfficialCopy.of(self.repository, official.address.url, within=self._copies)
        base = copy.fetch_base(proposal.target, forge.access)
        self._say("base", DONE, f"{official.address.url} {proposal.target} at {base[:10]}")
        return _Base(copy, base)

    def _proposal(self, candidate: Candidate) -> Proposal:
        self.done.branch = self.plan.branch or candidate.usual_branch
        body, self.done.attached, steps = body_with(candidate, self.attach)
        for step in steps:
            self._say(step.name, step.state, step.detail)
        return Proposal(
            branch=self.done.branch,
            target=self.plan.target,
            title=title_of(candidate.selection),
            body=body,
            draft=self.plan.draft,
        )

    def _fork(self, forge: Forge, copy: OfficialCopy) -> tuple[ForgeRepository | None, str]:
        """Return the fork, and the commit that its branch points to, readable here; '' for none."""
        fork = forge.fork()
        if fork is None:
            self.done.fork = forge.fork_name()
            return None, ""
        self.done.fork = fork.address.url
        remote = copy.remote(fork.address.url, forge.access)
        try:
            tip = remote.branches().get(self.done.branch, "")
        except NotThere:
            if not forge.makes_forks:
                raise
            return fork, ""  # still being created
        if tip:
            copy.fetch_commit(tip, remote)
        return fork, tip

    def _commit(self, forge: Forge, base: _Base, candidate: Candidate, tip: str) -> str:
        """Return the commit that the branch should point to, and say what it changes."""
        copy = base.copy
        branch = ForkBranch(self.done.branch, self.done.fork, tip)
        official = copy.remote(copy.url, forge.access)
        commit, state = submission_commit(
            self.repository,
            copy,
            base.commit,
            candidate.selection,
            branch,
            official,
            replace=self.plan.replace,
        )
        self.done.commit = commit
        changes = copy.changes(commit)
        self._say(
            "commit",
            state,
            f"{commit[:10]} on {copy.parents(commit)[0][:10]}: {changes.added} files added, "
            f"{changes.changed} changed, {changes.deleted} deleted",
        )
        return commit

    def _look_over(
        self,
        forge: Forge,
        copy: OfficialCopy,
        candidate: Candidate,
        proposal: Proposal,
        fork: ForgeRepository | None,
        commit: str,
        tip: str,
    ) -> None:
        """Refuse what may not leave: secrets, large files, wrong paths, results under embargo."""
        outgoing = Outgoing((), ())
        if commit != tip:
            outgoing = copy.outgoing(commit) if commit else _all_of(self.repository, candidate)
        self._scan(copy.directory, outgoing, candidate, proposal)
        if self.plan.rehearse_in is not None:
            self._embargo(candidate, {self.plan.official: None} if self.plan.official else {})
            return
        official = forge.official()
        places = {place.address.url: place.public for place in (official, fork or official)}
        for url, public in places.items():
            if public is None and copy.remote(url).is_public():
                places[url] = True
        self._embargo(candidate, places)
        self.public = places[(fork or official).address.url]

    def _scan(
        self, directory: Path, outgoing: Outgoing, candidate: Candidate, proposal: Proposal
    ) -> None:
        self.done.outgoing = outgoing
        roots = sorted(candidate.selection.roots)
        message = commit_message(candidate.selection)
        text = "\n".join((proposal.branch, proposal.title, proposal.body, message))

        def scan() -> None:
            refuse_unfit(directory, outgoing, roots, text)
            size = sum(blob.size for blob in outgoing.blobs)
            where = ", ".join(roots)
            what = f"{len(outgoing.blobs)} new contents ({size} bytes) in {where}, no secret"
            self._say("scan", DONE, what)

        self._try("scan", scan)

    def _embargo(self, candidate: Candidate, places: dict[str, bool | None]) -> None:
        roots = sorted(candidate.selection.roots)

        def embargo() -> None:
            refuse_early(roots, places, self.plan.settings, self.plan.today)
            who = {True: "public", False: "private", None: "not known to be public"}
            said = [f"{url} is {who[public]}" for url, public in places.items()]
            self._say(
                EMBARGO, DONE, "; ".join([self.plan.settings.get("embargo") or "none", *said])
            )

        self._try(EMBARGO, embargo)

    def _try_push(
        self,
        forge: Forge,
        copy: OfficialCopy,
        fork: ForgeRepository | None,
        commit: str,
        tip: str,
    ) -> None:
        """Test, without sending anything, whether the fork accepts a push from this user."""
        if fork is None or not commit or commit == tip:
            return
        url = fork.address.url

        def rights() -> None:
            remote = copy.remote(url, forge.access)
            remote.try_push(commit, self.done.branch, expected=tip)
            self._say("rights", DONE, f"{url} takes a push of yours")

        self._try("rights", rights)

    def _ask_user(
        self, forge: Forge, copy: OfficialCopy, fork: ForgeRepository | None, commit: str, tip: str
    ) -> None:
        self.confirm(
            Departure(
                fork=forge.fork_name() if fork is None else fork.address.url,
                official=forge.official().address.url,
                public=self.public,
                branch=self.done.branch,
                replaces="" if commit == tip else tip,
                outgoing=self.done.outgoing,
                changes=copy.changes(commit),
                attached=self.done.attached,
            )
        )

    def _say_what_is_left(
        self,
        forge: Forge,
        proposal: Proposal,
        fork: ForgeRepository | None,
        pushed: bool,
        request: PullRequest | None,
    ) -> None:
        state = {True: DONE_BEFORE, False: TO_DO}
        stopped = {obstacle.step for obstacle in self.done.obstacles}
        if "fork" not in stopped:
            self._say("fork", state[fork is not None], self.done.fork)
        if self.done.commit:
            self._say("push", state[pushed], f"{self.done.commit[:10]} to {proposal.branch}")
        if "pull request" in stopped:
            return
        if request is None:
            kind = "a draft" if proposal.draft else "ready for review"
            self._say("pull request", TO_DO, f"{proposal.title} ({kind}, {forge.name})")
        else:
            is_current = describes(request.body, proposal.body)
            self._say("pull request", state[is_current], request.url)

    def _say(self, name: str, state: str, detail: str) -> None:
        step = Step(name, state, detail)
        self.done.steps.append(step)
        self.tell(step)


def _all_of(repository: ResultsRepository, candidate: Candidate) -> Outgoing:
    """Return everything selected for the submitter, for when the remote's content is unknown."""
    held = held_by(repository.root, {candidate.selection.tree: ""})
    roots = tuple(f"{root}/" for root in candidate.selection.roots)
    return Outgoing((), tuple(b for b in held.blobs if b.path.startswith(roots)), held.others)
