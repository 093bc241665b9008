"""Model files as PyTorch modules: ONNX, exported programs, TorchScript, ResNet-50 state dicts.

The content decides which kind a file is; only ONNX is recognized by its name. No code in a file is
run to read it: only tensors are read from pickles.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

from mlrepo.backends.inputs import (
    FLOAT32,
    NO_SAMPLES,
    TensorSpec,
    compiled_shape,
    fed_inputs,
    fixed_batch,
    sized,
)
from mlrepo.errors import UserError

_IMAGE_SHAPE = (3, 224, 224)
_WAYS = (
    "It reads: .onnx; .pt2 of torch.export.save; .pt of torch.jit.save; and .pth or .safetensors "
    "with the weights of torchvision's ResNet-50."
)
# Where an archive of torch.export keeps what is unpickled as Python objects.
_OBJECTS = ("custom_obj_", "opaque_obj_")


@dataclass(frozen=True)
class TorchModel:
    """A model as an inference module.

    Attributes
    ----------
    module:
        The module.
    specs:
        Its inputs; the batch is None if the module runs any batch size.
    kind:
        ``onnx``, or what :func:`torch_kind` returns. A ``script`` can be run, but neither traced
        nor exported.
    """

    module: Any
    specs: tuple[TensorSpec, ...]
    kind: str

    def shapes(self, batch: int, model: Path) -> list[tuple[int, ...]]:
        """Return the inputs' shapes for ``batch`` samples, or for the model's own fixed batch.

        Raises
        ------
        UserError
            Another dimension is open.
        """
        fixed = fixed_batch(self.specs)
        return [compiled_shape(spec, fixed or batch, model) for spec in self.specs]


def load_torch_model(
    path: Path, batch: int, samples: Mapping[str, tuple[int, ...]] = NO_SAMPLES
) -> TorchModel:
    """Return an inference module, made for ``batch`` samples if the model leaves the batch open.

    ``samples`` are the shapes for its other open sizes (``BackendOptions.samples``).

    Raises
    ------
    UserError
        PyTorch is missing, or it cannot run the file as a model.
    """
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"PyTorch cannot be used here: {error}.",
            hint="`mlrepo bench prereq --backend pytorch` installs it.",
        ) from error
    if path.suffix == ".onnx":
        from mlrepo.backends.torch_onnx import read_onnx

        module = read_onnx(path, batch, samples)
        return TorchModel(module, module.specs, "onnx")
    kind = torch_kind(path)
    if kind == "program":
        return _program(path, batch, samples)
    if kind == "script":
        with _reading(path, "TorchScript"):
            script = torch.jit.load(str(path), map_location="cpu").eval()
        return TorchModel(script, _script_inputs(script), kind)
    from mlrepo.backends.torch_states import read_state, resnet50

    spec = TensorSpec("", FLOAT32, (None, *_IMAGE_SHAPE))
    return TorchModel(resnet50(path, read_state(path, kind)), (spec,), kind)


def _script_inputs(script: Any) -> tuple[TensorSpec, ...]:
    """Return the inputs of a TorchScript, which names them but says neither types nor shapes."""
    own = script.forward.schema.arguments[1:]
    names = [one.name for one in own if not one.has_default_value()]
    if len(names) < 2:
        return (TensorSpec("", FLOAT32, None),)
    return tuple(TensorSpec(name, "", None) for name in names)


def torch_kind(path: Path) -> str:
    """Return ``program``, ``script``, ``state`` or ``safetensors``, according to the content.

    Raises
    ------
    UserError
        The file is none of these, or cannot be read.
    """
    if path.suffix == ".safetensors":
        return "safetensors"
    try:
        if is_zipfile(path):
            with ZipFile(path) as archive:
                names = [PurePosixPath(name) for name in archive.namelist()]
        else:
            with path.open("rb") as stream:
                start = stream.read(2)
            # A pickle begins with its protocol: a state dict that torch.save wrote before 1.6.
            if start[:1] != b"\x80":
                raise UserError(f"{path.name} is not a PyTorch file.", hint=_WAYS)
            return "state"
    except (OSError, BadZipFile) as error:
        raise UserError.caused_by(f"{path.name} cannot be read", error, hint=_WAYS) from error
    found = {name.name for name in names}
    if "serialized_exported_program.json" in found or any(
        name.match("models/*.json") for name in names
    ):
        return "program"
    if "constants.pkl" in found:
        return "script"
    if "data.pkl" in found:
        return "state"
    raise UserError(f"{path.name} is an archive, but not of a PyTorch model.", hint=_WAYS)


def _program(path: Path, batch: int, samples: Mapping[str, tuple[int, ...]]) -> TorchModel:
    import torch

    with ZipFile(path) as archive:
        names = [PurePosixPath(name).name for name in archive.namelist()]
    if any(name.startswith(_OBJECTS) for name in names):
        raise UserError(
            f"{path.name} contains Python objects, which could only be read by running its code.",
            hint="Export the model again with only tensors as its constants.",
        )
    with _reading(path, "an exported program"):
        program = torch.export.load(str(path))
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    given = list(program.graph_signature.user_inputs)
    values = [nodes[name].meta["val"] for name in given]
    several = len(given) > 1
    found = [_spec(v, name if several else "") for name, v in zip(given, values, strict=True)]
    specs = [sized(spec, samples) for spec in fed_inputs(found, path)]
    if fixed_batch(specs) is None and specs[0].shape:
        limits = program.range_constraints.get(values[0].shape[0].node.expr)
        if limits is not None and not limits.lower <= batch <= limits.upper:
            raise UserError(
                f"{path.name} was exported for batches of {limits.lower} to {limits.upper}; "
                f"{batch} were requested.",
                hint="Choose --max-batchsize accordingly, or export it with a dynamic batch size.",
            )
        if limits is not None and limits.lower > 1:  # the last batches of a run are smaller
            specs = [replace(one, shape=(batch, *(one.shape or ())[1:])) for one in specs]
    return TorchModel(program.module(), tuple(specs), "program")


def _spec(value: Any, name: str) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    return TensorSpec(name, str(value.dtype).removeprefix("torch."), shape)


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """Let PyTorch read a file without running its code; turn what it raises into a UserError."""
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = {name: os.environ.pop(name, None) for name in names}
    # torch.export.load unpickles without this guard if the archive says so.
    os.environ[names[0]] = "1"
    level = logging.getLogger("torch.export").level
    logging.getLogger("torch.export").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except Exception as error:  # PyTorch's readers raise errors of any kind
        raise UserError.caused_by(
            f"PyTorch cannot read {path.name} as {what}",
            error,
            hint="Check that the file is complete, and of a version that this PyTorch reads.",
        ) from error
    finally:
        logging.getLogger("torch.export").setLevel(level)
        os.environ.pop(names[0])
        os.environ.update({name: value for name, value in before.items() if value is not None})
