"""The device of a run in its record, its configuration and its system's description."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mlrepo.backends.devices import CPU, CUDA, Device
from mlrepo.record import BackendFacts
from mlrepo.rounds.system_schema import coerced_count

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


def unlike_description(description: bytes, device: str) -> str:
    """Return how a system's description contradicts the device of a run; '' if it does not."""
    if Device.parse(device).kind == CPU:
        return ""
    try:
        told = json.loads(description).get("accelerators_per_node")
    except (ValueError, AttributeError):
        return ""  # the checker reports it
    if coerced_count(told) != 0:
        return ""
    return (
        f"The run is on {device}, but the system's description says that it has no accelerators "
        "(accelerators_per_node 0): `mlrepo system detect` says what is here."
    )
