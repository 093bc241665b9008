"""What would be submitted: one submitter's part of a selection, with the checker's verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.errors import InvalidResult, UserError
from mlrepo.proposal.measured import with_machines
from mlrepo.proposal.practice import practice_only
from mlrepo.proposal.selected import Selection
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.git_trees import CommitTree
from mlrepo.shell import quoted

_SHOWN = 5


@dataclass(frozen=True)
class Candidate:
    """One submitter's results and the verdict on them.

    Attributes
    ----------
    selection:
        Only this submitter's directories and runs.
    submitter:
        The submitter.
    report:
        The checker's report on them.
    practice:
        A sentence for each benchmark that can never be valid in the round.
    """

    selection: Selection
    submitter: str
    report: Report
    practice: tuple[str, ...] = ()

    @property
    def usual_branch(self) -> str:
        """The default name of the pull request's branch."""
        return re.sub(
            r"[^A-Za-z0-9._-]+", "-", f"submission-{self.selection.round}-{self.submitter}"
        )


def only_of(selection: Selection, submitter: str) -> tuple[Selection, str]:
    """Return one submitter's part of a selection, and the submitter; '' stands for the only one.

    Raises
    ------
    UserError
        The selection has nothing from the submitter, or it has several and none was given.
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
    ready = tuple(one for one in selection.ready if _owner(one.path) == submitter)
    return replace(selection, roots=roots, runs=runs, ready=ready), submitter


def judged(repository: ResultsRepository, selection: Selection, submitter: str) -> Candidate:
    """Check a submitter's part of a selection, whatever the verdict is."""
    report, practice = report_on(repository, selection, submitter=submitter)
    return Candidate(selection, submitter, report, practice)


def report_on(
    repository: ResultsRepository, selection: Selection, *, submitter: str = "", workers: int = 1
) -> tuple[Report, tuple[str, ...]]:
    """Check a selection, or one submitter's part of it.

    Returns
    -------
    tuple
        The checker's report, and a sentence for each benchmark that can never be valid.
    """
    tree = CommitTree(repository.root, selection.commit)
    try:
        round_ = repository.rounds[selection.round]
        report = check(tree, round_, submitter=submitter, workers=workers)
        report = with_machines(report, repository, tree, round_)
        return report, practice_only(round_, tree, report)
    finally:
        tree.close()


def refuse_invalid(
    selection: Selection, report: Report, practice: Iterable[str], profile: str, stopped: str
) -> None:
    """Raise unless a selection is valid.

    Parameters
    ----------
    practice:
        The sentences about benchmarks that can never be valid.
    profile:
        ``strict`` or ``official``: the verdict that decides.
    stopped:
        What the message says does not happen: "nothing leaves"; empty in a rehearsal.

    Raises
    ------
    InvalidResult
        It is not valid in the profile; the message has a finding for each broken rule.
    """
    if report.results and report.valid(profile):
        return
    by_rule: dict[str, dict[tuple[str, str], None]] = {}
    for finding in report.all_findings():
        if finding.breaks(profile):
            by_rule.setdefault(finding.rule, {})[finding.path, finding.message] = None
    never = "".join(f"\n  {sentence}" for sentence in practice)
    shown = never + "".join(_first_of(breaches) for breaches in [*by_rule.values()][:_SHOWN])
    left = len(by_rule) - _SHOWN
    more = f"\n  … and {left} more rule{'' if left == 1 else 's'}" if left > 0 else ""
    so = f", so {stopped}" if stopped else ""
    raise InvalidResult(
        f"{selection.branch} is not valid ({profile}){so}.{shown}{more}",
        hint=f"`mlrepo check --rev {quoted(selection.branch)}` shows all findings; fix them and "
        "run `mlrepo select` again.",
    )


def _owner(path: str) -> str:
    return path.split("/")[1]


def _first_of(breaches: Mapping[tuple[str, str], None]) -> str:
    """Return a line with the first finding in ``breaches`` and the number of the others."""
    path, message = next(iter(breaches))
    others = f" (and {len(breaches) - 1} more)" if len(breaches) > 1 else ""
    return f"\n  {path}: {message}{others}"
