"""The engine that a user names by ``--on``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlrepo.engines import Engine, EngineSettings
from mlrepo.errors import UserError
from mlrepo.plugins import ENGINES, load_plugin


def load_engine(on: str, options: Mapping[str, str], store: Path) -> Engine:
    """Return the engine ``NAME`` or ``NAME:ARGUMENT``.

    Raises
    ------
    UserError
        There is none of that name, or it refuses the argument or an option.
    """
    name, _, argument = on.partition(":")
    if not name:
        raise UserError("--on needs the name of an engine.", hint="Such as --on slurm:PARTITION.")
    made: Engine = load_plugin(ENGINES, name)(EngineSettings(argument, options, store))
    return made


def engine_name(on: str) -> str:
    """Return the name of an engine without its argument."""
    return on.partition(":")[0]
