"""Walk a whole tree: divisions, submitters, systems, and share them among processes."""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mlrepo.checker.benchmark import within
from mlrepo.checker.modular import DIES, is_modular
from mlrepo.checker.outcome import Outcome, joined
from mlrepo.checker.report import Report
from mlrepo.checker.scope import Scope
from mlrepo.checker.submitter import judge_root, judge_submitter
from mlrepo.checker.system_directory import judge_system_directory
from mlrepo.checker.verdicts import Asked, TracedTree, Verdicts
from mlrepo.rounds import Place, Round
from mlrepo.tree import Kind, Tree


@dataclass(frozen=True)
class Selection:
    """What of a tree is judged.

    Attributes
    ----------
    submitter:
        Only this submitter's directories; empty for all.
    only:
        Only results at or below this path; empty for all.
    """

    submitter: str = ""
    only: str = ""


@dataclass(frozen=True)
class _Part:
    """What one worker judges at a time: a submitter's own tree, or one of its systems."""

    root: str
    system: str = ""


@dataclass(frozen=True)
class _Judge:
    """What every worker holds."""

    tree: Tree
    round: Round
    only: str
    verdicts: Verdicts | None

    def judged(self, part: _Part) -> tuple[Outcome, Asked]:
        """Judge the part; return also what it asked of the tree outside of its submitter."""
        if self.verdicts is None:
            return self._outcome(part, self.tree), frozenset()
        traced = TracedTree(self.tree, [part.root])
        return self._outcome(part, traced), traced.asked

    def _outcome(self, part: _Part, tree: Tree) -> Outcome:
        division, submitter = part.root.split("/")
        scope = Scope(tree, self.round, Place(division, submitter, part.system, ""))
        if part.system:
            return judge_system_directory(scope, self.only, self.verdicts)
        if tree.entry(f"{part.root}/results") is None:
            scope.report("tree-no-results", part.root, "The submitter has no results.")
            if is_modular(self.round):
                scope.report("official-crash", part.root, DIES, official=True)
            return Outcome(findings=tuple(scope.findings))
        rejects = judge_submitter(scope)
        return Outcome(findings=tuple(scope.findings), rejects=rejects)


def judge_tree(
    tree: Tree, round: Round, selection: Selection, *, workers: int, verdicts: Verdicts | None
) -> Report:
    """Judge everything; see :func:`mlrepo.checker.check.check`."""
    roots = _submitters(tree, round, selection)
    judge = _Judge(tree, round, selection.only, verdicts)
    outcome = None
    if verdicts is not None:
        tree.oids(roots, workers)
        unit, arguments = f"tree {selection}", [selection.submitter, selection.only]
        outcome = verdicts.recall(tree, unit, roots, arguments)
    if outcome is None:
        traced = TracedTree(tree, roots)
        outcome = _judge_all(judge, roots, traced, workers)
        if verdicts is not None:
            verdicts.keep(tree, unit, roots, arguments, outcome, traced.asked)
    results = tuple(sorted(outcome.results, key=lambda result: result.path))
    return Report(round.name, results, outcome.findings, tuple(round.tables["summary_columns"]))


def _submitters(tree: Tree, round: Round, selection: Selection) -> list[str]:
    return [
        f"{division}/{entry.name}"
        for division in round.tables["divisions"]
        for entry in tree.entries(division)
        if entry.kind is Kind.DIRECTORY
        and selection.submitter in ("", entry.name)
        and (not selection.only or within(f"{division}/{entry.name}", selection.only))
    ]


def _judge_all(judge: _Judge, roots: Sequence[str], traced: TracedTree, workers: int) -> Outcome:
    """Judge root and submitters; the root is looked at through ``traced``."""
    outcomes = [Outcome(findings=tuple(judge_root(traced, judge.round)))]
    for division in judge.round.tables["divisions"]:
        traced.entries(division)  # which submitters there are
    known: dict[str, Outcome] = {}
    if judge.verdicts is not None:
        for root in roots:
            outcome = judge.verdicts.recall(traced, root, [root], [judge.only])
            if outcome is not None:
                known[root] = outcome
    parts = [part for root in roots if root not in known for part in _parts(judge, root)]
    fresh = dict(zip(parts, _share(judge, parts, workers), strict=True))
    for root in roots:
        own = [done for part, done in fresh.items() if part.root == root]
        outcomes.append(known[root] if root in known else _gather(judge, root, own, traced))
    return joined(outcomes)


def _parts(judge: _Judge, root: str) -> Iterator[_Part]:
    if not judge.only:
        yield _Part(root)
    for system in judge.tree.entries(f"{root}/results"):
        if system.kind is Kind.DIRECTORY:
            path = f"{root}/results/{system.name}"
            if not judge.only or within(path, judge.only):
                yield _Part(root, system.name)


def _gather(
    judge: _Judge, root: str, parts: Sequence[tuple[Outcome, Asked]], traced: TracedTree
) -> Outcome:
    """Make one outcome of a submitter's parts, and keep it."""
    outcome = joined([outcome for outcome, _ in parts])
    if outcome.rejects:
        results = tuple(replace(r, official=False, rows=()) for r in outcome.results)
        outcome = Outcome(results, outcome.findings)
    asked = frozenset[tuple[str, str, str]]().union(*(asked for _, asked in parts))
    traced.also(asked)
    if judge.verdicts is not None:
        judge.verdicts.keep(judge.tree, root, [root], [judge.only], outcome, asked)
    return outcome


def _share(judge: _Judge, parts: Sequence[_Part], workers: int) -> list[tuple[Outcome, Asked]]:
    if workers == 1 or len(parts) <= 1:
        return [judge.judged(part) for part in parts]
    # 25 ms to import: not where one process does it all.
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(judge,)) as pool:
        return list(pool.map(_work, parts))


_worker: list[_Judge] = []


def _begin(judge: _Judge) -> None:
    # A copy of a Git tree starts a git process of its own: two readers of one pipe would mix up.
    _worker[:] = [replace(judge, tree=copy.copy(judge.tree))]
    # A worker lives as long as one check: what cycles it makes are not worth looking for.
    gc.disable()


def _work(part: _Part) -> tuple[Outcome, Asked]:
    return _worker[0].judged(part)
