"""Recording touches nothing that belongs to the user."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path

from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.recorder import Recorder
from tests.samples import git, sample_composition, sample_files, sample_run_id

# What recording may change below the Git directory.
_OURS = ("objects", "refs/heads/exp", "logs/refs/heads/exp", "mlrepo")


def test_recording_in_the_middle_of_a_merge_changes_no_file_of_the_user(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Working tree, index, HEAD, merge state, stash and other refs keep bytes, inode and mtime."""
    root = results.root
    _begin_a_conflicting_merge(root)
    status = git(root, "status", "--porcelain=v2", "--branch")
    before = _state_of(root)  # `git status` itself refreshes the index

    for number in range(20):
        run = sample_run_id(number)
        recorded = recorder.record(
            Experiment("aside"),
            run,
            sample_files(run),
            partial(sample_composition, run, place="closed/Acme/results/a/b/Offline"),
        )
        assert not recorded.already

    assert _state_of(root) == before
    assert git(root, "status", "--porcelain=v2", "--branch") == status
    assert "MERGE_HEAD" in {path.name for path in results.git_dir.iterdir()}
    assert git(root, "rev-list", "--count", "main..exp/aside").strip() == "20"


def test_no_hook_of_the_user_runs(results: ResultsRepository, recorder: Recorder) -> None:
    """Neither a hook in the repository nor one from core.hooksPath runs when a run is recorded."""
    hooks = results.root.parent / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction", "update"):
        for directory in (hooks, results.git_dir / "hooks"):
            directory.mkdir(exist_ok=True)
            (directory / name).write_text(f"#!/bin/sh\ntouch '{results.root.parent}/ran-{name}'\n")
            (directory / name).chmod(0o755)
    run = sample_run_id(0)
    for place in ("hooks-in-repository", "hooks-path"):
        recorder.record(
            Experiment(place), run, sample_files(run), lambda tip: sample_composition(run, tip)
        )
        git(results.root, "config", "core.hooksPath", str(hooks))
    assert list(results.root.parent.glob("ran-*")) == []


def test_the_reflog_of_the_branch_tells_each_record(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Each record leaves a line in the branch's reflog, by the committer, so it can be undone."""
    for number in range(2):
        run = sample_run_id(number)
        recorder.record(
            Experiment("logged"),
            run,
            sample_files(run),
            partial(sample_composition, run),
        )
    log = git(results.root, "reflog", "show", "--format=%gn <%ge> %gs", "exp/logged").splitlines()
    assert len(log) == 2
    assert log[0].startswith("Carl Committer <carl@example.org> mlrepo: resnet50 Offline")


def _begin_a_conflicting_merge(root: Path) -> None:
    """Leave a stash, a conflict, a staged, an unstaged and an untracked change in ``root``."""
    for name in ("conflict", "staged", "unstaged", "stashed"):
        (root / name).write_text("one\n")
    git(root, "add", ".")
    git(root, "commit", "--message", "files")
    (root / "stashed").write_text("two\n")
    git(root, "stash")
    git(root, "switch", "--create", "side")
    (root / "conflict").write_text("side\n")
    git(root, "commit", "--all", "--message", "side")
    git(root, "switch", "main")
    (root / "conflict").write_text("main\n")
    git(root, "commit", "--all", "--message", "main")
    git(root, "pack-refs", "--all")
    assert "CONFLICT" in git(root, "merge", "side", ok=False)
    (root / "staged").write_text("staged\n")
    git(root, "add", "staged")
    (root / "unstaged").write_text("unstaged\n")
    (root / "staged").write_text("staged, then changed\n")
    (root / "untracked").mkdir()
    (root / "untracked" / "file").write_text("untracked\n")
    (root / "link").symlink_to("/nowhere")


def _state_of(root: Path) -> dict[str, tuple[object, ...]]:
    """Return type, content, inode and mtime of everything that is the user's, by path."""
    state: dict[str, tuple[object, ...]] = {}
    for directory, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(directory) / name
            inside = path.relative_to(root).as_posix()
            if inside.startswith(tuple(f".git/{ours}" for ours in _OURS)):
                continue
            found = path.lstat()
            content: object = None
            if stat.S_ISLNK(found.st_mode):
                content = path.readlink()
            elif stat.S_ISREG(found.st_mode):
                content = path.read_bytes()
            # The mtime of a directory tells whether anything in it was made or removed; those
            # that hold what is ours change, so for them the listing has to do.
            ours = any(f".git/{o}".startswith(inside + "/") for o in _OURS)
            moment = None if ours else found.st_mtime_ns
            state[inside] = (found.st_mode, content, found.st_ino, moment)
    return state
