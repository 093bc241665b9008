"""Whether a benchmark can have a valid result at all, from its name and data set."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlrepo.layout.never_valid import installed_workload, why_never_valid
from mlrepo.rounds.known import SHIPPED

_DIGITS = installed_workload("digits")


@pytest.mark.parametrize(
    ("round_", "division", "benchmark", "words"),
    [
        ("v6.1", "closed", "digits", "v6.1 has no benchmark digits in closed (edge)"),
        ("v6.1", "open", "digits", "digits has 500 samples, and v6.1 requires 1,024"),
        ("v1.1", "open", "digits", "digits has 500 samples, and v1.1 requires 1,024"),
        ("v6.1", "closed", "resnet50", ""),
        ("v6.1", "open", "resnet50", ""),
        ("v6.1", "closed", "resnet50-random", "has no benchmark resnet50-random"),
        ("v6.1", "open", "resnet50-random", ""),
        ("v6.1", "closed", "never-heard-of", "has no benchmark never-heard-of"),
        ("v6.1", "open", "never-heard-of", ""),
    ],
)
def test_name_and_data_set_decide(round_: str, division: str, benchmark: str, words: str) -> None:
    """Closed takes what the round has; open what follows it, with as many samples."""
    workload = installed_workload(benchmark)
    why = why_never_valid(SHIPPED[round_], division, "edge", benchmark, workload)
    assert words in why
    assert bool(words) == bool(why)


def test_open_needs_a_benchmark_to_follow() -> None:
    """The benchmark names it, or the submitter's mapping does."""
    assert _DIGITS is not None
    alone = replace(_DIGITS, name="alone", follows="", performance_samples=1024)
    round_ = SHIPPED["v6.1"]
    why = why_never_valid(round_, "open", "edge", "alone", alone)
    assert why == "alone follows no benchmark of v6.1"
    assert not why_never_valid(round_, "open", "edge", "alone", alone, {"alone": "resnet"})
    assert why_never_valid(round_, "open", "edge", "alone", alone, {"alone": "no such"})
