"""Repeating the command that `status` prints always ends, and then everything is done.

Plans, records, commits and matrices are real. Only LoadGen is left out: a run is recorded with the
requested configuration, and with the framework that is installed at that moment.
"""

from __future__ import annotations

import datetime
import itertools
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.estimate import Speed
from mlrepo.bench.execute import Progress
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.bench.status import StatusRow, round_status
from mlrepo.bench.suite import plan_suite
from mlrepo.bench.suite_run import agree_to_words, run_suite
from mlrepo.bench.tuned import Tuned, remember, tuned_file
from mlrepo.cli.bench.options import parsed
from mlrepo.cli.bench.suite import suite
from mlrepo.paths import RepoPath
from mlrepo.record import (
    ACCURACY,
    PERFORMANCE,
    VALID,
    Metric,
    StoredLog,
    configuration_digest,
    new_run_id,
)
from mlrepo.record.plans import SuitePlan
from mlrepo.redaction import Redactor
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Composition, Recorder
from mlrepo.repository.trailers import commit_message
from mlrepo.rounds import SHIPPED
from mlrepo.settings import Resolved
from mlrepo.workloads.digits import DIGITS
from tests.conftest import make_results_repository
from tests.samples import sample_files, sample_record
from tests.submissions import detail_log

_ROUND = SHIPPED["v6.1"]
_NEWEST = 3
_PROBED = Speed({1: 1e-4}, 500, 1.0)
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Earlier:
    """A run that somebody made before: how, with which framework, where, and how it ended."""

    mode: str
    threads: int | None
    max_batch: int | None
    options: tuple[tuple[str, str], ...]
    framework: int
    full: bool
    validity: str
    elsewhere: bool


_EARLIER = st.builds(
    Earlier,
    st.sampled_from((ACCURACY, PERFORMANCE)),
    st.sampled_from((None, 1, 2)),
    st.sampled_from((None, 8)),
    st.sampled_from(((), (("streams", "2"),))),
    st.integers(1, _NEWEST),
    st.booleans(),
    st.sampled_from((VALID, VALID, "INVALID")),
    st.booleans(),
)


@dataclass(frozen=True)
class RecordingBench(Bench):
    """A session whose runs are recorded without being executed."""

    def run(
        self,
        request: BenchRequest,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> ConcludedRun:
        """Record a VALID run of a request with the newest framework, as long as it asks for."""
        names = request.loadgen_names(DIGITS.loadgen_model)
        asked = self.configured(request).conf.effective(*names, "min_duration")
        full = asked is None or int(asked) >= _ROUND.min_duration_ms()
        return self.record(request, _NEWEST, full=full)

    def record(
        self,
        request: BenchRequest,
        framework: int,
        *,
        full: bool = True,
        validity: str = VALID,
        elsewhere: bool = False,
    ) -> ConcludedRun:
        """Record a run of a request; the full log of one from elsewhere is not here."""
        request, inputs, _ = self.prepare(request)
        spec, number = inputs.spec, next(_NUMBERS)
        backend = {
            "name": spec.backend,
            "threads": spec.threads,
            "max_batch": spec.max_batch,
            "asked_options": dict(spec.backend_options),
            "framework": f"ONNX Runtime 1.{framework}",
        }
        moment = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)
        run = new_run_id(moment + datetime.timedelta(seconds=number), str(number).encode())
        record = replace(
            sample_record(
                run,
                division=self.settings["division"].value,
                system=self.settings["system"].value,
                benchmark=spec.workload,
                scenario=spec.scenario,
                mode=request.mode,
                validity=validity,
                result=Metric(99.0, "%") if request.mode == ACCURACY else Metric(4.1, "ms"),
                loadgen={"effective": {"min_duration_ms": 600_000 if full else 10}},
                backend=backend,
                model={"sha256": inputs.files.digest},
                tags=(),
                logs={
                    "mlperf_log_accuracy.json": StoredLog(
                        "1" * 64, 100, full_sha256="2" * 64 if elsewhere else ""
                    )
                },
                experiment=self.experiment.name,
            ),
            test=spec.test,
            reference=request.test.reference if request.test else {},
            configuration=configuration_digest(backend),
        )
        key = _ROUND.result_key(spec.workload, spec.scenario)
        own = {
            "mlperf_log_detail.txt": detail_log({key: 5}).encode(),
            "user.conf": b"",
            "run.json": record.to_json(),
        }
        files = sample_files(run) | {
            RepoPath(("runs", run, name)): data for name, data in own.items()
        }
        done = Recorder(self.repository, git_identity(self.repository.root)).record(
            self.experiment, run, files, lambda tip: Composition(commit_message(record))
        )
        return ConcludedRun(record, done.commit)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> ResultsRepository:
    """A repository for all histories: each is of a system of its own."""
    return make_results_repository(tmp_path_factory.mktemp("next") / "results")


def _bench(repository: ResultsRepository, command: str) -> RecordingBench:
    """Return the session of a `bench suite` command."""
    request = parsed(suite, SuitePlan, shlex.split(command)[3:])
    where = asdict(request.where) | {"platform": "none"}
    return RecordingBench(
        repository,
        {key: Resolved(value, f"--{key}") for key, value in where.items()},
        Experiment(request.where.system),
        {},
        Redactor(),
        (),
        request,
        repository.root / "home",
        ask=lambda words: True,
    )


def _follow(repository: ResultsRepository, command: str) -> None:
    """Do what a command says."""
    bench = _bench(repository, command)
    plan = bench.request.plan
    assert isinstance(plan, SuitePlan)
    asked = BenchRequest.of(bench.request.run)
    planned = plan_suite(bench, asked, plan, lambda bench, request: _PROBED)
    agree_to_words(planned)
    for _, done in run_suite(planned, budget=None, on_turn=lambda turn: lambda progress: None):
        assert not isinstance(done, Exception), done


def _row(repository: ResultsRepository, system: str) -> StatusRow:
    rows = round_status(repository, _ROUND, "edge", None)
    return next(row for row in rows if row.system == system)


@settings(max_examples=12, deadline=None)
@given(
    history=st.lists(_EARLIER, min_size=1, max_size=5),
    closed=st.booleans(),
    tuned=st.booleans(),
    short=st.booleans(),
)
def test_following_the_next_command_ends_with_everything_done(
    repository: ResultsRepository, history: list[Earlier], closed: bool, tuned: bool, short: bool
) -> None:
    """Whatever was run before, with whatever options, framework, length, place and verdict.

    Also if the system was tuned in the meantime, and if its user.conf asks for short runs.
    """
    system = f"s{next(_NUMBERS)}"
    division = "closed" if closed else "open"
    bench = _bench(
        repository,
        f"mlrepo bench suite --benchmark digits --system {system} --division {division} "
        "--round v6.1 --category edge --submitter Acme",
    )
    request = BenchRequest.of(bench.request.run)
    for made in history:
        one = replace(
            request,
            scenario="SingleStream",
            mode=made.mode,
            threads=made.threads,
            max_batch=made.max_batch,
            backend_options=dict(made.options),
        )
        how = {"full": made.full, "elsewhere": made.elsewhere}
        bench.record(one, made.framework, validity=made.validity, **how)
    if short:
        conf = repository.systems / system / "user.v6.1.conf"
        conf.parent.mkdir(parents=True, exist_ok=True)
        conf.write_text("digits.*.min_duration = 1000\n")
    if tuned:
        _tune(repository, system)
    for _ in range(6):
        row = _row(repository, system)
        if not row.commands:
            break
        _follow(repository, row.next_command)
    assert {cell.state for cell in row.cells} <= {"done", "inferred"}, (row.cells, row.remarks)


def _tune(repository: ResultsRepository, system: str) -> None:
    """Let the system's tuned settings differ from those of every run so far."""
    assert DIGITS.model is not None
    path = tuned_file(repository.systems, system)
    path.parent.mkdir(parents=True, exist_ok=True)
    remember(path, Tuned(DIGITS.model.files.digest, "onnx", "fp32", "SingleStream", 3, 4))
