"""Judge a run from the files in its directory alone."""

from __future__ import annotations

import json
import math
import signal
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlrepo.bench.console import shortened
from mlrepo.bench.pending import ReferenceFacts
from mlrepo.bench.verify import verify
from mlrepo.compliance.evidence import Verification
from mlrepo.errors import MlrepoError
from mlrepo.harness.query_list import ADVICE
from mlrepo.harness.spec import (
    ACCURACY_LOG,
    CONSOLE_FILE,
    DETAIL_LOG,
    SUMMARY_LOG,
    RunSpec,
    read_events,
)
from mlrepo.logs.accuracy import parse_accuracy_log
from mlrepo.logs.accuracy_text import MetricReading, read_metrics
from mlrepo.logs.detail import DetailLog, parse_detail
from mlrepo.logs.metrics import loadgen_metrics
from mlrepo.logs.summary import invalid_reasons
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record import (
    ACCURACY,
    FAILED,
    INTERRUPTED,
    INVALID,
    VALID,
    AccuracyFacts,
    LoadReading,
    Metric,
    format_number,
)
from mlrepo.record.codec import Facts
from mlrepo.record.forms import Signed, Time
from mlrepo.rounds import Round
from mlrepo.workloads import Accuracy, Workload
from mlrepo.workloads.measured import measured_as

OUTCOME_FILE = "outcome.json"
# Why the parent stops a child whose clock was set.
CLOCK = "clock"
# Exit codes of a process killed by the kernel, directly or reported by a shell.
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)

# By how much a number in accuracy.txt, written with three digits, may differ from the measured one.
_ROUNDED = 1e-3


@dataclass(frozen=True)
class ChildExit(Facts):
    """How the child ended, as the parent saw it; absent if the parent died first.

    Attributes
    ----------
    returncode:
        Exit status, negative for a signal.
    stopped:
        Why the parent stopped it: a signal name, ``timeout``, ``clock``, or an empty string.
    memory_kills:
        How many processes the kernel killed during the run because memory ran out.
    clock_set:
        By how many seconds the clock was set while LoadGen measured by it.
    """

    returncode: Signed
    stopped: str
    ended: Time
    load: LoadReading
    memory_kills: int = 0
    clock_set: float = 0.0


@dataclass(frozen=True)
class Judgement:
    """Validity with reasons, result and LoadGen's metrics; ``files`` are those of a test."""

    validity: str
    result: Metric
    reasons: tuple[str, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    accuracy: AccuracyFacts | None = None
    accuracy_text: str = ""
    detail: DetailLog | None = None
    traceback: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)


def read_outcome(directory: Path) -> ChildExit | None:
    """Return the outcome that the parent wrote, or None."""
    try:
        raw = json.loads((directory / OUTCOME_FILE).read_text(encoding="utf-8"))
        return ChildExit.from_dict(raw)
    except (FileNotFoundError, ValueError, RecursionError):  # absent, or damaged
        return None


def judge(
    directory: Path, spec: RunSpec, round_: Round, against: ReferenceFacts | None = None
) -> Judgement:
    """Judge a run by its logs; LoadGen's return value carries no information.

    ``against`` is what a compliance test is verified against.
    """
    # Only the benchmark knows the unit of an accuracy.
    measured = measured_as(round_, spec.workload, spec.scenario)
    unit = "" if spec.mode == ACCURACY else round_.unit(measured, spec.scenario)
    nothing = Metric(None, unit)
    failure = _why_failed(directory, read_outcome(directory))
    if failure:
        validity, reasons = failure
        return Judgement(validity, nothing, reasons)
    try:
        detail = parse_detail((directory / DETAIL_LOG).read_bytes(), DETAIL_LOG)
        if spec.mode == ACCURACY:
            return _judge_accuracy(directory, spec, round_, detail)
        return _judge_performance(directory, spec, round_, detail, against)
    except (MlrepoError, OSError) as error:
        return Judgement(FAILED, nothing, (f"The logs cannot be judged: {error}",))
    except Exception as error:  # a third-party benchmark may raise anything; record the run
        reasons = (f"The logs cannot be judged: {error!r}", _where_the_traceback_is(directory))
        trace = "".join(traceback.format_exception(error))
        return Judgement(FAILED, nothing, reasons, traceback=trace)


def _why_failed(directory: Path, outcome: ChildExit | None) -> tuple[str, tuple[str, ...]] | None:
    """Return validity and reasons if the child did not end well, else None."""
    last: Mapping[str, object] = {"event": "nothing"}
    for event in read_events(directory):
        last = event
    if outcome is not None and outcome.clock_set and outcome.stopped in ("", CLOCK):
        return FAILED, _clock_was_set(outcome.clock_set)
    if last["event"] == "finished" and (outcome is None or not outcome.stopped):
        return None
    if last["event"] == "failed":
        reasons = [str(last["message"]), str(last.get("hint") or "")]
        if last.get("traceback"):
            reasons.append(_where_the_traceback_is(directory))
        elif last.get("detail"):
            reasons.append(f"`{_show_failure(directory)}` prints the whole reason.")
        return FAILED, tuple(reason for reason in reasons if reason)
    if outcome is None:
        return INTERRUPTED, (
            f"mlrepo itself was killed while the run was {_phase(last)}, or its disk was full.",
        )
    if outcome.stopped == "timeout":
        return FAILED, (f"Stopped by --timeout while {_phase(last)}.",)
    if outcome.stopped:
        return INTERRUPTED, (f"Stopped by {outcome.stopped} while {_phase(last)}.",)
    if outcome.memory_kills and outcome.returncode in _KILLED:
        return FAILED, _out_of_memory(last)
    reasons = [f"{_death(outcome.returncode)} while {_phase(last)}.", _last_words(directory)]
    return FAILED, tuple(reason for reason in reasons if reason)


def _clock_was_set(seconds: float) -> tuple[str, str]:
    where = "forward" if seconds > 0 else "back"
    return (
        f"The machine's clock was set {where} by {format_number(abs(seconds))} s while measuring, "
        "and LoadGen takes its times from it: they are wrong.",
        "Run it again. Let a daemon such as chrony slew the clock, and keep the machine awake.",
    )


def _out_of_memory(last: Mapping[str, object]) -> tuple[str, str]:
    queries = last.get("queries")
    listed = f" LoadGen's list was {queries}." if queries else ""
    advice = "Run it where more memory is available, or with a smaller --max-batchsize."
    return (
        f"Out of memory: the kernel killed the benchmark process while {_phase(last)}.{listed}",
        ADVICE if last["event"] == "generating" else advice,
    )


def _where_the_traceback_is(directory: Path) -> str:
    return f"`{_show_failure(directory)}` prints the traceback."


def _show_failure(directory: Path) -> str:
    return f"mlrepo show {directory.name[-6:]} --log failure"


def _last_words(directory: Path) -> str:
    """Return the last line that the process printed as a sentence, or an empty string."""
    try:
        console = shortened(directory / CONSOLE_FILE).decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in console.splitlines() if line.strip()]
    last = "".join(char for char in lines[-1][:300] if char.isprintable()) if lines else ""
    return f"The last line it printed: {last}" if last else ""


def _phase(last: Mapping[str, object]) -> str:
    return {
        "nothing": "starting",
        "loading": "loading model and data",
        "compiling": "compiling the model",
        "warming": "warming up",
        "comparing": "comparing scores",
        "generating": "generating queries",
        "started": "measuring",
        "finished": "ending",
    }.get(str(last["event"]), "running")


def _death(returncode: int) -> str:
    if returncode >= 0:
        return f"The benchmark process ended with exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:  # most real-time signals have no name
        name = f"signal {-returncode}"
    hint = " (often the kernel, out of memory)" if name == "SIGKILL" else ""
    return f"The benchmark process was killed by {name}{hint}"


def _judge_performance(
    directory: Path,
    spec: RunSpec,
    round_: Round,
    detail: DetailLog,
    against: ReferenceFacts | None,
) -> Judgement:
    reasons: list[str] = []
    measured = measured_as(round_, spec.workload, spec.scenario)
    raw = detail.number(round_.result_key(measured, spec.scenario))
    result = round_.result(measured, spec.scenario, raw)
    if detail.values.get("result_validity") != VALID:
        summary = (directory / SUMMARY_LOG).read_text(encoding="utf-8", errors="replace")
        reasons += invalid_reasons(summary) or ("LoadGen calls the run INVALID.",)
    if result.value is None or not 0 < result.value < float("inf"):
        reasons.append(f"LoadGen gave no usable result ({raw}).")
        result = Metric(None, result.unit)
    reasons += [f"LoadGen error: {error}" for error in detail.errors]
    verified = Verification()
    if spec.test:
        verified = verify(directory, spec, round_, detail, against or ReferenceFacts())
        reasons += verified.reasons
    return Judgement(
        INVALID if reasons else VALID,
        result,
        tuple(reasons),
        loadgen_metrics(detail),
        detail=detail,
        files=verified.files,
    )


def _plain(value: float | None) -> float | None:
    """Return a number, which may be a scalar of NumPy, as a float of Python."""
    return None if value is None else float(value)


def _unit_of(accuracy: Accuracy, readings: Iterable[MetricReading]) -> str:
    """Return the unit of an accuracy as the round reads it in the text, as for imported results.

    If the round does not read the number there, the benchmark's own unit stays.
    """
    for reading in readings:
        number = reading.number
        if number is not None and math.isclose(number, accuracy.value, rel_tol=_ROUNDED):
            return reading.unit
    return accuracy.unit


def _judge_accuracy(directory: Path, spec: RunSpec, round_: Round, detail: DetailLog) -> Judgement:
    workload: Workload = load_plugin(WORKLOADS, spec.workload).of_model(spec.model_file)
    dataset = workload.open(spec.dataset)
    with (directory / ACCURACY_LOG).open("rb") as log:
        accuracy = workload.task.judge(parse_accuracy_log(log, ACCURACY_LOG), dataset)
    reasons = [f"LoadGen error: {error}" for error in detail.errors]
    if accuracy.judged != dataset.total:
        reasons.append(f"Only {accuracy.judged} of {dataset.total} samples were judged.")
    patterns = round_.accuracy_patterns(spec.workload, spec.scenario)
    readings = read_metrics(accuracy.text, patterns)
    units = {name: reading.unit for name, reading in readings.items()}
    metrics = {
        name: Metric(_plain(metric.value), units.get(name, metric.unit))
        for name, metric in accuracy.metrics.items()
    }
    result = Metric(_plain(accuracy.value), _unit_of(accuracy, readings.values()))
    reasons += [
        f"Its accuracy is {metric}: a finite number is needed."
        for metric in dict.fromkeys((result, *metrics.values()))
        if metric.value is None or not math.isfinite(metric.value)
    ]
    return Judgement(
        INVALID if reasons else VALID,
        result,
        tuple(reasons),
        metrics,
        accuracy=AccuracyFacts(accuracy.judged, dataset.total, accuracy.details),
        accuracy_text=accuracy.text,
        detail=detail,
    )
