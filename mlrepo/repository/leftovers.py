"""Files that a killed process left: temporary files never renamed, and locks without an owner."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.locks import hold_if_free, locked
from mlrepo.repository.quarantine import sweep_quarantines

# Writing a file takes moments: a temporary file this old has no owner any more.
STALE_SECONDS = 600
_RANDOM = "?" * 8  # the suffix of tempfile


def is_stale(path: Path) -> bool:
    """Return whether a file was written long ago; a date far in the future counts, too.

    A clock that was set back leaves such dates, and the file would never become old enough.
    """
    return abs(time.time() - path.lstat().st_mtime) > STALE_SECONDS


def leftovers(repository: ResultsRepository) -> list[Path]:
    """Return what dead processes left in mlrepo's store and beside the files that it writes."""
    found = []
    for path in sorted({*_by_age(repository), *_by_process(repository)}):
        with contextlib.suppress(FileNotFoundError):  # its process lived, and has finished
            if _is_dead(path) if _process_of(path) else is_stale(path):
                found.append(path)
    return found


def remove_leftovers(repository: ResultsRepository) -> list[Path]:
    """Delete the leftovers and those of dead recordings; return what was deleted."""
    removed = sweep_quarantines(repository)
    with (
        locked(repository.store / "record.lock", timeout=60.0),
        locked(repository.store / "submission.lock", timeout=60.0),
        locked(repository.store / "truncate.lock", timeout=60.0),
    ):
        for path in leftovers(repository):
            if path.parent == repository.store / "spool":
                lock = hold_if_free(path)
                if lock is None:
                    continue
                lock.close()
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _by_age(repository: ResultsRepository) -> Iterator[Path]:
    root, store = repository.root, repository.store
    for directory, name in (
        (root, "mlrepo.toml"),
        *((system, "*") for system in repository.systems.glob("*/")),
        (repository.common_dir / "hooks", "*"),
        (store, "*"),
        (repository.common_dir / "info", "exclude"),
        (store / "raw", "*"),
        (store / "platform", "*"),
    ):
        yield from directory.glob(f".{name}.{_RANDOM}")
    yield from store.glob("tree-*")
    for note in store.glob("*.moving"):
        # If its lock still exists, the next recording on the branch breaks that lock.
        lock = repository.common_dir / f"{note.stem.replace('%2F', '/')}.lock"
        if not lock.exists():
            yield note
    for lock in (store / "spool").glob("*.lock"):
        if not lock.with_suffix("").exists():
            yield lock


def _by_process(repository: ResultsRepository) -> Iterator[Path]:
    store = repository.store
    for path in (
        *store.glob("raw/.*"),
        *store.glob("verdicts/*/.*"),
        *store.glob("official/*.old"),
    ):
        if _process_of(path):
            yield path


def _process_of(path: Path) -> int:
    """Return the process id at the end of a temporary name, or 0."""
    last = path.name.removesuffix(".old").rpartition(".")[2]
    return int(last) if last.isascii() and last.isdigit() and len(last) < 8 else 0


def _is_dead(path: Path) -> bool:
    try:
        os.kill(_process_of(path), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's
        return False
    return False
