"""Rewriting Relax functions where TVM's own passes are slow or stop short."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tvm
from tvm import relax


def rewrite(mutator: Callable[[], Any]) -> Any:
    """Return a pass that applies a mutator to each function of a module."""

    def apply(module: Any, _: Any) -> Any:
        for variable, function in module.functions.items():
            if isinstance(function, relax.Function):
                module[variable] = mutator().visit_expr(function)
        return relax.transform.DeadCodeElimination()(module)

    return tvm.transform.module_pass(apply, opt_level=0)


@relax.expr_functor.mutator
class _Bounds(relax.PyExprMutator):  # type: ignore[misc]
    """Turns clips, and functions that an importer made for them, into maximum and minimum.

    These two ConvertLayout takes through blocked layouts; for anything else that bounds a tensor it
    puts it back into NCHW.
    """

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or its replacement."""
        call = self.visit_expr_post_order(call)
        name = operator_name(call)
        if name == "relax.clip" and tensor_type(call).dtype == "float32":
            value, low, high = call.args
            above = relax.op.maximum(value, relax.const(float(low.value), "float32"))
            return relax.op.minimum(
                self.builder_.emit(above), relax.const(float(high.value), "float32")
            )
        if name != "relax.call_tir":
            return call
        kind = re.fullmatch(r"(maximum|minimum)\d*", call.args[0].name_hint)
        arguments = call.args[1].fields
        bound = self._number(arguments[1]) if kind and len(arguments) == 2 else None
        if kind is None or bound is None:
            return call
        operator = relax.op.maximum if kind[1] == "maximum" else relax.op.minimum
        return operator(arguments[0], relax.const(bound, "float32"))

    def _number(self, value: Any) -> float | None:
        """Return the number that a bound is: a constant, or one that replaces a constant NaN."""
        value = bound_value(value, self)
        if is_constant(value):
            number = value.value.numpy()
            return None if number.shape or number.dtype != np.float32 else float(number)
        if operator_name(value) != "relax.where":
            return None
        condition = self.lookup_binding(value.args[0])
        tested = self._number(condition.args[0]) if condition is not None else None
        return None if tested is None else self._number(value.args[1 if tested != tested else 2])


@relax.expr_functor.mutator
class _Axes(relax.PyExprMutator):  # type: ignore[misc]
    """Counts the axis of a concatenation or a split from the front.

    ConvertLayout takes one that is counted from the end as it is into a layout with one axis more.
    """

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or the same with another axis."""
        call = self.visit_expr_post_order(call)
        name = operator_name(call)
        if name not in ("relax.concat", "relax.split") or int(call.attrs.axis) >= 0:
            return call
        if name == "relax.concat":
            return relax.op.concat(call.args[0], int(call.attrs.axis) + len(tensor_shape(call)))
        axis = int(call.attrs.axis) + len(tensor_shape(call.args[0]))
        return relax.op.split(call.args[0], call.attrs.indices_or_sections, axis)


@relax.expr_functor.mutator
class _Packed(relax.PyExprMutator):  # type: ignore[misc]
    """Computes reshaped, transposed, blocked and dequantized constants with numpy.

    FoldConstant would do the same, but compiles a function for each of them: most of the time from
    a model to something that runs.
    """

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or its constant result."""
        call = self.visit_expr_post_order(call)
        name = operator_name(call)
        if name not in _FOLDS:
            return call
        arguments = [self._value(argument) for argument in call.args]
        if arguments[0] is None:
            return call
        result = _FOLDS[name](call, arguments)
        return call if result is None else relax.const(result)

    def _value(self, value: Any) -> npt.NDArray[Any] | None:
        value = bound_value(value, self)
        return value.value.numpy() if is_constant(value) else None


def _reshape(call: Any, arguments: list[Any]) -> npt.NDArray[Any] | None:
    shape = call.args[1]
    if not isinstance(shape, relax.ShapeExpr):
        return None
    result: npt.NDArray[Any] = arguments[0].reshape([int(size) for size in shape.values])
    return result


def _layout(call: Any, arguments: list[Any]) -> npt.NDArray[Any] | None:
    """Block channels: OIHW to OIHW<i>i<o>o, NCHW to NCHW<c>c. Only these come of our layouts."""
    values = arguments[0]
    shape = tensor_shape(call)
    if values.ndim != 4 or values.size != np.prod(shape):
        return None
    if len(shape) == 6:
        outer, inner, high, wide, i, o = shape
        return np.ascontiguousarray(
            values.reshape(outer, o, inner, i, high, wide).transpose(0, 2, 4, 5, 3, 1)
        )
    if len(shape) == 5:
        batch, blocks, high, wide, c = shape
        return np.ascontiguousarray(
            values.reshape(batch, blocks, c, high, wide).transpose(0, 1, 3, 4, 2)
        )
    return None


def _dequantize(call: Any, arguments: list[Any]) -> npt.NDArray[Any] | None:
    values, scale, zero = arguments
    if scale is None or zero is None or call.attrs.out_dtype != "float32":
        return None
    shape = [1] * values.ndim
    if scale.size > 1:
        shape[int(call.attrs.axis)] = scale.size
    shifted = values.astype(np.float32) - zero.astype(np.float32).reshape(shape)
    result: npt.NDArray[Any] = shifted * scale.astype(np.float32).reshape(shape)
    return result


def _permute(call: Any, arguments: list[Any]) -> npt.NDArray[Any] | None:
    axes = call.attrs.axes
    order = None if axes is None else [int(axis) for axis in axes]
    return np.ascontiguousarray(np.transpose(arguments[0], order))


_FOLDS: dict[str, Callable[[Any, list[Any]], npt.NDArray[Any] | None]] = {
    "relax.reshape": _reshape,
    "relax.permute_dims": _permute,
    "relax.layout_transform": _layout,
    "relax.dequantize": _dequantize,
}


def operator_name(expression: Any) -> str:
    """Return the name of the operator that an expression calls, '' where it calls none."""
    name: str = getattr(getattr(expression, "op", None), "name", "")
    return name


def called_operators(module: Any) -> set[str]:
    """Return the names of the operators that the functions of a module call."""
    names: set[str] = set()
    for function in module.functions.values():
        if isinstance(function, relax.Function):
            relax.analysis.post_order_visit(function, lambda e: names.add(operator_name(e)))
    return names


def bound_value(expression: Any, owner: Any) -> Any:
    """Return the value bound to a variable, else the expression; ``owner`` has the bindings."""
    return owner.lookup_binding(expression) if isinstance(expression, relax.Var) else expression


def convolution_like(
    call: Any, data: Any, kernel: npt.NDArray[Any], groups: int, dtype: str | None = None
) -> Any:
    """Return a convolution of ``data`` with the strides, padding and layouts of ``call``."""
    attributes = call.attrs
    return relax.op.nn.conv2d(
        data,
        relax.const(kernel),
        attributes.strides,
        attributes.padding,
        attributes.dilation,
        groups,
        attributes.data_layout,
        attributes.kernel_layout,
        attributes.out_layout,
        dtype or attributes.out_dtype or None,
    )


def tensor_shape(expression: Any) -> list[int]:
    """Return the shape of a tensor-valued expression; every size is known when we compile."""
    return [int(size) for size in tensor_type(expression).shape]


def tensor_type(expression: Any) -> Any:
    """Return the type of a tensor-valued expression: shape and dtype."""
    return expression.ty if hasattr(expression, "ty") else expression.struct_info


def is_constant(value: Any) -> bool:
    """Return whether an expression is a constant."""
    return isinstance(value, tvm.ir.expr.GenericConst)


bound_by_constants = rewrite(_Bounds)
axes_from_the_front = rewrite(_Axes)
pack_constants = rewrite(_Packed)
