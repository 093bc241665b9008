"""The entry of a child process: ``python -m mlrepo.harness.child run|probe|reference HOLDER``.

The process is bound to the mlrepo process HOLDER before the imports, which take a second: if the
parent were killed meanwhile, the benchmark would keep running beside the next one.
"""

from __future__ import annotations

import sys
from importlib import import_module

from mlrepo.lifetime import be_killed_first, end_with, this_process

RUN, PROBE, REFERENCE = "run", "probe", "reference"
_MODULES = {
    RUN: "mlrepo.harness.execution",
    PROBE: "mlrepo.harness.probe",
    REFERENCE: "mlrepo.harness.reference",
}


def command(kind: str) -> list[str]:
    """Return the command that starts a child of this process."""
    return [sys.executable, "-P", "-m", __name__, kind, this_process()]


def main() -> None:
    """Bind the process to its holder, then run its module."""
    end_with(sys.argv[2])
    be_killed_first()
    import_module(_MODULES[sys.argv[1]]).main()


if __name__ == "__main__":
    main()
