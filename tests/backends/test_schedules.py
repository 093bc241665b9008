"""A schedule only changes the order of computation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.models import write_layers

pytest.importorskip("tvm", reason="tvm is not installed")

import tvm
from tvm import te, topi
from tvm.relax.frontend.onnx import from_onnx

from mlrepo.backends import BackendOptions
from mlrepo.backends.onnxruntime import OnnxRuntimeBackend
from mlrepo.backends.tvm import pipeline
from mlrepo.backends.tvm.backend import TvmOnnxBackend
from mlrepo.backends.tvm.schedules import schedule_matmul


@pytest.mark.parametrize("shape", [(4, 64, 48), (6, 30, 40), (5, 7, 1001), (1, 1, 8)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_a_matrix_product_is_right(shape: tuple[int, int, int], bias: bool) -> None:
    """Whole tiles and others, columns that fill no vector, with and without what follows."""
    n, k, m = shape
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((n, k), (k, m), (m,)))
    inputs = [te.placeholder(value.shape, name=name) for value, name in ((x, "x"), (w, "w"))]
    product = topi.matmul(*inputs)
    arguments, expected = [x, w], x @ w
    if bias:
        inputs.append(te.placeholder(b.shape, name="b"))
        product = topi.nn.relu(topi.add(product, inputs[-1]))
        arguments, expected = [x, w, b], np.maximum(expected + b, 0)
    target = pipeline.target(None, 2)
    function = te.create_prim_func([*inputs, product])
    scheduled = schedule_matmul(function, pipeline.lanes(target))
    module = tvm.IRModule({"main": scheduled.with_attr("global_symbol", "main")})
    out = tvm.runtime.tensor(np.full((n, m), np.nan, np.float32))
    tvm.compile(module, target=target)["main"](*map(tvm.runtime.tensor, arguments), out)
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["Gemm", "Conv"])
@pytest.mark.parametrize("classes", [1000, 1001])
def test_a_classifier_of_any_number_of_classes_runs_in_vectors(
    kind: str, classes: int, tmp_path: Path
) -> None:
    """As a product or a convolution on one pixel (MobileNet); TensorFlow's ImageNet has 1001."""
    path = _classifier(tmp_path / "m.onnx", kind, classes)
    shape = (2, 24, 5, 5)
    module = from_onnx(onnx.load(path), shape_dict={"image": list(shape)})
    target = pipeline.target("skylake-avx512", 1)
    with target:
        text = str(pipeline.fuse(module, target).script(show_meta=False))
    assert ("1008" in text) == (classes == 1001)
    backend, wanted = TvmOnnxBackend(), OnnxRuntimeBackend()
    backend.load(path, BackendOptions(batch=2, threads=1))
    wanted.load(path, BackendOptions(threads=1))
    images = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    found, expected = backend.predict(images)[0], wanted.predict(images)[0]
    assert found.shape == expected.shape == (2, classes)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [(20, 20), (58, 116), (30, 17), (4, 9)], ids=str)
def test_convolutions_of_any_number_of_channels_run_in_blocks(
    channels: tuple[int, int], tmp_path: Path
) -> None:
    """Both what comes in and what goes out is filled up and cut off again; sizes are odd, too."""
    path = _convolutions(tmp_path / "m.onnx", channels)
    shape = (2, 3, 9, 7)
    module = from_onnx(onnx.load(path), shape_dict={"image": list(shape)})
    target = pipeline.target("skylake-avx512", 1)
    layers = pipeline.layers_of(module, target)
    assert sum(layer.count for layer in layers) == len(channels)
    backend, wanted = TvmOnnxBackend(), OnnxRuntimeBackend()
    backend.load(path, BackendOptions(batch=2, threads=1))
    wanted.load(path, BackendOptions(threads=1))
    images = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    found, expected = backend.predict(images)[0], wanted.predict(images)[0]
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def _convolutions(path: Path, channels: tuple[int, ...]) -> Path:
    """Write 3x3 convolutions with bias and Relu, padded on one side."""
    weights: dict[str, tuple[int, ...]] = {}
    nodes, last = [], "image"
    for number, (before, after) in enumerate(zip((3, *channels), channels, strict=False)):
        weights |= {f"w{number}": (after, before, 3, 3), f"b{number}": (after,)}
        names = [last, f"w{number}", f"b{number}"]
        last = "scores" if number == len(channels) - 1 else f"r{number}"
        nodes += [
            helper.make_node("Conv", names, [f"c{number}"], kernel_shape=[3, 3], pads=[1, 0, 1, 1]),
            helper.make_node("Relu", [f"c{number}"], [last]),
        ]
    return write_layers(path, nodes, weights, (3, 9, 7))


def _classifier(path: Path, kind: str, classes: int) -> Path:
    shape = (classes, 24) if kind == "Gemm" else (classes, 24, 1, 1)
    last = [
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["scores"], transB=1),
    ]
    if kind == "Conv":
        last = [
            helper.make_node("Conv", ["p", "w", "b"], ["c"], kernel_shape=[1, 1]),
            helper.make_node("Flatten", ["c"], ["scores"]),
        ]
    nodes = [helper.make_node("GlobalAveragePool", ["image"], ["p"]), *last]
    return write_layers(path, nodes, {"w": shape, "b": (classes,)}, (24, 5, 5))
