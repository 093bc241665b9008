"""The directory in which a submission is rehearsed."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.locks import hold_if_free


@contextlib.contextmanager
def rehearsal_directory(repository: ResultsRepository, keep: Path | None) -> Iterator[Path]:
    """Yield a new directory for the repositories of a rehearsal, removed afterwards.

    It is below the repository's own store, where there is room for as much as is selected. The
    leftovers of a killed rehearsal are removed.

    Parameters
    ----------
    keep:
        An empty or new directory to use instead, which is not removed.

    Raises
    ------
    UserError
        ``keep`` is not empty, or cannot be created.
    """
    if keep is not None:
        yield _made(keep).resolve()
        return
    root = repository.store / "rehearsal"
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob("*.lock"):
        _remove_if_left(left)
    with tempfile.NamedTemporaryFile(dir=root, suffix=".lock", delete=False) as made:
        lock = Path(made.name)
    held = hold_if_free(lock)
    directory = lock.with_suffix("")
    try:
        directory.mkdir()
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        lock.unlink(missing_ok=True)
        if held is not None:
            held.close()


def _remove_if_left(lock: Path) -> None:
    """Remove the directory of a rehearsal whose process has ended."""
    held = hold_if_free(lock)
    if held is not None:
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)
        held.close()


def _made(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        is_empty = next(directory.iterdir(), None) is None
    except OSError as error:
        raise UserError(
            f"--keep {directory}: {error.strerror or error}.", hint="Name a new directory."
        ) from error
    if not is_empty:
        raise UserError(
            f"--keep {directory}: there is something in it already.", hint="Name a new directory."
        )
    return directory
