"""The warm-up: worthwhile batch sizes, and LoadGen settings that the user left open."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlrepo.errors import UserError
from mlrepo.harness.events import Reporter
from mlrepo.harness.samples import SampleLibrary
from mlrepo.harness.sut import Pipeline
from mlrepo.harness.warmup import as_text, choose_batch, estimates, measure_batches
from mlrepo.logs.user_conf import UserConf, check_setting, parse_user_conf
from mlrepo.scenarios import SCENARIOS
from mlrepo.workloads.classification import Classification
from mlrepo.workloads.digits import DigitsDataset

# Seconds per batch of a machine that gains up to batch 16 and nothing beyond.
TIMES = {1: 0.010, 2: 0.012, 4: 0.016, 8: 0.024, 16: 0.040, 32: 0.080, 64: 0.160}
NOTHING = UserConf("", {})


@pytest.mark.parametrize(
    ("fixed", "bound", "batch"),
    [
        (None, None, 16),
        (5, None, 5),
        (5, 0.001, 5),
        (None, 1.0, 16),
        (None, 0.080, 16),
        (None, 0.079, 8),
        (None, 0.020, 1),
        (None, 0.001, 1),
    ],
)
def test_the_smallest_batch_near_the_best_rate_is_chosen(
    fixed: int | None, bound: float | None, batch: int
) -> None:
    """The user's choice first; under a latency bound a batch lasts at most half of it."""
    assert choose_batch(TIMES, fixed, bound) == batch


def test_three_per_cent_more_are_not_worth_a_larger_batch() -> None:
    """A larger batch that gains less only costs latency and memory."""
    assert choose_batch({1: 1.0, 2: 2 / 1.02}, None, None) == 1
    assert choose_batch({1: 1.0, 2: 2 / 1.04}, None, None) == 2


@pytest.mark.parametrize(
    ("scenario", "key", "value"),
    [
        ("Offline", "target_qps", 1.1 * 16 / 0.040),
        ("Server", "target_qps", 0.25 / 0.010),
        ("SingleStream", "target_latency", 0.9 * 10),
        ("MultiStream", "target_latency", 0.9 * 24),
    ],
)
def test_open_settings_are_estimated_on_the_safe_side(
    scenario: str, key: str, value: float
) -> None:
    """More samples than needed for Offline, a calm rate for Server, shorter latencies."""
    samples = SCENARIOS[scenario].samples_per_query
    found = estimates(NOTHING, "m", SCENARIOS[scenario], TIMES, samples)
    assert list(found) == [f"m.{scenario}.{key}"]
    assert float(found[f"m.{scenario}.{key}"]) == pytest.approx(value, rel=1e-3)


def test_a_query_of_an_unmeasured_size_is_estimated_from_the_largest_batch() -> None:
    """Six samples a query: as long as six of the samples of the largest batch take."""
    found = estimates(NOTHING, "m", SCENARIOS["MultiStream"], {1: 0.010, 4: 0.020}, 6)
    assert float(found["m.MultiStream.target_latency"]) == pytest.approx(0.9 * 6 * 5)


@pytest.mark.parametrize("place", ["m.Offline", "*.Offline", "m.*", "*.*"])
def test_what_the_user_set_is_never_estimated(place: str) -> None:
    """Any line that LoadGen would take for this run counts."""
    conf = parse_user_conf(f"{place}.target_qps = 5\n", "x")
    assert estimates(conf, "m", SCENARIOS["Offline"], TIMES, 8) == {}


@pytest.mark.parametrize("scenario", ["Offline", "Server", "SingleStream", "MultiStream"])
@pytest.mark.parametrize("scale", [1e-7, 1e-4, 1e-2, 1.0, 100.0])
def test_every_estimate_is_a_setting_that_loadgen_reads(scenario: str, scale: float) -> None:
    """From a backend that answers at once to one that takes minutes."""
    times = {size: seconds * scale for size, seconds in TIMES.items()}
    for key, value in estimates(NOTHING, "m", SCENARIOS[scenario], times, 8).items():
        check_setting(key, as_text(value), "estimate")
        assert float(as_text(value)) > 0


def test_a_backend_that_answers_at_once_fills_no_memory() -> None:
    """What completing a sample costs bounds the number of samples that LoadGen generates."""
    found = estimates(NOTHING, "m", SCENARIOS["Offline"], {1024: 1e-9}, 8)
    assert float(found["m.Offline.target_qps"]) < 5e6


class _Sleeper:
    """Takes a constant time for each batch, whatever its size."""

    def __init__(self, seconds: float, outputs: int | None = None) -> None:
        self.seconds = seconds
        self.outputs = outputs
        self.sizes: list[int] = []

    def predict(self, batch: Any) -> list[Any]:
        self.sizes.append(len(batch))
        if self.seconds:
            time.sleep(self.seconds)
        return [np.zeros((self.outputs or len(batch), 10), np.float32)]


def _pipeline(tmp_path: Path, backend: Any, batch: int, static: int | None = None) -> Pipeline:
    library = SampleLibrary(DigitsDataset(), batch)
    library.load(list(range(64)))
    return Pipeline(library, backend, Classification(), batch, Reporter(tmp_path), static)


def test_sizes_are_tried_while_larger_ones_pay(tmp_path: Path) -> None:
    """With constant cost per batch, all sizes up to the limit are worth it."""
    backend = _Sleeper(0.002)
    times = measure_batches(_pipeline(tmp_path, backend, 16), list(range(64)), None, 1)
    assert list(times) == [1, 2, 4, 8, 16]
    assert min(times.values()) >= 0.002
    assert choose_batch(times, None, None) == 16


def test_a_fixed_size_is_measured_beside_one(tmp_path: Path) -> None:
    """The user's size needs no search; size one tells the latency of a single query."""
    pipeline = _pipeline(tmp_path, _Sleeper(0), 6)
    assert list(measure_batches(pipeline, list(range(64)), 6, 1)) == [1, 6]
    assert list(measure_batches(pipeline, list(range(64)), 6, 4)) == [1, 4, 6]


def test_a_model_with_a_fixed_batch_always_gets_it(tmp_path: Path) -> None:
    """A short batch is filled up, and its answers are cut to the samples asked for."""
    backend = _Sleeper(0)
    pipeline = _pipeline(tmp_path, backend, 4, static=4)
    assert len(pipeline.infer(pipeline.library.one(3), [3])) == 1
    assert backend.sizes == [4]


def test_a_model_that_loses_samples_is_refused(tmp_path: Path) -> None:
    """Responses must be as many as samples, or a wrong class would be logged."""
    pipeline = _pipeline(tmp_path, _Sleeper(0, outputs=2), 4)
    with pytest.raises(UserError, match="2 outputs for a batch of 4"):
        pipeline.infer(pipeline.library.batch(np.arange(4)), range(4))
