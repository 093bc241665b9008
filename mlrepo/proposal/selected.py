"""The selection of a round: the branch ``submission/<round>`` and its commit messages.

The message of a selection's commit ends in one paragraph of trailers::

    MLRepo-Round: v6.1
    MLRepo-Submitter: Acme
    MLRepo-Selected: 20261123T203716Z-30c3b3 open/Acme/results/…/Offline/performance/run_1

``MLRepo-Submitter`` appears once for each submitter, ``MLRepo-Selected`` once for each run, with
the directory of the run's logs. What came ready-made from another harness has no runs here, but a
source, numbered, and each of its results and documents::

    MLRepo-Source: 1 directory results_v6.1 at commit 3f0a…
    MLRepo-Ready: 1 closed/Acme/results/box/resnet50/Offline
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.record import is_run_id
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import recorded_runs
from mlrepo.repository.submission_branch import SubmissionCommit, branch_of, read_submission

_TRAILER = re.compile(r"MLRepo-(Round|Submitter|Selected|Source|Ready): (.*)\Z")
# <division>/<submitter>/results/<system>/<benchmark>/<scenario>
_RESULT_DEPTH = 6


@dataclass(frozen=True, order=True)
class SelectedRun:
    """One run of a selection; ``path`` is the directory of its logs in the round's layout."""

    path: str
    run: str


@dataclass(frozen=True, order=True)
class ReadyMade:
    """A result, or a document beside results, taken unchanged from another harness.

    Attributes
    ----------
    path:
        The path of the result's directory, or of the document.
    source:
        Where it came from: a directory or a commit.
    """

    path: str
    source: str

    @property
    def is_result(self) -> bool:
        """Return whether it is a result."""
        parts = self.path.split("/")
        return len(parts) == _RESULT_DEPTH and parts[2] == "results"


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
    ready:
        The ready-made results and documents, sorted by path.
    """

    round: str
    commit: str
    tree: str
    roots: Mapping[str, str]
    runs: tuple[SelectedRun, ...]
    ready: tuple[ReadyMade, ...] = ()

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
            hint="`mlrepo select` makes it from the recorded runs; with --quick, for a rehearsal, "
            "from short ones, too.",
        )
    return selection_of(found, round_name)


def selection_of(found: SubmissionCommit, round_name: str) -> Selection:
    """Return the selection that a commit of a submission branch holds; see read_selection."""
    listed = listed_in(found.message, round_name)
    if listed is None:
        raise UserError(
            f"The tip of {branch_of(round_name)}, {found.commit[:10]}, was not made by "
            "`mlrepo select`.",
            hint="Run `mlrepo select`: a submission is generated, never edited by hand. What the "
            "submitter writes belongs in DIVISION/SUBMITTER/ on the main branch.",
        )
    return Selection(round_name, found.commit, found.tree, found.roots, listed.runs, listed.ready)


def refuse_withdrawn(repository: ResultsRepository, selection: Selection) -> None:
    """Raise :class:`UserError` if a selected run was withdrawn after it was selected."""
    selected = {run.run for run in selection.runs}
    for run in recorded_runs(repository, hidden=True):
        if run.run in selected and run.curation.hidden:
            raise UserError(
                f"{selection.branch} holds the run {run.run}, which {run.curation.why_hidden}.",
                hint="`mlrepo select` decides its result anew, without it.",
            )


@dataclass(frozen=True)
class Listed:
    """What a selection's commit message lists, sorted by path."""

    runs: tuple[SelectedRun, ...]
    ready: tuple[ReadyMade, ...] = ()


def listed_in(message: str, round_name: str) -> Listed | None:
    """Return what a selection's commit message lists, or None if it is not one."""
    last = message.rstrip("\n").rpartition("\n\n")[2]
    runs: list[SelectedRun] = []
    ready: list[ReadyMade] = []
    rounds: list[str] = []
    sources: dict[str, str] = {}
    for line in last.splitlines():
        match = _TRAILER.match(line)
        if match is None:
            continue
        first, _, rest = match[2].partition(" ")
        if match[1] == "Round":
            rounds.append(match[2])
        elif match[1] == "Source":
            sources[first] = rest
        elif match[1] == "Ready" and first in sources:
            ready.append(ReadyMade(str(RepoPath.parse(rest)), sources[first]))
        elif match[1] == "Selected" and is_run_id(first):
            runs.append(SelectedRun(str(RepoPath.parse(rest)), first))
        elif match[1] != "Submitter":
            return None
    if rounds != [round_name] or not (runs or ready):
        return None
    return Listed(tuple(sorted(runs)), tuple(sorted(ready)))


def selection_message(
    round_name: str,
    runs: tuple[SelectedRun, ...],
    results: int,
    ready: Sequence[ReadyMade] = (),
) -> str:
    """Return the commit message of a selection of ``results`` results."""
    paths = [*(run.path for run in runs), *(one.path for one in ready)]
    what = f"{results} result{'' if results == 1 else 's'}"
    trailers = [
        f"MLRepo-Round: {round_name}",
        *(f"MLRepo-Submitter: {name}" for name in sorted({path.split("/")[1] for path in paths})),
        *ready_trailers(ready),
        *(f"MLRepo-Selected: {run.run} {run.path}" for run in sorted(runs)),
    ]
    return (
        f"Select {what} for {round_name}\n\n"
        f"Generated by `mlrepo select` from {origins(runs, ready)}; not to be edited by hand.\n\n"
        + "\n".join(trailers)
        + "\n"
    )


def origins(runs: Sequence[SelectedRun], ready: Sequence[ReadyMade]) -> str:
    """Return a text that says what a selection was made from."""
    words = ["recorded runs"] if runs else []
    if ready:
        words.append("ready-made results of another harness")
    return " and ".join(words)


def ready_trailers(ready: Sequence[ReadyMade]) -> list[str]:
    """Return the trailers that say what was taken ready-made, and from where."""
    numbers = {
        source: number
        for number, source in enumerate(sorted({one.source for one in ready}), start=1)
    }
    return [
        *(f"MLRepo-Source: {number} {source}" for source, number in numbers.items()),
        *(f"MLRepo-Ready: {numbers[one.source]} {one.path}" for one in sorted(ready)),
    ]
