"""Make a BERT for question answering with seeded random weights as an ONNX model.

The models are for measuring speed only: they have the architecture, the shapes and the inputs of
the MLPerf Inference model (bert_config.json of language/bert in mlcommons/inference), but their
weights are random numbers. They are built with ``onnx.helper`` and numpy alone.

* opset 17, inputs ``input_ids``, ``input_mask``, ``segment_ids``, int64 [batch, tokens]; outputs
  ``output_start_logits`` and ``output_end_logits``, float32 [batch, tokens]; there are 384 tokens,
  or any number of at most 512;
* each layer: queries, keys and values by three products, softmax over the tokens that are not
  masked, two residual connections with layer normalization behind them, GELU by the error function;
* the weights are in a second file beside the model, ``NAME.onnx.data``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from mlrepo.workloads.onnx_graph import OnnxGraph
from mlrepo.workloads.squad.features import LENGTH
from mlrepo.workloads.squad.vocabulary import BERT_PIECES

_POSITIONS, _SEGMENTS = 512, 2
_EPSILON = 1e-12
# The standard deviation of BERT's initial weights.
_STD = 0.02
# What a masked token's scores are lowered by before the softmax.
_MASKED = -10000.0
# Weights begin at multiples of a page, so that runtimes can map them.
_PAGE = 4096


@dataclass(frozen=True)
class BertShape:
    """The size of a BERT: layers, width, heads; inner layers are four times as wide."""

    layers: int
    width: int
    heads: int


LARGE = BertShape(24, 1024, 16)
SMALL = BertShape(4, 256, 4)


@dataclass
class _BertGraph(OnnxGraph):
    """A graph whose random weights go to a second file; ``location`` is its name."""

    shape: BertShape = SMALL
    tokens: int | None = None
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    data: IO[bytes] | None = None
    location: str = ""

    def weight(self, name: str, values: npt.NDArray[Any]) -> str:
        """Append a constant and return its name; those of some size go to the second file."""
        if self.data is None or values.nbytes < _PAGE:
            return super().weight(name, values)
        self.data.write(bytes(-self.data.tell() % _PAGE))
        tensor = TensorProto(
            name=name,
            dims=values.shape,
            data_type=helper.np_dtype_to_tensor_dtype(values.dtype),
            data_location=TensorProto.EXTERNAL,
        )
        place = {"location": self.location, "offset": self.data.tell(), "length": values.nbytes}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self.data.write(np.ascontiguousarray(values).data)
        self.weights.append(tensor)
        return name

    def random(self, name: str, *sizes: int) -> str:
        """Append normally distributed weights."""
        values: npt.NDArray[np.float32] = self.rng.standard_normal(sizes, dtype=np.float32)
        values *= np.float32(_STD)
        return self.weight(name, values)

    def dense(self, x: str, name: str, given: int, made: int) -> str:
        """Append a product with a matrix [given, made], and a bias."""
        product = self.add("MatMul", (x, self.random(f"{name}.weight", given, made)), name)
        return self.add("Add", (product, self.random(f"{name}.bias", made)), f"{name}.add")

    def norm(self, x: str, name: str) -> str:
        """Append a layer normalization."""
        width = self.shape.width
        scale = self.weight(f"{name}.weight", np.ones(width, np.float32))
        bias = self.weight(f"{name}.bias", np.zeros(width, np.float32))
        return self.add("LayerNormalization", (x, scale, bias), name, axis=-1, epsilon=_EPSILON)

    def heads(self, x: str, name: str, *order: int) -> str:
        """Append the split of [batch, tokens, width] by heads, its dimensions in ``order``."""
        split = self.add("Reshape", (x, "split"), f"{name}.split")
        return self.add("Transpose", (split,), f"{name}.order", perm=order)

    def attention(self, x: str, name: str) -> str:
        """Append multi-head attention; the constants and the mask have been added before."""
        width = self.shape.width
        query, key, value = (
            self.dense(x, f"{name}.{part}", width, width) for part in ("query", "key", "value")
        )
        left = self.heads(query, f"{name}.query", 0, 2, 1, 3)
        right = self.heads(key, f"{name}.key", 0, 2, 3, 1)
        scores = self.add("MatMul", (left, right), f"{name}.scores")
        scores = self.add("Div", (scores, "root"), f"{name}.scaled")
        scores = self.add("Add", (scores, "mask"), f"{name}.masked")
        shares = self.add("Softmax", (scores,), f"{name}.shares", axis=-1)
        found = self.add(
            "MatMul", (shares, self.heads(value, f"{name}.value", 0, 2, 1, 3)), f"{name}.context"
        )
        found = self.add("Transpose", (found,), f"{name}.back", perm=(0, 2, 1, 3))
        return self.add("Reshape", (found, "join"), f"{name}.join")

    def gelu(self, x: str, name: str) -> str:
        """Append x · (1 + erf(x / √2)) / 2."""
        error = self.add("Div", (x, "root_of_two"), f"{name}.div")
        error = self.add("Erf", (error,), f"{name}.erf")
        error = self.add("Add", (error, "one"), f"{name}.add")
        return self.add("Mul", (self.add("Mul", (x, error), f"{name}.mul"), "half"), f"{name}.half")

    def layer(self, x: str, name: str) -> str:
        """Append one layer of the encoder."""
        width = self.shape.width
        found = self.dense(self.attention(x, f"{name}.attention"), f"{name}.output", width, width)
        x = self.norm(self.add("Add", (found, x), f"{name}.residual"), f"{name}.norm")
        found = self.gelu(self.dense(x, f"{name}.inner", width, 4 * width), f"{name}.gelu")
        found = self.dense(found, f"{name}.outer", 4 * width, width)
        return self.norm(self.add("Add", (found, x), f"{name}.residual2"), f"{name}.norm2")

    def embeddings(self) -> str:
        """Append the sum of the embeddings of word pieces, segments and positions."""
        width = self.shape.width
        parts = []
        for given, rows in (("input_ids", BERT_PIECES), ("segment_ids", _SEGMENTS)):
            table = self.random(f"{given}.table", rows, width)
            parts.append(self.add("Gather", (table, given), f"{given}.embedding"))
        parts.append(self.positions(self.random("positions.table", 1, _POSITIONS, width)))
        both = self.add("Add", parts[:2], "embeddings.sum")
        return self.norm(self.add("Add", (both, parts[2]), "embeddings.whole"), "embeddings.norm")

    def positions(self, table: str) -> str:
        """Append the embeddings of the first positions, as many as there are tokens."""
        if self.tokens is None:
            size = self.add("Shape", ("input_ids",), "tokens", start=1, end=2)
        else:
            size = self.weight("tokens", np.array([self.tokens], np.int64))
        return self.add("Slice", (table, "zero", size, "second"), "positions")

    def constants(self) -> None:
        """Append what all layers use."""
        head = self.shape.width // self.shape.heads
        for name, value in (
            ("one", 1.0),
            ("half", 0.5),
            ("root_of_two", math.sqrt(2.0)),
            ("root", math.sqrt(head)),
            ("lowered", _MASKED),
        ):
            self.weight(name, np.array(value, np.float32))
        for name, values in (
            ("zero", [0]),
            ("second", [1]),
            ("middle", [1, 2]),
            ("split", [0, 0, self.shape.heads, head]),
            ("join", [0, 0, self.shape.width]),
            ("last", [-1]),
        ):
            self.weight(name, np.array(values, np.int64))
        seen = self.add("Cast", ("input_mask",), "seen", to=TensorProto.FLOAT)
        hidden = self.add("Sub", ("one", seen), "hidden")
        hidden = self.add("Mul", (hidden, "lowered"), "hidden.lowered")
        self.add("Unsqueeze", (hidden, "middle"), "hidden.wide", "mask")

    def build(self) -> onnx.ModelProto:
        """Return the whole model, unchecked."""
        self.constants()
        x = self.embeddings()
        for number in range(self.shape.layers):
            x = self.layer(x, f"layer{number}")
        for name in ("start", "end"):
            logits = self.dense(x, name, self.shape.width, 1)
            self.add("Squeeze", (logits, "last"), f"{name}.squeeze", f"output_{name}_logits")
        sizes = ("batch", self.tokens or "tokens")
        return self.unchecked(
            f"bert-{self.shape.layers}x{self.shape.width}-random",
            [(x, TensorProto.INT64, sizes) for x in ("input_ids", "input_mask", "segment_ids")],
            [(f"output_{x}_logits", TensorProto.FLOAT, sizes) for x in ("start", "end")],
        )


def write_bert(
    path: Path,
    shape: BertShape,
    seed: int = 0,
    *,
    tokens: int | None = LENGTH,
    location: str = "",
) -> Path:
    """Write a randomly initialized BERT to ``path``, and its weights beside it; return ``path``.

    The weights depend only on ``seed``.

    Parameters
    ----------
    tokens:
        The length of its samples; None for any.
    location:
        The name of the file with the weights, which appears when it is complete; '' for that of the
        model with ``.data``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.with_name(location or f"{path.name}.data")
    part = path.with_name(f"{path.name}.data.part")
    try:
        with part.open("wb") as data:
            graph = _BertGraph(
                shape=shape,
                tokens=tokens,
                rng=np.random.default_rng(seed),
                data=data,
                location=target.name,
            )
            model = graph.build()
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    onnx.save_model(model, path)
    onnx.checker.check_model(str(path), full_check=True)
    return path
