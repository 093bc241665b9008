"""Label a backend with its device to distinguish results: ``onnx``, ``onnx cuda:1``."""

from __future__ import annotations

_CPU = "cpu"


def backend_label(name: str, device: str) -> str:
    """Return the label of a backend on a device; the CPU is left out."""
    return name if device in ("", _CPU) else f"{name} {device}"


def label_options(label: str) -> tuple[str, ...]:
    """Return the options of ``mlrepo bench`` for a label."""
    name, _, device = label.partition(" ")
    return ("--backend", name, *(("--device", device) if device else ()))
