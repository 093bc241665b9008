"""Work in a process of its own, within a time: TVM cannot be interrupted while it compiles.

The process is a fork: it has TVM loaded already, and a crash of LLVM or an end by the kernel for
its memory is an error here, too, that can be answered.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from mlrepo.errors import MlrepoError, UserError, whole_reason
from mlrepo.lifetime import end_with_parent

Report = Callable[[int, int], None]

# Steps are reported this often, in seconds.
_EVERY = 0.5


class OutOfTime(Exception):
    """The time was up before the work was done."""


class Died(Exception):
    """The process ended without a result: by a signal, mostly."""


def work_within(
    seconds: float, work: Callable[[Report], Mapping[str, Any]], on_step: Report
) -> Mapping[str, Any]:
    """Return what ``work`` returns, which must fit into JSON, from another process.

    Parameters
    ----------
    work:
        Is given a function for its steps: how many are done, of how many.
    on_step:
        Is given the same here.

    Raises
    ------
    OutOfTime
        ``seconds`` were not enough.
    Died
        The process ended before it had an answer.
    MlrepoError
        ``work`` raised it, or something else that became one.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    with warnings.catch_warnings():
        # Python warns of threads, which may hold locks: those that run here (parent-watch, and the
        # idle ones of ONNX Runtime, OpenMP and TVM) hold none that compiling takes.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(parent, writing, work)
    os.close(writing)
    status: int | None = None
    try:
        return _wait(reading, seconds, on_step)
    except EOFError:
        status = os.waitpid(child, 0)[1]
        code = os.waitstatus_to_exitcode(status)
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise Died(f"the compiling process ended {how}") from None
    finally:
        os.close(reading)
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _answer(parent: int, writing: int, work: Callable[[Report], Mapping[str, Any]]) -> NoReturn:
    """Work, and write the steps and the result; never return into what the fork copied."""
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            _write(writing, {"step": [done, total]})

    try:
        end_with_parent(parent)
        _write(writing, {"result": work(report)})
    except MlrepoError as error:
        said = {"message": error.message, "hint": error.hint, "detail": error.detail}
        _write(writing, {"error": said})
    except BaseException as error:
        traceback.print_exc()
        _write(writing, {"error": {"message": whole_reason(error), "hint": "", "detail": ""}})
    finally:
        os._exit(0)


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
