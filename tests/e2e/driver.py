"""Drive the real command line as a user does, and inspect what it leaves behind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.samples import git
from tests.warm import ran

MLREPO = (sys.executable, "-m", "mlrepo.cli.main")
THIRDPARTY = Path(__file__).parent / "thirdparty"
BENCH = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--mode", "accuracy")
# A backend that takes its time and a run that would last a minute: something to disturb.
LONG = (
    "bench",
    "run",
    "--model",
    "digits",
    "--backend",
    "patient",
    "--scenario",
    "SingleStream",
    "--mode",
    "performance",
    "--time",
    "60",
    "--max-batchsize",
    "1",
)


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The standard output, which is one JSON document."""
        return json.loads(self.out)

    def says(self, *words: str) -> None:
        """Assert that the messages hold all of ``words``, whatever their case."""
        text = " ".join((self.out + self.err).split()).lower()
        missing = [word for word in words if word.lower() not in text]
        assert not missing, f"{missing} not in: {self.out}{self.err}"


def environment(**changes: str | None) -> dict[str, str]:
    """Return the environment for a command, with the third party's package installed."""
    environ = os.environ | {"PYTHONPATH": str(THIRDPARTY)}
    environ.pop("COLUMNS", None)  # of the terminal that the tests run in
    for name, value in changes.items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value
    return environ


def mlrepo(cwd: Path, *arguments: str, code: int | None = 0, **environ: str | None) -> Done:
    """Run ``mlrepo`` in ``cwd``, assert its exit code, and that nobody ever sees a traceback."""
    finished = ran(arguments, cwd, environment(**environ))
    done = Done(finished.returncode, finished.stdout, finished.stderr)
    assert code is None or done.code == code, f"{done.code}: {done.out[:1500]}{done.err}"
    assert "Traceback" not in done.out + done.err, done.err
    return done


def bench(cwd: Path, *arguments: str, code: int | None = 0, **environ: str | None) -> Any:
    """Run :data:`BENCH` with further arguments and return the record it made."""
    return mlrepo(cwd, *BENCH, *arguments, "--json", code=code, **environ).json["record"]


def start(cwd: Path, *arguments: str, **environ: str | None) -> subprocess.Popen[str]:
    """Start ``mlrepo`` in a session of its own and return at once."""
    return subprocess.Popen(
        [*MLREPO, *arguments],
        cwd=cwd,
        env=environment(**environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for a started command."""
    out, err = process.communicate(timeout=60)
    done = Done(process.returncode, out, err)
    assert "Traceback" not in done.out + done.err, done.err
    return done


def until(condition: Any, what: str, seconds: float = 30.0) -> Any:
    """Wait until ``condition()`` is true and return its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


def measuring_child(root: Path) -> int:
    """Wait until LoadGen measures in ``root`` and return the process id of the benchmark."""

    def measuring() -> bool:
        events = list(spool(root).glob("*/events.jsonl"))
        return any('"started"' in path.read_text() for path in events)

    until(measuring, "LoadGen to start")
    child: int = until(lambda: next(children(root), 0), "the child process")
    return child


def children(root: Path) -> Iterator[int]:
    """Yield the living processes whose working directory lies in the spool of ``root``."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            directory = (entry / "cwd").readlink()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if directory.is_relative_to(spool(root)) and state != "Z":
            yield int(entry.name)


def gone(pid: int) -> None:
    """Assert that a process ends soon; one that nobody has waited for yet counts as ended."""

    def ended() -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        return state == "Z"

    until(ended, f"process {pid} to end", 10)


def spool(root: Path) -> Path:
    """Return where the runs of ``root`` wait."""
    return root / ".git" / "mlrepo" / "spool"


def spooled(root: Path) -> list[str]:
    """Return the names of the runs that wait in the spool."""
    return sorted(p.name for p in spool(root).glob("*") if p.is_dir())


def refs(root: Path) -> str:
    """Return every reference with its target, and where HEAD points."""
    return git(root, "for-each-ref", "--format=%(refname) %(objectname)") + git(
        root, "rev-parse", "--symbolic-full-name", "HEAD"
    )


def everything(root: Path) -> Mapping[str, str]:
    """Return the content of all that a refused command must leave alone: tree, index, refs.

    Only objects that nothing refers to, and mlrepo's own empty directories and locks, may come.
    """
    found = {"refs": refs(root)}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.startswith((".git/objects/", ".git/mlrepo/crash/")) or not path.is_file():
            continue
        if name.startswith(".git/mlrepo/") and path.suffix == ".lock" and not path.stat().st_size:
            continue
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def branch_files(root: Path, branch: str = "exp/box") -> dict[str, str]:
    """Return path and blob id of every file on a branch."""
    lines = git(root, "ls-tree", "-r", "-z", branch).split("\0")
    return {line.partition("\t")[2]: line.split()[2] for line in lines if line}


def blob(root: Path, path: str, branch: str = "exp/box") -> bytes:
    """Return the bytes of a file on a branch."""
    return subprocess.run(
        ["git", "cat-file", "blob", f"{branch}:{path}"], cwd=root, capture_output=True, check=True
    ).stdout


def all_bytes(root: Path) -> bytes:
    """Return every object that any reference or reflog reaches, and every file of the spool."""
    names = git(root, "rev-list", "--objects", "--all", "--reflog")
    ids = "".join(f"{line.split()[0]}\n" for line in names.splitlines())
    objects = subprocess.run(
        ["git", "cat-file", "--batch"],
        cwd=root,
        input=ids.encode(),
        capture_output=True,
        check=True,
    ).stdout
    waiting = b"".join(p.read_bytes() for p in spool(root).rglob("*") if p.is_file())
    return objects + waiting


def as_another_machine(root: Path, run: str, **changes: Any) -> str:
    """Record a run as another machine would have, by Git's own means, and return its id.

    ``changes`` go into those parts of its record: ``dataset={"fingerprint": …}``.
    """
    work = root.parent / "work"
    git(root, "worktree", "add", "-q", str(work), "exp/box")
    other = "20991231T000000Z-abcdef"
    shutil.copytree(work / "runs" / run, work / "runs" / other)
    record = json.loads((work / "runs" / run / "run.json").read_text())
    record["host"]["host_processor_model_name"] = "Another CPU"
    record["run"] = other
    for part, values in changes.items():
        record[part] |= values
    (work / "runs" / other / "run.json").write_text(json.dumps(record))
    message = git(root, "log", "-1", "--format=%B", "exp/box")
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", message.replace(run, other))
    git(root, "worktree", "remove", "--force", str(work))
    return other
