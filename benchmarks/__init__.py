"""Measurements. Each runs from the root of the project: ``python -m benchmarks.NAME --help``."""

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_RUN = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); name = sys.argv.pop(1); "


def child(name: str, *arguments: str) -> list[str]:
    """Return the command that runs the benchmark ``name`` in a new process, from any directory."""
    run = f"{_RUN}runpy.run_module(name, run_name='__main__', alter_sys=True)"
    return [sys.executable, "-c", run, str(_ROOT), f"{__name__}.{name}", *arguments]
