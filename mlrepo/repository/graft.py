"""New trees from old ones: only the directories on the changed paths are rewritten.

The cost depends on the depth and width of directories, not on the number of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlrepo.paths import RepoPath

if TYPE_CHECKING:
    import pygit2


def graft(
    repo: pygit2.Repository, base: pygit2.Oid | None, blobs: Mapping[RepoPath, pygit2.Oid | None]
) -> pygit2.Oid:
    """Return the tree ``base`` (None: empty) with each path of ``blobs`` set to its blob.

    A file in the place of a directory, or the reverse, is replaced. Paths set to None are removed,
    along with directories that become empty.
    """
    return _graft(repo, base, {path.parts: oid for path, oid in blobs.items()})


def _graft(
    repo: pygit2.Repository,
    base: pygit2.Oid | None,
    blobs: Mapping[tuple[str, ...], pygit2.Oid | None],
) -> pygit2.Oid:
    import pygit2
    from pygit2.enums import FileMode

    tree = repo[base] if base is not None else None
    assert tree is None or isinstance(tree, pygit2.Tree)
    builder = repo.TreeBuilder(tree) if tree is not None else repo.TreeBuilder()
    below: dict[str, dict[tuple[str, ...], pygit2.Oid | None]] = {}
    for parts, oid in blobs.items():
        if len(parts) == 1 and oid is not None:
            builder.insert(parts[0], oid, FileMode.BLOB)
        elif len(parts) == 1:
            _remove(builder, parts[0])
        else:
            below.setdefault(parts[0], {})[parts[1:]] = oid
    for name, children in below.items():
        child = tree[name] if tree is not None and name in tree else None
        subtree = child.id if isinstance(child, pygit2.Tree) else None
        made = _graft(repo, subtree, children)
        if len(repo[made]):  # type: ignore[arg-type]
            builder.insert(name, made, FileMode.TREE)
        else:
            _remove(builder, name)
    return builder.write()


def _remove(builder: pygit2.TreeBuilder, name: str) -> None:
    if builder.get(name) is not None:
        builder.remove(name)


def find_blob(
    repo: pygit2.Repository, tree: pygit2.Oid | None, path: RepoPath
) -> pygit2.Oid | None:
    """Return the id of the file at ``path`` below ``tree``, or None."""
    import pygit2

    current = tree
    for part in path.parts:
        if current is None:
            return None
        entries = repo[current]
        if not isinstance(entries, pygit2.Tree) or part not in entries:
            return None
        current = entries[part].id
    return current
