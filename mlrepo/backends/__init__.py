"""Inference backends; a backend imports its framework only when it is used.

Backends are found by name through the entry point group ``mlrepo.backends``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from mlrepo.backends.capabilities import Capabilities
from mlrepo.backends.devices import CPU
from mlrepo.backends.endpoint import Endpoint
from mlrepo.errors import Unusable
from mlrepo.limits import usable_cpus

if TYPE_CHECKING:
    import numpy.typing as npt

# By name: many who ask what a backend can do compute nothing, and NumPy takes 0.1 s to import.
Array: TypeAlias = "npt.NDArray[Any]"
# What a model computes at once: an array for its only input, or one for each input by name.
Batch: TypeAlias = "Array | dict[str, Array]"

__all__ = [
    "Answers",
    "Array",
    "Backend",
    "BackendOptions",
    "Batch",
    "Capabilities",
    "SampleRequest",
    "SubmitBackend",
    "available_threads",
]


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
        The requested precision: ``fp32``, ``bf16``, ``int8`` …; the model's own, unless the backend
        should convert the model.
    batch:
        The batch size to compile for, for a backend that compiles for one size.
    most:
        How many samples or requests the user lets it compute together; None for its own choice.
    extra:
        The backend's own options (``--backend-opt``), by key.
    cache:
        A directory for reusable files, such as compiled models; None for none.
    model_precision:
        The model's own precision, ``mixed`` if its weights have several types; '' if unknown.
    endpoint:
        The system under test behind HTTP; None for a model on this machine.
    samples:
        The shape of a sample without the batch, by the names that its tensors may have as inputs of
        a model; '' for the only one. For a backend that compiles a model with open sizes.
    on_step:
        Called by a backend that compiles, with the number of parts compiled and their total.
    """

    threads: int | None = None
    device: str = CPU
    precision: str = "fp32"
    batch: int = 1
    most: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    cache: Path | None = None
    model_precision: str = ""
    endpoint: Endpoint | None = None
    samples: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    on_step: Callable[[int, int], None] = lambda done, total: None

    def choice(self, key: str, values: Sequence[str]) -> str:
        """Return an option that must be one of ``values``; the first is the default.

        Raises
        ------
        Unusable
            It is none of them.
        """
        text = self.extra.get(key, values[0])
        if text not in values:
            raise Unusable(
                f"--backend-opt {key}={text}: there is no such {key}.",
                hint=f"Use one of: {', '.join(values)}.",
            )
        return text

    def positive(self, key: str, default: int) -> int:
        """Return an option that must be a positive number; otherwise raise :class:`Unusable`."""
        text = self.extra.get(key, str(default))
        if not text.isdecimal() or int(text) < 1:
            raise Unusable(f"--backend-opt {key}={text}: a positive number is needed.")
        return int(text)


class Backend(Protocol):
    """One way to execute a model.

    A class may also have: ``capabilities``, a class attribute; ``inputs``, the inputs of a loaded
    model; ``tune`` and ``adopt``, if it can search for faster code; ``devices_here``, a class
    method that returns the devices that its framework finds (docs/backends.md).
    """

    def load(self, model: Path, options: BackendOptions) -> None:
        """Make the model ready; raise :class:`~mlrepo.errors.MlrepoError` when it cannot be."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the model's input, None for a dimension of any size; the batch is first."""

    def predict(self, batch: Any) -> Sequence[Array]:
        """Return the outputs for a batch in the model's order, each with the batch first.

        ``batch`` is a :data:`Batch`: one array if the model has one input, else an array for each
        input by its name in ``inputs``.
        """

    def describe(self) -> Mapping[str, Any]:
        """Return ``name``, ``framework`` (with version), ``target``, ``options`` and versions.

        A backend that declares capabilities also returns ``device``, where the loaded model runs.
        """


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """A sample that a :class:`SubmitBackend` has to answer.

    Attributes
    ----------
    key:
        What its answer is given under.
    sample:
        What the data set gives: an object; or an array without the batch, or several by name.
    index:
        The sample's index in the data set.
    """

    key: int
    sample: Any
    index: int


class Answers(Protocol):
    """Takes the answers to requests, from any thread and in any order."""

    def first_token(self, key: int, output: Any) -> None:
        """Mark that the first token of an answer is there; ``output`` is what there is of it."""

    def complete(self, keys: Sequence[int], outputs: Sequence[Any]) -> None:
        """Give the whole outputs for some requests, as the benchmark's task takes them."""

    def fail(self, key: int, error: BaseException) -> None:
        """End the run: a request cannot be answered."""


class SubmitBackend(Protocol):
    """A backend that takes requests and answers them later.

    It has ``load`` and ``describe`` as :class:`Backend`. ``stall_seconds`` may be the longest time
    without an answer while requests wait, before the run is ended. ``traffic()`` may return what
    happened to the requests (the fields of :class:`mlrepo.record.TrafficFacts`), for the record;
    ``begin()`` is called before LoadGen's first query, when the warm-up is over.
    ``prepare(sample, name)`` may return what it takes instead of a sample that is an object:
    LoadGen does not time it, as it does not time preprocessing. It raises a UserError for a sample
    that it cannot answer.
    """

    def load(self, model: Path, options: BackendOptions) -> None:
        """Make the model ready; raise :class:`~mlrepo.errors.MlrepoError` when it cannot be."""

    def submit(self, requests: Sequence[SampleRequest], answers: Answers) -> None:
        """Take requests and return at once; each is answered in ``answers`` later."""

    def describe(self) -> Mapping[str, Any]:
        """Return what :meth:`Backend.describe` does."""

    def close(self) -> None:
        """Cancel what is in flight and stop."""


def available_threads() -> int:
    """Return how many threads a backend uses if the user gives no number."""
    return usable_cpus()
