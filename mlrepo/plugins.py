"""Discovery of workloads, backends and engines through entry points, so that packages can add more.

A plugin's module is imported only when it is used: a backend's framework may take seconds to load.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import metadata
from typing import Any

from mlrepo.errors import UserError

BACKENDS = "mlrepo.backends"
WORKLOADS = "mlrepo.workloads"
ENGINES = "mlrepo.engines"
_KINDS = {BACKENDS: "backend", WORKLOADS: "benchmark", ENGINES: "engine"}
# What pyproject.toml registers, for mlrepo run from source without being installed.
OWN = {
    BACKENDS: {
        "ctranslate2": "mlrepo.backends.ctranslate2:CTranslate2Backend",
        "onnx": "mlrepo.backends.onnxruntime:OnnxRuntimeBackend",
        "null": "mlrepo.backends.null:NullBackend",
        "openai": "mlrepo.backends.openai:OpenAiBackend",
        "openvino": "mlrepo.backends.openvino:OpenVinoBackend",
        "openvino-genai": "mlrepo.backends.openvino_genai:OpenVinoGenAiBackend",
        "pytorch": "mlrepo.backends.pytorch:PytorchBackend",
        "tvm-onnx": "mlrepo.backends.tvm:TvmOnnxBackend",
        "tvm-pytorch": "mlrepo.backends.tvm:TvmPytorchBackend",
    },
    ENGINES: {
        "local": "mlrepo.engines.local:LocalEngine",
        "parsl": "mlrepo.engines.parsl:ParslEngine",
        "slurm": "mlrepo.engines.slurm:SlurmEngine",
    },
    WORKLOADS: {
        "bert-99": "mlrepo.workloads.squad:BERT_99",
        "bert-99.9": "mlrepo.workloads.squad:BERT_99_9",
        "bert-large-random": "mlrepo.workloads.squad:BERT_LARGE_RANDOM",
        "bert-small-random": "mlrepo.workloads.squad:BERT_SMALL_RANDOM",
        "digits": "mlrepo.workloads.digits:DIGITS",
        "digits-detection": "mlrepo.workloads.digits_detection:DIGITS_DETECTION",
        "efficientnet-lite0": "mlrepo.workloads.imagenet:EFFICIENTNET_LITE0",
        "llama3.1-8b": "mlrepo.workloads.language:LLAMA3_1_8B",
        "llama3.1-8b-edge": "mlrepo.workloads.language:LLAMA3_1_8B_EDGE",
        "mobilenet": "mlrepo.workloads.imagenet:MOBILENET",
        "object-detection": "mlrepo.workloads.detection:OBJECT_DETECTION",
        "resnet50": "mlrepo.workloads.imagenet:RESNET50",
        "resnet50-random": "mlrepo.workloads.imagenet:RESNET50_RANDOM",
        "retinanet": "mlrepo.workloads.detection:RETINANET",
        "yolo-95": "mlrepo.workloads.detection:YOLO_95",
        "yolo-99": "mlrepo.workloads.detection:YOLO_99",
        "smollm2": "mlrepo.workloads.language:SMOLLM2",
        "whisper": "mlrepo.workloads.speech:WHISPER",
        "whisper-base": "mlrepo.workloads.speech:WHISPER_BASE",
    },
}

# The default backend.
DEFAULT_BACKEND = "onnx"
# Aliases of backends on the command line, from the earlier automation.
_ALIASES = {"onnxruntime": "onnx"}


def backend_name(text: str) -> str:
    """Return the registered name of a backend, which may be given by its framework's name."""
    return _ALIASES.get(text, text)


def plugin_names(group: str) -> list[str]:
    """Return the names registered in an entry point group, sorted."""
    return sorted(_entries(group))


def load_plugin(group: str, name: str) -> Any:
    """Return the object registered as ``name``.

    Raises
    ------
    UserError
        The name is not registered, or its package cannot be imported here.
    """
    kind = _KINDS[group]
    found = _entries(group)
    if name not in found:
        raise UserError(
            f"There is no {kind} {name!r}.", hint=f"Use one of: {', '.join(sorted(found))}."
        )
    try:
        return found[name].load()
    except (ImportError, AttributeError) as error:
        package = found[name].dist
        raise UserError(
            f"The {kind} {name!r} cannot be used here: {error}.",
            hint=f"Install what it needs, for example `pip install 'mlrepo[{name}]'`."
            if package is None or package.name == "mlrepo"
            else f"It comes with {package.name} {package.version}; install what that needs.",
        ) from error


def _entries(group: str) -> dict[str, metadata.EntryPoint]:
    own = {name: metadata.EntryPoint(name, value, group) for name, value in OWN[group].items()}
    return own | _installed(group, tuple(sys.path))


@cache
def _installed(group: str, path: tuple[str, ...]) -> dict[str, metadata.EntryPoint]:
    """Return the entry points of the packages on ``path``: 10 ms, for 150 packages."""
    return {entry.name: entry for entry in metadata.entry_points(group=group)}
