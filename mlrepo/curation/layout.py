"""Decide anew which runs a result has when one of them no longer counts, or counts again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlrepo.errors import UserError
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.layout.files import logs_directory, logs_of, place_of, user_conf_path
from mlrepo.layout.place import UNFIT, decide_placement, followed_benchmark, lay_out
from mlrepo.paths import RepoPath
from mlrepo.record import IMPORTED_TAG, NO_RESULT_TAGS, VALID, Placement, RunRecord
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, read_system, readable_record
from mlrepo.repository.recorder import RUNS, Tip
from mlrepo.rounds import Place, Round

_RESULT = ("Round", "Division", "Submitter", "Benchmark", "Scenario")


@dataclass(frozen=True)
class Replaced:
    """A directory of logs in the layout, and the ids of the runs that stood there and stand now."""

    path: RepoPath
    before: str
    now: str


@dataclass(frozen=True)
class NewLayout:
    """What changes in the layout: blobs by path (None removes one), new files, and the runs."""

    blobs: Mapping[RepoPath, str | None]
    files: Mapping[RepoPath, bytes]
    replaced: tuple[Replaced, ...]


@dataclass
class _Replayed:
    """The tip as it is while the runs that get a place are laid out in it."""

    tip: Tip
    blobs: dict[RepoPath, str | None]
    files: dict[RepoPath, bytes] = field(default_factory=dict)

    def blob_id(self, path: RepoPath) -> str | None:
        """Return the object id of a file, or None; the path itself for a generated file."""
        if path in self.files:
            return str(path)
        return self.blobs[path] if path in self.blobs else self.tip.blob_id(path)

    def read(self, path: RepoPath) -> bytes | None:
        """Return the content of a file, or None."""
        if path in self.files:
            return self.files[path]
        return None if self.blobs.get(path, "") is None else self.tip.read(path)

    def run_ids(self) -> Sequence[str]:
        """Return the ids of all runs, newest first."""
        return self.tip.run_ids()

    def entries(self, path: RepoPath) -> Mapping[str, str]:
        """Return the names in a directory; none if there is none."""
        return self.tip.entries(path)


@dataclass(frozen=True)
class Redecided:
    """The results of one branch whose runs some acts touch.

    Attributes
    ----------
    experiment:
        The name of the branch: runs that were moved away from it have no place on it.
    before, now:
        All runs of the branch, hidden ones too, without and with the acts. Those that are not the
        same in both are touched.
    descriptions:
        The descriptions of the systems that runs are moved to, by run.
    """

    repository: ResultsRepository
    experiment: str
    tip: Tip
    before: Sequence[RecordedRun]
    now: Sequence[RecordedRun]
    descriptions: Mapping[str, bytes] = field(default_factory=dict)
    _records: dict[tuple[object, ...], RunRecord | None] = field(default_factory=dict, repr=False)

    def layout(self) -> NewLayout:
        """Place the runs of each result again, oldest first, by the usual rules.

        Nothing else changes: files that no run of the result was laid out in stay as they are.
        """
        return self.of_results(self._results())

    def of_results(self, results: Mapping[RepoPath, tuple[Round, Place]]) -> NewLayout:
        """Place the runs of the given results again, as :meth:`layout` does."""
        blobs: dict[RepoPath, str | None] = {}
        files: dict[RepoPath, bytes] = {}
        replaced: list[Replaced] = []
        for path, (round_, place) in sorted(results.items()):
            one = self._decide(path, round_, place)
            blobs |= one.blobs
            files |= one.files
            replaced += one.replaced
        return NewLayout(blobs, files, tuple(replaced))

    def _results(self) -> dict[RepoPath, tuple[Round, Place]]:
        """Return the results that the touched runs belong to; none of an unknown round."""
        old = {run.run: run for run in self.before}
        touched = [
            each
            for run in self.now
            for each in (old.get(run.run, run), run)
            if old.get(run.run) != run
        ]
        return self.results_of(touched)

    def results_of(self, runs: Iterable[RecordedRun]) -> dict[RepoPath, tuple[Round, Place]]:
        """Return the results that runs belong to, by directory; none of an unknown round."""
        found: dict[RepoPath, tuple[Round, Place]] = {}
        for run in runs:
            name = run.trailer("Round")
            if name not in self.repository.rounds:
                continue
            round_ = self.repository.rounds[name]
            record = self.record(run)
            if record is not None:
                with contextlib.suppress(UserError):  # names that no path can have
                    place = place_of(record)
                    found.setdefault(round_.layout.result_directory(place), (round_, place))
        return found

    def _decide(self, path: RepoPath, round_: Round, place: Place) -> NewLayout:
        tip = self.tip
        was, runs = self._runs_in(path, round_, self.before), self._runs_in(path, round_, self.now)
        placed = self._placed(runs, round_)
        paths = {each for _, record in (*was, *runs) for each in _laid_out(record, round_)}
        view = _Replayed(tip, dict.fromkeys(paths, None))
        for run, record, placement in placed:
            self._lay_out(run, record, placement, round_, view)
        system = round_.layout.system_file(place)
        if tip.blob_id(system) is not None:
            view.files.pop(system, None)  # the newest run of any result of the system wrote it
            if not placed and not _others(tip, path):
                view.blobs[system] = None
        files = {to: data for to, data in view.files.items() if tip.read(to) != data}
        blobs = {
            to: oid
            for to, oid in view.blobs.items()
            if to not in view.files and tip.blob_id(to) != oid
        }
        return NewLayout(blobs, files, tuple(_replaced(tip, view, [*was, *runs], round_)))

    def _placed(
        self, runs: Iterable[tuple[RecordedRun, RunRecord]], round_: Round
    ) -> list[tuple[RecordedRun, RunRecord, Placement]]:
        """Return the runs that have a place when all were placed one after the other."""
        standing: dict[RepoPath, tuple[RecordedRun, RunRecord, Placement]] = {}

        def in_place(directory: RepoPath) -> RunRecord | None:
            found = standing.get(directory)
            return None if found is None else found[1]

        for run, record in runs:
            if run.curation.hidden or self.experiment in run.curation.left:
                continue
            try:
                placement = decide_placement(
                    record, round_, in_place, force=record.placement.forced
                )
                directory = logs_directory(record, place_of(record), round_)
            except UNFIT:  # it could not be laid out when it was recorded either
                continue
            if placement.placed:
                standing.pop(directory, None)  # to come last
                standing[directory] = run, record, placement
        return list(standing.values())

    def _lay_out(
        self,
        run: RecordedRun,
        record: RunRecord,
        placement: Placement,
        round_: Round,
        view: _Replayed,
    ) -> None:
        system = self.descriptions.get(run.run) or read_system(self.repository, run)
        follows = followed_benchmark(record.benchmark)
        try:
            placed = lay_out(record, round_, view, placement, system_json=system, follows=follows)
        except UNFIT:
            return
        view.blobs |= {to: self.tip.blob_id(source) for to, source in placed.links.items()}
        view.files |= placed.files

    def _runs_in(
        self, path: RepoPath, round_: Round, runs: Iterable[RecordedRun]
    ) -> list[tuple[RecordedRun, RunRecord]]:
        """Return the runs that may have a place in a result, oldest first, with their records."""
        found = []
        for run in sorted(runs, key=lambda run: run.run):
            # The trailers rule out most of ten thousand runs without their records.
            names = [run.trailer(name) for name in _RESULT]
            if names[0] != round_.name or not set(names[1:]) <= set(path.parts):
                continue
            if not may_have_place(run):
                continue
            record = self.record(run)
            try:
                if record is not None and round_.layout.result_directory(place_of(record)) == path:
                    found.append((run, record))
            except UserError:  # names that no path can have
                continue
        return found

    def paths_of(self, results: Mapping[RepoPath, tuple[Round, Place]]) -> set[RepoPath]:
        """Return the paths that some run of the results may have been laid out in."""
        return {
            each
            for path, (round_, _) in results.items()
            for runs in (self.before, self.now)
            for _, record in self._runs_in(path, round_, runs)
            for each in _laid_out(record, round_)
        }

    def record(self, run: RecordedRun) -> RunRecord | None:
        """Return the record of a run, read once however often it is asked for; None: unreadable."""
        key = (run.run, tuple(act.id for act in run.curation.acts))
        if key not in self._records:
            self._records[key] = readable_record(self.repository, run, {})
        return self._records[key]


def may_have_place(run: RecordedRun) -> bool:
    """Return whether a run was placed, or could be: it is VALID and not a probe or import."""
    committed = run.committed_trailers
    if committed.get("MLRepo-Placed"):
        return True
    tags = {*NO_RESULT_TAGS, IMPORTED_TAG}
    return committed.get("MLRepo-Validity") == VALID and tags.isdisjoint(run.tags)


def _laid_out(record: RunRecord, round_: Round) -> Iterable[RepoPath]:
    """Return the paths of a result that a run may have been laid out in."""
    place = place_of(record)
    try:
        logs = logs_of(record, place, round_)
    except (UserError, LookupError):  # a compliance test that the round does not know
        return ()
    if record.test:
        return logs
    directory = round_.layout.measurements_directory(place)
    return (
        *logs,
        user_conf_path(place, round_),
        round_.layout.measurements_file(place),
        directory / "README.md",
    )


def _others(tip: Tip, path: RepoPath) -> bool:
    """Return whether the system has a result besides the one at ``path``."""
    system = RepoPath(path.parts[:4])
    return any(
        (benchmark, scenario) != path.parts[4:6]
        for benchmark in tip.entries(system)
        for scenario in tip.entries(system / benchmark)
    )


def _replaced(
    tip: Tip, view: _Replayed, runs: Iterable[tuple[RecordedRun, RunRecord]], round_: Round
) -> Iterable[Replaced]:
    """Yield the directories of logs that have another run now, or none."""
    ids: dict[str, str] = {}
    directories: dict[RepoPath, None] = {}
    for _, record in runs:
        oid = tip.blob_id(RepoPath((RUNS, record.run, DETAIL_LOG)))
        if oid is not None:
            ids.setdefault(oid, record.run)
            directories[logs_directory(record, place_of(record), round_)] = None
    for directory in directories:
        file = directory / DETAIL_LOG
        before, now = ids.get(tip.blob_id(file) or "", ""), ids.get(view.blob_id(file) or "", "")
        if before != now:
            yield Replaced(directory, before, now)
