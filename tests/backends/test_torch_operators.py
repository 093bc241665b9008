"""Each ONNX operator that PyTorch runs means what ONNX says, in every version and form.

The references are ONNX Runtime and ONNX's own evaluator; neither shares code with PyTorch.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")

from mlrepo.backends import BackendOptions  # noqa: E402
from mlrepo.backends.pytorch import PytorchBackend  # noqa: E402
from mlrepo.backends.torch_onnx import read_onnx  # noqa: E402
from mlrepo.backends.torch_onnx.registry import (  # noqa: E402
    find_operator,
    proved_operators,
    proved_versions,
)
from mlrepo.errors import UserError  # noqa: E402
from tests.backends.operator_cases import Case, cases  # noqa: E402

# Where the reference evaluator of onnx 1.23 contradicts ONNX's text and ONNX Runtime.
_REFERENCE_FAULTS = {
    "BatchNormalization": "version 9 as if it were training",
    "GlobalMaxPool": "other ranks than images",
    "Hardmax": "before version 13 as version 13",
    "LRN": "the window's width in front of the channels",
    "LogSoftmax": "before version 13 as version 13",
    "LpNormalization": "p=1 with signs",
    "MaxPool": "SAME_LOWER as SAME_UPPER",
    "ReduceSumSquare": "integers of another width",
    "Softmax": "before version 13 as version 13",
}
_CASES: dict[str, list[Case]] = defaultdict(list)
for _one in cases():
    _CASES[_one.kind].append(_one)


def _model(case: Case) -> onnx.ModelProto:
    """Return a model of the node; an image of another type is cast first."""
    image = case.inputs[0]
    names = [f"c{i}" if one is not None else "" for i, one in enumerate(case.inputs)]
    names[0], nodes = "x", []
    if image.dtype != np.float32:
        names[0] = "cast"
        to = helper.np_dtype_to_tensor_dtype(image.dtype)
        nodes.append(helper.make_node("Cast", ["x"], ["cast"], to=to))
    outputs = [f"y{i}" for i in range(case.outputs)]
    nodes.append(helper.make_node(case.kind, names, outputs, name="tried", **case.attributes))
    constants = [
        numpy_helper.from_array(one, names[i])
        for i, one in enumerate(case.inputs)
        if i and one is not None
    ]
    return _graph(nodes, image.shape[1:], outputs, constants, max(7, case.version))


def _graph(
    nodes: Sequence[Any],
    shape: Sequence[int],
    outputs: Sequence[str],
    constants: Sequence[Any],
    opset: int,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        list(constants),
    )
    opsets = [helper.make_opsetid("", opset)]
    version = 10 if opset < 24 else 11
    model = helper.make_model(graph, opset_imports=opsets, ir_version=version)
    return onnx.shape_inference.infer_shapes(model)


def _by_runtime(model: onnx.ModelProto, image: Any) -> list[Any] | None:
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return list(session.run(None, {"x": image}))
    except Exception:  # it has not every operator in every version
        return None


def _by_reference(model: onnx.ModelProto, image: Any) -> list[Any] | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            return [np.asarray(one) for one in ReferenceEvaluator(model).run(None, {"x": image})]
    except Exception:  # likewise
        return None


def _equal(found: Sequence[Any], wanted: Sequence[Any]) -> bool:
    return len(found) == len(wanted) and all(
        one.shape == other.shape
        and one.dtype == other.dtype
        and np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
        if one.dtype.kind == "f"
        else np.array_equal(one, other) and one.dtype == other.dtype
        for one, other in zip(found, wanted, strict=True)
    )


def _run(module: Any, image: Any) -> list[Any]:
    with torch.inference_mode():
        found = module(torch.from_numpy(image))
    return [one.numpy() for one in (found if isinstance(found, tuple) else (found,))]


def _loaded(path: Path, module: Any, batch: int) -> PytorchBackend:
    """Return the backend with its trace, of another batch where the model takes any."""
    backend = PytorchBackend()
    made = batch - 1 if module.specs[0].shape[0] is None and batch > 1 else batch
    backend.load(path, BackendOptions(batch=made, threads=1))
    return backend


def _as_given(found: Sequence[Any]) -> list[Any]:
    """Return outputs as the backend gives them: floating point in 32 bits."""
    return [one.astype(np.float32) if one.dtype.kind == "f" else one for one in found]


# What makes a tensor of no image has no first input; see below.
_MADE = ("Constant", "ConstantOfShape", "Range")


@pytest.mark.parametrize("kind", [one for one in proved_operators() if one not in _MADE])
def test_an_operator_computes_what_onnx_means(kind: str, tmp_path: Path) -> None:
    """Shape, type and numbers; the newest version of each function also optimized.

    Each version has a case that ONNX Runtime or the reference runs as well.
    """
    proved, path = set(), tmp_path / "m.onnx"
    newest = {find_operator(kind, one): one for one in proved_versions(kind)}.values()
    for case in _CASES[kind]:
        model, image = _model(case), case.inputs[0].astype(np.float32)
        onnx.save_model(model, path)
        runtime, reference = _by_runtime(model, image), _by_reference(model, image)
        module = read_onnx(path, len(image))
        found = _run(module, image)
        if runtime is not None:
            assert _equal(found, runtime), f"{case}: ONNX Runtime differs"
        if reference is not None and not (runtime is not None and kind in _REFERENCE_FAULTS):
            assert _equal(found, reference), f"{case}: the reference differs"
        if runtime is not None or reference is not None:
            proved.add(case.version)
        # A trace of what does not depend on the image's numbers is no model.
        if case.version in newest and kind not in ("Shape", "Size"):
            loaded = _loaded(path, module, len(image))
            assert _equal(loaded.predict(image), _as_given(found)), f"{case}: its trace differs"
    assert proved == set(proved_versions(kind))


_NODE = helper.make_node
_SIZES = numpy_helper.from_array(np.array([2, 3], np.int64), "sizes")
_SCALARS = [
    numpy_helper.from_array(np.array(one, kind), f"{name}{kind}")
    for name, one in (("from", 7), ("to", -3), ("by", -2))
    for kind in ("int64", "float32")
]
_CONSTANTS: list[dict[str, Any]] = [
    {"value": numpy_helper.from_array(np.array([[1, 2]], np.int32))},
    {"value_float": 0.1},
    {"value_floats": [0.1, 2.0]},
    {"value_int": 7},
    {"value_ints": [7, -1]},
]


def _made(kind: str, version: int) -> list[Any]:
    if kind == "Constant":
        return [_NODE(kind, [], ["y"], **one) for one in _CONSTANTS[: 5 if version > 11 else 1]]
    if kind == "ConstantOfShape":
        value = numpy_helper.from_array(np.array([3], np.int64))
        return [_NODE(kind, ["sizes"], ["y"]), _NODE(kind, ["sizes"], ["y"], value=value)]
    return [
        _NODE(kind, [f"{one}{t}" for one in ("from", "to", "by")], ["y"])
        for t in ("int64", "float32")
    ]


@pytest.mark.parametrize("kind", _MADE)
def test_what_is_made_of_no_image_is_as_onnx_means(kind: str, tmp_path: Path) -> None:
    """In every form of every version."""
    image = np.ones((3, 2), np.float32)
    for version in proved_versions(kind):
        for node in _made(kind, version):
            nodes = [node, _NODE("Relu", ["x"], ["z"])]
            constants = [_SIZES, *_SCALARS]
            model = _graph(nodes, (2,), ["z", "y"], constants, max(7, version))
            onnx.save_model(model, tmp_path / "m.onnx")
            found = _run(read_onnx(tmp_path / "m.onnx", 3), image)
            assert _equal(found, _by_runtime(model, image) or []), node


_W = numpy_helper.from_array(np.ones((4, 2, 3, 3), np.float32), "w")
_W2 = numpy_helper.from_array(np.ones((2, 4, 3, 3), np.float32), "w2")
_AXES = numpy_helper.from_array(np.array([1], np.int64), "axes")


@pytest.mark.parametrize(
    ("nodes", "opset", "said"),
    [
        ([_NODE("Celu", ["x"], ["y"], name="c1")], 12, "Celu of opset 12 (node 'c1')"),
        ([_NODE("Relu", ["x"], ["y"], domain="com.other")], 17, "com.other::Relu"),
        ([_NODE("FusedConv", ["x", "w"], ["y"], domain="com.microsoft")], 17, "FusedConv"),
        ([_NODE("DepthToSpace", ["x"], ["y"], blocksize=1)], 28, "its version 28"),
        ([_NODE("Add", ["x", "w"], ["y"], broadcast=1)], 6, "its version 6"),
        ([_NODE("Conv", ["x", "w"], ["y"], activation="Relu")], 17, "attribute activation"),
        ([_NODE("Dropout", ["x", "", "t"], ["y"])], 13, "training_mode"),
        ([_NODE("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2])], 17, "output number 2"),
        ([_NODE("MaxPool", ["x"], ["y"])], 17, "it has no kernel_shape"),
        ([_NODE("Relu", ["gone"], ["y"])], 17, "nothing computes its input 'gone'"),
        ([_NODE("Add", ["x", "axes"], ["y"])], 17, "input 2 is int64, and another is float"),
        ([_NODE("Relu", ["x"], ["w"]), _NODE("Relu", ["w"], ["y"])], 17, "'w' a second time"),
        ([_NODE("Relu", ["x"], ["y"])], 99, "knows none in that opset"),
        (
            [
                _NODE("ReduceMax", ["x"], ["m"]),
                _NODE("Cast", ["m"], ["r"], to=7),
                _NODE("Expand", ["x", "r"], ["y"]),
            ],
            13,
            "'shape' depends on the image",
        ),
        (
            [
                _NODE(
                    "AveragePool",
                    ["x"],
                    ["y"],
                    kernel_shape=[3, 3],
                    strides=[2, 2],
                    ceil_mode=1,
                    count_include_pad=1,
                )
            ],
            19,
            "beyond the padding",
        ),
        (
            [
                _NODE(
                    "MaxPool",
                    ["x"],
                    ["y"],
                    kernel_shape=[2, 2],
                    dilations=[2, 2],
                    auto_pad="SAME_UPPER",
                )
            ],
            12,
            "SAME_UPPER with dilations",
        ),
        ([_NODE("ConvTranspose", ["x", "w2"], ["y"], auto_pad="SAME_LOWER")], 11, "SAME_LOWER"),
        ([_NODE("Resize", ["x", "", "s"], ["y"], mode="linear", antialias=1)], 18, "antialias"),
    ],
)
def test_what_is_not_proved_is_refused_by_name(
    nodes: list[Any], opset: int, said: str, tmp_path: Path
) -> None:
    """Operator, opset or version, node, and what it is about."""
    constants = [
        _W,
        _W2,
        _AXES,
        numpy_helper.from_array(np.array(True), "t"),
        numpy_helper.from_array(np.ones(4, np.float32), "s"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 8, 8])],
        [onnx.ValueInfoProto(name=name) for name in nodes[-1].output],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    onnx.save_model(model, tmp_path / "m.onnx")
    with pytest.raises(UserError) as caught:
        read_onnx(tmp_path / "m.onnx", 2)
    assert said in caught.value.message
    assert "m.onnx" in caught.value.message
    assert caught.value.hint


def test_a_graph_inside_a_node_is_refused_by_name(tmp_path: Path) -> None:
    """`If`, `Loop` and `Scan` are not run."""
    branch = helper.make_graph(
        [_NODE("Relu", ["x"], ["b"])], "b", [], [helper.make_tensor_value_info("b", 1, None)]
    )
    node = _NODE("If", ["c"], ["y"], name="choice", then_branch=branch, else_branch=branch)
    constant = numpy_helper.from_array(np.array(True), "c")
    onnx.save_model(_graph([node], (2,), ["y"], [constant], 17), tmp_path / "m.onnx")
    with pytest.raises(UserError, match=r"If of opset 17 .*'choice'.*a graph of its own"):
        read_onnx(tmp_path / "m.onnx", 2)


def test_functions_of_the_model_are_run_as_their_nodes(tmp_path: Path) -> None:
    """As exporters write them: a domain of its own, nodes of ONNX inside."""
    function = helper.make_function(
        "mine",
        "Twice",
        ["a"],
        ["b"],
        [_NODE("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    model = _graph([_NODE("Relu", ["x"], ["y"])], (2,), ["y"], [], 17)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    model.graph.node[0].CopyFrom(_NODE("Twice", ["x"], ["y"], domain="mine"))
    onnx.save_model(model, tmp_path / "m.onnx")
    image = np.ones((3, 2), np.float32)
    assert _run(read_onnx(tmp_path / "m.onnx", 3), image)[0].tolist() == [[2, 2]] * 3


def _attention(tokens: int = 6, width: int = 8) -> onnx.ModelProto:
    """Return a block of attention whose shapes are computed from the image, as exporters do."""
    rng = np.random.default_rng(3)
    constants = [
        numpy_helper.from_array(rng.standard_normal((width, 3 * width)).astype("f"), "qkv"),
        numpy_helper.from_array(np.array([0], np.int64), "zero"),
        numpy_helper.from_array(np.array([tokens, 3, 2, width // 2], np.int64), "tail"),
        numpy_helper.from_array(np.array([tokens, width], np.int64), "back"),
        numpy_helper.from_array(np.array(0.5, np.float32), "scale"),
    ]
    nodes = [
        _NODE("MatMul", ["x", "qkv"], ["a"]),
        _NODE("Shape", ["x"], ["s"]),
        _NODE("Gather", ["s", "zero"], ["n"], axis=0),
        _NODE("Concat", ["n", "tail"], ["split"], axis=0),
        _NODE("Reshape", ["a", "split"], ["b"]),
        _NODE("Transpose", ["b"], ["c"], perm=[2, 0, 3, 1, 4]),
        _NODE("Split", ["c"], ["q1", "k1", "v1"], axis=0),
        *(_NODE("Squeeze", [f"{one}1", "zero"], [one]) for one in "qkv"),
        _NODE("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        _NODE("MatMul", ["q", "kt"], ["d"]),
        _NODE("Mul", ["d", "scale"], ["e"]),
        _NODE("Softmax", ["e"], ["f"], axis=-1),
        _NODE("MatMul", ["f", "v"], ["g"]),
        _NODE("Transpose", ["g"], ["h"], perm=[0, 2, 1, 3]),
        _NODE("Concat", ["n", "back"], ["join"], axis=0),
        _NODE("Reshape", ["h", "join"], ["y"]),
    ]
    return _graph(nodes, (tokens, width), ["y"], constants, 13)


def test_shapes_that_hold_the_batch_make_the_module_one_for_that_batch(tmp_path: Path) -> None:
    """It is said, and right for it; without them any batch goes."""
    model = _attention()
    onnx.save_model(model, tmp_path / "m.onnx")
    image = np.random.default_rng(0).standard_normal((4, 6, 8)).astype("f")
    module = read_onnx(tmp_path / "m.onnx", 4)
    assert module.specs[0].shape == (4, 6, 8)
    assert _equal(_run(module, image), _by_runtime(model, image) or [])


def test_a_static_batch_is_taken_from_the_model(tmp_path: Path) -> None:
    """Whatever batch was asked for; another one is not run."""
    model = _graph([_NODE("Relu", ["x"], ["y"])], (2,), ["y"], [], 17)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    onnx.save_model(model, tmp_path / "m.onnx")
    backend = PytorchBackend()
    backend.load(tmp_path / "m.onnx", BackendOptions(batch=8, threads=1))
    assert backend.inputs[0].shape == (3, 2)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_weights_of_half_precision_are_cast_as_the_model_says(kind: str, tmp_path: Path) -> None:
    """A cast of the image before and of the scores behind, as converters write them."""
    to = {"float16": 10, "bfloat16": 16}[kind]
    weight = helper.make_tensor("w", to, [2, 2], [0.5, 0.25, -1.0, 3.0])
    nodes = [
        _NODE("Cast", ["x"], ["h"], to=to),
        _NODE("MatMul", ["h", "w"], ["m"]),
        _NODE("Cast", ["m"], ["y"], to=1),
    ]
    onnx.save_model(_graph(nodes, (2,), ["y"], [weight], 17), tmp_path / "m.onnx")
    image = np.array([[1, 2], [0.5, -1], [4, 8]], np.float32)
    wanted = image @ np.array([[0.5, 0.25], [-1, 3]], np.float32)
    assert _run(read_onnx(tmp_path / "m.onnx", 3), image)[0].tolist() == wanted.tolist()
