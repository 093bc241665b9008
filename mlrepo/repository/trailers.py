"""Commit messages of runs: a subject for people, trailers as the search index."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mlrepo.record import ACCURACY, PERFORMANCE, Metric, is_run_id, metric_words
from mlrepo.record.backend_label import backend_label
from mlrepo.record.forms import plain_text

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

SUBJECT_WIDTH = 72
# A message ends at a NUL for libgit2, and escape sequences are for terminals.
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PREFIX = "MLRepo-"
# How much disturbed a run, and which fields of the description the host contradicted. Versions
# before 0.2.0 left them out.
DISTURBED, CONTRADICTED = "MLRepo-Disturbed", "MLRepo-Contradicted"


def commit_message(record: RunRecord) -> str:
    """Return the message of a run's commit; values are one line each, whatever they hold."""
    result = f" {record.result}" if record.result.value is not None else ""
    subject = (
        f"{record.benchmark} {record.scenario} {record.test or record.mode}:{result}"
        f" {record.validity} ({record.system}, {record.backend.name or '?'})"
    )
    further = metric_words(record.further_metrics)
    body = "\n".join(
        line
        for line in (
            *record.reasons[:5],
            f"Also measured: {further}." if further else "",
            f"Placed in {record.placement.path}."
            if record.placement.placed
            else f"Not placed: {record.placement.reason}",
        )
        if line
    )
    return message_of(
        subject, body, [f"{key}: {value}" for key, value in run_trailers(record).items()]
    )


def message_of(subject: str, body: str, trailers: Iterable[str]) -> str:
    """Return a commit message; ``subject`` and ``body`` may hold anything, trailers are lines."""
    last = "\n".join(trailers)
    return f"{_shorten(_one_line(subject))}\n\n{_harmless(body)}\n\n{last}\n"


def run_trailers(record: RunRecord) -> dict[str, str]:
    """Return the trailers that a run's commit carries, in order; each value is one line."""
    result = record.result
    value = "" if result.value is None else f"{result.value!r} {result.unit}".rstrip()
    trailers = {
        "MLRepo-Run": record.run,
        "MLRepo-Experiment": record.experiment,
        "MLRepo-Round": record.round,
        "MLRepo-Division": record.division,
        "MLRepo-Submitter": record.submitter,
        "MLRepo-System": record.system,
        "MLRepo-Backend": backend_label(record.backend.name, record.backend.device),
        "MLRepo-Benchmark": record.benchmark,
        "MLRepo-Scenario": record.scenario,
        "MLRepo-Mode": record.mode,
        "MLRepo-Result": value,
        "MLRepo-Validity": record.validity,
        "MLRepo-Placed": record.placement.path,
        "MLRepo-Tags": ",".join(record.tags),
        "MLRepo-Record": f"runs/{record.run}/run.json",
    }
    duration = record.loadgen.effective.min_duration_ms
    optional = {
        "MLRepo-Duration": "" if duration is None or record.mode == ACCURACY else f"{duration} ms",
        "MLRepo-Configuration": record.configuration,
        "MLRepo-Test": record.test,
        "MLRepo-Reference": record.reference.get(PERFORMANCE, ""),
        DISTURBED: str(len(record.load.noise.disturbances) or ""),
        CONTRADICTED: ",".join(one.field for one in record.host.description.contradictions),
    }
    trailers |= {key: value for key, value in optional.items() if value}
    return {key: _one_line(value) for key, value in trailers.items()}


def trailers_then(record: RunRecord, committed: Mapping[str, str]) -> dict[str, str]:
    """Return :func:`run_trailers` without those that the version of the commit did not write."""
    later = {DISTURBED, CONTRADICTED} - committed.keys()
    return {key: value for key, value in run_trailers(record).items() if key not in later}


def parse_trailers(message: str) -> Mapping[str, str] | None:
    """Return the run trailers of the last paragraph, or None when it is no run's commit.

    A message that repeats a trailer, or whose run id is not valid, is rejected: someone forged or
    mangled it.
    """
    last = message.rstrip("\n").rpartition("\n\n")[2]
    # No regular expression and no loop of statements: ten thousand messages are read at a time.
    pairs = [
        line.split(": ", 1)
        for line in last.splitlines()
        if line.startswith(_PREFIX) and ": " in line
    ]
    found = dict(pairs)
    return found if len(found) == len(pairs) and is_run_id(found.get("MLRepo-Run", "")) else None


def parse_result(text: str) -> Metric:
    """Return the metric of a trailer ``MLRepo-Result``; its value is None if it is not finite."""
    number, _, unit = text.partition(" ")
    try:
        value = float(number)
    except ValueError:
        return Metric(None, unit)
    return Metric(value if math.isfinite(value) else None, unit)


def _one_line(text: str) -> str:
    return _UNFIT.sub("?", " ".join(plain_text(text).split()))


def _shorten(subject: str) -> str:
    return subject if len(subject) <= SUBJECT_WIDTH else subject[: SUBJECT_WIDTH - 1] + "…"


def _harmless(body: str) -> str:
    # A body line that looks like a trailer would become one if the last paragraph were lost.
    lines = (_UNFIT.sub("?", line.rstrip()) for line in plain_text(body).splitlines())
    return "\n".join(re.sub(r"^(MLRepo-)", r"> \1", line) for line in lines)
