"""How long a run takes and why, and the progress line."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from mlrepo.bench.execute import RunLength
from tests.terminal import seen_on_terminal

_SCRIPT = """
import sys, time
from mlrepo.bench.execute import Progress, RunLength
from mlrepo.cli import progress, screen
progress._REDRAW_SECONDS = 0
length = RunLength(600.0, 24576, 6.1)
with screen.doors():
    line = progress.ProgressLine("[3/8] resnet50 Offline performance", lambda p: "suite 2.5 h left")
    for done in range(0, 24576, 1024):
        line.update(Progress("started", 10, done, done / 24576, 4000.0, length=length))
    line.close()
    print("end", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("length", "seconds", "why"),
    [
        (RunLength(600, 24576, 6.1), 24576 / 6.1, "24,576 samples at 6.1/s"),
        (RunLength(600, 64, 100.0), 600, "it lasts at least 600 s"),
        (RunLength(0, 50000, 2500.0), 20, "50,000 samples at 2,500/s"),
        (RunLength(5, 24576, 0.0), 5, "it lasts at least 5 s"),
    ],
)
def test_the_larger_of_duration_and_samples_decides(
    length: RunLength, seconds: float, why: str
) -> None:
    """A short --time does not make the samples of the round fewer."""
    assert length.seconds == pytest.approx(seconds)
    assert length.why == why


def test_time_left_is_of_what_is_not_done_yet() -> None:
    """After its five seconds a run with most of its samples before it is not at its end."""
    length = RunLength(5, 24576, 6.1)
    assert length.left(0, 0) == pytest.approx(24576 / 6.1)
    assert length.left(5, 30) == pytest.approx(5 * (24576 - 30) / 30)
    assert length.left(4000, 24576) == 0
    assert RunLength(600, 64, 100.0).left(10, 5000) == 590


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_one_line_is_redrawn_and_never_wraps(columns: int, tmp_path: Path) -> None:
    """Each drawing fits the terminal; before it stands how long the run takes, and why."""
    command = [sys.executable, "-c", _SCRIPT]
    text, _ = seen_on_terminal(command, tmp_path, os.environ, size=(24, columns))
    before, _, drawn = text.partition("6.1/s\r\n")
    assert re.search(r"about 67 min: 24,576 samples at $", before)
    drawings = [one for one in re.split("[\r\n]", drawn) if one.strip()]
    assert drawings[-1] == "end"
    assert len(drawings) > 20
    assert max(map(len, drawings)) < columns
    assert "67 min left" in drawings[0]
