"""Check a whole tree: one pass, findings, and two verdicts for each result."""

from __future__ import annotations

from mlrepo.checker.report import Report
from mlrepo.checker.selection import CheckSelection
from mlrepo.checker.verdicts import Store, Verdicts
from mlrepo.checker.walk.submission import judge_submission
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
        The round whose rules apply.
    submitter:
        Only this submitter's directories; empty for all.
    only:
        Only results at or below this path; empty for all.
    workers:
        Number of processes to divide the systems among.
    store:
        Where verdicts are cached between checks; None to judge everything anew.
    """
    verdicts = None if store is None else Verdicts(round, store)
    selection = CheckSelection(submitter, only)
    return judge_submission(tree, round, selection, workers=workers, verdicts=verdicts)
