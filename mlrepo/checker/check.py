"""Check a whole tree: one pass, findings, and two verdicts for each result."""

from __future__ import annotations

from mlrepo.checker.report import Report
from mlrepo.checker.submission import judge_tree
from mlrepo.rounds import Round
from mlrepo.tree import Tree


def check(
    tree: Tree, round: Round, *, submitter: str = "", only: str = "", workers: int = 1
) -> Report:
    """Return the results of the tree with their verdicts.

    Parameters
    ----------
    tree:
        What is checked; it must be picklable when ``workers`` is above one.
    round:
        Whose rules hold.
    submitter:
        Only this submitter's directories; empty for all.
    only:
        Only results at or below this path; empty for all.
    workers:
        Processes that share the systems among them.
    """
    return judge_tree(tree, round, submitter=submitter, only=only, workers=workers)
