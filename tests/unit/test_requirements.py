"""What `bench prereq` installs matches the extras, and its check is correct."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.backends.capabilities import capabilities_of
from mlrepo.backends.requirements import absent, missing
from mlrepo.bench.available import (
    requirements_of_backend,
    requirements_of_benchmark,
    requirements_of_dataset,
)
from mlrepo.errors import UserError
from mlrepo.plugins import OWN, WORKLOADS, load_plugin
from mlrepo.workloads import Workload

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def _entries(group: str) -> list[str]:
    return list(tomllib.loads(_PROJECT.read_text())["project"]["entry-points"][group])


def _own_workloads() -> list[Workload]:
    return [load_plugin(WORKLOADS, name) for name in OWN[WORKLOADS]]


def test_the_extras_of_the_package_are_the_same() -> None:
    """`pip install 'mlrepo[tvm-onnx]'` and `mlrepo bench prereq` give the same."""
    extras = tomllib.loads(_PROJECT.read_text())["project"]["optional-dependencies"]
    wanted = {name: requirements_of_backend(name) for name in _entries("mlrepo.backends")}
    for workload in _own_workloads():
        if any(model.made_here for model in workload.models):
            wanted[workload.name] = requirements_of_benchmark(workload.name)
        if workload.dataset is not None:
            wanted[workload.dataset.name] = requirements_of_dataset(workload.dataset.name)
    for name, needed in wanted.items():
        assert sorted(extras.get(name, [])) == sorted(needed), name


@pytest.mark.parametrize("name", _entries("mlrepo.backends"))
def test_every_backend_of_ours_says_what_it_can(name: str) -> None:
    """Nothing else knows it."""
    assert capabilities_of(name).declared


@pytest.mark.parametrize(
    ("requirement", "have", "lacks"),
    [
        ("torch==2.13.0", "2.13.0+cpu", False),
        ("torch==2.13.0", "2.14.0", True),
        ("apache-tvm-ffi==0.1.14.post1", "0.1.15.post2", True),
        ("apache-tvm-ffi==0.1.14.post1", "0.1.14.post1", False),
        ("onnx>=1.17", "1.9.0", True),
        ("onnx>=1.17", "1.23.2", False),
        ("onnx>=1.17", None, True),
    ],
)
def test_versions_are_compared_as_numbers(requirement: str, have: str | None, lacks: bool) -> None:
    """A pin is exact, a local label does not count, 1.9 is older than 1.17."""

    def version_of(name: str) -> str | None:
        assert name == requirement.partition("=")[0].rstrip(">")
        return have

    assert missing([requirement], version_of) == ([requirement] if lacks else [])


def test_what_a_model_is_made_of_is_listed() -> None:
    """Its package above all."""
    for workload in _own_workloads():
        for model in workload.models:
            if model.package:
                names = [one.partition("==")[0] for one in workload.model_requirements]
                assert model.package in names


@pytest.mark.parametrize(
    ("kind", "ask", "known"),
    [
        ("backend", requirements_of_backend, "onnx"),
        ("data set", requirements_of_dataset, "imagenet2012"),
        ("benchmark", requirements_of_benchmark, "resnet50-random"),
    ],
)
def test_an_unknown_name_is_refused(
    kind: str, ask: Callable[[str], tuple[str, ...]], known: str
) -> None:
    """The message names those there are."""
    with pytest.raises(UserError, match=f"no {kind} 'nonsense'") as caught:
        ask("nonsense")
    assert known in caught.value.hint


def test_a_package_of_any_version_is_present() -> None:
    """A backend runs with another version than the tested one, or one without metadata."""
    assert absent(("numpy==0.0.1",)) == []
    assert absent(("apache-json>=1",)) == []
    assert absent(("no-such-thing>=1", "numpy>=1")) == ["no-such-thing>=1"]
