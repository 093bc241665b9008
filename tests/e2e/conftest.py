"""Fixtures of the end-to-end tests: results repositories made by the real ``mlrepo init``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MadeOnce
from tests.e2e.driver import mlrepo
from tests.e2e.forge_world import World, make_world, open_world
from tests.samples import git

# Queries of a performance run: what early stopping needs (64, 662), and not many more.
COUNTS = {"Offline": "1000", "SingleStream": "100", "MultiStream": "700", "Server": "700"}


@pytest.fixture(scope="session")
def scaffold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``mlrepo init`` makes, once for all tests of this process."""
    root = tmp_path_factory.mktemp("scaffold") / "results"
    mlrepo(
        root.parent,
        "init",
        "results",
        "--submitter",
        "Acme",
        "--division",
        "open",
        "--system",
        "box",
    )
    return root


@pytest.fixture
def root(scaffold: Path, tmp_path: Path) -> Iterator[Path]:
    """A results repository of the test's own; afterwards it must be sound."""
    root = tmp_path / "results"
    shutil.copytree(scaffold, root, symlinks=True)
    yield root
    git(root, "fsck", "--strict", "--no-progress", "--no-dangling")


@pytest.fixture(scope="session")
def measured(made_once: MadeOnce) -> Path:
    """An accuracy and a short performance run in each scenario, in a repository to be read only."""
    return made_once("measured", _measure)


@pytest.fixture
def measured_copy(measured: Path, tmp_path: Path) -> Path:
    """A copy of :func:`measured` that a test may change."""
    return Path(shutil.copytree(measured, tmp_path / "results", symlinks=True))


def _measure(root: Path) -> None:
    """Make runs whose verdict does not depend on how busy this machine is."""
    mlrepo(
        root.parent,
        "init",
        root.name,
        "--submitter",
        "Acme",
        "--division",
        "open",
        "--system",
        "box",
    )
    for scenario, count in COUNTS.items():
        run = ("bench", "run", "--model", "digits", "--scenario", scenario, "--tag", "first")
        mlrepo(root, *run, "--mode", "accuracy", "--tag", "judged")
        bound = ("--max-latency", "2", "--qps", "500") if scenario == "Server" else ()
        mlrepo(root, *run, "--mode", "performance", "--count", count, *bound)


@pytest.fixture(scope="session")
def submitter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submitter's repository with a selection, and the official one; made once, to be copied."""
    base = tmp_path_factory.mktemp("forge")
    make_world(base)
    return base


@pytest.fixture
def world(submitter: Path, tmp_path: Path) -> Iterator[World]:
    """A forge and a submitter; whatever happened, every request fitted GitHub's description."""
    shutil.copytree(submitter, tmp_path, symlinks=True, dirs_exist_ok=True)
    made = open_world(tmp_path)
    with made.server:
        yield made
    assert made.github.violations == []
    git(made.root, "fsck", "--strict", "--no-progress", "--no-dangling")
