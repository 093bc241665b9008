"""Inference backends: each imports its framework inside itself.

A backend is found by name through the entry point group ``mlrepo.backends``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from mlrepo.backends.capabilities import Capabilities
from mlrepo.backends.devices import CPU
from mlrepo.errors import UserError
from mlrepo.limits import usable_cpus

Array = npt.NDArray[Any]

__all__ = ["Array", "Backend", "BackendOptions", "Capabilities", "available_threads"]


@dataclass(frozen=True)
class BackendOptions:
    """What the user chose; None leaves the choice to the backend.

    Attributes
    ----------
    threads:
        Threads that one inference may use.
    device:
        Where to run: ``cpu``, ``cuda``, ``cuda:1``, ``gpu``, ``npu`` …
    precision:
        What is asked for: ``fp32``, ``bf16``, ``int8`` …; the model's own, unless the backend is to
        convert it.
    batch:
        The batch size that a backend which compiles for one size should compile for.
    extra:
        The backend's own options (``--backend-opt``), by key.
    cache:
        A directory for what can be used again, such as compiled models; None for none.
    model_precision:
        The model's own precision, ``mixed`` where its weights have several types; '' if unknown.
    on_step:
        Called with how many of how many parts are compiled, by a backend that compiles.
    """

    threads: int | None = None
    device: str = CPU
    precision: str = "fp32"
    batch: int = 1
    extra: Mapping[str, str] = field(default_factory=dict)
    cache: Path | None = None
    model_precision: str = ""
    on_step: Callable[[int, int], None] = lambda done, total: None

    def choice(self, key: str, values: Sequence[str]) -> str:
        """Return an option that is one of ``values``, by default the first.

        Raises
        ------
        UserError
            It is another.
        """
        text = self.extra.get(key, values[0])
        if text not in values:
            raise UserError(
                f"--backend-opt {key}={text}: there is no such {key}.",
                hint=f"Use one of: {', '.join(values)}.",
            )
        return text

    def positive(self, key: str, default: int) -> int:
        """Return an option that is a positive number; raise :class:`UserError` for another."""
        text = self.extra.get(key, str(default))
        if not text.isdecimal() or int(text) < 1:
            raise UserError(f"--backend-opt {key}={text}: a positive number is needed.")
        return int(text)


class Backend(Protocol):
    """One way to execute a model.

    A class may say of itself more: ``capabilities``, an attribute of the class; ``inputs``, what a
    loaded model takes; ``tune`` and ``adopt``, where it has code to search for; ``devices_here``,
    a class method that returns the devices that its framework finds (docs/backends.md).
    """

    def load(self, model: Path, options: BackendOptions) -> None:
        """Make the model ready; raise :class:`~mlrepo.errors.MlrepoError` when it cannot be."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the model's input, None where any size goes; the batch comes first."""

    def predict(self, batch: Array) -> Sequence[Array]:
        """Return the outputs for a batch, in the model's order; each has the batch first."""

    def describe(self) -> Mapping[str, Any]:
        """Return ``name``, ``framework`` (with version), ``target``, ``options`` and versions.

        A backend that declares capabilities says ``device``, too: what the loaded model runs on.
        """


def available_threads() -> int:
    """Return how many threads a backend takes where the user names no number."""
    return usable_cpus()
