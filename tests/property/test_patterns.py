"""Every regular expression runs in linear time: they read texts of others."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.logs.metric_pattern import LONGEST_LINE, metric_pattern
from mlrepo.rounds import SHIPPED
from tests.patterns import Use, all_uses


def test_every_pattern_is_linear() -> None:
    """On texts made from its own parts; doubling a text doubles the time at most.

    One test for all: to find them takes seconds, in each process that collects the tests.
    """
    uses = all_uses()
    for beginning in (
        "mlrepo.logs.summary._CONDITION",
        "mlrepo.systems.memory:",
        "mlrepo.stand_in._KINDS[",
        "mlrepo.redaction.SECRET_PATTERNS[",
        "v6.0 ",
    ):  # by name, in a table, and where one is written into a call
        assert any(where.startswith(beginning) for where in uses), beginning
    slow = {where: use.slow_text() for where, use in uses.items()}
    assert not {
        where: f"{uses[where].pattern.pattern!r} is slow on {text}"
        for where, text in slow.items()
        if text
    }


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"(a+)+b", "match"),
        (r"(?:a|a)*b", "finditer"),
        (r"^Scenario\s*:\s*([\w ]+?)\s*$", "finditer"),
        (r"\s+\Z", "finditer"),
        (r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9]+", "finditer"),
        (r"[^/\s]+@[^/\s]+:", "match"),
        (r"(?m)^\s+x", "finditer"),
        (r"(?m)^#.*MLPerf.*Inference.*\b(v\d+\.\d+)\b.*results", "finditer"),
        (r"([0-9]+\.?[0-9]*)e", "fullmatch"),
    ],
)
def test_a_pattern_that_is_not_linear_is_found(pattern: str, method: str) -> None:
    """Nested and adjacent repeats, and one that is tried anew at each place."""
    assert Use(re.compile(pattern), method).slow_text()


_OFFICIAL = sorted(
    {text for name in SHIPPED for text in SHIPPED[name].tables["accuracy_pattern"].values()}
)
_WORDS = st.sampled_from(
    [
        "accuracy",
        '{"accuracy',
        '"',
        ":",
        " ",
        "=",
        "\t",
        "1",
        "0.",
        "76.5",
        "%",
        ".",
        "x",
        "\xa0",
        "'rouge1':",
        "mAP=",
        "AUC=",
        "F1",
    ]
)


@given(st.lists(_WORDS, max_size=12).map("".join))
def test_a_faster_pattern_finds_what_the_official_one_finds(line: str) -> None:
    """In every line, number for number."""
    for official in _OFFICIAL:
        theirs, ours = re.match(official, line), metric_pattern(official).match(line)
        assert (theirs and theirs.regs) == (ours and ours.regs)


def test_a_line_that_no_script_writes_is_not_searched() -> None:
    """The longest published one with a metric has less than 200 characters."""
    pattern = metric_pattern(SHIPPED["v5.1"].tables["accuracy_pattern"]["acc"])
    assert pattern.match("accuracy=" + " " * (LONGEST_LINE - 15) + "76.00")
    assert not pattern.match("accuracy=" + " " * LONGEST_LINE + "76.00")
