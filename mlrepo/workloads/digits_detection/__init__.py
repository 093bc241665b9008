"""The built-in benchmark ``digits-detection``: several handwritten digits on a canvas.

It needs no download, so that object detection can be tried on real input. The README.md beside this
file describes the data, the model and their sources.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.digest import sha256_file
from mlrepo.errors import UserError
from mlrepo.workloads import Model, Workload
from mlrepo.workloads.detection.task import PYCOCOTOOLS, ObjectDetection
from mlrepo.workloads.digits_detection.canvases import SIDE, WHITE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mlrepo.workloads.detection.annotations import Annotations
    from mlrepo.workloads.detection.placement import ImagePlacement

_HERE = Path(__file__).parent
_CLASSES = 10


@dataclass(frozen=True)
class DigitCanvases:
    """320 canvases with digits that the model never saw, and the boxes around them.

    Samples are float32 [1, 64, 64], pixel values divided by 16.
    """

    path: Path = _HERE / "canvases.npz"

    @cached_property
    def _arrays(self) -> dict[str, npt.NDArray[np.int64]]:
        import numpy as np

        names = ("images", "boxes", "digits", "image_of")
        try:
            with np.load(self.path, allow_pickle=False) as data:
                return {name: data[name] for name in names}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(
                f"The data set file {self.path} is missing or damaged: {error}.",
                hint="It is part of the package: install mlrepo again.",
            ) from error

    @property
    def total(self) -> int:
        """The number of canvases."""
        return len(self._arrays["images"])

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """One grey channel of 64 by 64 pixels."""
        return (1, SIDE, SIDE)

    @cached_property
    def truth(self) -> Annotations:
        """The boxes around the digits; the category of a box is its digit."""
        import numpy as np

        from mlrepo.workloads.detection.annotations import Annotations

        low, high = np.split(self._arrays["boxes"].astype(np.float64), 2, axis=1)
        return Annotations(
            files=tuple(f"canvas-{row:03}" for row in range(self.total)),
            image_ids=np.arange(self.total, dtype=np.int64),
            sizes=np.full((self.total, 2), SIDE, np.float64),
            categories=np.arange(_CLASSES, dtype=np.int64),
            boxes=np.concatenate([low, high - low], axis=1),
            image_of=self._arrays["image_of"].astype(np.int64),
            labels=self._arrays["digits"].astype(np.int64),
            areas=(high - low).prod(axis=1),
            crowds=np.zeros(len(low), np.int64),
        )

    @cached_property
    def placement(self) -> ImagePlacement:
        """Canvases fill the model's input."""
        from mlrepo.workloads.detection.placement import stretched

        return stretched(self.truth.sizes, (SIDE, SIDE))

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return samples as float32 [n, 1, 64, 64] in [0, 1]."""
        import numpy as np

        images = self._arrays["images"][np.asarray(indices, dtype=np.int64)]
        return np.ascontiguousarray(images[:, None].astype(np.float32) / np.float32(WHITE))

    def describe(self) -> Mapping[str, object]:
        """Return name, sample count and the SHA-256 of the data file."""
        return {
            "name": "canvases of scikit-learn digits, held-out split",
            "samples": self.total,
            "fingerprint": sha256_file(self.path),
        }


DIGITS_DETECTION = Workload(
    name="digits-detection",
    task=ObjectDetection(classes=_CLASSES),
    follows="yolo-95",
    loadgen_model="digits-detection",
    performance_samples=320,
    model=Model(
        name="detector-digits",
        path=_HERE / "detector.onnx",
        starting_weights_filename="detector.onnx",
        retraining="yes",
    ),
    open_dataset=DigitCanvases,
    requirements=(PYCOCOTOOLS,),
)
