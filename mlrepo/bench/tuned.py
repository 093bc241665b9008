"""The tuned settings of a system: threads, batch and options, by model, backend and scenario.

They are kept in ``systems/<name>/tuned.json``; a run on the system takes from there what the user
leaves open.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlrepo.backends.devices import CPU
from mlrepo.errors import UserError
from mlrepo.repository.files import write_atomically

_FILE = "tuned.json"
_SCHEMA = "mlrepo.tuned/1"
_KEY = ("model", "backend", "device", "precision", "scenario")


@dataclass(frozen=True)
class Tuned:
    """The best settings for one model (by SHA-256), backend, device, precision and scenario.

    Attributes
    ----------
    rate, default_rate:
        Samples per second with these and with the backend's default settings, measured in turns.
    found:
        When they were found, RFC 3339 UTC.
    """

    model: str
    backend: str
    precision: str
    scenario: str
    threads: int
    max_batch: int
    options: Mapping[str, str] = field(default_factory=dict)
    rate: float = 0.0
    default_rate: float = 0.0
    found: str = ""
    device: str = CPU


def tuned_file(systems: Path, system: str) -> Path:
    """Return the path of a system's tuned settings."""
    return systems / system / _FILE


def read_tuned(path: Path) -> list[Tuned]:
    """Return all entries, newest last; raise :class:`UserError` if the file is damaged."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != _SCHEMA:
            raise ValueError(f"its schema is {raw['schema']}, not {_SCHEMA}")
        return [_checked(Tuned(**entry)) for entry in raw["tuned"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged: {error}.",
            hint="Remove it; `mlrepo bench tune --benchmark NAME` writes it.",
        ) from error


def _checked(entry: Tuned) -> Tuned:
    """Return the entry; raise :class:`TypeError` for malformed values: the file is committed."""
    options = entry.options
    for value in (entry.threads, entry.max_batch):
        if type(value) is not int or not 0 < value < 2**31:
            raise TypeError(f"{value!r} is not a number of threads or samples")
    words = (*(getattr(entry, name) for name in _KEY), entry.found)
    if not isinstance(options, dict) or not all(
        isinstance(word, str) for word in (*words, *options, *options.values())
    ):
        raise TypeError("its names and options must be texts")
    return entry


def refuse_unwritable(path: Path) -> None:
    """Raise :class:`UserError` if entries could not be saved: before minutes of measuring."""
    if not os.access(path.parent, os.W_OK):
        reason = os.strerror(errno.EACCES if path.parent.exists() else errno.ENOENT)
        raise _unwritable(path, reason)


def remember(path: Path, entry: Tuned) -> None:
    """Save an entry in place of an earlier one with the same key."""
    kept = [known for known in read_tuned(path) if _key(known) != _key(entry)]
    values: Mapping[str, object] = {
        "schema": _SCHEMA,
        "tuned": [dataclasses.asdict(known) for known in (*kept, entry)],
    }
    try:
        write_atomically(path, (json.dumps(values, indent=2) + "\n").encode())
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from error


def _unwritable(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} cannot be written: {reason}.",
        hint="Add the system (`mlrepo system add NAME`), or check permissions and space.",
    )


def find_tuned(
    path: Path, model: str, backend: str, precision: str, scenario: str, device: str = CPU
) -> Tuned | None:
    """Return the entry for a run, or None."""
    wanted = (model, backend, device, precision, scenario)
    return next((known for known in read_tuned(path) if _key(known) == wanted), None)


def _key(entry: Tuned) -> tuple[str, ...]:
    return tuple(str(getattr(entry, name)) for name in _KEY)
