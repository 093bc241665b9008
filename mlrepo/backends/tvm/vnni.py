"""The VNNI instructions of AVX-512 for TVM's tensorize: four bytes of an input, 16 or 8 channels.

TVM has the wider one only for older releases of LLVM, whose intrinsic took its bytes as int32
(since LLVM 21 it takes bytes). Importing TVM's package also compiles the intrinsics of all targets,
which takes half a minute.
"""

from typing import Any

from tvm.s_tir import TensorIntrin
from tvm.script import tirx as T

LANES = 16
STEP = 4


def name(lanes: int) -> str:
    """Return the name of the instruction for ``lanes`` channels: ``LANES`` or half of it."""
    return f"mlrepo.vnni_{lanes}x{STEP}"


def _functions(lanes: int) -> tuple[Any, Any]:
    """Return the description of what the instruction computes, and its implementation."""
    intrinsic = f"llvm.x86.avx512.vpdpbusd.{32 * lanes}"
    sums, data = f"int32x{lanes}", f"int8x{STEP * lanes}"

    @T.prim_func(s_tir=True)  # type: ignore[untyped-decorator]
    def description(
        A: T.Buffer((STEP,), "uint8", offset_factor=1),  # type: ignore[valid-type]
        B: T.Buffer((lanes, STEP), "int8", offset_factor=1),  # type: ignore[valid-type]
        C: T.Buffer((lanes,), "int32", offset_factor=1),  # type: ignore[valid-type]
    ) -> None:
        with T.sblock("root"):
            T.reads(C[0:lanes], A[0:STEP], B[0:lanes, 0:STEP])
            T.writes(C[0:lanes])
            for lane in T.serial(0, lanes):
                for byte in T.serial(0, STEP):
                    with T.sblock("update"):
                        i, k = T.axis.remap("SR", [lane, byte])
                        C[i] = C[i] + T.cast(A[k], "int32") * T.cast(B[i, k], "int32")

    @T.prim_func(s_tir=True)  # type: ignore[untyped-decorator]
    def multiply_and_add(
        A: T.Buffer((STEP,), "uint8", offset_factor=1),  # type: ignore[valid-type]
        B: T.Buffer((lanes, STEP), "int8", offset_factor=1),  # type: ignore[valid-type]
        C: T.Buffer((lanes,), "int32", offset_factor=1),  # type: ignore[valid-type]
    ) -> None:
        with T.sblock("root"):
            T.reads(C[0:lanes], A[0:STEP], B[0:lanes, 0:STEP])
            T.writes(C[0:lanes])
            four = T.reinterpret(A.vload([0], "uint8x4"), dtype="int32")
            C[T.ramp(T.int32(0), 1, lanes)] = T.call_llvm_pure_intrin(
                T.llvm_lookup_intrinsic_id(intrinsic),
                C.vload([0], dtype=sums),
                T.reinterpret(T.broadcast(four, lanes), dtype=data),
                B.vload([0, 0], dtype=data),
                dtype=sums,
            )

    return description, multiply_and_add


for _lanes in (LANES, LANES // 2):
    TensorIntrin.register(name(_lanes), *_functions(_lanes))
