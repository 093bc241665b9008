"""What parent and child agree on: the specification of a run, and the events the child reports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SPEC_FILE = "spec.json"
EVENTS_FILE = "events.jsonl"
PROGRESS_FILE = "progress"
CONSOLE_FILE = "console.txt"
USER_CONF_FILE = "user.conf"
AUDIT_FILE = "audit.config"

# A child of this mode only warms up and tells how fast the system is; LoadGen is not started.
SPEED = "speed"

SUMMARY_LOG = "mlperf_log_summary.txt"
DETAIL_LOG = "mlperf_log_detail.txt"
ACCURACY_LOG = "mlperf_log_accuracy.json"


@dataclass(frozen=True)
class RunSpec:
    """Everything the child needs; ``user.conf`` stands beside it in the run's directory.

    Attributes
    ----------
    workload, backend:
        Plugin names.
    scenario, mode:
        The scenario by its name, and ``performance``, ``accuracy``, ``compliance`` or ``speed``.
    model_file:
        Path of the model.
    model_digest, model_states:
        The identity of the model that the run is recorded with, and the state of its files by name
        when they were hashed; an empty digest is not checked.
    threads, max_batch:
        The user's choice, or None.
    estimate:
        Whether target QPS or latency is estimated from the warm-up where the user gave none.
    test:
        The compliance test, whose ``audit.config`` stands in the run's directory, or ''.
    seeds:
        Seeds that replace LoadGen's own, by the names of its settings.
    device, precision, backend_options:
        What the backend is asked for.
    dataset:
        Where a data set that the user registered lies prepared; empty for an embedded one.
    layout, size:
        How the model takes images, where that is not how the data set has them.
    model_precision:
        What the model's own weights are in one word, where that is known.
    cache:
        Directory where a backend keeps what can be used again.
    agreement_check:
        Whether the backend's scores are compared with ONNX Runtime's first.
    """

    workload: str
    backend: str
    scenario: str
    mode: str
    model_file: str
    threads: int | None = None
    max_batch: int | None = None
    estimate: bool = True
    test: str = ""
    seeds: Mapping[str, int] = field(default_factory=dict)
    device: str = "cpu"
    precision: str = "fp32"
    backend_options: Mapping[str, str] = field(default_factory=dict)
    dataset: str = ""
    layout: str = ""
    size: Sequence[int] = ()
    model_precision: str = ""
    cache: str = ""
    agreement_check: bool = True
    model_digest: str = ""
    model_states: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, directory: Path) -> RunSpec:
        """Read the specification in a run's directory."""
        raw = json.loads((directory / SPEC_FILE).read_text(encoding="utf-8"))
        return cls(**raw["run"])

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)


def read_events(directory: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the child's events so far; a line cut short, by now or by a full disk, is none."""
    try:
        text = (directory / EVENTS_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines(keepends=True):
        try:
            event = json.loads(line) if line.endswith("\n") else None
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and "event" in event:
            yield event
