"""Finding the results repository above a directory, and reading its settings file."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.repository.discovery import (
    ResultsRepository,
    find_git_repository,
    find_repository,
    read_settings,
)
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.health import (
    OK,
    PROBLEM,
    check_repository,
    remove_stale_locks,
)
from mlrepo.repository.history import recorded_runs
from mlrepo.repository.leftovers import STALE_SECONDS
from mlrepo.repository.spool import Spool
from tests.git.test_recording import open_recorder, record
from tests.samples import git, sample_run_id


def test_the_repository_is_found_from_below(results: ResultsRepository) -> None:
    """From any directory of the working tree root, Git directory and store are the same."""
    below = results.root / "deep" / "er"
    below.mkdir(parents=True)
    assert find_repository(below) == find_repository(results.root) == results
    assert results.store == results.root / ".git" / "mlrepo"


def test_a_repository_that_is_reopened_lets_go_of_its_packs(results: ResultsRepository) -> None:
    """At once, not when Python collects cycles: libgit2 caches megabytes of trees for each pack."""
    record(open_recorder(results.root), sample_run_id(0))
    git(results.root, "gc", "--quiet")

    def packs_in_memory() -> int:
        return Path("/proc/self/maps").read_text(encoding="utf-8").count(f"{results.common_dir}/")

    gc.disable()
    try:
        found = find_repository(results.root)
        assert found.git.head.target in found.git
        assert packs_in_memory()
        found.reopen()
        assert not packs_in_memory()
    finally:
        gc.enable()
    assert found.git.head.target in found.git


def test_the_repository_is_found_from_a_relative_path(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative start gives absolute paths."""
    monkeypatch.chdir(results.root.parent)
    assert find_repository(Path(results.root.name)) == results


def test_variables_of_a_hook_do_not_lead_elsewhere(
    results: ResultsRepository,
    make_repository: Callable[..., ResultsRepository],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Git sets GIT_DIR and GIT_INDEX_FILE for hooks; commands about other trees ignore it."""
    other = make_repository("other")
    monkeypatch.setenv("GIT_DIR", str(other.git_dir))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.git_dir / "index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.root))
    assert find_repository(results.root) == results
    record(open_recorder(results.root), sample_run_id(0))
    monkeypatch.undo()
    assert [run.run for run in recorded_runs(results)] == [sample_run_id(0)]
    assert list(recorded_runs(other)) == []


def test_a_directory_outside_is_no_repository(tmp_path: Path) -> None:
    """The messages say how to get a results repository."""
    assert find_git_repository(tmp_path) is None
    with pytest.raises(UserError, match="not inside a results repository") as outside:
        find_repository(tmp_path)
    assert "mlrepo init" in outside.value.hint
    with pytest.raises(UserError, match="does not exist"):
        find_repository(tmp_path / "absent")
    git(tmp_path, "init", "--quiet")
    with pytest.raises(UserError, match="not a results repository") as plain:
        find_repository(tmp_path)
    assert "--adopt" in plain.value.hint


def test_a_clone_on_a_branch_without_settings_names_the_branch_that_has_them(
    results: ResultsRepository, tmp_path: Path
) -> None:
    """Adopting it again would be wrong: also where plain ``git clone`` checked nothing out."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=trunk", "team.git")
    git(results.root, "push", "--quiet", str(tmp_path / "team.git"), "main", "main:exp/box")
    git(tmp_path, "clone", "--quiet", "team.git", "copy")
    with pytest.raises(UserError, match="not a results repository") as unborn:
        find_repository(tmp_path / "copy")
    assert "`git switch main`" in unborn.value.hint
    git(tmp_path / "copy", "switch", "--quiet", "main")
    git(tmp_path / "copy", "switch", "--quiet", "--orphan", "other")
    git(tmp_path / "copy", "branch", "--quiet", "--move", "main", "a-b")
    with pytest.raises(UserError) as orphan:
        find_repository(tmp_path / "copy")
    assert "`git switch a-b`" in orphan.value.hint


def test_a_bare_repository_and_the_git_directory_have_no_working_tree(
    results: ResultsRepository, tmp_path: Path
) -> None:
    """There is no mlrepo.toml to be found there."""
    git(tmp_path, "init", "--quiet", "--bare", "bare.git")
    assert find_git_repository(tmp_path / "bare.git") is None
    assert find_git_repository(results.git_dir) is None


def test_what_git_cannot_read_is_not_called_absent(tmp_path: Path) -> None:
    """A repository in a format that this git does not know is reported in git's words."""
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "core.repositoryFormatVersion", "1")
    git(tmp_path, "config", "extensions.fromTheFuture", "true")
    with pytest.raises(UserError, match="fromthefuture"):
        find_repository(tmp_path)


def test_a_reftable_repository_is_refused_with_a_way_out(results: ResultsRepository) -> None:
    """libgit2 cannot write reftables; git too old to know them cannot either."""
    config = results.common_dir / "config"
    before = config.read_bytes()
    git(results.root, "config", "core.repositoryFormatVersion", "1")
    git(results.root, "config", "extensions.refStorage", "reftable")
    try:
        with pytest.raises(UserError, match="the reftable format") as refused:
            _ = ResultsRepository(results.root, results.git_dir, results.common_dir).git
        assert "--ref-format=files" in refused.value.hint
    finally:
        config.write_bytes(before)


def test_a_repository_of_another_owner_is_refused(results: ResultsRepository) -> None:
    """Git's safe.directory protection stays on: its message reaches the user."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(results.root, 65534, 65534)
    os.chown(results.git_dir, 65534, 65534)
    try:
        with pytest.raises(UserError, match="dubious ownership"):
            find_repository(results.root)
    finally:
        os.chown(results.root, 0, 0)
        os.chown(results.git_dir, 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("round = ", "not valid TOML"),
        ("colour = 'red'\n", "unknown setting 'colour'"),
        ("[official]\ncolour = 'red'\n", r"unknown setting 'official\.colour'"),
        ("round = ['v6.1']\n", "one plain value"),
        ("round = '\xff'\n", "not valid TOML"),
    ],
)
def test_a_settings_file_with_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    """Wrong TOML, unknown keys and structured values are errors with the file's path."""
    path = tmp_path / "mlrepo.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=message) as wrong:
        read_settings(path)
    assert str(path) in wrong.value.message


def test_settings_are_read_flat(tmp_path: Path) -> None:
    """Tables become dotted keys; a missing file has no settings."""
    path = tmp_path / "mlrepo.toml"
    assert read_settings(path) == {}
    path.write_text("round = 'v6.1'\nembargo = 2027-04-01\n[official]\nbranch = 'main'\n")
    assert read_settings(path) == {
        "round": "v6.1",
        "embargo": "2027-04-01",
        "official.branch": "main",
    }


def test_health_finds_and_removes_a_stale_lock(results: ResultsRepository) -> None:
    """An old lock of an experiment branch is removed; a young one may belong to a living git."""
    record(open_recorder(results.root), sample_run_id(0))
    directory = results.common_dir / "refs" / "heads" / "exp"
    old, young = directory / "old.lock", directory / "young.lock"
    for lock in (old, young):
        lock.touch()
    os.utime(old, (0, old.stat().st_mtime - STALE_SECONDS - 1))
    statuses = {
        check.name: check for check in check_repository(results, records=True, hooks="plain")
    }
    assert statuses["locks"].status == PROBLEM
    assert "old" in statuses["locks"].found
    assert remove_stale_locks(results) == [old]
    assert young.exists()
    young.unlink()
    statuses = {
        check.name: check for check in check_repository(results, records=True, hooks="plain")
    }
    assert {name for name, check in statuses.items() if check.status == PROBLEM} == set()
    assert statuses["records"].status == OK


def test_health_counts_orphans_and_leaves_them(results: ResultsRepository) -> None:
    """Looking does not take the run away from whoever recovers it."""
    Spool(results.store / "spool").create(sample_run_id(3)).release()
    (found,) = [
        check
        for check in check_repository(results, records=False, hooks="plain")
        if check.name == "spool"
    ]
    assert found.status == PROBLEM
    assert found.found.startswith("1 run")
    assert len(list(Spool(results.store / "spool").orphans())) == 1


def test_health_tells_a_commit_whose_trailers_were_changed(results: ResultsRepository) -> None:
    """run.json is the truth: a rewritten message is found out."""
    commit = record(open_recorder(results.root), sample_run_id(0)).commit
    content = git(results.root, "cat-file", "commit", commit)
    forged = git(
        results.root,
        "hash-object",
        "-t",
        "commit",
        "-w",
        "--stdin",
        stdin=content.replace("885.05 samples/s", "999.99 samples/s"),
    ).strip()
    git(results.root, "update-ref", Experiment("tuning").ref, forged)
    (found,) = [
        c for c in check_repository(results, records=True, hooks="plain") if c.name == "records"
    ]
    assert found.status == PROBLEM
    assert "999.99" in found.found
