"""What a model's files say of it: the types of its weights, what it takes and what it gives.

Types are the words of measurements files. They are read from the files each time: what is written
beside a model, in an entry of an older mlrepo, may be wrong. The rule of what counts as a weight
is that of :mod:`mlrepo.workloads.weights.graph`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlrepo.model_files import is_openvino_ir
from mlrepo.onnx_tensors import NotOnnx
from mlrepo.workloads.weights.graph import Tensor, weight_types
from mlrepo.workloads.weights.onnx import read_onnx
from mlrepo.workloads.weights.openvino import read_openvino
from mlrepo.workloads.weights.torch import read_safetensors, read_torch

# What stands in a record where the files do not say it.
UNKNOWN = "unknown"
MIXED = "mixed"
# Precisions that a run may have in its name: how a number is signed does not matter there.
_UNSIGNED = {"uint8": "int8", "uint4": "int4", "uint2": "int2", "uint16": "int16"}
_TORCH = (".pt2", ".pt", ".pth")


@dataclass(frozen=True)
class WeightFacts:
    """What is read from a model's files; what they do not say is empty.

    Attributes
    ----------
    weights:
        Types of the weights, that of the most numbers first.
    inputs, outputs:
        Names, types and shapes; the batch comes first.
    producer:
        The program that wrote an ONNX file.
    """

    weights: tuple[str, ...] = ()
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    producer: str = ""

    @property
    def weight_data_types(self) -> str:
        """The types of the weights as measurements files say them: ``int8``, ``int8,fp32``."""
        return ",".join(self.weights) or UNKNOWN

    @property
    def input_data_types(self) -> str:
        """The types of the inputs, each once; '' where the files do not say."""
        return ",".join(dict.fromkeys(one.type for one in self.inputs if one.type))


def read_facts(model: Path) -> WeightFacts:
    """Return what the files of a model say; nothing for a kind of file that is not known.

    ``model`` is its entry: a file, or a directory whose ONNX file, IR or safetensors are read.
    """
    try:
        if model.is_dir():
            return _directory(model)
        return _file(model)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return WeightFacts()  # damaged, or of another kind: its backend will say so


def precision_of(weight_data_types: str) -> str:
    """Return one word for what a model computes in: ``mixed`` where its weights have several.

    A model whose weights nobody can read counts as fp32, which is what backends compute in unless
    a model says otherwise.
    """
    words = [_UNSIGNED.get(word, word) for word in weight_data_types.split(",") if word]
    kinds = dict.fromkeys(words)
    if len(kinds) > 1:
        return MIXED
    word = next(iter(kinds), UNKNOWN)
    return "fp32" if word == UNKNOWN else word


def _file(model: Path) -> WeightFacts:
    suffix = model.suffix.lower()
    if is_openvino_ir(model):
        graph, inputs, outputs = read_openvino(model)
        return WeightFacts(weight_types(graph), inputs, outputs)
    if suffix == ".safetensors":
        return WeightFacts(*read_safetensors(model))
    if suffix in _TORCH:
        return WeightFacts(*read_torch(model))
    try:
        found = read_onnx(model)
    except NotOnnx:
        return WeightFacts(*read_torch(model))  # whatever it is called: ``model.pth.tar``
    weights = weight_types(found.graph, found.functions)
    return WeightFacts(weights, found.inputs, found.outputs, found.producer)


def _directory(model: Path) -> WeightFacts:
    """Return the facts of a directory's only model; several parts of one have them together."""
    for pattern in ("*.onnx", "*.xml"):
        files = sorted(model.rglob(pattern))
        if len(files) == 1:
            return _file(files[0])
    parts = [_file(file).weights for file in sorted(model.rglob("*.safetensors"))]
    return WeightFacts(tuple(dict.fromkeys(word for part in parts for word in part)))
