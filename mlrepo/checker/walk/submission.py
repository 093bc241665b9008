"""Walk a whole tree: submitters and their systems, divided among processes."""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mlrepo.checker.documents.copies import copied_descriptions, with_copies
from mlrepo.checker.other_round import other_round
from mlrepo.checker.outcome import Outcome, joined
from mlrepo.checker.report import Report
from mlrepo.checker.selection import CheckSelection, within
from mlrepo.checker.verdicts import Asked, TracedTree, Verdicts
from mlrepo.checker.walk.links import FollowedTree
from mlrepo.checker.walk.root import judge_root, rejected_places
from mlrepo.findings import without_crashes
from mlrepo.lifetime import worker_pool
from mlrepo.rounds import Round
from mlrepo.tree import Kind, Tree


def judge_submission(
    tree: Tree, round: Round, selection: CheckSelection, *, workers: int, verdicts: Verdicts | None
) -> Report:
    """Judge a tree; see :func:`mlrepo.checker.check.check`."""
    tree = FollowedTree(tree)
    roots = selection.submitters(tree, round.tables["divisions"])
    judge = _Judge(tree, round, selection.only, verdicts)
    known: dict[str, Outcome] = {}
    if verdicts is not None:
        tree.oids(roots, workers)  # all at once: each is needed below
        for root in roots:
            outcome = verdicts.recall(tree, root, [root], [selection.only])
            if outcome is not None:
                known[root] = outcome
    parts = [part for root in roots if root not in known for part in _parts(judge, root)]
    fresh = dict(zip(parts, _share(judge, parts, workers), strict=True))
    outcomes = [Outcome(findings=tuple(judge_root(tree, round)))]
    rejected = rejected_places(outcomes[0].findings)
    for root in roots:
        own = [done for part, done in fresh.items() if part.root == root]
        outcomes.append(known[root] if root in known else _gather(judge, root, own))
    whole = joined(outcomes)
    results = tuple(
        result.unseen() if result.path.startswith(rejected) else result
        for result in sorted(whole.results, key=lambda result: result.path)
    )
    findings = (*whole.findings, *copied_descriptions(round, results))
    if mistaken := other_round(tree, round, results):
        findings = (mistaken, *findings)
    results = with_copies(round, results)
    return Report(round.name, results, findings, tuple(round.tables["summary_columns"]))


@dataclass(frozen=True)
class _Part:
    """A worker's unit of work: one of a submitter's systems, or its other files."""

    root: str
    system: str = ""


@dataclass(frozen=True)
class _Judge:
    """What every worker needs."""

    tree: FollowedTree
    round: Round
    only: str
    verdicts: Verdicts | None

    def judged(self, part: _Part) -> tuple[Outcome, Asked]:
        """Judge the part; also return its queries to the tree outside of its submitter."""
        if self.verdicts is None:
            return self._outcome(part, self.tree), frozenset()
        traced = TracedTree(self.tree.tree, [part.root])
        return self._outcome(part, FollowedTree(traced)), traced.asked

    def _outcome(self, part: _Part, tree: Tree) -> Outcome:
        # The judges take 30 ms to import: not needed if all verdicts are cached.
        from mlrepo.checker.walk.submitter import judge_part_of_submitter

        return judge_part_of_submitter(
            tree, self.round, part.root, part.system, only=self.only, verdicts=self.verdicts
        )


def _parts(judge: _Judge, root: str) -> Iterator[_Part]:
    if not judge.only:
        yield _Part(root)
    for system in judge.tree.entries(f"{root}/results"):
        if system.kind is Kind.DIRECTORY:
            path = f"{root}/results/{system.name}"
            if within(path, judge.only):
                yield _Part(root, system.name)


def _gather(judge: _Judge, root: str, parts: Sequence[tuple[Outcome, Asked]]) -> Outcome:
    """Join a submitter's parts into one outcome, and store it."""
    outcome = joined([outcome for outcome, _ in parts])
    if outcome.rejects:
        results = tuple(result.unseen() for result in outcome.results)
        outcome = Outcome(results, without_crashes(outcome.findings))
    if judge.verdicts is not None:
        asked = frozenset[tuple[str, str, str]]().union(*(asked for _, asked in parts))
        judge.verdicts.keep(judge.tree, root, [root], [judge.only], outcome, asked)
    return outcome


def _share(judge: _Judge, parts: Sequence[_Part], workers: int) -> list[tuple[Outcome, Asked]]:
    if workers == 1 or len(parts) < _WORTH_SHARING:
        return [judge.judged(part) for part in parts]
    # Imported where it is needed, and before the workers are forked from this process.
    import mlrepo.checker.walk.submitter  # noqa: F401

    with worker_pool(workers, _begin, (judge,)) as pool:
        return list(pool.map(_work, parts))


# Starting a pool of workers takes as long as judging the few systems that changed.
_WORTH_SHARING = 8
_worker: list[_Judge] = []


def _begin(judge: _Judge) -> None:
    # A copy of a Git tree starts its own git process: two readers must not share one pipe.
    _worker[:] = [replace(judge, tree=copy.copy(judge.tree))]
    # A worker lives for one check only: collecting its reference cycles is not worthwhile.
    gc.disable()


def _work(part: _Part) -> tuple[Outcome, Asked]:
    return _worker[0].judged(part)
