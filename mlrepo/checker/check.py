"""Check a whole tree: one pass, findings, and two verdicts for each result."""

from __future__ import annotations

from collections.abc import Sequence

from mlrepo.checker.outcome import Outcome
from mlrepo.checker.report import Report
from mlrepo.checker.selection import Selection
from mlrepo.checker.verdicts import Store, TracedTree, Verdicts
from mlrepo.rounds import Round
from mlrepo.tree import Tree


def check(
    tree: Tree,
    round: Round,
    *,
    submitter: str = "",
    only: str = "",
    workers: int = 1,
    store: Store | None = None,
) -> Report:
    """Return the results of the tree with their verdicts.

    Parameters
    ----------
    tree:
        What is checked.
    round:
        Whose rules hold.
    submitter:
        Only this submitter's directories; empty for all.
    only:
        Only results at or below this path; empty for all.
    workers:
        Processes that share the systems among them.
    store:
        Where verdicts are remembered from check to check; None to judge all anew.
    """
    selection = Selection(submitter, only)
    roots = selection.submitters(tree, round.tables["divisions"])
    traced = TracedTree(tree, roots)
    if store is None:
        return _report(round, _judged(traced, round, only, roots, workers, None))
    verdicts = Verdicts(round, store)
    unit, arguments = f"tree {submitter} {only}", [submitter, only]
    tree.oids(roots, workers)  # all at once: each is asked for below
    outcome = verdicts.recall(tree, unit, roots, arguments)
    if outcome is None:
        outcome = _judged(traced, round, only, roots, workers, verdicts)
        verdicts.keep(tree, unit, roots, arguments, outcome, traced.asked)
    return _report(round, outcome)


def _judged(
    traced: TracedTree, round: Round, only: str, roots: Sequence[str], workers: int,
    verdicts: Verdicts | None,
) -> Outcome:  # fmt: skip
    # The judges take 50 ms to import: not where the verdict on the whole tree is known.
    from mlrepo.checker.submission import judge_submission

    return judge_submission(traced, round, only, roots, workers=workers, verdicts=verdicts)


def _report(round: Round, outcome: Outcome) -> Report:
    results = tuple(sorted(outcome.results, key=lambda result: result.path))
    return Report(round.name, results, outcome.findings, tuple(round.tables["summary_columns"]))
