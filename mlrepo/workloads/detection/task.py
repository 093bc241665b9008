"""Object detection: boxes as MLPerf logs them, and their mean average precision."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from mlrepo.errors import InvalidResult, UserError
from mlrepo.record import AccuracyEntry, Metric
from mlrepo.workloads.forms import images_of
from mlrepo.workloads.responses import VariableResponses
from mlrepo.workloads.task import Accuracy
from mlrepo.workloads.weights.graph import Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mlrepo.workloads.detection.annotations import Annotations
    from mlrepo.workloads.detection.average_precision import AveragePrecision
    from mlrepo.workloads.detection.decoders import Decoder
    from mlrepo.workloads.detection.placement import ImagePlacement

# The numbers of a detection in an answer, float32: the sample's index, ymin, xmin, ymax, xmax
# relative to the image, score, category id (tools/accuracy-coco.py and accuracy-openimages.py).
NUMBERS = 7
BYTES = 4 * NUMBERS
MAP = "mAP"
# What computing mAP needs.
PYCOCOTOOLS = "pycocotools>=2.0.8"
# Scores of an object that another backend must find too, and of what counts as finding it.
_CLEAR, _LIKELY = 0.5, 0.4
# Which of COCO's twelve numbers are recorded, by the names that are usual for them.
_STATS = {
    MAP: 0,
    "mAP@50": 1,
    "mAP@75": 2,
    "mAP small": 3,
    "mAP medium": 4,
    "mAP large": 5,
    "AR@100": 8,
}


class DetectionDataset(Protocol):
    """Images and the objects in them."""

    @property
    def truth(self) -> Annotations:
        """The boxes of all images, in the order of the samples."""

    @property
    def placement(self) -> ImagePlacement:
        """Where the images are in the model's input."""


@dataclass(frozen=True)
class _Reader:
    """What turns the outputs of one run into answers."""

    decoder: Decoder
    placement: ImagePlacement
    categories: npt.NDArray[np.int64]

    def answers(
        self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]
    ) -> Sequence[bytes]:
        """Return the answer to each sample: 28 bytes for each detection, none for none."""
        import numpy as np

        from mlrepo.workloads.detection.decoders import POSITIONS

        found = self.decoder.decode(outputs, self.placement.size)
        samples = np.asarray(indices, np.intp)[found.rows]
        table = np.empty((len(samples), NUMBERS), "<f4")
        table[:, 0] = samples
        table[:, 1:5] = self.placement.relative(found.boxes, samples)[:, [1, 0, 3, 2]]
        table[:, 5] = found.scores
        by_position = self.decoder.labels == POSITIONS
        table[:, 6] = self.categories[found.labels] if by_position else found.labels
        data = table.tobytes()
        edges = (np.searchsorted(found.rows, np.arange(len(indices) + 1)) * BYTES).tolist()
        return [data[a:b] for a, b in itertools.pairwise(edges)]


@dataclass(frozen=True)
class ObjectDetection:
    """Boxes with scores and categories; the data set is a :class:`DetectionDataset`.

    Attributes
    ----------
    classes:
        How many classes the data set has; 0 if that depends on the user's.
    decoder:
        The name of the decoder of the model's outputs; '' to find it by their names and shapes.
    reader:
        What reads the outputs of one run; made by :meth:`of_run`.
    """

    classes: int = 0
    decoder: str = ""
    name: str = "object detection"
    reader: _Reader | None = None

    @property
    def responses(self) -> VariableResponses:
        """Any number of detections for each sample."""
        return VariableResponses()

    def of_run(self, dataset: Any, outputs: Sequence[Tensor]) -> ObjectDetection:
        """Return the task with the decoder for a model's outputs on a data set.

        Raises
        ------
        UserError
            No decoder fits the outputs.
        """
        from mlrepo.workloads.detection.decoders import find_decoder

        images: DetectionDataset = images_of(dataset)
        categories = images.truth.categories
        decoder = find_decoder(outputs, len(categories), self.decoder)
        return replace(self, reader=_Reader(decoder, images.placement, categories))

    def postprocess(
        self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]
    ) -> Sequence[bytes]:
        """Return the detections in each sample, as MLPerf's accuracy scripts read them.

        Raises
        ------
        UserError
            A score or a box is not a number; the message names the sample.
        """
        from mlrepo.workloads.detection.decoders import UnreadableError

        if self.reader is None:
            raise TypeError("postprocess belongs to the task that of_run returns")
        try:
            return self.reader.answers(outputs, indices)
        except UnreadableError as error:
            raise UserError(
                f"No detections can be read from the outputs for sample {indices[error.row]}: "
                f"{error}.",
                hint="Check the model's weights and what it takes as input.",
            ) from error

    def unreadable(self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]) -> str:
        """Return for which sample no detections can be read, and why."""
        try:
            self.postprocess(outputs, indices)
        except UserError as error:
            return error.message.removesuffix(".")
        return ""

    def comparable(self, outputs: Sequence[npt.NDArray[Any]]) -> Sequence[npt.NDArray[Any]]:
        """Return what rounding hardly changes: of boxes that the model selects, their scores."""
        from mlrepo.workloads.detection.boxes import BoxesDecoder

        if self.reader is None or not isinstance(self.reader.decoder, BoxesDecoder):
            return outputs
        return self.reader.decoder.sorted_scores(outputs)

    def agrees(self, one: bytes, other: bytes) -> bool:
        """Return whether two answers to a sample have the same objects in them.

        Each object with a score of at least 0.5 has a counterpart in the other answer: of the same
        category, with an IoU of at least 0.5, and a score of at least 0.4.
        """
        return _has_all(one, other) and _has_all(other, one)

    def unjudged(self, outputs: Sequence[Tensor]) -> str:
        """Return what is missing here to compute mAP."""
        if importlib.util.find_spec("pycocotools") is None:
            return "Computing mAP needs the package pycocotools, which is not installed."
        return ""

    def misfit(self, outputs: Sequence[Tensor]) -> str:
        """Return why no decoder reads such outputs; '' if one may.

        What depends on open sizes is checked when the model is loaded.
        """
        from mlrepo.workloads.detection.decoders import find_decoder

        try:
            find_decoder(outputs, self.classes, self.decoder)
        except UserError as error:
            known = all(one.shape and None not in one.shape[1:] for one in outputs)
            return error.message if known else ""
        return ""

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Any) -> Accuracy:
        """Return the mean average precision of logged detections: :func:`judge_detections`."""
        return judge_detections(entries, images_of(dataset))


def _has_all(one: bytes, other: bytes) -> bool:
    """Return whether each clear object of one answer has a counterpart in another."""
    import numpy as np

    mine = np.frombuffer(one, "<f4").reshape(-1, NUMBERS)
    theirs = np.frombuffer(other, "<f4").reshape(-1, NUMBERS)
    mine, theirs = mine[mine[:, 5] >= _CLEAR][:, None], theirs[theirs[:, 5] >= _LIKELY][None]
    low = np.maximum(mine[..., 1:3], theirs[..., 1:3])
    high = np.minimum(mine[..., 3:5], theirs[..., 3:5])
    shared = (high - low).clip(min=0).prod(axis=-1)
    areas = [(each[..., 3:5] - each[..., 1:3]).prod(axis=-1) for each in (mine, theirs)]
    same = (shared >= (areas[0] + areas[1] - shared) / 2) & (mine[..., 6] == theirs[..., 6])
    return bool(same.any(axis=1).all())


def judge_detections(entries: Iterable[AccuracyEntry], dataset: DetectionDataset) -> Accuracy:
    """Compute mAP as MLPerf's tools/accuracy-coco.py and accuracy-openimages.py do.

    Images are those that were answered; of several answers to a sample the first counts. Boxes are
    multiplied with the size of the image in float32, as in the scripts.

    Raises
    ------
    InvalidResult
        No sample was judged, a sample is not in the data set, or a response is not a list of
        detections in that sample.
    UserError
        pycocotools is not installed.
    """
    import numpy as np

    from mlrepo.workloads.detection.average_precision import average_precision

    truth = dataset.truth
    seen: set[int] = set()
    tables = [np.empty((0, NUMBERS), "<f4")]
    for entry in entries:
        if entry.sample_index not in seen:
            seen.add(entry.sample_index)
            tables.append(_table(entry, truth.total))
    if not seen:
        raise InvalidResult("The accuracy log contains no response.", hint="Run it again.")
    table = np.concatenate(tables)
    images = table[:, 0].astype(np.int64)
    sizes = truth.sizes[images].astype(np.float32)
    low, high = table[:, [2, 1]] * sizes, table[:, [4, 3]] * sizes
    found = np.column_stack(
        [truth.image_ids[images], low, high - low, table[:, 5], table[:, 6].astype(np.int64)]
    ).astype(np.float64)
    precision = average_precision(truth, found, truth.image_ids[sorted(seen)])
    answered = len(np.unique(images))
    nothing = "" if len(table) else f"No detections in any of {len(seen)} samples.\n"
    return Accuracy(
        value=round(precision.percent, 3),
        unit=MAP,
        judged=len(seen),
        text=f"{precision.summary}{nothing}mAP={precision.percent:.3f}%\n",
        details={"detections": len(table), "samples_without_detections": len(seen) - answered},
        metrics=_metrics(precision),
    )


def _table(entry: AccuracyEntry, total: int) -> npt.NDArray[np.float32]:
    """Return the detections of an answer, float32 [k, 7]."""
    import numpy as np

    index = entry.sample_index
    if not 0 <= index < total:
        raise InvalidResult(
            f"The accuracy log has sample {index}, but the data set has {total} samples.",
            hint="The log belongs to another data set.",
        )
    if len(entry.data) % BYTES:
        raise InvalidResult(
            f"The response to sample {index} has {len(entry.data)} bytes; each detection has "
            f"{BYTES}.",
            hint="The backend's output does not fit the benchmark.",
        )
    table: npt.NDArray[np.float32] = np.frombuffer(entry.data, "<f4").reshape(-1, NUMBERS)
    if not np.isfinite(table).all():
        raise InvalidResult(
            f"The response to sample {index} has a number that is not finite.",
            hint="Check the model's weights and what it takes as input.",
        )
    if (table[:, 0] != index).any():
        raise InvalidResult(
            f"The response to sample {index} has detections in sample "
            f"{int(table[table[:, 0] != index][0, 0])}.",
            hint="The benchmark or the backend mixes up samples.",
        )
    return table


def _metrics(precision: AveragePrecision) -> dict[str, Metric]:
    """Return COCO's numbers in percent; -1 means that there are no such objects."""
    return {
        name: Metric(round(100 * float(precision.stats[at]), 3), MAP if name == MAP else "%")
        for name, at in _STATS.items()
        if precision.stats[at] >= 0
    }
