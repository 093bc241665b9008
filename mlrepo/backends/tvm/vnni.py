"""One VNNI instruction of AVX-512 for TVM's tensorize: four bytes of an input, 16 channels.

TVM brings the same for older releases of LLVM, whose intrinsic took its bytes as int32 (since LLVM
21 it takes bytes), in a package that compiles the intrinsics of all targets when it is imported:
half a minute.
"""

from tvm.s_tir import TensorIntrin
from tvm.script import tirx as T

NAME = "mlrepo.vnni_16x4"


@T.prim_func(s_tir=True)  # type: ignore[untyped-decorator]
def _description(
    A: T.Buffer((4,), "uint8", offset_factor=1),  # type: ignore[valid-type]
    B: T.Buffer((16, 4), "int8", offset_factor=1),  # type: ignore[valid-type]
    C: T.Buffer((16,), "int32", offset_factor=1),  # type: ignore[valid-type]
) -> None:
    with T.sblock("root"):
        T.reads(C[0:16], A[0:4], B[0:16, 0:4])
        T.writes(C[0:16])
        for lane in T.serial(0, 16):
            for byte in T.serial(0, 4):
                with T.sblock("update"):
                    i, k = T.axis.remap("SR", [lane, byte])
                    C[i] = C[i] + T.cast(A[k], "int32") * T.cast(B[i, k], "int32")


@T.prim_func(s_tir=True)  # type: ignore[untyped-decorator]
def _multiply_and_add(
    A: T.Buffer((4,), "uint8", offset_factor=1),  # type: ignore[valid-type]
    B: T.Buffer((16, 4), "int8", offset_factor=1),  # type: ignore[valid-type]
    C: T.Buffer((16,), "int32", offset_factor=1),  # type: ignore[valid-type]
) -> None:
    with T.sblock("root"):
        T.reads(C[0:16], A[0:4], B[0:16, 0:4])
        T.writes(C[0:16])
        four = T.reinterpret(A.vload([0], "uint8x4"), dtype="int32")
        C[T.ramp(T.int32(0), 1, 16)] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx512.vpdpbusd.512"),
            C.vload([0], dtype="int32x16"),
            T.reinterpret(T.broadcast(four, 16), dtype="int8x64"),
            B.vload([0, 0], dtype="int8x64"),
            dtype="int32x16",
        )


TensorIntrin.register(NAME, _description, _multiply_and_add)
