"""Make the data and the model of the ``digits-detection`` workload, reproducibly.

Run ``python -m mlrepo.workloads.digits_detection.train``: it draws the evaluation canvases from the
held-out digits of ``digits``, trains a small anchor-free detector on canvases of the other digits,
and writes ``canvases.npz`` and ``detector.onnx`` next to this file. It needs numpy, torch and onnx
(extra ``train``), which are imported inside the functions.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlrepo.workloads.digits_detection.canvases import SIDE, WHITE, Canvases, draw

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    F32 = npt.NDArray[np.float32]

EVALUATION = 320
"""The number of canvases in the evaluation set."""

EVALUATION_SEED = 1
TRAINING_SEED = 2
"""Seeds of the canvases; those of the training are never drawn from a held-out digit."""

SEED = 0
"""Seed of the weight initialisation and of the batch order."""

CANVASES = 8192
"""Training canvases; each epoch uses all of them."""

EPOCHS = 12
BATCH_SIZE = 32
PEAK_LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-4

CLASSES = 10
STRIDE = 4
"""Pixels between the centres of two neighbouring cells: 16 by 16 cells on a canvas."""

REACH = 32.0
"""The largest distance in pixels from the centre of a cell to an edge of its box."""

CENTRE = 1.5
"""A cell belongs to a box if its centre is so close to the box's, in strides, and inside."""

WIDTHS = (16, 32)
BLOCKS = 4
"""Residual blocks of two 3x3 convolutions at the resolution of the cells."""


def conv_names() -> list[str]:
    """Return the names of the convolutions with BatchNorm, in forward order."""
    return ["stem", "down", *(f"block{i}_{half}" for i in range(BLOCKS) for half in "ab")]


def conv_of(name: str) -> tuple[int, int, int]:
    """Return inputs, outputs and stride of a 3x3 convolution."""
    if name == "stem":
        return 1, WIDTHS[0], 2
    return (WIDTHS[0], WIDTHS[1], 2) if name == "down" else (WIDTHS[1], WIDTHS[1], 1)


def build_network() -> Any:
    """Return an untrained network, a ``torch.nn.ModuleDict`` of its layers."""
    import torch
    from torch import nn

    layers = nn.ModuleDict()
    for name in conv_names():
        inputs, outputs, stride = conv_of(name)
        layers[name] = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        layers[f"{name}_norm"] = nn.BatchNorm2d(outputs)
    layers["sides"] = nn.Conv2d(WIDTHS[1], 4, 1)
    layers["classes"] = nn.Conv2d(WIDTHS[1], CLASSES, 1)
    # Nearly all cells are background: begin with a small probability.
    torch.nn.init.constant_(layers["classes"].bias, -4.0)
    return layers


def forward(layers: Any, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return of images [n, 1, 64, 64] the distances to the four edges and the class logits.

    Distances are in pixels, [n, 4, 16, 16]: left, top, right, bottom; logits [n, 10, 16, 16].
    """

    def conv(name: str, x: Any) -> Any:
        return layers[f"{name}_norm"](layers[name](x))

    x = conv("down", conv("stem", images).relu()).relu()
    for block in range(BLOCKS):
        x = (x + conv(f"block{block}_b", conv(f"block{block}_a", x).relu())).relu()
    return layers["sides"](x).sigmoid() * REACH, layers["classes"](x)


def targets(canvases: Canvases) -> tuple[Any, Any]:
    """Return what each cell should say: class [n, 16, 16] (-1: background), edges [n, 4, 16, 16].

    A cell near the centres of two boxes belongs to the smaller one.
    """
    import numpy as np

    cells = SIDE // STRIDE
    centres = (np.arange(cells) + 0.5) * STRIDE
    count = len(canvases.images)
    classes = np.full((count, cells, cells), -1, np.int64)
    edges = np.zeros((count, 4, cells, cells), np.float32)
    areas = (canvases.boxes[:, 2:] - canvases.boxes[:, :2]).prod(axis=1)
    for at in np.argsort(-areas, kind="stable"):
        left, top, right, bottom = canvases.boxes[at]
        near = CENTRE * STRIDE
        xs = (abs(centres - (left + right) / 2) < near) & (centres > left) & (centres < right)
        ys = (abs(centres - (top + bottom) / 2) < near) & (centres > top) & (centres < bottom)
        inside = ys[:, None] & xs[None, :]
        image = canvases.image_of[at]
        classes[image][inside] = canvases.digits[at]
        edges[image][:, inside] = canvases.boxes[at][:, None]
    return classes, edges


def loss_of(sides: Any, logits: Any, classes: Any, edges: Any) -> Any:
    """Return the loss of a batch: quality focal loss of the classes, and GIoU of the boxes.

    The wanted score of a cell's class is the IoU of its box, so that scores rank boxes by how well
    they fit (T. Li et al., Generalized Focal Loss, 2020; H. Rezatofighi et al., GIoU, 2019).
    """
    import torch

    positive = classes >= 0
    number = positive.sum().clamp(min=1)
    centres = (torch.arange(SIDE // STRIDE) + 0.5) * STRIDE
    x, y = centres[None, None, :], centres[None, :, None]
    left, top, right, bottom = (
        edge[positive]
        for edge in (x - sides[:, 0], y - sides[:, 1], x + sides[:, 2], y + sides[:, 3])
    )
    wanted = [edges[:, side][positive] for side in range(4)]
    width = torch.minimum(right, wanted[2]) - torch.maximum(left, wanted[0])
    height = torch.minimum(bottom, wanted[3]) - torch.maximum(top, wanted[1])
    both = width.clamp(min=0) * height.clamp(min=0)
    union = (
        (right - left) * (bottom - top) + (wanted[2] - wanted[0]) * (wanted[3] - wanted[1]) - both
    )
    hull = (torch.maximum(right, wanted[2]) - torch.minimum(left, wanted[0])) * (
        torch.maximum(bottom, wanted[3]) - torch.minimum(top, wanted[1])
    )
    iou = both / union
    giou = iou - (hull - union) / hull
    scores = torch.zeros_like(logits).permute(0, 2, 3, 1)
    rows = scores[positive]
    rows[torch.arange(len(rows)), classes[positive]] = iou.detach()
    scores[positive] = rows
    flat = logits.permute(0, 2, 3, 1)
    quality = (flat.sigmoid() - scores).abs().square() * (
        torch.nn.functional.binary_cross_entropy_with_logits(flat, scores, reduction="none")
    )
    return (quality.sum() + 2 * (1 - giou).sum()) / number


def train_network(
    canvases: Canvases, epochs: int = EPOCHS, report: Callable[[str], None] = print
) -> Any:
    """Return a network trained on canvases; the same machine and libraries give the same bits."""
    import torch

    # One thread: the order of floating-point sums must not depend on the number of cores.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    layers = build_network()
    images = torch.from_numpy(canvases.images)[:, None]
    classes, edges = map(torch.from_numpy, targets(canvases))
    steps = len(images) // BATCH_SIZE
    optimizer = torch.optim.AdamW(
        layers.parameters(), PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, total_steps=steps * epochs, pct_start=0.1
    )
    layers.train()
    for epoch in range(epochs):
        order, sum_of_losses = torch.randperm(len(images), generator=generator), 0.0
        for step in range(steps):
            batch = order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
            sides, logits = forward(layers, images[batch].float() / WHITE)
            loss = loss_of(sides, logits, classes[batch], edges[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            sum_of_losses += loss.item()
        report(f"epoch {epoch}: loss {sum_of_losses / steps:.4f}")
    layers.eval()
    return layers


def raw_head(layers: Any, images: F32) -> F32:
    """Return of images [n, 1, 64, 64] in 0..1 what the ONNX file gives: see export_onnx."""
    import torch

    with torch.no_grad():
        sides, logits = forward(layers, torch.from_numpy(images))
        centres = (torch.arange(SIDE // STRIDE) + 0.5) * STRIDE
        left, top, right, bottom = sides.unbind(1)
        x, y = centres[None, None, :], centres[None, :, None]
        boxes = [x + (right - left) / 2, y + (bottom - top) / 2, left + right, top + bottom]
        head: F32 = torch.cat([torch.stack(boxes, 1), logits.sigmoid()], 1).flatten(2).numpy()
    return head


def export_onnx(layers: Any, path: Path) -> None:
    """Write the network to ``path`` as ONNX: ``images`` [batch, 1, 64, 64] to ``output0``.

    ``output0`` is the raw head of the anchor-free YOLO families, [batch, 4 + 10, 256]: centre x,
    centre y, width and height in pixels, then a score of each class. The graph is built node by
    node, so that no exporter puts source paths of the building machine into the file.
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
        kind = np.int64 if np.asarray(value).dtype.kind == "i" else np.float32
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=kind), name))
        return name

    def numbers(tensor: Any) -> Any:
        # Folding in float64 keeps the rounding to the one final cast to float32.
        return tensor.detach().numpy().astype(np.float64)

    def conv(name: str, source: str) -> str:
        norm = layers[f"{name}_norm"]
        gain = numbers(norm.weight) / np.sqrt(numbers(norm.running_var) + norm.eps)
        weight = numbers(layers[name].weight) * gain[:, None, None, None]
        bias = numbers(norm.bias) - numbers(norm.running_mean) * gain
        inputs = [source, constant(f"{name}.weight", weight), constant(f"{name}.bias", bias)]
        stride = conv_of(name)[2]
        return add("Conv", inputs, name, kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4)

    def head(name: str, source: str) -> str:
        layer = layers[name]
        inputs = [source, constant(f"{name}.weight", numbers(layer.weight))]
        inputs.append(constant(f"{name}.bias", numbers(layer.bias)))
        logits = add("Conv", inputs, f"{name}_logits", kernel_shape=[1, 1])
        return add("Sigmoid", [logits], name)

    x = add("Relu", [conv("stem", "images")], "stem_relu")
    x = add("Relu", [conv("down", x)], "down_relu")
    for block in range(BLOCKS):
        hidden = add("Relu", [conv(f"block{block}_a", x)], f"block{block}_a_relu")
        total = add("Add", [x, conv(f"block{block}_b", hidden)], f"block{block}_add")
        x = add("Relu", [total], f"block{block}_relu")
    # Left, top, right, bottom of a cell become centre and size: a linear map, and the cell's own
    # centre added.
    half, full = REACH / 2, REACH
    mapped = [[-half, 0, half, 0], [0, -half, 0, half], [full, 0, full, 0], [0, full, 0, full]]
    to_boxes = constant("to_boxes", np.asarray(mapped)[:, :, None, None])
    cells = (np.arange(SIDE // STRIDE) + 0.5) * STRIDE
    centres = np.zeros((1, 4, len(cells), len(cells)))
    centres[0, 0], centres[0, 1] = cells[None, :], cells[:, None]
    offsets = add("Conv", [head("sides", x), to_boxes], "offsets", kernel_shape=[1, 1])
    boxes = add("Add", [offsets, constant("centres", centres)], "boxes")
    joined = add("Concat", [boxes, head("classes", x)], "cells", axis=1)
    count = len(cells) ** 2
    add("Reshape", [joined, constant("shape", np.asarray([0, 4 + CLASSES, count]))], "output0")

    image: Value = ("images", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])
    output: Value = ("output0", TensorProto.FLOAT, ["batch", 4 + CLASSES, count])
    model = OnnxGraph(nodes, weights).model("digits_detector", [image], [output])
    path.write_bytes(model.SerializeToString(deterministic=True))


def onnx_head(path: Path, images: F32) -> F32:
    """Return the raw head of the ONNX file, by the reference evaluator of `onnx`."""
    from mlrepo.workloads.onnx_graph import reference_output

    return reference_output(path, {"images": images})


def main(arguments: list[str] | None = None) -> int:
    """Write the two files; return 0."""
    import numpy as np

    from mlrepo.workloads.digits import DigitsDataset

    parser = argparse.ArgumentParser(description="Build canvases.npz and detector.onnx.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="output folder")
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    data_path, model_path = out / "canvases.npz", out / "detector.onnx"

    with np.load(DigitsDataset().path, allow_pickle=False) as data:
        glyphs, labels, held_out = data["images"], data["labels"], data["held_out"]
    training = np.ones(len(glyphs), dtype=bool)
    training[held_out] = False

    shown = draw(glyphs[held_out], labels[held_out], EVALUATION, EVALUATION_SEED)
    # NumPy stamps the members with the fixed date 1980-01-01, so equal data give equal bytes.
    np.savez_compressed(
        data_path,
        images=shown.images,
        boxes=shown.boxes.astype(np.uint8),
        digits=shown.digits,
        image_of=shown.image_of,
    )
    start = time.perf_counter()
    layers = train_network(draw(glyphs[training], labels[training], CANVASES, TRAINING_SEED))
    print(f"trained on {CANVASES} canvases in {time.perf_counter() - start:.0f} s")
    export_onnx(layers, model_path)
    inputs = (shown.images[:8, None] / np.float32(WHITE)).astype(np.float32)
    difference = float(np.abs(raw_head(layers, inputs) - onnx_head(model_path, inputs)).max())
    if difference > 1e-2:
        raise RuntimeError(f"the exported head is off by {difference:.2g}")
    for path in (data_path, model_path):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
