"""Reading weights from a ``torch.save`` file without PyTorch.

The format is that of PyTorch before 1.6: pickles of a magic number, a version, a description of
the machine, the object and the keys of its storages, then each storage as a count and raw numbers
(``_legacy_load`` in torch/serialization.py). Only names and tensors are unpickled: a file with
anything else is refused, so that it cannot run code.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mlrepo.errors import UserError

_MAGIC = 0x1950A86A20F9469CFC6C
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_COUNT = struct.Struct("<q")


def read_torch_state(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors of a module's state dict by name.

    Raises
    ------
    UserError
        The file cannot be read, is truncated, or contains something else.
    """
    storages: dict[str, _Storage] = {}
    try:
        with path.open("rb") as stream:
            if _StateReader(stream, storages).load() != _MAGIC:
                raise ValueError("it has another format")
            for _ in ("version", "machine"):
                _StateReader(stream, storages).load()
            tensors = _StateReader(stream, storages).load()
            for key in _StateReader(stream, storages).load():
                storages[key].read(stream)
        return {name: tensor.array() for name, tensor in tensors.items()}
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        struct.error,
        pickle.UnpicklingError,
    ) as error:
        raise UserError(
            f"{path} does not hold the weights of a PyTorch module: {error}.",
            hint="Reinstall the package that it belongs to.",
        ) from error


class _Storage:
    """Numbers that stand at the end of the file, to be read after the tensors are known."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self.numbers: npt.NDArray[Any] = np.empty(0, dtype)

    def read(self, stream: IO[bytes]) -> None:
        (count,) = _COUNT.unpack(stream.read(_COUNT.size))
        self.numbers = np.frombuffer(stream.read(count * self._dtype.itemsize), self._dtype, count)


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage; strides are counted in numbers."""

    storage: _Storage
    offset: int
    shape: Sequence[int]
    strides: Sequence[int]

    def array(self) -> npt.NDArray[Any]:
        numbers = self.storage.numbers
        last = self.offset + sum(
            (size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)
        )
        if min((self.offset, *self.shape, *self.strides)) < 0 or last >= len(numbers):
            raise ValueError("a tensor reaches beyond its storage")
        strides = [stride * numbers.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides)
        return np.array(view, order="C")


def _tensor(
    storage: _Storage, offset: int, shape: Sequence[int], strides: Sequence[int], *_: object
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


class _StateReader(pickle.Unpickler):
    """Unpickles containers, numbers and tensors, and nothing else."""

    def __init__(self, stream: IO[bytes], storages: dict[str, _Storage]) -> None:
        super().__init__(stream)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a state")

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, *_ = pid
        return self._storages.setdefault(key, _Storage(dtype))
