"""The device of a run in its record and its configuration."""

from __future__ import annotations

from collections.abc import Mapping

from mlrepo.backends.devices import CPU, CUDA
from mlrepo.record import BackendFacts

# Before records had ``device``, they named the execution provider.
_TARGETS = {"cuda": CUDA, "tensorrt": CUDA}


def recorded_device(backend: BackendFacts) -> str:
    """Return the device of a recorded run, from what its record says about the backend."""
    return backend.device or _TARGETS.get(backend.target, CPU)


def compared_backend(described: object) -> object:
    """Return a backend's description as it enters the configuration of a run.

    The CPU is left out, so that configurations of records without a device stay comparable.
    """
    if not isinstance(described, Mapping) or described.get("device") != CPU:
        return described
    return {key: value for key, value in described.items() if key != "device"}
