"""``mlperf_log_detail.txt``: one ``:::MLLOG {json}`` line per event (LoadGen v1.0 and later)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlrepo.errors import InvalidResult

MARKER = b":::MLLOG "
# The indices of all loaded samples, nearly all of some logs, which nobody asks for.
_SAMPLES = MARKER + b'{"key": "loaded_qsl_set", '
_LIST = b'"value": ['
_NUMBERS = b"0123456789, "


@dataclass(frozen=True)
class DetailLog:
    """The first value of each key, and the messages that LoadGen marked as errors."""

    values: Mapping[str, Any]
    errors: tuple[str, ...]

    @property
    def version(self) -> str:
        """LoadGen's version and commit, as it writes them."""
        return str(self.values.get("loadgen_version", ""))

    def group(self, prefix: str) -> dict[str, object]:
        """Return all keys that begin with ``prefix``, without it."""
        return {
            key.removeprefix(prefix): value
            for key, value in self.values.items()
            if key.startswith(prefix)
        }

    def number(self, key: str) -> float | None:
        """Return the value of ``key`` as a float; None if it is absent or not a number."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            return float(value)
        except OverflowError:  # more digits than any result has
            return None


def parse_detail(data: bytes, where: str = "mlperf_log_detail.txt") -> DetailLog:
    """Parse a detail log.

    LoadGen may write thousands of identical warning lines ("CAS failed."): each key's first value
    wins, as in the official submission checker, and repeated keys are not parsed again unless
    they are errors. ``loaded_qsl_set`` has no value here; only its form is checked.

    Raises
    ------
    InvalidResult
        A line that begins with the marker is not a JSON object.
    """
    values: dict[str, Any] = {}
    errors: list[str] = []
    seen: set[bytes] = set()
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.startswith(MARKER):
            continue
        is_samples = line.startswith(_SAMPLES)
        if is_samples:
            line = without_samples(line)  # what is no number stays, and is found
        head = line[: line.find(b'"value"')]
        if head in seen and b'"is_error": true' not in line:
            continue
        seen.add(head)
        try:
            event = json.loads(line[len(MARKER) :])
            key, value = str(event["key"]), event["value"]
            if event["metadata"].get("is_error"):
                errors.append(str(value))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidResult(
                f"{where}:{number} is not a LoadGen log line: {error!r}.",
                hint="The log is damaged; run the benchmark again.",
            ) from error
        if not is_samples:
            values.setdefault(key, value)
    return DetailLog(values, tuple(errors))


def without_samples(data: bytes) -> bytes:
    """Return a detail log with empty lists in place of the numbers of all loaded samples.

    They are three quarters of the bytes of published logs. A list that holds anything else than
    numbers stays.
    """
    kept: list[bytes] = []
    done, at = 0, data.find(_SAMPLES)
    while at >= 0:
        start = at + len(_SAMPLES)
        if data.startswith(_LIST, start):
            start += len(_LIST)
            end = data.find(b"]", start)
            if end > start and not data[start:end].translate(None, _NUMBERS):
                kept.append(data[done:start])
                done = start = end
        at = data.find(_SAMPLES, start)
    return b"".join([*kept, data[done:]])
