"""PyTorch on the CPU: eager channels-last, or compiled by TorchInductor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlrepo.backends import Array, BackendOptions, available_threads
from mlrepo.backends.inputs import FLOAT32, TensorSpec
from mlrepo.backends.torch_models import load_torch_model

_MODES = ("script", "eager", "compile")


class PytorchBackend:
    """A model as PyTorch module.

    Option ``mode``: ``script`` (default: traced, frozen, fused by TorchScript: most of the speed
    for a second of waiting), ``eager``, or ``compile`` (TorchInductor; needs a C++ compiler and
    half a minute, and compiles for one batch size).
    """

    def load(self, model: Path, options: BackendOptions) -> None:
        """Load and optimise the model; precisions fp32, bf16, and int8 of a TorchScript model."""
        quantized = ("int8",) if model.suffix == ".pt" else ()
        options.check("pytorch", precisions=("fp32", "bf16", *quantized), keys=("mode",))
        self._mode = options.choice("mode", _MODES)
        module, shape = load_torch_model(model, options.batch)
        import torch

        self._threads = options.threads or available_threads()
        torch.set_num_threads(self._threads)
        self._precision = options.precision
        self._autocast = options.precision == "bf16"
        self._static = self._mode == "compile"
        self._shape = shape
        self._type = getattr(module, "input_type", FLOAT32)
        example = torch.zeros(shape, dtype=getattr(torch, self._type))
        scripted = isinstance(module, torch.jit.ScriptModule)
        if not scripted:
            module = module.to(memory_format=torch.channels_last)
        with torch.inference_mode(), self._cast():
            if self._mode == "script" and not scripted:
                module = torch.jit.trace(module, example, check_trace=False)
                module = torch.jit.freeze(module.eval())
                if not self._autocast:
                    module = torch.jit.optimize_for_inference(module)
            elif self._mode == "compile":
                module = torch.compile(module, options={"freezing": True})
        self._module = module

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the input; the batch is fixed only for ``mode=compile``."""
        return self._shape if self._static else (None, *self._shape[1:])

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What the model takes."""
        return [TensorSpec("", self._type, self.input_shape)]

    def predict(self, batch: Array) -> Sequence[Array]:
        """Run a batch."""
        import torch

        with torch.inference_mode(), self._cast():
            x = torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)
            found = self._module(x)
        outputs = found if isinstance(found, (tuple, list)) else [found]
        return [(o.float() if o.is_floating_point() else o).numpy() for o in outputs]

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
