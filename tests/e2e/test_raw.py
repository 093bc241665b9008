"""``mlrepo raw``: full accuracy logs are kept until nothing refers to them."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from tests.e2e.driver import (
    LONG,
    MLREPO,
    bench,
    environment,
    finish,
    measuring_child,
    mlrepo,
    start,
)
from tests.samples import git


def _kept(root: Path) -> set[str]:
    return {p.name for p in (root / ".git" / "mlrepo" / "raw").glob("[0-9a-f]*")}


def test_list_names_each_log_with_its_run(measured: Path) -> None:
    """Every kept log belongs to an accuracy run; sizes are those of the files."""
    listed = mlrepo(measured, "raw", "list", "--json").json
    assert listed["schema"] == "mlrepo.raw/1"
    assert {log["sha256"] for log in listed["logs"]} == _kept(measured)
    runs = {run["run"] for run in mlrepo(measured, "log", "--json").json["runs"]}
    for log in listed["logs"]:
        path = measured / ".git" / "mlrepo" / "raw" / log["sha256"]
        assert log["run"] in runs
        assert log["size"] == path.stat().st_size
        assert not path.stat().st_mode & 0o222
        mlrepo(measured, "raw", "list").says(log["sha256"], log["run"])


def test_export_overwrites_nothing_and_has_a_name_of_its_own(
    measured: Path, tmp_path: Path
) -> None:
    """Without ``--output`` the file is named after the run, in the current directory."""
    run = mlrepo(measured, "log", "--mode", "accuracy", "--json").json["runs"][0]["run"]
    mlrepo(tmp_path, "-C", str(measured), "raw", "export", run, "--output", str(tmp_path / "a"))
    again = ("-C", str(measured), "raw", "export", run, "--output", str(tmp_path / "a"))
    mlrepo(tmp_path, *again, code=2).says("exists and is not overwritten", "--output")
    absent = str(tmp_path / "absent" / "a")
    mlrepo(measured, "raw", "export", run, "--output", absent, code=2).says(absent, "No such file")


def test_export_in_the_current_directory(measured_copy: Path) -> None:
    """The default name tells run and log."""
    run = mlrepo(measured_copy, "log", "--mode", "accuracy", "--json").json["runs"][0]["run"]
    mlrepo(measured_copy, "raw", "export", run)
    file = measured_copy / f"{run}-mlperf_log_accuracy.json"
    assert hashlib.sha256(file.read_bytes()).hexdigest() in _kept(measured_copy)
    assert git(measured_copy, "status", "--porcelain") == ""


def test_a_run_whose_log_is_whole_in_git_has_nothing_to_export(measured: Path) -> None:
    """A performance run's empty accuracy log was never truncated."""
    run = mlrepo(measured, "log", "--mode", "performance", "--json").json["runs"][0]["run"]
    mlrepo(measured, "raw", "export", run, code=2).says(
        "No log of the run", "truncated", "--log accuracy"
    )


def test_a_damaged_log_is_not_exported(measured_copy: Path, tmp_path: Path) -> None:
    """The name is the SHA-256: what no longer fits it is not handed out as evidence."""
    for path in (measured_copy / ".git" / "mlrepo" / "raw").iterdir():
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    target = tmp_path / "a.json"
    run = mlrepo(measured_copy, "log", "--mode", "accuracy", "--json").json["runs"][0]["run"]
    mlrepo(measured_copy, "raw", "export", run, "--output", str(target), code=2).says("damaged")
    assert not target.exists()


def test_gc_never_deletes_what_a_recorded_run_names(root: Path) -> None:
    """Only logs of runs that are on no branch any more go, and only with the user's word."""
    kept = bench(root)
    gone = bench(root, "--scenario", "MultiStream", "--experiment", "scrap")
    logs = {
        record["run"]: record["logs"]["mlperf_log_accuracy.json"]["full_sha256"]
        for record in (kept, gone)
    }
    mlrepo(root, "raw", "gc", "--yes").says("nothing to delete")
    assert _kept(root) == set(logs.values())
    git(root, "branch", "-D", "exp/scrap")
    mlrepo(root, "raw", "gc", "--older-than", "0", code=130)  # nobody answers the question
    assert _kept(root) == set(logs.values())
    mlrepo(root, "raw", "gc", "--older-than", "0", "--yes").says("Deleted 1 log")
    assert _kept(root) == {logs[kept["run"]]}
    mlrepo(root, "raw", "export", kept["run"], "--output", "full.json")


def test_gc_keeps_what_a_fetched_branch_names(root: Path, tmp_path: Path) -> None:
    """A run that only a remote-tracking branch holds still needs its log."""
    record = bench(root)
    git(root, "clone", "--quiet", "--bare", ".", str(tmp_path / "hub.git"))
    git(root, "remote", "add", "hub", str(tmp_path / "hub.git"))
    git(root, "fetch", "--quiet", "hub")
    git(root, "branch", "-D", "exp/box")
    mlrepo(root, "raw", "gc", "--yes").says("nothing to delete")
    assert _kept(root) == {record["logs"]["mlperf_log_accuracy.json"]["full_sha256"]}


def test_gc_waits_for_runs_that_are_not_recorded_yet(root: Path) -> None:
    """A run in progress or left by a crash may need a log that no commit names so far."""
    bench(root)
    git(root, "branch", "-D", "exp/box")
    process = start(root, *LONG)
    child = measuring_child(root)
    mlrepo(root, "raw", "gc", "--yes", code=75).says("not recorded yet")
    assert len(_kept(root)) == 1
    os.kill(child, 9)
    finish(process)
    mlrepo(root, "raw", "gc", "--older-than", "0", "--yes").says("Deleted 1 log")


def test_gc_keeps_what_a_run_needs_that_was_recorded_during_the_question(root: Path) -> None:
    """The same accuracy log again, of another run: what was garbage is evidence by the answer."""
    bench(root)
    git(root, "branch", "-D", "exp/box")
    asking = subprocess.Popen(
        [*MLREPO, "raw", "gc", "--older-than", "0"],
        cwd=root,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert asking.stdout is not None
    assert asking.stdout.readline().startswith("1 log (")
    again = bench(root)
    out, _ = asking.communicate("y\n", timeout=60)
    assert asking.returncode == 0
    assert "1 log is kept: needed since the question was asked." in out
    assert _kept(root) == {again["logs"]["mlperf_log_accuracy.json"]["full_sha256"]}


def test_gc_keeps_young_logs_unless_told_otherwise(root: Path) -> None:
    """As ``git gc`` keeps young objects: somebody may be about to need them."""
    bench(root)
    git(root, "branch", "-D", "exp/box")
    mlrepo(root, "raw", "gc", "--yes").says("1 log", "less than 14 days ago", "nothing to delete")
    [log] = (root / ".git" / "mlrepo" / "raw").iterdir()
    os.utime(log, (0, log.stat().st_mtime - 15 * 86400))
    mlrepo(root, "raw", "gc", "--yes").says("Deleted 1 log")
    assert _kept(root) == set()


def test_the_log_of_a_selected_result_is_kept_without_its_experiment(measured_copy: Path) -> None:
    """The experiment's branch is gone; the submission still names the log by its hash."""
    mlrepo(measured_copy, "select", "--quick")
    tips = git(measured_copy, "for-each-ref", "--format=%(refname:short)", "refs/heads/exp").split()
    texts = git(measured_copy, "grep", "-h", "^hash=", "submission/v6.1", "--", "*/accuracy.txt")
    selected = {line.partition("hash=")[2] for line in texts.splitlines()} & _kept(measured_copy)
    assert selected
    git(measured_copy, "branch", "-D", *tips)
    mlrepo(measured_copy, "raw", "gc", "--older-than", "0", "--yes")
    assert _kept(measured_copy) == selected
