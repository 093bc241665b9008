"""Batches of any samples contain the requested samples, in the requested order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.harness.samples import SampleLibrary
from mlrepo.harness.warmup import as_text, choose_batch, estimates
from mlrepo.logs.user_conf import UserConf, check_setting
from mlrepo.scenarios import SCENARIOS

_TOTAL = 16


class _Numbers:
    total = _TOTAL
    sample_shape = (1,)
    labels = np.zeros(_TOTAL, np.int64)

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        return np.asarray(indices, np.float32)[:, None].copy()

    def describe(self) -> dict[str, Any]:
        return {}


@given(st.data())
def test_a_batch_is_what_was_asked_for(data: st.DataObject) -> None:
    """Whatever LoadGen loaded, in whatever order and however often it asks."""
    loaded = data.draw(st.lists(st.integers(0, _TOTAL - 1), min_size=1, max_size=30))
    library = SampleLibrary(_Numbers(), 30)
    library.load(loaded)
    asked = data.draw(st.lists(st.sampled_from(loaded), min_size=1, max_size=30))
    batch = library.batch(library.rows(asked))
    assert batch[:, 0].astype(int).tolist() == asked
    assert int(library.one(asked[0])[0, 0]) == asked[0]


_times = st.integers(0, 8).flatmap(
    lambda n: st.fixed_dictionaries(
        {2**i: st.floats(1e-7, 100, allow_nan=False) for i in range(n + 1)}
    )
)


@given(_times, st.none() | st.floats(1e-6, 100))
def test_a_chosen_batch_was_measured_and_pays(times: dict[int, float], bound: float | None) -> None:
    """Within 3 % of the best rate; under a latency bound one that keeps to half of it, if any."""
    batch = choose_batch(times, None, bound)
    assert batch in times
    if bound is None:
        assert batch / times[batch] * 1.03 >= max(b / t for b, t in times.items())
    elif min(times.values()) <= bound / 2:
        assert times[batch] <= bound / 2
    else:
        assert batch == 1


@given(
    _times,
    st.sampled_from(["Offline", "SingleStream", "MultiStream", "Server"]),
    st.integers(1, 64),
)
def test_every_estimate_is_readable(times: dict[int, float], scenario: str, query: int) -> None:
    """LoadGen takes every estimate as it is written, and it is above zero."""
    found = estimates(UserConf("", {}), "m", SCENARIOS[scenario], times, query)
    assert len(found) == 1
    for key, value in found.items():
        check_setting(key, as_text(value), "estimate")
        assert float(as_text(value)) > 0
