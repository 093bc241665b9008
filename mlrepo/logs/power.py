"""``spl.txt`` of the power daemon: samples of watts inside a window of time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlrepo.logs.moments import parse_clock

_USUAL_LINE = (
    r"Time,[0-9-]{10} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3},"
    r"Watts,-?[0-9]{1,9}(?:\.[0-9]{1,9})?,[^\n]*+"
)
_USUAL_LINES = re.compile(rf"(?:{_USUAL_LINE}\n)*+(?:{_USUAL_LINE})?+")


@dataclass(frozen=True)
class PowerSamples:
    """The samples strictly inside a window.

    Attributes
    ----------
    count:
        How many there are.
    mean_watts:
        Their mean; 0 when there are none.
    total:
        Their number including samples of zero or negative power, which some rounds leave out.
    times:
        The number of distinct times.
    positive:
        The number of samples with positive power.
    mean_positive:
        Their mean; 0 when there are none.
    """

    count: int
    mean_watts: float
    total: int
    times: int
    positive: int
    mean_positive: float


def parse_time(text: str, zone_seconds: float = 0) -> datetime:
    """Return a time as LoadGen and the daemon write it, shifted; raise :class:`ValueError`."""
    try:
        return parse_clock(text) + timedelta(seconds=zone_seconds)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time: {error}") from error


def samples_between(
    text: str,
    begin: datetime,
    end: datetime,
    zone_seconds: float = 0,
    *,
    samples_only: bool = False,
    positive_only: bool = False,
) -> PowerSamples:
    """Return the samples of ``Time,<time>,Watts,<watts>,…`` lines strictly between two times.

    Parameters
    ----------
    text, begin, end, zone_seconds:
        The file, the window, and what to add to the file's clock.
    samples_only:
        Skip lines of another kind, as the checkers since v4.0 do.
    positive_only:
        Leave out samples without positive power, as the checkers since v3.1 do.

    Raises
    ------
    ValueError
        A line has no time, or no finite number of watts.
    """
    samples = _usual_samples(text, begin, end, zone_seconds)
    if samples is None:
        samples = _any_samples(text, begin, end, zone_seconds, samples_only=samples_only)
    watts = [value for _, value in samples]
    positive = [value for value in watts if value > 0]
    counted = positive if positive_only else watts
    return PowerSamples(
        count=len(counted),
        mean_watts=_mean(counted),
        total=len(watts),
        times=len({time for time, _ in samples}),
        positive=len(positive),
        mean_positive=_mean(positive),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _usual_samples(
    text: str, begin: datetime, end: datetime, zone_seconds: float
) -> list[tuple[str, float]] | None:
    """Read a file whose lines all have the usual form and one day: times then compare as text."""
    zone = timedelta(seconds=zone_seconds)
    window = (begin - zone, end - zone)
    if any(time.strftime("%m-%d-%Y") != text[5:15] or time.microsecond % 1000 for time in window):
        return None
    lines = text.count("\n") + (not text.endswith("\n"))
    if (
        text.count(f"Time,{text[5:15]} ") != lines
        or text.count("\r") != text.count("\r\n")
        or _USUAL_LINES.fullmatch(text) is None
    ):
        return None
    low, high = (time.strftime("%H:%M:%S.%f")[:12] for time in window)
    return [
        (line[16:28], float(line.split(",", 4)[3]))
        for line in text.split("\n")
        if low < line[16:28] < high
    ]


def _any_samples(
    text: str, begin: datetime, end: datetime, zone_seconds: float, *, samples_only: bool
) -> list[tuple[str, float]]:
    samples: list[tuple[str, float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if samples_only and not line.startswith("Time"):
            continue
        fields = line.split(",", 4)
        if len(fields) < 4:
            raise ValueError(f"line {number} has no watts")
        if begin < parse_time(fields[1], zone_seconds) < end:
            value = float(fields[3])
            if not math.isfinite(value):
                raise ValueError(f"line {number} has {fields[3].strip()} watts")
            samples.append((fields[1], value))
    return samples
