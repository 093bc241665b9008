"""An environment with mlrepo, made on a node from wheels: a node needs Python and nothing else."""

from __future__ import annotations

import shlex
from pathlib import Path

from mlrepo import __version__
from mlrepo.errors import UserError


def environment(wheels: Path, directory: str, python: str) -> tuple[str, ...]:
    """Return lines of bash that make the environment once on a node.

    Afterwards ``interpreter`` is the one of the environment.

    Parameters
    ----------
    wheels:
        A directory that nodes can read, with a wheel of mlrepo of this version and of all that it
        needs; ``pip wheel`` makes one.
    directory:
        The node's directory, as its shell expands it; empty for the default.
    python:
        The interpreter that makes the environment; empty for ``python3``.

    Raises
    ------
    UserError
        The directory has no wheel of this mlrepo.
    """
    wheels = wheels.absolute()
    if not list(wheels.glob(f"mlrepo-{__version__}-*.whl")):
        raise UserError(
            f"{wheels} holds no wheel of mlrepo {__version__}.",
            hint=f"Make them: `pip wheel --wheel-dir {shlex.quote(str(wheels))} mlrepo`, from the "
            "sources of this version, with the extras of the backends that jobs use.",
        )
    place = directory or "/var/tmp/mlrepo-$(id -un)"
    return (
        f'place="{place}/environment-{__version__}"',
        'mkdir -p "${place%/*}"',
        "(",
        "  flock 9",
        '  if [ ! -e "$place/made" ]; then',
        f'    rm -rf "$place" && {shlex.quote(python or "python3")} -m venv "$place" &&',
        '    "$place/bin/python" -m pip install --quiet --disable-pip-version-check --no-index '
        f"--find-links {shlex.quote(str(wheels))} {shlex.quote(str(wheels))}/*.whl &&",
        '    touch "$place/made"',
        "  fi",
        ') 9> "$place.lock"',
        'interpreter="$place/bin/python"',
    )
