"""What a job does on the node where it lands.

It waits until no other job of mlrepo runs there, brings the node's clone up to date, records what
an earlier job left in the spool, describes the machine, runs the command of mlrepo in the clone,
and pushes the experiment branches to the hub. Nothing else comes back.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from mlrepo import __version__
from mlrepo.bench.recover import recover
from mlrepo.engines.slurm import others_on_node
from mlrepo.errors import MlrepoError, UserError
from mlrepo.jobs.clone import clone_directory, exchange, fetch, open_clone, unpushed
from mlrepo.jobs.counted import counted_kinds, withdraw_repeated
from mlrepo.jobs.naming import name_of_hardware
from mlrepo.jobs.outcome import KEPT, RECORDED, REFUSED, STOPPED, JobOutcome
from mlrepo.jobs.place import alone_on_node, node_directory, shared_file_system
from mlrepo.jobs.spec import JobSpec
from mlrepo.lifetime import bound
from mlrepo.redaction import Redactor
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.files import write_atomically
from mlrepo.repository.history import read_system, recorded_runs
from mlrepo.rounds.system_problems import parse_description
from mlrepo.systems.hardware import match_hardware
from mlrepo.systems.here import Here

# The settings of this user's shell must not decide what a job measures: its words say all.
_SETTINGS = ("MLREPO_", "CK_MLPERF_", "ML_MODEL_")
_KEPT_VARIABLES = frozenset({"MLREPO_HOME"})
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _Refused(UserError):
    """The job cannot run here; nothing was run."""


@dataclass
class Stop:
    """Requests to end: noted, and passed on to the command that runs."""

    received: str = ""
    child: subprocess.Popen[str] | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Note requests instead of being ended by them."""
        before = {number: signal.signal(number, self._note) for number in _STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)


@dataclass
class JobOnNode:
    """A job that has landed.

    Attributes
    ----------
    tell:
        Prints a line into the job's log.
    redactor:
        Masks names and secrets in the runs that are recovered.
    environ:
        The environment that the engine gave the job.
    """

    spec: JobSpec
    redactor: Redactor
    environ: Mapping[str, str]
    tell: Callable[[str], None]
    node: str
    stop: Stop = field(default_factory=Stop)
    _clone: str = ""
    _system: str = ""
    _said: str = ""

    def execute(self) -> int:
        """Do all of it; return an exit code: 0 if the command ended well and its runs are safe.

        Whatever happens, the outcome is written to the log, to the node's directory, and to the
        submitter's if the node can reach that.
        """
        with self.stop.listening():
            try:
                outcome = self._execute()
            except MlrepoError as error:
                outcome = self._outcome(REFUSED, reason=error.message, hint=error.hint)
                if self.stop.received:
                    outcome = self._outcome(STOPPED, reason=self._asked_to_end())
        if self.spec.outcome:
            outcome.write(Path(self.spec.outcome))
        self.tell(f"mlrepo-job {json.dumps(outcome.to_dict())}")
        return 0 if outcome.state == RECORDED and outcome.code == 0 else 1

    def _execute(self) -> JobOutcome:
        spec = self.spec
        if spec.version != __version__:
            raise _Refused(
                f"{self.node} has mlrepo {__version__}, and {spec.version} submitted the job.",
                hint=f"Install mlrepo {spec.version} there, name another interpreter with --on-opt "
                "python=PATH, or let the job make an environment of wheels: --bootstrap DIR.",
            )
        directory = node_directory(spec.directory)
        with alone_on_node(directory, self.node, self.tell):
            self._refuse_if_stopped()
            if not spec.collect:
                self._refuse_company()
            return self._in_hub(directory) if spec.hub else self._in_place()

    def _in_place(self) -> JobOutcome:
        """Run in the submitter's own repository."""
        repository = find_repository(Path(self.spec.root))
        self._clone = str(repository.root)
        kind = shared_file_system(repository.root)
        if kind:
            self.tell(f"note: {repository.root} is on {kind}, which machines share.")
        self._recover(repository)
        if self._is_done(repository):
            return self._outcome(RECORDED, code=0, reason="it was done already")
        self._system = self.spec.system
        code, runs = self._run(repository)
        return self._ended(code, runs, "")

    def _in_hub(self, directory: Path) -> JobOutcome:
        """Run in the node's clone, and push."""
        spec = self.spec
        root = clone_directory(directory, spec.hub)
        self._clone = str(root)
        repository = open_clone(root, spec.hub, spec.author)
        offline = ""
        try:
            exchange(repository, self.environ)
        except MlrepoError as error:
            offline = error.message
            self.tell(f"The hub cannot be reached; the run will wait here. {error.message}")
        self._recover(repository)
        done = self._is_done(repository)
        code: int | None = 0
        runs: tuple[str, ...] = ()
        if not spec.collect and not done:
            self._system = self._described(repository)
            code, runs = self._run(repository)
        kept = self._push(repository, runs)
        if kept:
            return self._outcome(KEPT, code=code, reason=kept, runs=runs)
        if done:
            return self._outcome(RECORDED, code=0, reason="it was done already")
        return self._ended(code, runs, offline)

    def _ended(self, code: int | None, runs: tuple[str, ...], offline: str) -> JobOutcome:
        if self.stop.received:
            return self._outcome(STOPPED, code=code, reason=self._asked_to_end(), runs=runs)
        if code and not runs:
            why = "mlrepo refused the command; the log says why"
            return self._outcome(REFUSED, code=code, reason=self._said or why, runs=runs)
        return self._outcome(RECORDED, code=code, runs=runs)

    def _outcome(self, state: str, **more: object) -> JobOutcome:
        outcome = JobOutcome(self.spec.job, self.spec.attempt, state)
        known = {"node": self.node, "clone": self._clone, "system": self._system}
        return replace(outcome, **{**known, **more})  # type: ignore[arg-type]

    def _refuse_if_stopped(self) -> None:
        if self.stop.received:
            raise _Refused(self._asked_to_end())

    def _asked_to_end(self) -> str:
        return f"it was asked to end ({self.stop.received}), by a limit, the site or a user"

    def _refuse_company(self) -> None:
        """Refuse a node that other jobs of Slurm use, if the job is to have it alone."""
        job = self.environ.get("SLURM_JOB_ID", "")
        if not job:
            return
        others = others_on_node(self.node, job)
        if others is None:
            self.tell("note: nobody could say whether other jobs are on this node (no squeue).")
        elif others and self.spec.alone:
            raise _Refused(
                f"{self.node} is not exclusive: Slurm runs {', '.join(others[:3])} there, too.",
                hint="Submit with --on-opt exclusive=true, or to another partition; --on-opt "
                "alone=false measures all the same.",
            )
        elif others:
            self.tell(f"note: Slurm runs {', '.join(others[:3])} on this node, too.")

    def _recover(self, repository: ResultsRepository) -> None:
        """Record what a job that was killed left in the spool."""
        done, failed = recover(repository, self.redactor)
        for one in done:
            self.tell(f"Recovered the run {one.record.run} ({one.record.validity}).")
        for run, error in failed:
            self.tell(f"The run {run} still waits in the spool: {error.message}")
        if done:
            recovered = tuple(one.record.run for one in done)
            for line in withdraw_repeated(repository, recovered):
                self.tell(line)

    def _is_done(self, repository: ResultsRepository) -> bool:
        spec = self.spec
        counted = counted_kinds(repository, spec.tag)
        return bool(spec.kinds) and all(kind in counted for kind in spec.kinds)

    def _described(self, repository: ResultsRepository) -> str:
        """Return the name of the system that this node is; describe it if it is new here.

        Raises
        ------
        UserError
            A system of the name that was asked for is another machine.
        """
        here = Here(repository.systems)
        name = self.spec.system or name_of_hardware(here.facts)
        path = repository.systems / name / "system.json"
        if path.is_file():
            return name  # each run compares it with this machine
        known = self._recorded_description(repository, here, name)
        if known:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, known)
            return name
        code = self._mlrepo(repository, ("system", "add", name, "--no-input"))
        if code:
            raise _Refused(
                f"{self.node} could not be described as the system {name}.",
                hint="The job's log says why.",
            )
        return name

    def _recorded_description(self, repository: ResultsRepository, here: Here, name: str) -> bytes:
        """Return the description under which other nodes recorded; empty if there is none."""
        for run in recorded_runs(repository):
            if run.trailer("System") != name:
                continue
            data = read_system(repository, run)
            if not data:
                continue
            match = match_hardware(parse_description(data), here.facts)
            if match.contradictions:
                one = match.contradictions[0]
                raise _Refused(
                    f"The system {name} is another machine than {self.node}: {one.field} is "
                    f"{one.written!r} there and {one.detected!r} here.",
                    hint="Leave --system out: each kind of node then has a name of its own.",
                )
            return data
        return b""

    def _run(self, repository: ResultsRepository) -> tuple[int, tuple[str, ...]]:
        """Run the job's command, and return its exit code and the runs that it recorded."""
        before = {run.run for run in recorded_runs(repository, hidden=True)}
        words = [*self.spec.words]
        if self._system:
            words += ["--system", self._system]
        self.tell(f"mlrepo {' '.join(words)}")
        code = self._mlrepo(repository, words)
        self._recover(repository)  # of a command that was killed
        runs = tuple(
            run.run
            for run in recorded_runs(repository, hidden=True)
            if run.run not in before and self.spec.tag in run.tags
        )
        return code, runs

    def _push(self, repository: ResultsRepository, runs: Sequence[str]) -> str:
        """Push what the clone has; return why the hub does not have it, or ''."""
        if not unpushed(repository):
            return ""
        try:
            fetch(repository)
            for line in withdraw_repeated(repository, tuple(runs)):
                self.tell(line)
            exchange(repository, self.environ)
        except MlrepoError as error:
            self.tell(f"The runs wait in {self._clone} on {self.node}: {error.message}")
            return error.message
        return ""

    def _mlrepo(self, repository: ResultsRepository, words: Sequence[str]) -> int:
        """Run a command of mlrepo in the clone, and return its exit code."""
        command = [sys.executable, "-P", "-m", "mlrepo.cli.main", "-C", str(repository.root)]
        child = self.stop.child = subprocess.Popen(
            bound([*command, *words]),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if self.stop.received:
            child.send_signal(signal.SIGTERM)
        assert child.stdout is not None
        for line in child.stdout:
            self.tell(line.rstrip("\n"))
            if line.startswith("mlrepo: "):
                self._said = line.removeprefix("mlrepo: ").strip()
        return child.wait()

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in self.environ.items()
            if name in _KEPT_VARIABLES or not name.startswith(_SETTINGS)
        }
        return kept | {"PYTHONUNBUFFERED": "1"}
