"""Run ids, and numbers and times as records and people write them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.digest import sha256_bytes
from mlrepo.record.forms import RUN_ID


@dataclass(frozen=True)
class AccuracyEntry:
    """One response in an accuracy log: the index of the sample and the bytes of the response."""

    sample_index: int
    data: bytes


UNDATED = datetime.datetime.fromtimestamp(0, datetime.UTC)
"""When a run began whose logs do not say when; its id has a time of that day."""
_DAY = 24 * 60 * 60


def new_run_id(started: datetime.datetime, content: bytes) -> str:
    """Return ``YYYYMMDDTHHMMSSZ-<6 hex>``: sorted by start, distinguished by content."""
    return f"{run_stamp(started)}-{sha256_bytes(content)[:6]}"


def undated_run_id(content: bytes) -> str:
    """Return the id of what has no time, of the day of :data:`UNDATED`.

    Six hexadecimal digits do not distinguish the results of several rounds; the time of day adds to
    them what the content gives.
    """
    second = int(sha256_bytes(content)[6:18], 16) % _DAY
    return new_run_id(UNDATED + datetime.timedelta(seconds=second), content)


def run_stamp(started: datetime.datetime) -> str:
    """Return the beginning of the id of a run started then: ``YYYYMMDDTHHMMSSZ``."""
    return started.astimezone(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


def is_run_id(text: str) -> bool:
    """Say whether ``text`` has the form of a run id."""
    return bool(RUN_ID.match(text))


def configuration_digest(configuration: Mapping[str, object]) -> str:
    """Return the SHA-256 of a configuration: equal for runs that may share one result."""
    text = json.dumps(configuration, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256_bytes(text.encode("utf-8", "backslashreplace"))


def format_number(value: float) -> str:
    """Return a number with five significant digits, or, from 1000 on, one decimal."""
    if value != value or abs(value) in (float("inf"),):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:.1f}".rstrip("0").rstrip(".")
    return f"{value:.5g}"


def timestamp(moment: datetime.datetime) -> str:
    """Return an RFC 3339 UTC time to the second."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
