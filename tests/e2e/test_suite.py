"""A suite runs what the round requires and Git lacks; killed at any moment, it continues."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import finish, mlrepo, spooled, start, until

SUITE = ("bench", "suite", "--model", "digits", "--quick", "--scenario")


def _runs(root: Path, *more: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = mlrepo(root, "log", *more, "--json").json["runs"]
    return runs


def test_a_plan_names_the_runs_of_the_round_and_runs_nothing(root: Path) -> None:
    """An edge system and a benchmark that follows resnet: three scenarios, tests if closed."""
    plan = mlrepo(root, "bench", "suite", "--model", "digits", "--plan", "--json").json
    steps = [(step["scenario"], step["mode"]) for step in plan["plan"]]
    assert steps == [
        (scenario, mode)
        for scenario in ("Offline", "SingleStream", "MultiStream")
        for mode in ("accuracy", "performance")
    ]
    assert all(step["wanted"] and step["state"] == "missing" for step in plan["plan"])
    assert plan["plan"][1]["seconds"] > 600
    closed = mlrepo(root, *SUITE, "offline", "--division", "closed", "--plan", "--json").json
    assert [step["test"] for step in closed["plan"]] == ["", "", "TEST01", "TEST04"]
    assert not _runs(root)


def test_a_suite_runs_what_is_missing_once(root: Path) -> None:
    """A second suite has nothing to do; a full one sees that the runs are too short."""
    done = mlrepo(root, *SUITE, "Offline")
    done.says("2 of 2 to run", "Offline performance: ", "VALID", "Next: mlrepo select --quick")
    assert [run["mode"] for run in _runs(root)] == ["performance", "accuracy"]
    mlrepo(root, *SUITE, "Offline").says("0 of 2 to run")
    first = mlrepo(root, "show", _runs(root)[-1]["run"], "--json").json["record"]["request"]
    assert first["plan"]["scenarios"] == ["Offline"]
    assert (first["plan"]["quick"], first["plan"]["compliance"]) == (True, False)
    # It goes on as it was asked for: with none of the environment of now.
    resume = mlrepo(
        root,
        *("bench", "resume"),
        MLREPO_DIVISION="closed",
        ML_MODEL_FILEPATH_EXTERNAL="/nowhere.onnx",
    )
    resume.says("0 of 2 to run")
    assert len(_runs(root)) == 2
    full = ("bench", "suite", "--model", "digits", "--scenario", "Offline", "--plan", "--json")
    states = [step["state"] for step in mlrepo(root, *full).json["plan"]]
    assert states == ["done", "short"]
    status = mlrepo(root, "status", "--json").json["results"][0]
    assert [cell["state"] for cell in status["cells"]] == ["done", "short", *["missing"] * 4]
    assert "--scenario Offline --scenario SingleStream" in status["next"]
    assert status["never_valid"].startswith("digits has 500 samples")
    mlrepo(root, *SUITE, "Offline", "--threads", "1", "--rerun", "all").says("2 of 2 to run")
    assert len(_runs(root)) == 4


def test_a_killed_rerun_of_all_goes_on_with_what_it_has_not_run_again(root: Path) -> None:
    """The runs from before it do not count, those that it made do."""
    mlrepo(root, *SUITE, "Offline")
    process = start(root, *SUITE, "Offline", "--rerun", "all")
    until(lambda: len(_runs(root)) == 3, "the first run of the second suite")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    mlrepo(root, "bench", "resume").says("1 of 2 to run")
    valid = [run["mode"] for run in _runs(root) if run["validity"] == "VALID"]
    assert valid == ["performance", "accuracy"] * 2
    mlrepo(root, "bench", "resume").says("0 of 2 to run")
    mlrepo(root, *SUITE, "Offline", "--rerun", "all", "--plan").says("2 of 2 to run")


def test_the_quick_suite_is_rejected_only_for_what_it_is(root: Path) -> None:
    """`mlrepo check --profile official` finds short runs and a small data set, and nothing else.

    Every run is recorded and placed; the description is filled in as a user has to.
    """
    description = root / "systems" / "box" / "system.json"
    filled = json.loads(description.read_text()) | {
        "status": "available",
        "cooling": "air",
        "host_memory_configuration": "1 x 16 GB",
        "host_networking": "Ethernet",
        "host_networking_topology": "N/A",
        "host_storage_type": "SSD",
        "host_storage_capacity": "100 GB",
    }
    description.write_text(json.dumps(filled))
    mlrepo(root, "bench", "suite", "--model", "digits", "--quick")
    runs = _runs(root)
    assert len(runs) == 6
    assert all(run["validity"] == "VALID" and run["placed"] for run in runs)
    report = mlrepo(root, "check", "--rev", "exp/box", "--profile", "official", "--json", code=1)
    assert report.json["counts"]["results"] == 3
    assert report.json["findings"] == []
    for result in report.json["results"]:
        found = {(f["rule"], f["expected"], f["actual"]) for f in result["findings"]}
        assert found == {
            ("performance-min-duration", ">= 600000 ms", "2000"),  # --quick
            ("performance-sample-count", ">= 1024", "500"),  # digits has 500 images
            ("accuracy-data-set", "50000", "500"),
        }


def test_scenarios_that_follow_from_others_can_be_left_out(root: Path) -> None:
    """`--infer` runs SingleStream only: Offline and MultiStream follow from it on the edge."""
    infer = ("bench", "suite", "--model", "digits", "--infer", "--plan", "--json")
    plan = mlrepo(root, *infer).json["plan"]
    assert {(step["scenario"], step["state"]) for step in plan if not step["wanted"]} == {
        ("Offline", "inferred"),
        ("MultiStream", "inferred"),
    }
    assert {step["scenario"] for step in plan if step["wanted"]} == {"SingleStream"}
    both = ("--scenario", "SingleStream", "--scenario", "Offline", "--category", "datacenter")
    datacenter = mlrepo(root, *infer, *both).json["plan"]
    assert {step["scenario"] for step in datacenter if step["wanted"]} == {
        "Offline",
        "SingleStream",
    }


def test_the_time_left_is_told_for_run_and_suite(root: Path) -> None:
    """One view: which run of how many, its phase, and what is left of the suite.

    Whatever the verdict: a machine that is busy during the estimate alone makes a run too short.
    """
    done = mlrepo(root, *SUITE, "Offline", code=None)
    assert re.search(
        r"^\[1/2\] digits Offline accuracy: starting  \(suite \d+ s left\)$", done.err, re.MULTILINE
    )
    assert re.search(
        r"^\[2/2\] digits Offline performance: measuring  \(suite \d+ s left\)$",
        done.err,
        re.MULTILINE,
    )


def test_an_invalid_run_of_a_suite_is_fixed_with_auto(root: Path) -> None:
    """The system's user.conf expects too little of the system; the next attempt fits."""
    conf = root / "systems" / "box" / "user.v6.1.conf"
    conf.write_text("digits.Offline.target_qps = 100\n")
    mlrepo(root, *SUITE, "Offline", code=1).says("ran out of samples", "raise --qps")
    mlrepo(root, *SUITE, "Offline", "--rerun", "invalid", "--auto").says("1 of 2 to run")
    runs = _runs(root, "--mode", "performance")
    assert runs[0]["validity"] == "VALID"
    assert [run["validity"] for run in runs[1:]] == ["INVALID"] * (len(runs) - 1)
    assert len(runs) >= 3
    mlrepo(root, *SUITE, "Offline").says("0 of 2 to run")


def test_a_backend_that_does_not_run_here_stops_the_plan(root: Path) -> None:
    """The estimate needs the backend: its reason is told before anything is recorded."""
    plan = ("bench", "suite", "--model", "digits", "--backend", "tvm-onnx", "--plan")
    done = mlrepo(root, *plan, code=None)
    if done.code == 0:
        pytest.skip("TVM is installed")
    assert done.code == 2
    done.says("tvm-onnx")
    assert not _runs(root)


def test_another_configuration_makes_older_runs_stale(measured_copy: Path) -> None:
    """An accuracy run with other threads than the newest performance run proves nothing of it."""
    run = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--threads", "1")
    mlrepo(measured_copy, *run, "--mode", "performance", "--count", "1000")
    cells = mlrepo(measured_copy, "status", "--json").json["results"][0]["cells"]
    states = {(cell["scenario"], cell["mode"]): cell["state"] for cell in cells}
    assert states["Offline", "accuracy"] == "stale"
    assert states["SingleStream", "accuracy"] == "done"
    # And a test of both is refused: the two runs do not belong together.
    test = ("bench", "compliance", "--model", "digits", "--scenario", "Offline")
    refused = mlrepo(measured_copy, *test, "--test", "TEST01", code=2)
    refused.says("TEST01 cannot be verified", "another configuration", "intra_op_num_threads")
    refused.says("Run first: mlrepo bench run --mode accuracy", "--threads 1")
    # The proposed command has the configuration of the performance run, and ends the matter.
    status = mlrepo(measured_copy, "status", "--json").json["results"][0]
    assert "--threads 1" in status["next"]
    assert status["by_scenario"]["Offline"].startswith(status["next"].partition(" --scenario")[0])
    assert "threads" in status["remarks"][0]
    mlrepo(measured_copy, *status["next"].split()[1:], "--quick").says(
        "as in the performance run", "Offline accuracy", "differs in", "1 of 2 to run"
    )
    after = mlrepo(measured_copy, "status", "--json").json["results"][0]
    assert {cell["state"] for cell in after["cells"] if cell["mode"] == "accuracy"} == {"done"}


def test_a_budget_that_is_too_small_says_so(root: Path) -> None:
    """The run that does not fit is named, and nothing is started."""
    full = ("bench", "suite", "--model", "digits", "--scenario", "Offline", "--budget", "1m")
    mlrepo(root, *full, code=2).says("budget of 60 s does not suffice", "performance", "resume")
    assert [run["mode"] for run in _runs(root)] == ["accuracy"]


def test_a_new_clone_is_given_a_command_that_runs_as_it_stands(root: Path) -> None:
    """Nothing is recorded: `status` exits with 0, `resume` with 2, and both say how to begin."""
    clone = root.parent / "clone"
    mlrepo(root.parent, "clone", str(root), str(clone))
    status = mlrepo(clone, "status")
    status.says("Nothing is recorded for v6.1")
    resume = mlrepo(clone, "bench", "resume", code=2)
    resume.says("nothing to resume")
    (use,) = re.findall("`mlrepo (system use .*?)`", status.err)
    mlrepo(clone, *use.split()).says("box")
    for said in (status.err, resume.err):
        (command,) = re.findall("`mlrepo (bench suite .*?)`", said)
        mlrepo(clone, *command.split(), "--plan").says("6 of 6 to run")


def test_status_names_the_commands_that_another_machine_has_to_run(measured_copy: Path) -> None:
    """Short runs can be rehearsed anywhere; the full ones are refused where nothing fits."""
    before = mlrepo(measured_copy, "status")
    assert "Not this machine" not in before.err
    before.says("Next: mlrepo select --quick", "At full length: mlrepo bench suite")
    path = measured_copy / "systems" / "box" / "system.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps(description | {"host_processor_model_name": "Imaginary 9000"}))
    after = mlrepo(measured_copy, "status")
    after.says("Not this machine", "box: host_processor_model_name is 'Imaginary 9000'")
    after.says("Next: mlrepo select --quick", "On box: mlrepo bench suite")
    assert "full length" not in after.out


def test_a_loadgen_of_another_round_is_told_before_anything_runs(root: Path) -> None:
    """`status` and `suite` name the releases that the round was run with; v6.1 has nothing to say.

    What is installed fits one round, so at least one of the two differs from it.
    """
    for command in (("status",), ("bench", "suite", "--model", "digits", "--plan")):
        notes = {
            name: mlrepo(root, *command, "--round", name).err for name in ("v5.0", "v5.1", "v6.1")
        }
        assert sum("is installed, and" in note for note in notes.values()) >= 2
    older = mlrepo(root, "status", "--round", "v5.1", "--json").json["loadgen"]
    assert older["accepted"] == "5.0.22 to 6.0.4"
    mlrepo(root, "status", "--round", "v1.1").says("No LoadGen from PyPI was made for v1.1")


def test_two_suites_do_not_disturb_each_other(root: Path) -> None:
    """The second is told to wait (exit code 75)."""
    first = start(root, *SUITE, "SingleStream")
    until(lambda: spooled(root), "the first suite to run")
    mlrepo(root, *SUITE, "SingleStream", code=75).says("Another suite or sweep is running")
    assert finish(first).code == 0


def _kill_and_resume(root: Path, moments: list[float]) -> None:
    """Kill a suite and then its resumptions at ``moments`` seconds; let the last one end."""
    command: tuple[str, ...] = (*SUITE, "Offline", "--scenario", "SingleStream")
    for moment in moments:
        process = start(root, *command)
        time.sleep(moment)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        if mlrepo(root, "log", "--tag", "suite", "--json").json["runs"] or spooled(root):
            command = ("bench", "resume")
    mlrepo(root, *command)
    runs = _runs(root)
    valid = Counter((r["scenario"], r["mode"]) for r in runs if r["validity"] == "VALID")
    assert valid == {
        (scenario, mode): 1
        for scenario in ("Offline", "SingleStream")
        for mode in ("accuracy", "performance")
    }
    assert {run["validity"] for run in runs} <= {"VALID", "INTERRUPTED"}
    assert not spooled(root)
    mlrepo(root, "bench", "resume").says("0 of 4 to run")


def test_a_killed_suite_loses_nothing_and_repeats_nothing(root: Path) -> None:
    """Killed while starting and while measuring; each run is VALID exactly once in the end."""
    _kill_and_resume(root, [1.0, 3.5])


@pytest.mark.slow
def test_thirty_kills_lose_nothing(root: Path) -> None:
    """At random moments of a suite and of its resumptions."""
    seeded = random.Random(6)
    _kill_and_resume(root, [seeded.uniform(0.1, 6.0) for _ in range(30)])
