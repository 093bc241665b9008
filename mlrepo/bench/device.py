"""The device of a run in what is kept of it: its record, its configuration, its system."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mlrepo.backends.devices import CPU, CUDA, Device
from mlrepo.record import BackendFacts
from mlrepo.rounds.system_schema import coerced_count

# Names under which records had a device before they had ``device``: those of providers.
_TARGETS = {"cuda": CUDA, "tensorrt": CUDA}


def recorded_device(backend: BackendFacts) -> str:
    """Return the device that a recorded run had, by what its record says of the backend."""
    return backend.device or _TARGETS.get(backend.target, CPU)


def compared_backend(described: object) -> object:
    """Return what a backend told of itself, as it counts for the configuration of a run.

    The CPU goes without saying: configurations of records without a device stay comparable.
    """
    if not isinstance(described, Mapping) or described.get("device") != CPU:
        return described
    return {key: value for key, value in described.items() if key != "device"}


def unlike_description(description: bytes, device: str) -> str:
    """Return what is wrong with a system's description for a run on a device; '' for nothing."""
    if Device.parse(device).kind == CPU:
        return ""
    try:
        told = json.loads(description).get("accelerators_per_node")
    except (ValueError, AttributeError):
        return ""  # the checker says so
    if coerced_count(told) != 0:
        return ""
    return (
        f"The run is on {device}, but the system's description says that it has no accelerators "
        "(accelerators_per_node 0): `mlrepo system detect` says what is here."
    )
