"""Image classification: top-1 responses and their accuracy, counted as MLPerf counts it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mlrepo.errors import InvalidResult
from mlrepo.record import AccuracyEntry
from mlrepo.workloads import Accuracy, Dataset

if TYPE_CHECKING:
    import numpy.typing as npt

# How a class id is logged, as numpy and struct call it: tools/accuracy-imagenet.py --dtype int32.
RESPONSE_DTYPE = "<i4"
_RESPONSE = struct.Struct("<i")


def top1(outputs: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the class with the largest score per sample: scores [n, classes] to int32 [n]."""
    classes: npt.NDArray[Any] = outputs[0].argmax(axis=1).astype(RESPONSE_DTYPE)
    return classes


def judge_top1(entries: Iterable[AccuracyEntry], dataset: Dataset) -> Accuracy:
    """Count right classes; one entry per sample, as tools/accuracy-imagenet.py of MLPerf does.

    Raises
    ------
    InvalidResult
        No sample was judged, a sample is not in the data set, or a response is no int32.
    """
    labels = dataset.labels
    good = total = 0
    for entry in entries:
        if not 0 <= entry.sample_index < len(labels):
            raise InvalidResult(
                f"The accuracy log holds sample {entry.sample_index}, but the data set has "
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
        raise InvalidResult("The accuracy log holds no response.", hint="Run it again.")
    percent = 100.0 * good / total
    return Accuracy(
        value=round(percent, 3),
        unit="%",
        judged=total,
        text=f"accuracy={percent:.3f}%, good={good}, total={total}\n",
        details={"good": good, "total": total},
    )
