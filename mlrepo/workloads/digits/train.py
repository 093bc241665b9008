"""Build the `digits` workload: the data file, the split and the trained ResNet-8.

Run ``python -m mlrepo.workloads.digits.train [--out DIR]``. It writes ``digits.npz`` and
``resnet8.onnx``. Torch, scikit-learn, NumPy and onnx are needed to run it, and are imported inside
the functions, so importing this module needs only the standard library.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    U8 = npt.NDArray[np.uint8]
    F32 = npt.NDArray[np.float32]
    I32 = npt.NDArray[np.int32]

HELD_OUT_PER_CLASS = 50
"""Held-out images of each of the ten classes (500 in all)."""

SPLIT_SALT = "mlrepo-digits-v1"
"""Fixes the split: images are ranked by the SHA-256 of this text and their index."""

SEED = 0
"""Seed of the weight initialisation, the batch order and the augmentation."""

EPOCHS = 120
BATCH_SIZE = 64
PEAK_LEARNING_RATE = 0.1
WEIGHT_DECAY = 1e-3
LABEL_SMOOTHING = 0.05
MAX_PIXEL = 16.0
"""Largest pixel value in the data; the model takes pixel / 16."""


@dataclass(frozen=True)
class ConvSpec:
    """One convolution: square `kernel` pixels wide, 'same' padding, no bias, then BatchNorm."""

    inputs: int
    outputs: int
    kernel: int
    stride: int


@dataclass(frozen=True)
class BlockSpec:
    """One residual block: two 3x3 convolutions; the first has the `stride`."""

    name: str
    inputs: int
    outputs: int
    stride: int

    @property
    def has_projection(self) -> bool:
        """Whether the shortcut needs a 1x1 convolution to match the shape of the main path."""
        return self.stride != 1 or self.inputs != self.outputs


BLOCKS = (
    BlockSpec("block1", 16, 16, 1),
    BlockSpec("block2", 16, 32, 2),
    BlockSpec("block3", 32, 64, 2),
)
"""Feature maps are 8x8, 4x4 and 2x2 pixels after the three blocks."""

CLASSES = 10


def conv_specs() -> dict[str, ConvSpec]:
    """Return every convolution of the network by name, in forward order."""
    specs = {"stem": ConvSpec(1, BLOCKS[0].inputs, 3, 1)}
    for block in BLOCKS:
        specs[f"{block.name}_a"] = ConvSpec(block.inputs, block.outputs, 3, block.stride)
        specs[f"{block.name}_b"] = ConvSpec(block.outputs, block.outputs, 3, 1)
        if block.has_projection:
            specs[f"{block.name}_p"] = ConvSpec(block.inputs, block.outputs, 1, block.stride)
    return specs


@dataclass(frozen=True)
class Network:
    """The trainable parts: convolutions and BatchNorms by name, and the final linear layer."""

    convs: Any  # torch.nn.ModuleDict
    norms: Any  # torch.nn.ModuleDict
    head: Any  # torch.nn.Linear

    def modules(self) -> tuple[Any, Any, Any]:
        """Return the three torch modules."""
        return self.convs, self.norms, self.head

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return every trainable tensor."""
        return [p for module in self.modules() for p in module.parameters()]

    def train(self, training: bool) -> None:
        """Switch BatchNorm between batch statistics (True) and running statistics (False)."""
        for module in self.modules():
            module.train(training)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits [n, 10] of images [n, 1, 8, 8] with pixels in 0..1."""

        def conv(name: str, x: Any) -> Any:
            return self.norms[name](self.convs[name](x))

        x = conv("stem", images).relu()
        for block in BLOCKS:
            main = conv(f"{block.name}_b", conv(f"{block.name}_a", x).relu())
            shortcut = conv(f"{block.name}_p", x) if block.has_projection else x
            x = (main + shortcut).relu()
        logits: torch.Tensor = self.head(x.mean(dim=(2, 3)))
        return logits


def load_data() -> tuple[U8, U8]:
    """Return scikit-learn's digits: images uint8 [1797, 8, 8] in 0..16 and labels uint8 [1797]."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.asarray(digits.images)
    # The source holds whole numbers as float64; a lossy cast would silently change the data.
    if not np.array_equal(images, images.astype(np.uint8)) or images.max() > MAX_PIXEL:
        raise ValueError("load_digits() did not return whole pixel values in 0..16")
    return images.astype(np.uint8), np.asarray(digits.target).astype(np.uint8)


def split_held_out(labels: U8) -> I32:
    """Return the sorted held-out indices, int32 [500]: 50 of each class.

    The order is by hash, not by a random generator, so that no library release can change it.
    """
    import numpy as np

    chosen: list[int] = []
    for digit in range(CLASSES):
        members = [i for i, label in enumerate(labels.tolist()) if label == digit]
        members.sort(key=lambda i: hashlib.sha256(f"{SPLIT_SALT}:{i}".encode()).digest())
        chosen += members[:HELD_OUT_PER_CLASS]
    return np.asarray(sorted(chosen), dtype=np.int32)


def to_input(images: U8) -> F32:
    """Return the model's input, float32 [n, 1, 8, 8] in 0..1, of uint8 images [n, 8, 8]."""
    import numpy as np

    return (images.astype(np.float32) / np.float32(MAX_PIXEL))[:, None]


def build_network() -> Network:
    """Return an untrained network (about 77 thousand parameters)."""
    from torch import nn

    convs, norms = nn.ModuleDict(), nn.ModuleDict()
    for name, spec in conv_specs().items():
        convs[name] = nn.Conv2d(
            spec.inputs, spec.outputs, spec.kernel, spec.stride, spec.kernel // 2, bias=False
        )
        norms[name] = nn.BatchNorm2d(spec.outputs)
    return Network(convs, norms, nn.Linear(BLOCKS[-1].outputs, CLASSES))


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return images [n, 1, 8, 8] each rotated, scaled and shifted a little, at random.

    Up to 10 degrees, 10 percent and one pixel: small enough that no digit turns into another.
    """
    import torch

    count = len(images)
    draws = torch.rand((4, count), generator=generator) * 2 - 1
    angle = draws[0] * (10 * torch.pi / 180)
    scale = 1 + 0.1 * draws[1]
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    # Affine coordinates run from -1 to 1 over the 8 pixels, so one pixel is 2 / 8.
    shift = draws[2:] * (2 / images.shape[-1])
    theta = torch.stack(
        [torch.stack([cos, -sin, shift[0]], 1), torch.stack([sin, cos, shift[1]], 1)], 1
    )
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, grid, align_corners=False)


def train_network(images: F32, labels: U8, seed: int = SEED, epochs: int = EPOCHS) -> Network:
    """Return a network trained on images [n, 1, 8, 8] in 0..1 and labels [n].

    The same machine and libraries give the same weights bit for bit.
    """
    import torch

    # One thread: the order of floating-point sums must not depend on the number of cores.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = build_network()
    x, y = torch.from_numpy(images), torch.from_numpy(labels).long()
    # The last, partial batch of an epoch is dropped: BatchNorm is unstable on a few images, and
    # the order changes each epoch.
    steps_per_epoch = len(x) // BATCH_SIZE
    optimizer = torch.optim.SGD(
        network.parameters(), PEAK_LEARNING_RATE, 0.9, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        PEAK_LEARNING_RATE,
        total_steps=steps_per_epoch * epochs,
        pct_start=0.2,
        cycle_momentum=False,
    )
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    network.train(True)
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for step in range(steps_per_epoch):
            batch = order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
            loss: Any = loss_of(network(augment(x[batch], generator)), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.train(False)
    return network


def torch_logits(network: Network, images: F32) -> F32:
    """Return logits float32 [n, 10] of images [n, 1, 8, 8] in 0..1, from the torch network."""
    import torch

    with torch.no_grad():
        logits: F32 = network(torch.from_numpy(images)).numpy()
    return logits


def export_onnx(network: Network, path: Path) -> None:
    """Write `network` to `path` as ONNX: `image` [batch, 1, 8, 8] to `logits` [batch, 10].

    The graph is built node by node, not traced: BatchNorm is folded exactly, the names are
    readable, and no exporter puts source paths of the building machine into the file.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    from mlrepo.workloads.onnx_graph import OnnxGraph, Value

    nodes: list[Any] = []
    weights: list[Any] = []

    def add(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(name: str, value: Any) -> str:
        array = np.ascontiguousarray(value, dtype=np.float32)
        weights.append(numpy_helper.from_array(array, name))
        return name

    def numbers(tensor: Any) -> Any:
        # Folding in float64 keeps the rounding to the one final cast to float32.
        return tensor.detach().numpy().astype(np.float64)

    specs = conv_specs()

    def conv(name: str, source: str) -> str:
        spec, norm = specs[name], network.norms[name]
        gain = numbers(norm.weight) / np.sqrt(numbers(norm.running_var) + norm.eps)
        weight = numbers(network.convs[name].weight) * gain[:, None, None, None]
        bias = numbers(norm.bias) - numbers(norm.running_mean) * gain
        inputs = [source, constant(f"{name}.weight", weight), constant(f"{name}.bias", bias)]
        return add(
            "Conv",
            inputs,
            name,
            kernel_shape=[spec.kernel] * 2,
            strides=[spec.stride] * 2,
            pads=[spec.kernel // 2] * 4,
        )

    x = add("Relu", [conv("stem", "image")], "stem_relu")
    for block in BLOCKS:
        hidden = add("Relu", [conv(f"{block.name}_a", x)], f"{block.name}_a_relu")
        main = conv(f"{block.name}_b", hidden)
        shortcut = conv(f"{block.name}_p", x) if block.has_projection else x
        x = add("Relu", [add("Add", [main, shortcut], f"{block.name}_add")], f"{block.name}_relu")
    x = add("Flatten", [add("GlobalAveragePool", [x], "pool")], "features", axis=1)
    head_weight = constant("head.weight", numbers(network.head.weight))
    head_bias = constant("head.bias", numbers(network.head.bias))
    add("Gemm", [x, head_weight, head_bias], "logits", transB=1)

    side = 8
    image: Value = ("image", TensorProto.FLOAT, ["batch", 1, side, side])
    logits: Value = ("logits", TensorProto.FLOAT, ["batch", CLASSES])
    model = OnnxGraph(nodes, weights).model("digits_resnet8", [image], [logits])
    path.write_bytes(model.SerializeToString(deterministic=True))


def onnx_logits(path: Path, images: F32) -> F32:
    """Return logits float32 [n, 10] of the ONNX file, by the reference evaluator of `onnx`."""
    from mlrepo.workloads.onnx_graph import reference_output

    return reference_output(path, {"image": images})


def count_good(logits: F32, labels: U8) -> int:
    """Return how many rows of logits [n, 10] have their largest value at the label."""
    return int((logits.argmax(axis=1) == labels).sum())


def cross_validate(
    images: F32, labels: U8, folds: int = 5, report: Callable[[str], None] = print
) -> float:
    """Return the accuracy (0..1) of `folds`-fold cross-validation on the training images alone.

    The epochs, weight decay and label smoothing at the top of this file were chosen with this
    (from three settings), never with the held-out images.
    """
    import numpy as np

    fold_of = np.arange(len(images)) % folds
    good = 0
    for fold in range(folds):
        check = fold_of == fold
        network = train_network(images[~check], labels[~check])
        right = count_good(torch_logits(network, images[check]), labels[check])
        report(f"fold {fold}: {right} / {int(check.sum())}")
        good += right
    return good / len(images)


def main(arguments: list[str] | None = None) -> int:
    """Write the two files, or with ``--cross-validate`` only score the training; return 0."""
    import numpy as np

    parser = argparse.ArgumentParser(description="Build digits.npz and resnet8.onnx.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="output folder")
    parser.add_argument(
        "--cross-validate",
        action="store_true",
        help="score the recipe by five-fold cross-validation on the training images; write nothing",
    )
    options = parser.parse_args(arguments)
    out: Path = options.out

    images, labels = load_data()
    held_out = split_held_out(labels)
    training = np.ones(len(images), dtype=bool)
    training[held_out] = False
    inputs = to_input(images)

    if options.cross_validate:
        print(f"cross-validation: {cross_validate(inputs[training], labels[training]):.4f}")
        return 0

    out.mkdir(parents=True, exist_ok=True)
    data_path, model_path = out / "digits.npz", out / "resnet8.onnx"
    # NumPy stamps the members with the fixed date 1980-01-01, so equal data give equal bytes.
    np.savez_compressed(data_path, images=images, labels=labels, held_out=held_out)

    start = time.perf_counter()
    network = train_network(inputs[training], labels[training])
    seconds = time.perf_counter() - start
    print(f"trained on {int(training.sum())} images in {seconds:.1f} s")

    export_onnx(network, model_path)
    expected = torch_logits(network, inputs[held_out])
    exported = onnx_logits(model_path, inputs[held_out])
    difference = float(np.abs(expected - exported).max())
    if difference > 1e-4:
        raise RuntimeError(f"the exported logits are off by {difference:.2g}")
    good, total = count_good(exported, labels[held_out]), len(held_out)
    print(f"held-out accuracy {good / total:.4f} ({good} / {total})")
    for path in (data_path, model_path):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
