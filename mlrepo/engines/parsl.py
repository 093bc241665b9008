"""Parsl: any site that a user's Parsl configuration describes (PBS, LSF, Kubernetes, clouds).

Parsl needs a driver: a process here that holds the configuration while jobs run. It is started with
the first job, works on a queue of the clone, and ends with the last.
"""

from __future__ import annotations

import hashlib
import importlib.util

from mlrepo.account import expanded
from mlrepo.engines import EngineSettings
from mlrepo.engines.local import QueuedEngine
from mlrepo.engines.options import flag, refuse_unknown, seconds
from mlrepo.engines.queue import Queue
from mlrepo.errors import UserError

OPTIONS = {
    "alone": "false: run although other jobs are on the node; the record says so",
    "limit": "the time limit, instead of mlrepo's estimate",
    "python": "the interpreter with mlrepo on the nodes",
    "directory": "where a node keeps its clone: a disk of its own",
}


class ParslEngine(QueuedEngine):
    """Jobs on the nodes of a Parsl configuration; ``settings.argument`` is its file."""

    WORKER = "mlrepo.engines.parsl_driver"
    elsewhere = True

    def __init__(self, settings: EngineSettings) -> None:
        options = settings.options
        refuse_unknown("parsl", options, OPTIONS)
        if not settings.argument:
            raise UserError(
                "The engine parsl needs the file of a Parsl configuration.",
                hint="Write --on parsl:FILE.py; the file sets `config` to a parsl.Config.",
            )
        self._file = expanded(settings.argument).absolute()
        self.python = options.get("python", "")
        self.directory = options.get("directory", "")
        self.exclusive = flag(options, "alone", True)
        self.limit = seconds(options, "limit")
        name = hashlib.sha256(str(self._file).encode()).hexdigest()[:8]
        super().__init__(Queue(settings.store / f"parsl-{name}"), str(self._file))

    def check(self) -> None:
        """Read the configuration, without starting anything of it."""
        if importlib.util.find_spec("parsl") is None:
            raise UserError(
                "Parsl is not installed here.", hint="Install it: `pip install 'mlrepo[parsl]'`."
            )
        from mlrepo.engines.parsl_config import read_config

        read_config(self._file)
