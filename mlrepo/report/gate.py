"""Whether a result got worse by more than a limit and by more than noise."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.report.chart import counted
from mlrepo.report.intervals import Interval

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

REGRESSED = "regressed"
PASSED = "passed"
NOT_JUDGED = "not judged"
# The measure that is judged where none is named; the others are LoadGen's metrics.
RESULT = "result"
_TIMES = frozenset({"ms", "ns", "us", "µs", "s"})


@dataclass(frozen=True)
class Measure:
    """What is judged: the name and the unit, and whether a smaller value is the better one."""

    name: str
    unit: str
    lower_is_better: bool
    is_speed: bool

    def loss(self, ratio: float) -> float:
        """Return by which share of the old value the new one is worse; below 0 it is better."""
        return ratio - 1 if self.lower_is_better else 1 - ratio

    def words(self, ratio: float, interval: Interval | None) -> str:
        """Say by how much new ÷ old is better or worse: ``5.1 % slower [4.2, 6.0]``."""
        loss = self.loss(ratio)
        sign = 1 if loss > 0 else -1
        word = ("slower", "faster") if self.is_speed else ("worse", "better")
        said = f"{_percent(abs(loss))} % {word[0] if loss > 0 else word[1]}"
        if interval is None:
            return said
        ends = sorted(sign * self.loss(end) for end in (interval.low, interval.high))
        return f"{said} [{', '.join(map(_percent, ends))}]"


def measure_of(name: str, unit: str, *, lower: bool, performance: bool) -> Measure:
    """Return a measure; of a metric, a latency is better when it is lower, anything else higher.

    Parameters
    ----------
    name:
        ``result``, or the name of a metric of LoadGen.
    lower:
        Whether a smaller result is better.
    """
    if name != RESULT:
        lower = unit in _TIMES
    return Measure(name, unit, lower, performance and (lower or "/s" in unit))


@dataclass(frozen=True)
class GateVerdict:
    """What the gate says of one comparison.

    Attributes
    ----------
    subject:
        What was compared, in one line.
    group:
        Benchmark, scenario and mode, with dots between them.
    state:
        :data:`REGRESSED`, :data:`PASSED` or :data:`NOT_JUDGED`.
    words:
        Why, in one sentence.
    seconds:
        How long the newer runs took.
    """

    subject: str
    group: str
    state: str
    words: str
    seconds: float = 0.0


def parse_limit(text: str) -> float:
    """Return the limit that ``3%`` or ``3`` means, as a share.

    Raises
    ------
    UserError
        It is no percentage from 0 to less than 100.
    """
    try:
        limit = float(text.strip().removesuffix("%"))
    except ValueError:
        limit = math.nan
    if not 0 <= limit < 100:
        raise UserError(
            f"{text!r} is not a limit of a gate.",
            hint="Give a percentage from 0 to less than 100, such as --gate 3%: from which loss on "
            "a regression counts.",
        )
    return limit / 100


def noise_words(measure: Measure, interval: Interval | None, limit: float) -> str:
    """Say that a loss beyond the limit may be there, unseen; '' if the interval excludes it."""
    if interval is None or not interval.holds_one:
        return ""
    if max(map(measure.loss, (interval.low, interval.high))) <= limit:
        return ""
    return f"; too noisy to exclude a loss of {100 * limit:g} %"


def state_of(measure: Measure, ratio: float, interval: Interval | None, limit: float) -> str:
    """Judge a ratio: a regression is a loss beyond the limit whose interval excludes none."""
    if interval is None:
        return NOT_JUDGED
    return REGRESSED if measure.loss(ratio) > limit and not interval.holds_one else PASSED


def left_words(left: Mapping[str, int]) -> str:
    """Say how many runs are not compared, by why; a verdict is in capitals."""
    return "; ".join(
        f"{counted(number, 'run')} {f'with the verdict {why}' if why.isupper() else why}"
        for why, number in left.items()
    )


def seconds_of(record: RunRecord) -> float:
    """Return how long a run took, by its record; 0 where that does not say."""
    try:
        ends = [datetime.datetime.fromisoformat(said) for said in (record.started, record.ended)]
        return max(0.0, (ends[1] - ends[0]).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".replace("-0.0", "0.0")
