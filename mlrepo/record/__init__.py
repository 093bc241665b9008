"""The record of one LoadGen run: ``run.json``, schema ``mlrepo.run/1``.

``run.json`` is the truth about a run; commit trailers and everything printed are derived from it.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import islice
from typing import Any

from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.record_fields import RUN_ID, plain, problems

SCHEMA = "mlrepo.run/1"

VALID = "VALID"
INVALID = "INVALID"
FAILED = "FAILED"
INTERRUPTED = "INTERRUPTED"
VALIDITIES = (VALID, INVALID, FAILED, INTERRUPTED)

PERFORMANCE = "performance"
ACCURACY = "accuracy"
MODES = (PERFORMANCE, ACCURACY)
# A compliance test is a run of its own mode; which test, the record's ``test`` says.
COMPLIANCE = "compliance"
# The tag of a short run of the peak search: recorded, but never a result.
PROBE_TAG = "probe"
# The tag of a run with a setting that no result has: recorded, but never a result.
EXPERIMENT_TAG = "no-result"
NO_RESULT_TAGS = frozenset({PROBE_TAG, EXPERIMENT_TAG})
# How many problems of one record are told.
_MOST_TOLD = 3
# The tag of a run that was read from published results: it is compared with, never submitted.
IMPORTED_TAG = "imported"


@dataclass(frozen=True)
class Metric:
    """A number with its unit as the round prints it; ``value`` may be None for a failed run."""

    value: float | None
    unit: str

    def __str__(self) -> str:
        return "-" if self.value is None else f"{format_number(self.value)} {self.unit}"


@dataclass(frozen=True)
class StoredLog:
    """One log of a run: the bytes in the commit and, when it was truncated, those of the full log.

    Sizes are bytes; ``full_sha256`` names the file in the raw store.
    """

    sha256: str
    size: int
    full_sha256: str = ""
    full_size: int = 0


@dataclass(frozen=True)
class Placement:
    """Whether the run stands in the round's layout, where, and if not why not."""

    placed: bool
    path: str = ""
    reason: str = ""
    forced: bool = False


@dataclass(frozen=True)
class RunRecord:
    """Everything known about one LoadGen run.

    Times are RFC 3339 in UTC, durations seconds, sizes bytes. ``settings`` maps each resolved
    setting to ``{"value", "origin"}``; ``loadgen["effective"]`` and ``loadgen["result"]`` hold
    LoadGen's own keys without their prefix. ``test`` names a compliance test (``TEST01``), and
    ``reference`` the ids of the runs it was verified against, by mode. ``replays`` is the id of
    the run that this one repeats.
    """

    run: str
    started: str
    ended: str
    experiment: str
    round: str
    division: str
    submitter: str
    category: str
    system: str
    sut: str
    benchmark: str
    scenario: str
    mode: str
    validity: str
    result: Metric
    reasons: tuple[str, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)
    backend: Mapping[str, Any] = field(default_factory=dict)
    loadgen: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] | None = None
    logs: Mapping[str, StoredLog] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    load: Mapping[str, Any] = field(default_factory=dict)
    platform: str = "none"
    redactions: Mapping[str, int] = field(default_factory=dict)
    configuration: str = ""
    placement: Placement = field(default_factory=lambda: Placement(placed=False))
    tool: str = ""
    test: str = ""
    reference: Mapping[str, str] = field(default_factory=dict)
    replays: str = ""
    schema: str = SCHEMA

    def to_json(self) -> bytes:
        """Return the bytes of ``run.json``: sorted keys, two spaces, a final newline.

        A number that is not finite becomes ``null``: JSON has none, and the log keeps it.
        """
        record = _finite(asdict(self))
        text = (
            json.dumps(record, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        )
        # An argument that is not UTF-8 holds lone surrogates; their escape is JSON's own.
        return text.encode("utf-8", "backslashreplace")

    @classmethod
    def from_json(cls, data: bytes, where: str = "run.json") -> RunRecord:
        """Parse ``run.json``; every value has the type and form of :data:`record_fields.RECORD`.

        Unknown keys are ignored, so that a record written by a later minor version can be read.

        Raises
        ------
        UserError
            Another schema, missing keys, or values that no mlrepo writes.
        """
        try:
            raw = plain(json.loads(data))
            if raw["schema"] != SCHEMA:
                raise UserError(
                    f"{where} has the schema {raw['schema']!r}; this mlrepo reads {SCHEMA!r}.",
                    hint="Use a newer mlrepo.",
                )
            wrong = list(islice(problems(raw), _MOST_TOLD))
            if wrong:
                raise ValueError("; ".join(wrong))
            values = _known(cls, raw)
            values["result"] = Metric(**_known(Metric, raw["result"]))
            for name, kind in (("metrics", Metric), ("logs", StoredLog)):
                values[name] = {key: kind(**_known(kind, v)) for key, v in raw[name].items()}
            values["placement"] = Placement(**_known(Placement, raw["placement"]))
            for name in ("reasons", "tags", "argv"):
                values[name] = tuple(raw[name])
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{where} is not a run record: {_said(error)}.",
                hint="mlrepo did not write it so; `mlrepo doctor` checks the experiment branches.",
            ) from error


def _said(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error) or repr(error)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _known(kind: type, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of ``raw`` that are fields of the dataclass ``kind``."""
    names = {f.name for f in fields(kind)}
    return {key: value for key, value in raw.items() if key in names}


@dataclass(frozen=True)
class AccuracyEntry:
    """One response in an accuracy log: the index of the sample and the bytes of the response."""

    sample_index: int
    data: bytes


def new_run_id(started: datetime.datetime, content: bytes) -> str:
    """Return ``YYYYMMDDTHHMMSSZ-<6 hex>``: sortable by start, told apart by content."""
    return f"{run_stamp(started)}-{sha256_bytes(content)[:6]}"


def run_stamp(started: datetime.datetime) -> str:
    """Return how the id of a run that starts then begins: ``YYYYMMDDTHHMMSSZ``."""
    return started.astimezone(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


def is_run_id(text: str) -> bool:
    """Say whether ``text`` has the form of a run id."""
    return bool(RUN_ID.match(text))


def configuration_digest(configuration: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration: equal for runs that may stand in one result."""
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
