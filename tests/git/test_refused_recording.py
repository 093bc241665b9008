"""What recording refuses, and that a failure leaves nothing half-written."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlrepo.errors import Busy, UserError
from mlrepo.paths import RepoPath
from mlrepo.repository import bulk_runs, commits
from mlrepo.repository import recorder as recorder_module
from mlrepo.repository.bulk_runs import RunToRecord, record_runs
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import recorded_runs
from mlrepo.repository.identity import git_identity
from mlrepo.repository.raw_store import RawStore
from mlrepo.repository.recorder import RUNS, Composition, Recorder, Tip
from mlrepo.repository.spool import Spool
from tests.git.writer import record_spooled, spool_run
from tests.samples import git, sample_composition, sample_files, sample_run_id

_EXPERIMENT = Experiment("tuning")


def _record(recorder: Recorder, run: str, experiment: Experiment = _EXPERIMENT) -> str:
    return recorder.record(
        experiment, run, sample_files(run), lambda tip: sample_composition(run, tip)
    ).commit


def _check_out(root: Path) -> Path:
    git(root, "switch", "exp/tuning")
    return root


def _check_out_beside(root: Path) -> Path:
    beside = root.parent / "beside"
    git(root, "worktree", "add", str(beside), "exp/tuning")
    return beside


def _stop_rebasing(tree: Path, *options: str) -> Path:
    """Leave a rebase of the branch stopped at a conflict: HEAD is detached then."""
    (tree / "README.md").write_text("Results of the experiment\n")
    git(tree, "commit", "--all", "--message", "readme")
    git(tree, "branch", "other", "main")
    other = tree.parent / "other"
    git(tree, "worktree", "add", str(other), "other")
    (other / "README.md").write_text("Results of the other\n")
    git(other, "commit", "--all", "--message", "other readme")
    assert "CONFLICT" in git(tree, "rebase", *options, "other", ok=False)
    assert git(tree, "rev-parse", "--abbrev-ref", "HEAD").strip() == "HEAD"
    return tree


_OCCUPATIONS: dict[str, Callable[[Path], Path]] = {
    "main tree": _check_out,
    "linked worktree": _check_out_beside,
    "main tree in a rebase": lambda root: _stop_rebasing(_check_out(root), "--merge"),
    "main tree in an apply rebase": lambda root: _stop_rebasing(_check_out(root), "--apply"),
    "linked worktree in a rebase": lambda root: _stop_rebasing(_check_out_beside(root)),
}


@pytest.mark.parametrize("occupy", _OCCUPATIONS.values(), ids=_OCCUPATIONS)
def test_a_branch_in_use_by_a_working_tree_is_refused_as_git_refuses_it(
    results: ResultsRepository, recorder: Recorder, occupy: Callable[[Path], Path]
) -> None:
    """Recording would move the branch under that tree; git's own refusal is the measure."""
    _record(recorder, sample_run_id(0))
    tree = occupy(results.root)
    tip = git(results.root, "rev-parse", "exp/tuning")
    refusal = git(results.root, "branch", "--force", "exp/tuning", "main", ok=False)
    assert "annot force update the branch" in refusal
    for start in {results.root, tree}:  # from whichever tree the benchmark is started
        here = find_repository(start)
        with pytest.raises(UserError, match="exp/tuning is checked out") as refused:
            _record(Recorder(here, git_identity(start)), sample_run_id(1))
        assert "--experiment" in refused.value.hint
    assert git(results.root, "rev-parse", "exp/tuning") == tip
    _record(recorder, sample_run_id(1), Experiment("another"))


def test_another_branch_checked_out_in_a_linked_worktree_is_no_obstacle(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """A run recorded from a linked worktree lands in the common repository."""
    beside = results.root.parent / "beside"
    git(results.root, "worktree", "add", "-b", "feature", str(beside))
    here = find_repository(beside)
    assert here.common_dir == results.common_dir
    assert here.store == results.store
    _record(Recorder(here, git_identity(beside)), sample_run_id(0))
    assert [run.run for run in recorded_runs(results)] == [sample_run_id(0)]


def test_a_repository_with_sha256_objects_is_refused_with_a_way_out(
    make_repository: Callable[..., ResultsRepository],
) -> None:
    """libgit2 cannot write SHA-256 objects; the message says so and how to begin anew."""
    repository = make_repository("modern", "--object-format=sha256")
    with pytest.raises(UserError, match="SHA-256 objects") as refused:
        _ = repository.git
    assert "--object-format=sha1" in refused.value.hint


@pytest.mark.parametrize("missing", ["NAME", "EMAIL"])
def test_without_an_identity_recording_is_refused(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """No identity is invented from login and host name; the hint has git's own commands."""
    monkeypatch.delenv(f"GIT_AUTHOR_{missing}")
    monkeypatch.delenv(f"GIT_COMMITTER_{missing}")
    with pytest.raises(UserError, match="does not know who you are") as refused:
        git_identity(results.root)
    assert "git config --global user.name" in refused.value.hint
    assert "git config --global user.email" in refused.value.hint


def test_an_empty_address_is_no_identity(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git takes an empty e-mail address, libgit2 does not: said at once, not after ten seconds."""
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "")
    with pytest.raises(UserError, match="does not know who you are"):
        git_identity(results.root)


def test_the_identity_is_the_one_that_git_uses(
    results: ResultsRepository, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Author and committer come from the environment before the configuration."""
    git(results.root, "config", "user.name", "Konrad Config")
    git(results.root, "config", "user.email", "konrad@example.org")
    commit = _record(recorder, sample_run_id(0))
    shown = git(results.root, "log", "-1", "--format=%an <%ae> %cn <%ce>", commit).strip()
    assert shown == "Ada Author <ada@example.org> Carl Committer <carl@example.org>"
    monkeypatch.delenv("GIT_AUTHOR_NAME")
    assert git_identity(results.root).author.name == "Konrad Config"


def test_a_file_beyond_the_limit_is_refused(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """A file that Git hosts would refuse does not get into history; the spool keeps it."""
    big = tmp_path / "big"
    with big.open("wb") as stream:
        stream.truncate(recorder_module.MAX_BLOB_SIZE + 1)
    run = sample_run_id(0)
    with pytest.raises(UserError, match="52428801 bytes"):
        recorder.record(
            _EXPERIMENT,
            run,
            {RepoPath((RUNS, run, "big.txt")): big},
            lambda tip: sample_composition(run, tip),
        )
    assert list(recorded_runs(results)) == []


def test_a_file_that_vanished_is_named_at_once(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """A missing source file is no lock to wait for."""
    run = sample_run_id(0)
    with pytest.raises(UserError, match=r"gone\.txt"):
        recorder.record(
            _EXPERIMENT,
            run,
            {RepoPath((RUNS, run, "gone.txt")): tmp_path / "gone.txt"},
            lambda tip: sample_composition(run, tip),
        )


def test_a_bug_in_composing_is_raised_and_not_called_busy(recorder: Recorder) -> None:
    """Only what a foreign git can cause is tried again."""

    def compose(tip: Tip) -> Composition:
        raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        recorder.record(_EXPERIMENT, sample_run_id(0), {}, compose)


def test_a_link_to_a_file_of_no_run_is_a_bug(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """A placed file must be one of the commit's own; nothing is recorded otherwise."""
    run = sample_run_id(0)
    links = {RepoPath(("closed", "x")): RepoPath((RUNS, run, "absent"))}
    with pytest.raises(ValueError, match="absent"):
        recorder.record(
            _EXPERIMENT, run, sample_files(run), lambda tip: Composition("message", links=links)
        )
    assert list(recorded_runs(results)) == []


def test_the_branch_never_moves_to_a_commit_that_could_not_be_written(
    results: ResultsRepository, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the pack of new objects cannot be put, no branch is made and no pack is half there."""
    monkeypatch.setattr(commits, "_ATTEMPTS_SECONDS", 0.1)
    packs = results.common_dir / "objects" / "pack"
    for file in packs.iterdir():
        file.unlink()
    packs.rmdir()
    packs.touch()
    with pytest.raises(Busy, match="File exists"):
        _record(recorder, sample_run_id(0))
    assert results.git.references.get(_EXPERIMENT.ref) is None
    packs.unlink()
    again = find_repository(results.root)
    assert again.git[_record(Recorder(again, recorder.identity), sample_run_id(0))] is not None


@contextlib.contextmanager
def _small_disk(directory: Path, size: str) -> Iterator[None]:
    """Mount a tmpfs, as only root can."""
    directory.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        # Lazily: libgit2 keeps packs mapped.
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def test_a_full_disk_leaves_nothing_half_written(
    make_repository: Callable[..., ResultsRepository], tmp_path: Path
) -> None:
    """Wherever the disk runs full: an error, a sound repository, and the run still in the spool."""
    disk = tmp_path / "disk"
    with _small_disk(disk, "4m"):
        repository = make_repository("disk/results")
        recorder = Recorder(repository, git_identity(repository.root))
        spool = Spool(repository.store / "spool")
        filler = disk / "filler"
        failures = 0
        for free in range(0, 200, 8):  # KiB left when recording begins
            orphan = spool_run(spool, sample_run_id(free))
            _fill(filler, free * 1024)
            try:
                record_spooled(recorder, _EXPERIMENT, orphan)
            except UserError as error:
                failures += 1
                assert "No space left" in error.message
                assert "doctor" in error.hint
                tip = git(repository.root, "for-each-ref", _EXPERIMENT.ref)
                filler.unlink()
                git(repository.root, "fsck", "--strict", "--no-progress")
                assert len(list(orphan.directory.iterdir())) == len(sample_files("x"))
                assert git(repository.root, "for-each-ref", _EXPERIMENT.ref) == tip
                record_spooled(recorder, _EXPERIMENT, orphan)
            filler.unlink(missing_ok=True)
            orphan.discard()
            git(repository.root, "fsck", "--strict", "--no-progress")
            git(repository.root, "gc", "--quiet")
        assert 3 <= failures < 25, "the sizes must meet both a full disk and one with room"
        assert len(list(recorded_runs(repository))) == 25


@pytest.mark.parametrize(("free", "fails"), [(0, True), (8, True), (24, True), (2000, False)])
def test_a_disk_that_fills_up_while_a_round_is_recorded_leaves_whole_runs(
    make_repository: Callable[..., ResultsRepository],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    fails: bool,
) -> None:
    """The batches before stay, the message says what to do, and the same again completes it.

    ``free`` KiB are left for the second batch, which needs 30.
    """
    monkeypatch.setattr(bulk_runs, "_MOST_RUNS", 3)
    disk = tmp_path / "disk"
    runs = [
        RunToRecord(sample_run_id(number), f"run {number}", {"log": os.urandom(10_000)})
        for number in range(6)
    ]

    with _small_disk(disk, "4m"):
        repository = make_repository("disk/results")
        identity = git_identity(repository.root)

        def recorded() -> list[str]:
            tree = f"{_EXPERIMENT.ref}:runs"
            git(repository.root, "fsck", "--strict", "--no-progress")
            return git(repository.root, "ls-tree", "--name-only", tree).split()

        failed = False
        try:
            commits = record_runs(repository, identity, _EXPERIMENT, iter(runs))
            for number, _ in enumerate(commits, start=1):
                if number == 3:
                    _fill(disk / "filler", free * 1024)
        except UserError as error:
            failed = True
            assert "No space left" in error.message
            assert "The runs before are recorded; run the command again" in error.hint
        assert failed == fails
        assert recorded() == sorted(run.run for run in runs[: 3 if failed else 6])
        (disk / "filler").unlink()
        list(record_runs(repository, identity, _EXPERIMENT, iter(runs)))
        assert recorded() == sorted(run.run for run in runs)


def test_a_full_disk_is_said_by_the_raw_store(tmp_path: Path) -> None:
    """A full log that cannot be kept is an error for the user, and no part of it stays."""
    disk, log = tmp_path / "disk", tmp_path / "mlperf_log_accuracy.json"
    log.write_bytes(b"x" * 2_000_000)
    with _small_disk(disk, "1m"):
        store = RawStore(disk / "raw")
        with pytest.raises(UserError, match="No space left"):
            store.add(log)
        assert list(store.root.iterdir()) == []


def _fill(filler: Path, leave: int) -> None:
    """Fill the disk but for ``leave`` bytes."""
    free = shutil.disk_usage(filler.parent).free
    with filler.open("wb") as stream:
        stream.write(b"\0" * max(0, free - leave))


def test_a_repository_that_cannot_be_written_is_refused(
    make_repository: Callable[..., ResultsRepository], tmp_path: Path
) -> None:
    """On a read-only file system spool and recorder say what must change."""
    disk = tmp_path / "disk"
    with _small_disk(disk, "4m"):
        repository = make_repository("disk/results")
        recorder = Recorder(repository, git_identity(repository.root))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(UserError, match="Read-only file system") as refused:
            _record(recorder, sample_run_id(0))
        assert "writable" in refused.value.hint
        with pytest.raises(UserError, match="Read-only file system"):
            Spool(repository.store / "spool").create(sample_run_id(0))


def test_a_directory_without_permission_to_write_is_refused(results: ResultsRepository) -> None:
    """Without the right to write, recording ends with a message (also for root: as nobody)."""
    script = (
        "import os, sys; from pathlib import Path\n"
        "from samples import sample_composition, sample_files\n"
        "from mlrepo.errors import UserError\n"
        "from mlrepo.repository.discovery import find_repository\n"
        "from mlrepo.repository.experiments import Experiment\n"
        "from mlrepo.repository.identity import git_identity\n"
        "from mlrepo.repository.recorder import Recorder\n"
        "import mlrepo.repository.locks, mlrepo.repository.graft, pygit2.enums\n"
        "repository = find_repository(Path(sys.argv[1])); repository.git\n"
        "recorder = Recorder(repository, git_identity(repository.root))\n"
        "os.chdir(repository.root)\n"
        "if os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
        "run = '20261123T120000Z-0a1b2c'\n"
        "try: recorder.record(Experiment('x'), run, sample_files(run), "
        "lambda tip: sample_composition(run, tip))\n"
        "except UserError as error: print(error.message, error.hint)\n"
    )
    directories = [results.common_dir, *results.common_dir.rglob("*")]
    for directory in directories:
        if directory.is_dir():
            directory.chmod(0o555)
    # The temporary directory of pytest itself is closed to others.
    closed = [parent for parent in results.root.parents if parent.stat().st_mode & 0o055 != 0o055]
    modes = {parent: parent.stat().st_mode for parent in closed}
    try:
        for parent in closed:
            parent.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", script, str(results.root)],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for parent, mode in modes.items():
            parent.chmod(mode)
        for directory in directories:
            if directory.is_dir():
                directory.chmod(0o755)
    assert "ermission denied" in done.stdout, done.stdout + done.stderr
    assert "writable" in done.stdout
