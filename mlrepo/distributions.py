"""Versions of installed Python packages, including those without distribution metadata.

A framework may come from another distribution than usual (``onnxruntime-gpu``), be built from
source and put on ``PYTHONPATH`` without a distribution, or have lost its ``dist-info``.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module, metadata
from importlib.util import find_spec

LOADGEN = "mlcommons-loadgen"
# For a distribution: others that provide the same module, and that module.
_SAME: dict[str, tuple[tuple[str, ...], str]] = {
    "onnxruntime": (
        (
            "onnxruntime-gpu",
            "onnxruntime-openvino",
            "onnxruntime-directml",
            "onnxruntime-training",
            "onnxruntime-rocm",
            "onnxruntime-migraphx",
            "onnxruntime-qnn",
            "onnxruntime-cann",
            "ort-nightly",
            "ort-nightly-gpu",
        ),
        "onnxruntime",
    ),
    LOADGEN: (("mlperf-loadgen", "mlperf_loadgen"), "mlperf_loadgen"),
    "openvino": (("openvino-nightly",), "openvino"),
    "apache-tvm": (("tvm", "mlc-ai-nightly-cpu", "mlc-ai-cpu"), "tvm"),
    "apache-tvm-ffi": (("tvm-ffi",), "tvm_ffi"),
    "opencv-python-headless": (
        ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"),
        "cv2",
    ),
    "torch": (("torch-nightly",), "torch"),
    "tensorflow": (("tensorflow-cpu", "tf-nightly"), "tensorflow"),
    "numpy": ((), "numpy"),
    "onnx": (("onnx-weekly",), "onnx"),
    "pillow": (("pillow-simd",), "PIL"),
}


def installed_version(distribution: str) -> str | None:
    """Return the version of a distribution, or of another one that provides the same module.

    None if neither is installed, and '' for a module whose version is unknown.
    """
    others, module = _SAME.get(distribution, ((), ""))
    for name in (distribution, *others):
        if version := _version(name):
            return version
    return _version_of_module(module)


def installed_name(distribution: str) -> str:
    """Return the name of the installed distribution, of those that provide the same module."""
    names = (distribution, *_SAME.get(distribution, ((), ""))[0])
    return next(filter(_version, names), distribution)


def installed_packages() -> dict[str, str]:
    """Return the name and version of every installed distribution, but never its origin."""
    found = {}
    for distribution in metadata.distributions():
        header = _header(distribution)
        if name := _field("Name", header):
            found[name] = _field("Version", header)
    return found


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the first three numbers of a version: ``2.13.0a0+git1`` is 2, 13, 0."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def released(version: str) -> str:
    """Return the release that a build belongs to, without local and nightly parts."""
    return re.split(r"\+|\.?(?:dev|a|b|rc)\d", version, maxsplit=1)[0]


def _header(distribution: metadata.Distribution) -> str:
    """Return the fields of a distribution's metadata, without its long description.

    ``distribution.metadata`` parses all of it as an e-mail: 0.1 s for 150 distributions.
    """
    files = ("METADATA", "PKG-INFO", "")  # of a wheel, an egg, and an egg-info that is a file
    text = next(filter(None, map(distribution.read_text, files)), "")
    return text.partition("\n\n")[0]


def _field(name: str, header: str) -> str:
    found = re.search(rf"^{name}:(.*)", header, re.MULTILINE | re.IGNORECASE)
    return found[1].strip() if found else ""


def _version(distribution: str) -> str:
    """Return the version of a distribution; '' if it is not there, or lacks its METADATA."""
    try:
        return _field("Version", _header(metadata.distribution(distribution)))
    except metadata.PackageNotFoundError:
        return ""


def _version_of_module(name: str) -> str | None:
    try:
        if not name or (name not in sys.modules and find_spec(name) is None):
            return None
        return str(getattr(import_module(name), "__version__", ""))
    except Exception:  # a module that cannot be imported counts as missing; importing it says why
        return None
