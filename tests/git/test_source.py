"""The state of the user's working tree when a run starts, read without touching it."""

from __future__ import annotations

from pathlib import Path

from mlrepo.record import SourceFacts
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.source import collect_garbage, source_state
from tests.samples import git


def test_a_clean_tree_is_its_commit(results: ResultsRepository) -> None:
    """Commit and branch are named; untracked files do not make it dirty."""
    (results.root / "untracked").touch()
    commit = git(results.root, "rev-parse", "HEAD").strip()
    assert source_state(results) == SourceFacts(commit, "main", dirty=False)


def test_a_dirty_tree_has_the_digest_of_its_difference(results: ResultsRepository) -> None:
    """Staged or not, text or bytes: another difference, another digest."""
    digests = set()
    for content in (b"changed\n", b"\0\xff\xfe\n", b"\0\xff\xfd\n"):
        (results.root / "README.md").write_bytes(content)
        for _ in range(2):
            state = source_state(results)
            assert state.dirty is True
            digests.add(state.diff_sha256)
            git(results.root, "add", "README.md")
    assert len(digests) == 3


def test_reading_the_state_leaves_the_index_alone(results: ResultsRepository) -> None:
    """A file whose time changed would make ``git status`` write the index; it is not written."""
    (results.root / "README.md").touch()
    index = results.git_dir / "index"
    before = (index.read_bytes(), index.stat().st_mtime_ns, index.stat().st_ino)
    assert source_state(results).dirty is False
    assert (index.read_bytes(), index.stat().st_mtime_ns, index.stat().st_ino) == before


def test_without_a_commit_everything_is_dirty(tmp_path: Path) -> None:
    """An unborn branch has no commit to name."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "mlrepo.toml").touch()
    assert source_state(find_repository(tmp_path)) == SourceFacts(dirty=True)


def test_collecting_garbage_keeps_what_is_being_recorded(results: ResultsRepository) -> None:
    """Objects of a record in progress belong to no branch yet; also with gc.pruneExpire=now."""
    git(results.root, "config", "gc.pruneExpire", "now")
    git(results.root, "config", "gc.auto", "1")
    git(results.root, "config", "gc.autoDetach", "false")
    blobs = [str(results.git.create_blob(f"{number}\n".encode())) for number in range(1000)]
    # By the files of this one directory git estimates how many loose objects there are.
    assert len(list((results.common_dir / "objects" / "17").iterdir())) > 1
    collect_garbage(results)
    assert int(git(results.root, "count-objects").split()[0]) == len(blobs), "the rest is packed"
    for blob in (blobs[0], blobs[-1]):
        assert git(results.root, "cat-file", "-t", blob) == "blob\n"
