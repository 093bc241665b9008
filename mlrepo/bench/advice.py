"""Explain a run: which of LoadGen's conditions failed, by how much, and what to change.

For an accuracy run, say when its score is far below the known one: the samples may have been
prepared differently from those the model was trained on.

The conditions are those of ``PerformanceSummary`` in loadgen/results.cc of mlcommons/inference; how
many queries LoadGen prepares is defined there too, and described in :mod:`mlrepo.harness.warmup`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypedDict

from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.overload import fell_behind, sustained, too_slow
from mlrepo.bench.request import BenchRequest
from mlrepo.record import ACCURACY, INVALID, PERFORMANCE, RunRecord, format_number
from mlrepo.record.latencies import bounded_percent, latency_ms, loadgen_limits
from mlrepo.scenarios import SCENARIOS
from mlrepo.workloads.catalog import ReferenceModel, variants
from mlrepo.workloads.registered import dataset_of

# The maximum number of attempts of --auto, including the first.
MOST_ATTEMPTS = 6
# Expect a higher rate and a lower latency than measured, so that LoadGen does not run out of
# queries.
_RATE_MARGIN = 1.1
_LATENCY_MARGIN = 0.8
# Below this share of its throughput under overload, a Server has slack to absorb queueing.
_SERVER_MARGIN = 0.85
# Rounding or quantization cannot explain a score below this share of the known one.
_FAR_BELOW = 0.9
# Used if no score is known; chance is one in a thousand classes.
_NEAR_CHANCE = 0.05
_MORE_QUERIES = re.compile(r"at least (\d+) (more )?queries")


class RequestChange(TypedDict, total=False):
    """Fields of the request that would have made a run VALID; times in seconds."""

    qps: float
    max_latency: float
    count: int
    time: float


@dataclass(frozen=True)
class Advice:
    """What failed, and the next attempt.

    Attributes
    ----------
    words:
        One sentence per failed condition; empty if the run failed for another reason.
    change:
        The fields of the request to change; empty if no setting helps.
    """

    words: tuple[str, ...] = ()
    change: RequestChange = field(default_factory=RequestChange)

    @property
    def options(self) -> str:
        """The change as command-line options."""
        flags = {
            "qps": "--qps",
            "max_latency": "--max-latency",
            "count": "--count",
            "time": "--time",
        }
        return " ".join(f"{flags[key]} {value:.6g}" for key, value in self.change.items())


def advise(record: RunRecord) -> Advice:
    """Explain an INVALID performance run, or an accuracy far below the known one.

    Return empty advice for other runs.
    """
    if record.mode == ACCURACY:
        return Advice(tuple(_far_below(record)))
    if record.validity != INVALID or record.mode != PERFORMANCE:
        return Advice()
    reasons = " ".join(record.reasons)
    words: list[str] = []
    change: RequestChange = {}
    if "Min duration not satisfied" in reasons or "Min queries not satisfied" in reasons:
        _too_short(record, reasons, words, change)
    if too_slow(record):
        _too_slow(record, words, change)
    elif "Early stopping not satisfied" in reasons:
        _too_few(record, reasons, words, change)
    return Advice(tuple(words), change)


def explain(record: RunRecord) -> str:
    """Explain why a run is not VALID, and what to change."""
    advice = " ".join(advise(record).words)
    return advice or " ".join(record.reasons) or f"The run is {record.validity}."


def next_request(request: BenchRequest, change: RequestChange) -> BenchRequest:
    """Return the request with a change, which overrides ``--set`` for the same setting."""
    settings = {
        "qps": "target_qps",
        "max_latency": "target_latency",
        "count": "min_query_count",
        "time": "min_duration",
    }
    doomed = {settings[key] for key in change}
    extra = {
        key: value
        for key, value in (request.extra or {}).items()
        if key.rpartition(".")[2] not in doomed
    }
    return replace(request, extra=extra, **change)


def attempts(
    run: Callable[[BenchRequest], ConcludedRun], request: BenchRequest, most: int = MOST_ATTEMPTS
) -> Iterator[tuple[BenchRequest, ConcludedRun]]:
    """Run a request, and retry while it is INVALID for a reason that a setting can fix.

    Yields each request with its recorded run, at most ``most`` of them.
    """
    for _ in range(most):
        done = run(request)
        yield request, done
        change = advise(done.record).change
        if not change:
            return
        request = next_request(request, change)


def _far_below(record: RunRecord) -> Iterator[str]:
    """Yield what may be wrong if the score is far below that of the benchmark's model.

    The bound is lowered by two standard errors, since a few samples say little.
    """
    way, found = record.dataset.preprocessing, record.result.value
    judged = record.accuracy.judged if record.accuracy else None
    # Only a share of right answers has a standard error that is known without the answers.
    if not way or found is None or not judged or record.result.unit != "%":
        return
    dataset = dataset_of(record.benchmark)
    others = [name for name in (dataset.ways if dataset else ()) if name != way]
    if dataset is None or not others:
        return
    reference = _reference(record)
    known = reference.accuracy if reference else None
    share = _FAR_BELOW * known / 100 if known else _NEAR_CHANCE
    if found / 100 + 2 * math.sqrt(share * (1 - share) / judged) >= share:
        return
    score = (
        f"far below the {_number(known)} % of {reference.name}"
        if (reference and known)
        else "hardly better than chance"
    )
    ways = " or ".join(filter(None, (", ".join(others[:-1]), others[-1])))
    yield (
        f"{_number(found)} % on {judged} {dataset.unit} is {score}. The {dataset.unit} were "
        f"prepared in the way {way}. If the model was trained with others, name its way: --way "
        f"{ways}, with --model-file or `mlrepo model add NAME FILE` (`mlrepo dataset prepare "
        f"{dataset.name} --way WAY` makes the {dataset.unit})."
    )


def _reference(record: RunRecord) -> ReferenceModel | None:
    """Return the run's model in the catalogue, else the benchmark's first with a known score."""
    unit = record.result.unit
    known = [
        model
        for model in variants(record.benchmark)
        if model.accuracy is not None and model.accuracy_unit == unit
    ]
    name = record.model.name
    own = (model for model in known if f"{model.benchmark}-{model.variant}" == name)
    return next(own, known[0] if known else None)


def _too_short(record: RunRecord, reasons: str, words: list[str], change: RequestChange) -> None:
    """Advise on a run with too few queries: LoadGen prepares them for the expected load."""
    effective = record.loadgen.effective
    limits = [
        name
        for name, limit in (
            ("max_query_count", effective.max_query_count),
            ("max_duration_ms", effective.max_duration_ms),
        )
        if limit
    ]
    lasted, least = _seconds(record), (effective.min_duration_ms or 0) / 1e3
    queries, wanted = record.metric("query_count"), effective.min_query_count
    amount = ""
    if "Min duration" in reasons and lasted:
        amount = f" It lasted {lasted:.3g} s, and {least:.6g} s are needed."
    elif "Min queries" in reasons and queries is not None:
        amount = f" It had {queries:.0f} queries, and {wanted} are needed."
    if limits:
        words.append(f"The run was cut short.{amount} Remove {' and '.join(limits)}.")
        return
    if SCENARIOS[record.scenario].is_stream:
        mean = record.metric("mean_query_latency") or record.metric("mean_latency")
        if mean is None:
            words.append(f"LoadGen ran out of queries.{amount} Lower --max-latency.")
            return
        change["max_latency"] = mean * _LATENCY_MARGIN / 1e3
        expected = 1e3 / (effective.target_qps or 1)
        words.append(
            f"LoadGen ran out of queries.{amount} It prepared them for {_number(expected)} ms per "
            f"query, and the system took {_number(mean)} ms: lower --max-latency to "
            f"{_number(change['max_latency'])} (seconds)."
        )
        return
    rate = record.rate or 0.0
    if not rate:
        words.append(f"LoadGen ran out of queries.{amount} Raise --qps.")
        return
    change["qps"] = rate * _RATE_MARGIN
    words.append(
        f"LoadGen ran out of samples.{amount} It prepared them for "
        f"{_number(effective.target_qps or 0)} per second, and the system did "
        f"{_number(rate)}: raise --qps to {_number(change['qps'])}."
    )


def _too_slow(record: RunRecord, words: list[str], change: RequestChange) -> None:
    amount = missed(record)
    asked = record.loadgen.effective.target_qps or 0.0
    did = sustained(record) or 0.0
    if fell_behind(record):
        change["qps"] = did * _SERVER_MARGIN
        offered = record.metric("scheduled_samples_per_sec") or asked
        amount += f". The system did {_number(did)} of the {_number(offered)} queries per second"
    elif asked:
        change["qps"] = asked * _SERVER_MARGIN
    lower = f" to {_number(change['qps'])}" if change else ""
    words.append(
        f"The latency bound does not hold{amount and f': {amount}'}. Lower --qps{lower}, or let "
        f"`mlrepo bench peak --benchmark {record.benchmark} --scenario {record.scenario}` find it."
    )


def not_held(record: RunRecord) -> str:
    """Return what a rate did not hold, and by how much."""
    words = [missed(record)]
    offered = record.metric("scheduled_samples_per_sec")
    if fell_behind(record) and offered is not None:
        words.append(f"the system did {sustained(record):.6g} of {offered:.6g} queries/s")
    elif not too_slow(record):  # the percentile holds, but not with 99 % confidence
        words.append(explain(record))
    return "; ".join(filter(None, words))


def missed(record: RunRecord) -> str:
    """Return how far a run's latencies are from its limits; '' if it has none."""
    limits = list(_token_limits(record))
    if limits:
        # LoadGen ignores the latency of the whole query then.
        return ", ".join(limits)
    effective = record.loadgen.effective
    share = effective.target_latency_percentile or 0.99
    latency = record.metric(f"{share * 100:.2f}_percentile_latency")
    bound = (effective.target_latency_ns or 0) / 1e6
    amount = []
    if latency is not None and bound:
        amount.append(
            f"{_number(latency)} ms at the {share * 100:.4g}th percentile, {_number(bound)} ms "
            "allowed"
        )
    slow, queries = record.metric("overlatency_query_count"), record.metric("query_count")
    if slow is not None and queries:
        amount.append(
            f"{_percent(slow / queries)} of the queries took longer, {_percent(1 - share)} may"
        )
    return "; ".join(amount)


def _token_limits(record: RunRecord) -> Iterator[str]:
    """Yield how far the time to the first token and per output token are from their limits."""
    percent = bounded_percent(record)
    for name, allowed in loadgen_limits(record).items():
        found = latency_ms(record, name, round(percent, 2))
        if name == "latency" or found is None:
            continue
        share = abs(found / allowed - 1)
        yield (
            f"{name.upper()} at the {percent:.4g}th percentile {_number(found)} ms, "
            f"{_number(allowed)} ms allowed "
            f"({_percent(share)} {'below' if found <= allowed else 'too long'})"
        )


def _too_few(record: RunRecord, reasons: str, words: list[str], change: RequestChange) -> None:
    queries = record.metric("query_count")
    match = _MORE_QUERIES.search(reasons)
    if queries is None or match is None:
        words.append("Too few queries for the percentile: make the run longer (--time, --count).")
        return
    # LoadGen says "at least N more queries", or "at least N queries" in total.
    needed = int(match[1]) + (int(queries) if match[2] else 0)
    change["count"] = needed + needed // 20
    duration = (record.loadgen.effective.min_duration_ms or 0) / 1e3
    if duration:
        change["time"] = duration
    words.append(
        f"Too few queries for the percentile: {queries:.0f} were processed, and early stopping "
        f"needs {needed} at least: raise --count to {change['count']}."
    )


def _seconds(record: RunRecord) -> float | None:
    """Return how many seconds LoadGen issued queries, according to its metrics."""
    queries, rate = record.metric("query_count"), record.rate
    if SCENARIOS[record.scenario].is_stream:
        mean = record.metric("mean_query_latency") or record.metric("mean_latency")
        return None if queries is None or mean is None else queries * mean / 1e3
    samples = record.loadgen.effective.samples_per_query or 1
    return None if queries is None or not rate else queries * samples / rate


def _number(value: float) -> str:
    return format_number(value)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share > 0.1 else f"{100 * share:.2g} %"
