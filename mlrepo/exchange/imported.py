"""Import published results as records of runs, read and judged by the checker."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mlrepo.checker.check import check
from mlrepo.checker.endpoints.performance import scenario_of_endpoints
from mlrepo.checker.other_round import RULE as ROUND_SEEDS
from mlrepo.checker.report import Result
from mlrepo.checker.selection import CheckSelection, refuse_unknown
from mlrepo.compliance import known_tests
from mlrepo.errors import InvalidResult, UserError
from mlrepo.exchange.imported_endpoints import read_endpoints, reasons
from mlrepo.exchange.imported_masks import (
    add_counts,
    kinds_in,
    masked_facts,
    masked_files,
    refuse_secret_names,
)
from mlrepo.exchange.imported_record import (
    FoundResult,
    ImportSource,
    ResultFacts,
    RunKind,
    record_of,
)
from mlrepo.exchange.imported_run import ImportedRun, ReadResult, SkippedLogs, run_to_import
from mlrepo.exchange.result_readers import read_results
from mlrepo.findings import Finding
from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG, USER_CONF_FILE
from mlrepo.layout.files import ACCURACY_TEXT
from mlrepo.logs.accuracy_text import read_metrics
from mlrepo.logs.detail import DetailLog, parse_detail, without_samples
from mlrepo.logs.metrics import loadgen_metrics
from mlrepo.logs.old_detail import parse_old
from mlrepo.paths import DIVISIONS
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE, Metric
from mlrepo.repository.recorder import MAX_BLOB_SIZE
from mlrepo.rounds import Place, Round
from mlrepo.scenarios import SCENARIOS, spelled
from mlrepo.secret_anchors import KINDS
from mlrepo.tree import Kind as EntryKind
from mlrepo.tree import Missing, Tree

_WORKFLOW_INPUT = "ck-workflow-input.json"
_SYSTEM_JSON = "system.json"
_LARGEST_TEXT = 64 << 20
# Breaches that mean a run is not what it claims to be, or is not a run at all. Others, such as a
# missed target, concern a submission, not a record.
_UNTRUE = (
    "stand-in",
    "unreadable",
    "log-conflict",
    "performance-mode",
    "performance-result",
    "accuracy-mode",
    "accuracy-range",
)
# The verification decides whether a test passes, and since v2.1 also LoadGen's verdict on its run.
# Before, LoadGen calls many tests INVALID, and the checker does not judge their runs.
_FAILED = (
    *_UNTRUE,
    "compliance",
    "performance-validity",
    "performance-loadgen-error",
    "performance-log",
)


@dataclass(frozen=True)
class Importer:
    """Reads one source.

    Attributes
    ----------
    label:
        The origin of the tree, for the records.
    tool:
        Name and version of the importing tool.
    left_out:
        Logs found so far that were not imported.
    contents:
        Files read so far, by path, while those of one result are read; None to keep none.
    """

    tree: Tree
    round: Round
    label: str
    experiment: str
    tool: str
    left_out: list[SkippedLogs] = field(default_factory=list)
    contents: dict[str, bytes] | None = None

    def published(self, submitter: str = "", workers: int = 1) -> Iterator[ImportedRun]:
        """Yield the runs of a results repository, of one submitter or all.

        Raises
        ------
        UserError
            There is no result, or most results have the seeds of another round.
        """
        divisions = self.round.tables["divisions"]
        refuse_unknown(self.tree, divisions, CheckSelection(submitter), self.label)
        report = check(self.tree, self.round, submitter=submitter, workers=workers)
        if not report.results:
            of = f" of {submitter}" if submitter else ""
            raise UserError(
                f"There is no result{of} of {self.round.name} in {self.label}.",
                hint="Results are in DIVISION/SUBMITTER/results/SYSTEM/BENCHMARK/SCENARIO; "
                "--round says by which layout they are read.",
            )
        if mistaken := next((f for f in report.findings if f.rule == ROUND_SEEDS), None):
            raise UserError(
                f"This is not {self.round.name}. {mistaken.message}",
                hint="Nothing was recorded: records of a wrong round would be compared falsely.",
            )
        for read in read_results(self, report.results, workers):
            self.left_out.extend(read.left_out)
            yield from read.runs

    def read_result(self, result: Result) -> ReadResult:
        """Return the runs of a result, and what is left out of it."""
        reader = dataclasses.replace(self, left_out=[], contents={})
        runs = list(reader._result(result))
        refuse_secret_names(runs)
        if not runs and not reader.left_out:
            reader.left_out.append(SkippedLogs(result.path, f"it holds no {self._log}"))
        return ReadResult(runs, reader.left_out)

    def holds_divisions(self) -> bool:
        """Return whether the tree has the directories of a results repository."""
        entries = (self.tree.entry(division) for division in DIVISIONS)
        return any(entry is not None and entry.kind is EntryKind.DIRECTORY for entry in entries)

    def refuse_oldest(self) -> None:
        """Raise :class:`UserError` for a round whose logs have a different format."""
        if not self.round.has_detail_log():
            raise UserError(
                f"Bare logs of {self.round.name} cannot be imported: they are of another form.",
                hint="Those of rounds from v1.0 on can; of older rounds, published results.",
            )

    def run(
        self,
        base: ResultFacts,
        directory: str,
        kind: RunKind,
        findings: Iterable[Finding],
        result: Metric | None = None,
        called: str = "",
        kinds: Collection[str] = KINDS,
    ) -> ImportedRun | None:
        """Return the run whose logs are in ``directory``; None if it has no detail log.

        Parameters
        ----------
        findings:
            The checker's findings about the result.
        result:
            The result as the checker reads it; None to read it from the log.
        called:
            The directory's name in messages, if not its path.
        kinds:
            The kinds of secrets that its files may contain.
        """
        if self.tree.entry(f"{directory}/{self._log}") is None:
            return None
        detail = self.detail(directory)
        if kind.mode == ACCURACY:
            metrics = self._accuracy(base.place, directory)
            nothing = Metric(None, "")
            found = FoundResult(next(iter(metrics.values()), nothing), metrics)
        else:
            place = base.place
            logged = _logged_scenario(detail, place.scenario)
            raw = detail.number(self.round.result_key(place.benchmark, logged))
            read = self.round.result(place.benchmark, logged, raw)
            found = FoundResult(result or read, loadgen_metrics(detail))
        found = dataclasses.replace(found, reasons=_reasons(directory, kind, findings))
        return self._imported(base, directory, kind, detail, found, called or directory, kinds)

    @property
    def _log(self) -> str:
        """The log that a run must have: the one with its values."""
        return DETAIL_LOG if self.round.has_detail_log() else SUMMARY_LOG

    def detail(self, directory: str) -> DetailLog:
        """Return the detail log in a directory; a damaged one contains only an error."""
        path = f"{directory}/{DETAIL_LOG}"
        try:
            if not self.round.has_detail_log():
                summary = self._bytes(f"{directory}/{SUMMARY_LOG}", _LARGEST_TEXT)
                ignored = self.round.tables["ignored_loadgen_errors"]
                return parse_old(summary, self._bytes(path), ignored)
            return parse_detail(self._bytes(path), path)
        except InvalidResult as error:
            return DetailLog({}, (error.message,))

    def _result(self, result: Result) -> Iterator[ImportedRun]:
        place = Place(
            result.division, result.submitter, result.system, result.benchmark, result.scenario
        )
        measured = str(self.round.layout.measurements_directory(place))
        system = self._json(str(self.round.layout.system_file(place)))
        base = ResultFacts(
            dataclasses.replace(
                place, scenario=scenario_of_endpoints(result.scenario) or spelled(result.scenario)
            ),
            str(system.get("system_type", "")),
            system,
            self._measurements(measured, place),
            self._json(f"{measured}/{_WORKFLOW_INPUT}"),
            {USER_CONF_FILE: self._bytes(f"{measured}/{USER_CONF_FILE}")},
            result.path,
        )
        measured_value = Metric(result.value, result.unit) if result.value is not None else None
        kinds = [RunKind(PERFORMANCE), RunKind(ACCURACY)]
        if result.division != "open":
            tests = self.round.compliance_tests(result.benchmark, base.place.scenario)
            kinds += [RunKind(COMPLIANCE, test) for test in tests]
        directories = {
            kind: f"{self.round.layout.test_directory(place, kind.test)}/performance/run_1"
            if kind.test
            else self._run_directory(place, kind.mode)
            for kind in kinds
        }
        secrets = kinds_in(self._texts(base, directories))
        base = masked_facts(base, secrets)
        for kind, directory in directories.items():
            value = measured_value if kind.mode == PERFORMANCE else None
            run = self.run(base, directory, kind, result.findings, value, kinds=secrets)
            run = run or self._endpoints_run(base, kind, result.findings, value)
            if run is not None:
                yield run

    def _run_directory(self, place: Place, mode: str) -> str:
        """Return the directory of a run; of several performance runs, of the last one.

        Up to v0.7 a Server result has five, and the checker's result is that of the last.
        """
        first = str(self.round.layout.run_directory(place, mode))
        runs = self.round.tables["performance_runs"].get(place.scenario, 1)
        for number in range(runs if mode == PERFORMANCE else 1, 1, -1):
            last = f"{posixpath.dirname(first)}/run_{number}"
            if self.tree.entry(last) is not None:
                return last
        return first

    def _texts(self, base: ResultFacts, directories: Mapping[RunKind, str]) -> Iterator[bytes]:
        """Yield the files of a result's runs, as far as they can be read, and its facts."""
        yield from base.files.values()
        yield from (json.dumps(facts).encode() for facts in base.texts)
        for kind, directory in directories.items():
            for path in _files_of(directory, kind):
                with contextlib.suppress(InvalidResult):  # too large: it is not imported
                    yield without_samples(self._bytes(path))

    def _endpoints_run(
        self, base: ResultFacts, kind: RunKind, findings: Iterable[Finding], value: Metric | None
    ) -> ImportedRun | None:
        """Return the run against an endpoint; None if the result has none of this kind."""
        if kind.test:
            return None
        try:
            read = read_endpoints(self._bytes, self.round, base.path, kind.mode)
        except InvalidResult as error:
            self.left_out.append(SkippedLogs(base.path, error.message))
            return None
        if read is None:
            return None
        is_accuracy = kind.mode == ACCURACY
        score = read.accuracy(self.round, base.place) if is_accuracy else value
        why = reasons(findings, base.path, kind.mode)
        found = FoundResult(score or Metric(None, ""), {}, why)
        facts = dataclasses.replace(base, files={**base.files, **read.files})
        return self._imported(facts, base.path, kind, read.log, found, base.path, KINDS)

    def _accuracy(self, place: Place, directory: str) -> dict[str, Metric]:
        """Return the metrics in the accuracy text, as the checker reads them."""
        data = self._bytes(f"{directory}/{ACCURACY_TEXT}", _LARGEST_TEXT)
        patterns = self.round.accuracy_patterns(place.benchmark, place.scenario)
        readings = read_metrics(data.decode("utf-8", "replace"), patterns)
        return {name: Metric(one.number, one.unit) for name, one in readings.items()}

    def _imported(
        self,
        facts: ResultFacts,
        directory: str,
        kind: RunKind,
        detail: DetailLog,
        found: FoundResult,
        called: str,
        kinds: Collection[str],
    ) -> ImportedRun | None:
        """Return the run; None, with the reason in ``left_out``, if it cannot be recorded."""
        files = {name: data for name, data in facts.files.items() if data}
        try:
            for path in _files_of(directory, kind):
                data = self._bytes(path)
                if data:
                    files[posixpath.basename(path)] = data
        except InvalidResult as error:
            self.left_out.append(SkippedLogs(called, error.message))
            return None
        if facts.system:
            files[_SYSTEM_JSON] = facts.system_json
        files, redactions = masked_files(files, called, kinds)
        add_counts(redactions, facts.redactions)
        source = ImportSource(self.round, self.label, self.experiment, self.tool)
        made = record_of(facts, source, kind, detail, found, files)
        made = dataclasses.replace(made, redactions=redactions)
        try:
            return run_to_import(made, files, "What was found", facts.workflow)
        except UserError as error:
            self.left_out.append(SkippedLogs(called, error.message))
            return None

    def _measurements(self, directory: str, place: Place) -> dict[str, object]:
        name = self.round.layout.measurements_file(place).name
        if "*" not in str(self.round.tables["layout"]["measurements_json"]):
            return self._json(f"{directory}/{name}")
        for entry in self.tree.entries(directory):
            if entry.name.startswith(place.system) and entry.name.endswith(".json"):
                return self._json(f"{directory}/{entry.name}")
        return {}

    def _bytes(self, path: str, limit: int = -1) -> bytes:
        """Return a file's bytes, empty if it is missing.

        Raises
        ------
        InvalidResult
            It is too large for a commit; it is not read.
        """
        if self.contents is not None and path in self.contents:
            return self.contents[path]
        entry = self.tree.entry(path)
        if limit < 0 and entry is not None and entry.size > MAX_BLOB_SIZE:
            raise InvalidResult(
                f"{path} has {entry.size} bytes; a commit holds at most {MAX_BLOB_SIZE}.",
                hint="`mlrepo truncate --output DIR` makes a copy with truncated accuracy logs.",
            )
        try:
            data = self.tree.read(path, limit)
        except Missing:
            data = b""
        if limit < 0 and self.contents is not None:
            self.contents[path] = data
        return data

    def _json(self, path: str) -> dict[str, object]:
        try:
            value = json.loads(self._bytes(path))
        except (ValueError, RecursionError, InvalidResult):
            return {}
        return value if isinstance(value, dict) else {}


def _logged_scenario(detail: DetailLog, scenario: str) -> str:
    """Return the scenario of a log: that of its result, unless LoadGen names another."""
    logged = spelled(str(detail.values.get("effective_scenario") or ""))
    known = SCENARIOS.get(scenario)
    return scenario if logged in ("", known.loadgen if known else scenario) else logged


def _reasons(directory: str, kind: RunKind, findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return why the checker rejects a run, or why a test did not pass."""
    base = posixpath.dirname(posixpath.dirname(directory)) if kind.test else directory
    return tuple(
        f"{finding.path.removeprefix(base).lstrip('/') or posixpath.basename(base)}: "
        f"{finding.message}"
        for finding in findings
        if finding.breaks_strict
        and f"{finding.path}/".startswith(f"{base}/")
        and finding.rule.startswith(_FAILED if kind.test else _UNTRUE)
    )


def _files_of(directory: str, kind: RunKind) -> Iterator[str]:
    yield from (f"{directory}/{name}" for name in (SUMMARY_LOG, DETAIL_LOG))
    if kind.mode == ACCURACY:
        yield from (f"{directory}/{name}" for name in (ACCURACY_LOG, ACCURACY_TEXT))
    if kind.test:
        root = posixpath.dirname(posixpath.dirname(directory))
        texts = {name for test in known_tests() for name in test.texts}
        yield from (f"{root}/{name}" for name in sorted(texts))
