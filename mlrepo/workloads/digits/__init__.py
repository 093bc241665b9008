"""The built-in benchmark ``digits``: real handwritten digits and a small trained ResNet.

It needs no download, so that newcomers can try the whole workflow on real input. The README.md
beside this file describes the data, the model and their sources.
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
from mlrepo.workloads.classification import Classification

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_HERE = Path(__file__).parent
# The largest pixel value in scikit-learn's digits.
_WHITE = 16.0


@dataclass(frozen=True)
class DigitsDataset:
    """The 500 held-out images of scikit-learn's digits: the model never saw them.

    Samples are float32 [1, 8, 8], pixel values divided by 16.
    """

    path: Path = _HERE / "digits.npz"

    @cached_property
    def _arrays(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        import numpy as np

        try:
            with np.load(self.path, allow_pickle=False) as data:
                held_out = data["held_out"]
                return data["images"][held_out], data["labels"][held_out].astype(np.int64)
        except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
            raise UserError(
                f"The data set file {self.path} is missing or damaged: {error}.",
                hint="It is part of the package: install mlrepo again.",
            ) from error

    @property
    def total(self) -> int:
        """The number of samples."""
        return len(self._arrays[1])

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """One grey channel of 8 by 8 pixels."""
        return (1, 8, 8)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The digit of each sample, shape [total]."""
        return self._arrays[1]

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return samples as float32 [n, 1, 8, 8] in [0, 1]."""
        import numpy as np

        images = self._arrays[0][np.asarray(indices, dtype=np.int64)]
        return np.ascontiguousarray(images[:, None].astype(np.float32) / np.float32(_WHITE))

    def describe(self) -> Mapping[str, object]:
        """Return name, sample count and the SHA-256 of the data file."""
        return {
            "name": "scikit-learn digits, held-out split",
            "samples": self.total,
            "fingerprint": sha256_file(self.path),
        }


DIGITS = Workload(
    name="digits",
    task=Classification(),
    follows="resnet",
    loadgen_model="digits",
    performance_samples=500,
    model=Model(
        name="resnet8-digits",
        path=_HERE / "resnet8.onnx",
        starting_weights_filename="resnet8.onnx",
        retraining="yes",
    ),
    open_dataset=DigitsDataset,
)
