"""Where to measure next on a load curve, and where its knee is.

With a limit the knee is the largest load that holds it, found by halving the gap between the
largest load that holds and the smallest one above it that does not. Noise only makes a system
slower, so a load bounds the knee only after two failures, or one if the system fell behind, and
ends the search after two more.

Without a limit the knee is where the curve bends: the point farthest above the line from its first
to its last point, both axes scaled to 1 (Satopää et al., "Finding a 'Kneedle' in a Haystack", 2011,
without its smoothing). The gaps on both sides of it are halved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlrepo.bench.sweep.points import LoadPoint

# How often a load must fail to bound the knee, and to end the search; once less each if the system
# fell behind.
_LIKELY, _SURE = 2, 4


@dataclass(frozen=True)
class Knee:
    """Where a curve bends, or crosses its limit.

    Attributes
    ----------
    load:
        The largest load that holds, or the load at the bend; None if none holds.
    above:
        The smallest load above it that does not hold, or the next one beyond the bend; None if
        there is none.
    """

    load: float | None
    above: float | None


def find_knee(points: Sequence[LoadPoint], *, limited: bool) -> Knee:
    """Return the knee of a curve, as far as its points tell."""
    ordered = sorted(points, key=lambda point: point.load)
    if limited:
        low = max((point.load for point in ordered if point.good), default=None)
        above = (p.load for p in ordered if not p.good and (low is None or p.load > low))
        return Knee(low, min(above, default=None))
    place = _bend(ordered)
    if place is None:
        return Knee(None, None)
    after = ordered[place + 1].load if place + 1 < len(ordered) else None
    return Knee(ordered[place].load, after)


def next_loads(
    points: Sequence[LoadPoint], *, limited: bool, whole: bool, resolution: float
) -> list[float]:
    """Return the loads to measure next; empty if the knee is known to the resolution.

    A load that was measured is named again if one failure is not enough.

    Parameters
    ----------
    whole:
        Whether loads are whole numbers.
    resolution:
        How close two loads are placed, as a share of the smaller one.
    """
    ordered = sorted(points, key=lambda point: point.load)
    if limited:
        return _around_limit(ordered, whole=whole, resolution=resolution)
    place = _bend(ordered)
    if place is None:
        return []
    pairs = [
        (ordered[one].load, ordered[one + 1].load)
        for one in (place - 1, place)
        if 0 <= one < len(ordered) - 1
    ]
    middles = [_middle(low, high, whole=whole, resolution=resolution) for low, high in pairs]
    return [one for one in middles if one is not None]


def _around_limit(points: Sequence[LoadPoint], *, whole: bool, resolution: float) -> list[float]:
    knee = find_knee(points, limited=True)
    if knee.load is None or knee.above is None:
        return []  # the range has only loads that hold, or none
    bound = next(point for point in points if point.load == knee.above)
    middle = _middle(knee.load, knee.above, whole=whole, resolution=resolution)
    needed = (_SURE if middle is None else _LIKELY) - bound.behind
    if bound.bad < needed:
        return [bound.load]
    return [] if middle is None else [middle]


def _middle(low: float, high: float, *, whole: bool, resolution: float) -> float | None:
    """Return the load between two others; None if they are close enough."""
    if high <= low * (1 + resolution):
        return None
    middle = math.sqrt(low * high)
    if not whole:
        return float(f"{middle:.5g}")
    near = round(middle)
    return None if high - low <= 1 else float(min(max(near, low + 1), high - 1))


def _bend(points: Sequence[LoadPoint]) -> int | None:
    """Return the place of the point farthest above the line from the first to the last one."""
    known = [
        (place, point.load, point.height)
        for place, point in enumerate(points)
        if point.height is not None
    ]
    if len(known) < 3:
        return None
    (_, first, _), (_, last, _) = known[0], known[-1]
    heights = [height for _, _, height in known]
    lowest, highest = min(heights), max(heights)
    if highest <= lowest or last <= first:
        return None
    above = [
        (height - lowest) / (highest - lowest) - (load - first) / (last - first)
        for _, load, height in known
    ]
    return known[above.index(max(above))][0]
