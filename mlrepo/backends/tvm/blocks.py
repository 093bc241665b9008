"""Conversion of convolutions to blocked layouts."""

from __future__ import annotations

from functools import partial
from typing import Any

import tvm
from tvm import relax

from mlrepo.backends.tvm.rewrites import (
    called_operators,
    operator_name,
    rewrite,
    tensor_shape,
)
from mlrepo.backends.tvm.windows import channel_block

_CONVOLUTION = "relax.nn.conv2d"


def blocking(vector: int, *, joined: bool) -> Any:
    """Return the pass that converts convolutions to blocked layouts, for ``vector`` lanes.

    If ``joined``, the operators between two convolutions are blocked, too, by TVM's ConvertLayout,
    which rejects operators without a layout rule. Otherwise each convolution is converted to
    blocks and back.
    """
    blocks = _Blocks(vector)
    if not joined:
        return rewrite(partial(_Separate, blocks))
    convert = relax.transform.ConvertLayout({}, blocks)

    def apply(module: Any, _: Any) -> Any:
        # The conversion can fail even on a model without convolutions.
        return convert(module) if _CONVOLUTION in called_operators(module) else module

    return tvm.transform.module_pass(apply, opt_level=0)


class _Blocks:
    """ConvertLayout's callback, which chooses the layouts of an operator."""

    def __init__(self, vector: int) -> None:
        self._vector = vector

    def __call__(self, call: Any) -> dict[str, list[str]]:
        """Return blocked layouts for a convolution whose channels fill blocks, otherwise NCHW.

        Few input channels (the three of an image) form one block of their own. A depthwise
        convolution keeps the blocks of its channels; in other grouped convolutions no block
        spans two groups.
        """
        # This is called for other operators, too, some without attributes: check the name first.
        if operator_name(call) != _CONVOLUTION:
            return {}
        # Explicit: otherwise it would inherit the blocked layout of the operator before it.
        plain = {_CONVOLUTION: ["NCHW", "OIHW", "NCHW"]}
        out_channels, in_channels = tensor_shape(call.args[1])[:2]
        groups = int(call.attrs.groups)
        outer = channel_block(out_channels, self._vector)
        if groups == out_channels and in_channels == 1 and outer:
            data, kernel = f"NCHW{outer}c", f"OIHW1i{outer}o"
            return {_CONVOLUTION: [data, kernel, data]}
        inner = channel_block(groups * in_channels, self._vector)
        if groups != 1:
            whole = inner and outer and not (in_channels % inner or out_channels // groups % outer)
        else:
            inner = inner or in_channels
            whole = outer and inner <= self._vector
        if not whole:
            return plain
        return {_CONVOLUTION: [f"NCHW{inner}c", f"OIHW{inner}i{outer}o", f"NCHW{outer}c"]}


@relax.expr_functor.mutator
class _Separate(relax.PyExprMutator):  # type: ignore[misc]
    """Convert each convolution to a blocked layout, and its result back."""

    def __init__(self, blocks: _Blocks) -> None:
        super().__init__()
        self._blocks = blocks

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or a blocked convolution between two layout conversions."""
        call = self.visit_expr_post_order(call)
        layouts = self._blocks(call).get(_CONVOLUTION)
        if layouts is None or layouts[0] == "NCHW":
            return call
        data, kernel, out = layouts
        emit, attributes = self.builder_.emit, call.attrs
        inner, outer = (int(layout.removeprefix("NCHW").rstrip("c")) for layout in (data, out))
        by_inner = int(kernel.removeprefix("OIHW").partition("i")[0])
        blocked = relax.op.nn.conv2d(
            emit(relax.op.layout_transform(call.args[0], _pixels(inner))),
            emit(relax.op.layout_transform(call.args[1], _weights(by_inner, outer))),
            attributes.strides,
            attributes.padding,
            attributes.dilation,
            attributes.groups,
            data,
            kernel,
            out,
            attributes.out_dtype or None,
        )
        batch, channels, high, wide = tensor_shape(call)
        # [n, c/v, h, w, v] to [n, c/v, v, h, w], where c/v and v together are the channels.
        plain = emit(relax.op.permute_dims(emit(blocked), (0, 1, 4, 2, 3)))
        return relax.op.reshape(plain, (batch, channels, high, wide))


def _pixels(block: int) -> Any:
    return lambda n, c, h, w: (n, c // block, h, w, c % block)


def _weights(inner: int, outer: int) -> Any:
    return lambda o, i, h, w: (o // outer, i // inner, h, w, i % inner, o % outer)
