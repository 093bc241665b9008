"""Truncate accuracy logs: keep the full log, then name its hash, then replace the file.

This order makes a kill at any moment harmless: (1) the full log is kept and synced;
(2) ``accuracy.txt`` names its SHA-256; (3) one rename replaces the file. The next process finds
either a full log and starts over, or a truncated one whose full log is kept.

A hash already in ``accuracy.txt`` is evidence of which log was judged: it is compared first and
never replaced by that of another file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from mlrepo.digest import sha256_file
from mlrepo.errors import UserError
from mlrepo.guard.full_logs import FullLogs
from mlrepo.logs.accuracy import (
    TRUNCATED_SIZE,
    is_as_truncated,
    is_truncated,
    named_hashes,
    names_only,
    truncated,
    with_hash_line,
)
from mlrepo.paths import DIVISIONS
from mlrepo.repository.files import write_atomically
from mlrepo.repository.locks import locked
from mlrepo.stand_in import HEAD, WAY_OUT, stand_in

ACCURACY_LOG = "mlperf_log_accuracy.json"
ACCURACY_TEXT = "accuracy.txt"

# The logs that the rounds' truncate_accuracy_log.py may truncate; each compliance test defines
# which of its logs are. Up to v5.1 tests have a separate tree; since v6.0 they are beside
# accuracy/. A test's log may also be in the test's own directory, where LoadGen writes it. The
# hooks of the pre-commit framework use the same pattern.
TARGET = (
    r"^(closed|open|network)/[^/]+/"
    r"(results|compliance)/([^/]+/){3}(accuracy|TEST[0-9]{2}(/accuracy)?)"
    r"/mlperf_log_accuracy\.json$"
)
_TARGET = re.compile(TARGET)
# The official tool creates accuracy.txt in the directories of compliance tests. In accuracy/ the
# accuracy script writes it: if it is missing, the run was never judged.
_TEST_DIRECTORY = re.compile(r"TEST[0-9]{2}\Z")
_CHANGED = "a truncated log that was changed afterwards"
_UNDO = (
    "Put the truncated log back as it was (Git's core.autocrlf and editors convert line ends and "
    "encodings), or the full log, and run `mlrepo truncate`."
)
_JUDGE_AGAIN = (
    "Put the log that was judged in its place, or run the accuracy script on this one and keep "
    f"all of its output as {ACCURACY_TEXT}."
)


class Treatment(Enum):
    """What was done to an accuracy log."""

    TRUNCATED = "truncated"
    HASHED = "hash line written"
    UNCHANGED = "in order"


class Truncation(NamedTuple):
    """One accuracy log: what was done, its previous size, and the SHA-256 of the full log."""

    path: Path
    outcome: Treatment
    size: int
    sha256: str


def is_target(path: Path) -> bool:
    """Return whether an accuracy log at ``path`` is one that its round truncates."""
    # Counted from the end: the root of a submission may be anywhere.
    parts = path.absolute().parts
    return any(_is_truncated("/".join(parts[-depth:])) for depth in (8, 9))


def _is_truncated(path: str) -> bool:
    found = _TARGET.match(path)
    if found is None:
        return False
    tree, directory = found[2], found[4]
    if directory == "accuracy":
        return tree == "results"
    from mlrepo.compliance import compliance_test  # few commits have a test's log

    return tree in compliance_test(directory.partition("/")[0]).truncated_in


def accuracy_logs(root: Path, submitter: str = "", source: Path | None = None) -> Iterator[Path]:
    """Yield the accuracy logs below ``root`` that their round truncates, in order.

    Parameters
    ----------
    submitter:
        Only in this submitter's directories; empty for all.
    source:
        The original if ``root`` is a copy; its path decides which logs they are.
    """
    bases = [root / division / submitter for division in DIVISIONS] if submitter else [root]
    for base in bases:
        for path in sorted(base.rglob(ACCURACY_LOG)):
            place = (source or root) / path.relative_to(root)
            if is_target(place) and path.is_file() and not path.is_symlink():
                yield path


def truncate(
    path: Path, store: Path | None, origin: Path | None = None, backup: Path | None = None
) -> Truncation:
    """Truncate one accuracy log in place; doing it again changes nothing.

    Parameters
    ----------
    store, backup:
        Where the full log is kept; see :class:`~mlrepo.guard.full_logs.FullLogs`.
    origin:
        The origin recorded for the kept log, if not ``path``.

    Raises
    ------
    UserError
        The file is not the log that ``accuracy.txt`` names, is not an accuracy log, or is a
        truncated one whose full log is neither named nor kept; or ``accuracy.txt`` is missing
        where the accuracy script should have written it. Nothing was changed.
    """
    full_logs = FullLogs(store, backup)
    with locked(full_logs.lock(path), timeout=600.0):
        _remove_leftovers(path.parent)
        size = path.stat().st_size
        text = _accuracy_text(path)
        named = _named(path, text)
        with path.open("rb") as stream:
            head = stream.read(HEAD)
            cut = is_truncated(stream, size)
        if not cut and size > TRUNCATED_SIZE:
            full_logs.refuse_taken_backup(path)
        if cut and is_as_truncated(path.read_bytes()):
            sha256 = _full_sha256(path, named, full_logs)
        else:
            sha256 = _compared(path, named, _CHANGED if cut else stand_in(head))
        if cut or size <= TRUNCATED_SIZE:
            written = _write_hash(path, text, sha256)
            outcome = Treatment.HASHED if written else Treatment.UNCHANGED
            return Truncation(path, outcome, size, sha256)
        full_logs.keep(path, sha256, str(origin or path))
        _write_hash(path, text, sha256)
        with path.open("rb") as stream:
            short = truncated(stream, size)
        write_atomically(path, short)
        path.chmod(0o644)  # it may share an inode with the store, which is read-only
        return Truncation(path, Treatment.TRUNCATED, size, sha256)


def _accuracy_text(path: Path) -> bytes:
    file = path.with_name(ACCURACY_TEXT)
    if file.is_symlink():
        raise UserError(f"{file} is a symbolic link.", hint="Put a regular file in its place.")
    if file.is_file():
        text = file.read_bytes()
        what = stand_in(text[:HEAD])
        if what:
            raise UserError(
                f"{file} is {what}: a hash in it cannot be read, nor one added.",
                hint="Put the output of the accuracy script in its place, in UTF-8.",
            )
        return text
    if _TEST_DIRECTORY.match(path.parent.name) or _TEST_DIRECTORY.match(path.parent.parent.name):
        return b""
    raise UserError(
        f"{file} is missing, so the hash of the full log cannot be written down; nothing was "
        "truncated.",
        hint="Run the accuracy script of the benchmark first and keep its output there.",
    )


def _named(path: Path, text: bytes) -> str:
    """Return the hash that ``accuracy.txt`` names, or ''."""
    named = named_hashes(text)
    if len(named) > 1:
        raise UserError(
            f"{path.with_name(ACCURACY_TEXT)} names {len(named)} logs: {', '.join(named)}. The "
            f"SHA-256 of {path.name} is {sha256_file(path)}.",
            hint="Keep the line hash= of the log that was judged, and remove the others. "
            + _JUDGE_AGAIN,
        )
    return named[0] if named else ""


def _compared(path: Path, named: str, what: str) -> str:
    """Return the SHA-256 of a file, verified to be an accuracy log and the one that is named."""
    sha256 = sha256_file(path)
    if what:
        hint = _UNDO if what == _CHANGED else WAY_OUT
        names = f"; {ACCURACY_TEXT} names {named}" if named else ""
        raise UserError(f"{path} is {what}, SHA-256 {sha256}{names}.", hint=hint)
    if named and named != sha256:
        raise UserError(
            f"{path} is not the log that {ACCURACY_TEXT} beside it names: its SHA-256 is {sha256}, "
            f"{ACCURACY_TEXT} names {named}.",
            hint=_JUDGE_AGAIN,
        )
    return sha256


def _write_hash(path: Path, text: bytes, sha256: str) -> bool:
    """Make ``accuracy.txt`` name the full log on exactly one line; return whether it had to."""
    if names_only(text, sha256):
        return False
    write_atomically(path.with_name(ACCURACY_TEXT), with_hash_line(text, sha256))
    return True


def _full_sha256(path: Path, named: str, full_logs: FullLogs) -> str:
    """Return the SHA-256 of a truncated log's full log: the one named, else the one kept."""
    kept = full_logs.cut_to(path.read_bytes())
    own = sha256_file(path)
    if named == own:
        problem = f"{ACCURACY_TEXT} beside it names the truncated log itself, {own}"
    elif named and (named in kept or not full_logs.holds(named)):
        return named
    elif named:
        problem = f"it is not cut from the log {named} that {ACCURACY_TEXT} beside it names"
    elif len(kept) == 1:
        return kept[0]
    elif kept:
        problem = f"it may be cut from each of {len(kept)} kept logs: {', '.join(kept)}"
    else:
        problem = (
            f"{ACCURACY_TEXT} beside it names no full log that it came from, and none is kept here"
        )
    raise UserError(
        f"{path} is truncated (SHA-256 {own}), but {problem}.",
        hint="Put the full log in its place again and run `mlrepo truncate`.",
    )


def _remove_leftovers(directory: Path) -> None:
    """Remove the temporary files of killed truncations; the lock ensures that none is running."""
    for name in (ACCURACY_LOG, ACCURACY_TEXT):
        for leftover in directory.glob(f".{name}.????????"):
            leftover.unlink()
