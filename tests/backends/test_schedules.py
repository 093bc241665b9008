"""A schedule changes the order of what is computed, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tvm", reason="tvm is not installed")

import tvm
from tvm import te, topi

from mlrepo.backends.tvm import pipeline
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
