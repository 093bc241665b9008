"""A real Slurm of several nodes on one machine, of plain processes in a directory of its own.

Several ``slurmd`` run on one host under different names and ports, which Slurm's builds allow.
``munged`` has a socket of its own (``AuthInfo=socket=``): the usual one belongs to the machine.
Nothing is installed, and nothing outside the directory is written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "munged")


def missing() -> str:
    """Return which programs are not installed, and how to install them; '' if all are."""
    lacking = [name for name in PROGRAMS if not _program(name)]
    if not lacking:
        return "" if os.geteuid() == 0 else "slurmd and munged of the tests run as root"
    return f"no {', '.join(lacking)}: apt-get install slurm-wlm munge"


@dataclass
class Cluster:
    """The processes and files of a cluster."""

    root: Path
    nodes: Sequence[str] = ("n1", "n2", "n3")
    partitions: Sequence[str] = ()
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def conf(self) -> Path:
        return self.root / "slurm.conf"

    @property
    def environ(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        for name in ("state", "run", *(f"spool-{node}" for node in self.nodes)):
            (self.root / name).mkdir(exist_ok=True)
        key = self.root / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        (self.root / "run").chmod(0o755)
        names = ("controller", *self.nodes)
        self.ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self.conf.write_text(self._configuration())
        self._start(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={self.root}/run/munge.socket",
            f"--pid-file={self.root}/run/munged.pid",
            f"--log-file={self.root}/munged.log",
            f"--seed-file={self.root}/munged.seed",
        )
        _await(lambda: (self.root / "run" / "munge.socket").exists(), "munged")
        self._start("slurmctld", "-D", "-f", str(self.conf))
        for node in self.nodes:
            self.start_node(node)
        _await(lambda: self.idle() == len(self.nodes), "three idle nodes")

    def start_node(self, node: str) -> None:
        self._start("slurmd", "-D", "-N", node, "-f", str(self.conf), name=node)

    def kill_node(self, node: str, number: int = signal.SIGKILL) -> None:
        """Kill a node's daemon, and all that its jobs run there: the machine is off."""
        process = self.processes.pop(node)
        steps = _descendants_by_variable("SLURMD_NODENAME", node, self.conf)
        process.send_signal(number)
        process.wait()
        for pid in steps:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def job_processes(self, number: str) -> list[int]:
        """Return the processes of a job, by its variable in their environment."""
        return _descendants_by_variable("SLURM_JOB_ID", number, self.conf)

    def idle(self) -> int:
        listed = self.run("sinfo", "-h", "-N", "-o", "%N %t", check=False)
        return len({line for line in listed.splitlines() if line.endswith(" idle")})

    def run(self, *command: str, check: bool = True, stdin: str = "") -> str:
        done = subprocess.run(
            command,
            env=os.environ | self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        with contextlib.suppress(Exception):
            self.run("scancel", "--user=root", "--full", "--signal=KILL", check=False)
        ours = [*_descendants_by_variable("SLURM_CONF", str(self.conf), self.conf)]
        for name in ("slurmctld", *self.nodes, "munged"):
            process = self.processes.pop(name, None)
            if process is not None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for pid in ours:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _start(self, program: str, *arguments: str, name: str = "") -> None:
        path = _program(program)
        assert path, program
        with (self.root / f"{name or program}.out").open("ab") as out:
            self.processes[name or program] = subprocess.Popen(
                [path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=_clean_environment() | self.environ,
                start_new_session=True,
            )

    def _configuration(self) -> str:
        host = socket.gethostname().partition(".")[0]
        cpus = os.cpu_count() or 1
        root, ports = self.root, self.ports
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[node]} "
            f"CPUs={cpus} RealMemory=1000 State=UNKNOWN"
            for node in self.nodes
        ]
        return "\n".join(
            (
                "ClusterName=tests",
                f"SlurmctldHost={host}(127.0.0.1)",
                f"SlurmctldPort={ports['controller']}",
                "SlurmUser=root",
                "SlurmdUser=root",
                "AuthType=auth/munge",
                "CredType=cred/munge",
                f"AuthInfo=socket={root}/run/munge.socket",
                f"StateSaveLocation={root}/state",
                f"SlurmdSpoolDir={root}/spool-%n",
                f"SlurmctldPidFile={root}/run/slurmctld.pid",
                f"SlurmdPidFile={root}/run/slurmd-%n.pid",
                f"SlurmctldLogFile={root}/slurmctld.log",
                f"SlurmdLogFile={root}/slurmd-%n.log",
                "SlurmdParameters=config_overrides",
                "ProctrackType=proctrack/linuxproc",
                "TaskPlugin=task/none",
                "MpiDefault=none",
                "SwitchType=switch/none",
                "JobAcctGatherType=jobacct_gather/none",
                "AccountingStorageType=accounting_storage/none",
                "SelectType=select/cons_tres",
                "SelectTypeParameters=CR_CPU",
                "SchedulerType=sched/backfill",
                "SchedulerParameters=defer_batch,sched_interval=1,bf_interval=1,sched_min_interval=0",
                "PreemptType=preempt/partition_prio",
                "PreemptMode=CANCEL",
                "ReturnToService=2",
                "EnforcePartLimits=ALL",
                "SlurmdTimeout=10",
                "KillWait=10",
                "MessageTimeout=5",
                "InactiveLimit=0",
                "MinJobAge=3600",
                "MaxJobCount=2000",
                *nodes,
                f"PartitionName=main Nodes={','.join(self.nodes)} Default=YES MaxTime=INFINITE "
                "State=UP PriorityTier=1",
                f"PartitionName=urgent Nodes={self.nodes[0]} MaxTime=INFINITE State=UP "
                "PriorityTier=10",
                f"PartitionName=short Nodes={self.nodes[0]} MaxTime=1 State=UP",
                f"PartitionName=down Nodes={self.nodes[0]} State=DOWN",
                f"PartitionName=shared Nodes={self.nodes[0]} OverSubscribe=FORCE:4 State=UP",
                "",
            )
        )


@contextlib.contextmanager
def cluster(root: Path) -> Iterator[Cluster]:
    """Start a cluster and stop it."""
    made = Cluster(root)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def _await(condition, what: str, seconds: float = 30.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds:.0f} s"
        time.sleep(0.1)


def _clean_environment() -> dict[str, str]:
    unwanted = ("SLURM", "SBATCH", "SQUEUE", "SINFO", "MLREPO_", "PYTEST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def _descendants_by_variable(name: str, value: str, conf: Path) -> list[int]:
    """Return the processes of this cluster whose environment has a variable with a value."""
    wanted = {f"{name}={value}".encode(), f"SLURM_CONF={conf}".encode()}
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted <= {*path.read_bytes().split(b"\0")}:
                found.append(int(path.parent.name))
    return found
