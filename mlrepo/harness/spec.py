"""The contract of parent and child: a run's specification, and the events the child reports."""

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

# A child in this mode only warms up and reports the system's speed, without LoadGen.
SPEED = "speed"

SUMMARY_LOG = "mlperf_log_summary.txt"
DETAIL_LOG = "mlperf_log_detail.txt"
ACCURACY_LOG = "mlperf_log_accuracy.json"


@dataclass(frozen=True)
class RunSpec:
    """Everything the child needs; ``user.conf`` is beside it in the run's directory.

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
        Whether target QPS or latency is estimated from the warm-up if the user gave none.
    test:
        The compliance test, whose ``audit.config`` is in the run's directory, or ''.
    seeds:
        Seeds that replace LoadGen's own, by the names of its settings.
    device, precision, backend_options:
        The requested options of the backend.
    dataset:
        The path of the prepared data set; empty for an embedded one.
    layout, size:
        How the model takes images, if that differs from the data set.
    by_length:
        Whether the samples of a query are sorted by length and padded to the longest of a batch.
    model_precision:
        The precision of the model's own weights, if known.
    cache:
        Directory in which a backend caches reusable results.
    agreement_check:
        Whether the backend's scores are first compared with the reference.
    endpoint:
        The fields of :class:`mlrepo.backends.endpoint.Endpoint`; empty for a model on this machine.
    min_duration_ms:
        The round's shortest performance run, for one whose settings name no duration; None for
        LoadGen's own, which may be of another round.
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
    by_length: bool = False
    model_precision: str = ""
    cache: str = ""
    agreement_check: bool = True
    min_duration_ms: int | None = None
    model_digest: str = ""
    model_states: Mapping[str, Sequence[int]] = field(default_factory=dict)
    endpoint: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, directory: Path) -> RunSpec:
        """Read the specification in a run's directory."""
        raw = json.loads((directory / SPEC_FILE).read_text(encoding="utf-8"))
        return cls(**raw["run"])

    def to_dict(self) -> dict[str, object]:
        """Return the fields as plain values."""
        return asdict(self)


def read_events(directory: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the child's events so far, without incomplete lines."""
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
