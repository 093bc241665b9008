"""No code lists or compares backends by name: it reads their capabilities."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlrepo
from mlrepo.plugins import BACKENDS, OWN, WORKLOADS

_PACKAGE = Path(mlrepo.__file__).parent
# Where the same words name something else, or where backends are registered.
_OTHERS = {
    "plugins.py": "the entry points, and other words for them on the command line",
    "distributions.py": "names of Python distributions and modules",
    "systems/software.py": "names of Python distributions",
    "workloads/ways.py": "the way of preparing images that torchvision has",
    "workloads/imagenet/preprocess.py": "the way of preparing images that torchvision has",
}


def _held(node: ast.AST) -> list[ast.expr]:
    """Return the expressions that a comparison or a collection holds side by side."""
    match node:
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.Tuple() | ast.List() | ast.Set():
            return node.elts
        case ast.Dict():
            return [key for key in node.keys if key is not None]
        case ast.MatchValue():
            return [node.value]
        case ast.Call(func=ast.Attribute(attr="startswith" | "endswith")):
            return node.args
    return []


def _uses(source: str, names: frozenset[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        for one in _held(node):
            if isinstance(one, ast.Constant) and one.value in names:
                yield one.lineno, str(one.value)


def _modules() -> Iterator[tuple[str, str]]:
    for path in sorted(_PACKAGE.rglob("*.py")):
        name = path.relative_to(_PACKAGE).as_posix()
        if name not in _OTHERS:
            yield name, path.read_text(encoding="utf-8")


@pytest.mark.long
def test_backends_are_neither_listed_nor_compared_by_name() -> None:
    """A third party's takes part wherever ours do."""
    names = frozenset({*OWN[BACKENDS], "tvm", "onnxruntime"})
    found = [
        f"{module}:{line}: {name}"
        for module, source in _modules()
        if not module.startswith("backends/")
        for line, name in _uses(source, names)
    ]
    assert found == []


# The folders of benchmarks, which may name what is theirs.
_OWNERS = ("detection", "digits", "digits_detection", "imagenet", "squad")


@pytest.mark.long
def test_benchmarks_are_neither_listed_nor_compared_by_name() -> None:
    """Models and data sets belong to the benchmark; the rounds' own names are the rounds' data."""
    names = frozenset({*OWN[WORKLOADS], "imagenet2012"})
    found = [
        f"{module}:{line}: {name}"
        for module, source in _modules()
        if module.startswith(("bench/", "harness/", "backends/", "workloads/"))
        and not module.startswith(tuple(f"workloads/{owner}/" for owner in _OWNERS))
        for line, name in _uses(source, names)
    ]
    assert found == []


def test_the_test_finds_a_list_and_a_comparison() -> None:
    """Else it would pass whatever is written."""
    source = 'a = ("onnx", 1)\nb = name == "onnx"\nc = {"onnx": 1}\nd = f("onnx")\n'
    assert [line for line, _ in _uses(source, frozenset({"onnx"}))] == [1, 2, 3]
