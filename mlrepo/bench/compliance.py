"""Find the recorded runs that a compliance test belongs to, and prepare the test from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.backends.devices import Device
from mlrepo.bench.audit import PreparedTest, audit_config, audits_of, check_test
from mlrepo.bench.matrix import is_no_result
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.compliance import compliance_test
from mlrepo.errors import UserError
from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, USER_CONF_FILE
from mlrepo.logs.detail import parse_detail
from mlrepo.logs.user_conf import parse_user_conf
from mlrepo.plugins import WORKLOADS, backend_name, load_plugin
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE, VALID, RunRecord
from mlrepo.record.backend_label import backend_label, label_options
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
from mlrepo.shell import quoted, shell_command
from mlrepo.workloads import Workload


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


def newest_valid(
    runs: Iterable[RecordedRun], identity: Mapping[str, str], mode: str, test: str = ""
) -> RecordedRun | None:
    """Return the newest VALID run of a result in one mode, or None; ``runs`` is newest first."""
    wanted = {**identity, "Mode": mode, "Test": test, "Validity": VALID}
    for run in runs:
        if not is_no_result(run) and all(
            run.trailer(name) == value for name, value in wanted.items()
        ):
            return run
    return None


@dataclass(frozen=True)
class AuditPlan:
    """The tests to run for one benchmark in one scenario, in order."""

    round: Round
    workload: Workload
    tests: tuple[str, ...]


def plan_tests(round_: Round, request: BenchRequest, wanted: Sequence[str]) -> AuditPlan:
    """Return the ``wanted`` tests, or all of the benchmark; refuse those that cannot be run."""
    workload: Workload = load_plugin(WORKLOADS, request.benchmark)
    belonging = audits_of(round_, workload, request.scenario)
    names = [test.upper() for test in wanted] or list(belonging)
    for test in names:
        check_test(round_, workload, request.scenario, test)
    return AuditPlan(round_, workload, tuple(test for test in belonging if test in names))


def prepare_test(
    bench: Bench,
    plan: AuditPlan,
    request: BenchRequest,
    test: str,
    against: Mapping[str, str] | None = None,
) -> BenchRequest:
    """Return the request for a test, with everything that it is verified against.

    Batch size, threads, prefix and LoadGen settings are those of the performance run, and so are
    the backend's options if the request has none. ``against`` names the runs to verify against, by
    mode; by default they are the newest VALID ones.

    Raises
    ------
    UserError
        A required run is missing, the full accuracy log is not on this machine, or the performance
        run's command prefix or options may not run here.
    """
    repository, scenario = bench.repository, request.scenario
    identity = identity_of(bench.settings, request, backend_name(request.backend))
    runs = list(recorded_runs(repository))
    if against is not None:
        runs = [run for run in runs if run.run in against.values()]
    where = _given_here(bench.settings)
    performance = _needed(runs, identity, PERFORMANCE, test, where)
    record = load_record(repository, performance)
    asked = compliance_test(test)
    reference = {PERFORMANCE: performance.run}
    log = b""
    if asked.needs_accuracy_log:
        accuracy = _needed(runs, identity, ACCURACY, test, where)
        judged = load_record(repository, accuracy)
        if judged.configuration != record.configuration:
            raise UserError(
                f"{test} cannot be verified: the accuracy run {accuracy.run} has another "
                f"configuration than the performance run {performance.run}.",
                hint="Run both again with the same options.",
            )
        reference[ACCURACY] = accuracy.run
        log = _full_log(repository, test, accuracy, judged)
    compared: RecordedRun | None = performance
    if asked.compared_with:
        compared = _needed(runs, identity, COMPLIANCE, test, where, asked.compared_with)
        reference[asked.compared_with] = compared.run
    elif asked.compared_with is None:
        compared = None
    score = target = None
    if compared is not None:
        detail = parse_detail(read_file(repository, compared, DETAIL_LOG), DETAIL_LOG)
        score = detail.number(plan.round.result_key(request.benchmark, scenario))
        if SCENARIOS[scenario].bounded:
            target = detail.number("effective_target_latency_ns")
    conf = read_text(repository, performance, USER_CONF_FILE)
    prepared = PreparedTest(
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
    return BenchRequest(
        benchmark=request.benchmark,
        backend=request.backend,
        scenario=scenario,
        mode=COMPLIANCE,
        max_batch=record.backend.max_batch,
        threads=record.backend.threads,
        model_file=request.model_file,
        model_variant=request.model_variant,
        way=request.way or record.model.preprocessing,
        layout=request.layout or record.model.layout,
        device=request.device,
        precision=request.precision,
        backend_options=request.backend_options or bench.gate.options(record, performance),
        prefix=bench.gate.prefix(record, performance),
        timeout=request.timeout,
        tags=request.tags,
        test=prepared,
        agreement_check=request.agreement_check,
    )


def _given_here(settings: Mapping[str, Resolved]) -> tuple[str, ...]:
    """Return options for the settings that the repository itself does not decide."""
    return tuple(
        word
        for key, setting in settings.items()
        if setting.origin not in (FILE_NAME, "default") and setting_named(key).flag
        for word in (setting_named(key).flag, setting.value)
    )


def _needed(
    runs: list[RecordedRun],
    identity: Mapping[str, str],
    mode: str,
    test: str,
    where: Sequence[str],
    other: str = "",
) -> RecordedRun:
    run = newest_valid(runs, identity, mode, other)
    if run is None:
        what = f"{identity['Benchmark']} {identity['Scenario']} {other or mode}"
        kind = ("compliance", "--test", other) if other else ("run", "--mode", mode)
        command = shell_command(
            (
                "mlrepo",
                "bench",
                *kind,
                "--benchmark",
                identity["Benchmark"],
                "--scenario",
                identity["Scenario"],
                *label_options(identity["Backend"]),
                *where,
            )
        )
        raise UserError(
            f"{test} needs a VALID run of {what} to be verified against, and none is recorded "
            f"for {identity['Round']}.",
            hint=f"Run first: {command}",
        )
    return run


def _full_log(
    repository: ResultsRepository, test: str, run: RecordedRun, record: RunRecord
) -> bytes:
    """Return the full accuracy log of a run, from the raw store if the commit has it truncated."""
    stored = record.logs.get(ACCURACY_LOG)
    if stored is None or not stored.full_sha256:
        return read_file(repository, run, ACCURACY_LOG)
    path: Path = repository.store / "raw" / stored.full_sha256
    if not path.is_file():
        raise UserError(
            f"{test} needs the full accuracy log of the run {run.run}, and it is not kept on this "
            "machine.",
            hint="Run the test on the machine of the accuracy run, or repeat that run here: "
            f"mlrepo bench run --mode accuracy --benchmark {quoted(record.benchmark)} "
            f"--scenario {quoted(record.scenario)}",
        )
    return RawStore(repository.store / "raw").read(stored.full_sha256)
