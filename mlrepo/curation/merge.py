"""What stands in the layout when two machines recorded on one branch: decided by the rules."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlrepo.curation.decide import said_replaced
from mlrepo.curation.layout import NewLayout, Redecided, Replaced, may_have_place
from mlrepo.errors import UserError
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.layout.documents import code_readme, system_description, to_json
from mlrepo.layout.files import logs_directory, place_of
from mlrepo.layout.place import UNFIT
from mlrepo.paths import RepoPath
from mlrepo.record import RunRecord
from mlrepo.repository.branch_changes import BranchChange
from mlrepo.repository.branch_merge import Unmerged
from mlrepo.repository.commit_view import CommitView, Existing, read_object
from mlrepo.repository.history import RecordedRun, read_system
from mlrepo.repository.recorder import RUNS
from mlrepo.repository.trailers import message_of
from mlrepo.rounds import Round

_MOST_NAMED = 3
_MAPPING = "model_mapping.json"


class ChangedByHand(UserError):
    """Both sides of a merge changed a file that no run writes."""


@dataclass(frozen=True)
class MergeChange(BranchChange):
    """What a merge changes besides putting the two trees together.

    Attributes
    ----------
    replaced:
        Where the layout has a run that putting the trees together would not have put there.
    """

    replaced: tuple[Replaced, ...] = ()


def compose_merge(unmerged: Unmerged) -> MergeChange:
    """Decide the results that both sides changed, and say so in a message.

    A result that only one side changed stays as that side decided it. Where both have runs or acts,
    all runs of the result are placed again, oldest first, so that it never has runs of two
    configurations. Documents that several results share are those of the newest run.

    Raises
    ------
    ChangedByHand
        Both sides changed a file that no run writes; nothing can be decided for them.
    """
    there = set(unmerged.tip.run_ids())
    runs = [run for run in unmerged.runs if run.run in there]
    name = unmerged.experiment.name
    redecided = Redecided(unmerged.repository, name, unmerged.tip, runs, runs)
    changed = [
        run
        for run in sorted(runs, key=lambda run: run.run)
        if run.run in unmerged.here | unmerged.there and may_have_place(run)
    ]
    here, there_too = (
        # Of a run that was moved, both the result that it left and the one that it is in.
        redecided.results_of(
            each for run in changed if run.run in side for each in (run, run.as_recorded)
        )
        for side in (unmerged.here, unmerged.there)
    )
    results = {path: here[path] for path in here.keys() & there_too.keys()}
    layout = redecided.of_results(results)
    decided = {path.parts for path in redecided.paths_of(results)}
    left = {path: ids for path, ids in unmerged.conflicts.items() if path not in decided}
    shared = _Shared(unmerged, redecided, layout).documents(changed, left)
    by_hand = [path for path in left if RepoPath(path) not in shared]
    if by_hand:
        raise _changed_by_hand(unmerged, by_hand)
    message = _message(unmerged, layout.replaced)
    return MergeChange(message, {**layout.files, **shared}, layout.blobs, layout.replaced)


@dataclass(frozen=True)
class _Writer:
    """A run that wrote a document which several results share."""

    run: RecordedRun
    record: RunRecord
    round: Round


@dataclass(frozen=True)
class _Shared:
    """Documents that both sides changed: of a system, of a benchmark's code, of a submitter."""

    unmerged: Unmerged
    redecided: Redecided
    layout: NewLayout
    _found: dict[RepoPath, bytes] = field(default_factory=dict)

    def documents(
        self, changed: Iterable[RecordedRun], conflicts: Mapping[tuple[str, ...], tuple[str, str]]
    ) -> dict[RepoPath, bytes]:
        """Return the content of those among the conflicts that mlrepo writes."""
        systems: dict[RepoPath, list[_Writer]] = {}
        codes: dict[RepoPath, list[_Writer]] = {}
        mappings = set()
        for run in changed if conflicts else ():
            record = self.redecided.record(run)
            if record is None or record.round not in self.unmerged.repository.rounds:
                continue
            round_ = self.unmerged.repository.rounds[record.round]
            writer = _Writer(run, record, round_)
            try:
                place = place_of(record)
                systems.setdefault(round_.layout.system_file(place), []).append(writer)
                codes.setdefault(round_.layout.code_readme(place), []).append(writer)
                mappings.add(RepoPath((record.division, record.submitter, _MAPPING)))
            except UserError:  # names that no path can have
                continue
        found: dict[RepoPath, bytes] = {}
        for parts, ids in conflicts.items():
            path = RepoPath(parts)
            data = None
            if path in systems:
                data = self._system(systems[path])
            elif path in codes:
                data = self._code(codes[path], ids)
            elif path in mappings:
                data = self._mapping(ids)
            if data is not None:
                found[path] = data
        return found

    def _system(self, writers: list[_Writer]) -> bytes | None:
        """Return the description that the newest run in the layout wrote, else the newest run."""
        newest = sorted(writers, key=lambda one: (self._stands(one), one.run.run), reverse=True)
        for one in newest:
            try:
                data = read_system(self.unmerged.repository, one.run)
                return system_description(one.record, data)
            except UNFIT:
                continue
        return None

    def _stands(self, writer: _Writer) -> bool:
        tip, record = self.unmerged.tip, writer.record
        try:
            path = logs_directory(record, place_of(record), writer.round) / DETAIL_LOG
        except UNFIT:
            return False
        log = tip.blob_id(RepoPath((RUNS, record.run, DETAIL_LOG)))
        return log is not None and self.layout.blobs.get(path, tip.blob_id(path)) == log

    def _code(self, writers: list[_Writer], ids: tuple[str, str]) -> bytes | None:
        """Return the README that a user wrote, else that of the oldest run."""
        texts = [self._read(oid) for oid in ids]
        generated = [code_readme([one.record]) for one in writers]
        own = [text for text in texts if text is not None and text not in generated]
        if len(own) > 1 or None in texts:
            return None
        return own[0] if own else next(text for text in generated if text in texts)

    def _mapping(self, ids: tuple[str, str]) -> bytes | None:
        """Return both sides' mappings of benchmarks to official ones."""
        both = []
        for oid in ids:
            try:
                value = json.loads(self._read(oid) or b"")
            except (ValueError, RecursionError):
                return None
            if not isinstance(value, dict):
                return None
            both.append(value)
        one, other = both
        common = {key: min(one[key], other[key], key=json.dumps) for key in one.keys() & other}
        return to_json({key: {**one, **other, **common}[key] for key in sorted({**one, **other})})

    def _read(self, oid: str) -> bytes | None:
        if not oid:
            return None
        return read_object(CommitView(self.unmerged.repository.git, None), Existing(oid))


def _message(unmerged: Unmerged, replaced: Iterable[Replaced]) -> str:
    """Return the message of the merge: how many runs of which systems each side brings."""
    systems = {run.run: run.trailer("System") for run in unmerged.runs}
    lines = []
    for side, other in ((unmerged.here, unmerged.there), (unmerged.there, unmerged.here)):
        counted = Counter(systems.get(run, "?") for run in side - other)
        words = [f"{_runs(number)} of {system}" for system, number in sorted(counted.items())]
        lines.append(", ".join(words) or "no new run")
    acted = len(unmerged.here & unmerged.there)
    said = [f"One side: {lines[0]}.", f"The other: {lines[1]}."]
    said += [f"Acts on {_runs(acted)}."] if acted else []
    body = "\n".join([*said, *map(said_replaced, replaced)])
    return message_of(f"Merge two sides of {unmerged.experiment.branch}", body, [])


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def _changed_by_hand(unmerged: Unmerged, paths: list[tuple[str, ...]]) -> ChangedByHand:
    named = ", ".join("/".join(path) for path in sorted(paths)[:_MOST_NAMED])
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    branch = unmerged.experiment.branch
    return ChangedByHand(
        f"Both sides of {branch} changed {named}{more}, which no run writes.",
        hint=f"Merge it with Git, and choose: `git switch {branch}`, `git merge`, `git switch -`.",
    )
