"""From a Relax module to a compiled one: blocked layout, fused convolutions, our own schedules.

TVM 0.27 has no schedule for a CPU in its default pipeline (ResNet-50 runs 180 times slower than on
ONNX Runtime). This one packs convolutions into blocks of as many channels as the target has
float32 lanes, fuses what follows, and gives each fused function one fixed schedule.
docs/design/005-tvm-pipeline.md says how to follow TVM's next release.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import tvm
from tvm import relax, topi
from tvm.relax.transform.legalize_ops.nn import _nn_conv2d

from mlrepo.backends.tvm import vnni
from mlrepo.backends.tvm.blocks import blocking
from mlrepo.backends.tvm.depthwise import depthwise_conv2d, schedule_depthwise_conv
from mlrepo.backends.tvm.grouped import grouped_conv2d, merging
from mlrepo.backends.tvm.integers import (
    arithmetic,
    integer_conv2d,
    integer_convolutions,
    schedule_integer_conv,
    vnni_kernel,
)
from mlrepo.backends.tvm.odd_channels import widening
from mlrepo.backends.tvm.rewrites import (
    axes_from_the_front,
    bound_by_constants,
    bound_value,
    is_constant,
    pack_constants,
    tensor_shape,
    tensor_type,
)
from mlrepo.backends.tvm.schedules import (
    Tile,
    output_tiles,
    schedule_blocked_conv,
    schedule_matmul,
    schedule_spatial,
)
from mlrepo.backends.tvm.tuning import Layer, Tiled, find_layers, layer_key
from mlrepo.backends.tvm.winograd import (
    KERNEL,
    best_matrices,
    product_tiles,
    runs_by_rows,
    schedule_rows,
    schedule_stages,
    winograd_conv2d,
    winograd_kernel,
)
from mlrepo.errors import UserError, telling_line, whole_reason

# The prefix that marks a blocked convolution even after FuseOps, which joins operator names.
_BLOCKED = "blocked_conv2d"
_DEPTHWISE = "depthwise_conv2d"
_GROUPED = "grouped_conv2d"
_MATRIX = "matmul"
_INTEGER = "integer_conv2d"
_WINOGRAD_ROWS = "winograd_rows"
_WINOGRAD_STAGES = "winograd_stages"
# Those whose tiles can be chosen.
_TILED = {
    _BLOCKED: Tiled(schedule_blocked_conv, output_tiles),
    _GROUPED: Tiled(schedule_blocked_conv, output_tiles),
    _INTEGER: Tiled(schedule_integer_conv, output_tiles),
    _WINOGRAD_ROWS: Tiled(schedule_rows, product_tiles),
    _WINOGRAD_STAGES: Tiled(schedule_stages, product_tiles),
}
# FuseOps may put what is element by element behind it, which its own analysis does not see.
_OUTPUT_FUSABLE = 4
_SCHEDULES: dict[str, tuple[Callable[..., Any], ...]] = {
    **{kind: (tiled.schedule, schedule_spatial) for kind, tiled in _TILED.items()},
    _DEPTHWISE: (schedule_depthwise_conv, schedule_spatial),
    _MATRIX: (schedule_matmul, schedule_spatial),
}


def target(mcpu: str | None, threads: int) -> Any:
    """Return the LLVM target for ``mcpu``, by default for the CPU of this machine.

    Raises
    ------
    UserError
        LLVM does not know it.
    """
    name = mcpu or tvm.target.codegen.llvm_get_system_cpu()
    try:
        return tvm.target.Target({"kind": "llvm", "mcpu": name, "num-cores": threads})
    except Exception as error:  # TVM's FFI raises errors of any kind
        raise UserError(
            f"TVM has no target for --backend-opt mcpu={name}.",
            hint="Leave it out, or give a name that `llc -mcpu=help` lists.",
        ) from error


def lanes(target_: Any) -> int:
    """Return how many float32 values a vector of the target holds; at least 4."""
    # LLVM's preferred vector width is that of the host here, whatever the target says.
    for feature, number in (("avx512f", 16), ("avx2", 8)):
        if tvm.target.codegen.target_has_features(feature, target_):
            return number
    return 4


@dataclass(frozen=True)
class Compiled:
    """A compiled module.

    Attributes
    ----------
    unscheduled:
        The names of functions without one of our schedules, which keep TVM's own order of loops.
    fallback:
        The pipeline that compiled it, with the reason; empty for the usual one.
    """

    executable: Any
    unscheduled: list[str]
    fallback: str = ""


# The pipelines, in the order in which they are tried.
_JOINED, _SEPARATE, TVM = "joined", "separate", "tvm"
_CALLED = {
    _SEPARATE: "each convolution blocked by itself",
    TVM: "TVM's own pipeline",
}


def compile_module(
    module: Any,
    target_: Any,
    tiles: Mapping[str, Tile] | None = None,
    *,
    winograd: bool = True,
    because: str = "",
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Compiled:
    """Compile a module for a target; ``tiles`` are those found for its layers, by their keys.

    ``winograd`` allows :mod:`mlrepo.backends.tvm.winograd` where it is expected to be faster. If
    TVM's passes fail, the module is compiled with each convolution blocked by itself, then by TVM's
    own pipeline, whose code is many times slower; with a reason ``because``, by the latter at once.
    ``on_step`` is called with the number of scheduled functions and their total.

    Raises
    ------
    UserError
        TVM's own pipeline cannot compile it either.
    """
    for pipeline in (TVM,) if because else (_JOINED, _SEPARATE, TVM):
        called = _CALLED.get(pipeline)
        try:
            with target_:
                if pipeline == TVM:
                    scheduled, without = _as_tvm_does(module)
                else:
                    fused = fuse(module, target_, winograd=winograd, joined=pipeline == _JOINED)
                    scheduled, without = _schedule(fused, lanes(target_), tiles or {}, on_step)
                executable = tvm.compile(scheduled, target=target_)
            return Compiled(executable, without, f"{called}: {because}" if called else "")
        except Exception as error:  # TVM's FFI raises errors of any kind
            if pipeline == TVM:
                raise UserError.caused_by(
                    "TVM cannot compile the model", error, hint="Use another backend."
                ) from error
            because = telling_line(whole_reason(error))
    raise AssertionError("the last pipeline returns or raises")


def _as_tvm_does(module: Any) -> tuple[Any, list[str]]:
    """Return the module as TVM's own pipeline makes it, and the names of all its functions."""
    plain = relax.transform.DecomposeOpsForInference()(module)
    plain = relax.get_pipeline("zero")(plain)
    functions = plain.functions.items()
    return plain, [v.name_hint for v, one in functions if isinstance(one, tvm.tirx.PrimFunc)]


def layers_of(module: Any, target_: Any, *, winograd: bool = True) -> list[Layer]:
    """Return the blocked convolutions of a module, whose tiles can be chosen.

    They are those of the first pipeline that succeeds; TVM's own has none.
    """
    for pipeline in (_JOINED, _SEPARATE):
        with contextlib.suppress(Exception), target_:  # TVM's FFI raises errors of any kind
            fused = fuse(module, target_, winograd=winograd, joined=pipeline == _JOINED)
            return find_layers(fused, _TILED, lanes(target_))
    return []


def _multiplies_bytes(target_: Any) -> bool:
    """Return whether the target has the instruction of :mod:`mlrepo.backends.tvm.vnni`."""
    has = tvm.target.codegen.target_has_features
    return lanes(target_) == vnni.LANES and bool(has("avx512vnni", target_))


def fuse(module: Any, target_: Any, *, winograd: bool = True, joined: bool = True) -> Any:
    """Return a module whose functions are fused and still have TVM's own order of loops.

    ``target_`` must be TVM's current target. If ``joined``, blocked layouts continue from one
    convolution to the next; otherwise each is converted separately, which is slower, but TVM's pass
    rejects many operators.
    """
    transform = relax.transform
    vector = lanes(target_)
    passes = [
        transform.DecomposeOpsForInference(),
        transform.CanonicalizeBindings(),
        axes_from_the_front,
        bound_by_constants,
        *([integer_convolutions] if _multiplies_bytes(target_) else []),
        arithmetic,
        pack_constants,
        merging(vector),
        widening(vector),
        blocking(vector, joined=joined),
        pack_constants,
        transform.EliminateCommonSubexpr(),
        transform.LegalizeOps({"relax.nn.conv2d": partial(_legalize_conv2d, winograd)}),
        transform.AnnotateTIROpPattern(),
        transform.FoldConstant(),
        transform.DeadCodeElimination(),
        transform.FuseOps(),
        transform.FuseTIR(),
        transform.DeadCodeElimination(),
    ]
    return tvm.transform.Sequential(passes)(module)


def _legalize_conv2d(winograd: bool, builder: Any, call: Any) -> Any:
    """Turn a blocked convolution into ours or TOPI's; TVM's legalizer rejects its layout."""
    attributes = call.attrs
    if len(attributes.data_layout) <= len("NCHW"):
        return _nn_conv2d(builder, call)

    # TVM's argument conversion accepts only lists of plain numbers.
    geometry = [
        [int(value) for value in values]
        for values in (attributes.strides, attributes.padding, attributes.dilation)
    ]

    def made(function: Callable[..., Any], kernel: Any, kind: str, *more: Any) -> Any:
        return builder.call_te(
            function, call.args[0], kernel, *geometry, *more, primfunc_name_hint=kind
        )

    kernel, groups = call.args[1], int(attributes.groups)
    if groups != 1 and attributes.kernel_layout.startswith("OIHW1i"):
        return made(depthwise_conv2d, kernel, _DEPTHWISE)
    if groups != 1:
        return made(partial(grouped_conv2d, groups), kernel, _GROUPED)
    if tensor_type(call.args[0]).dtype == "uint8":
        weights = bound_value(kernel, builder).value.numpy()
        return made(integer_conv2d, relax.const(vnni_kernel(weights)), _INTEGER)
    if winograd and (faster := _legalize_winograd(builder, call)) is not None:
        return faster
    layouts = attributes.data_layout, attributes.out_layout
    return made(topi.nn.conv2d_NCHWc, kernel, _BLOCKED, *layouts, "float32")


def _legalize_winograd(builder: Any, call: Any) -> Any | None:
    """Return the Winograd form of a blocked convolution, None if it should not be faster."""
    sizes = {int(size) for size in (*call.attrs.strides, *call.attrs.dilation)}
    outer, inner, high, wide, i, o = tensor_shape(call.args[1])
    kernel = bound_value(call.args[1], builder)
    if (high, wide) != (KERNEL, KERNEL) or sizes != {1} or not is_constant(kernel):
        return None
    batch, _, rows, columns, _ = tensor_shape(call)
    channels = inner * i, outer * o
    matrices = best_matrices(batch, rows, columns, *channels)
    if matrices is None:
        return None
    threads = int(tvm.target.Target.current().attrs["num-cores"])
    by_rows = runs_by_rows(matrices, batch, rows, *channels, threads)
    return builder.call_te(
        partial(winograd_conv2d, matrices),
        call.args[0],
        relax.const(winograd_kernel(kernel.value.numpy(), matrices)),
        [int(size) for size in call.attrs.padding],
        primfunc_name_hint=_WINOGRAD_ROWS if by_rows else _WINOGRAD_STAGES,
        primfunc_attrs={"op_pattern": _OUTPUT_FUSABLE},
    )


def _schedule(
    module: Any, vector: int, tiles: Mapping[str, Tile], on_step: Callable[[int, int], None]
) -> tuple[Any, list[str]]:
    """Schedule every function; return the names of those left as TVM made them, too."""
    functions = dict(module.functions)
    without: list[str] = []
    plain = [
        (variable, function)
        for variable, function in module.functions.items()
        if isinstance(function, tvm.tirx.PrimFunc)
    ]
    for number, (variable, function) in enumerate(plain):
        on_step(number, len(plain))
        kind = next((kind for kind in _SCHEDULES if kind in variable.name_hint), "")
        schedules = _SCHEDULES.get(kind, (schedule_spatial,))
        if kind in _TILED and (tile := tiles.get(layer_key(function))) is not None:
            schedules = (partial(_TILED[kind].schedule, tile=tile), *schedules)
        new = _first_that_fits(schedules, function, vector)
        if new is None:
            without.append(variable.name_hint)
            continue
        new = new.with_attr("tirx.is_scheduled", True)
        if function.attrs and "global_symbol" in function.attrs:
            new = new.with_attr("global_symbol", function.attrs["global_symbol"])
        functions[variable] = new
    on_step(len(plain), len(plain))
    return tvm.IRModule(functions, attrs=module.attrs), without


def _first_that_fits(schedules: Any, function: Any, vector: int) -> Any:
    for schedule in schedules:
        try:
            return schedule(function, vector)
        except Exception:  # TVM's FFI raises errors of any kind
            continue  # a step is rejected: the schedule is for functions of another form
    return None
