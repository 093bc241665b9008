"""The distribution of latencies and the trace of a run, as its conclusion records them.

The child writes what it measured, the parent what the machine did meanwhile.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.harness.spec import RunSpec, read_events
from mlrepo.latencies.documents import (
    LARGEST,
    LATENCIES_FILE,
    MACHINE_COLUMNS,
    TRACE_FILE,
    Latencies,
    Series,
    Trace,
)
from mlrepo.record import ACCURACY
from mlrepo.repository.files import write_atomically

MACHINE_FILE = "machine.json"


def save_machine(directory: Path, series: Series) -> None:
    """Write what the parent read of the machine; raises :class:`OSError` on a full disk."""
    write_atomically(directory / MACHINE_FILE, json.dumps(series.to_dict()).encode())


def recorded_traces(directory: Path, spec: RunSpec) -> dict[str, bytes]:
    """Return the files of a performance run; none for an accuracy run.

    A run that ended early has no distribution. What is not as it should be is not recorded, and the
    file says so.
    """
    if spec.mode == ACCURACY:
        return {}
    files = {}
    data = _read(directory / LATENCIES_FILE)
    if data:
        try:
            latencies = Latencies.from_json(data)
        except UserError as error:
            latencies = Latencies(why=error.message.removesuffix("."))
        files[LATENCIES_FILE] = latencies.to_json()
    trace = _trace(directory)
    if trace is not None:
        files[TRACE_FILE] = trace.to_json()
    return files


def _trace(directory: Path) -> Trace | None:
    """Return the trace of a run, or what the machine did in a run that did not end well."""
    data = _read(directory / TRACE_FILE)
    try:
        trace = Trace.from_json(data) if data else Trace(began=_started(directory))
    except UserError:
        return None
    if not trace.began:
        return None
    try:
        raw = json.loads(_read(directory / MACHINE_FILE) or b"{}")
        machine = Series.from_dict(raw, "machine", MACHINE_COLUMNS)
    except (UserError, ValueError, RecursionError):  # the trace is whole without it
        machine = Series()
    return dataclasses.replace(trace, machine=machine.since(trace.began))


def _read(path: Path) -> bytes:
    """Return the content of a file, of a large one enough to see that it is one; b'' for none."""
    try:
        if not path.is_file():  # a backend may have made a pipe, which would never end
            return b""
        with path.open("rb") as stream:
            return stream.read(LARGEST + 1)
    except OSError:
        return b""


def _started(directory: Path) -> float:
    """Return when the first query was sent, in seconds since 1970; 0 if none was."""
    times = (event.get("time") for event in read_events(directory) if event["event"] == "started")
    found = next(times, 0.0)
    return float(found) if isinstance(found, int | float) else 0.0
