"""The ways in which samples become a model's input, and which one a model needs.

Each data set has its own; those of images are named here, without numpy. What they do is in
:mod:`mlrepo.workloads.imagenet.preprocess` and :mod:`mlrepo.workloads.detection.images`.
"""

from __future__ import annotations

from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.model_files import TORCH_SUFFIXES
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record import BY_LENGTH
from mlrepo.workloads.catalog import variants
from mlrepo.workloads.registered import dataset_of

# The layouts of mlrepo.workloads.forms, as they are typed.
LAYOUTS = ("nchw", "nhwc")
DETECTION_WAYS = ("letterbox", "stretch")
IMAGENET_WAYS = ("vgg", "mobilenet", "pytorch", "efficientnet-lite")
# Endings of PyTorch's files, and the ways of models that come from TensorFlow.
_TENSORFLOW_WAYS = ("vgg", "mobilenet")
_TORCH_WAY = "pytorch"


def way_of(benchmark: str, file: Path, asked: str = "") -> str:
    """Return the way in which samples are prepared for a model file; '' where there are none.

    It is the one that was asked for, else that of the benchmark's reference model. The references
    of ResNet-50 and MobileNet come from TensorFlow: a file of PyTorch gets what torchvision does.

    Raises
    ------
    UserError
        There is no such way, or the benchmark has none.
    """
    if asked == BY_LENGTH:
        return _by_length(benchmark)
    known = variants(benchmark)
    dataset = dataset_of(benchmark)
    ways = dataset.ways if dataset else ()
    default = (known[0].preprocessing if known else "") or next(iter(ways), "")
    if asked and not ways:
        raise UserError(
            f"--way does not apply to {benchmark}: its samples are prepared in one way.",
            hint="Leave it out.",
        )
    if asked and asked not in ways:
        raise UserError(f"There is no way {asked!r}.", hint=f"Use one of: {', '.join(ways)}.")
    if asked:
        return asked
    of_torch = any(part.lower() in TORCH_SUFFIXES for part in file.suffixes)
    if of_torch and default in _TENSORFLOW_WAYS and _TORCH_WAY in ways:
        return _TORCH_WAY
    return default


def _by_length(benchmark: str) -> str:
    if load_plugin(WORKLOADS, benchmark).unpadded is None:
        raise UserError(
            f"--way {BY_LENGTH} does not apply to {benchmark}: all its samples have one size.",
            hint="Leave it out.",
        )
    return BY_LENGTH
