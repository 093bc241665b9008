"""What the tests of compiling have done in another process, which finds it by its name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlrepo.backends.tvm.backend import TvmOnnxBackend
from mlrepo.errors import UserError


def sleep_long(note: Path, report: Any) -> Mapping[str, Any]:
    """Say who works, and one step; then do nothing for ten minutes."""
    note.write_text(str(os.getpid()))
    report(3, 8)
    time.sleep(600)
    return {}


def crash(_: Any) -> Mapping[str, Any]:
    """End by a signal, as a compiler does that has a fault."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def refuse(_: Any) -> Mapping[str, Any]:
    """Raise what the user can do something about."""
    raise UserError("No.", hint="Do this.", detail="All of it.")


def answer(_: Any) -> Mapping[str, Any]:
    """Return a result."""
    return {"a": [1]}


class DiesInOurPipeline(TvmOnnxBackend):
    """Its process is killed, except where TVM's own pipeline compiles."""

    def _compiled(self, part: Path, tiles: Any, because: str, on_step: Any) -> Mapping[str, Any]:
        if not because:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._compiled(part, tiles, because, on_step)


class Dies(TvmOnnxBackend):
    """Its process is killed, whatever compiles."""

    def _compiled(self, part: Path, tiles: Any, because: str, on_step: Any) -> Mapping[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}
