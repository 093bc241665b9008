"""A user's Parsl configuration: read, and looked at before anything runs."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.errors import UserError

if TYPE_CHECKING:
    from parsl.config import Config


def read_config(file: Path) -> Config:
    """Return the ``config`` that a file of Python sets.

    Raises
    ------
    UserError
        It cannot be run, sets none, or lets several workers share a node: two runs would measure at
        the same time.
    """
    from parsl.config import Config

    try:
        found = runpy.run_path(str(file)).get("config")
    except FileNotFoundError as error:
        raise UserError(f"There is no {file}.", hint="Check the path.") from error
    except Exception as error:
        raise UserError.caused_by(
            f"{file} cannot be run", error, hint="Run it with Python to see where it fails."
        ) from error
    if not isinstance(found, Config):
        raise UserError(f"{file} sets no `config`.", hint="It must set `config` to a parsl.Config.")
    for executor in found.executors:
        workers = getattr(executor, "max_workers_per_node", None)
        if hasattr(executor, "max_workers_per_node") and workers != 1:
            raise UserError(
                f"{file}: the executor {executor.label} lets {workers or 'several'} workers share "
                "a node, and two runs would measure at the same time.",
                hint="Set max_workers_per_node=1.",
            )
    return found


def nodes_of(config: Config) -> int:
    """Return how many jobs can run at a time: the nodes of all blocks together, at least one."""
    found = 0
    for executor in config.executors:
        provider = getattr(executor, "provider", None)
        blocks = getattr(provider, "max_blocks", 1) or 1
        found += blocks * (getattr(provider, "nodes_per_block", 1) or 1)
    return max(1, found)
