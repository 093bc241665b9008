"""The last selection of a round, and the recorded runs that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.proposal.selected import listed_in
from mlrepo.record import ACCURACY, PERFORMANCE
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, load_record, recorded_runs
from mlrepo.repository.submission_branch import branch_of, gone_apart, read_submission
from mlrepo.rounds import Round
from mlrepo.selection.choose import ChosenResult, SelectableRun
from mlrepo.shell import quoted

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

_RESULT = ("Round", "Division", "Submitter", "System", "Backend", "Benchmark", "Scenario")


def result_key(run: RecordedRun) -> tuple[str, ...]:
    """Return the names of the result that a run belongs to; the last one is the scenario."""
    return tuple(run.trailer(name) for name in _RESULT)


class RunsById:
    """A repository's recorded runs, with hidden ones apart, and their records, each read once.

    Attributes
    ----------
    hidden:
        Runs that no longer count.
    """

    def __init__(self, repository: ResultsRepository) -> None:
        self._repository = repository
        self._records: dict[str, RunRecord] = {}
        runs = {run.run: run for run in recorded_runs(repository, hidden=True)}
        self.hidden: Mapping[str, RecordedRun] = {
            name: run for name, run in runs.items() if run.curation.hidden
        }
        self.runs: Mapping[str, RecordedRun] = {
            name: run for name, run in runs.items() if name not in self.hidden
        }

    def record(self, run: RecordedRun) -> RunRecord:
        """Return the record of a run."""
        if run.run not in self._records:
            self._records[run.run] = load_record(self._repository, run)
        return self._records[run.run]


@dataclass(frozen=True)
class LastSelection:
    """The last selection by ``mlrepo select``.

    Attributes
    ----------
    ids:
        The runs of each result, sorted, by the result's path.
    recorded:
        The runs that are still on an experiment branch.
    commit:
        The commit of the selection, or ''.
    ready:
        The source of each ready-made result and document, by path.
    """

    ids: Mapping[str, tuple[str, ...]]
    recorded: RunsById
    commit: str = ""
    ready: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls, repository: ResultsRepository, round_: Round, recorded: RunsById
    ) -> LastSelection:
        """Read it from the branch of the round; it is empty if there is no branch."""
        last = read_submission(repository, round_.name)
        listed = None if last is None else listed_in(last.message, round_.name)
        if last is None or listed is None:
            return cls({}, recorded)
        found: dict[str, list[str]] = {}
        for selected in listed.runs:
            # In every layout: DIVISION/SUBMITTER/results/SYSTEM/BENCHMARK/SCENARIO/…, or compliance
            names = selected.path.split("/")[:6]
            if len(names) < 6:
                continue  # not written by `mlrepo select`
            path = "/".join((*names[:2], "results", *names[3:]))
            found.setdefault(path, []).append(selected.run)
        return cls(
            {path: tuple(sorted(ids)) for path, ids in found.items()},
            recorded,
            last.commit,
            {one.path: one.source for one in listed.ready},
        )

    def __contains__(self, path: object) -> bool:
        return path in self.ids

    def key(self, path: str) -> tuple[str, ...]:
        """Return the :func:`result_key` of a result's runs; empty if none is recorded now."""
        runs = self.recorded.runs
        return next((result_key(runs[each]) for each in self.ids[path] if each in runs), ())

    def source(self, path: str) -> str:
        """Return the path of the result from which ``path`` was inferred, or ``path`` itself.

        In every layout the last name of the path is the scenario.
        """
        key = self.key(path)
        return f"{path.rpartition('/')[0]}/{key[-1]}" if key else path

    def is_inferred(self, path: str) -> bool:
        """Return whether the selection has the result, inferred from another one."""
        return path in self and self.source(path) != path

    def result(self, path: str) -> ChosenResult:
        """Return one of the selection's results, made of the same runs.

        Raises
        ------
        UserError
            One of the runs no longer exists, or there is no performance or accuracy run.
        """
        found: dict[str, SelectableRun] = {}
        for each in self.ids[path]:
            run = self.recorded.runs.get(each)
            if run is None and each in self.recorded.hidden:
                raise UserError(
                    f"The selected run {each} {self.recorded.hidden[each].curation.why_hidden}.",
                    hint="Let the result go, or decide it anew: "
                    f"`mlrepo select --drop {quoted(path)}`.",
                )
            if run is None:
                raise UserError(
                    f"The selected run {each} is on no experiment branch any more.",
                    hint="Fetch its branch, or let the result go: "
                    f"`mlrepo select --drop {quoted(path)}`.",
                )
            record = self.recorded.record(run)
            found[record.test or record.mode] = SelectableRun(run, record)
        if not {PERFORMANCE, ACCURACY} <= set(found):
            raise UserError(
                f"The last selection names no performance and accuracy run for {path}.",
                hint="Let the result go, or decide it anew: "
                f"`mlrepo select --drop {quoted(path)}`.",
            )
        performance, accuracy = found.pop(PERFORMANCE), found.pop(ACCURACY)
        place = RepoPath.parse(path)
        return ChosenResult(place, place.name, performance, accuracy, tuple(found.values()))


def notes_on_others(repository: ResultsRepository, round_: Round) -> list[str]:
    """Return a note if a colleague's fetched selection and the local one have diverged."""
    other = gone_apart(repository, round_.name)
    if not other:
        return []
    branch = branch_of(round_.name)
    return [
        f"{other} holds a selection on which {branch} here does not build: a colleague selected "
        f"meanwhile. To continue from theirs: `git branch --force {branch} {other}`, and select "
        "again."
    ]
