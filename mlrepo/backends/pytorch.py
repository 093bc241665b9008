"""PyTorch on the CPU or a CUDA device: TorchScript, eager, or compiled by TorchInductor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlrepo import model_kinds as kinds
from mlrepo.backends import (
    Array,
    BackendOptions,
    Batch,
    Capabilities,
    available_threads,
    requirements,
)
from mlrepo.backends.devices import CPU, CUDA, Device
from mlrepo.backends.inputs import TensorSpec, fixed_batch
from mlrepo.backends.torch_models import load_torch_model, torch_kind
from mlrepo.errors import Unusable, UserError

_MODES = ("script", "eager", "compile")
# Precisions that float32 weights can be converted to, with PyTorch's names.
_CAST = {"bf16": "bfloat16", "fp16": "float16"}


class PytorchBackend:
    """A model as a PyTorch module.

    Option ``mode``: ``script`` (default: traced, frozen and fused by TorchScript, which takes a
    second and gives most of the speed), ``eager``, or ``compile`` (TorchInductor; needs a C++
    compiler and half a minute, and compiles for one batch size).
    """

    capabilities = Capabilities(
        reads=(kinds.ONNX, kinds.PYTORCH, kinds.TORCHSCRIPT),
        devices={CPU: ("fp32", "bf16"), CUDA: ("fp32", "bf16", "fp16")},
        options=("mode",),
        ways={
            CUDA: "PyTorch for CUDA (`pip install torch`, not from the CPU index) and "
            "NVIDIA's driver are needed."
        },
        requirements=(*requirements.TORCH, *requirements.ONNX),
        frameworks=("pytorch", "torch"),
    )

    def load(self, model: Path, options: BackendOptions) -> None:
        """Load and optimize the model; precisions fp32, bf16, and int8 of a TorchScript model."""
        scripted = model.suffix != ".onnx" and torch_kind(model) == "script"
        on_cpu = Device.parse(options.device).kind == CPU
        # PyTorch has no quantized operators for CUDA.
        quantized = ("int8",) if scripted and on_cpu else ()
        device = self.capabilities.check("pytorch", options, quantized)
        self._mode = options.choice("mode", _MODES)
        if scripted and self._mode == "compile":
            raise Unusable(
                f"{model.name} is TorchScript, which mode=compile cannot compile.",
                hint="Leave the option out, or export the model with torch.export.",
            )
        loaded = load_torch_model(model, options.batch, options.samples)
        import torch

        self._threads = options.threads or available_threads()
        torch.set_num_threads(self._threads)
        self._precision = options.precision
        converted = options.precision == "fp16" != options.model_precision
        self._autocast = converted or options.precision == "bf16"
        self._place(device, loaded.module)
        self._specs, self._module = loaded.specs, loaded.module
        if scripted:
            return
        for tensor in (*self._module.parameters(), *self._module.buffers()):
            if tensor.dim() == 4:
                tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
        shapes = loaded.shapes(options.batch, model)
        if self._mode == "compile":
            self._fix(shapes)
            self._module = torch.compile(self._module, options={"freezing": True})
        elif self._mode == "script":
            try:
                self._trace(shapes, check=loaded.kind == "program")
            except Exception as error:  # PyTorch's operators raise errors of any kind
                raise UserError.caused_by(
                    f"PyTorch cannot run {model.name}",
                    error,
                    hint="Use the backend onnx for an ONNX model; else export the model again.",
                ) from error

    def _place(self, device: Device, module: Any) -> None:
        """Move a module to the device; refuse a device that was not found."""
        import torch

        here = _devices()
        if device not in here:
            raise self.capabilities.absent(device, here, f"PyTorch {torch.__version__}")
        self._asked = str(device)
        self._device = torch.device(device.kind, device.index) if device.kind == CUDA else None
        if self._device is not None:
            # Otherwise float32 is computed in TF32, with a 10-bit mantissa.
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
            module.to(self._device)

    def _on_device(self, batch: Any) -> Any:
        return batch if self._device is None else batch.to(self._device)

    @classmethod
    def devices_here(cls) -> Sequence[Device]:
        """Return the CPU and the CUDA devices that PyTorch finds."""
        return _devices()

    def _fix(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Take batches of one size only."""
        pairs = zip(self._specs, shapes, strict=True)
        self._specs = tuple(replace(spec, shape=shape) for spec, shape in pairs)

    def _made(self, make: Any, shapes: Sequence[tuple[int, ...]]) -> tuple[Any, ...]:
        """Return tensors for the inputs; indices and masks are zeros."""
        import torch

        found = []
        for spec, shape in zip(self._specs, shapes, strict=True):
            dtype = getattr(torch, spec.dtype)
            made = make if dtype.is_floating_point else torch.zeros
            found.append(self._on_device(made(shape, dtype=dtype)))
        return tuple(found)

    def _trace(self, shapes: Sequence[tuple[int, ...]], *, check: bool) -> None:
        """Replace the module by its trace, frozen and fused.

        The trace of an exported program may contain values that depend on the batch size. So with
        ``check`` another batch size is compared; if it differs, the trace is for this one only.
        """
        import torch

        module = self._module
        with torch.inference_mode(), self._cast(), warnings.catch_warnings(action="ignore"):
            traced = self._fused(module, self._made(torch.zeros, shapes))
            if check and self._specs[0].shape and fixed_batch(self._specs) is None:
                others = [(shape[0] + 1, *shape[1:]) for shape in shapes]
                if not _agree(module, traced, self._made(torch.rand, others)):
                    self._fix(shapes)
        self._module = traced

    def _fused(self, module: Any, example: tuple[Any, ...]) -> Any:
        import torch

        traced = torch.jit.trace(module, example, check_trace=False).eval()
        if not self._autocast:
            try:
                fused = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
                fused(*example)
                return fused
            except RuntimeError:
                pass  # a fusion that does not support all variants of an operator
        return torch.jit.freeze(traced)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the first input, () for any; the batch is open if the model's is.

        With ``mode=compile`` the batch is fixed.
        """
        return self._specs[0].shape or ()

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The inputs of the model."""
        return self._specs

    def predict(self, batch: Batch) -> Sequence[Array]:
        """Run a batch."""
        import torch

        arrays = [batch[s.name] for s in self._specs] if isinstance(batch, dict) else [batch]
        with torch.inference_mode(), self._cast():
            found = self._module(*map(self._given, arrays))
        outputs = _outputs(found)
        if self._device is not None:
            outputs = [self._taken_back(output) for output in outputs]
        return [(o.float() if o.is_floating_point() else o).numpy() for o in outputs]

    def _given(self, array: Array) -> Any:
        """Return an array as a tensor on the device, images with their channels last."""
        import torch

        x = self._on_device(torch.from_numpy(array))
        return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x

    def _taken_back(self, output: Any) -> Any:
        """Copy an output to the CPU; refuse one that another device computed."""
        if output.device != self._device:
            raise UserError(
                f"PyTorch computed the model on {output.device}, not on {self._asked}.",
                hint="The model itself moves its tensors: export it again without that.",
            )
        return output.cpu()

    def describe(self) -> Mapping[str, Any]:
        """Return framework, version, precision and mode."""
        import torch

        return {
            "name": "pytorch",
            "framework": f"PyTorch {torch.__version__}",
            "framework_name": "pytorch",
            "framework_version": torch.__version__,
            "device": self._asked,
            "target": self._asked,
            "precision": self._precision,
            "options": {"threads": self._threads, "mode": self._mode},
        }

    def _cast(self) -> Any:
        import torch

        where = CPU if self._device is None else CUDA
        kind = getattr(torch, _CAST.get(self._precision, "bfloat16"))
        return torch.autocast(where, kind, enabled=self._autocast, cache_enabled=False)


def _devices() -> list[Device]:
    import torch

    return [Device(CPU), *(Device(CUDA, number) for number in range(torch.cuda.device_count()))]


def _agree(module: Any, traced: Any, batch: tuple[Any, ...]) -> bool:
    import torch

    try:
        pairs = zip(_outputs(module(*batch)), _outputs(traced(*batch)), strict=True)
        return all(
            one.shape == other.shape and torch.allclose(one, other, rtol=1e-2, atol=1e-2)
            for one, other in pairs
        )
    except Exception:  # a trace may raise anything for another batch size
        return False


def _outputs(found: Any) -> Sequence[Any]:
    return found if isinstance(found, (tuple, list)) else [found]
