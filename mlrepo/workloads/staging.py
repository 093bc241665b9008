"""Atomic creation of a directory with all files of a model."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.model_files import ModelFiles, find_model_files

_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST)


@contextlib.contextmanager
def whole_directory(
    target: Path, staging: Path, refuse_taken: Callable[[], None]
) -> Iterator[Path]:
    """Yield a new directory to write into, which is moved to ``target`` at the end.

    Parameters
    ----------
    staging:
        A directory on the same file system. Remains of killed processes there are removed: each
        process holds a lock on its own part.
    refuse_taken:
        Raises if what exists at ``target`` by then may not be replaced.

    Raises
    ------
    UserError
        Something could not be written; nothing is left.
    """
    own: Path | None = None
    lock = -1
    try:
        staging.mkdir(parents=True, exist_ok=True)
        _sweep(staging)
        own = Path(tempfile.mkdtemp(dir=staging))
        lock = _lock(own)
        directory = own / "whole"
        directory.mkdir()
        yield directory
        _move(directory, target, own / "replaced", refuse_taken)
    except OSError as error:
        raise UserError(
            f"{target} cannot be written: {error.strerror or error}.",
            hint="Make room, or make the directory writable, then run the same command.",
        ) from error
    finally:
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)
            with contextlib.suppress(OSError):
                staging.rmdir()  # fails if another process is using it
        if lock >= 0:
            os.close(lock)


def copy_model(files: ModelFiles, entry: Path) -> None:
    """Copy all files of a model, with its entry file at ``entry``, and verify the copy.

    Raises
    ------
    UserError
        The model was changed in the meantime.
    OSError
        Something could not be read or written.
    """
    for source in files.paths():
        name = source.relative_to(files.root)
        single = source == files.entry
        target = entry if single else (entry if files.root == files.entry else entry.parent) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        with target.open("rb") as stream:
            os.fsync(stream.fileno())
    if find_model_files(entry).digest != files.digest:
        raise UserError(
            f"The model {files.entry} was changed while it was copied.",
            hint="Run the same command once nothing writes to it.",
        )


def _move(directory: Path, target: Path, replaced: Path, refuse_taken: Callable[[], None]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            directory.rename(target)
            return
        except OSError as error:
            if error.errno not in _OCCUPIED:
                raise
        refuse_taken()
        with contextlib.suppress(FileNotFoundError):
            target.rename(replaced)
        shutil.rmtree(replaced, ignore_errors=True)


def _lock(directory: Path) -> int:
    """Return the descriptor of a lock that ends with this process; -1 if it cannot be taken."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return -1
    return descriptor


def _sweep(staging: Path) -> None:
    for left in staging.iterdir():
        with contextlib.suppress(OSError):
            lock = _lock(left)
            if lock >= 0:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)
