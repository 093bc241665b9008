"""Convolutions with fewer multiplications agree with ONNX Runtime for every shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.models import write_layers

pytest.importorskip("tvm", reason="tvm is not installed")

from mlrepo.backends import BackendOptions
from mlrepo.backends.onnxruntime import OnnxRuntimeBackend
from mlrepo.backends.tvm import pipeline
from mlrepo.backends.tvm.backend import TvmOnnxBackend
from mlrepo.backends.tvm.winograd import MATRICES, best_matrices, winograd_kernel
from mlrepo.errors import UserError


def _residual_block(
    path: Path,
    *,
    size: tuple[int, int] = (14, 14),
    pads: tuple[int, ...] = (1, 1, 1, 1),
    stride: int = 1,
    dilation: int = 1,
    channels: int = 32,
) -> Path:
    """Write 3 channels → 1x1 → 3x3 with bias, an addition where shapes allow, and a Relu."""
    weights = {
        "w0": (channels, 3, 1, 1),
        "w1": (channels, channels, 3, 3),
        "b1": (channels,),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["a"], kernel_shape=[1, 1]),
        helper.make_node(
            "Conv",
            ["a", "w1", "b1"],
            ["b"],
            kernel_shape=[3, 3],
            pads=pads,
            strides=[stride] * 2,
            dilations=[dilation] * 2,
        ),
    ]
    last = "b"
    if (pads, stride, dilation) == ((1, 1, 1, 1), 1, 1):
        nodes.append(helper.make_node("Add", ["b", "a"], ["c"]))
        last = "c"
    nodes.append(helper.make_node("Relu", [last], ["scores"]))
    return write_layers(path, nodes, weights, (3, *size))


def _names(path: Path, batch: int, mcpu: str, *, winograd: bool = True) -> list[str]:
    """Return the functions of the compiled model whose tile can be chosen."""
    from tvm.relax.frontend.onnx import from_onnx

    model = onnx.load(path)
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    module = from_onnx(model, shape_dict={"image": [batch, *shape[1:]]})
    layers = pipeline.layers_of(module, pipeline.target(mcpu, 1), winograd=winograd)
    return [layer.name for layer in layers]


@pytest.mark.parametrize(("outputs", "by_rows"), [(2, True), (4, True), (4, False)])
@pytest.mark.parametrize(
    ("mcpu", "shape"),
    [
        ("", {}),
        ("haswell", {}),
        ("nehalem", {}),
        ("", {"size": (13, 22)}),
        ("", {"size": (9, 9), "pads": (0, 0, 0, 0)}),
        ("", {"size": (8, 11), "pads": (2, 0, 1, 3)}),
        ("", {"size": (3, 5), "channels": 24}),
    ],
    ids=str,
)
def test_every_shape_is_right(
    mcpu: str,
    shape: dict[str, Any],
    outputs: int,
    by_rows: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tiles that stick out, padding on one side, no padding, lanes that few channels leave half."""
    asked: list[tuple[int, ...]] = []

    def matrices(*shape: int) -> Any:
        asked.append(shape)
        return MATRICES[outputs]

    monkeypatch.setattr(pipeline, "best_matrices", matrices)
    monkeypatch.setattr(pipeline, "runs_by_rows", lambda *_: by_rows)
    path = _residual_block(tmp_path / "m.onnx", **shape)
    backend, wanted = TvmOnnxBackend(), OnnxRuntimeBackend()
    extra = {"mcpu": mcpu} if mcpu else {}
    backend.load(path, BackendOptions(batch=3, threads=1, extra=extra))
    wanted.load(path, BackendOptions(threads=1))
    images = np.random.default_rng(1).standard_normal((3, 3, *shape.get("size", (14, 14))))
    images = images.astype(np.float32)
    expected, found = wanted.predict(images)[0], backend.predict(images)[0]
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert backend.describe()["options"]["unscheduled"] == []
    assert asked


def test_it_is_used_where_it_promises_to_be_faster(tmp_path: Path) -> None:
    """By rows where the weights stay in the cache; what follows is fused; off is off."""
    wide = _residual_block(tmp_path / "wide.onnx", size=(56, 56), channels=64)
    assert "fused_winograd_rows_add_add1_relu" in _names(wide, 4, "skylake-avx512")
    assert not any("winograd" in name for name in _names(wide, 4, "skylake-avx512", winograd=False))
    deep = _residual_block(tmp_path / "deep.onnx", channels=256)
    assert "fused_winograd_stages_add_add1_relu" in _names(deep, 4, "skylake-avx512")


@pytest.mark.parametrize("other", [{"stride": 2}, {"dilation": 2}, {"size": (7, 7)}], ids=str)
def test_other_convolutions_stay_plain(other: dict[str, Any], tmp_path: Path) -> None:
    """A stride, a dilation, and weights that take longer to load than what they save."""
    path = _residual_block(tmp_path / "m.onnx", channels=512, **other)
    assert not any("winograd" in name for name in _names(path, 1, "skylake-avx512"))


def test_no_transform_costs_more_than_it_saves() -> None:
    """More images make larger tiles worth their weights."""
    found = [best_matrices(batch, 14, 14, 256, 256) for batch in (1, 4, 64)]
    assert [matrices.outputs if matrices else 1 for matrices in found] == [2, 4, 4]
    assert best_matrices(1, 7, 7, 512, 512) is None
    assert best_matrices(1, 224, 224, 3, 16) is None


@pytest.mark.parametrize("outputs", list(MATRICES))
def test_the_matrices_are_a_convolution(outputs: int) -> None:
    """Exact in double precision, for one tile and one pair of channels."""
    matrices = MATRICES[outputs]
    rng = np.random.default_rng(2)
    data = rng.standard_normal((matrices.positions, matrices.positions))
    kernel: Any = rng.standard_normal((3, 3))
    windows = np.lib.stride_tricks.sliding_window_view(data, (3, 3))
    weights = winograd_kernel(kernel.reshape(1, 1, 3, 3, 1, 1), matrices)[..., 0, 0, 0, 0]
    by = matrices.data
    found = matrices.result @ (weights * (by @ data @ by.T)) @ matrices.result.T
    np.testing.assert_allclose(found, (windows * kernel).sum(axis=(2, 3)), rtol=1e-5, atol=1e-5)


def test_the_option_stands_in_the_record_and_is_checked(tmp_path: Path) -> None:
    """Models compiled with and without are kept apart."""
    path = _residual_block(tmp_path / "m.onnx")
    for value in ("on", "off"):
        backend = TvmOnnxBackend()
        options = BackendOptions(batch=1, threads=1, cache=tmp_path, extra={"winograd": value})
        backend.load(path, options)
        assert backend.describe()["options"]["winograd"] == value
    assert len(list(tmp_path.glob("*.so"))) == 2
    with pytest.raises(UserError, match="no such winograd"):
        TvmOnnxBackend().load(path, BackendOptions(extra={"winograd": "maybe"}))
