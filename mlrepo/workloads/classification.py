"""Image classification: top-1 responses and their accuracy, computed as MLPerf does."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mlrepo.errors import InvalidResult, UserError
from mlrepo.record import AccuracyEntry
from mlrepo.workloads.responses import FixedResponses
from mlrepo.workloads.task import Accuracy
from mlrepo.workloads.weights.graph import Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# The logged type of a class id, for numpy and struct: tools/accuracy-imagenet.py --dtype int32.
RESPONSE_DTYPE = "<i4"
_RESPONSE = struct.Struct("<i")


class LabelledDataset(Protocol):
    """Samples of known classes."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The expected class of each sample, shape [total]."""


@dataclass(frozen=True)
class Classification:
    """The class with the largest score; the data set is a :class:`LabelledDataset`.

    Attributes
    ----------
    classes:
        The numbers of scores with which a model fits the labels; empty if any number does.
    """

    classes: tuple[int, ...] = ()
    name: str = "image classification"

    @property
    def responses(self) -> FixedResponses:
        """An int32 for each sample."""
        return FixedResponses(RESPONSE_DTYPE)

    def postprocess(
        self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]
    ) -> npt.NDArray[Any]:
        """Return the class of each sample, int32 [n]: :func:`top1`."""
        return top1(outputs)

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Any) -> Accuracy:
        """Return the share of correct classes: :func:`judge_top1`."""
        return judge_top1(entries, dataset)

    def misfit(self, outputs: Sequence[Tensor]) -> str:
        """Return why no class can be read from such outputs.

        A shape that could not be inferred is checked when the model runs.
        """
        if any(
            class_count(one.shape) > 1 or None in one.shape[1:] or not one.shape for one in outputs
        ):
            return ""
        found = ", ".join(f"{one.name} {one.type} {_sizes(one.shape)}".strip() for one in outputs)
        wanted = " or ".join(map(str, self.classes))
        judged = f", for its accuracy scores of {wanted}" if wanted else ""
        return (
            f"It gives {found or 'nothing'}; scores of its classes are needed{judged}. A class "
            "alone does not say whether it is counted from 0 or, with a background class, from 1."
        )

    def unjudged(self, outputs: Sequence[Tensor]) -> str:
        """Return why the labels do not fit a model with such outputs; open sizes are no reason."""
        counts = [count for count in (class_count(one.shape) for one in outputs) if count]
        if not self.classes or not counts or set(counts) & set(self.classes):
            return ""
        if any(None in one.shape[1:] for one in outputs):
            return ""
        return (
            f"It gives scores of {', '.join(map(str, counts))} classes, and the labels are for "
            f"{' or '.join(map(str, self.classes))}."
        )

    def unreadable(self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]) -> str:
        """Return for which sample no class can be read, and why."""
        import numpy as np

        numbers = [o for o in outputs if o.dtype.kind in "fiub"]
        if not numbers:
            found = ", ".join(f"{o.dtype} {list(o.shape)}" for o in outputs) or "no output"
            return f"The model gives {found}; scores are needed"
        for number, output in enumerate(numbers):
            if output.dtype.kind != "f" or output.shape[:1] != (len(indices),) or not output.size:
                continue
            scores = output.reshape(len(indices), -1)
            # Minus infinity, the logarithm of zero, is a valid score if another class has a better
            # one.
            bad = np.isnan(scores).any(axis=1) | ~(scores.max(axis=1, initial=-np.inf) < np.inf)
            bad |= ~np.isfinite(scores).any(axis=1)
            if bad.any():
                row = int(np.argmax(bad))
                shown = scores[row][~np.isfinite(scores[row])][:1]
                return (
                    f"The model gives {shown[0] if len(shown) else 'no score'} for sample "
                    f"{indices[row]} (row {row} of a batch of {len(indices)}, output {number}): no "
                    "class can be read from it"
                )
        return ""


def _sizes(shape: Sequence[int | None]) -> str:
    return f"[{', '.join('n' if size is None else str(size) for size in shape)}]"


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


def judge_top1(entries: Iterable[AccuracyEntry], dataset: LabelledDataset) -> Accuracy:
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
