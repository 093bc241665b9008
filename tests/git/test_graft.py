"""Grafted trees are the trees that git's own index would make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlrepo.paths import RepoPath
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.graft import find_blob, graft
from tests.samples import git

# Names whose order differs between files and directories: git sorts a directory as "name/".
_NAMES = st.sampled_from(["a", "a.b", "a-b", "a b", "a0", "ab", "A", "b", "runs", "x+y", "=", "z"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map(lambda names: RepoPath(tuple(names)))
_CONTENTS = st.sampled_from([b"", b"one\n", b"two\n", b"\0\xff"])


def _without_conflicts(files: dict[RepoPath, bytes]) -> dict[RepoPath, bytes]:
    """Leave out paths below other paths: no tree holds a file and a directory of one name."""
    prefixes = {path.parts[:depth] for path in files for depth in range(1, len(path.parts))}
    return {path: data for path, data in files.items() if path.parts not in prefixes}


_FILES = st.dictionaries(_PATHS, _CONTENTS, min_size=1, max_size=12).map(_without_conflicts)
_MODES = st.sampled_from(["100644", "100755", "120000"])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(base=_FILES, mode=_MODES, added=_FILES)
def test_a_graft_is_what_git_update_index_makes(
    results: ResultsRepository, base: dict[RepoPath, bytes], mode: str, added: dict[RepoPath, bytes]
) -> None:
    """For any base tree and any set of paths, graft and index give the same tree id."""
    repo = pygit2.Repository(str(results.root))
    index = results.root.parent / "index"
    index.unlink(missing_ok=True)
    base_tree = _tree_by_git(repo, index, base, mode)
    blobs = {path: repo.create_blob(data) for path, data in added.items()}
    expected = _tree_by_git(repo, index, added, "100644")
    grafted = graft(repo, pygit2.Oid(hex=base_tree), blobs)
    assert str(grafted) == expected
    for path, data in added.items():
        oid = find_blob(repo, grafted, path)
        assert oid is not None
        blob = repo[oid]
        assert isinstance(blob, pygit2.Blob)
        assert blob.data == data
    assert str(graft(repo, None, blobs)) == _tree_by_git(
        repo, results.root.parent / "other", added, "100644", fresh=True
    )


def _tree_by_git(
    repo: pygit2.Repository,
    index: Path,
    files: dict[RepoPath, bytes],
    mode: str,
    *,
    fresh: bool = False,
) -> str:
    if fresh:
        index.unlink(missing_ok=True)
    lines = "".join(f"{mode} {repo.create_blob(data)}\t{path}\n" for path, data in files.items())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_INDEX_FILE", str(index))
        git(Path(repo.workdir), "update-index", "--index-info", stdin=lines)
        return git(Path(repo.workdir), "write-tree").strip()


def test_what_is_not_on_the_path_keeps_mode_and_id(results: ResultsRepository) -> None:
    """Executables, symbolic links and submodules beside a grafted file stay what they are."""
    root = results.root
    (root / "code").mkdir()
    (root / "code" / "run.sh").write_text("#!/bin/sh\n")
    (root / "code" / "run.sh").chmod(0o755)
    (root / "code" / "link").symlink_to("run.sh")
    git(root, "add", ".")
    commit = git(root, "rev-parse", "HEAD").strip()
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{commit},code/module")
    base = git(root, "write-tree").strip()
    repo = pygit2.Repository(str(root))
    blob = repo.create_blob(b"new\n")
    tree = graft(repo, pygit2.Oid(hex=base), {RepoPath(("code", "new")): blob})
    before = set(git(root, "ls-tree", "-r", base).splitlines())
    after = set(git(root, "ls-tree", "-r", str(tree)).splitlines())
    assert after - before == {f"100644 blob {blob}\tcode/new"}
    assert before <= after


def test_only_the_directories_on_the_path_are_written(
    make_repository: Callable[..., ResultsRepository],
) -> None:
    """The cost of a graft does not depend on how many files the repository has."""
    repository = make_repository()
    repo = pygit2.Repository(str(repository.root))
    blob = repo.create_blob(b"x\n")
    wide = graft(
        repo,
        None,
        {RepoPath((f"d{i}", f"e{j}", "f")): blob for i in range(20) for j in range(20)},
    )
    before = _count_objects(repository.root)
    graft(repo, wide, {RepoPath(("d7", "e7", "new")): blob, RepoPath(("d7", "g", "new")): blob})
    # The root, d7, d7/e7, d7/g.
    assert _count_objects(repository.root) - before == 4


def test_nothing_is_found_below_a_file_or_beside_the_tree(results: ResultsRepository) -> None:
    """Looking below a file, below nothing, and in no tree finds nothing."""
    repo = pygit2.Repository(str(results.root))
    tree = repo.head.peel(pygit2.Tree).id
    assert find_blob(repo, tree, RepoPath(("README.md",))) is not None
    assert find_blob(repo, tree, RepoPath(("README.md", "below"))) is None
    assert find_blob(repo, tree, RepoPath(("absent", "below"))) is None
    assert find_blob(repo, None, RepoPath(("README.md",))) is None


def _count_objects(root: Path) -> int:
    return int(git(root, "count-objects").split()[0])
