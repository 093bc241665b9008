"""A backend that computes nothing, to measure the overhead of LoadGen and the harness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo.backends import Array, BackendOptions, Capabilities
from mlrepo.backends.devices import CPU

_CLASSES = 10


class NullBackend:
    """Return the same scores for every sample; the results say nothing about any model."""

    capabilities = Capabilities(devices={CPU: ("fp32",)}, computes=False)

    def load(self, model: Path, options: BackendOptions) -> None:
        """Load nothing."""
        self._scores = np.zeros((1, _CLASSES), dtype=np.float32)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Any shape."""
        return ()

    def predict(self, batch: Array) -> Sequence[Array]:
        """Return zeros, shape [len(batch), 10]."""
        return [np.broadcast_to(self._scores, (len(batch), _CLASSES))]

    def describe(self) -> Mapping[str, Any]:
        """Return a description which says that nothing was computed."""
        return {
            "name": "null",
            "framework": "none",
            "framework_name": "null",
            "framework_version": "",
            "device": CPU,
            "target": CPU,
            "precision": "none",
            "options": {},
        }
