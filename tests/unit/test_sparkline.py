"""A series in one line, also where there are no blocks."""

from __future__ import annotations

import io
import sys

import pytest

from mlrepo.cli.sparkline import sparkline


def test_each_value_has_a_block_between_the_lowest_and_the_highest() -> None:
    """And the middle one if all are equal."""
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 80) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, 5, 5], 80) == "▄▄▄"
    assert sparkline([1e-9], 80) == "▄"


def test_neighbours_share_a_block_where_they_do_not_fit() -> None:
    """By their mean."""
    assert sparkline([0, 0, 10, 10], 2) == "▁█"
    assert len(sparkline(list(range(1000)), 7)) == 7


def test_an_output_without_blocks_has_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the encoding of standard output."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert sparkline([1, 2, 8], 80) == "_.#"
