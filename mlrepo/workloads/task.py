"""A task: what a benchmark makes of a model's outputs, and how its answers are judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mlrepo.workloads.responses import FixedResponses, Response, VariableResponses

if TYPE_CHECKING:
    import numpy.typing as npt

    from mlrepo.record import AccuracyEntry, Metric
    from mlrepo.workloads import Dataset
    from mlrepo.workloads.weights.graph import Tensor


@dataclass(frozen=True)
class Accuracy:
    """The outcome of an accuracy run.

    Attributes
    ----------
    value:
        The metric that the round judges, in ``unit``.
    judged:
        How many distinct samples of the data set were judged.
    text:
        The content of ``accuracy.txt`` (without the hash line).
    metrics:
        All metrics, by their names in the round; empty if there is only ``value``.
    """

    value: float
    unit: str
    judged: int
    text: str
    details: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)


class Task(Protocol):
    """What a benchmark does with the outputs of a model.

    A class may also have: ``collate(samples)``, which makes a batch of tensors by name from a
    sequence of Python objects; ``preflight(dataset)``, which raises a UserError if the data set
    cannot be judged; ``unreadable(outputs, indices)``, ``unjudged(outputs)`` and ``agrees(one,
    other)`` (see :func:`why_unreadable`, :func:`why_unjudged` and :func:`agree`);
    ``of_run(dataset, outputs)`` (see :func:`task_of_run`); ``comparable(outputs)`` (see
    :func:`comparable`); ``of_model(path)``, which returns the task for
    the answers of a model (:meth:`mlrepo.workloads.Workload.of_model`).
    """

    @property
    def name(self) -> str:
        """A short description: ``image classification``."""

    @property
    def responses(self) -> FixedResponses | VariableResponses:
        """The form of its answers."""

    def postprocess(
        self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]
    ) -> npt.NDArray[Any] | Sequence[Response | bytes]:
        """Return one answer per sample of a batch, in the form of :attr:`responses`.

        ``outputs`` are those of the model, each with the batch first; ``indices`` are the samples'
        indices in the data set.
        """

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Dataset) -> Accuracy:
        """Return the accuracy of the logged answers, which are read one by one.

        Raises
        ------
        InvalidResult
            The log does not belong to the data set, or has no answer.
        """

    def misfit(self, outputs: Sequence[Tensor]) -> str:
        """Return why answers cannot come from a model with these outputs; '' if they can.

        Shapes have the batch first; None is an open size, () an unknown shape.
        """


def task_of_run(task: Task, dataset: Dataset, outputs: Sequence[Tensor]) -> Task:
    """Return the task for one run: how answers are read may depend on the model and the data set.

    The task says it in ``of_run(dataset, outputs)``, which returns a Task; ``outputs`` are those of
    the loaded model for one sample, with their names if its file has them. It raises a UserError if
    the model does not fit the data set. A task without it is the same in every run.
    """
    of_run = getattr(task, "of_run", None)
    found: Task = of_run(dataset, outputs) if of_run else task
    return found


def comparable(task: Task, outputs: Sequence[npt.NDArray[Any]]) -> Sequence[npt.NDArray[Any]]:
    """Return what is compared of a model's outputs with those of another framework.

    The task says it in ``comparable(outputs)``: rounding may change the order of what a model
    selects. An output without rows could not be computed for each sample. A task without it
    compares the outputs themselves.
    """
    of_task = getattr(task, "comparable", None)
    found: Sequence[npt.NDArray[Any]] = of_task(outputs) if of_task else outputs
    return found


def why_unjudged(task: Task, outputs: Sequence[Tensor]) -> str:
    """Return why a model with these outputs can be run but not judged; '' if it can be.

    The task says it in ``unjudged(outputs)``; a task without it judges whatever it can use.
    """
    unjudged = getattr(task, "unjudged", None)
    return task.misfit(outputs) or (str(unjudged(outputs)) if unjudged else "")


def why_unreadable(task: Task, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]) -> str:
    """Return why no answer can be read from the outputs for some samples; '' if it can be.

    The task says it in ``unreadable(outputs, indices)``: a score that is not a number.
    """
    unreadable = getattr(task, "unreadable", None)
    return str(unreadable(outputs, indices)) if unreadable else ""


def agree(task: Task, one: bytes, other: bytes) -> bool:
    """Return whether two answers to a sample mean the same.

    The task says it in ``agrees(one, other)``; a task without it compares the bytes.
    """
    agrees = getattr(task, "agrees", None)
    return bool(agrees(one, other)) if agrees else one == other
