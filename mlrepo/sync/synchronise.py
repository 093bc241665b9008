"""Synchronise the experiment branches of a clone with a hub."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlrepo.curation.merge import ChangedByHand, MergeChange, compose_merge
from mlrepo.errors import Busy, MlrepoError
from mlrepo.repository.branch_merge import MergeCommit, merge_tips
from mlrepo.repository.branch_moves import (
    Advance,
    Relation,
    advance_branch,
    commits_of,
    is_shallow,
    relation,
)
from mlrepo.repository.bundle import Bundle
from mlrepo.repository.commits import safely_published, until_made
from mlrepo.repository.damage import DamagedBranch
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment, is_experiment_name
from mlrepo.repository.hub import HubBranches, PushOutcome, hub_named, wanted_others
from mlrepo.repository.identity import Identity, git_identity
from mlrepo.repository.locks import locked
from mlrepo.repository.quarantine import Quarantine, quarantined
from mlrepo.shell import quoted
from mlrepo.sync.exchange import Exchange, Plan, never_ends, rewritten, too_shallow
from mlrepo.sync.pushing import judged_push, push_each
from mlrepo.sync.report import Kept, MergedBranch, SyncReport, traffic_of

# A push that lost a race against another clone's is made again on what that one pushed.
_ROUNDS = 12
_LONGEST_PAUSE = 2.0
_LOCK_TIMEOUT = 60.0
_ALL = ("refs/heads/", "refs/remotes/")
_AGAIN = "Run `mlrepo sync` again."
_RULES = "its administrator can change its rules"


def synchronise(
    repository: ResultsRepository,
    hub: str,
    environ: Mapping[str, str],
    *,
    only: Collection[Experiment] | None = None,
    offline: bool = False,
) -> SyncReport:
    """Fetch everybody's experiment branches from the hub, and push those of this clone.

    Where this clone and another recorded on one branch, the two are merged: ``runs/`` never
    conflicts, and what stands in the layout is decided anew. No working tree is touched, and
    nothing is forced. A push that loses a race is made again on what the other clone pushed.

    This is the function for programs, such as a job on another machine that has recorded runs:
    ``mlrepo.sync.synchronise.synchronise(repository, "origin", os.environ, only=[experiment])``.

    Parameters
    ----------
    hub:
        The name of a remote.
    environ:
        The environment: ``MLREPO_EMBARGO`` and ``MLREPO_PRIVATE_REMOTES`` are read from it.
    only:
        Only these experiments are exchanged; by default all.
    offline:
        Do not contact the hub: local branches move to what was fetched before, and the report says
        what waits.

    Returns
    -------
    SyncReport
        What was done. Its ``problem`` is the failure of a hub that let itself be read and then
        failed; branches that the hub or the checks refuse are among ``kept``.

    Raises
    ------
    UserError
        There is no such remote.
    RemoteUnavailable
        The hub cannot be read; nothing has changed.
    Busy
        Another process synchronises this clone.
    """
    return synchronise_with(
        repository, hub_named(repository, hub), environ, only=only, offline=offline
    )


def synchronise_by_bundle(
    repository: ResultsRepository, path: Path, environ: Mapping[str, str]
) -> SyncReport:
    """Bring in what a bundle holds, as from a hub, and write it anew with all that is known here.

    Raises
    ------
    UserError
        The file cannot be read or written; what it held is untouched.
    Busy
        Another process synchronises this clone, or has the file.
    """
    bundle = Bundle(repository, path)
    with bundle.held():
        before = bundle.branches().experiments
        report = synchronise_with(repository, bundle, environ)
        if report.problem is not None:
            return report
        bundle.write()  # also what is not of this clone
        after = bundle.branches().experiments
        went = traffic_of(repository, after.values(), [*before.values()])
        return replace(report, went=went, experiments=len(after))


def synchronise_with(
    repository: ResultsRepository,
    place: Exchange,
    environ: Mapping[str, str],
    *,
    only: Collection[Experiment] | None = None,
    offline: bool = False,
) -> SyncReport:
    """Synchronise as :func:`synchronise` does, with any place that branches are exchanged in."""
    names = None if only is None else frozenset(one.branch for one in only)
    with locked(repository.store / "sync.lock", timeout=_LOCK_TIMEOUT):
        return _Sync(repository, place, environ, names, offline).run()


@dataclass
class _Sync:
    """One synchronisation; short names of branches throughout.

    Attributes
    ----------
    at_hub:
        The commits of the hub's branches in any round.
    pushed, sent:
        The commits that the hub took, and those of which it did not say so.
    """

    repository: ResultsRepository
    place: Exchange
    environ: Mapping[str, str]
    only: frozenset[str] | None
    offline: bool
    there: HubBranches = field(default_factory=lambda: HubBranches({}, {}))
    began: bool = False
    at_hub: dict[str, None] = field(default_factory=dict)
    changed_there: set[str] = field(default_factory=set)
    forwarded: dict[str, None] = field(default_factory=dict)
    merged: dict[str, MergedBranch] = field(default_factory=dict)
    pushed: dict[str, str] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    kept: dict[str, Kept] = field(default_factory=dict)
    lifted: tuple[str, ...] = ()
    last_said: str = ""

    def run(self) -> SyncReport:
        """Synchronise, and return what was done."""
        known = [oid for prefix in _ALL for _, oid in commits_of(self.repository, prefix)]
        problem: MlrepoError | None = None
        for number in range(1 if self.offline else _ROUNDS):
            self.kept.clear()
            self.waiting.clear()
            problem = None
            try:
                if not self.offline:
                    self._fetch(first=number == 0)
                self.began = True
                if not self._exchange():
                    break
            except Busy as error:
                problem = error
            except MlrepoError as error:
                problem = error
                break
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 2**number)))
        else:
            problem = problem or (
                never_ends(self.place, _ROUNDS, self.last_said) if self.waiting else None
            )
        if problem is not None and not self.began:
            raise problem
        return self._report(known, problem)

    def _fetch(self, *, first: bool) -> None:
        self.there = self.place.branches()
        wanted = {f"exp/{name}": oid for name, oid in self.there.experiments.items()}
        if self.only is not None:
            wanted = {name: oid for name, oid in wanted.items() if name in self.only}
        elif first:
            for name in wanted_others(self.repository, self.place.name, self.there):
                wanted[name] = self.there.others[f"refs/heads/{name}"]
        fetched = self.place.fetched()
        changed = [name for name, oid in wanted.items() if fetched.get(name) != oid]
        self.changed_there |= self.place.fetch(
            [name for name in changed if name not in self.changed_there]
        )
        self.place.note_contact()

    def _exchange(self) -> bool:
        """Move and push what can be; return whether another clone was faster."""
        fetched = self.place.fetched()
        self.at_hub |= dict.fromkeys(fetched.values())
        plan = Plan()
        for name, ours in self._local().items():
            try:
                self._sort(plan, name, ours, fetched.get(name, ""))
            except DamagedBranch as error:
                self._keep(name, error.message.rstrip("."), error.hint, refused=True)
        self._forward(plan.forward)
        if self.offline:
            self.waiting |= {*plan.push, *plan.diverged}
            return False
        return self._push(plan)

    def _local(self) -> dict[str, str]:
        """Return the commits of this clone's experiment branches that are exchanged."""
        found = {}
        for ref, oid in commits_of(self.repository, "refs/heads/exp/"):
            name = ref.removeprefix("refs/heads/")
            known = is_experiment_name(name.removeprefix("exp/"))
            if known and (self.only is None or name in self.only):
                found[name] = oid
        return found

    def _sort(self, plan: Plan, name: str, ours: str, theirs: str) -> None:
        """Decide what becomes of a branch; ``theirs`` is empty if it was never fetched."""
        gone = not self.offline and name.removeprefix("exp/") not in self.there.experiments
        if name in self.changed_there:
            self._keep(name, *rewritten(self.place, name), refused=True)
        elif not theirs or (gone and not self._notes_deletions):
            plan.push[name] = ours
        elif gone:
            self._keep_deleted(name, relation(self.repository, ours, theirs))
        elif ours == theirs:
            if self.sent.get(name) == ours:  # the hub took it, and the answer was lost
                self.pushed[name] = ours
        else:
            stands = relation(self.repository, ours, theirs)
            if stands is Relation.BEHIND:
                plan.forward[name] = (ours, theirs)
            elif stands is Relation.AHEAD:
                plan.push[name] = ours
            elif stands is Relation.UNRELATED and is_shallow(self.repository):
                self._keep(name, *too_shallow(self.place), refused=True)
            else:
                plan.diverged[name] = (ours, theirs)

    @property
    def _notes_deletions(self) -> bool:
        """Whether a branch that is gone was deleted; an empty hub is a new one."""
        return self.place.notes_deletions and bool(self.there.experiments or self.there.others)

    def _keep_deleted(self, name: str, stands: Relation) -> None:
        more = stands not in (Relation.SAME, Relation.BEHIND)
        also = ", and it has runs or decisions here that were never there" if more else ""
        self._keep(
            name,
            f"somebody deleted it at {self.place.name}{also}",
            f"`git push {quoted(self.place.name)} {quoted(name)}` brings it back there; "
            f"`git branch -D {quoted(name)}` deletes it here",
            refused=more,
        )

    def _keep(self, name: str, why: str, hint: str, *, refused: bool = False) -> None:
        self.kept[name] = Kept(name, why, hint, refused)

    def _forward(self, branches: Mapping[str, tuple[str, str]]) -> None:
        """Move local branches that are only behind; those that are checked out stay."""
        for name, (ours, theirs) in branches.items():
            if self._move(name, ours, theirs):
                self.forwarded[name] = None

    def _move(self, name: str, ours: str, commit: str) -> bool:
        """Move a local branch that still points to ``ours``; return whether it moved."""
        moved = advance_branch(
            self.repository,
            self._identity,
            f"refs/heads/{name}",
            ours,
            commit,
            f"synchronise with {self.place.name}",
        )
        if moved is Advance.CHECKED_OUT:
            theirs = f"{self.place.prefix.removeprefix('refs/remotes/')}{name}"
            self._keep(
                name,
                "a working tree has it checked out, and it stays as it is there",
                f"`git merge --ff-only {quoted(theirs)}` in that working tree moves it",
            )
        return moved is Advance.MOVED

    @functools.cached_property
    def _identity(self) -> Identity:
        return git_identity(self.repository.root)

    def _push(self, plan: Plan) -> bool:
        """Push; return whether the same has to be tried again on what others pushed."""
        if not plan.diverged:
            return self._push_commits(plan.push, {})
        first = next(iter(plan.diverged))
        return until_made(
            self.repository,
            f"refs/heads/{first}",
            lambda: self._push_merged(plan),
            kept=_AGAIN,
        )

    def _push_merged(self, plan: Plan) -> bool:
        with quarantined(self.repository) as quarantine:
            merges = self._merges(quarantine, plan.diverged)
            objects = [oid for one in merges.values() for oid in (*one.objects, one.commit)]
            commits = {**plan.push, **{name: str(one.commit) for name, one in merges.items()}}
            # Reachable as soon as the hub takes them: Git notes what it pushed.
            context = safely_published(quarantine, objects) if objects else nullcontext()
            with context:
                return self._push_commits(commits, merges)

    def _merges(
        self, quarantine: Quarantine, diverged: Mapping[str, tuple[str, str]]
    ) -> dict[str, MergeCommit[MergeChange]]:
        found = {}
        for name, (ours, theirs) in diverged.items():
            experiment = Experiment(name.removeprefix("exp/"))
            try:
                found[name] = merge_tips(
                    quarantine, self._identity, experiment, ours, theirs, compose_merge
                )
            except ChangedByHand as error:
                self._keep(name, error.message, error.hint, refused=True)
        return found

    def _push_commits(
        self, commits: Mapping[str, str], merges: Mapping[str, MergeCommit[MergeChange]]
    ) -> bool:
        unfit: dict[str, str] = {}
        if commits:
            judged = judged_push(self.repository, self.place, self.environ, commits)
            unfit, self.lifted = judged.unfit, judged.lifted
        for name, why in unfit.items():
            self._keep(name, why, "nothing of this branch was pushed", refused=True)
        sent = {name: commit for name, commit in commits.items() if name not in unfit}
        self.waiting |= {*sent}
        self.sent |= sent
        lost = False
        for name, done in push_each(self.place, sent).items() if sent else ():
            if done.outcome is PushOutcome.LOST:
                lost, self.last_said = True, done.said
                continue
            self.waiting.discard(name)
            if done.outcome is PushOutcome.REFUSED:
                self._keep(name, f"{self.place.name} refuses it: {done.said}", _RULES, refused=True)
                continue
            self.pushed[name] = sent[name]
            if name in merges:
                one = merges[name]
                self.merged[name] = MergedBranch(name, sent[name], one.change.replaced)
                self._move(name, str(one.ours), sent[name])
        return lost

    def _report(self, known: list[str], problem: MlrepoError | None) -> SyncReport:
        known_here, mine = set(known), set(self.pushed.values())
        new = [oid for oid in self.at_hub if oid not in known_here]
        return SyncReport(
            hub=self.place.name,
            url=self.place.shown,
            contacted=not self.offline,
            came=traffic_of(self.repository, new, known),
            went=traffic_of(self.repository, mine, [oid for oid in self.at_hub if oid not in mine]),
            forwarded=tuple(self.forwarded),
            merged=tuple(self.merged.values()),
            pushed=tuple(name for name in self.pushed if name not in self.merged),
            waiting=tuple(sorted(self.waiting)),
            kept=tuple(self.kept.values()),
            strange=self.there.strange,
            experiments=len(self.there.experiments),
            problem=problem,
            lifted=self.lifted,
        )
