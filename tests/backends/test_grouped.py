"""Grouped convolutions agree with ONNX Runtime, and are blocked if their channels allow it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.models import write_layers

pytest.importorskip("tvm", reason="tvm is not installed")

from tvm.relax.frontend.onnx import from_onnx

from mlrepo.backends import BackendOptions
from mlrepo.backends.onnxruntime import OnnxRuntimeBackend
from mlrepo.backends.tvm import pipeline
from mlrepo.backends.tvm.backend import TvmOnnxBackend
from mlrepo.backends.tvm.grouped import merge_groups


def _grouped(path: Path, inputs: int, outputs: int, groups: int, stride: int) -> Path:
    """Write 3 channels → 1x1 → Relu → a grouped 3x3 with bias → Relu."""
    weights = {
        "w0": (inputs, 3, 1, 1),
        "w1": (outputs, inputs // groups, 3, 3),
        "b1": (outputs,),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["a"], kernel_shape=[1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node(
            "Conv",
            ["b", "w1", "b1"],
            ["c"],
            kernel_shape=[3, 3],
            pads=[1, 0, 2, 1],
            strides=[stride] * 2,
            group=groups,
        ),
        helper.make_node("Relu", ["c"], ["scores"]),
    ]
    return write_layers(path, nodes, weights, (3, 12, 11))


@pytest.mark.parametrize(
    ("inputs", "outputs", "groups", "stride", "blocked"),
    [
        (128, 128, 32, 1, True),  # ResNeXt: four groups of four channels make a block
        (64, 64, 2, 2, True),  # a group is two blocks
        (48, 96, 2, 1, False),  # 24 channels of 16: both groups make one, with zeros between
        (64, 128, 64, 1, True),  # each channel has two outputs
        (32, 32, 32, 1, False),  # depthwise: a schedule of its own
        (20, 20, 2, 1, False),  # fills no block
    ],
)
@pytest.mark.parametrize("mcpu", ["skylake-avx512", "haswell", "nehalem"])
def test_every_grouping_is_right(
    mcpu: str, inputs: int, outputs: int, groups: int, stride: int, blocked: bool, tmp_path: Path
) -> None:
    """With 16, 8 and 4 lanes, padded on one side; blocked ones have tiles to choose."""
    path = _grouped(tmp_path / "m.onnx", inputs, outputs, groups, stride)
    module = from_onnx(onnx.load(path), shape_dict={"image": [2, 3, 12, 11]})
    target = pipeline.target(mcpu, 1)
    assert pipeline.lanes(target) == {"skylake-avx512": 16, "haswell": 8, "nehalem": 4}[mcpu]
    names = [layer.name for layer in pipeline.layers_of(module, target)]
    # Whatever fills no block of 16 lanes may fill one of fewer.
    assert any("grouped_conv2d" in name for name in names) == blocked or mcpu != "skylake-avx512"
    if mcpu == "skylake-avx512" and "avx512f" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no AVX-512")
    backend, wanted = TvmOnnxBackend(), OnnxRuntimeBackend()
    backend.load(path, BackendOptions(batch=2, threads=1, extra={"mcpu": mcpu}))
    wanted.load(path, BackendOptions(threads=1))
    images = np.random.default_rng(1).standard_normal((2, 3, 12, 11)).astype(np.float32)
    found, expected = backend.predict(images)[0], wanted.predict(images)[0]
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert backend.describe()["options"]["unscheduled"] == []


def test_joined_groups_have_zeros_between_them() -> None:
    """Four groups of two outputs and one input, joined in pairs."""
    weights = np.arange(1, 9, dtype=np.float32).reshape(8, 1, 1, 1)
    joined = merge_groups(weights, 4, 2)[..., 0, 0]
    assert joined.tolist() == [[1, 0], [2, 0], [0, 3], [0, 4], [5, 0], [6, 0], [0, 7], [0, 8]]
