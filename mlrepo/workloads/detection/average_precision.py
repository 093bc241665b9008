"""Mean average precision, computed by pycocotools as MLPerf's accuracy scripts do."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.errors import UserError
from mlrepo.workloads.detection.annotations import Annotations


@dataclass(frozen=True)
class AveragePrecision:
    """The twelve numbers of COCO's evaluation.

    Attributes
    ----------
    stats:
        float64 [12], 0 to 1, or -1 where the data set has no such object: average precision at
        IoU 0.50:0.95, 0.50, 0.75, of small, medium and large objects; average recall with 1, 10
        and 100 detections, of small, medium and large objects.
    summary:
        The lines that pycocotools prints about them.
    """

    stats: npt.NDArray[np.float64]
    summary: str

    @property
    def percent(self) -> float:
        """The average precision at IoU 0.50:0.95 in percent: mAP."""
        return 100.0 * float(self.stats[0])


def average_precision(
    truth: Annotations, found: npt.NDArray[np.float64], images: npt.NDArray[np.int64]
) -> AveragePrecision:
    """Return the average precision of detections in some of the images.

    Parameters
    ----------
    found:
        float64 [k, 7], as pycocotools reads them: image id, x, y, width, height, score, category.
    images:
        The ids of the images that were judged.

    Raises
    ------
    UserError
        pycocotools is not installed, or these images have no objects.
    """
    coco, evaluation = pycocotools()
    if not np.isin(truth.image_ids[truth.image_of], images).any():
        raise UserError(
            "The images that were judged have no boxes in the annotations: there is no mAP.",
            hint="Judge the whole data set: leave out --count.",
        )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        right = coco()
        right.dataset = truth.as_coco()
        right.createIndex()
        # pycocotools cannot load an empty list; a box of another image does not count.
        answers = right.loadRes(found) if len(found) else coco()
        if not len(found):
            answers.dataset = {**right.dataset, "annotations": []}
            answers.createIndex()
        judged = evaluation(right, answers, iouType="bbox")
        judged.params.imgIds = images.tolist()
        judged.evaluate()
        judged.accumulate()
        printed.seek(0)
        printed.truncate()
        judged.summarize()
    return AveragePrecision(np.asarray(judged.stats, np.float64), printed.getvalue())


def pycocotools() -> tuple[Any, Any]:
    """Return the classes COCO and COCOeval.

    Raises
    ------
    UserError
        pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise UserError(
            f"Computing mAP needs the package pycocotools: {error}.",
            hint="`mlrepo bench prereq --model NAME` installs what a benchmark needs.",
        ) from error
    return COCO, COCOeval
