"""One Slurm for all tests of a process, and a repository with a hub for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.lab import Lab, make_lab
from tests.cluster.slurm import Cluster, cluster, missing


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes on this machine."""
    if lacking := missing():
        pytest.skip(lacking)
    with cluster(tmp_path_factory.mktemp("slurm")) as made:
        yield made


@pytest.fixture
def lab(slurm: Cluster, tmp_path: Path) -> Iterator[Lab]:
    """A results repository with a hub; afterwards no job is left."""
    yield make_lab(tmp_path, slurm)
    slurm.run("scancel", "--user=root", check=False)
    for node in slurm.nodes:
        if node not in slurm.processes:
            slurm.start_node(node)
        slurm.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
    Lab.await_(slurm.idle, lambda number: number == len(slurm.nodes))
