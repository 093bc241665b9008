"""Facts read from a model's files: the types of its weights, and its inputs and outputs.

Types have the names that measurements files use. They are read from the files each time, because
the metadata that an older mlrepo stored beside a model may be wrong.
:mod:`mlrepo.workloads.weights.graph` defines what counts as a weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlrepo.gguf import SUFFIX as GGUF_SUFFIX
from mlrepo.gguf import read_gguf
from mlrepo.model_files import is_openvino_ir
from mlrepo.model_kinds import CTRANSLATE2, OPENVINO_GENAI, kind_of
from mlrepo.onnx_tensors import NotOnnx
from mlrepo.workloads.weights.ctranslate2 import read_ctranslate2
from mlrepo.workloads.weights.graph import Tensor, embedding_rows, weight_types
from mlrepo.workloads.weights.onnx import read_onnx
from mlrepo.workloads.weights.openvino import read_openvino
from mlrepo.workloads.weights.torch import read_safetensors, read_torch

# The value in a record if the files do not say.
UNKNOWN = "unknown"
MIXED = "mixed"
# Precisions in the name of a run do not distinguish signed from unsigned.
_UNSIGNED = {"uint8": "int8", "uint4": "int4", "uint2": "int2", "uint16": "int16"}
_TORCH = (".pt2", ".pt", ".pth")


@dataclass(frozen=True)
class WeightFacts:
    """Facts read from a model's files; empty where the files do not say.

    Attributes
    ----------
    weights:
        Types of the weights, the one with the most numbers first.
    inputs, outputs:
        Names, types and shapes; the batch comes first.
    producer:
        The program that wrote an ONNX file.
    embeddings:
        The rows of its largest table of embeddings, in ONNX and OpenVINO IR; 0 without one.
    """

    weights: tuple[str, ...] = ()
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    producer: str = ""
    embeddings: int = 0

    @property
    def weight_data_types(self) -> str:
        """The types of the weights in the form of measurements files: ``int8``, ``int8,fp32``."""
        return ",".join(self.weights) or UNKNOWN

    @property
    def input_data_types(self) -> str:
        """The types of the inputs, each once; '' where the files do not say."""
        return ",".join(dict.fromkeys(one.type for one in self.inputs if one.type))


def read_facts(model: Path) -> WeightFacts:
    """Read the facts from a model's files; empty for an unknown kind of file.

    ``model`` is a file, or a directory whose ONNX file, OpenVINO IR or safetensors are read.
    """
    try:
        if model.is_dir():
            return _directory(model)
        return _file(model)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return WeightFacts()  # damaged, or another kind of file: the backend reports it


def precision_of(weight_data_types: str) -> str:
    """Return one word for the precision of a model: ``mixed`` if its weights have several types.

    A model whose weights cannot be read counts as fp32, in which backends compute unless the model
    says otherwise.
    """
    words = [_UNSIGNED.get(word, word) for word in weight_data_types.split(",") if word]
    kinds = dict.fromkeys(words)
    if len(kinds) > 1:
        return MIXED
    word = next(iter(kinds), UNKNOWN)
    return "fp32" if word == UNKNOWN else word


def _file(model: Path) -> WeightFacts:
    suffix = model.suffix.lower()
    if suffix == GGUF_SUFFIX:
        return WeightFacts(read_gguf(model).weights)
    if is_openvino_ir(model):
        graph, inputs, outputs = read_openvino(model)
        return WeightFacts(weight_types(graph), inputs, outputs, "", embedding_rows(graph))
    if suffix == ".safetensors":
        return WeightFacts(*read_safetensors(model))
    if suffix in _TORCH:
        return WeightFacts(*read_torch(model))
    try:
        found = read_onnx(model)
    except NotOnnx:
        return WeightFacts(*read_torch(model))  # any name, such as ``model.pth.tar``
    weights = weight_types(found.graph, found.functions)
    rows = embedding_rows(found.graph, found.functions)
    return WeightFacts(weights, found.inputs, found.outputs, found.producer, rows)


def _directory(model: Path) -> WeightFacts:
    """Return the facts of the only model in a directory, or of all its safetensors together."""
    kind = kind_of(model)
    if kind == CTRANSLATE2:
        return WeightFacts(read_ctranslate2(model))
    if kind == OPENVINO_GENAI:
        return _file(model / "openvino_model.xml")
    for pattern in ("*.onnx", "*.xml"):
        files = sorted(model.rglob(pattern))
        if len(files) == 1:
            return _file(files[0])
    parts = [_file(file).weights for file in sorted(model.rglob("*.safetensors"))]
    return WeightFacts(tuple(dict.fromkeys(word for part in parts for word in part)))
