"""Compose a submission: the logs of the chosen runs and the files generated around them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.harness.spec import USER_CONF_FILE
from mlrepo.layout.documents import (
    calibration,
    code_readme,
    measurements,
    model_mapping,
    result_readme,
    system_description,
    to_json,
)
from mlrepo.layout.eligibility import not_compared
from mlrepo.layout.files import logs_of, user_conf_path
from mlrepo.paths import RepoPath
from mlrepo.proposal.practice import never_valid_text
from mlrepo.repository.commit_view import CommitView, Existing, entries_of, read_object
from mlrepo.repository.recorder import RUNS
from mlrepo.rounds import Round
from mlrepo.rounds.loadgen import has_seeds_of, loadgen_releases
from mlrepo.selection.choose import ChosenResult, SelectableRun
from mlrepo.selection.ready_pieces import GENERATED, Overlay
from mlrepo.systems.description import open_fields
from mlrepo.systems.hardware import unlike_record
from mlrepo.workloads.catalog import CALIBRATION_DOCUMENT

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

_SYSTEM_JSON = "system.json"
_MODEL_MAPPING = "model_mapping.json"
_CALIBRATION_DOCUMENTS = ("calibration.md", "documentation/calibration.md")


@dataclass(frozen=True)
class ComposedSubmission:
    """The files of a submission, and notes for the submitter."""

    content: Mapping[RepoPath, bytes | Existing]
    notes: tuple[str, ...]


@dataclass
class Composer:
    """Makes the content of a submission.

    Attributes
    ----------
    view:
        Returns the tree of the commit that recorded a run.
    head:
        The commit that holds what the submitter wrote: descriptions of systems, and whatever
        is below ``<division>/<submitter>/`` besides results.
    follows:
        The official benchmark whose rules a benchmark follows, or ''.
    """

    round: Round
    view: Callable[[SelectableRun], CommitView]
    head: CommitView
    follows: Callable[[str], str]
    _content: dict[RepoPath, bytes | Existing] = field(default_factory=dict)
    _ready: Mapping[RepoPath, Existing] = field(default_factory=dict)
    _notes: dict[str, None] = field(default_factory=dict)

    def compose(
        self, results: Sequence[ChosenResult], ready: Mapping[RepoPath, Existing]
    ) -> ComposedSubmission:
        """Return the content for the results.

        Parameters
        ----------
        ready:
            The ready-made objects from another harness.

        Raises
        ------
        UserError
            A recorded run lacks a file, a JSON file that the submitter wrote is damaged, or a
            system is described in two ways.
        """
        self._ready = ready
        submitters: dict[tuple[str, str], list[SelectableRun]] = {}
        for result in results:
            self._add_result(result)
            lead = result.performance
            key = (lead.record.division, lead.record.submitter)
            submitters.setdefault(key, []).append(lead)
        for (division, submitter), leads in submitters.items():
            records = [run.record for run in leads]
            root = RepoPath((division, submitter))
            own = self.head.entries(root)
            self._add_code(root, own, records)
            self._add_calibration(root, leads)
            self._add_mapping(root, records)
        roots = {RepoPath(key) for key in submitters}
        self._add_documents(sorted(roots | {RepoPath(path.parts[:2]) for path in ready}))
        self._add_ready_results()
        runs = [run for result in results for run in result.runs]
        self._add_notes_on_practice(runs)
        self._add_notes_on_loadgen(runs)
        self._add_notes_on_scores(runs)
        self._add_notes_on_machines(runs)
        return ComposedSubmission(self._content, tuple(self._notes))

    def _add_documents(self, roots: Iterable[RepoPath]) -> None:
        """Add the submitter's own documents, which take precedence, and ready-made ones."""
        own = {
            root / name: existing
            for root in roots
            for name, existing in self.head.entries(root).items()
            if name not in GENERATED
        }
        overlay = Overlay(self.head)
        ready = {path: one for path, one in self._ready.items() if path.parts[2] not in GENERATED}
        laid = overlay.over(own, ready)
        for path in overlay.covered:
            if path not in self._content:
                self._note(f"{path} is that of this repository; the ready-made one is not taken.")
        self._content = {**laid, **self._content}

    def _add_ready_results(self) -> None:
        for path, existing in self._ready.items():
            if path.parts[2] not in GENERATED:
                continue
            there = self._content.get(path, existing)
            if there != existing and self._bytes(there) != self._bytes(existing):
                raise UserError(
                    f"The ready-made {path} differs from what this repository generates there.",
                    hint="Make the two the same (`systems/NAME/system.json` describes the system "
                    "of recorded runs), or leave out the results of one: --system, --drop.",
                )
            self._content[path] = existing

    def _bytes(self, item: bytes | Existing) -> bytes:
        return item if isinstance(item, bytes) else read_object(self.head, item)

    def _add_result(self, result: ChosenResult) -> None:
        place = result.place
        for candidate in result.runs:
            files = self._files(candidate)
            for path, name in logs_of(candidate.record, place, self.round).items():
                self._content[path] = _file_of(candidate, files, name)
        performance = result.performance
        files = self._files(performance)
        conf = _file_of(performance, files, USER_CONF_FILE)
        self._content[user_conf_path(place, self.round)] = conf
        directory = self.round.layout.measurements_directory(place)
        records = [candidate.record for candidate in result.runs]
        self._content[self.round.layout.measurements_file(place)] = measurements(performance.record)
        self._content[directory / "README.md"] = result_readme(records, result.scenario)
        system_file = self.round.layout.system_file(place)
        if system_file not in self._content:
            self._content[system_file] = self._description(performance)

    def _files(self, candidate: SelectableRun) -> Mapping[str, Existing]:
        return self.view(candidate).entries(RepoPath((RUNS, candidate.run.run)))

    def _read_own(self, candidate: SelectableRun, name: str) -> bytes | None:
        return self.view(candidate).read(RepoPath((RUNS, candidate.run.run, name)))

    def _description(self, candidate: SelectableRun) -> bytes:
        """Return the system's current description, with what the run adds.

        A description may be corrected after the runs; if it now differs from the run's, a note for
        the submitter is added.
        """
        record = candidate.record
        recorded = self._read_own(candidate, _SYSTEM_JSON) or b"{}"
        path = RepoPath(("systems", record.system, _SYSTEM_JSON))
        today = self.head.read(path)
        old = _object(recorded, f"{RUNS}/{record.run}/{_SYSTEM_JSON}")
        new = old if today is None else _object(today, str(path))
        changed = [
            key for key, value in old.items() if str(value).strip() and new.get(key) != value
        ]
        if changed:
            self._note(
                f"{path} says otherwise than when {record.run} was recorded: {', '.join(changed)}."
            )
        missing = open_fields(self.round, new)
        if missing:
            self._note(f"{path} lacks {', '.join(missing)}: fill it in and commit it.")
        return system_description(record, json.dumps(new).encode())

    def _add_code(
        self, root: RepoPath, own: Mapping[str, Existing], records: Iterable[RunRecord]
    ) -> None:
        layout = str(self.round.tables["layout"]["code"])
        by_path: dict[RepoPath, list[RunRecord]] = {}
        for record in records:
            path = RepoPath.parse(
                layout.format(
                    division=root.parts[0], submitter=root.parts[1], model=record.benchmark
                )
            )
            by_path.setdefault(path, []).append(record)
        for path, used_by in by_path.items():
            top = RepoPath(path.parts[:3])
            if (top in self._ready or top.name in own) and (path == top or self._holds(path)):
                continue
            self._content[path / "README.md"] = code_readme(used_by)

    def _add_calibration(self, root: RepoPath, runs: Iterable[SelectableRun]) -> None:
        """Add the calibration document of closed and network submissions (MLPerf's rules)."""
        if root.parts[0] == "open":
            return
        if any(self._holds(root / each) for each in _CALIBRATION_DOCUMENTS):
            return
        path = root / self.round.calibration_document
        drafts = {
            run.record.model.sha256: text.decode(errors="replace")
            for run in runs
            if (text := self._read_own(run, CALIBRATION_DOCUMENT)) is not None
        }
        self._content[path], todo = calibration([run.record for run in runs], drafts)
        if todo:
            self._note(f"{path} {todo}")

    def _add_mapping(self, root: RepoPath, records: Iterable[RunRecord]) -> None:
        if root.parts[0] != "open":
            return
        path = root / _MODEL_MAPPING
        written = self.head.read(path)
        own = {} if written is None else _object(written, str(path))
        if path in self._ready:
            own = _object(self._bytes(self._ready[path]), str(path)) | own
        benchmarks = {record.benchmark: self.follows(record.benchmark) for record in records}
        made = model_mapping(own, benchmarks, self.round)
        if made is None and written is not None and path in self._ready:
            made = to_json(own)
        if made is not None:
            self._content[path] = made
        for name in sorted(benchmarks):
            if not self.round.official_benchmark(name) and not (own.get(name) or benchmarks[name]):
                self._note(
                    f"Which official benchmark {name} follows is not known: write it into {path}, "
                    "commit it and select again."
                )

    def _add_notes_on_practice(self, runs: Iterable[SelectableRun]) -> None:
        """Note benchmarks whose results can never be valid in the round."""
        for division, submitter, benchmark in dict.fromkeys(
            (run.record.division, run.record.submitter, run.record.benchmark) for run in runs
        ):
            path = RepoPath((division, submitter, _MODEL_MAPPING))
            written = self.head.read(path)
            own = {} if written is None else _object(written, str(path))
            if said := never_valid_text(self.round, division, benchmark, own):
                self._note(f"{said} `mlrepo submit --rehearse` practises the rest.")

    def _add_notes_on_loadgen(self, runs: Iterable[SelectableRun]) -> None:
        """Note runs made with another release of LoadGen, although with the round's seeds.

        The checkers only look at the seeds, which `mlrepo bench` sets in any release; a reviewer
        of the round may look further.
        """
        made: dict[str, list[str]] = {}
        for candidate in runs:
            release = candidate.record.loadgen.package
            if has_seeds_of(self.round, release) is False:
                made.setdefault(release, []).append(candidate.run.run)
        releases = loadgen_releases(self.round)
        for release, ids in made.items():
            own = (
                f"{self.round.name} has {' to '.join(releases)}" if releases else "not the round's"
            )
            self._note(
                f"LoadGen {release} made {', '.join(ids)}; {own}. The round's seeds were set, all "
                "else is that release's own."
            )

    def _add_notes_on_scores(self, runs: Iterable[SelectableRun]) -> None:
        """Note runs for which nothing shows that the backend computed the model."""
        for candidate in runs:
            if why := not_compared(candidate.record):
                self._note(
                    f"The scores of {candidate.run.run} were not compared with the model's own: "
                    f"{why}."
                )

    def _add_notes_on_machines(self, runs: Iterable[SelectableRun]) -> None:
        """Note runs on hardware that differs from the description, current or then."""
        unlike: dict[str, list[str]] = {}
        for candidate in runs:
            record = candidate.record
            path = RepoPath(("systems", record.system, _SYSTEM_JSON))
            today = self.head.read(path)
            if today is None:
                today = self._read_own(candidate, _SYSTEM_JSON) or b"{}"
            for words in unlike_record(_object(today, str(path)), record):
                said = f"{path} does not describe the machine: {words}"
                unlike.setdefault(said, []).append(record.run)
            if then := [one.field for one in record.host.description.contradictions]:
                self._note(
                    f"{record.run} was recorded with --any-system: the description was not of the "
                    f"machine in {', '.join(then)}."
                )
        for said, ids in unlike.items():
            self._note(f"{said} of {', '.join(ids)}.")

    def _holds(self, path: RepoPath) -> bool:
        """Return whether the submitter wrote a document, or there is a ready-made one."""
        above = RepoPath(path.parts[:-1])
        if path.name in self.head.entries(above) or path in self._ready:
            return True
        ready = self._ready.get(above)
        return ready is not None and path.name in entries_of(self.head.repo, ready.oid)

    def _note(self, text: str) -> None:
        self._notes.setdefault(text)


def _file_of(candidate: SelectableRun, files: Mapping[str, Existing], name: str) -> Existing:
    if name not in files:
        raise UserError(
            f"The run {candidate.run.run} has no {name}.",
            hint=f"It has: {', '.join(files) or 'nothing'}. `mlrepo doctor` checks the branches.",
        )
    return files[name]


def _object(data: bytes, where: str) -> dict[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON: {error}.", hint="Fix and commit it.") from error
    if not isinstance(value, dict):
        raise UserError(f"{where} is not a JSON object.", hint="Fix and commit it.")
    return value
