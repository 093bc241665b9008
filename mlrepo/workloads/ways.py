"""The ways in which images become a model's input: which there are, and which a model needs.

What they do is in :mod:`mlrepo.workloads.imagenet.preprocess`; here are their names, without numpy.
"""

from __future__ import annotations

from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.model_files import TORCH_SUFFIXES
from mlrepo.workloads.catalog import variants

# The layouts of mlrepo.workloads.forms, as they are typed.
LAYOUTS = ("nchw", "nhwc")
WAY_NAMES = ("vgg", "mobilenet", "pytorch", "efficientnet-lite")
# Endings of PyTorch's files, and the ways of models that come from TensorFlow.
_TENSORFLOW_WAYS = ("vgg", "mobilenet")


def way_of(benchmark: str, file: Path, asked: str = "") -> str:
    """Return the way in which images are prepared for a model file; '' where there are none.

    It is the one that was asked for, else that of the benchmark's reference model. The references
    of ResNet-50 and MobileNet come from TensorFlow: a file of PyTorch gets what torchvision does.

    Raises
    ------
    UserError
        There is no such way, or the benchmark has none.
    """
    known = variants(benchmark)
    default = known[0].preprocessing if known else ""
    if asked and asked not in WAY_NAMES:
        raise UserError(f"There is no way {asked!r}.", hint=f"Use one of: {', '.join(WAY_NAMES)}.")
    if asked and not default:
        raise UserError(
            f"--way does not apply to {benchmark}: its samples are prepared in one way.",
            hint="Leave it out.",
        )
    if asked:
        return asked
    of_torch = any(part.lower() in TORCH_SUFFIXES for part in file.suffixes)
    if of_torch and default in _TENSORFLOW_WAYS:
        return "pytorch"
    return default
