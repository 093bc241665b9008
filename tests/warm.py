"""Run commands in forks of a process that has imported mlrepo; only the import is shared.

Imports take two thirds of the time of a short command, and the tests run thousands of commands.
:class:`Warm` starts one interpreter, ``python -P tests/warm.py``, which imports the command line
once and forks for each command, with its own arguments, directory, environment and streams.
This cannot show whether a command imports everything it needs: the tests of Ctrl-C, pipes,
terminals, hooks and the demo start interpreters, and so does ``tests/unit/test_lazy_cli.py``.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

# Variables that mlrepo reads when a command runs. Others are read when an interpreter starts or a
# library is loaded, so that a command for which they differ needs a process of its own.
_READ_LATE = ("MLREPO_", "CK_MLPERF_", "ML_MODEL_", "PYTEST_", "COLUMNS", "NO_COLOR")
# Read by the tests' own sitecustomize.
_READ_FIRST = "MLREPO_TEST_"
_HANDED = 1 << 20
# Commands in one environment before it gets a warm interpreter, which costs as much as four.
_WORTH_IT = 4


class Warm:
    """The interpreter; it runs one command at a time."""

    def __init__(self, environ: Mapping[str, str], before: tuple[str, ...] = ()) -> None:
        self._busy = threading.Lock()
        self._line, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            self._process = subprocess.Popen(
                [*before, sys.executable, "-P", __file__, str(far.fileno())],
                # More threads than one cannot be forked.
                env={**environ, "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                # A command's are pipes too; Python looks at them when it starts.
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[far.fileno()],
            )
        atexit.register(self._close)

    def run(
        self, arguments: tuple[str, ...], cwd: Path, environ: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str] | None:
        """Run ``mlrepo`` as :func:`subprocess.run` does without input; None while another one runs.

        Raises
        ------
        subprocess.TimeoutExpired
            It took longer than ``timeout`` seconds and was killed.
        """
        if not self._busy.acquire(blocking=False):
            return None
        try:
            pipes = os.pipe(), os.pipe()
            mask = os.umask(0)
            os.umask(mask)
            job = json.dumps([arguments, str(cwd), mask, dict(environ)]).encode()
            socket.send_fds(self._line, [job], [pipes[0][1], pipes[1][1]])
            for _, written in pipes:
                os.close(written)
            pid = int(self._line.recv(_HANDED))
            try:
                out, err = _read([read for read, _ in pipes], pid, timeout, arguments)
            finally:
                code = int(self._line.recv(_HANDED))  # also of a killed one: the next has its own
        finally:
            self._busy.release()
        return subprocess.CompletedProcess(arguments, code, out, err)

    def _close(self) -> None:
        """End the interpreter."""
        self._line.close()
        self._process.communicate(timeout=30)


_Kind = tuple[tuple[str, ...], frozenset[tuple[str, str]]]
_seen: Counter[_Kind] = Counter()
_warm: dict[_Kind, Warm] = {}


def ran(
    arguments: tuple[str, ...],
    cwd: Path,
    environ: Mapping[str, str],
    timeout: float = 120,
    before: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """Run ``mlrepo`` without input, in a warm interpreter if its environment is a usual one.

    ``before`` is a command that starts the interpreter, as another user for example.

    Raises
    ------
    subprocess.TimeoutExpired
        It took longer than ``timeout`` seconds and was killed.
    """
    key = before, frozenset(pair for pair in environ.items() if not _is_read_late(pair[0]))
    _seen[key] += 1
    if _seen[key] > _WORTH_IT:
        if key not in _warm:
            _warm[key] = Warm(environ, before)
        done = _warm[key].run(arguments, cwd, environ, timeout)
        if done is not None:
            return done
    return subprocess.run(
        [*before, sys.executable, "-m", "mlrepo.cli.main", *arguments],
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _is_read_late(name: str) -> bool:
    return name.startswith(_READ_LATE) and not name.startswith(_READ_FIRST)


def _read(pipes: list[int], pid: int, timeout: float, arguments: tuple[str, ...]) -> list[str]:
    """Read both pipes to their ends, as text."""
    found = dict.fromkeys(pipes, b"")
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as waiting:
        for pipe in pipes:
            waiting.register(pipe, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(max(0.0, end - time.monotonic()))
            if not ready:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(arguments, timeout)
            for key, _ in ready:
                data = os.read(key.fd, _HANDED)
                found[key.fd] += data
                if not data:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    return [io.TextIOWrapper(io.BytesIO(found[pipe])).read() for pipe in pipes]


def _import_all() -> None:
    """Import the modules of mlrepo that commands import, but no framework."""
    importlib.import_module("pygit2")
    for room in ("cli", "bench", "selection", "delivery", "exchange", "report", "proposal"):
        package = importlib.import_module(f"mlrepo.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"mlrepo.{room}."):
            importlib.import_module(module.name)
    gc.freeze()  # a collection in a fork would copy all of it


def _serve(line: socket.socket) -> None:
    """Fork for each command, and return in its process."""
    while True:
        job, files, _, _ = socket.recv_fds(line, _HANDED, 2)
        if not job:
            os._exit(0)  # the tests have ended
        pid = os.fork()
        if not pid:
            line.close()
            _become(job, files)
            return
        for file in files:
            os.close(file)
        line.send(str(pid).encode())
        line.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def _become(job: bytes, files: list[int]) -> None:
    """Take over arguments, directory, umask, environment and streams of a command."""
    from mlrepo.cli import main

    arguments, cwd, mask, environ = json.loads(job)
    for target, file in enumerate(files, start=1):
        os.dup2(file, target)
        os.close(file)
    os.umask(mask)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    sys.path.insert(0, cwd)  # as `python -m` does
    sys.argv = [str(main.__file__), *arguments]


def _exit(code: int) -> NoReturn:
    """End as an interpreter does, but let the system free the memory."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:  # OpenVINO's handler closes standard error at exit
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    from mlrepo.cli.main import main

    _import_all()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    _exit(main())
