"""Find the recorded runs that a compliance test belongs to, and prepare the test from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from mlrepo.backends.devices import Device
from mlrepo.bench.audit import PreparedTest, audit_config, audits_of, check_test
from mlrepo.bench.matrix import RunsByResult
from mlrepo.bench.recorded import (
    CONFIGURING,
    RequestedConfiguration,
    completing,
    configuration_words,
)
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.compliance import compliance_test
from mlrepo.errors import UserError
from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, USER_CONF_FILE
from mlrepo.layout.eligibility import difference
from mlrepo.logs.detail import parse_detail
from mlrepo.logs.user_conf import parse_user_conf
from mlrepo.plugins import WORKLOADS, backend_name, load_plugin
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE, RunRecord
from mlrepo.record.backend_label import backend_label, label_options
from mlrepo.record.options import typed_words
from mlrepo.record.run_request import RunRequest
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import (
    RecordedRun,
    load_record,
    read_file,
    read_text,
    recorded_runs,
)
from mlrepo.repository.raw_store import RawStore
from mlrepo.rounds import Round
from mlrepo.scenarios import SCENARIOS
from mlrepo.settings import FILE_NAME, Resolved, setting_named
from mlrepo.shell import shell_command
from mlrepo.workloads import Workload
from mlrepo.workloads.measured import measured_as


def identity_of(
    settings: Mapping[str, Resolved], request: BenchRequest, backend: str
) -> dict[str, str]:
    """Return the trailers that all runs of one result have in common, by short name."""
    named = ("round", "division", "submitter", "system")
    return {
        **{key.capitalize(): settings[key].value for key in named},
        "Backend": backend_label(backend, str(Device.parse(request.device))),
        "Benchmark": request.benchmark,
        "Scenario": request.scenario,
    }


@dataclass(frozen=True)
class AuditPlan:
    """The tests to run for one benchmark in one scenario, in order.

    ``impossible`` says by test why mlrepo cannot run it, of those that the round requires.
    """

    round: Round
    workload: Workload
    tests: tuple[str, ...]
    impossible: Mapping[str, str] = field(default_factory=dict)


def plan_tests(round_: Round, request: BenchRequest, wanted: Sequence[str]) -> AuditPlan:
    """Return the ``wanted`` tests, or all of the benchmark that can be run.

    Raises
    ------
    UserError
        A wanted test does not belong to the benchmark, or cannot be run.
    """
    workload: Workload = load_plugin(WORKLOADS, request.benchmark)
    belonging = audits_of(round_, workload, request.scenario)
    names = [test.upper() for test in wanted]
    for test in names:
        check_test(round_, workload, request.scenario, test)
    impossible = {
        test: refused[0]
        for test in belonging
        if not names and (refused := compliance_test(test).refusal(round_)) is not None
    }
    tests = (test for test in belonging if test in (names or belonging) and test not in impossible)
    return AuditPlan(round_, workload, tuple(tests), impossible)


def what_tests_lack(bench: Bench, plan: AuditPlan, request: BenchRequest) -> dict[str, str]:
    """Return why tests of a coming performance run could not be run, by test; usually empty.

    They need an accuracy run that is recorded before them, or its full log on this machine.
    """
    journal = RunsByResult(recorded_runs(bench.repository), bench.repository.rounds)
    identity = identity_of(bench.settings, request, backend_name(request.backend))
    accuracy = journal.valid(identity, ACCURACY)
    needing = [test for test in plan.tests if compliance_test(test).needs_accuracy_log]
    if not needing:
        return {}
    if accuracy is None:
        why = "it needs a VALID accuracy run, and none is recorded"
        return dict.fromkeys(needing, why)
    try:
        record = load_record(bench.repository, accuracy)
        _full_log(bench.repository, needing[0], accuracy, record)
    except UserError as error:
        return dict.fromkeys(needing, error.message.rstrip("."))
    return {}


def prepare_test(
    bench: Bench,
    plan: AuditPlan,
    request: BenchRequest,
    test: str,
    against: Mapping[str, str] | None = None,
    *,
    quick: bool = False,
) -> BenchRequest:
    """Return the request for a test of a performance run, with that run's configuration.

    ``against`` names runs to verify against, by mode; by default they are the performance run that
    counts for the result (the newest VALID one, preferring a full one to a short one unless
    ``quick``) among those of the requested configuration, and the newest VALID accuracy run that
    belongs to it.

    Raises
    ------
    UserError
        A required run is missing, the full accuracy log is not on this machine, or the performance
        run's command prefix or options may not run here.
    """
    identity = identity_of(bench.settings, request, backend_name(request.backend))
    runs = list(recorded_runs(bench.repository))
    references = _References(bench, identity, runs, test, dict(against or {}))
    performance = references.performance(request, quick=quick)
    record = load_record(bench.repository, performance)
    prepared = _prepared(references, plan, performance, record)
    same = completing(bench, performance, record, request)
    return replace(same, mode=COMPLIANCE, test=prepared)


def repeat_test(
    bench: Bench, plan: AuditPlan, request: BenchRequest, test: str, against: Mapping[str, str]
) -> PreparedTest:
    """Return a test with everything that it is verified against: exactly the runs ``against``."""
    identity = identity_of(bench.settings, request, backend_name(request.backend))
    runs = list(recorded_runs(bench.repository))
    references = _References(bench, identity, runs, test, dict(against))
    performance = references.performance(request, quick=True)
    record = load_record(bench.repository, performance)
    return _prepared(references, plan, performance, record)


def _prepared(
    references: _References, plan: AuditPlan, performance: RecordedRun, record: RunRecord
) -> PreparedTest:
    repository, test = references.bench.repository, references.name
    scenario, benchmark = performance.trailer("Scenario"), performance.trailer("Benchmark")
    asked = compliance_test(test)
    reference = {PERFORMANCE: performance.run}
    log = b""
    if asked.needs_accuracy_log:
        accuracy = references.accuracy(performance, record)
        reference[ACCURACY] = accuracy.run
        log = _full_log(repository, test, accuracy, load_record(repository, accuracy))
    compared: RecordedRun | None = performance
    if asked.compared_with:
        compared = references.test(asked.compared_with, performance)
        reference[asked.compared_with] = compared.run
    elif asked.compared_with is None:
        compared = None
    score = target = None
    if compared is not None:
        detail = parse_detail(read_file(repository, compared, DETAIL_LOG), DETAIL_LOG)
        measured = measured_as(plan.round, benchmark, scenario)
        score = detail.number(plan.round.result_key(measured, scenario))
        if SCENARIOS[scenario].bounded:
            target = detail.number("effective_target_latency_ns")
    conf = read_text(repository, performance, USER_CONF_FILE)
    return PreparedTest(
        name=test,
        audit=audit_config(plan.round, plan.workload, scenario, test),
        seeds=asked.seeds(plan.round) or {},
        reference=reference,
        score=score,
        target_latency=target,
        accuracy_log=log,
        conf=parse_user_conf(conf, f"runs/{performance.run}/{USER_CONF_FILE}"),
        model=record.model.sha256,
    )


@dataclass(frozen=True)
class _References:
    """The recorded runs that a test is verified against; ``given`` are run ids by mode or test."""

    bench: Bench
    identity: Mapping[str, str]
    runs: Sequence[RecordedRun]
    name: str
    given: Mapping[str, str]

    @property
    def _journal(self) -> RunsByResult:
        return RunsByResult(self.runs, self.bench.repository.rounds)

    def performance(self, request: BenchRequest, *, quick: bool) -> RecordedRun:
        if PERFORMANCE in self.given:
            return self._run(PERFORMANCE)
        typed = RequestedConfiguration.of(self.bench, request)
        found = self._journal.performance(self.identity, quick=quick, fits=typed.fits)
        if found is not None:
            return found
        command = ("run", "--mode", PERFORMANCE)
        words = tuple(word for option in _typed_words(request) for word in option)
        other = self._journal.performance(self.identity, quick=quick)
        if other is None:
            raise self._lacking(PERFORMANCE, command, words)
        raise UserError(
            f"{self.name} cannot be verified: the performance run {other.run} was made with "
            f"another {', '.join(typed.unlike(other))}.",
            hint=f"Run first: {self._command(command, words)}",
        )

    def accuracy(self, performance: RecordedRun, record: RunRecord) -> RecordedRun:
        if ACCURACY in self.given:
            return self._run(ACCURACY)
        found = self._journal.valid(self.identity, ACCURACY, of=performance)
        if found is not None:
            return found
        command = ("run", "--mode", ACCURACY)
        words = configuration_words(record)
        other = self._journal.valid(self.identity, ACCURACY)
        if other is None:
            raise self._lacking(ACCURACY, command, words)
        differs = difference(record, load_record(self.bench.repository, other))
        raise UserError(
            f"{self.name} cannot be verified: the accuracy run {other.run} has another "
            f"configuration than the performance run {performance.run} ({differs}).",
            hint=f"Run first: {self._command(command, words)}",
        )

    def test(self, name: str, performance: RecordedRun) -> RecordedRun:
        if name in self.given:
            return self._run(name)
        found = self._journal.valid(self.identity, COMPLIANCE, name, of=performance)
        if found is None:
            raise self._lacking(name, ("compliance", "--test", name), ())
        return found

    def _run(self, mode: str) -> RecordedRun:
        wanted = self.given[mode]
        found = next((run for run in self.runs if run.run == wanted), None)
        if found is None:
            raise UserError(
                f"{self.name} needs the run {wanted} to be verified against, and it is not "
                "recorded in this repository.",
                hint="Fetch the branch that has it.",
            )
        return found

    def _lacking(self, what: str, command: Sequence[str], words: Sequence[str]) -> UserError:
        identity = self.identity
        return UserError(
            f"{self.name} needs a VALID run of {identity['Benchmark']} {identity['Scenario']} "
            f"{what} to be verified against, and none is recorded for {identity['Round']}.",
            hint=f"Run first: {self._command(command, words)}",
        )

    def _command(self, command: Sequence[str], words: Sequence[str]) -> str:
        identity = self.identity
        return shell_command(
            (
                *("mlrepo", "bench", *command),
                *("--benchmark", identity["Benchmark"], "--scenario", identity["Scenario"]),
                *label_options(identity["Backend"]),
                *words,
                *_given_here(self.bench.settings),
            )
        )


def _typed_words(request: BenchRequest) -> list[tuple[str, ...]]:
    """Return the options that choose among the configurations of a result."""
    return [
        tuple(typed_words(one, getattr(request, one.name)))
        for one in fields(RunRequest)
        if one.name in CONFIGURING
    ]


def _given_here(settings: Mapping[str, Resolved]) -> tuple[str, ...]:
    """Return options for the settings that the repository itself does not decide."""
    return tuple(
        word
        for key, setting in settings.items()
        if setting.origin not in (FILE_NAME, "default") and setting_named(key).flag
        for word in (setting_named(key).flag, setting.value)
    )


def _full_log(
    repository: ResultsRepository, test: str, run: RecordedRun, record: RunRecord
) -> bytes:
    """Return the full accuracy log of a run, from the raw store if the commit has it truncated."""
    if not has_full_log(repository, record):
        label = backend_label(record.backend.name, record.backend.device)
        command = (
            *("mlrepo", "bench", "run", "--mode", ACCURACY, "--benchmark", record.benchmark),
            *("--scenario", record.scenario, *label_options(label), *configuration_words(record)),
        )
        raise UserError(
            f"{test} needs the full accuracy log of the run {run.run}, and it is not kept on this "
            "machine.",
            hint="Run the test on the machine of the accuracy run, or repeat that run here: "
            f"{shell_command(command)}",
        )
    stored = record.logs.get(ACCURACY_LOG)
    if stored is None or not stored.full_sha256:
        return read_file(repository, run, ACCURACY_LOG)
    return RawStore(repository.store / "raw").read(stored.full_sha256)


def has_full_log(repository: ResultsRepository, record: RunRecord) -> bool:
    """Say whether the full accuracy log of a run is here: in its commit, or in the raw store."""
    stored = record.logs.get(ACCURACY_LOG)
    full = stored.full_sha256 if stored is not None else ""
    path: Path = repository.store / "raw" / full
    return not full or path.is_file()
