"""The verdicts on a selection: mlrepo's, and that of MLCommons' own checker if available."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlrepo.checker.report import Report
from mlrepo.proposal.candidate import report_on
from mlrepo.proposal.official_checker import OfficialVerdict, run_official_checker
from mlrepo.proposal.selected import Selection, read_selection
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.git_trees import CommitTree
from mlrepo.tree import Kind, Tree, walk


@dataclass(frozen=True)
class Disagreement:
    """A result (or, with an empty path, the whole tree) that the two checkers judge differently."""

    path: str
    ours: bool
    theirs: bool


@dataclass(frozen=True)
class SubmissionVerdict:
    """The verdicts on a selection.

    Attributes
    ----------
    report:
        mlrepo's: strict and official in one.
    official:
        The verdict of MLCommons' checker; None if it was not run.
    practice:
        A sentence for each benchmark that can never be valid in the round.
    """

    selection: Selection
    report: Report
    official: OfficialVerdict | None = None
    practice: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Return whether every checker that was run finds the submission valid."""
        ours = self.report.valid("strict") and self.report.valid("official")
        return ours and (self.official is None or self.official.accepted)

    @property
    def disagreements(self) -> tuple[Disagreement, ...]:
        """Differences between our official verdict and MLCommons' checker: a bug in one of them."""
        if self.official is None:
            return ()
        theirs = self.official.results
        mine = {result.path for result in self.report.results if result.official}
        found = [Disagreement(path, path in mine, path in theirs) for path in sorted(mine ^ theirs)]
        ours = self.report.valid("official")
        if ours != self.official.accepted:
            found.append(Disagreement("", ours, self.official.accepted))
        return tuple(found)


def judge_selection(
    repository: ResultsRepository,
    round_name: str,
    *,
    official_checker: Path | None = None,
    workers: int = 1,
) -> SubmissionVerdict:
    """Judge the selection of a round; nothing is written outside a temporary directory.

    Parameters
    ----------
    official_checker:
        A checkout of mlcommons/inference whose checker is also run.
    workers:
        Processes of our own checker.

    Raises
    ------
    UserError
        Nothing is selected, or the checkout has no checker that can be run.
    """
    selection = read_selection(repository, round_name)
    report, practice = report_on(repository, selection, workers=workers)
    if official_checker is None:
        return SubmissionVerdict(selection, report, practice=practice)
    tree = CommitTree(repository.root, selection.commit)
    with contextlib.closing(tree), tempfile.TemporaryDirectory(prefix="mlrepo-check-") as name:
        directory = Path(name) / "submission"
        write_out(tree, directory)
        official = run_official_checker(official_checker, directory, round_name)
    return SubmissionVerdict(selection, report, official, practice)


def write_out(tree: Tree, directory: Path) -> None:
    """Write the files and links of a tree into a new directory; submodules stay empty."""
    directory.mkdir()
    for path, entry in walk(tree):
        target = directory / path
        if entry.kind is Kind.DIRECTORY:
            target.mkdir()
        elif entry.kind is Kind.LINK:
            target.symlink_to(entry.target)
        elif entry.kind is Kind.FILE:
            with tree.open(path) as source, target.open("xb") as written:
                shutil.copyfileobj(source, written)
