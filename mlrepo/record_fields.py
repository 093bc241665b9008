"""What each value of a run record is, and where mlrepo takes it: the gate for records of others.

A record arrives with ``git fetch`` from anybody. The table here names every field; what has
another type or form is refused when the record is read (:meth:`mlrepo.record.RunRecord.from_json`),
so that no later code meets it. The second column says what the value is used for. A value that
ends in a process never gets there by itself: the user has typed it on this machine or has agreed
to it (:mod:`mlrepo.bench.consent`).
"""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlrepo.paths import escape_problem


class Use(enum.Enum):
    """Where a recorded value ends."""

    SHOWN = "printed, compared, or written into a document as text"
    CHOICE = "chooses among what is installed or stored on this machine"
    PATH = "becomes one component of a path, checked by its form"
    PROCESS = "becomes part of a process, with consent only"


@dataclass(frozen=True)
class Field:
    """The form of a value and its use; ``problem`` returns what is wrong with one, or ''."""

    problem: Callable[[Any], str]
    use: Use = Use.SHOWN
    optional: bool = True


RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_ROUND = re.compile(r"v[0-9]{1,3}\.[0-9]{1,3}\Z")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
# No measured number is larger; one that is cannot be printed, divided or kept in a float.
_LARGEST = 1e30
# Records are about six deep.
_DEEPEST = 32


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "is not a text"


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number"
    return "" if abs(value) <= _LARGEST else "is out of range"  # NaN compares as false


def _count(value: Any) -> str:
    problem = _number(value)
    if not problem and (not isinstance(value, int) or value < 0):
        return "is not a whole number"
    return problem


def _positive(value: Any) -> str:
    return _count(value) or ("" if 0 < value < 2**31 else "is out of range")


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "is neither true nor false"


def _list_of(one: Callable[[Any], str]) -> Callable[[Any], str]:
    def problem(value: Any) -> str:
        if not isinstance(value, list):
            return "is not a list"
        return next((f"holds something that {said}" for said in map(one, value) if said), "")

    return problem


def _matching(pattern: re.Pattern[str], what: str, *, empty: bool = False) -> Callable[[Any], str]:
    def problem(value: Any) -> str:
        if _text(value):
            return _text(value)
        return "" if pattern.match(value) or (empty and not value) else f"is not {what}"

    return problem


def _time(value: Any) -> str:
    problem = _matching(_TIME, "a time such as 2026-11-23T12:00:00Z")(value)
    if not problem:
        try:
            datetime.datetime.fromisoformat(value)
        except ValueError:
            return "is not a time"
    return problem


def _component(value: Any) -> str:
    return _text(value) or escape_problem(value)


def _path(value: Any) -> str:
    if _text(value) or not value:
        return _text(value)
    return next((said for said in map(escape_problem, value.split("/")) if said), "")


def _table(value: Any) -> str:
    return "" if isinstance(value, dict) else "is not an object"


def _file(value: Any) -> str:
    """A file of a model: its name, size and SHA-256."""
    if not isinstance(value, dict):
        return "is not an object"
    problems = (
        _text(value.get("name")),
        _count(value.get("size")),
        _SHA.problem(value.get("sha256")),
    )
    return next((said for said in problems if said), "")


def _anything(value: Any) -> str:
    return ""


_NAME = Field(_component, Use.PATH, optional=False)
_SHA = Field(_matching(_SHA256, "a SHA-256", empty=True))
_ALWAYS = Field(_text, optional=False)
_FREE = Field(_anything)
_OBJECT = Field(_table, optional=False)
_NUMBER = Field(_number)
_COUNT = Field(_count, optional=False)
_WORDS = Field(_list_of(_text), optional=False)
_METRIC = {"*.value": _NUMBER, "*.unit": _ALWAYS}

# Every field of a record by its dotted name; "*" stands for any key. What a version of mlrepo
# does not know is below "*" or is ignored.
RECORD: Mapping[str, Field] = {
    "schema": _ALWAYS,
    "run": Field(_matching(RUN_ID, "a run id"), Use.PATH, optional=False),
    "started": Field(_time, optional=False),
    "ended": Field(_time, optional=False),
    "experiment": _NAME,
    "round": Field(_matching(_ROUND, "a round such as v6.1"), Use.PATH, optional=False),
    "division": _NAME,
    "submitter": _NAME,
    "category": _ALWAYS,
    "system": _NAME,
    "sut": _NAME,
    "benchmark": _NAME,
    "scenario": _NAME,
    "mode": _NAME,
    "validity": _ALWAYS,
    "result": _OBJECT,
    "result.value": _NUMBER,
    "result.unit": _ALWAYS,
    "reasons": _WORDS,
    "metrics": _OBJECT,
    "metrics.*": _OBJECT,
    **{f"metrics.{key}": field for key, field in _METRIC.items()},
    "tags": _WORDS,
    "argv": Field(_list_of(_text), Use.PROCESS, optional=False),
    "settings": _OBJECT,
    "settings.*": _OBJECT,
    "settings.*.value": _ALWAYS,
    "settings.*.origin": _ALWAYS,
    "model": _OBJECT,
    "model.sha256": Field(_matching(_SHA256, "a SHA-256", empty=True), Use.CHOICE),
    "model.size": Field(_count),
    "model.files": Field(_list_of(_file)),
    "model.preprocessing": Field(_text, Use.CHOICE),
    "model.layout": Field(_text, Use.CHOICE),
    "model.*": _FREE,
    "dataset": _OBJECT,
    "dataset.fingerprint": Field(_anything, Use.CHOICE),
    "dataset.preprocessing": Field(_text, Use.CHOICE),
    "dataset.*": _FREE,
    "backend": _OBJECT,
    "backend.name": Field(_text, Use.CHOICE),
    "backend.asked_options": Field(_table, Use.PROCESS),
    "backend.asked_options.*": Field(_text, Use.PROCESS, optional=False),
    "backend.prefix": Field(_list_of(_text), Use.PROCESS),
    "backend.precision": Field(_text, Use.CHOICE),
    "backend.threads": Field(_positive, Use.CHOICE),
    "backend.max_batch": Field(_positive, Use.CHOICE),
    "backend.batch": _NUMBER,
    "backend.batch_seconds": Field(_table),
    "backend.batch_seconds.*": _NUMBER,
    "backend.max_rss": _NUMBER,
    "backend.agreement": Field(_table),
    "backend.agreement.reference": Field(_text),
    "backend.agreement.why": Field(_text),
    "backend.agreement.waived": Field(_flag),
    "backend.agreement.samples": Field(_list_of(_count)),
    "backend.agreement.batches": Field(_list_of(_count)),
    "backend.agreement.distance": _NUMBER,
    "backend.agreement.bound": _NUMBER,
    "backend.agreement.type": Field(_text),
    "backend.agreement.seconds": _NUMBER,
    "backend.agreement.*": _FREE,
    "backend.input": Field(_table),
    "backend.input.*": _FREE,
    "backend.naming": Field(_table),
    "backend.naming.version": Field(_text, Use.PATH),
    "backend.naming.ext": Field(_text, Use.PATH),
    "backend.naming.plain": Field(_flag),
    "backend.*": _FREE,
    "loadgen": _OBJECT,
    "loadgen.errors": Field(_list_of(_text)),
    "loadgen.seeds": Field(_table, optional=False),
    "loadgen.seeds.*": _FREE,
    "loadgen.requested": Field(_table, optional=False),
    "loadgen.requested.offline_expected_qps": _NUMBER,
    "loadgen.requested.server_target_qps": _NUMBER,
    "loadgen.requested.min_duration_ms": _NUMBER,
    "loadgen.requested.*": _FREE,
    "loadgen.effective": Field(_table, optional=False),
    "loadgen.effective.min_duration_ms": _NUMBER,
    "loadgen.effective.max_duration_ms": _NUMBER,
    "loadgen.effective.min_query_count": _NUMBER,
    "loadgen.effective.max_query_count": _NUMBER,
    "loadgen.effective.samples_per_query": _NUMBER,
    "loadgen.effective.target_qps": _NUMBER,
    "loadgen.effective.target_latency_ns": _NUMBER,
    "loadgen.effective.target_latency_percentile": _NUMBER,
    "loadgen.effective.*": _FREE,
    "loadgen.*": _FREE,
    "accuracy": Field(_table),
    "accuracy.*": _FREE,
    "logs": _OBJECT,
    "logs.*": _OBJECT,
    "logs.*.sha256": _SHA,
    "logs.*.size": _COUNT,
    "logs.*.full_sha256": Field(_matching(_SHA256, "a SHA-256", empty=True), Use.PATH),
    "logs.*.full_size": Field(_count),
    "source": _OBJECT,
    "source.*": _FREE,
    "host": _OBJECT,
    "host.platform": Field(_table),
    "host.platform.prefix": Field(_list_of(_text)),
    "host.platform.problems": Field(_list_of(_text)),
    "host.platform.*": _FREE,
    "host.*": _FREE,
    "load": _OBJECT,
    "load.noise": Field(_table),
    "load.noise.seconds": _NUMBER,
    "load.noise.disturbances": Field(_list_of(_text)),
    "load.noise.*": _FREE,
    "load.*": _FREE,
    "platform": Field(_component, Use.CHOICE, optional=False),
    "redactions": _OBJECT,
    "redactions.*": _COUNT,
    "configuration": _ALWAYS,
    "placement": _OBJECT,
    "placement.placed": Field(_flag, optional=False),
    "placement.path": Field(_path, optional=False),
    "placement.reason": _ALWAYS,
    "placement.forced": Field(_flag, optional=False),
    "tool": _ALWAYS,
    "test": Field(lambda value: _component(value) if value else _text(value), Use.PATH),
    "reference": _OBJECT,
    "reference.*": Field(_matching(RUN_ID, "a run id"), Use.CHOICE, optional=False),
    "replays": Field(_matching(RUN_ID, "a run id", empty=True)),
}


def problems(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the values of a record, one sentence part each."""
    yield from _problems("", raw)


def _problems(above: str, raw: Mapping[str, Any]) -> Iterator[str]:
    for key, value in raw.items():
        name = _known_name(above, key)
        field = RECORD.get(name) if name else None
        if field is None or (value is None and field.optional):
            continue
        said = "is missing" if value is None else field.problem(value)
        if said:
            yield f"{above}{key} {said}"
        elif isinstance(value, dict):
            yield from _problems(f"{name}.", value)


def _known_name(above: str, key: str) -> str:
    """Return the table's name of a key: its own, or that below ``*``; '' for an unknown one."""
    own = f"{above}{key}"
    if own in RECORD and key != "*":
        return own
    return f"{above}*" if f"{above}*" in RECORD else ""


def well_formed(above: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of the object ``above`` that a record may hold, for what others wrote."""
    return {
        key: value for key, value in raw.items() if not any(_problems(f"{above}.", {key: value}))
    }


def plain(value: Any, depth: int = _DEEPEST) -> Any:
    """Return a JSON value whose texts are UTF-8: halves of surrogate pairs become escapes.

    Raises
    ------
    ValueError
        A number in it is not finite or too large for any measurement, or it is too deep.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict | list) and not depth:
        raise ValueError(f"it is nested more than {_DEEPEST} deep")
    if isinstance(value, dict):
        return {plain(key): plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, depth - 1) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and _number(value):
        raise ValueError("a number is out of range")
    return value
