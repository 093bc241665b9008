"""Which LoadGen has the seeds of which round, compared with the installed one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mlrepo.bench.loadgen import LoadGenFit, loadgen_fit
from mlrepo.harness.loadgen import (
    SEEDS,
    embedded_seeds,
    installed_release,
    read_settings,
    samples_to_judge,
)
from mlrepo.rounds import SHIPPED
from mlrepo.rounds.loadgen import has_seeds_of, loadgen_releases
from mlrepo.scenarios import SCENARIOS


def test_the_table_agrees_with_the_installed_loadgen() -> None:
    """The seeds that LoadGen embeds are those of the round that the table names."""
    seeds = embedded_seeds()
    assert set(seeds) == set(SEEDS)
    fitting = [name for name in SHIPPED if SHIPPED[name].seeds() == seeds]
    assert fitting
    for name in SHIPPED:
        assert loadgen_fit(SHIPPED[name]).fits == (name in fitting), name


@pytest.mark.parametrize(
    ("release", "round_", "fits"),
    [
        ("6.0.17", "v6.1", True),
        ("6.0.16", "v6.1", True),
        ("6.0.15", "v6.1", False),
        ("6.0.15", "v6.0", True),
        ("6.0.4", "v5.1", True),
        ("6.0.4", "v6.0", False),
        ("5.0.21", "v5.0", True),
        ("5.0.8", "v5.0", None),  # one release carried seeds of no round
        ("5.0.7", "v4.1", True),
        ("99.0", "v6.1", None),
        ("4.1.7", "v4.1", None),
    ],
)
def test_releases_belong_to_rounds_by_their_seeds(
    release: str, round_: str, fits: bool | None
) -> None:
    """First and last releases; what the table does not hold it does not guess."""
    assert has_seeds_of(SHIPPED[round_], release) is fits


def test_the_ranges_follow_one_another() -> None:
    """No release stands in two rounds, and rounds without a range are named."""
    ranges = [loadgen_releases(SHIPPED[name]) for name in SHIPPED]
    assert ranges.count(None) == len(SHIPPED) - 5
    versions = [tuple(map(int, v.split("."))) for pair in ranges if pair for v in pair]
    assert versions == sorted(versions)


def test_what_is_said_before_a_run_names_the_release_to_install() -> None:
    """Nothing for a fitting LoadGen; else what is installed, what is accepted, and the command."""
    assert LoadGenFit("v6.1", "6.0.17", fits=True, accepted="6.0.16 to 6.0.17").note == ""
    note = LoadGenFit("v5.1", "6.0.17", fits=False, accepted="5.0.22 to 6.0.4").note
    assert "LoadGen 6.0.17 is installed" in note
    assert note.endswith("pip install 'mlcommons-loadgen==6.0.4'")
    assert "No LoadGen from PyPI" in LoadGenFit("v1.1", "6.0.17", fits=False, accepted="").note
    assert installed_release()


def test_a_loadgen_that_judges_all_samples_says_so() -> None:
    """Releases before 6.0 have no number of samples to judge; later ones have 0 for all."""
    assert samples_to_judge(SimpleNamespace()) is None
    assert samples_to_judge(read_settings("resnet50", SCENARIOS["Offline"], "accuracy")) == 0
