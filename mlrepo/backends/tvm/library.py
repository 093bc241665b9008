"""Compiled models on the disk: a library, and beside it what is known of it.

A library is used only if it is whole: its SHA-256 is in the file beside it, which is written last.
It must never change under one name: loading it again in one process gives the old one.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlrepo.digest import sha256_file
from mlrepo.errors import UserError

_SHA256 = "sha256"


def kept(path: Path) -> Mapping[str, Any] | None:
    """Return what is known of a compiled model, None where there is none or no whole one."""
    try:
        about: Mapping[str, Any] = json.loads(_beside(path).read_text(encoding="utf-8"))
        return about if about[_SHA256] == sha256_file(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """Make a directory for a library that is to be kept as ``path``; yield where to write it.

    Raises
    ------
    UserError
        The disk is full, or the directory cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".compiling-") as directory:
            yield Path(directory) / path.name
    except OSError as error:
        raise not_written(path, error) from error


def keep(written: Path, path: Path, about: Mapping[str, Any]) -> None:
    """Put a library that is whole where it belongs, and what is known of it beside it."""
    text = json.dumps({**about, _SHA256: sha256_file(written)})
    beside = _beside(written)
    beside.write_text(text, encoding="utf-8")
    for file in (written, beside):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    written.replace(path)
    beside.replace(_beside(path))


def not_written(path: Path, error: OSError) -> UserError:
    """Return the error of a library that cannot be written."""
    return UserError(
        f"The compiled model {path} cannot be written: {error.strerror or error}.",
        hint="Make room, then run the same command.",
    )


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")
