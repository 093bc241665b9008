"""Parsl's own providers on the tests' Slurm, and on this machine."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.cluster.lab import RUN, SHORT, Lab

pytestmark = pytest.mark.cluster
pytest.importorskip("parsl", reason="pip install 'mlrepo[parsl]'")

_SLURM = """
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

config = Config(
    strategy_period=1,
    executors=[
        HighThroughputExecutor(
            address="127.0.0.1",
            max_workers_per_node=1,
            heartbeat_period=2,
            heartbeat_threshold=10,
            provider=SlurmProvider(
                partition="main", walltime="00:10:00", exclusive=True, nodes_per_block=1,
                init_blocks=2, max_blocks=2, launcher=SrunLauncher(),
                worker_init="export PATH={path}:$PATH",
            ),
        )
    ],
)
"""
_HERE = """
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

config = Config(executors=[HighThroughputExecutor(
    max_workers_per_node={workers}, address="127.0.0.1",
    provider=LocalProvider(init_blocks=1, max_blocks=1, worker_init="export PATH={path}:$PATH"),
)])
"""


def _configuration(lab: Lab, text: str, **values: str) -> str:
    file = lab.root.parent / "site.py"
    path = f"{Path(sys.executable).parent}"
    for name, value in {"path": path, **values}.items():
        text = text.replace(f"{{{name}}}", value)
    file.write_text(text)
    return f"parsl:{file}"


def test_a_slurm_provider(lab: Lab) -> None:
    """Two blocks share four cells, one at a time on each node."""
    on = _configuration(lab, _SLURM)
    names = lab.submit(*RUN, *SHORT, "--repeat", "4", on=on)
    lab.wait(*names).says("4 job(s): 4 done.")
    jobs = lab.jobs()
    nodes = {job["node"] for job in jobs.values()}
    assert nodes <= {*lab.cluster.nodes}
    records = {tag: one for one in lab.records() for tag in one["tags"]}
    for node in nodes:
        mine = [records[f"job-{name}"] for name in names if jobs[name]["node"] == node]
        for one, other in itertools.combinations(mine, 2):
            assert one["ended"] <= other["started"] or other["ended"] <= one["started"]
    lab.mlrepo("jobs", "logs", names[0]).says("samples/s VALID")


def _interchanges() -> set[str]:
    """Return Parsl's programs beside its drivers, by their process."""
    paths = Path("/proc").glob("[0-9]*/cmdline")
    return {path.parent.name for path in paths if b"interchange" in path.read_bytes()}


def test_a_local_provider_whose_driver_is_killed(lab: Lab) -> None:
    """Its jobs are lost; waiting starts another driver, and each cell is done once."""
    on = _configuration(lab, _HERE, workers="1")
    run = (*RUN, "--count", "100", "--time", "1", "--repeat", "2")
    before = _interchanges()
    names = lab.submit(*run, on=on, options=(f"directory={lab.place}/here",))
    lab.until(names[0], "running")
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if b"mlrepo.engines.parsl_driver\0" + str(lab.root).encode() in path.read_bytes():
            os.kill(int(path.parent.name), signal.SIGKILL)
    lab.await_(lambda: _interchanges() - before, lambda found: not found)
    assert lab.until(names[1], "lost", "done")["attempts"] == 1
    lab.wait(*names).says("2 job(s): 2 done.")
    tags = [tag for one in lab.records() for tag in one["tags"] if one["validity"] == "VALID"]
    assert sorted(tag for tag in tags if tag.startswith("job-")) == [f"job-{n}" for n in names]


def test_configurations_that_are_refused(lab: Lab) -> None:
    """Several workers on a node, no configuration, no file, a mistake in it."""
    lab.refused(*RUN, *SHORT, on="parsl").says("needs the file")
    lab.refused(*RUN, *SHORT, on="parsl:/nowhere.py").says("There is no /nowhere.py")
    lab.refused(*RUN, *SHORT, on=_configuration(lab, _HERE, workers="2")).says(
        "2 workers share a node", "max_workers_per_node=1"
    )
    lab.refused(*RUN, *SHORT, on=_configuration(lab, "x = 1")).says("sets no `config`")
    lab.refused(*RUN, *SHORT, on=_configuration(lab, "import nowhere_at_all")).says(
        "cannot be run", "nowhere_at_all"
    )
