"""How `mlrepo show` says and draws the distribution of a run's latencies and its trace."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from mlrepo.cli.table import output_width
from mlrepo.errors import UserError
from mlrepo.latencies.documents import (
    LATENCIES_FILE,
    TITLES,
    TRACE_FILE,
    Latencies,
    Series,
    Trace,
)

if TYPE_CHECKING:
    from mlrepo.latencies.histogram import Histogram
    from mlrepo.record import RunRecord
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.history import RecordedRun

_SHARES = (0.5, 0.9, 0.99, 0.999)
_MS = 1e-6
_BLOCKS, _ASCII = " ▁▂▃▄▅▆▇█", " .:-=+*#"
_ROWS = 6
# Columns before a chart, and of a chart on a terminal of unknown or great width.
_MARGIN, _WIDEST, _NARROWEST = 12, 88, 16
# Columns for the numbers after a line of a trace, at least.
_TEXTS = 20
_Cells = Sequence[float | None]


@dataclass(frozen=True)
class Distribution:
    """What a run recorded of its latencies.

    ``unread`` is why a file is missing or cannot be used, by its name.
    """

    latencies: Latencies
    trace: Trace | None = None
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why there is no distribution or no trace, by the name of the file."""
        own = {LATENCIES_FILE: self.latencies.why} if self.latencies.why else {}
        return {**self.unread, **own}

    def values(self) -> dict[str, object]:
        """Return it for JSON; null for what there is not."""
        found = {name: _values(one) for name, one in self.latencies.distributions.items()}
        return {
            "latencies": found or None,
            "trace": _trace_values(self.trace) if self.trace else None,
            "no_distribution": dict(self.reasons),
        }


def read_distribution(
    repository: ResultsRepository, run: RecordedRun, record: RunRecord, files: Sequence[str]
) -> Distribution:
    """Return what a run recorded of its latencies; what is damaged is said, not raised."""
    from mlrepo.repository.history import read_file

    unread: dict[str, str] = {}

    def read(name: str) -> bytes | None:
        return read_file(repository, run, name) if name in files else None

    latencies, trace = Latencies(), None
    try:
        data = read(LATENCIES_FILE)
        if data is None:
            unread[LATENCIES_FILE] = _why_none(record)
        else:
            latencies = Latencies.from_json(data)
    except UserError as error:
        unread[LATENCIES_FILE] = error.message
    try:
        data = read(TRACE_FILE)
        trace = None if data is None else Trace.from_json(data)
    except UserError as error:
        unread[TRACE_FILE] = error.message
    return Distribution(latencies, trace, unread)


def _why_none(record: RunRecord) -> str:
    from mlrepo.record import ACCURACY, FAILED, IMPORTED_TAG, INTERRUPTED, PUBLISHED

    if record.validity == PUBLISHED:
        return "its logs are not here"
    if IMPORTED_TAG in record.tags:
        return "it was imported, and LoadGen's logs have percentiles only"
    if record.mode == ACCURACY:
        return "accuracy runs record none"
    if record.validity in (FAILED, INTERRUPTED):
        return "it ended before all its queries were answered"
    return f"{record.tool or 'mlrepo'} recorded none"


def print_distribution(found: Distribution, *, ascii_only: bool) -> None:
    """Print the percentiles of a run, and on a terminal draw distribution and trace."""
    for name, reason in found.reasons.items():
        what = "latencies" if name == LATENCIES_FILE else "trace"
        click.echo(f"  {what:<10}none: {reason}")
    width = output_width()
    room = max(_NARROWEST, min(width or _WIDEST, _WIDEST) - _MARGIN)
    draws = sys.stdout.isatty()
    levels = _ASCII if ascii_only or (sys.stdout.encoding or "").lower() != "utf-8" else _BLOCKS
    for name, histogram in found.latencies.distributions.items():
        click.echo(f"  {TITLES[name]}, {histogram.count}")
        for line in _percentiles(histogram, room):
            click.echo(f"    {line}")
        if draws:
            click.echo("\n".join(_histogram_lines(histogram, room, levels)))
    if found.trace is not None and draws:
        click.echo("\n".join(_trace_lines(found.trace, room, levels)))


def _percentiles(histogram: Histogram, room: int) -> Iterator[str]:
    """Yield the percentiles of a histogram in lines."""
    import textwrap

    found = [f"p{share * 100:g} {_time(histogram.percentile(share))}" for share in _SHARES]
    found.append(f"longest {_time(histogram.longest)}")
    # A percentile, its value and the unit stay in one line.
    text = ", ".join(one.replace(" ", "\xa0") for one in found)
    for line in textwrap.wrap(text, room + _MARGIN - 4, break_on_hyphens=False):
        yield line.replace("\xa0", " ")


def _time(nanoseconds: float) -> str:
    """Return a time with three digits and its unit."""
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if nanoseconds >= scale:
            return f"{nanoseconds / scale:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def _histogram_lines(histogram: Histogram, room: int, levels: str) -> Iterator[str]:
    """Yield the lines of a histogram: latencies to the right, their number upwards.

    Both are logarithmic: otherwise the tail would not be seen.
    """
    low, high = max(histogram.shortest, 1.0), max(histogram.longest, 1.0)
    high = max(high, low * 1.02)  # all in one column if they are all alike
    scale = room / math.log(high / low)
    columns = [0] * room
    for begin, end, count in histogram.buckets():
        middle = math.sqrt(begin * end)
        place = int(math.log(max(middle, low) / low) * scale)
        columns[min(place, room - 1)] += count
    most = max(columns)
    heights = [math.log(1 + count) / math.log(1 + most) if count else 0.0 for count in columns]
    yield from _bars(heights, levels, top=f"{most}", bottom="1")
    yield f"{'':>{_MARGIN}}" + _axis(low, high, room)


def _bars(heights: Sequence[float], levels: str, *, top: str, bottom: str) -> Iterator[str]:
    full = len(levels) - 1
    for row in reversed(range(_ROWS)):
        label = top if row == _ROWS - 1 else bottom if row == 0 else ""
        cells = (
            levels[max(0, min(full, math.ceil((height * _ROWS - row) * full)))]
            for height in heights
        )
        yield f"{label[: _MARGIN - 2]:>{_MARGIN - 2}} |{''.join(cells).rstrip()}"


def _axis(low: float, high: float, room: int) -> str:
    """Return the labels of a logarithmic axis: its ends, and powers of ten between them."""
    labels = {0: _time(low)}
    last = _time(high)
    end = max(0, room - len(last))
    exponent = math.ceil(math.log10(low))
    while 10**exponent < high:
        place = int(math.log(10**exponent / low) / math.log(high / low) * room)
        text = f"|{_time(10.0**exponent)}"
        if place > len(labels[0]) and place + len(text) < end:
            labels[place] = text
        exponent += 1
    line = ""
    for place, text in sorted({**labels, end: last}.items()):
        if place >= len(line):
            line = f"{line:<{place}}{text}"
    return line


# The rows of a trace: label, unit, and how the values of one column become one.
_LINES: Sequence[tuple[str, str, str, Callable[[Sequence[float]], float]]] = (
    ("median_ms", "median", "ms", lambda values: sum(values) / len(values)),
    ("p99_ms", "p99", "ms", max),
    ("slowest_ms", "slowest", "ms", max),
    ("in_flight", "in flight", "", max),
    ("rate", "samples/s", "", lambda values: sum(values) / len(values)),
    ("percent", "CPU busy", "%", lambda values: sum(values) / len(values)),
    ("lowest_mhz", "clock", "MHz", min),
    ("celsius", "heat", "degrees C", max),
    ("throttle_events", "throttled", "times", sum),
    ("gpu_percent", "GPU busy", "%", lambda values: sum(values) / len(values)),
    ("gpu_mhz", "GPU clock", "MHz", min),
    ("gpu_celsius", "GPU heat", "degrees C", max),
    ("gpus_held_back", "held back", "GPUs", max),
)


def _trace_lines(trace: Trace, room: int, levels: str) -> Iterator[str]:
    """Yield a line of blocks for each column of a trace: how it went over the run."""
    series = dict(_rows_of(trace))
    ends = [one.seconds[-1] for one, _ in series.values() if one.seconds]
    if not ends:
        return
    length = max([*ends, trace.interval * len(trace.queries.seconds)]) or 1.0
    yield f"  trace over {length:.3g} s, lines from lowest to highest"
    for texts in range(_TEXTS, room, 4):  # the numbers at the end decide the room for blocks
        most = max(_NARROWEST, room - texts)
        lines = [
            _trace_line(
                label, unit, list(_resampled(*series[name], length, most, together)), levels
            )
            for name, label, unit, together in _LINES
            if name in series
        ]
        if max(map(len, lines), default=0) <= room + _MARGIN:
            break
    yield from filter(None, lines)


def _trace_line(label: str, unit: str, cells: _Cells, levels: str) -> str:
    known = [value for value in cells if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    alike = high <= low
    scale = 0.0 if alike else (len(levels) - 2) / (high - low)
    middle = levels[len(levels) // 2]
    blocks = "".join(
        " " if value is None else middle if alike else levels[1 + round((value - low) * scale)]
        for value in cells
    )
    said = _number(low) if alike else f"{_number(low)} to {_number(high)}"
    return f"{label:>{_MARGIN - 2}} |{blocks}| {said} {unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def _rows_of(trace: Trace) -> Iterator[tuple[str, tuple[Series, _Cells]]]:
    for series in (trace.queries, trace.machine):
        for name, values in series.columns.items():
            if name == "completed" and trace.interval:
                yield "rate", (series, [one and one / trace.interval for one in values])
            elif name in ("busy", "gpu_busy"):
                percent = [one and 100 * one for one in values]
                yield name.replace("busy", "percent"), (series, percent)
            else:
                yield name, (series, values)


def _resampled(
    series: Series,
    values: _Cells,
    length: float,
    columns: int,
    together: Callable[[Sequence[float]], float],
) -> Iterator[float | None]:
    """Yield one value for each column of a line; sparse readings hold until the next one."""
    held: list[list[float]] = [[] for _ in range(columns)]
    for moment, value in zip(series.seconds, values, strict=True):
        if value is not None:
            held[min(int(moment / length * columns), columns - 1)].append(value)
    sparse = len(series.seconds) < columns
    last = None
    for found in held:
        value = together(found) if found else (last if sparse else None)
        last = value
        yield value


def _values(histogram: Histogram) -> dict[str, object]:
    shares = (*_SHARES[:2], 0.95, 0.97, *_SHARES[2:])
    return {
        "count": histogram.count,
        "shortest_ms": histogram.shortest * _MS,
        "mean_ms": histogram.mean * _MS,
        "longest_ms": histogram.longest * _MS,
        "percentiles_ms": {
            f"{share * 100:g}": histogram.percentile(share) * _MS for share in shares
        },
        "buckets_ms": [
            [begin * _MS, end * _MS, count] for begin, end, count in histogram.buckets()
        ],
    }


def _trace_values(trace: Trace) -> dict[str, object]:
    return {
        "began": trace.began,
        "interval_seconds": trace.interval,
        "queries": trace.queries.to_dict(),
        "machine": trace.machine.to_dict(),
        "slowest": [
            {"query": one.number, "seconds": one.start, "latency_ms": one.latency * _MS}
            for one in trace.slowest
        ],
    }
