"""What is selected for a round: the branch ``submission/<round>`` and its commit messages.

The message of a selection's commit ends in one paragraph of trailers::

    MLRepo-Round: v6.1
    MLRepo-Submitter: Acme
    MLRepo-Selected: 20261123T203716Z-30c3b3 open/Acme/results/…/Offline/performance/run_1

``MLRepo-Submitter`` appears once for each submitter, ``MLRepo-Selected`` once for each run, with
the directory of the run's logs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.record import is_run_id
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import recorded_runs
from mlrepo.repository.submission_branch import SubmissionCommit, branch_of, read_submission

_TRAILER = re.compile(r"MLRepo-(Round|Submitter|Selected): (.*)\Z")


@dataclass(frozen=True, order=True)
class SelectedRun:
    """One run of a selection; ``path`` is the directory of its logs in the round's layout."""

    path: str
    run: str


@dataclass(frozen=True)
class Selection:
    """The content of a round's submission branch.

    Attributes
    ----------
    round:
        Such as ``v6.1``.
    commit, tree:
        Object ids of the tip and of its tree, which holds exactly the directories of ``roots``.
    roots:
        ``<division>/<submitter>`` to the object id of that directory's tree.
    runs:
        The selected runs, sorted by path.
    """

    round: str
    commit: str
    tree: str
    roots: Mapping[str, str]
    runs: tuple[SelectedRun, ...]

    @property
    def branch(self) -> str:
        """The short name of the branch."""
        return branch_of(self.round)

    @property
    def submitters(self) -> tuple[str, ...]:
        """The submitters, each once."""
        return tuple(sorted({root.partition("/")[2] for root in self.roots}))


def read_selection(repository: ResultsRepository, round_name: str) -> Selection:
    """Return the selection of a round.

    Raises
    ------
    UserError
        Nothing is selected, or the tip of the branch was not made by ``mlrepo select``.
    """
    found = read_submission(repository, round_name)
    if found is None:
        raise UserError(
            f"Nothing is selected for {round_name}: there is no branch {branch_of(round_name)}.",
            hint="`mlrepo select` makes it from the recorded runs.",
        )
    return selection_of(found, round_name)


def selection_of(found: SubmissionCommit, round_name: str) -> Selection:
    """Return the selection that a commit of a submission branch holds; see read_selection."""
    runs = selected_runs(found.message, round_name)
    if runs is None:
        raise UserError(
            f"The tip of {branch_of(round_name)}, {found.commit[:10]}, was not made by "
            "`mlrepo select`.",
            hint="Run `mlrepo select`: a submission is generated, never edited by hand. What the "
            "submitter writes belongs into DIVISION/SUBMITTER/ on the main branch.",
        )
    return Selection(round_name, found.commit, found.tree, found.roots, runs)


def refuse_withdrawn(repository: ResultsRepository, selection: Selection) -> None:
    """Raise :class:`UserError` if a selected run was withdrawn after it was selected."""
    selected = {run.run for run in selection.runs}
    for run in recorded_runs(repository, hidden=True):
        if run.run in selected and run.curation.hidden:
            raise UserError(
                f"{selection.branch} holds the run {run.run}, which {run.curation.why_hidden}.",
                hint="`mlrepo select` decides its result anew, without it.",
            )


def selected_runs(message: str, round_name: str) -> tuple[SelectedRun, ...] | None:
    """Return the runs listed in a selection's commit message, or None if it is not one."""
    last = message.rstrip("\n").rpartition("\n\n")[2]
    found: list[SelectedRun] = []
    rounds: list[str] = []
    for line in last.splitlines():
        match = _TRAILER.match(line)
        if match and match[1] == "Round":
            rounds.append(match[2])
        elif match and match[1] == "Selected":
            run, _, path = match[2].partition(" ")
            if not is_run_id(run):
                return None
            found.append(SelectedRun(str(RepoPath.parse(path)), run))
    return tuple(sorted(found)) if rounds == [round_name] and found else None


def selection_message(round_name: str, runs: tuple[SelectedRun, ...], results: int) -> str:
    """Return the commit message of a selection."""
    submitters = sorted({run.path.split("/")[1] for run in runs})
    what = f"{results} result{'' if results == 1 else 's'}"
    trailers = [
        f"MLRepo-Round: {round_name}",
        *(f"MLRepo-Submitter: {submitter}" for submitter in submitters),
        *(f"MLRepo-Selected: {run.run} {run.path}" for run in sorted(runs)),
    ]
    return (
        f"Select {what} for {round_name}\n\n"
        "Generated by `mlrepo select` from the recorded runs; not to be edited by hand.\n\n"
        + "\n".join(trailers)
        + "\n"
    )
