"""The packages that backends need besides mlrepo itself, in versions that work together.

The extras in pyproject.toml list the same packages; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from mlrepo.distributions import installed_version, numbers_of, released

ONNX = ("onnx>=1.17",)
# The only version whose CPU builds are known to work with TVM's importer.
TORCH = ("torch==2.13.0",)
TVM = (
    "apache-tvm==0.27.0.post1",
    # 0.1.15.post2, which pip would choose, crashes in ToJSONGraph.
    "apache-tvm-ffi==0.1.14.post1",
)
ENDPOINT = ("aiohttp>=3.11", "orjson>=3.10")
TOKENIZERS = ("tokenizers>=0.20",)

_NAME = re.compile(r"([A-Za-z0-9._-]+)\s*(==|>=)\s*([0-9A-Za-z.]+)")


def absent(requirements: Sequence[str]) -> list[str]:
    """Return the requirements whose package is not here in any version, nor can be imported.

    A package of another version, or one built from source without metadata, may work.
    """
    names = {one: match[1] for one in requirements if (match := _NAME.fullmatch(one))}
    return [
        requirement
        for requirement, name in names.items()
        if installed_version(name) is None and not _importable(name)
    ]


def _importable(distribution: str) -> bool:
    """Say whether a module is called as a distribution, or as its last words: tvm, tvm_ffi."""
    words = distribution.lower().replace(".", "-").split("-")
    modules = ("_".join(words[first:]) for first in range(len(words)))
    return any(find_spec(module) is not None for module in modules)


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
        if have == "":  # a build from source without a version: left to the user
            continue
        exact = relation == "=="
        if have is None or not (
            released(have) == wanted if exact else numbers_of(have) >= numbers_of(wanted)
        ):
            found.append(requirement)
    return found
