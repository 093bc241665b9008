"""What is known of a benchmark's reference model: where it is, what it is, what to say of it.

A measurements file takes its fields from here.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlrepo.errors import UserError
from mlrepo.plugins import WORKLOADS, load_plugin

INT8 = "int8"
# What stands beside a quantized model, and in its runs: how it was quantized.
CALIBRATION_DOCUMENT = "calibration.md"


@dataclass(frozen=True)
class ReferenceModel:
    """One model file that can be had.

    Attributes
    ----------
    benchmark, variant:
        Its name in two parts; ``resnet50``, ``v1.5-opset-11``.
    url:
        Where the file is; empty for a model that is made on the spot.
    md5:
        As published; empty where nobody published one.
    framework:
        The kind of its file (:mod:`mlrepo.model_kinds`): which backends can read it.
    inputs, outputs:
        Names of the tensors.
    preprocessing:
        Name of the way in which the data set is prepared for it, such as those of
        :mod:`mlrepo.workloads.imagenet.preprocess`; empty where there is one way only.
    accuracy:
        In percent on the whole data set, as published; None where nobody published one.
    seed:
        Seed of the weights of a model that is made on the spot.
    package, weights:
        The Python distribution that brings the weights of a model that is made on the spot, and
        the name of their file in it.
    """

    benchmark: str
    variant: str
    summary: str
    licence: str
    framework: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    url: str = ""
    md5: str = ""
    layout: str = "NCHW"
    preprocessing: str = ""
    accuracy: float | None = None
    seed: int | None = None
    package: str = ""
    weights: str = ""
    retraining: str = "no"
    input_data_types: str = "fp32"
    weight_data_types: str = "fp32"
    weight_transformations: str = "no"

    @property
    def name(self) -> str:
        """``benchmark/variant``."""
        return f"{self.benchmark}/{self.variant}"

    @property
    def file_name(self) -> str:
        """The name of the file, as published."""
        return self.url.rpartition("/")[2] or f"{self.benchmark}-{self.variant}.onnx"

    @property
    def starting_weights_filename(self) -> str:
        """What a measurements file says of the weights: the address, as the reference does."""
        return self.url or self.weights or self.file_name

    @property
    def made_here(self) -> bool:
        """Whether the file is made on the spot, without a download."""
        return self.seed is not None or bool(self.package)


def variants(benchmark: str) -> tuple[ReferenceModel, ...]:
    """Return the reference models of a benchmark, its default first.

    None for a benchmark that is not installed here: a record names one, and an imported result may.
    """
    try:
        models: tuple[ReferenceModel, ...] = load_plugin(WORKLOADS, benchmark).models
    except UserError:
        return ()
    return models
