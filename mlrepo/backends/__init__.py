"""Inference backends: each imports its framework inside itself.

A backend is found by name through the entry point group ``mlrepo.backends``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class BackendOptions:
    """What the user chose; None leaves the choice to the backend.

    Attributes
    ----------
    threads:
        Threads that one inference may use.
    """

    threads: int | None = None


class Backend(Protocol):
    """One way to execute a model."""

    def load(self, model: Path, options: BackendOptions) -> None:
        """Make the model ready; raise :class:`~mlrepo.errors.MlrepoError` when it cannot be."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the model's input, None where any size goes; the batch comes first."""

    def predict(self, batch: Array) -> Sequence[Array]:
        """Return the outputs for a batch, in the model's order; each has the batch first."""

    def describe(self) -> Mapping[str, Any]:
        """Return ``name``, ``framework`` (with version), ``target``, ``options`` and versions."""


def available_threads() -> int:
    """Return how many CPUs this process may use: affinity mask, cut by a cgroup v2 quota."""
    cpus = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cpus = min(cpus, max(1, -(-int(quota) // int(period))))
    except (OSError, ValueError):
        pass  # no quota: "max", or no cgroup v2
    return cpus
