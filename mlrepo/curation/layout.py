"""Decide anew what stands in a result when one of its runs no longer counts, or counts again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlrepo.errors import UserError
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.layout.files import logs_directory, logs_of, place_of, user_conf_path
from mlrepo.layout.place import followed_benchmark, place_or_say_why
from mlrepo.paths import RepoPath
from mlrepo.record import RunRecord
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, load_record, read_system, readable_record
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
    """The tip as it is while the runs of one result are placed again, one after the other."""

    tip: Tip
    blobs: dict[RepoPath, str | None]
    acts: Mapping[RepoPath, bytes]
    files: dict[RepoPath, bytes] = field(default_factory=dict)
    placed: list[str] = field(default_factory=list)

    def blob_id(self, path: RepoPath) -> str | None:
        """Return the object id of a file, or None; the path itself for a generated file."""
        if path in self.files:
            return str(path)
        return self.blobs[path] if path in self.blobs else self.tip.blob_id(path)

    def read(self, path: RepoPath) -> bytes | None:
        """Return the content of a file, or None."""
        if path in self.files or path in self.acts:
            return self.files.get(path) or self.acts.get(path)
        return None if self.blobs.get(path, "") is None else self.tip.read(path)

    def run_ids(self) -> Sequence[str]:
        """Return the ids of the runs placed so far, newest first."""
        return self.placed[::-1]

    def entries(self, path: RepoPath) -> set[str]:
        """Return the names in a directory of acts; none if there is none."""
        new = {act.name for act in self.acts if act.parts[:-1] == path.parts}
        return {*self.tip.entries(path), *new}


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
    acts:
        The files of the acts, which the tip does not have yet.
    descriptions:
        The descriptions of the systems that runs are moved to, by run.
    """

    repository: ResultsRepository
    experiment: str
    tip: Tip
    before: Sequence[RecordedRun]
    now: Sequence[RecordedRun]
    acts: Mapping[RepoPath, bytes]
    descriptions: Mapping[str, bytes] = field(default_factory=dict)

    def layout(self) -> NewLayout:
        """Place the runs of each result again, oldest first, by the usual rules.

        Nothing else changes: files that no run of the result was laid out in stay as they are.
        """
        blobs: dict[RepoPath, str | None] = {}
        files: dict[RepoPath, bytes] = {}
        replaced: list[Replaced] = []
        for path, (round_, place) in self._results().items():
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
        found: dict[RepoPath, tuple[Round, Place]] = {}
        for run in touched:
            name = run.trailer("Round")
            if name not in self.repository.rounds:
                continue
            round_ = self.repository.rounds[name]
            try:
                place = place_of(load_record(self.repository, run))
                found.setdefault(round_.layout.result_directory(place), (round_, place))
            except UserError:  # it was never laid out
                continue
        return found

    def _decide(self, path: RepoPath, round_: Round, place: Place) -> NewLayout:
        tip = self.tip
        was, runs = self._runs_in(path, round_, self.before), self._runs_in(path, round_, self.now)
        paths = {each for _, record in (*was, *runs) for each in _laid_out(record, round_)}
        view = _Replayed(tip, dict.fromkeys(paths, None), self.acts)
        for run, record in runs:
            if not run.curation.hidden and self.experiment not in run.curation.left:
                self._place(run, record, round_, view)
        system = round_.layout.system_file(place)
        if tip.blob_id(system) is not None:
            view.files.pop(system, None)  # the newest run of any result of the system wrote it
            if not view.placed and not _others(tip, path):
                view.blobs[system] = None
        files = {to: data for to, data in view.files.items() if tip.read(to) != data}
        blobs = {
            to: oid
            for to, oid in view.blobs.items()
            if to not in view.files and tip.blob_id(to) != oid
        }
        return NewLayout(blobs, files, tuple(_replaced(tip, view, [*was, *runs], round_)))

    def _place(self, run: RecordedRun, record: RunRecord, round_: Round, view: _Replayed) -> None:
        placed = place_or_say_why(
            record,
            round_,
            view,
            system_json=self.descriptions.get(run.run) or read_system(self.repository, run),
            force=record.placement.forced,
            follows=followed_benchmark(record.benchmark),
        )
        if placed.placement.placed:
            view.blobs |= {to: self.tip.blob_id(source) for to, source in placed.links.items()}
            view.files |= placed.files
            view.placed.append(record.run)

    def _runs_in(
        self, path: RepoPath, round_: Round, runs: Iterable[RecordedRun]
    ) -> list[tuple[RecordedRun, RunRecord]]:
        """Return the runs that belong to a result, oldest first, with their records."""
        found = []
        for run in sorted(runs, key=lambda run: run.run):
            # The trailers rule out most of ten thousand runs without their records.
            names = [run.trailer(name) for name in _RESULT]
            if names[0] != round_.name or not set(names[1:]) <= set(path.parts):
                continue
            record = readable_record(self.repository, run, {})
            try:
                if record is not None and round_.layout.result_directory(place_of(record)) == path:
                    found.append((run, record))
            except UserError:  # names that no path can have
                continue
        return found


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
    """Yield the directories of logs in which another run stands now, or none."""
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
