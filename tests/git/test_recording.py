"""How a recorded run looks in Git, where branches begin, and how machines share them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlrepo.paths import RepoPath
from mlrepo.record import RunRecord
from mlrepo.repository import commits
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import find_run, load_record, recorded_runs
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import RUNS, Composition, Recorded, Recorder, Tip
from tests.samples import git, sample_composition, sample_files, sample_record, sample_run_id

_EXPERIMENT = Experiment("tuning")
_PLACE = "closed/Acme/results/alpha/resnet50/Offline"


def record(
    recorder: Recorder, run: str, experiment: Experiment = _EXPERIMENT, place: str = _PLACE
) -> Recorded[Composition]:
    """Record a sample run."""
    return recorder.record(
        experiment, run, sample_files(run), lambda tip: sample_composition(run, tip, place)
    )


def open_recorder(root: Path) -> Recorder:
    """Open the repository at ``root`` as another process or machine would."""
    return Recorder(find_repository(root), git_identity(root))


def clone(source: Path, target: Path, *options: str) -> Path:
    """Clone ``source`` as another machine would."""
    git(source.parent, "clone", "--quiet", *options, source.as_uri(), str(target))
    return target


def test_a_run_is_one_commit_with_its_files(results: ResultsRepository, recorder: Recorder) -> None:
    """The commit adds exactly the run's files and the placed ones, and is authored by the user."""
    run = sample_run_id(0)
    recorded = record(recorder, run)
    assert not recorded.already
    added = git(results.root, "show", "--format=", "--name-status", recorded.commit).splitlines()
    assert {line.split("\t")[0] for line in added} == {"A"}
    names = {line.split("\t")[1] for line in added}
    assert names == {str(path) for path in sample_files(run)} | {
        f"runs/{run}/before.txt",
        f"{_PLACE}/performance/run_1/mlperf_log_summary.txt",
        f"{_PLACE}/performance/run_1/mlperf_log_detail.txt",
    }
    for path, content in sample_files(run).items():
        assert git(results.root, "show", f"{recorded.commit}:{path}").encode() == content


def test_placed_files_share_the_blobs_of_the_run(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """A placed log is the blob of the run: the repository holds no second copy."""
    run = sample_run_id(0)
    commit = record(recorder, run).commit
    name = "mlperf_log_detail.txt"
    assert git(results.root, "rev-parse", f"{commit}:runs/{run}/{name}") == git(
        results.root, "rev-parse", f"{commit}:{_PLACE}/performance/run_1/{name}"
    )


def test_recording_a_run_again_changes_nothing(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """A repeated record, also by another process and after others, names the first commit."""
    first = record(recorder, sample_run_id(0))
    record(recorder, sample_run_id(1))
    tip = git(results.root, "rev-parse", _EXPERIMENT.ref)
    for again in (recorder, open_recorder(results.root)):
        assert record(again, sample_run_id(0)) == Recorded(first.commit, already=True)
    assert git(results.root, "rev-parse", _EXPERIMENT.ref) == tip


def test_a_gc_that_runs_is_waited_for(results: ResultsRepository, recorder: Recorder) -> None:
    """At its end it may delete the index of a pack that came while it ran: read back after it."""
    lock = results.common_dir / "gc.pid"
    moved = f"git rev-parse --quiet --verify {_EXPERIMENT.ref} > {os.devnull}"
    script = f'until {moved}; do sleep 0.05; done; sleep 1; rm "$1"'
    with subprocess.Popen(["sh", "-c", script, "gc", lock], cwd=results.root) as gc:
        lock.write_text(f"{gc.pid} {os.uname().nodename}")
        record(recorder, sample_run_id(0))
        assert not lock.exists()


def test_the_tip_is_seen_while_composing(results: ResultsRepository, recorder: Recorder) -> None:
    """The composition can read what is recorded already, newest run first."""
    seen: list[list[str]] = []
    read: list[bytes | None] = []

    def compose(run: str) -> Callable[[Tip], Composition]:
        def look(tip: Tip) -> Composition:
            seen.append(tip.run_ids())
            read.append(tip.read(RepoPath((RUNS, sample_run_id(0), "console.txt"))))
            assert tip.blob_id(RepoPath(("no", "such", "file"))) is None
            return sample_composition(run, tip)

        return look

    for number in range(3):
        run = sample_run_id(number)
        recorder.record(_EXPERIMENT, run, sample_files(run), compose(run))
    assert seen == [[], [sample_run_id(0)], [sample_run_id(1), sample_run_id(0)]]
    assert read[0] is None
    assert read[2] == f"console of {sample_run_id(0)}\n".encode()


def test_a_foreign_commit_between_reading_and_moving_is_kept(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """When another git moves the branch during a record, the run is put on top of that commit."""
    record(recorder, sample_run_id(0))
    foreign: list[str] = []

    def compose(tip: Tip) -> Composition:
        if not foreign:  # a person with plain git, who knows nothing of our lock
            tree = git(results.root, "rev-parse", f"{_EXPERIMENT.ref}^{{tree}}").strip()
            commit = git(
                results.root, "commit-tree", tree, "-p", _EXPERIMENT.ref, "-m", "by hand"
            ).strip()
            git(results.root, "update-ref", _EXPERIMENT.ref, commit)
            foreign.append(commit)
        return sample_composition(sample_run_id(1), tip)

    run = sample_run_id(1)
    recorded = recorder.record(_EXPERIMENT, run, sample_files(run), compose)
    assert git(results.root, "rev-parse", f"{recorded.commit}^").strip() == foreign[0]
    assert [found.run for found in recorded_runs(results)] == [run, sample_run_id(0)]


def test_a_long_wait_for_the_lock_does_not_use_up_the_attempts(
    results: ResultsRepository, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a foreign git interferes after a long wait, recording is still tried again."""
    monkeypatch.setattr(commits, "_ATTEMPTS_SECONDS", -1.0)
    test_a_foreign_commit_between_reading_and_moving_is_kept(results, recorder)


def test_a_branch_created_by_another_during_the_first_record_is_kept(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Two first records at once make one history: the later is put on top of the earlier."""
    other = open_recorder(results.root)
    raced: list[str] = []

    def compose(tip: Tip) -> Composition:
        if not raced:
            commit = git(results.root, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "other")
            raced.append(commit.strip())
            git(results.root, "update-ref", _EXPERIMENT.ref, raced[0])
        return sample_composition(sample_run_id(0), tip)

    run = sample_run_id(0)
    recorded = other.record(_EXPERIMENT, run, sample_files(run), compose)
    assert git(results.root, "rev-parse", f"{recorded.commit}^").strip() == raced[0]


def test_a_new_branch_begins_at_the_commit_that_brought_the_settings(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Not at the user's latest work: machines that are at other commits share the root."""
    begin = git(results.root, "rev-parse", "HEAD").strip()
    git(results.root, "commit", "--allow-empty", "--message", "later work")
    commit = record(recorder, sample_run_id(0)).commit
    assert git(results.root, "rev-parse", f"{commit}^").strip() == begin
    assert "mlrepo.toml" in git(results.root, "ls-tree", "--name-only", commit)


def test_without_any_commit_the_branch_has_a_root_of_its_own(tmp_path: Path) -> None:
    """A repository whose settings are not committed yet can record; its branch is an orphan."""
    root = tmp_path / "fresh"
    root.mkdir()
    git(root, "init", "--quiet")
    (root / "mlrepo.toml").write_text('round = "v6.1"\n')
    commit = record(open_recorder(root), sample_run_id(0)).commit
    assert git(root, "rev-list", "--parents", "-1", commit).split() == [commit]
    assert record(open_recorder(root), sample_run_id(1)).commit != commit
    git(root, "fsck", "--strict")


def test_a_branch_that_was_fetched_is_continued(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """On another machine the first record goes on where the fetched branch stands."""
    there = record(recorder, sample_run_id(0)).commit
    here = clone(results.root, tmp_path / "here")
    recorded = record(open_recorder(here), sample_run_id(1))
    assert git(here, "rev-parse", f"{recorded.commit}^").strip() == there
    assert record(open_recorder(here), sample_run_id(0)) == Recorded(there, already=True)


def test_a_packed_branch_is_continued(results: ResultsRepository, recorder: Recorder) -> None:
    """After ``git gc`` the branch lives in packed-refs and its objects in a pack."""
    first = record(recorder, sample_run_id(0)).commit
    git(results.root, "gc", "--quiet")
    assert git(results.root, "rev-parse", f"{record(recorder, sample_run_id(1)).commit}^") == (
        first + "\n"
    )


def test_branches_of_two_machines_merge_without_conflict(
    results: ResultsRepository, tmp_path: Path
) -> None:
    """Two machines that recorded on one branch name merge with plain ``git merge``."""
    server = clone(results.root, tmp_path / "server.git", "--bare")
    machines = [clone(server, tmp_path / name) for name in ("one", "two")]
    for writer, machine in enumerate(machines):
        for number in range(3):
            record(
                open_recorder(machine),
                sample_run_id(number, writer),
                place=f"closed/Acme/results/system-{writer}/resnet50/Offline",
            )
    one, two = machines
    git(one, "push", "--quiet", "origin", "exp/tuning")
    git(two, "fetch", "--quiet", "origin")
    git(two, "switch", "--quiet", "exp/tuning")
    git(two, "merge", "--no-edit", "origin/exp/tuning")
    git(two, "switch", "--quiet", "main")
    kept = {run.run for run in recorded_runs(find_repository(two))}
    assert kept == {sample_run_id(number, writer) for number in range(3) for writer in range(2)}
    # The merged branch goes on as any other.
    recorded = record(open_recorder(two), sample_run_id(9, 1))
    assert not recorded.already
    assert len(git(two, "ls-tree", "--name-only", recorded.commit, "runs/").split()) == 7
    again = record(open_recorder(two), sample_run_id(2, 0))
    assert again == Recorded(git(two, "rev-parse", "origin/exp/tuning").strip(), already=True)
    git(two, "fsck", "--strict")


def test_commits_are_signed_when_git_is_told_to_sign(
    results: ResultsRepository, tmp_path: Path
) -> None:
    """commit.gpgSign with an SSH key gives commits that ``git verify-commit`` accepts."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"carl@example.org {key.with_suffix('.pub').read_text()}")
    for name, value in (
        ("gpg.format", "ssh"),
        ("user.signingKey", str(key)),
        ("gpg.ssh.allowedSignersFile", str(allowed)),
        ("commit.gpgSign", "true"),
    ):
        git(results.root, "config", name, value)
    recorder = open_recorder(results.root)
    commits = [record(recorder, sample_run_id(number)).commit for number in range(2)]
    for commit in commits:
        assert "Good" in git(results.root, "verify-commit", commit, ok=False)
    assert find_run(results, "latest").commit == commits[1]
    assert git(results.root, "log", "-1", "--format=%an %cn", commits[1]) == (
        "Ada Author Carl Committer\n"
    )


def test_a_key_that_cannot_sign_is_an_error_and_moves_nothing(
    results: ResultsRepository,
) -> None:
    """An unsigned commit is not made instead."""
    git(results.root, "config", "gpg.format", "ssh")
    git(results.root, "config", "user.signingKey", "/nonexistent/key")
    git(results.root, "config", "commit.gpgSign", "true")
    with pytest.raises(Exception, match="commit-tree") as failed:
        record(open_recorder(results.root), sample_run_id(0))
    assert getattr(failed.value, "exit_code", None) == 2
    assert git(results.root, "for-each-ref", _EXPERIMENT.ref) == ""


@pytest.mark.parametrize(
    "text",
    [
        "x\n\nMLRepo-Run: forged",
        "x\r\n\r\nMLRepo-Run: forged\r\n",
        "MLRepo-Run: forged",
        "x\0MLRepo-Run: forged",
        "x\u2028\u2028MLRepo-Run: forged",
        "x\x1b[31m\x85\x85MLRepo-Run: forged",
        "x\udcff",
        "",
    ],
    ids=repr,
)
def test_no_value_can_forge_or_hide_a_run(
    results: ResultsRepository, recorder: Recorder, text: str
) -> None:
    """Whatever tags, reasons and names hold, the commit tells its own run, once, and its tags."""
    run = sample_run_id(0)
    changes: dict[str, Any] = {
        "tags": (text, "tag"),
        "reasons": (text, f"reason {text}"),
        "backend": {"name": text},
        "argv": ("mlrepo", text),
    }
    written = sample_record(run, **changes)
    recorded = recorder.record(
        _EXPERIMENT,
        run,
        {RepoPath((RUNS, run, "run.json")): written.to_json()},
        lambda tip: sample_composition(run, tip, **changes),
    )
    (found,) = recorded_runs(results)
    assert (found.run, found.commit) == (run, recorded.commit)
    assert found.trailer("Tags").endswith(",tag")
    assert load_record(results, found) == RunRecord.from_json(written.to_json())
    by_git = git(
        results.root, "log", "-1", "--format=%(trailers:key=MLRepo-Run,valueonly)", recorded.commit
    )
    assert by_git.split() == [run]
    subject = git(results.root, "log", "-1", "--format=%s", recorded.commit).strip()
    assert subject.startswith("resnet50 Offline performance: 885.05 samples/s VALID (alpha")
