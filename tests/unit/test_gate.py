"""What counts as a regression: beyond the limit and beyond noise, in the metric's direction."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from mlrepo.cli.github_commands import workflow_command
from mlrepo.cli.records.junit import junit_report
from mlrepo.errors import UserError
from mlrepo.report.gate import (
    NOT_JUDGED,
    PASSED,
    REGRESSED,
    RESULT,
    GateVerdict,
    measure_of,
    parse_limit,
    state_of,
)
from mlrepo.report.intervals import Interval

_RATE = measure_of(RESULT, "samples/s", lower=False, performance=True)
_LATENCY = measure_of(RESULT, "ms", lower=True, performance=True)


@pytest.mark.parametrize(
    ("text", "limit"), [("3", 0.03), ("3%", 0.03), (" 2.5 % ", 0.025), ("0", 0.0), ("99.9", 0.999)]
)
def test_a_limit_is_a_percentage(text: str, limit: float) -> None:
    """With its sign or without."""
    assert parse_limit(text) == pytest.approx(limit)


@pytest.mark.parametrize("text", ["-1", "-0.1%", "100", "300%", "nan", "inf", "", "%", "3%%", "x"])
def test_other_limits_are_refused(text: str) -> None:
    """With an example of one."""
    with pytest.raises(UserError) as refused:
        parse_limit(text)
    assert repr(text) in refused.value.message
    assert "--gate 3%" in refused.value.hint


@pytest.mark.parametrize(
    ("measure", "ratio", "ends", "state"),
    [
        (_RATE, 0.95, (0.94, 0.96), REGRESSED),
        (_RATE, 0.95, (0.89, 1.01), PASSED),
        (_RATE, 0.98, (0.975, 0.985), PASSED),
        (_RATE, 1.05, (1.04, 1.06), PASSED),
        (_LATENCY, 1.05, (1.04, 1.06), REGRESSED),
        (_LATENCY, 0.95, (0.94, 0.96), PASSED),
        (_LATENCY, 5.0, (4.0, 6.0), REGRESSED),
    ],
)
def test_a_regression_is_a_loss_beyond_the_limit_and_beyond_noise(
    measure: object, ratio: float, ends: tuple[float, float], state: str
) -> None:
    """Of 3 %: lower is worse for a rate, higher for a latency."""
    assert measure in (_RATE, _LATENCY)
    chosen = _RATE if measure == _RATE else _LATENCY
    assert state_of(chosen, ratio, Interval(*ends), 0.03) == state
    assert state_of(chosen, ratio, None, 0.03) == NOT_JUDGED


def test_a_change_is_said_in_its_direction() -> None:
    """With the ends of the interval in the same direction, the smaller one first."""
    assert _RATE.words(0.95, Interval(0.94, 0.96)) == "5.0 % slower [4.0, 6.0]"
    assert _RATE.words(1.05, Interval(0.99, 1.11)) == "5.0 % faster [-1.0, 11.0]"
    assert _LATENCY.words(1.25, None) == "25.0 % slower"
    accuracy = measure_of(RESULT, "%", lower=False, performance=False)
    assert accuracy.words(0.99, None) == "1.0 % worse"
    p99 = measure_of("99.00_percentile_latency", "ms", lower=False, performance=True)
    assert p99.words(0.9, None) == "10.0 % faster"


_HOSTILE = "</testcase>\x1b[2J\x00\ud800\ufffe & \"'\n::error::owned%\u202e"


def test_junit_is_xml_whatever_the_names() -> None:
    """With the numbers that a reader counts, and the words of each verdict."""
    states = (REGRESSED, PASSED, NOT_JUDGED)
    data = junit_report(
        "mlrepo trend", [GateVerdict(_HOSTILE, "a", s, _HOSTILE, 1) for s in states]
    )
    root = ElementTree.fromstring(data)
    counts = {"tests": "3", "failures": "1", "time": "3.000"}
    assert {name: root.get(name) for name in counts} == counts
    [suite] = root
    assert suite.get("skipped") == "1"  # the root has no such attribute in Jenkins' schema
    assert [[child.tag for child in case] for case in root.iter("testcase")] == [
        ["failure"],
        ["system-out"],
        ["skipped"],
    ]
    [failure] = root.iter("failure")
    assert str(failure.text).startswith("</testcase>\\u001b[2J\\u0000\\ud800\ufffd & \"'")
    assert "\u202e" not in data.decode()


def test_a_workflow_command_is_one_line_that_githubs_runner_restores() -> None:
    """As actions/toolkit escapes: %, line ends and, in properties, colons and commas."""
    line = workflow_command("error", "5 % slower\r\nsince ::x", title="a:b,c", file="")
    assert line == "::error title=a%3Ab%2Cc::5 %25 slower%0D%0Asince ::x"
    hostile = workflow_command("warning", _HOSTILE, title=_HOSTILE)
    assert len(hostile.splitlines()) == 1
    assert hostile.encode().isascii()
