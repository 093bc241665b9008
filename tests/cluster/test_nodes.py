"""Runs on three nodes at once: one system, one branch at the hub, one run per cell."""

from __future__ import annotations

import itertools

import pytest

from tests.cluster.lab import RUN, SHORT, Lab
from tests.samples import git

pytestmark = pytest.mark.cluster


def test_nodes_of_one_kind_record_on_one_branch(lab: Lab) -> None:
    """Three nodes are one system; the hub has all runs; none ran beside another on its node."""
    names = lab.submit(*RUN, "--count", "100", "--time", "0.5", "--repeat", "6")
    lab.wait(*names).says("6 job(s): 6 done.")
    jobs = lab.jobs()
    assert len({job["node"] for job in jobs.values()}) == 3
    assert len({job["system"] for job in jobs.values()}) == 1
    branches = git(lab.hub, "for-each-ref", "--format=%(refname:short)", "refs/heads/exp/").split()
    assert branches == [f"exp/{jobs[names[0]]['system']}"]
    records = {tag: one for one in lab.records() for tag in one["tags"]}
    assert len(lab.records()) == 6
    for node in lab.cluster.nodes:
        mine = [records[f"job-{name}"] for name in names if jobs[name]["node"] == node]
        for one, other in itertools.combinations(mine, 2):
            assert one["ended"] <= other["started"] or other["ended"] <= one["started"]
    git(lab.hub, "fsck", "--strict", "--no-dangling")
    environment = [
        git(lab.hub, "show", f"{branches[0]}:runs/{one['run']}/environment.json")
        for one in lab.records()
    ]
    assert all('"SLURM_JOB_ID"' in text and "SLURMD_NODENAME" not in text for text in environment)


def test_a_suite_is_a_job_per_scenario(lab: Lab) -> None:
    """With a system's name that was typed; typed again, nothing is missing and no run is made."""
    suite = ("bench", "suite", "--model", "digits", "--quick", "--scenario", "Offline")
    more = ("--scenario", "SingleStream", "--system", "cluster-node")
    names = lab.submit(*suite, *more)
    assert len(names) == 2
    lab.wait(*names).says("2 done")
    assert {one["system"] for one in lab.records()} == {"cluster-node"}
    assert len(lab.records()) == 4
    lab.mlrepo("status").says("cluster-node")
    lab.mlrepo("select", "--quick", "--dry-run").says("cluster-node")


def test_another_machine_of_that_name_is_refused(lab: Lab) -> None:
    """A name belongs to one kind of machine."""
    lab.submit(*RUN, *SHORT, "--system", "ours")
    lab.wait()
    node = next(lab.place.glob("*/*/systems/ours/system.json"))
    text = node.read_text()
    for path in lab.place.glob("*/*/systems/ours/system.json"):
        path.write_text(
            text.replace('"host_processors_per_node": "', '"host_processors_per_node": "9')
        )
    (name,) = lab.submit(
        *RUN, *SHORT, "--system", "ours", options=(f"options=--nodelist={node.parts[-5]}",)
    )
    job = lab.until(name, "failed")
    assert "does not describe this machine" in job["reason"]


def test_a_dead_node_and_a_drained_one(lab: Lab) -> None:
    """Their jobs go to others, and what the dead one measured is recorded when it is back."""
    names = lab.submit(*RUN, "--count", "100", "--time", "2", "--repeat", "4")
    lab.await_(lambda: len(lab.spooled("n1")), bool)
    lab.cluster.kill_node("n1")
    lab.cluster.run("scontrol", "update", "nodename=n2", "state=drain", "reason=test")
    lab.cluster.start_node("n1")
    lab.wait(*names).says("4 job(s): 4 done.")
    counted = [job["run"] for job in lab.jobs().values()]
    assert len(set(counted)) == 4


def test_a_sweep_is_resumed(lab: Lab) -> None:
    """Typed again, it submits what neither Git has nor a job is about to do."""
    sweep = ("bench", "sweep", "--model", "digits", "--scenario", "Offline", "--threads", "1,2")
    more = ("--count", "100", "--time", "0.2,0.4")
    names = lab.submit(*sweep, *more)
    assert len(names) == 4
    lab.mlrepo(*sweep, *more, "--on", "slurm").says("4 of 4 job(s) were submitted before")
    lab.mlrepo("jobs", "cancel", names[3])
    lab.wait(code=None)
    done = [job for job in lab.jobs().values() if job["state"] == "done"]
    lab.submit(*sweep, *more, code=0)
    lab.wait(code=None)
    cells = {tag for one in lab.records() for tag in one["tags"] if tag.startswith("cell-")}
    assert len(cells) == 4 and len(done) >= 3
    assert len([one for one in lab.records() if one["validity"] == "VALID"]) == 4


def test_tuning_and_a_peak(lab: Lab) -> None:
    """Commands that search run whole on a node; what `tune` finds stays there."""
    tune = lab.submit("bench", "tune", "--model", "digits", "--budget", "5s")
    peak = lab.submit(
        "bench", "peak", "--model", "digits", "--scenario", "Offline", "--probe", "1", "--time", "1"
    )
    lab.wait(code=None)
    jobs = lab.jobs()
    assert jobs[tune[0]]["state"] == "done", jobs
    assert jobs[peak[0]]["state"] == "done", jobs
    assert list(lab.place.glob("*/*/systems/*/tuned.json"))
