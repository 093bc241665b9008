"""Published results, or LoadGen logs of another harness, as records of runs."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlrepo.checker.check import check
from mlrepo.checker.report import Result
from mlrepo.errors import InvalidResult, UserError
from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG, USER_CONF_FILE
from mlrepo.layout.files import ACCURACY_TEXT, VERIFY_ACCURACY, VERIFY_PERFORMANCE
from mlrepo.logs.detail import DetailLog, parse_detail
from mlrepo.paths import DIVISIONS
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE, RunRecord
from mlrepo.repository.recorder import MAX_BLOB_SIZE
from mlrepo.rounds import SCENARIOS, Place, Round
from mlrepo.submission.imported_masks import masked_facts, masked_files, refuse_secret_names
from mlrepo.submission.imported_record import ResultFacts, Source, record_of
from mlrepo.tree import Kind, Missing, Tree, walk

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_WORKFLOW_INPUT = "ck-workflow-input.json"
_SYSTEM_JSON = "system.json"


@dataclass(frozen=True)
class ImportedRun:
    """A run to be recorded.

    Attributes
    ----------
    files:
        What goes beside ``run.json``, by name.
    workflow:
        What the automation of 2021 (CK) was asked for, where that was published with the result.
    """

    record: RunRecord
    files: Mapping[str, bytes]
    workflow: Mapping[str, Any]


@dataclass(frozen=True)
class Identity:
    """What a directory of bare LoadGen logs does not say of itself."""

    division: str
    submitter: str
    category: str
    system: str
    benchmark: str


@dataclass(frozen=True)
class Importer:
    """Reads one source.

    Attributes
    ----------
    label:
        Where the tree comes from, for the records.
    tool:
        Name and version of what imports.
    """

    tree: Tree
    round: Round
    label: str
    experiment: str
    tool: str

    def published(self, submitter: str = "", workers: int = 1) -> Iterator[ImportedRun]:
        """Yield the runs of a results repository, of one submitter or all.

        Raises
        ------
        UserError
            The round has no detail logs (before v1.0), or there is no result.
        """
        self._refuse_oldest()
        report = check(self.tree, self.round, submitter=submitter, workers=workers)
        if not report.results:
            of = f" of {submitter}" if submitter else ""
            raise UserError(
                f"There is no result{of} of {self.round.name} in {self.label}.",
                hint="Results stand in DIVISION/SUBMITTER/results/SYSTEM/BENCHMARK/SCENARIO; "
                "--round says by which layout they are read.",
            )
        for result in report.results:
            yield from self._result(result)

    def bare(self, identity: Identity) -> Iterator[ImportedRun]:
        """Yield a run for each directory of LoadGen logs.

        Raises
        ------
        UserError
            There is none.
        """
        self._refuse_oldest()
        found = False
        for path, entry in walk(self.tree):
            if entry.kind is not Kind.FILE or entry.name != DETAIL_LOG:
                continue
            found = True
            directory = posixpath.dirname(path)
            detail = self._detail(directory)
            scenario = str(detail.values.get("effective_scenario") or "")
            if not scenario:
                raise UserError(
                    f"{path} does not say of which scenario it is.",
                    hint="The log is damaged: take it out, and import the others.",
                )
            mode = str(detail.values.get("effective_test_mode"))
            names = Place(
                identity.division, identity.submitter, identity.system, identity.benchmark, scenario
            )
            base = ResultFacts(names, identity.category, {}, {}, {}, {})
            if mode == "AccuracyOnly":
                text = self._text(f"{directory}/{ACCURACY_TEXT}")
                yield self._run(base, directory, ACCURACY, "", detail, _accuracy_value(text))
            else:
                yield self._run(
                    base, directory, PERFORMANCE, "", detail, self._value(names, detail)
                )
        if not found:
            raise UserError(
                f"There is neither a results repository nor a {DETAIL_LOG} in {self.label}.",
                hint="Name the directory that holds closed/ or open/, or one of LoadGen's logs.",
            )

    def holds_divisions(self) -> bool:
        """Say whether the tree is that of a results repository."""
        entries = (self.tree.entry(division) for division in DIVISIONS)
        return any(entry is not None and entry.kind is Kind.DIRECTORY for entry in entries)

    def _refuse_oldest(self) -> None:
        if not self.round.has_detail_log():
            raise UserError(
                f"Results of {self.round.name} cannot be imported: its logs are of another form.",
                hint="Rounds from v1.0 on can.",
            )

    def _result(self, result: Result) -> Iterator[ImportedRun]:
        place = Place(
            result.division, result.submitter, result.system, result.benchmark, result.scenario
        )
        measured = str(self.round.measurements_directory(place))
        system = self._json(str(self.round.system_file(place)))
        base = ResultFacts(
            dataclasses.replace(place, scenario=_spelled(result.scenario)),
            str(system.get("system_type", "")),
            system,
            self._measurements(measured, place),
            self._json(f"{measured}/{_WORKFLOW_INPUT}"),
            {USER_CONF_FILE: self._bytes(f"{measured}/{USER_CONF_FILE}")},
            result.path,
        )
        directory = str(self.round.run_directory(place, PERFORMANCE))
        if self.tree.entry(f"{directory}/{DETAIL_LOG}") is not None:
            yield self._run(base, directory, PERFORMANCE, "", self._detail(directory), result.value)
        directory = str(self.round.run_directory(place, ACCURACY))
        if self.tree.entry(f"{directory}/{DETAIL_LOG}") is not None:
            value = _accuracy_value(result.accuracy)
            yield self._run(base, directory, ACCURACY, "", self._detail(directory), value)
        if result.division == "open":
            return
        for test in self.round.compliance_tests(result.benchmark, base.place.scenario):
            directory = f"{self.round.test_directory(place, test)}/performance/run_1"
            if self.tree.entry(f"{directory}/{DETAIL_LOG}") is not None:
                detail = self._detail(directory)
                yield self._run(
                    base, directory, COMPLIANCE, test, detail, self._value(base.place, detail)
                )

    def _run(
        self, base: ResultFacts, directory: str, mode: str, test: str, detail: DetailLog,
        value: float | None,
    ) -> ImportedRun:  # fmt: skip
        files = {name: data for name, data in base.files.items() if data}
        for path in self._files_of(directory, mode, test):
            data = self._bytes(path)
            if data:
                files[posixpath.basename(path)] = data
        if base.system:
            files[_SYSTEM_JSON] = (json.dumps(base.system, indent=4) + "\n").encode()
        files, redactions = masked_files(files, directory)
        facts = masked_facts(dataclasses.replace(base, path=base.path or directory))
        source = Source(self.round, self.label, self.experiment, self.tool)
        record = record_of(facts, source, mode, test, detail, value, files)
        record = dataclasses.replace(record, redactions=redactions)
        refuse_secret_names(record)
        kept = {name: data for name, data in files.items() if len(data) <= MAX_BLOB_SIZE}
        return ImportedRun(record, kept, facts.workflow)

    def _files_of(self, directory: str, mode: str, test: str) -> Iterator[str]:
        yield from (f"{directory}/{name}" for name in (SUMMARY_LOG, DETAIL_LOG))
        if mode == ACCURACY:
            yield from (f"{directory}/{name}" for name in (ACCURACY_LOG, ACCURACY_TEXT))
        if test:
            root = posixpath.dirname(posixpath.dirname(directory))
            yield from (f"{root}/{name}" for name in (VERIFY_ACCURACY, VERIFY_PERFORMANCE))

    def _value(self, place: Place, detail: DetailLog) -> float | None:
        raw = detail.number(self.round.result_key(place.benchmark, place.scenario))
        return None if raw is None else self.round.result_in_unit(place.scenario, raw)

    def _measurements(self, directory: str, place: Place) -> dict[str, Any]:
        name = self.round.measurements_file(place).name
        if "*" not in str(self.round.tables["layout"]["measurements_json"]):
            return self._json(f"{directory}/{name}")
        for entry in self.tree.entries(directory):
            if entry.name.startswith(place.system) and entry.name.endswith(".json"):
                return self._json(f"{directory}/{entry.name}")
        return {}

    def _detail(self, directory: str) -> DetailLog:
        path = f"{directory}/{DETAIL_LOG}"
        try:
            return parse_detail(self._bytes(path), path)
        except InvalidResult as error:
            return DetailLog({}, (error.message,))

    def _bytes(self, path: str) -> bytes:
        try:
            return self.tree.read(path)
        except Missing:
            return b""

    def _text(self, path: str) -> str:
        return self._bytes(path).decode("utf-8", "replace")

    def _json(self, path: str) -> dict[str, Any]:
        try:
            value = json.loads(self._bytes(path))
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


def _accuracy_value(text: str) -> float | None:
    found = _NUMBER.search(text)
    return float(found[0]) if found else None


def _spelled(scenario: str) -> str:
    """Return a directory's scenario in LoadGen's spelling; rounds have more than we run."""
    known = {name.lower(): name for name in SCENARIOS}
    return known.get(scenario.lower(), scenario)
