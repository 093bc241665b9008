"""Work on a queue with Parsl: ``python -P -m mlrepo.engines.parsl_driver DIRECTORY CONFIGURATION``.

As many jobs are handed to Parsl as it has nodes; the others wait in the queue, where they can be
cancelled.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import Future
from pathlib import Path

from mlrepo.engines.parsl_config import nodes_of, read_config
from mlrepo.engines.queue import Queue, QueuedJob, working_on
from mlrepo.errors import error_line
from mlrepo.lifetime import bound

_POLL_SECONDS = 0.2
# What an executor of Parsl starts beside the driver.
_PROGRAM = "interchange_launch_cmd"


def run_script(script: str, seconds: float) -> tuple[int, str]:
    """Run a script of bash on the node, and return its exit code and what it printed.

    Parsl sends this function by value: the worker needs Python and nothing of mlrepo.
    """
    import os
    import signal
    import subprocess
    import tempfile

    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["bash", "-s"], stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
        assert process.stdin is not None
        process.stdin.write(script.encode())
        process.stdin.close()
        notice = min(120.0, seconds / 2)
        for wait, number in ((seconds - notice, signal.SIGTERM), (notice, signal.SIGKILL)):
            try:
                process.wait(wait)
                break
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, number)
        code = process.wait()
        log.seek(0)
        return code, log.read().decode(errors="replace")


def drive(root: Path, file: Path) -> None:
    """Run the entries of a queue on the nodes of a configuration until none is left."""
    # Parsl starts programs of its own, which are beside the interpreter.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    queue = Queue(root)
    with working_on(queue) as mine:
        if not mine or not queue.open_entries():
            return
        try:
            _work(queue, file)
        except Exception as error:  # of the configuration or of Parsl: each job says so
            for entry in queue.open_entries():
                queue.end(entry.number, f"Parsl failed: {error_line(error)}")
            raise


def _work(queue: Queue, file: Path) -> None:
    import parsl

    config = read_config(file)
    config.run_dir = str(queue.root / "runinfo")
    for executor in config.executors:  # their program would outlive a driver that is killed
        if command := getattr(executor, _PROGRAM, None):
            setattr(executor, _PROGRAM, bound(command))
    most = nodes_of(config)
    going: dict[int, tuple[QueuedJob, Future[tuple[int, str]]]] = {}
    with parsl.load(config):
        app = parsl.python_app(run_script)
        while entries := queue.open_entries():
            for entry in entries:
                free = entry.number not in going and len(going) < most
                if free and queue.begin(entry.number):
                    script = (queue.root / f"{entry.number}.sh").read_text(encoding="utf-8")
                    going[entry.number] = entry, app(script, entry.seconds)
            for number, (entry, future) in list(going.items()):
                if future.done():
                    del going[number]
                    queue.end(number, _ended(entry, future))
            time.sleep(_POLL_SECONDS)


def _ended(entry: QueuedJob, future: Future[tuple[int, str]]) -> str:
    """Write the log of a job that has ended, and return how it did."""
    try:
        code, printed = future.result()
    except Exception as error:  # of Parsl: the worker or its node is gone
        return f"Parsl lost it: {error_line(error)}"
    with Path(entry.log).open("a", encoding="utf-8") as log:
        log.write(printed)
    return "it ended" if code == 0 else f"it failed with exit code {code}"


if __name__ == "__main__":
    drive(Path(sys.argv[1]), Path(sys.argv[2]))
