"""Image classification: top-1 responses and their accuracy, computed as MLPerf does."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mlrepo.errors import InvalidResult, UserError
from mlrepo.record import AccuracyEntry
from mlrepo.workloads import Accuracy, Dataset, Workload

if TYPE_CHECKING:
    import numpy.typing as npt

# The logged type of a class id, for numpy and struct: tools/accuracy-imagenet.py --dtype int32.
RESPONSE_DTYPE = "<i4"
_RESPONSE = struct.Struct("<i")


def top1(outputs: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the class with the largest score per sample, int32 [n]; see :func:`scores_of`."""
    classes: npt.NDArray[Any] = scores_of(outputs).argmax(axis=1).astype(RESPONSE_DTYPE)
    return classes


def scores_of(
    outputs: Sequence[npt.NDArray[Any]], preferred: Sequence[int] = ()
) -> npt.NDArray[Any]:
    """Return the scores among a model's outputs, [n, classes].

    They are the first floating-point output with a ``preferred`` number of classes, else with any.
    Fully convolutional models return [n, classes, 1, 1] or [n, 1, 1, classes]: dimensions of size
    one are removed.

    Raises
    ------
    UserError
        There is no such output.
    """
    if len(outputs) == 1 and outputs[0].ndim == 2 and outputs[0].shape[1] != 1:
        return outputs[0]  # of each batch that is measured
    # A single value per sample is a class that the model chose; its argmax would always be 0.
    found = [output for output in outputs if class_count(output.shape) > 1]
    if len(found) > 1:
        found.sort(key=lambda o: (o.dtype.kind in "iu", class_count(o.shape) not in preferred))
    if not found:
        shapes = ", ".join(f"{o.dtype} {list(o.shape)}" for o in outputs)
        raise UserError(
            f"The model gives {shapes or 'nothing'}; a score for each class is needed.",
            hint="Export the model with its scores as an output: [batch, classes].",
        )
    return found[0].reshape(len(found[0]), -1)


def class_count(shape: Sequence[int | None]) -> int:
    """Return how many classes an output shape has scores for; 0 for none or an open size."""
    if len(shape) < 2:
        return 0
    if len(shape) == 2:
        return shape[1] or 0
    sizes = [size for size in shape[1:] if size != 1]
    return (sizes[0] or 0) if len(sizes) == 1 else 0


def unlabelled(workload: Workload, shapes: Iterable[Sequence[int | None]]) -> str:
    """Return why the labels do not fit a model whose outputs have these shapes; '' if they do.

    Open sizes are not a reason.
    """
    shapes = list(shapes)
    counts = [count for count in map(class_count, shapes) if count]
    if not workload.classes or not counts or set(counts) & set(workload.classes):
        return ""
    if any(None in shape[1:] for shape in shapes):
        return ""
    wanted = " or ".join(map(str, workload.classes))
    return (
        f"The model gives scores of {', '.join(map(str, counts))} classes, and the labels of "
        f"{workload.name} are for {wanted}."
    )


def judge_top1(entries: Iterable[AccuracyEntry], dataset: Dataset) -> Accuracy:
    """Count correct classes, one entry per sample, as MLPerf's tools/accuracy-imagenet.py does.

    Raises
    ------
    InvalidResult
        No sample was judged, a sample is not in the data set, or a response is not an int32.
    """
    labels = dataset.labels
    good = total = 0
    for entry in entries:
        if not 0 <= entry.sample_index < len(labels):
            raise InvalidResult(
                f"The accuracy log has sample {entry.sample_index}, but the data set has "
                f"{len(labels)} samples.",
                hint="The log belongs to another data set.",
            )
        if len(entry.data) != _RESPONSE.size:
            raise InvalidResult(
                f"The response to sample {entry.sample_index} has {len(entry.data)} bytes; a class "
                f"id has {_RESPONSE.size}.",
                hint="The backend's output does not fit the benchmark.",
            )
        found = _RESPONSE.unpack(entry.data)[0]
        good += found == int(labels[entry.sample_index])
        total += 1
    if total == 0:
        raise InvalidResult("The accuracy log contains no response.", hint="Run it again.")
    percent = 100.0 * good / total
    return Accuracy(
        value=round(percent, 3),
        unit="%",
        judged=total,
        text=f"accuracy={percent:.3f}%, good={good}, total={total}\n",
        details={"good": good, "total": total},
    )
