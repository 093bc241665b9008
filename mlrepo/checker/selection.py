"""Select the part of a tree that is judged."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlrepo.checker.other_round import RULE
from mlrepo.checker.report import Report, Result
from mlrepo.errors import UserError
from mlrepo.findings import Finding
from mlrepo.nearest import meant
from mlrepo.tree import Kind, Tree

_LAYOUT = "Results are in DIVISION/SUBMITTER/results/SYSTEM/BENCHMARK/SCENARIO."


@dataclass(frozen=True)
class CheckSelection:
    """The part of a tree that is judged.

    Attributes
    ----------
    submitter:
        Only this submitter's directories; empty for all.
    only:
        Only results at or below this path; empty for all.
    """

    submitter: str = ""
    only: str = ""

    def submitters(self, tree: Tree, divisions: Sequence[str]) -> list[str]:
        """Return the submitters' directories that it covers, as ``<division>/<submitter>``."""
        return [
            f"{division}/{entry.name}"
            for division in divisions
            for entry in tree.entries(division)
            if entry.kind is Kind.DIRECTORY
            and self.submitter in ("", entry.name)
            and within(f"{division}/{entry.name}", self.only)
        ]


def within(path: str, only: str) -> bool:
    """Say whether either path is at or below the other; True if ``only`` is empty."""
    return not only or f"{path}/".startswith(f"{only}/") or f"{only}/".startswith(f"{path}/")


def refuse_unknown(
    tree: Tree, divisions: Sequence[str], selection: CheckSelection, label: str
) -> None:
    """Raise :class:`UserError` if the selection matches nothing in the tree.

    Parameters
    ----------
    label:
        What to call the tree in the message.
    """
    everybody = CheckSelection().submitters(tree, divisions)
    submitter, only = selection.submitter, selection.only
    if submitter and not CheckSelection(submitter).submitters(tree, divisions):
        raise UserError(
            f"There is no result of {submitter} in {label}.",
            hint=meant(submitter, {path.partition("/")[2] for path in everybody}),
        )
    if only and tree.entry(only) is None:
        raise UserError(
            f"There is no result at {only} in {label}: there is no such path.",
            hint=_meant_path(tree, only),
        )
    if everybody and not selection.submitters(tree, divisions):
        of = f" of {submitter}" if submitter else ""
        raise UserError(
            f"There is no result{of} at {only} in {label}: it is not in a submitter's directory.",
            hint=_LAYOUT,
        )


def refuse_nothing(report: Report, profile: str, selection: CheckSelection, label: str) -> None:
    """Raise :class:`UserError` if no result was judged: that is not a success.

    Unless a submitter was selected, breaches in the tree are a verdict, and no error is raised.
    """
    if report.results or (not selection.submitter and not report.valid(profile)):
        return
    what = f" of {selection.submitter}" if selection.submitter else ""
    where = f"{selection.only} of {label}" if selection.only else label
    raise UserError(
        f"There is no result{what} to judge in {where}.",
        hint=f"{_LAYOUT} Recorded runs are on branches: `mlrepo check --rev exp/NAME`.",
    )


def restricted(report: Report, only: str, profile: str) -> Report:
    """Return the part of a report about the results at or below ``only``.

    A finding elsewhere is kept only if it may be why one of these results is invalid: at the
    description of its system, or where the official checker rejects a benchmark as a whole.
    """
    if not only:
        return report
    results = tuple(result for result in report.results if within(result.path, only))
    unexplained = [result for result in results if not _explained(result, profile)]
    findings = tuple(
        finding
        for finding in report.findings
        if finding.rule == RULE
        or f"{finding.path}/".startswith(f"{only}/")
        or (finding.breaks(profile) and any(_concerns(finding, one) for one in unexplained))
    )
    return replace(report, results=results, findings=findings)


def _explained(result: Result, profile: str) -> bool:
    return result.valid(profile) or any(finding.breaks(profile) for finding in result.findings)


def _concerns(finding: Finding, result: Result) -> bool:
    """Say whether a finding may be why a result without breaches of its own is invalid."""
    root = f"{result.division}/{result.submitter}"
    benchmark = posixpath.dirname(result.path)
    shared = (f"{root}/systems/{result.system}.json", f"{root}/model_mapping.json")
    return finding.path in shared or within(finding.path, benchmark)


def _meant_path(tree: Tree, only: str) -> str:
    """Return a hint with the nearest paths in the tree."""
    above = ""
    for name in only.split("/"):
        known = {entry.name for entry in tree.entries(above)}
        if name not in known:
            return f"In {above or 'the root'}: {meant(name, known) or 'there is nothing.'}"
        above = f"{above}/{name}".lstrip("/")
    return _LAYOUT
