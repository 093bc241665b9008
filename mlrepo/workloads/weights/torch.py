"""Read types and shapes of the tensors in PyTorch's files, without PyTorch and without the values.

It reads ``torch.save`` files (zipped, and the format before 1.6), TorchScript, ``torch.export``
programs and safetensors. Nothing that a pickle names is imported or called.
A weight is a tensor of at least two dimensions: biases and normalizations have one.
"""

from __future__ import annotations

import json
import pickle
import re
import struct
import zipfile
from pathlib import Path
from typing import IO, Any, NamedTuple

from mlrepo.workloads.weights.graph import BITS, Tensor

_STORAGES = {
    "DoubleStorage": "fp64",
    "FloatStorage": "fp32",
    "HalfStorage": "fp16",
    "BFloat16Storage": "bf16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "ShortStorage": "int16",
    "QInt8Storage": "int8",
    "QUInt8Storage": "uint8",
    "QUInt4x2Storage": "uint4",
    "QUInt2x4Storage": "uint2",
}
# Names of ``torch.dtype``, which newer types are saved with.
_DTYPES = {
    "float64": "fp64",
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "int8": "int8",
    "uint8": "uint8",
    "int16": "int16",
    "uint16": "uint16",
    "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8",
    "float8_e4m3fnuz": "fp8",
    "float8_e5m2fnuz": "fp8",
    "float4_e2m1fn_x2": "fp4",
    "int4": "int4",
    "uint4": "uint4",
}
# ScalarType of an exported program (torch/_export/serde/schema.py).
_SCALARS = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "fp16",
    7: "fp32",
    8: "fp64",
    13: "bf16",
    28: "uint16",
    29: "fp8",
    30: "fp8",
    31: "fp8",
    32: "fp8",
}
_SAFETENSORS = {
    "F64": "fp64",
    "F32": "fp32",
    "F16": "fp16",
    "BF16": "bf16",
    "F8_E4M3": "fp8",
    "F8_E5M2": "fp8",
    "F4": "fp4",
    "I8": "int8",
    "U8": "uint8",
    "I16": "int16",
    "U16": "uint16",
}
# Path of an exported program in its archive; the second is the one before PyTorch 2.8.
_PROGRAM = re.compile(r"(?:/models/[^/]+\.json|serialized_exported_program\.json)\Z")
_LARGEST_HEADER = 100_000_000
_MAGIC = 0x1950A86A20F9469CFC6C


class TorchFile(NamedTuple):
    """The content of a PyTorch file; only exported programs have inputs and outputs."""

    weights: tuple[str, ...]
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()


def read_torch(path: Path) -> TorchFile:
    """Read a PyTorch file.

    Raises
    ------
    ValueError
        The file is not a PyTorch file.
    OSError
        The file cannot be read.
    """
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                return _zipped(archive)
        except (zipfile.BadZipFile, KeyError, NotImplementedError) as error:
            raise ValueError(str(error)) from error
    with path.open("rb") as stream:
        return TorchFile(_types(_legacy(stream)))


def read_safetensors(path: Path) -> TorchFile:
    """Read the JSON header of a safetensors file; raises what :func:`read_torch` raises."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > _LARGEST_HEADER:
            raise ValueError("its header is too long")
        header = json.loads(stream.read(length))
    found = [
        Tensor(name, _SAFETENSORS.get(str(one.get("dtype")), ""), tuple(one.get("shape") or ()))
        for name, one in header.items()
        if name != "__metadata__"
    ]
    return TorchFile(_types(found))


def _types(tensors: list[Tensor]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for tensor in tensors:
        if len(tensor.shape) > 1 and tensor.type in BITS:
            counts[tensor.type] = counts.get(tensor.type, 0) + tensor.count
    return tuple(sorted(counts, key=lambda word: (-counts[word], word)))


def _zipped(archive: zipfile.ZipFile) -> TorchFile:
    names = archive.namelist()
    program = next((name for name in names if _PROGRAM.search(name)), "")
    if program:
        return _exported(archive, program, names)
    tensors: list[Tensor] = []
    pickles = [name for name in names if name.rpartition("/")[2] in ("data.pkl", "constants.pkl")]
    if not pickles:
        raise ValueError("it contains no PyTorch tensors")
    for name in pickles:
        with archive.open(name) as stream:
            tensors += _tensors(stream)
    return TorchFile(_types(tensors))


def _exported(archive: zipfile.ZipFile, program: str, names: list[str]) -> TorchFile:
    module = json.loads(archive.read(program))["graph_module"]
    values, graph = module["graph"]["tensor_values"], module["graph"]
    taken = [
        spec["user_input"]["arg"]["as_tensor"]["name"]
        for spec in module["signature"]["input_specs"]
        if "as_tensor" in spec.get("user_input", {}).get("arg", {})
    ]
    given = [one["as_tensor"]["name"] for one in graph["outputs"] if "as_tensor" in one]
    tensors: list[Tensor] = []
    for name in names:
        if name.rpartition("/")[2] in ("model_weights_config.json", "model_constants_config.json"):
            config = json.loads(archive.read(name))["config"]
            tensors += [
                _meta(key, one["tensor_meta"]) for key, one in config.items() if one["tensor_meta"]
            ]
        elif name.rpartition("/")[2] == "serialized_state_dict.pt":  # before PyTorch 2.8
            with archive.open(name) as stream, zipfile.ZipFile(stream) as state:
                inner = next(one for one in state.namelist() if one.endswith("data.pkl"))
                tensors += _tensors(state.open(inner))
    return TorchFile(
        _types(tensors),
        tuple(_meta(name, values[name]) for name in taken),
        tuple(_meta(name, values[name]) for name in given if name in values),
    )


def _meta(name: str, meta: dict[str, Any]) -> Tensor:
    shape = tuple(size.get("as_int") for size in meta["sizes"])
    return Tensor(name, _SCALARS.get(int(meta["dtype"]), ""), shape)


def _legacy(stream: IO[bytes]) -> list[Tensor]:
    """Read the format before 1.6: a magic number, a version, a machine, then the object."""
    if _TypeReader(stream, []).read() != _MAGIC:
        raise ValueError("it is not a file of torch.save")
    for _ in ("version", "machine"):
        _TypeReader(stream, []).read()
    return _tensors(stream)


def _tensors(stream: IO[bytes]) -> list[Tensor]:
    found: list[Tensor] = []
    _TypeReader(stream, found).read()
    return found


class _Thing:
    """Stand-in for any object other than a tensor; accepts every way pickle fills an object."""

    def __new__(cls, *arguments: object, **named: object) -> _Thing:
        return super().__new__(cls)

    def __init__(self, *arguments: object, **named: object) -> None:
        pass

    def __call__(self, *arguments: object, **named: object) -> _Thing:
        return self

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)

    def append(self, value: object) -> None:
        """Ignore the value."""

    def extend(self, values: object) -> None:
        """Ignore the values."""


class _Named(str):
    """The name of a PyTorch class that stands for a type of number."""

    __slots__ = ()

    def __call__(self, *arguments: object) -> str:
        return self


class _TypeReader(pickle.Unpickler):
    """Unpickle numbers, strings and containers; note type and shape of tensors, ignore the rest."""

    def __init__(self, stream: IO[bytes], found: list[Tensor]) -> None:
        super().__init__(stream)
        self._found = found

    def read(self) -> Any:
        """Return the object.

        Raises
        ------
        ValueError
            It is not a pickle that can be read.
        """
        try:
            return self.load()
        except (
            pickle.UnpicklingError,
            EOFError,
            AttributeError,
            TypeError,
            IndexError,
            KeyError,
            struct.error,
            OverflowError,
            ImportError,
            RecursionError,
            MemoryError,
        ) as error:
            raise ValueError(f"it is not a pickle of tensors: {error}") from error

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, *_: self._tensor(storage, shape)
        if (module, name) == ("torch._utils", "_rebuild_tensor_v3"):
            return lambda storage, offset, shape, strides, _grad, hooks, kind, *_: self._tensor(
                kind, shape
            )
        if (module, name) == ("torch._utils", "_rebuild_qtensor"):
            return lambda storage, offset, shape, *_: self._tensor(storage, shape)
        if module.partition(".")[0] == "torch" and (name in _STORAGES or name in _DTYPES):
            return _Named(name)
        return type(name, (_Thing,), {})

    def persistent_load(self, pid: Any) -> str:
        return str(pid[1]) if isinstance(pid, tuple) and len(pid) > 1 else ""

    def _tensor(self, kind: object, shape: object) -> _Thing:
        word = _STORAGES.get(str(kind)) or _DTYPES.get(str(kind), "")
        sizes = (
            tuple(size for size in shape if isinstance(size, int))
            if isinstance(shape, tuple | list)
            else ()
        )
        self._found.append(Tensor("", word, sizes))
        return _Thing()
