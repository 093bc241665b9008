"""Working directory, index and commit show the same tree, and no link leads out of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.repository.git_trees import CommitTree, IndexTree
from mlrepo.repository.trees import DirectoryTree
from mlrepo.tree import Entry, Kind, Missing, Tree, walk
from tests.samples import git

_LARGE = b"0123456789abcdef" * (1 << 20) + b"end"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with every kind of name and file that Git can hold, committed."""
    root = tmp_path / "tree"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a-b").mkdir()
    (root / "a" / "b" / "log.txt").write_bytes(b"line\n")
    (root / "a" / "empty").write_bytes(b"")
    (root / "a-b" / "x").write_bytes(b"beside")
    (root / "a.txt").write_bytes(b"sorts between a-b and a/")
    (root / "a0").write_bytes(b"sorts behind a/")
    (root / "large").write_bytes(_LARGE)
    (root / "new\nline").write_bytes(b"n")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe")).write_bytes(b"not utf-8")
    (root / "out").symlink_to("/etc/passwd")
    (root / "dir-link").symlink_to("a")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", ".")
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    git(root, "commit", "--quiet", "--message", "All")
    return root


def contents(tree: Tree) -> dict[str, tuple[Kind, int, str, bytes]]:
    """Contents."""
    return {
        path: (
            entry.kind,
            entry.size,
            entry.target,
            tree.read(path) if entry.kind is Kind.FILE else b"",
        )
        for path, entry in walk(tree)
    }


def test_the_three_views_agree(root: Path) -> None:
    """The three views agree."""
    seen = contents(DirectoryTree(root))
    assert seen["a/b/log.txt"] == (Kind.FILE, 5, "", b"line\n")
    assert seen["large"] == (Kind.FILE, len(_LARGE), "", _LARGE)
    assert seen["out"] == (Kind.LINK, -1, "/etc/passwd", b"")
    assert seen["\udcff\udcfe"][3] == b"not utf-8"
    assert seen["new\nline"][3] == b"n"
    index, commit = IndexTree(root), CommitTree(root, "main")
    assert contents(index) == contents(commit)
    assert contents(commit) == seen | {"module": (Kind.SUBMODULE, -1, "", b"")}
    assert index.oids([""]) == commit.oids([""])
    index.close()
    commit.close()


def test_each_view_finds_an_entry_without_listing(root: Path) -> None:
    """Each view finds an entry without listing."""
    for tree in (DirectoryTree(root), IndexTree(root), CommitTree(root, "HEAD")):
        assert tree.entry("a/b/log.txt") == Entry("log.txt", Kind.FILE, 5)
        assert tree.entry("a/b") == Entry("b", Kind.DIRECTORY)
        assert tree.entry("a/bb") is None
        assert tree.entry("a/b/log.txt/x") is None
        assert tree.entries("a/b/log.txt") == ()
        assert tree.read("a/b/log.txt", 3) == b"lin"


def test_links_are_never_followed(root: Path) -> None:
    """Links are never followed."""
    for tree in (DirectoryTree(root), IndexTree(root), CommitTree(root, "HEAD")):
        for path in ("out", "dir-link", "dir-link/empty", "a", "absent"):
            with pytest.raises(Missing):
                tree.read(path)
        assert tree.entries("dir-link") == ()


def test_a_fifo_and_a_late_link_do_not_hang_or_lead_away(tmp_path: Path) -> None:
    """A fifo and a late link do not hang or lead away."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("x")
    tree = DirectoryTree(tmp_path)
    assert [(e.name, e.kind) for e in tree.entries("")] == [
        ("fifo", Kind.SPECIAL),
        ("file", Kind.FILE),
    ]
    (tmp_path / "file").unlink()
    (tmp_path / "file").symlink_to("/etc/passwd")
    with pytest.raises(Missing):
        tree.read("file")
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    with pytest.raises(Missing):
        tree.read("file")


def _oid(tree: Tree, path: str) -> str:
    [oid] = tree.oids([path])
    return oid


def test_the_oid_of_a_directory_changes_with_anything_below(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not told before the change is old enough that another one would show."""
    assert _oid(DirectoryTree(root), "a") == ""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)
    before = _oid(DirectoryTree(root), "a")
    assert before == _oid(DirectoryTree(root), "a") != ""
    (root / "a" / "b" / "log.txt").write_bytes(b"LINE\n")
    after = _oid(DirectoryTree(root), "a")
    assert after != before
    (root / "a" / "b" / "log.txt").rename(root / "a" / "b" / "other.txt")
    assert _oid(DirectoryTree(root), "a") not in (before, after)


def test_the_index_is_seen_not_the_working_tree(root: Path, tmp_path: Path) -> None:
    """The index is seen not the working tree."""
    before = _oid(IndexTree(root), "a/b")
    (root / "a" / "b" / "log.txt").write_bytes(b"unstaged\n")
    assert _oid(IndexTree(root), "a/b") == before
    git(root, "add", "a/b/log.txt")
    staged = IndexTree(root)
    assert _oid(staged, "a/b") != before
    assert staged.read("a/b/log.txt") == b"unstaged\n"
    other = tmp_path / "other-index"
    subprocess.run(
        ["git", "read-tree", "HEAD"],
        cwd=root,
        env=os.environ | {"GIT_INDEX_FILE": str(other)},
        check=True,
    )
    assert _oid(IndexTree(root, other), "a/b") == before


def test_an_index_with_conflicts_is_refused(root: Path) -> None:
    """An index with conflicts is refused."""
    blob = git(root, "hash-object", "-w", "--stdin", stdin="x").strip()
    git(root, "update-index", "--index-info", stdin=f"100644 {blob} 1\tz\n100644 {blob} 2\tz\n")
    with pytest.raises(UserError, match="conflicts"):
        IndexTree(root)


def test_a_missing_blob_is_unreadable(root: Path) -> None:
    """A missing blob is unreadable."""
    oid = git(root, "rev-parse", "HEAD:a0").strip()
    (root / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    tree = CommitTree(root, "HEAD")
    assert tree.entry("a0") == Entry("a0", Kind.UNREADABLE)
    with pytest.raises(Missing, match=oid):
        tree.read("a0")
    assert tree.read("a.txt") == b"sorts between a-b and a/"


def test_an_unknown_revision_is_an_error_of_the_user(root: Path) -> None:
    """An unknown revision is an error of the user."""
    for rev in ("nowhere", "--help", "HEAD:a.txt"):
        with pytest.raises(UserError, match="names no commit"):
            CommitTree(root, rev)


def test_an_empty_index_has_nothing(tmp_path: Path) -> None:
    """An empty index has nothing."""
    git(tmp_path, "init", "--quiet")
    tree = IndexTree(tmp_path)
    assert tree.entries("") == ()
    assert tree.entry("x") is None


def test_none_of_the_views_needs_libgit2() -> None:
    """None of the views needs libgit2."""
    code = "import sys, mlrepo.repository.trees, mlrepo.repository.git_trees as g; " + (
        "sys.exit(any(m in sys.modules for m in ('pygit2', 'click', 'cerberus', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
