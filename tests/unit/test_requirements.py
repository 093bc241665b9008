"""What `bench prereq` installs is what the extras say, and its check is right."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mlrepo.backends.requirements import (
    BACKEND_REQUIREMENTS,
    DATASET_REQUIREMENTS,
    MODEL_REQUIREMENTS,
    missing,
    requirements_of,
)
from mlrepo.errors import UserError
from mlrepo.workloads.catalog import CATALOG

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_extras_of_the_package_are_the_same() -> None:
    """`pip install 'mlrepo[tvm-onnx]'` and `mlrepo bench prereq` give the same."""
    extras = tomllib.loads(_PROJECT.read_text())["project"]["optional-dependencies"]
    for name, wanted in (BACKEND_REQUIREMENTS | DATASET_REQUIREMENTS | MODEL_REQUIREMENTS).items():
        assert sorted(extras.get(name, [])) == sorted(wanted), name


def test_every_backend_of_ours_is_listed() -> None:
    """A new one must say what it needs."""
    entries = tomllib.loads(_PROJECT.read_text())["project"]["entry-points"]["mlrepo.backends"]
    assert set(entries) == set(BACKEND_REQUIREMENTS)


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
    """Its package above all; a model that is fetched needs nothing."""
    made = {model.benchmark: model for model in CATALOG if model.made_here}
    assert set(made) == set(MODEL_REQUIREMENTS)
    for benchmark, model in made.items():
        names = {requirement.partition("==")[0] for requirement in MODEL_REQUIREMENTS[benchmark]}
        assert not model.package or model.package in names


def test_an_unknown_backend_is_refused() -> None:
    """The message names those there are."""
    with pytest.raises(UserError, match="no backend"):
        requirements_of("backend", BACKEND_REQUIREMENTS, "nonsense")
