"""From a selection to an open pull request, in steps that each ask first.

Nothing is written down about how far a submission got: every step asks the repository or the forge
whether it is done already. So the same command completes what any failure left, and doing it
twice changes nothing (docs/design/009-submit.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mlrepo.delivery.at_forge import Delivery, open_request
from mlrepo.delivery.proposal_text import body_of, commit_message, describes, title_of
from mlrepo.delivery.steps import (
    DONE,
    DONE_BEFORE,
    TO_DO,
    DeliveryPlan,
    Departure,
    Step,
    Submitted,
)
from mlrepo.errors import NotThere, UserError
from mlrepo.forge.forge import Forge, ForgeRepository, Proposal, PullRequest
from mlrepo.guard.departure import refuse_early, refuse_unfit
from mlrepo.proposal.candidate import Candidate, checked, only_of
from mlrepo.proposal.selected import read_selection
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.locks import locked
from mlrepo.repository.official import OfficialCopy


@dataclass
class Submitting:
    """One submission under way.

    Attributes
    ----------
    make_forge:
        Called after the checks that need no network.
    tell:
        Called with each step as soon as its state is known.
    confirm:
        Called once before anything leaves, if anything does; raises to stop.
    done:
        How far it got.
    public:
        Whether anybody may read the fork, once that was asked.
    """

    repository: ResultsRepository
    plan: DeliveryPlan
    make_forge: Callable[[], Forge]
    tell: Callable[[Step], None]
    confirm: Callable[[Departure], None]
    done: Submitted = field(default_factory=Submitted)
    public: bool | None = None

    def run(self) -> Submitted:
        """Bring the selection to a pull request; return what there is now.

        Raises
        ------
        InvalidResult
            The submission is not valid, or holds what may not leave.
        UserError
            Something must be changed first: the selection, a setting, the remote.
        RemoteUnavailable
            A remote did not answer or declined.
        Busy
            Another ``mlrepo submit`` runs here, the branch moved, or a fork is not ready yet.
        """
        with locked(self.repository.store / "submit.lock", timeout=1.0):
            candidate = self._candidate()
            forge = self.make_forge()
            official = forge.official()
            copy = OfficialCopy.of(self.repository, official.address.url)
            proposal = self._proposal(candidate)
            base = copy.fetch_base(proposal.target, forge.access)
            self._say("base", DONE, f"{official.address.url} {proposal.target} at {base[:10]}")
            request = self.done.request = open_request(forge, proposal)
            roots = candidate.selection.roots
            if all(copy.resolve(f"{base}:{path}") == tree for path, tree in roots.items()):
                self._say("commit", DONE_BEFORE, "the official branch holds this submission")
                return self.done
            fork = forge.fork()
            tip = self._tip(forge, copy, fork)
            commit = self._commit(forge, copy, candidate, base, tip)
            self._look_over(forge, copy, candidate, proposal, fork, commit, tip)
            if self.plan.dry_run:
                self._say_what_is_left(forge, proposal, fork, commit == tip, request)
                return self.done
            if commit != tip or (request is None and forge.opens_requests):
                self._ask_user(forge, copy, fork, commit, tip)
            delivery = Delivery(forge, copy, proposal, self._say)
            fork = delivery.fork(fork, wait=self.plan.wait)
            self.done.fork = fork.address.url
            self.done.remote_said = delivery.push(fork, commit, tip)
            self.done.request = delivery.request()
            return self.done

    def _candidate(self) -> Candidate:
        selection, submitter = only_of(
            read_selection(self.repository, self.plan.round), self.plan.submitter
        )
        where = ", ".join(sorted(selection.roots))
        self._say("selection", DONE, f"{selection.branch} at {selection.commit[:10]}: {where}")
        candidate = checked(self.repository, selection, submitter, self.plan.profile)
        count = len(candidate.report.results)
        results = f"{count} result{'' if count == 1 else 's'}"
        self._say("check", DONE, f"{results} valid ({self.plan.profile}, {selection.round})")
        return candidate

    def _proposal(self, candidate: Candidate) -> Proposal:
        self.done.branch = self.plan.branch or candidate.usual_branch
        return Proposal(
            branch=self.done.branch,
            target=self.plan.target,
            title=title_of(candidate.selection),
            body=body_of(candidate.selection, candidate.report),
            draft=self.plan.draft,
        )

    def _tip(self, forge: Forge, copy: OfficialCopy, fork: ForgeRepository | None) -> str:
        """Return the commit that the fork's branch points to, readable here; '' for none."""
        if fork is None:
            self.done.fork = forge.fork_name()
            return ""
        self.done.fork = fork.address.url
        remote = copy.remote(fork.address.url, forge.access)
        try:
            tip = remote.branches().get(self.done.branch, "")
        except NotThere:
            if not forge.makes_forks:
                raise
            return ""  # still being made
        if tip:
            copy.fetch_commit(tip, remote)
        return tip

    def _commit(
        self, forge: Forge, copy: OfficialCopy, candidate: Candidate, base: str, tip: str
    ) -> str:
        """Return the commit that the branch should point to: the one there, if it is in order.

        A commit on an older base is in order: the official branch moves with every submission.
        """
        selection = candidate.selection
        official = copy.remote(copy.url, forge.access)
        if tip and copy.holds_exactly(tip, selection.roots) and official.has(f"{tip}^1"):
            commit, state = tip, DONE_BEFORE
        elif tip and not copy.made_by_mlrepo(tip):
            raise UserError(
                f"The branch {self.done.branch} of {self.done.fork} stands at {tip[:10]}, which "
                "mlrepo did not make: somebody works on it.",
                hint="Look at it first; --branch NAME submits on another branch.",
            )
        else:
            date = copy.date_of(selection.commit)
            message = commit_message(selection)
            commit, state = copy.build(base, selection.roots, message, date=date), DONE
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
        """Refuse what may not leave: secrets, sizes, strange places, results under embargo."""
        roots = sorted(candidate.selection.roots)
        if commit != tip:
            self.done.outgoing = copy.outgoing(commit)
        blobs = self.done.outgoing.blobs
        text = "\n".join(
            (proposal.branch, proposal.title, proposal.body, commit_message(candidate.selection))
        )
        refuse_unfit(copy.directory, self.done.outgoing, roots, text)
        size = sum(blob.size for blob in blobs)
        where = ", ".join(roots)
        self._say("scan", DONE, f"{len(blobs)} new contents ({size} bytes) in {where}, no secret")
        official = forge.official()
        places = {place.address.url: place.public for place in (official, fork or official)}
        for url, public in places.items():
            if public is None and copy.remote(url).is_public():
                places[url] = True
        refuse_early(roots, places, self.plan.settings, self.plan.today)
        who = {True: "public", False: "private", None: "not known to be public"}
        told = ", ".join(f"{url} is {who[public]}" for url, public in places.items())
        self._say("embargo", DONE, f"{self.plan.settings.get('embargo') or 'none'}; {told}")
        self.public = places[(fork or official).address.url]

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
        self._say("fork", state[fork is not None], self.done.fork)
        self._say("push", state[pushed], f"{self.done.commit[:10]} to {proposal.branch}")
        if request is None:
            kind = "a draft" if proposal.draft else "ready for review"
            self._say("pull request", TO_DO, f"{proposal.title} ({kind}, {forge.name})")
        else:
            told = describes(request.body, proposal.body)
            self._say("pull request", state[told], request.url)

    def _say(self, name: str, state: str, detail: str) -> None:
        step = Step(name, state, detail)
        self.done.steps.append(step)
        self.tell(step)
