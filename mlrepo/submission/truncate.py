"""Truncating accuracy logs: the full log is kept first, then named, then replaced.

The order is what makes a kill at any moment harmless: (1) the full log lies in the raw store,
synced; (2) ``accuracy.txt`` names its SHA-256; (3) the file is replaced in one rename. Whoever
comes next finds either a full log and begins again, or a truncated one whose full log is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from mlrepo.digest import sha256_file
from mlrepo.errors import UserError
from mlrepo.logs.accuracy import (
    GAP,
    HEAD_SIZE,
    TRUNCATED_SIZE,
    hash_lines,
    truncated,
    with_hash_line,
)
from mlrepo.paths import DIVISIONS
from mlrepo.repository.files import write_atomically
from mlrepo.repository.locks import locked
from mlrepo.repository.raw_store import RawStore

ACCURACY_LOG = "mlperf_log_accuracy.json"
ACCURACY_TEXT = "accuracy.txt"

# The official tool creates accuracy.txt in the directories of compliance tests; in accuracy/ the
# accuracy script writes it, and its absence means that the run was never judged.
_TEST_DIRECTORY = re.compile(r"TEST[0-9]{2}\Z")


class Outcome(Enum):
    """What was done to an accuracy log."""

    TRUNCATED = "truncated"
    HASHED = "hash line written"
    UNCHANGED = "in order"


class Truncation(NamedTuple):
    """One accuracy log: what was done, its size before, the SHA-256 of the full log."""

    path: Path
    outcome: Outcome
    size: int
    sha256: str


def is_target(path: Path) -> bool:
    """Return whether an accuracy log at ``path`` is one that a submission truncates."""
    directory = path.parent.name
    wanted = directory == "accuracy" or bool(_TEST_DIRECTORY.match(directory))
    return path.name == ACCURACY_LOG and wanted


def accuracy_logs(root: Path, submitter: str = "") -> Iterator[Path]:
    """Yield the accuracy logs below ``root``; with ``submitter``, only in its directories."""
    bases = [root / division / submitter for division in DIVISIONS] if submitter else [root]
    for base in bases:
        for path in sorted(base.rglob(ACCURACY_LOG)):
            if is_target(path) and path.is_file() and not path.is_symlink():
                yield path


def truncate(path: Path, store: Path, origin: Path | None = None) -> Truncation:
    """Truncate one accuracy log in place; doing it again changes nothing.

    Parameters
    ----------
    store:
        mlrepo's own directory below the Git common directory; the full log goes to its ``raw``.
    origin:
        Where the kept log is said to come from, if not from ``path``.

    Raises
    ------
    UserError
        ``accuracy.txt`` is missing where the accuracy script should have written it, or the log
        is truncated and no full log that it belongs to is named or kept.
    """
    with locked(store / "truncate.lock", timeout=600.0):
        _remove_leftovers(path.parent)
        raw = RawStore(store / "raw")
        size = path.stat().st_size
        text = _accuracy_text(path)
        if size > TRUNCATED_SIZE:
            sha256 = raw.add(path)
            raw.pin(sha256, str(origin or path))
            _write_hash(path, text, sha256)
            with path.open("rb") as stream:
                short = truncated(stream, size)
            write_atomically(path, short)
            path.chmod(0o644)  # the store may share the full log's inode, and has it read-only
            return Truncation(path, Outcome.TRUNCATED, size, sha256)
        sha256 = _full_sha256(path, text, raw) if _is_truncated(path) else sha256_file(path)
        written = _write_hash(path, text, sha256)
        outcome = Outcome.HASHED if written else Outcome.UNCHANGED
        return Truncation(path, outcome, size, sha256)


def _accuracy_text(path: Path) -> bytes:
    file = path.with_name(ACCURACY_TEXT)
    if file.is_symlink():
        raise UserError(f"{file} is a symbolic link.", hint="Put a regular file in its place.")
    if file.is_file():
        return file.read_bytes()
    if _TEST_DIRECTORY.match(path.parent.name) or _TEST_DIRECTORY.match(path.parent.parent.name):
        return b""
    raise UserError(
        f"{file} is missing, so the hash of the full log cannot be written down; nothing was "
        "truncated.",
        hint="Run the accuracy script of the benchmark first and keep its output there.",
    )


def _write_hash(path: Path, text: bytes, sha256: str) -> bool:
    """Make ``accuracy.txt`` name the full log on exactly one line; return whether it had to."""
    if hash_lines(text) == [sha256]:
        return False
    write_atomically(path.with_name(ACCURACY_TEXT), with_hash_line(text, sha256))
    return True


def _is_truncated(path: Path) -> bool:
    data = path.read_bytes()
    return len(data) == TRUNCATED_SIZE and data[HEAD_SIZE : HEAD_SIZE + len(GAP)] == GAP


def _full_sha256(path: Path, text: bytes, raw: RawStore) -> str:
    """Return which full log a truncated one came from: the kept one, else the one named."""
    short = path.read_bytes()
    named = hash_lines(text)
    kept = {sha256: size for sha256, size in raw.entries() if size > TRUNCATED_SIZE}
    for sha256 in sorted(kept, key=lambda sha256: sha256 not in named):
        with (raw.root / sha256).open("rb") as stream:
            if truncated(stream, kept[sha256]) != short:
                continue
        if sha256_file(raw.root / sha256) == sha256:
            return sha256
    foreign = [sha256 for sha256 in named if sha256 not in kept]
    if len(set(foreign)) == 1:
        return foreign[0]
    problem = "names several full logs" if foreign else "names no full log that it came from"
    raise UserError(
        f"{path} is truncated, but {ACCURACY_TEXT} beside it {problem}, and none is kept here.",
        hint="Put the full log in its place again and run `mlrepo truncate`.",
    )


def _remove_leftovers(directory: Path) -> None:
    """Remove the temporary files of a truncation that was killed; the lock says none is alive."""
    for name in (ACCURACY_LOG, ACCURACY_TEXT):
        for leftover in directory.glob(f".{name}.????????"):
            leftover.unlink()
