"""Work in a separate process with a time limit: TVM cannot be interrupted while it compiles.

A crash of LLVM, or a kill when memory runs out, also becomes an error that can be handled here.
The process is new, not forked: the threads of TVM, OpenMP and PyTorch in this process would be
missing in a fork, which would wait for them forever.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from mlrepo.errors import MlrepoError, UserError, whole_reason
from mlrepo.lifetime import end_with_parent

Report = Callable[[int, int], None]

# Seconds between two reports of steps.
_EVERY = 0.5


class OutOfTime(Exception):
    """The time limit was reached before the work was done."""


class Died(Exception):
    """The process ended without a result, usually by a signal."""


def work_within(
    seconds: float, work: Callable[[Report], Mapping[str, Any]], on_step: Report
) -> Mapping[str, Any]:
    """Run ``work`` in another process and return its result, which must be valid as JSON.

    Parameters
    ----------
    work:
        Called with a function to which it reports how many steps of how many are done. It is
        pickled.
    on_step:
        Called here with the reported steps.

    Raises
    ------
    OutOfTime
        ``seconds`` were not enough.
    Died
        The process ended without a result.
    MlrepoError
        ``work`` raised it, or another error that was turned into one.
    """
    reading, writing = os.pipe()
    command = [sys.executable, "-P", "-m", __name__, str(os.getpid()), str(writing)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(writing,))
    os.close(writing)
    try:
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError), child.stdin as stream:
            pickle.dump(sys.path, stream)
            pickle.dump(work, stream)
        return _wait(reading, seconds, on_step)
    except EOFError:
        code = child.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise Died(f"the compiling process ended {how}") from None
    finally:
        os.close(reading)
        child.kill()
        child.wait()


def main() -> None:
    """Do the work that the parent process asks for."""
    end_with_parent(int(sys.argv[1]))
    sys.path[:] = pickle.load(sys.stdin.buffer)
    _answer(int(sys.argv[2]), pickle.load(sys.stdin.buffer))


def _answer(writing: int, work: Callable[[Report], Mapping[str, Any]]) -> None:
    """Do the work; write its steps and its result."""
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            _write(writing, {"step": [done, total]})

    try:
        _write(writing, {"result": work(report)})
    except MlrepoError as error:
        said = {"message": error.message, "hint": error.hint, "detail": error.detail}
        _write(writing, {"error": said})
    except BaseException as error:
        traceback.print_exc()
        _write(writing, {"error": {"message": whole_reason(error), "hint": "", "detail": ""}})


def _write(descriptor: int, message: Mapping[str, Any]) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


def _wait(reading: int, seconds: float, on_step: Report) -> Mapping[str, Any]:
    deadline = time.monotonic() + seconds
    data = b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise OutOfTime
        more = os.read(reading, 65536)
        if not more:
            raise EOFError
        *lines, data = (data + more).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "step" in message:
                on_step(*message["step"])
            elif "error" in message:
                raise UserError(message["error"].pop("message"), **message["error"])
            else:
                result: Mapping[str, Any] = message["result"]
                return result


if __name__ == "__main__":
    main()
