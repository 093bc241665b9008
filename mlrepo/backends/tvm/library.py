"""Compiled models on disk: a library, and a metadata file beside it.

A library is used only if it is complete: its SHA-256 is in the metadata file, which is written
last. The content of a name must never change: a process that loads it again gets the old one.
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
    """Return the metadata of a compiled model, None if it is missing or incomplete."""
    try:
        about: Mapping[str, Any] = json.loads(_beside(path).read_text(encoding="utf-8"))
        return about if about[_SHA256] == sha256_file(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """Make a directory for a library that will be kept as ``path``; yield where to write it.

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
    """Move a complete library to its path, and write its metadata beside it."""
    text = json.dumps({**about, _SHA256: sha256_file(written)})
    beside = _beside(written)
    beside.write_text(text, encoding="utf-8")
    for file in (written, beside):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    written.replace(path)
    beside.replace(_beside(path))


def not_written(path: Path, error: OSError) -> UserError:
    """Return the error for a library that cannot be written."""
    return UserError(
        f"The compiled model {path} cannot be written: {error.strerror or error}.",
        hint="Make room, then run the same command.",
    )


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")
