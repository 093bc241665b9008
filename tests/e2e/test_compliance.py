"""Compliance tests: run, verified against the runs they belong to, placed in the round's layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlrepo.rounds import SHIPPED
from mlrepo.scenarios import LOADGEN_SCENARIOS
from tests.e2e.driver import blob, branch_files, mlrepo
from tests.samples import git


def _bench(root: Path, scenario: str, *more: str, code: int | None = 0, test: str) -> dict:  # type: ignore[type-arg]
    arguments = ("--model", "digits", "--scenario", scenario, "--test", test, *more, "--json")
    done = mlrepo(root, "bench", "compliance", *arguments, code=code)
    return done.json["tests"][0]["record"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("scenario", LOADGEN_SCENARIOS)
def test_test01_compares_responses_with_the_full_accuracy_log(
    measured_copy: Path, scenario: str
) -> None:
    """Every response logged under load is that of the accuracy run, in all scenarios.

    How fast a run of a few milliseconds was says nothing here, so its verdict may be either.
    """
    record = _bench(measured_copy, scenario, test="TEST01", code=None)
    text = blob(measured_copy, f"runs/{record['run']}/verify_accuracy.txt").decode()
    values = dict(line.split(" = ") for line in text.splitlines() if " = " in line)
    assert values["num_acc_log_entries"] == ("504" if scenario == "MultiStream" else "500")
    assert int(values["num_perf_log_entries"]) > 0
    assert values["num_perf_log_qsl_idx_match"] == values["num_perf_log_entries"]
    assert values["num_perf_log_data_mismatch"] == "0"
    assert text.endswith("TEST PASS\n")
    assert record["loadgen"]["effective"]["accuracy_log_rng_seed"] == 720381539243781796
    log = mlrepo(measured_copy, "log", "--mode", "performance", "--scenario", scenario, "--json")
    reference = log.json["runs"][0]["run"]
    assert record["reference"]["performance"] == reference
    theirs = mlrepo(measured_copy, "show", reference, "--json").json["record"]
    assert (
        record["loadgen"]["seeds"]["sample_index_rng_seed"]
        == (theirs["loadgen"]["seeds"]["sample_index_rng_seed"])
    )
    assert not record["loadgen"]["errors"]


def test_a_performance_run_brings_its_tests_into_the_layout(root: Path) -> None:
    """`bench run --compliance`: TEST01 and TEST04 as v6.1 asks of what digits follows.

    The backend sleeps for each batch: its speed does not depend on what else the machine does.
    """
    run = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "Offline",
        "--backend",
        "patient",
        "--max-batchsize",
        "50",
    )
    mlrepo(root, *run, "--mode", "accuracy")
    for _attempt in range(4):  # even a sleep may take 10 % longer for a moment
        done = mlrepo(
            root, *run, "--mode", "performance", "--time", "1", "--compliance", "--json", code=None
        )
        records = [test["record"] for test in done.json.get("tests", [])]
        if done.code == 0:
            break
    assert [record["test"] for record in records] == ["TEST01", "TEST04"]
    assert [record["validity"] for record in records] == ["VALID", "VALID"]
    result = done.json["record"]["placement"]["path"]
    files = branch_files(root)
    names = {p.removeprefix(f"{result}/") for p in files if p.startswith(result) and "TEST" in p}
    logs = {f"performance/run_1/mlperf_log_{name}.txt" for name in ("summary", "detail")}
    assert names == {
        *(f"TEST01/{name}" for name in logs | {"verify_accuracy.txt", "verify_performance.txt"}),
        "TEST01/accuracy/mlperf_log_accuracy.json",
        "TEST01/accuracy/accuracy.txt",
        *(f"TEST04/{name}" for name in logs | {"verify_performance.txt"}),
    }
    full = records[0]["logs"]["mlperf_log_accuracy.json"]["full_sha256"]
    assert blob(root, f"{result}/TEST01/accuracy/accuracy.txt").decode() == f"hash={full}\n"
    text = blob(root, f"{result}/TEST04/verify_performance.txt").decode()
    assert text.splitlines()[0] == "Verifying performance."
    assert text.splitlines()[-1] == "TEST PASS"
    shown = git(root, "log", "-1", "--format=%s", "exp/box")
    assert shown.startswith("digits Offline TEST04: ")


def test_what_cannot_run_is_said_before_and_the_rest_runs(root: Path) -> None:
    """Without an accuracy run there is no TEST01; TEST04 runs, of the run that was just made."""
    run = ("bench", "run", "--benchmark", "digits", "--scenario", "Offline", "--backend", "patient")
    more = ("--mode", "performance", "--count", "500", "--max-batchsize", "50", "--compliance")
    done = mlrepo(root, *run, *more, "--json", code=1)
    assert [test["record"]["test"] for test in done.json["tests"]] == ["TEST04"]
    before, _, after = done.err.partition("performance: starting")
    assert "TEST01 cannot run after this performance run" in before
    assert "needs a VALID accuracy run" in before
    assert "Run first: mlrepo bench run --mode accuracy" in after


def test_a_test_runs_with_the_options_of_its_performance_run(measured_copy: Path) -> None:
    """Also with those that were tuned: with others it would not belong to the result."""
    run = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "Offline",
        "--mode",
        "performance",
        "--count",
        "1000",
        "--threads",
        "2",
        "--backend-opt",
        "streams=2",
        "--json",
    )
    record = mlrepo(measured_copy, *run).json["record"]
    tested = _bench(measured_copy, "Offline", test="TEST04", code=None)
    assert tested["reference"]["performance"] == record["run"]
    assert tested["backend"]["asked_options"] == {"streams": "2"}
    assert tested["configuration"] == record["configuration"]


def test_test05_runs_with_the_seeds_of_its_round(root: Path) -> None:
    """LoadGen has dropped it: seeds are set explicitly, for the run and for the test."""
    run = (
        "--model",
        "digits",
        "--scenario",
        "Offline",
        "--backend",
        "patient",
        "--round",
        "v4.1",
        "--json",
    )
    performance = ("--mode", "performance", "--count", "500", "--max-batchsize", "50")
    reference = mlrepo(root, "bench", "run", *run, *performance).json["record"]
    done = mlrepo(root, "bench", "compliance", *run, "--test", "TEST05", code=None)
    record = done.json["tests"][0]["record"]
    round_ = SHIPPED["v4.1"]
    for name in ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"):
        assert reference["loadgen"]["seeds"][name] == round_.seeds()[name]
        assert record["loadgen"]["seeds"][name] == round_.test05_seeds()[name]
    text = blob(root, f"runs/{record['run']}/verify_performance.txt").decode()
    assert text.startswith("Verifying performance.")
    done.says("v4.1 was run with 4.1.12 to 5.0.7")


def test_an_answer_that_differs_under_load_fails_test01(measured_copy: Path) -> None:
    """The run is recorded as INVALID with the number of differing responses, and not placed."""
    shown = mlrepo(measured_copy, "log", "--mode", "accuracy", "--scenario", "offline", "--json")
    record = mlrepo(measured_copy, "show", shown.json["runs"][0]["run"], "--json").json["record"]
    store = measured_copy / ".git" / "mlrepo" / "raw"
    stored = record["logs"]["mlperf_log_accuracy.json"]
    entries = json.loads((store / stored["full_sha256"]).read_bytes())
    for entry in entries:
        entry["data"] = "09000000" if entry["data"] != "09000000" else "08000000"
    _replace_log(measured_copy, record, json.dumps(entries).encode())
    failed = _bench(measured_copy, "Offline", test="TEST01", code=1)
    assert failed["validity"] == "INVALID"
    assert any("responses differ from the accuracy run" in reason for reason in failed["reasons"])
    assert not failed["placement"]["placed"]
    text = blob(measured_copy, f"runs/{failed['run']}/verify_accuracy.txt").decode()
    assert text.endswith("TEST FAIL\n")


def _replace_log(root: Path, record: dict, log: bytes) -> None:  # type: ignore[type-arg]
    """Record an accuracy run whose full log says something else, by Git's own means."""
    import hashlib

    sha256 = hashlib.sha256(log).hexdigest()
    (root / ".git" / "mlrepo" / "raw" / sha256).write_bytes(log)
    work = root.parent / "work"
    git(root, "worktree", "add", "-q", str(work), "exp/box")
    run = "20991231T000000Z-abcdef"
    (work / "runs" / run).mkdir()
    message = git(root, "log", "-1", "--format=%B", "--grep", record["run"], "exp/box")
    record["logs"]["mlperf_log_accuracy.json"]["full_sha256"] = sha256
    record["run"], old = run, record["run"]
    (work / "runs" / run / "run.json").write_text(json.dumps(record))
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", message.replace(old, run))
    git(root, "worktree", "remove", "--force", str(work))


def test_a_test_without_the_run_it_belongs_to_is_refused(root: Path) -> None:
    """Nothing is started; the command that is missing is named."""
    done = mlrepo(root, "bench", "compliance", "--model", "digits", "--scenario", "server", code=2)
    done.says("TEST01 needs a VALID run of digits Server performance", "bench run --mode perf")


def test_a_lost_accuracy_log_is_named(measured_copy: Path) -> None:
    """TEST01 needs the full log, which only the machine of the accuracy run has; TEST04 runs."""
    for path in (measured_copy / ".git" / "mlrepo" / "raw").iterdir():
        path.unlink()
    tests = ("bench", "compliance", "--model", "digits", "--scenario", "Offline")
    done = mlrepo(measured_copy, *tests, "--test", "TEST01", code=2)
    done.says("full accuracy log", "not kept on this machine", "--mode accuracy")
    mlrepo(measured_copy, *tests, code=1).says("not kept on this machine", "digits Offline TEST04")


def test_a_test_of_other_benchmarks_is_refused(measured_copy: Path) -> None:
    """TEST06 is for language models; the tests that belong are named."""
    done = mlrepo(
        measured_copy,
        "bench",
        "compliance",
        "--model",
        "digits",
        "--scenario",
        "Offline",
        "--test",
        "TEST06",
        code=2,
    )
    done.says("TEST06 does not belong to digits Offline in v6.1", "TEST01, TEST04")


def test_compliance_belongs_to_performance_runs(root: Path) -> None:
    """An accuracy run has no tests of its own."""
    run = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--mode", "accuracy")
    mlrepo(root, *run, "--compliance", code=2).says("--compliance belongs to performance")
