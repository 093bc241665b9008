"""No process outlives its parent, and a run notices other benchmarks."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mlrepo as package
from mlrepo.harness import child
from mlrepo.lifetime import bound
from mlrepo.systems import noise
from tests.e2e.driver import (
    BENCH,
    LONG,
    MLREPO,
    environment,
    finish,
    measuring_child,
    mlrepo,
    start,
    until,
)

PACKAGE = Path(package.__file__).parent
ENDINGS = [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP]


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in text.split()]


def _dead_process() -> str:
    """Return a holder that has ended."""
    script = "from mlrepo.lifetime import this_process; print(this_process())"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("kind", [child.RUN, child.PROBE])
def test_a_child_whose_parent_ended_before_it_was_bound_does_nothing(
    tmp_path: Path, kind: str
) -> None:
    """The parent was killed while the interpreter started: nothing is loaded, nothing written."""
    done = subprocess.run(
        [*child.command(kind)[:-1], _dead_process()], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert (done.stdout, done.stderr) == (b"", b"")
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_was_given_again_is_another_process(tmp_path: Path) -> None:
    """The holder's id is alive, but its start is another."""
    process, _, namespace = _dead_process().split(":")
    holder = f"{os.getpid()}:1:{namespace}"
    assert holder.split(":")[0] != process
    done = subprocess.run(
        [*child.command(child.RUN)[:-1], holder], cwd=tmp_path, check=False, timeout=60
    )
    assert done.returncode == 1


def test_a_child_in_another_process_namespace_runs_all_the_same(tmp_path: Path) -> None:
    """A prefix such as a container: the holder cannot be seen from there, and may live."""
    holder = f"{os.getpid()}:1:1"
    done = subprocess.run(
        [*child.command(child.RUN)[:-1], holder], cwd=tmp_path, check=False, timeout=60
    )
    assert done.returncode == 3  # it looked for its specification
    assert "spec.json" in (tmp_path / "events.jsonl").read_text()


def test_the_child_imports_nothing_before_it_is_bound() -> None:
    """A second of imports is a second in which a killed parent leaves an orphan."""
    script = (
        "import sys, mlrepo.harness.child; "
        "print(*sorted(m for m in sys.modules if m in ('numpy', 'mlperf_loadgen', 'psutil')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"\n"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3])
def test_a_parent_killed_while_its_child_starts_leaves_none(
    root: Path, ending: signal.Signals, delay: float
) -> None:
    """Whatever the child had reached by then."""
    process = start(root, *LONG)
    (started,) = until(lambda: _children(process.pid), "the child to start")
    time.sleep(delay)
    os.kill(process.pid, ending)
    until(lambda: not _alive(started), "the child to end", 10)
    finish(process)


@pytest.mark.parametrize("ending", ENDINGS)
def test_workers_end_with_their_parent(ending: signal.Signals) -> None:
    """They would hold its standard output open, and whoever reads it would wait."""
    script = (
        "import time\n"
        "from mlrepo.lifetime import worker_pool\n"
        "with worker_pool(2) as pool:\n"
        "    for _ in range(4): pool.submit(time.sleep, 120)\n"
        "    print('working', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"working\n"
    workers = until(lambda: _children(process.pid), "workers")
    process.send_signal(ending)
    until(lambda: not any(map(_alive, workers)), "the workers to end", 10)
    assert process.stdout.read() == b""
    assert process.wait() == -ending
    process.stdout.close()


def test_workers_leave_ctrl_c_to_their_parent() -> None:
    """A terminal sends it to all: one message is enough, and it is not a traceback of theirs."""
    script = (
        "import os, time\n"
        "from mlrepo.lifetime import worker_pool\n"
        "with worker_pool(2) as pool:\n"
        "    waits = [pool.submit(time.sleep, 1) for _ in range(2)]\n"
        "    print('working', flush=True)\n"
        "    try:\n"
        "        time.sleep(120)\n"
        "    except KeyboardInterrupt:\n"
        "        print([one.result() for one in waits])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"working\n"
    until(lambda: len(_children(process.pid)) == 2, "workers")
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate()[0] == b"[None, None]\n"


def test_a_program_of_others_ends_with_its_parent() -> None:
    """MLCommons' checker runs for minutes."""
    script = (
        "import subprocess\n"
        "from mlrepo.lifetime import bound\n"
        "subprocess.run(bound(['sleep', '120']))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    (sleeper,) = until(lambda: _children(process.pid), "the program")
    name = Path(f"/proc/{sleeper}/comm")
    until(lambda: name.read_text() == "sleep\n", "the program to be executed")
    process.kill()
    process.wait()
    until(lambda: not _alive(sleeper), "the program to end", 10)


def test_a_bound_program_keeps_its_exit_code_and_output() -> None:
    """Binding is not seen from outside."""
    done = subprocess.run(
        bound(["sh", "-c", "echo said; exit 5"]), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (5, b"said\n")


def test_no_room_starts_workers_that_are_not_bound() -> None:
    """Every pool of processes is made by the one function that binds them."""
    makers = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            names = [alias.name for alias in node.names]
            module = getattr(node, "module", "") or ""
            if "ProcessPoolExecutor" in names or any(
                name.partition(".")[0] == "multiprocessing" for name in (*names, module)
            ):
                makers.append(path.relative_to(PACKAGE).as_posix())
    assert set(makers) == {"lifetime.py"}


def test_a_run_notices_another_on_the_machine(root: Path) -> None:
    """It is said before, and recorded: two that run at once are slower than one."""
    assert child.__name__ == noise.BENCHMARK
    other = start(root, *LONG)
    measuring_child(root)
    done = mlrepo(root, *BENCH, "--json")
    assert f"process {other.pid}" in done.err
    noted = json.loads(done.out)["record"]["load"]["noise"]
    assert any(name.startswith(f"process {other.pid} ") for name in noted["benchmarks"])
    assert any("of mlrepo ran" in text for text in noted["disturbances"])
    mlrepo(root, *BENCH, "--require-quiet", code=75).says(f"process {other.pid}")
    os.kill(other.pid, signal.SIGINT)
    finish(other)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_check_that_is_ended_leaves_no_worker(tmp_path: Path, ending: signal.Signals) -> None:
    """A tree of many submitters, whose pipes of logs keep workers waiting."""
    for number in range(8):
        run = tmp_path / f"open/Org{number}/results/box/resnet50/Offline/performance/run_1"
        run.mkdir(parents=True)
        systems = tmp_path / f"open/Org{number}/systems"
        systems.mkdir()
        (systems / "box.json").write_text("{}" * 200_000)
        (run / "mlperf_log_detail.txt").write_text(':::MLLOG {"key": "x"}\n' * 400_000)
    process = subprocess.Popen(
        [*MLREPO, "check", str(tmp_path), "--round", "v5.1", "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    workers = until(lambda: _children(process.pid), "workers")
    process.send_signal(ending)
    assert process.stdout is not None
    process.stdout.read()
    process.wait()
    process.stdout.close()
    until(lambda: not any(map(_alive, workers)), "the workers to end", 10)
