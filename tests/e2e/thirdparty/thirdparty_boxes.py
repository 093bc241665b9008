"""A third party's benchmark: boxes of bright rectangles in an image, as many as there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo.backends import Array
from mlrepo.digest import sha256_bytes
from mlrepo.record import AccuracyEntry, Metric
from mlrepo.workloads import Accuracy, VariableResponses, Workload
from mlrepo.workloads.catalog import ReferenceModel

SIZE = 16
TOTAL = 96
_BOX = 4  # sides of a box: top, left, bottom, right


class Rectangles:
    """Black images with none, one or two white rectangles, one beyond the other's corner."""

    total = TOTAL
    sample_shape = (1, SIZE, SIZE)

    def boxes(self, index: int) -> list[tuple[int, int, int, int]]:
        """Return the boxes of an image."""
        step = index // 3 % 4
        first, second = (1, 1, 3 + step, 4), (8 + step, 7, 14, 9 + step)
        return [[], [first], [first, second]][index % 3]

    def load(self, indices: Sequence[int]) -> Array:
        """Paint the boxes."""
        images = np.zeros((len(indices), *self.sample_shape), np.float32)
        for image, index in zip(images, indices, strict=True):
            for top, left, bottom, right in self.boxes(index):
                image[0, top:bottom, left:right] = 1
        return images

    def describe(self) -> Mapping[str, object]:
        """Return what every data set tells."""
        fingerprint = sha256_bytes(self.load(range(TOTAL)).tobytes())
        return {"name": "rectangles", "samples": TOTAL, "fingerprint": fingerprint}


class Boxes:
    """Boxes from the bright rows and columns, in the order from top to bottom."""

    name = "object detection"
    responses = VariableResponses()

    def postprocess(self, outputs: Sequence[Array], indices: Sequence[int]) -> Sequence[bytes]:
        """Return the boxes of each image, four int32 for each."""
        rows, columns = (output > 0.5 for output in outputs)
        answers = []
        for down, across in zip(rows, columns, strict=True):
            pairs = zip(_runs(down), _runs(across), strict=False)
            boxes = [(top, left, bottom, right) for (top, bottom), (left, right) in pairs]
            answers.append(np.array(boxes, "<i4").tobytes())
        return answers

    def misfit(self, outputs: Sequence[Any]) -> str:
        """Ask for a profile of rows and one of columns."""
        return "" if len(outputs) == 2 else "It does not give the profiles of rows and columns."

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Any) -> Accuracy:
        """Return how many boxes are exactly right: mAP, and recall beside it."""
        right = found = wanted = judged = 0
        for entry in entries:
            boxes = np.frombuffer(entry.data, "<i4").reshape(-1, _BOX).tolist()
            true = [list(box) for box in dataset.boxes(entry.sample_index)]
            right += sum(box in true for box in boxes)
            found, wanted, judged = found + len(boxes), wanted + len(true), judged + 1
        precision, recall = 100 * right / max(1, found), 100 * right / max(1, wanted)
        return Accuracy(
            precision,
            "mAP",
            judged,
            f"mAP={precision:.3f}%\n",
            metrics={"mAP": Metric(precision, "mAP"), "recall": Metric(recall, "%")},
        )


def _runs(bright: Array) -> list[tuple[int, int]]:
    """Return where runs of bright rows or columns begin, and where they have ended."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], bright.astype(np.int8), [0]))))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def _make(path: Path, model: ReferenceModel, weights: Path | None) -> None:
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMax", ["image"], [name], axes=[1, axis], keepdims=0)
        for name, axis in (("rows", 3), ("columns", 2))
    ]
    profile: list[str | int | None] = ["n", SIZE]
    graph = helper.make_graph(
        nodes,
        "boxes",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, profile) for n in ("rows", "columns")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save_model(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)


BOXES = Workload(
    name="boxes",
    task=Boxes(),
    follows="yolo-95",
    loadgen_model="boxes",
    performance_samples=TOTAL,
    model=None,
    open_dataset=Rectangles,
    models=(
        ReferenceModel(
            "boxes",
            "profiles",
            "profiles of rows and columns",
            licence="Apache-2.0",
            framework="onnx",
            inputs=("image",),
            outputs=("rows", "columns"),
            seed=0,
        ),
    ),
    make_model=_make,
)
