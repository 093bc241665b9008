"""The types of a model's weights are read from its layers, in all forms in which they occur."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlrepo.workloads.weights import WeightFacts, precision_of, read_facts
from tests.models import tiny_classifier
from tests.outside import CASES, needs_shared

_Array = npt.NDArray[Any]
_SAMPLE = CASES / "runtime" / "int8-gemm.onnx"


def _tensor(name: str, kind: int, shape: Sequence[int]) -> onnx.TensorProto:
    """A tensor of zeros of any type, as raw bytes."""
    known: dict[int, int] = {TensorProto.INT4: 4, TensorProto.UINT4: 4, TensorProto.FLOAT: 32}
    bits = known.get(kind, 16 if kind in (TensorProto.FLOAT16, TensorProto.BFLOAT16) else 8)
    size = -(-int(np.prod(shape)) * bits // 8)
    return helper.make_tensor(name, kind, shape, bytes(size), raw=True)


def _write(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    tensors: Sequence[onnx.TensorProto],
    *,
    kind: int = TensorProto.FLOAT,
    functions: Sequence[onnx.FunctionProto] = (),
) -> WeightFacts:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", kind, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])],
        initializer=list(tensors),
    )
    opsets = [
        helper.make_opsetid("", 21),
        helper.make_opsetid("com.microsoft", 1),
        helper.make_opsetid("local", 1),
    ]
    model = helper.make_model(graph, opset_imports=opsets, functions=list(functions))
    onnx.save_model(model, path)
    return read_facts(path)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (TensorProto.FLOAT, "fp32"),
        (TensorProto.FLOAT16, "fp16"),
        (TensorProto.BFLOAT16, "bf16"),
        (TensorProto.FLOAT8E4M3FN, "fp8"),
        (TensorProto.FLOAT8E5M2, "fp8"),
        (TensorProto.INT8, "int8"),
        (TensorProto.UINT8, "uint8"),
        (TensorProto.INT4, "int4"),
        (TensorProto.UINT4, "uint4"),
    ],
)
@pytest.mark.parametrize(
    "way", ["direct", "Constant", "DequantizeLinear", "Cast", "external", "Split"]
)
def test_a_matrix_has_the_type_that_it_is_stored_in(
    tmp_path: Path, kind: int, word: str, way: str
) -> None:
    """Whether it is an initializer, a constant, in another file, or made a float on the way."""
    matrix = _tensor("w", kind, (64, 64))
    bias, scale = (_tensor(name, TensorProto.FLOAT, (64,)) for name in ("b", "s"))
    # int64 decides how the matrix is laid out, and is no weight.
    shape = numpy_helper.from_array(np.array([64, 64]), "shape")
    tensors = [bias, scale, shape]
    nodes = [helper.make_node("Reshape", ["w", "shape"], ["r"])]
    if way == "Constant":
        nodes = [helper.make_node("Constant", [], ["w"], value=matrix), *nodes]
    else:
        tensors.append(matrix)
    if way == "DequantizeLinear":
        nodes.append(helper.make_node(way, ["r", "s"], ["f"], axis=1))
    elif way == "Cast":
        nodes.append(helper.make_node(way, ["r"], ["f"], to=TensorProto.FLOAT))
    elif way == "Split":
        nodes.append(helper.make_node(way, ["r"], ["f", "g"]))
    else:
        nodes.append(helper.make_node("Identity", ["r"], ["f"]))
    nodes.append(helper.make_node("Gemm", ["x", "f", "b"], ["y"]))
    path = tmp_path / "m.onnx"
    found = _write(path, nodes, tensors)
    if way == "external":
        onnx.save_model(
            onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=0
        )
        found = read_facts(path)
        assert (tmp_path / "w.bin").is_file()
    assert found.weight_data_types == word
    assert found.input_data_types == "fp32"


def test_a_float_matrix_that_is_rounded_on_the_way_has_the_narrow_type(tmp_path: Path) -> None:
    """Quantization-aware training leaves floats with QuantizeLinear behind them."""
    tensors = [
        _tensor("w", TensorProto.FLOAT, (64, 64)),
        _tensor("s", TensorProto.FLOAT, (1,)),
        _tensor("z", TensorProto.INT8, (1,)),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["w", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["f"]),
        helper.make_node("MatMul", ["x", "f"], ["y"]),
    ]
    assert _write(tmp_path / "q.onnx", nodes, tensors).weight_data_types == "int8"
    half = helper.make_node("Cast", ["w"], ["f"], to=TensorProto.BFLOAT16)
    product = helper.make_node("MatMul", ["x", "f"], ["y"])
    assert _write(tmp_path / "c.onnx", [half, product], tensors).weight_data_types == "bf16"


@pytest.mark.parametrize(
    ("bits", "zeros", "word"),
    [(4, False, "int4"), (4, True, "uint4"), (8, False, "int8"), (2, True, "uint2")],
)
def test_packed_weights_have_the_bits_that_their_operator_says(
    tmp_path: Path, bits: int, zeros: bool, word: str
) -> None:
    """MatMulNBits of ONNX Runtime keeps all of them in bytes."""
    tensors = [
        _tensor("w", TensorProto.UINT8, (64, 2, 16 * bits // 4)),
        _tensor("s", TensorProto.FLOAT, (128,)),
        _tensor("z", TensorProto.UINT8, (64,)),
    ]
    node = helper.make_node(
        "MatMulNBits",
        ["x", "w", "s", *(["z"] if zeros else [])],
        ["y"],
        domain="com.microsoft",
        K=64,
        N=64,
        bits=bits,
        block_size=32,
    )
    assert _write(tmp_path / "m.onnx", [node], tensors).weight_data_types == word


def test_several_types_are_all_said_that_of_the_most_numbers_first(tmp_path: Path) -> None:
    """A layer that was left in floats is not hidden by the others, nor an only int8 one."""
    tensors = [
        _tensor("a", TensorProto.INT8, (64, 64)),
        _tensor("s", TensorProto.FLOAT, (1,)),
        _tensor("b", TensorProto.FLOAT16, (64, 2)),
        _tensor("c", TensorProto.FLOAT, (2, 64)),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["a", "s"], ["f"]),
        helper.make_node("MatMul", ["x", "f"], ["p"]),
        helper.make_node("Cast", ["b"], ["g"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["p", "g"], ["q"]),
        helper.make_node("MatMul", ["q", "c"], ["y"]),
    ]
    found = _write(tmp_path / "m.onnx", nodes, tensors).weight_data_types
    assert found == "int8,fp16,fp32"
    assert precision_of(found) == "mixed"


def test_layers_inside_of_branches_and_functions_count(tmp_path: Path) -> None:
    """Exporters of PyTorch write functions; a branch sees the constants around it."""
    matrix, flag = _tensor("w", TensorProto.FLOAT16, (64, 64)), _tensor("c", TensorProto.BOOL, ())
    body = helper.make_function(
        "local",
        "Layer",
        ["a", "k"],
        ["o"],
        [helper.make_node("Identity", ["k"], ["i"]), helper.make_node("MatMul", ["a", "i"], ["o"])],
        [helper.make_opsetid("", 21)],
    )
    call = helper.make_node("Layer", ["x", "w"], ["y"], domain="local")
    found = _write(tmp_path / "f.onnx", [call], [matrix], functions=[body])
    assert found.weight_data_types == "fp16"
    branch = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["o"])],
        "then",
        [],
        [helper.make_tensor_value_info("o", TensorProto.FLOAT16, ["n", 64])],
    )
    either = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    assert _write(tmp_path / "i.onnx", [either], [matrix, flag]).weight_data_types == "fp16"


@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
def test_what_onnx_runtime_quantizes_is_int8(tmp_path: Path, form: str) -> None:
    """In each form that it writes; the float biases of the dynamic one change nothing."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_dynamic,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """One image."""

        images = iter([{"image": np.zeros((1, 3, 32, 32), np.float32)}])

        def get_next(self) -> dict[str, _Array] | None:
            return next(self.images, None)

    source, target = tiny_classifier(tmp_path / "f.onnx", size=32), tmp_path / "q.onnx"
    if form == "dynamic":
        quantize_dynamic(source, target, weight_type=QuantType.QInt8)
    else:
        quantize_static(
            source,
            target,
            Reader(),
            quant_format=QuantFormat[form],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    found = read_facts(target)
    assert found.weight_data_types == "int8"
    assert precision_of(found.weight_data_types) == "int8"
    assert [(one.name, one.type, one.shape) for one in found.inputs] == [
        ("image", "fp32", (None, 3, 32, 32))
    ]


def test_the_words_of_operators_inside_of_names_mean_nothing(tmp_path: Path) -> None:
    """A float layer that is called DequantizeLinear."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="DequantizeLinear QLinearConv")
    found = _write(tmp_path / "m.onnx", [node], [_tensor("w", TensorProto.FLOAT, (64, 64))])
    assert found.weight_data_types == "fp32"


@needs_shared(_SAMPLE)
def test_the_sample_with_one_quantized_matrix_says_so() -> None:
    """Its convolutions are fp32, its last layer is int8."""
    assert read_facts(_SAMPLE).weight_data_types == "fp32,int8"


@pytest.mark.long
def test_states_and_programs_of_pytorch_are_read_without_it(tmp_path: Path) -> None:
    """Whole and in parts, new and old, and quantized."""
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 9)
    ).eval()
    image = torch.zeros(2, 3, 3, 3)
    torch.export.save(torch.export.export(model, (image,)), tmp_path / "a.pt2")
    torch.jit.trace(model, image).save(tmp_path / "b.pt")
    torch.jit.freeze(torch.jit.trace(model, image)).save(tmp_path / "c.pt")
    torch.save(model.state_dict(), tmp_path / "d.pth")
    torch.save({"state_dict": model.state_dict(), "epoch": 1}, tmp_path / "e.pth")
    torch.save(model.state_dict(), tmp_path / "f.pth", _use_new_zipfile_serialization=False)
    torch.save(model, tmp_path / "g.pth.tar")
    for name in ("a.pt2", "b.pt", "c.pt", "d.pth", "e.pth", "f.pth", "g.pth.tar"):
        assert read_facts(tmp_path / name).weight_data_types == "fp32", name
    program = read_facts(tmp_path / "a.pt2")
    assert [one.shape for one in program.inputs] == [(2, 3, 3, 3)]
    assert [one.shape for one in program.outputs] == [(2, 9)]
    model.bfloat16()
    torch.save(model.state_dict(), tmp_path / "h.pth")
    assert read_facts(tmp_path / "h.pth").weight_data_types == "bf16"
    state = {"w": torch.quantize_per_tensor(torch.zeros(4, 4), 0.1, 0, torch.qint8)}
    torch.save(state, tmp_path / "i.pth")
    assert read_facts(tmp_path / "i.pth").weight_data_types == "int8"
    torch.save({"w": torch.zeros(4, 4).to(torch.float8_e4m3fn)}, tmp_path / "j.pth")
    assert read_facts(tmp_path / "j.pth").weight_data_types == "fp8"


def test_a_pickle_that_would_run_code_is_read_without_running_it(tmp_path: Path) -> None:
    """Its tensors would be counted, its calls are not made."""

    class Evil:
        """Asks pickle to make a file."""

        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "made"),)

    torch = pytest.importorskip("torch")
    torch.save({"w": torch.zeros(2, 2), "e": Evil()}, tmp_path / "evil.pth")
    assert read_facts(tmp_path / "evil.pth").weight_data_types == "fp32"
    assert not (tmp_path / "made").exists()


@pytest.mark.long
def test_an_openvino_ir_says_what_its_constants_are(tmp_path: Path) -> None:
    """A conversion to fp16 keeps fp32 for computing; the weights are stored as fp16."""
    openvino = pytest.importorskip("openvino")
    source = tiny_classifier(tmp_path / "f.onnx", size=32)
    model = openvino.convert_model(source)
    for half, word in ((False, "fp32"), (True, "fp16")):
        openvino.save_model(model, tmp_path / "m.xml", compress_to_fp16=half)
        found = read_facts(tmp_path / "m.xml")
        assert found.weight_data_types == word
        assert [(one.type, one.shape) for one in found.inputs] == [("fp32", (None, 3, 32, 32))]
        assert [one.shape for one in found.outputs] == [(None, 1000)]


def test_safetensors_are_read_by_their_header(tmp_path: Path) -> None:
    """The numbers are not looked at."""
    header = (
        b'{"w":{"dtype":"BF16","shape":[4,4],"data_offsets":[0,32]},'
        b'"b":{"dtype":"F32","shape":[4],"data_offsets":[32,48]}}'
    )
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert read_facts(tmp_path / "m.safetensors").weight_data_types == "bf16"
    assert read_facts(tmp_path).weight_data_types == "bf16"


@pytest.mark.parametrize("name", ["m.onnx", "m.xml", "m.pt2", "m.pth", "m.safetensors", "m.any"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x08\x07\x3a\x05", b"<net/>", b"\x80"])
def test_of_a_file_that_is_no_model_nothing_is_said(
    tmp_path: Path, name: str, content: bytes
) -> None:
    """Neither a wrong word nor an exception: the backend says what is wrong with it."""
    (tmp_path / name).write_bytes(content)
    assert read_facts(tmp_path / name).weight_data_types == "unknown"


def test_types_of_inputs_are_those_of_the_graph(tmp_path: Path) -> None:
    """Half floats and bytes included."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    for kind, word in ((TensorProto.FLOAT16, "fp16"), (TensorProto.UINT8, "uint8")):
        found = _write(tmp_path / "m.onnx", [node], [_tensor("w", kind, (64, 64))], kind=kind)
        assert found.input_data_types == word


@pytest.mark.parametrize(
    ("types", "word"),
    [("uint8", "int8"), ("int8,uint8", "int8"), ("int8,fp32", "mixed"), ("unknown", "fp32")],
)
def test_a_run_has_one_word_for_its_precision(types: str, word: str) -> None:
    """How integers are signed is said of the weights, not of the run."""
    assert precision_of(types) == word
