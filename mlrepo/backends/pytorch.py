"""PyTorch on the CPU: eager channels-last, or compiled by TorchInductor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlrepo.backends import Array, BackendOptions, available_threads
from mlrepo.backends.inputs import TensorSpec
from mlrepo.backends.torch_models import load_torch_model, torch_kind
from mlrepo.errors import UserError

_MODES = ("script", "eager", "compile")


class PytorchBackend:
    """A model as PyTorch module.

    Option ``mode``: ``script`` (default: traced, frozen, fused by TorchScript: most of the speed
    for a second of waiting), ``eager``, or ``compile`` (TorchInductor; needs a C++ compiler and
    half a minute, and compiles for one batch size).
    """

    def load(self, model: Path, options: BackendOptions) -> None:
        """Load and optimise the model; precisions fp32, bf16, and int8 of a TorchScript model."""
        scripted = model.suffix != ".onnx" and torch_kind(model) == "script"
        quantized = ("int8",) if scripted else ()
        options.check("pytorch", precisions=("fp32", "bf16", *quantized), keys=("mode",))
        self._mode = options.choice("mode", _MODES)
        if scripted and self._mode == "compile":
            raise UserError(
                f"{model.name} is TorchScript, which mode=compile cannot compile.",
                hint="Leave the option out, or export the model with torch.export.",
            )
        loaded = load_torch_model(model, options.batch)
        import torch

        self._threads = options.threads or available_threads()
        torch.set_num_threads(self._threads)
        self._precision = options.precision
        self._autocast = options.precision == "bf16"
        self._spec, self._module = loaded.spec, loaded.module
        if scripted:
            return
        for tensor in (*self._module.parameters(), *self._module.buffers()):
            if tensor.dim() == 4:
                tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
        shape = loaded.shape(options.batch, model)
        if self._mode == "compile":
            self._spec = replace(self._spec, shape=shape)
            self._module = torch.compile(self._module, options={"freezing": True})
        elif self._mode == "script":
            try:
                self._trace(shape, check=loaded.kind == "program")
            except Exception as error:  # PyTorch raises what its operators met, of any kind
                raise UserError.caused_by(
                    f"PyTorch cannot run {model.name}",
                    error,
                    hint="Use the backend onnx for an ONNX model; else export the model again.",
                ) from error

    def _trace(self, shape: tuple[int, ...], *, check: bool) -> None:
        """Replace the module by its trace, frozen and fused.

        With ``check`` another batch is compared, because an exported program keeps in its trace
        what it computed from the batch size. Then the trace is for this batch alone.
        """
        import torch

        module, dtype = self._module, getattr(torch, self._spec.dtype)
        with torch.inference_mode(), self._cast(), warnings.catch_warnings(action="ignore"):
            traced = self._fused(module, torch.zeros(shape, dtype=dtype))
            if check and self._spec.shape and self._spec.shape[0] is None:
                other = torch.rand((shape[0] + 1, *shape[1:]), dtype=dtype)
                if not _agree(module, traced, other):
                    self._spec = replace(self._spec, shape=shape)
        self._module = traced

    def _fused(self, module: Any, example: Any) -> Any:
        import torch

        traced = torch.jit.trace(module, example, check_trace=False).eval()
        if not self._autocast:
            try:
                fused = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
                fused(example)
                return fused
            except RuntimeError:
                pass  # a fusion that does not know all forms of an operator
        return torch.jit.freeze(traced)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the input, () for any; the batch is open where the model's is.

        It is fixed for ``mode=compile``.
        """
        return self._spec.shape or ()

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What the model takes."""
        return [self._spec]

    def predict(self, batch: Array) -> Sequence[Array]:
        """Run a batch."""
        import torch

        with torch.inference_mode(), self._cast():
            x = torch.from_numpy(batch)
            if x.dim() == 4:
                x = x.contiguous(memory_format=torch.channels_last)
            found = self._module(x)
        return [(o.float() if o.is_floating_point() else o).numpy() for o in _outputs(found)]

    def describe(self) -> Mapping[str, Any]:
        """Return framework, version, precision and mode."""
        import torch

        return {
            "name": "pytorch",
            "framework": f"PyTorch {torch.__version__}",
            "framework_name": "pytorch",
            "framework_version": torch.__version__,
            "target": "cpu",
            "precision": self._precision,
            "options": {"threads": self._threads, "mode": self._mode},
        }

    def _cast(self) -> Any:
        import torch

        return torch.autocast("cpu", torch.bfloat16, enabled=self._autocast, cache_enabled=False)


def _agree(module: Any, traced: Any, batch: Any) -> bool:
    import torch

    try:
        pairs = zip(_outputs(module(batch)), _outputs(traced(batch)), strict=True)
        return all(
            one.shape == other.shape and torch.allclose(one, other, rtol=1e-2, atol=1e-2)
            for one, other in pairs
        )
    except Exception:  # whatever a trace for another batch meets
        return False


def _outputs(found: Any) -> Sequence[Any]:
    return found if isinstance(found, (tuple, list)) else [found]
