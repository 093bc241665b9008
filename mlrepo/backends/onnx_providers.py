"""ONNX Runtime's execution providers: which ones serve a device, and what a session really ran on.

ONNX Runtime silently falls back to the CPU: if a provider's library or driver is missing, the
session does not use it, and each operator that a provider does not support runs on the CPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.backends.devices import CPU, CUDA, GPU, NPU, Device
from mlrepo.errors import Unusable, UserError

if TYPE_CHECKING:
    import onnxruntime

_CPU = "CPUExecutionProvider"
# Makes a session record which provider got which nodes (get_provider_graph_assignment_info).
_RECORD = "session.record_ep_graph_assignment_info"
# Makes a session fail if a node would run on the CPU: for releases that do not record this.
_STRICT = "session.disable_cpu_ep_fallback"


@dataclass(frozen=True)
class Provider:
    """One execution provider.

    Attributes
    ----------
    word:
        Its name in ``--backend-opt provider=``.
    name:
        ONNX Runtime's name.
    kinds:
        The kinds of devices that it runs on.
    helpers:
        Providers on the same device for the nodes that it does not support.
    converts:
        Whether it can compute a float32 model in float16.
    """

    word: str
    name: str
    kinds: tuple[str, ...]
    helpers: tuple[str, ...] = ()
    converts: bool = False

    def asked(self, device: Device, precision: str, threads: int) -> list[object]:
        """Return the ``providers`` argument for a session."""
        options: dict[str, str] = {}
        if self.word == "openvino":
            index = f".{device.index}" if device.index else ""
            options["device_type"] = f"{device.kind.upper()}{index}"
            options["precision"] = "FP16" if precision == "fp16" else "FP32"
            if device.kind == CPU:
                options["num_of_threads"] = str(threads)
        elif device.kind != CPU:
            options["device_id"] = str(device.index)
        if self.word == "tensorrt" and precision == "fp16":
            options["trt_fp16_enable"] = "1"
        helpers = [(name, {"device_id": str(device.index)}) for name in self.helpers]
        return [(self.name, options), *helpers]


# For a device, the first one that the installed ONNX Runtime has is used.
PROVIDERS = (
    Provider("cpu", _CPU, (CPU,)),
    Provider("cuda", "CUDAExecutionProvider", (CUDA,)),
    Provider("tensorrt", "TensorrtExecutionProvider", (CUDA,), ("CUDAExecutionProvider",), True),
    Provider("migraphx", "MIGraphXExecutionProvider", (GPU,)),
    Provider("rocm", "ROCMExecutionProvider", (GPU,)),
    Provider("openvino", "OpenVINOExecutionProvider", (CPU, GPU, NPU), (), True),
)
WORDS = tuple(provider.word for provider in PROVIDERS)

# How to get each kind of device.
WAYS = {
    CUDA: "Install onnxruntime-gpu with pip instead of onnxruntime, and NVIDIA's driver with CUDA "
    "and cuDNN.",
    GPU: "Install onnxruntime-migraphx (AMD, with ROCm) or onnxruntime-openvino (Intel, with "
    "its GPU driver) with pip instead of onnxruntime.",
    NPU: "Install onnxruntime-openvino with pip instead of onnxruntime, and Intel's NPU driver.",
}


def devices_here() -> list[Device]:
    """Return the kinds of devices that the installed ONNX Runtime has providers for."""
    import onnxruntime

    names = onnxruntime.get_available_providers()
    kinds = (kind for provider in PROVIDERS if provider.name in names for kind in provider.kinds)
    return [Device(kind) for kind in dict.fromkeys(kinds)]


def find_provider(device: Device, word: str) -> tuple[Provider, bool] | None:
    """Return the provider for a device, and whether it is the default one for that device.

    None if the installed ONNX Runtime has no provider for such a device.

    Raises
    ------
    UserError
        ``word`` names a provider that is not installed, or one for other devices.
    """
    import onnxruntime

    names = onnxruntime.get_available_providers()
    fitting = [provider for provider in PROVIDERS if device.kind in provider.kinds]
    here = [provider for provider in fitting if provider.name in names]
    chosen = [provider for provider in fitting if word in ("", provider.word)]
    if not chosen:
        kinds = next(provider.kinds for provider in PROVIDERS if provider.word == word)
        raise Unusable(
            f"ONNX Runtime's provider {word} does not run on {device.kind}.",
            hint=f"Add --device {kinds[0]}, or leave out --backend-opt provider={word}.",
        )
    found = [provider for provider in chosen if provider in here]
    if found:
        return found[0], found[0] is here[0]
    if not here:
        return None
    raise Unusable(
        f"This ONNX Runtime ({onnxruntime.__version__}) has no provider {word}.",
        hint=f"It has: {', '.join(names)}.",
    )


def prepare(settings: onnxruntime.SessionOptions) -> None:
    """Make a session on a device other than the CPU record which nodes run where."""
    import onnxruntime

    known = hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info")
    settings.add_session_config_entry(_RECORD if known else _STRICT, "1")


def assigned(session: onnxruntime.InferenceSession) -> Mapping[str, Mapping[str, int]] | None:
    """Return how many nodes of each operator each provider got; None if this was not recorded."""
    read = getattr(session, "get_provider_graph_assignment_info", None)
    if read is None:
        return None
    found: dict[str, Counter[str]] = {}
    for part in read():
        operators = found.setdefault(part.ep_name, Counter())
        operators.update(node.op_type for node in part.get_nodes())
    return found


def refuse_fallback(
    session: onnxruntime.InferenceSession,
    provider: Provider,
    device: Device,
    *,
    allowed: bool,
) -> dict[str, int]:
    """Return how many nodes of the model each provider got; refuse nodes outside the device.

    Parameters
    ----------
    allowed:
        Whether some nodes may run on the CPU.

    Raises
    ------
    UserError
        The session would run on the CPU, as a whole or in part.
    """
    if provider.name not in session.get_providers():
        raise UserError(
            f"ONNX Runtime has {provider.name}, but cannot use it here: the model would run on "
            f"{', '.join(session.get_providers())}.",
            hint=f"{WAYS.get(device.kind, '')} Its messages are in the run's console.".strip(),
        )
    nodes = assigned(session)
    if nodes is None:
        return {}
    counts = {name: sum(operators.values()) for name, operators in nodes.items()}
    ours = (provider.name, *provider.helpers)
    if not any(counts.get(name) for name in ours):
        raise UserError(
            f"No part of the model would run on {device}: {provider.name} knows none of its "
            "operators.",
            hint="Use another provider or backend.",
        )
    elsewhere = sum(number for name, number in counts.items() if name not in ours)
    if elsewhere and not allowed:
        raise UserError(
            f"{elsewhere} of the model's {sum(counts.values())} nodes would not run on {device}: "
            f"{_named(nodes, ours)}.",
            hint="--backend-opt fallback=allow lets them run on the CPU; the record says how many.",
        )
    return counts


def _named(nodes: Mapping[str, Mapping[str, int]], ours: Sequence[str]) -> str:
    others = Counter[str]()
    for name, operators in nodes.items():
        if name not in ours:
            others.update(operators)
    return ", ".join(f"{number} × {operator}" for operator, number in others.most_common(5))
