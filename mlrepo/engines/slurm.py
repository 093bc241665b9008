"""Slurm: a job per cell in Slurm's own queue, by ``sbatch``, ``squeue`` and ``scancel`` alone.

Neither accounting (``sacct``) nor ``scontrol`` is needed: many sites have no accounting, and
compute nodes may lack ``scontrol``. Nothing of mlrepo has to run while jobs wait.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mlrepo.engines import ENDED, QUEUED, RUNNING, EngineJob, EngineSettings, Seen
from mlrepo.engines.errors import Full
from mlrepo.engines.options import flag, refuse_unknown, seconds
from mlrepo.engines.script import bash_script
from mlrepo.errors import MlrepoError, Unanswered, UserError

# Slurm sends SIGTERM so many seconds before the limit: enough to record a run and push it.
NOTICE_SECONDS = 120
_PATIENCE_SECONDS = 90
_NAMES_AT_ONCE = 200
OPTIONS = {
    "account": "the account to charge",
    "qos": "the quality of service",
    "constraint": "features that the node must have",
    "exclusive": "false where the site refuses --exclusive (the node is looked at all the same)",
    "alone": "false: run although other jobs are on the node; the record says so",
    "limit": "the time limit, instead of mlrepo's estimate",
    "modules": "environment modules to load",
    "python": "the interpreter with mlrepo on the nodes",
    "directory": "where a node keeps its clone: a disk of its own",
    "container": "the image to run in",
    "container_with": "pyxis (srun --container-image) or apptainer",
    "container_mounts": "what the container mounts, as its runtime writes it",
    "options": "further options of sbatch, with spaces between",
}
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"}
_GOING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
# How a job ended, for people.
_ENDED = {
    "COMPLETED": "it ended",
    "CANCELLED": "it was cancelled",
    "FAILED": "it failed",
    "TIMEOUT": "its time limit was reached",
    "DEADLINE": "its deadline was reached",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not boot",
    "PREEMPTED": "it was preempted by another job",
    "OUT_OF_MEMORY": "memory ran out",
}
# Slurm's reasons that name something the user can change.
_WHY_WAITING = {
    "PartitionDown": "the partition is down",
    "PartitionTimeLimit": "its time limit is beyond the partition's: --on-opt limit=TIME",
    "PartitionNodeLimit": "the partition does not have so many nodes",
    "ReqNodeNotAvail": "the nodes that it could run on are down, drained or reserved",
    "BadConstraints": "no node has what --on-opt constraint asks for",
    "AssocGrpCPUMinutesLimit": "the account has used up its time",
    "QOSMaxJobsPerUserLimit": "the QOS lets no more of your jobs run at a time",
    "AssocMaxJobsLimit": "the account lets no more of your jobs run at a time",
    "InvalidAccount": "the account is not valid: --on-opt account=NAME",
    "InvalidQOS": "the QOS is not valid: --on-opt qos=NAME",
    "JobHeldUser": "it is held: `scontrol release` lets it go",
    "JobHeldAdmin": "the site's administrator holds it",
    "Resources": "no node is free",
    "Priority": "others are first",
    "Dependency": "an earlier attempt has not ended yet",
}
_FULL = re.compile(
    r"QOSMaxSubmit|AssocMaxSubmit|AssocGrpSubmit|QOSGrpSubmit|MaxSubmitJob|job submit limit|"
    r"temporarily unable to accept|maximum number of jobs|MaxJobCount",
    re.IGNORECASE,
)
_SILENT = re.compile(
    r"Unable to contact slurm controller|Socket timed out|Connection (?:refused|timed out)|"
    r"Slurm backup controller|Communication (?:connection|shutdown)|Protocol authentication error|"
    r"Zero Bytes were transmitted|munge",
    re.IGNORECASE,
)
_HINTS = (
    (r"invalid partition|Invalid partition", "`sinfo -s` lists partitions: --on slurm:PARTITION."),
    (
        r"Invalid account|account/partition",
        "--on-opt account=NAME names another; `sacctmgr show associations user=$USER` lists yours.",
    ),
    (r"Invalid qos", "--on-opt qos=NAME names another."),
    (r"Invalid feature", "--on-opt constraint=FEATURE: `sinfo -o '%P %f'` lists features."),
    (
        r"time limit|TimeLimit",
        "--on-opt limit=TIME asks for less; `sinfo -s` shows what partitions allow.",
    ),
    (
        r"exclusive|node configuration is not available|Requested node",
        "--on-opt exclusive=false leaves --exclusive out; the node is looked at all the same. "
        "`sinfo -N -l` lists nodes.",
    ),
    (r"slurm\.conf|configuration source", "Ask where this cluster's slurm.conf is: SLURM_CONF."),
)


class SlurmEngine:
    """Jobs in a Slurm partition; ``settings.argument`` is the partition, or empty."""

    elsewhere = True

    def __init__(self, settings: EngineSettings) -> None:
        options = settings.options
        refuse_unknown("slurm", options, OPTIONS)
        self.partition = settings.argument
        self.options = options
        self.python = options.get("python", "")
        self.directory = options.get("directory", "")
        self.exclusive = flag(options, "alone", True)
        self._whole = flag(options, "exclusive", True)
        self.limit = seconds(options, "limit")
        runtime = options.get("container_with", "pyxis")
        if runtime not in ("pyxis", "apptainer"):
            raise UserError(
                f"container_with={runtime!r} is unknown.", hint="Use pyxis or apptainer."
            )
        if options.get("container") and not self.python:
            raise UserError(
                "A container has its own Python, and which one is not said.",
                hint="Name the interpreter in the image that has mlrepo: --on-opt "
                "python=/usr/bin/python3.",
            )

    def check(self) -> None:
        """Ask Slurm for the partition; without one, whether Slurm is here at all."""
        listed = _slurm("sinfo", "--noheader", "--format=%R|%a")
        known = dict(line.strip().partition("|")[::2] for line in listed.splitlines())
        if self.partition and self.partition not in known:
            raise UserError(
                f"Slurm has no partition {self.partition!r}.",
                hint=f"There are: {', '.join(sorted(known)) or 'none'}.",
            )

    def submit(self, job: EngineJob) -> str:
        """Put the job into Slurm's queue."""
        out = _slurm("sbatch", *self._arguments(job), stdin=bash_script(self._in_container(job)))
        number = out.strip().splitlines()[-1].partition(";")[0] if out.strip() else ""
        if not number.isdecimal():
            raise UserError(
                f"sbatch answered {out.strip()[:200]!r} instead of the number of a job.",
                hint="Is sbatch a wrapper of the site? It must take --parsable.",
            )
        return number

    def look(self, names: Iterable[str]) -> Mapping[str, Sequence[Seen]]:
        """Ask ``squeue``, which knows ended jobs for some minutes (Slurm's MinJobAge)."""
        found: dict[str, list[Seen]] = {}
        wanted = sorted(set(names))
        for start in range(0, len(wanted), _NAMES_AT_ONCE):
            some = wanted[start : start + _NAMES_AT_ONCE]
            for name, seen in _listed(f"--name={','.join(some)}"):
                found.setdefault(name, []).append(seen)
        for several in found.values():
            several.sort(key=lambda one: -int(one.id))
        return found

    def cancel(self, ids: Sequence[str]) -> None:
        """End jobs by ``scancel``."""
        for start in range(0, len(ids), _NAMES_AT_ONCE):
            _slurm("scancel", "--quiet", *ids[start : start + _NAMES_AT_ONCE])

    def _arguments(self, job: EngineJob) -> Iterator[str]:
        """Yield the options of sbatch; a job is never requeued: its name would run twice."""
        yield from ("--parsable", f"--job-name={job.name}", "--dependency=singleton")
        yield from (f"--output={job.log}", "--open-mode=append", "--chdir=/", "--export=ALL")
        yield from ("--nodes=1", "--ntasks=1", "--no-requeue")
        yield from (f"--signal=B:TERM@{NOTICE_SECONDS}", f"--time={math.ceil(job.seconds / 60)}")
        if self._whole:
            yield "--exclusive"
        if self.partition:
            yield f"--partition={self.partition}"
        for name in ("account", "qos", "constraint"):
            if value := self.options.get(name):
                yield f"--{name}={value}"
        if job.node:
            yield f"--nodelist={job.node}"
        elif job.avoid:
            yield f"--exclude={','.join(job.avoid)}"
        yield from self.options.get("options", "").split()

    def _in_container(self, job: EngineJob) -> EngineJob:
        """Return the job with its modules, and its command in the container."""
        from dataclasses import replace

        modules = self.options.get("modules", "").split()
        setup = (*(f"module load {_word(one)}" for one in modules), *job.setup)
        image, mounts = (self.options.get(key, "") for key in ("container", "container_mounts"))
        command: tuple[str, ...] = ()
        if image and self.options.get("container_with") == "apptainer":
            bound = ("--bind", mounts) if mounts else ()
            command = ("apptainer", "exec", *bound, image)
        elif image:
            bind = (f"--container-mounts={mounts}",) if mounts else ()
            # A step, not the batch script: older pyxis knows no image of sbatch.
            command = ("srun", "--ntasks=1", f"--container-image={image}", *bind)
        return replace(job, setup=setup, command=(*command, *job.command))


def _word(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _listed(*arguments: str) -> Iterator[tuple[str, Seen]]:
    form = "--format=%j|%i|%T|%r|%N"
    listed = _slurm("squeue", "--noheader", "--states=all", form, *arguments)
    for line in listed.splitlines():
        name, number, state, reason, node = [*line.split("|"), "", "", "", ""][:5]
        if not number.isdecimal():
            continue
        if state in _GOING:
            yield name, Seen(number, RUNNING, "", node)
        elif state in _WAITING:
            said = "" if reason == "None" else reason
            known = next((w for r, w in _WHY_WAITING.items() if said.startswith(r)), "")
            yield name, Seen(number, QUEUED, f"{known} ({said})" if known else said)
        else:
            why = _ENDED.get(state, state.lower())
            more = f" ({reason})" if reason not in ("None", "", state.title()) else ""
            yield name, Seen(number, ENDED, f"{why}{more}", node)


def others_on_node(node: str, job: str) -> list[str] | None:
    """Return the jobs of a node besides one, each as ``NUMBER of USER``; None if nobody can say."""
    try:
        listed = _slurm("squeue", "--noheader", "--format=%i|%u|%T", f"--nodelist={node}")
    except MlrepoError:
        return None
    rows = (line.strip().split("|") for line in listed.splitlines())
    return [
        f"{row[0]} of {row[1]}"
        for row in rows
        if len(row) == 3 and row[0] != job and row[2] in _GOING - {"COMPLETING"}
    ]


def _slurm(*command: str, stdin: str = "") -> str:
    """Run a program of Slurm and return what it printed.

    Raises
    ------
    UserError
        It is not here, or refuses.
    Full
        The user has as many jobs as Slurm lets one have.
    Unanswered
        The controller does not answer.
    """
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_SECONDS,
            env=_environment(),
            check=False,
        )
    except FileNotFoundError as error:
        raise UserError(
            f"There is no {command[0]} on this machine, so no job can go to Slurm.",
            hint="Run the command on a machine of the cluster where `sbatch` works, such as its "
            "login node.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Unanswered(
            f"Slurm's {command[0]} did not answer within {_PATIENCE_SECONDS} s.",
            hint="`sinfo` shows whether the controller is up. Run the command again later.",
        ) from error
    if done.returncode == 0:
        return done.stdout
    raise _refusal(command[0], done.stderr or done.stdout)


def _refusal(program: str, said: str) -> MlrepoError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    words = "; ".join(line.removeprefix(f"{program}: ").removeprefix("error: ") for line in lines)
    words = "".join(char for char in words if char.isprintable())[:400] or "no reason given"
    if _FULL.search(said):
        return Full(
            f"Slurm takes no more jobs now: {words}.",
            hint="`mlrepo jobs wait` submits the others when it does.",
        )
    if _SILENT.search(said):
        return Unanswered(
            f"Slurm does not answer {program}: {words}.",
            hint="`sinfo` shows whether the controller is up. Run the command again later.",
        )
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, said)), "")
    return UserError(f"Slurm refuses: {words}.", hint=hint or f"`{program} --help` explains it.")


def _environment() -> dict[str, str]:
    """Return the environment without what gives lists another form; defaults of sbatch stay."""
    unwanted = ("SQUEUE_", "SINFO_")
    return {k: v for k, v in os.environ.items() if not k.startswith(unwanted)} | {"LC_ALL": "C"}
