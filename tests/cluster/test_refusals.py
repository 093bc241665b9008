"""What Slurm, the site or the hub refuse is told in clear words, and nothing is lost."""

from __future__ import annotations

import os
import signal

import pytest

from tests.cluster.lab import RUN, SHORT, Lab

pytestmark = pytest.mark.cluster


def test_what_slurm_refuses(lab: Lab) -> None:
    """No partition, an account, a limit, an option: told with what to do, and nothing is queued."""
    run = (*RUN, *SHORT)
    lab.refused(*run, on="slurm:gpu").says("no partition 'gpu'", "main")
    lab.refused(*run, on="slurm:short").says("time limit", "--on-opt limit=")
    lab.refused(*run, on="slurm:main", options=("constraint=gpu",)).says("feature", "constraint=")
    lab.refused(*run, options=("options=--no-such-option",)).says("Slurm refuses", "sbatch --help")
    silent = lab.place.with_name("silent.conf")
    port = f"SlurmctldPort={lab.cluster.ports['controller']}"
    silent.write_text(lab.cluster.conf.read_text().replace(port, "SlurmctldPort=1"))
    lab.mlrepo(*run, "--on", "slurm", code=69, SLURM_CONF=str(silent)).says("does not answer")
    assert not any(job["attempts"] for job in lab.jobs().values())


def test_why_a_job_waits(lab: Lab) -> None:
    """A partition that is down keeps a job for ever: the reason is shown; it can be cancelled."""
    (name,) = lab.submit(*RUN, *SHORT, on="slurm:down")
    job = lab.await_(lambda: lab.job(name), lambda one: bool(one["reason"]))
    assert job["state"] == "queued"
    assert "the partition is down" in job["reason"]
    lab.mlrepo("jobs", "wait", "--timeout", "1s", code=69).says("have not ended within 1 s")
    lab.mlrepo("jobs", "cancel", name)
    assert lab.until(name, "cancelled")["attempts"] == 1
    lab.wait(code=1).says("1 cancelled")


def test_a_node_without_mlrepo(lab: Lab) -> None:
    """It is told with the node's name, and not tried again."""
    (name,) = lab.submit(*RUN, *SHORT, options=("python=/usr/bin/python3",))
    job = lab.until(name, "failed")
    assert "no mlrepo for /usr/bin/python3" in job["reason"]
    assert "--bootstrap" in job["hint"]
    assert job["node"] in lab.cluster.nodes


def test_the_time_limit(lab: Lab) -> None:
    """Slurm's notice ends the run, which is recorded as interrupted; the job is submitted again."""
    run = (*RUN, "--count", "100", "--time", "50")
    (name,) = lab.submit(*run, options=("limit=60s",))
    job = lab.until(name, "lost", seconds=100)
    assert "asked to end (SIGTERM)" in job["reason"]
    assert [run["validity"] for run in job["runs"]] == ["INTERRUPTED"]
    lab.mlrepo("jobs", "cancel", name)


def test_a_preempted_job(lab: Lab) -> None:
    """It is lost, with the reason, and submitted again."""
    run = (*RUN, "--count", "100", "--time", "4")
    (low,) = lab.submit(*run, on="slurm:main", options=("options=--nodelist=n1",))
    lab.until(low, "running")
    (high,) = lab.submit(*RUN, *SHORT, on="slurm:urgent")
    lab.until(high, "done")
    job = lab.until(low, "lost")
    assert "preempted" in job["reason"] or "asked to end" in job["reason"]
    lab.wait(low).says("lost; submitted again (attempt 2)", "1 done")


def test_the_hub_cannot_be_reached(lab: Lab) -> None:
    """The run waits in the node's clone, and `jobs` says where; it comes when the hub is back."""
    lab.submit(*RUN, *SHORT, options=("options=--nodelist=n2",))
    lab.wait()
    (name,) = lab.submit(*RUN, "--count", "100", "--time", "2", options=("options=--nodelist=n2",))
    lab.measuring(name)
    away = lab.hub.rename(lab.hub.with_name("away.git"))
    job = lab.until(name, "kept")
    assert "n2:" in job["reason"] and str(lab.place) in job["reason"]
    away.rename(lab.hub)
    lab.wait(name).says("kept; submitted again", "1 done")
    assert len([one for one in lab.records() if f"job-{name}" in one["tags"]]) == 1


def test_company_on_the_node(lab: Lab) -> None:
    """A node that others use is refused; asked to, jobs measure there one after the other."""
    site = lab.cluster.run(
        "sbatch",
        "--parsable",
        "-p",
        "shared",
        "--mem=100",
        "--output=/dev/null",
        "--wrap",
        "sleep 60",
    ).strip()
    lab.await_(lambda: lab.cluster.run("squeue", "-h", "-o", "%T"), lambda said: "RUNNING" in said)
    options = ("exclusive=false", "options=--mem=100")
    (name,) = lab.submit(*RUN, *SHORT, on="slurm:shared", options=options)
    job = lab.until(name, "failed")
    assert f"Slurm runs {site} of root there, too" in job["reason"]
    names = lab.submit(
        *RUN,
        "--count",
        "100",
        "--time",
        "1",
        "--repeat",
        "2",
        on="slurm:shared",
        options=(*options, "alone=false"),
    )
    lab.wait(*names).says("2 done")
    first, second = sorted(
        (one for one in lab.records() if {f"job-{name}" for name in names} & set(one["tags"])),
        key=lambda one: one["started"],
    )
    assert first["ended"] <= second["started"]
    assert any("this one waits" in lab.mlrepo("jobs", "logs", name).out for name in names)


def test_a_cancelled_run_is_recorded(lab: Lab) -> None:
    """`jobs cancel` ends the run; it is recorded as interrupted and pushed."""
    (name,) = lab.submit(*RUN, "--count", "100", "--time", "60")
    lab.measuring(name)
    lab.mlrepo("jobs", "cancel", name)
    lab.await_(lambda: lab.job(name), lambda job: bool(job["runs"]))
    job = lab.job(name)
    assert [run["validity"] for run in job["runs"]] == ["INTERRUPTED"]
    lab.wait(code=1)


def test_a_killed_job(lab: Lab) -> None:
    """Its run waits in the spool of its node; the next job there records it, and it is done."""
    (name,) = lab.submit(*RUN, "--count", "100", "--time", "3", options=("options=--nodelist=n3",))
    job = lab.measuring(name)
    for pid in lab.cluster.job_processes(job["engine_id"]):
        os.kill(pid, signal.SIGKILL)
    assert lab.until(name, "lost")["runs"] == []
    assert lab.spooled("n3")
    lab.wait(name).says("lost; submitted again (attempt 2)", "1 done")
    job = lab.job(name)
    assert sorted(run["validity"] for run in job["runs"]) == ["INTERRUPTED", "VALID"]
    assert not lab.spooled("n3")
