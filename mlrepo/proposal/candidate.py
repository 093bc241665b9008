"""What would be submitted: one submitter's part of a selection, checked, and what is said of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.errors import InvalidResult, UserError
from mlrepo.proposal.selected import Selection
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.git_trees import CommitTree
from mlrepo.shell import quoted

_SHOWN = 5


@dataclass(frozen=True)
class Candidate:
    """One submitter's results, valid by the profile that was asked for.

    Attributes
    ----------
    selection:
        Only this submitter's directories and runs.
    submitter:
        Whose.
    report:
        What the checker says of them.
    """

    selection: Selection
    submitter: str
    report: Report

    @property
    def usual_branch(self) -> str:
        """The name of the branch of the pull request, unless the user names another."""
        return re.sub(
            r"[^A-Za-z0-9._-]+", "-", f"submission-{self.selection.round}-{self.submitter}"
        )


def only_of(selection: Selection, submitter: str) -> tuple[Selection, str]:
    """Return one submitter's part of a selection, and the submitter; '' means the only one.

    Raises
    ------
    UserError
        The selection has nothing of the submitter, or several submitters and none was given.
    """
    held = ", ".join(selection.submitters)
    if not submitter and len(selection.submitters) > 1:
        raise UserError(
            f"{selection.branch} holds results of {held}; a pull request is one submitter's.",
            hint="Use --submitter NAME.",
        )
    if submitter and submitter not in selection.submitters:
        raise UserError(
            f"{selection.branch} holds nothing of {submitter}, but of {held}.",
            hint="Use --submitter NAME, or `mlrepo select` again.",
        )
    [submitter] = [submitter] if submitter else selection.submitters
    roots = {root: tree for root, tree in selection.roots.items() if _owner(root) == submitter}
    runs = tuple(run for run in selection.runs if _owner(run.path) == submitter)
    return replace(selection, roots=roots, runs=runs), submitter


def checked(
    repository: ResultsRepository, selection: Selection, submitter: str, profile: str
) -> Candidate:
    """Check a submitter's part of a selection.

    Raises
    ------
    InvalidResult
        It is not valid in the profile; the first findings are in the message.
    """
    tree = CommitTree(repository.root, selection.commit)
    try:
        report = check(tree, repository.rounds[selection.round], submitter=submitter)
    finally:
        tree.close()
    if not report.results or not report.valid(profile):
        findings = [*report.findings, *(f for r in report.results for f in r.findings)]
        official = profile == "official"
        broken = [f for f in findings if (f.breaks_official if official else f.breaks_strict)]
        shown = "".join(f"\n  {f.path}: {f.message}" for f in broken[:_SHOWN])
        more = f"\n  … and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        raise InvalidResult(
            f"{selection.branch} is not valid ({profile}), so nothing leaves.{shown}{more}",
            hint=f"`mlrepo check --rev {quoted(selection.branch)}` shows all; mend it and "
            "`mlrepo select` again.",
        )
    return Candidate(selection, submitter, report)


def _owner(path: str) -> str:
    return path.split("/")[1]
