"""Merge the trees of two experiment branches: runs never conflict, and neither side is "ours".

The result depends on the two trees, on those of their merge bases and on which runs were pruned,
not on the order of the two: every machine that merges the same two commits gets the same tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlrepo.repository.acts import ACTS
from mlrepo.repository.recorder import RUNS

if TYPE_CHECKING:
    import pygit2

# Object id and mode: what a name in a tree stands for.
_Entry = tuple["pygit2.Oid", int]
_Names = tuple[str, ...]
_TREE = 0o040000


@dataclass
class MergedTree:
    """The tree of a merge, without the paths that both sides changed in different ways.

    Attributes
    ----------
    tree:
        Its object id.
    conflicts:
        The paths that are left out, each with the ids of both sides ('' where one has nothing).
    """

    tree: pygit2.Oid
    conflicts: dict[_Names, tuple[str, str]] = field(default_factory=dict)


def differing_runs(
    repo: pygit2.Repository, one: pygit2.Oid, other: pygit2.Oid
) -> tuple[set[str], set[str]]:
    """Return the runs that each of two trees has and the other has not, or not so.

    A run whose acts differ is among both.
    """
    first, second = (_entries(repo, _below(repo, tree, RUNS)) for tree in (one, other))
    return (
        {name for name, entry in first.items() if second.get(name) != entry},
        {name for name, entry in second.items() if first.get(name) != entry},
    )


def merge_trees(
    repo: pygit2.Repository,
    one: pygit2.Oid,
    other: pygit2.Oid,
    bases: Sequence[pygit2.Oid],
    pruned: Mapping[str, bool],
) -> MergedTree:
    """Merge two trees.

    Parameters
    ----------
    repo:
        Where new trees are written.
    bases:
        The trees of the merge bases, none for histories that have nothing in common.
    pruned:
        The runs that were ever pruned, and whether they are now: their files go or come back as
        the acts say. Of all others, the files of both sides stay.
    """
    merged = MergedTree(one)
    merged.tree = _Merge(repo, pruned, merged.conflicts).trees((), one, other, tuple(bases))
    return merged


@dataclass(frozen=True)
class _Merge:
    repo: pygit2.Repository
    pruned: Mapping[str, bool]
    conflicts: dict[_Names, tuple[str, str]]

    def trees(
        self, path: _Names, one: pygit2.Oid, other: pygit2.Oid, bases: Sequence[pygit2.Oid]
    ) -> pygit2.Oid:
        if one == other:
            return one
        before = [_entries(self.repo, base) for base in bases]
        first, second = _entries(self.repo, one), _entries(self.repo, other)
        chosen: dict[str, _Entry | None] = {}
        for name in _different(first, second):
            mine, theirs = first.get(name), second.get(name)
            old = [entries.get(name) for entries in before]
            chosen[name] = self._entry((*path, name), mine, theirs, old)
        return self._written(path, one, first, chosen)

    def _written(
        self,
        path: _Names,
        one: pygit2.Oid,
        first: Mapping[str, _Entry],
        chosen: Mapping[str, _Entry | None],
    ) -> pygit2.Oid:
        import pygit2

        tree = self.repo[one]
        assert isinstance(tree, pygit2.Tree)
        builder = self.repo.TreeBuilder(tree)
        for name, entry in chosen.items():
            try:
                if entry is not None:
                    builder.insert(name, *entry)
                elif name in first:
                    builder.remove(name)
            except UnicodeEncodeError:  # libgit2 keeps such a name, but adds none
                self.conflicts[(*path, name)] = ("", "")
        return builder.write()

    def _entry(
        self, path: _Names, mine: _Entry | None, theirs: _Entry | None, old: Sequence[_Entry | None]
    ) -> _Entry | None:
        """Return what a path that differs becomes; None leaves it out."""
        if len(path) == 2 and path[0] == RUNS:
            return self._run(path[1], mine, theirs, old)
        directories = [entry for entry in (mine, theirs) if entry is not None and _is_tree(entry)]
        if len(directories) == 2 or (path == (RUNS,) and directories):
            return self._directory(path, mine, theirs, old)
        changed = [entry for entry in (mine, theirs) if entry not in old]
        if len(changed) == 1 and old:
            return changed[0]  # the other side left it as it was
        if directories and None in (mine, theirs):
            return self._directory(path, mine, theirs, old)
        if not old and None in (mine, theirs):
            return mine or theirs  # without a merge base nothing was removed
        self.conflicts[path] = (_id(mine), _id(theirs))
        return None

    def _directory(
        self, path: _Names, mine: _Entry | None, theirs: _Entry | None, old: Sequence[_Entry | None]
    ) -> _Entry | None:
        one, other = (
            entry[0] if entry is not None and _is_tree(entry) else self._nothing()
            for entry in (mine, theirs)
        )
        bases = [
            entry[0] if entry is not None and _is_tree(entry) else self._nothing() for entry in old
        ]
        made = self.trees(path, one, other, bases)
        return (made, _TREE) if made != self._nothing() else None

    def _run(
        self, run: str, mine: _Entry | None, theirs: _Entry | None, old: Sequence[_Entry | None]
    ) -> _Entry | None:
        """Return the directory of a run: with the acts of both sides, and whole or pruned."""
        there = [entry for entry in (mine, theirs) if entry is not None]
        if run not in self.pruned:
            if len(there) == 1:
                # Removed by hand on the other side, unless this side did anything since.
                return None if there[0] in old else there[0]
            if not all(map(_is_tree, there)):
                return min(there, key=lambda entry: str(entry[0]))
        first, second = (
            _entries(self.repo, entry[0]) if entry is not None and _is_tree(entry) else {}
            for entry in (mine, theirs)
        )
        files = self._files(first, second, old)
        acts = self._acts(first.get(ACTS), second.get(ACTS))
        chosen = {} if self.pruned.get(run) else files
        if acts is not None:
            chosen = {**chosen, ACTS: acts}
        return self._tree_of(chosen)

    def _files(
        self,
        first: Mapping[str, _Entry],
        second: Mapping[str, _Entry],
        old: Sequence[_Entry | None],
    ) -> dict[str, _Entry]:
        """Return the files of a run; of two that differ, those of one side, never some of each."""
        one, other = (
            {name: entry for name, entry in side.items() if name != ACTS}
            for side in (first, second)
        )
        if all(one[name] == other[name] for name in one.keys() & other.keys()):
            return {**one, **other}
        for entry in old:
            base = _entries(self.repo, entry[0]) if entry is not None and _is_tree(entry) else {}
            for side in (one, other):
                if side and side.items() <= base.items():
                    return side  # as it was recorded: the other side edited it
        return min((one, other), key=lambda side: sorted((n, str(e[0])) for n, e in side.items()))

    def _acts(self, first: _Entry | None, second: _Entry | None) -> _Entry | None:
        if first is None or second is None or first == second:
            return first or second
        if not (_is_tree(first) and _is_tree(second)):
            return min(first, second, key=lambda entry: str(entry[0]))
        one, other = (_entries(self.repo, entry[0]) for entry in (first, second))
        both = {
            name: min((e for e in (one.get(name), other.get(name)) if e), key=lambda e: str(e[0]))
            for name in {**one, **other}
        }
        return self._tree_of(both)

    def _tree_of(self, entries: Mapping[str, _Entry]) -> _Entry | None:
        builder = self.repo.TreeBuilder()
        for name, entry in entries.items():
            try:
                builder.insert(name, *entry)
            except UnicodeEncodeError:  # no mlrepo named it so
                continue
        return (builder.write(), _TREE) if len(builder) else None

    def _nothing(self) -> pygit2.Oid:
        return self.repo.TreeBuilder().write()


def _different(first: Mapping[str, _Entry], second: Mapping[str, _Entry]) -> Iterator[str]:
    for name, entry in first.items():
        if second.get(name) != entry:
            yield name
    yield from (name for name in second if name not in first)


def _below(repo: pygit2.Repository, tree: pygit2.Oid, name: str) -> pygit2.Oid | None:
    entry = _entries(repo, tree).get(name)
    return entry[0] if entry is not None and _is_tree(entry) else None


def _entries(repo: pygit2.Repository, tree: pygit2.Oid | None) -> dict[str, _Entry]:
    import pygit2

    found = None if tree is None else repo[tree]
    if not isinstance(found, pygit2.Tree):
        return {}
    return {str(entry.name): (entry.id, int(entry.filemode)) for entry in found}


def _is_tree(entry: _Entry) -> bool:
    return entry[1] == _TREE


def _id(entry: _Entry | None) -> str:
    return "" if entry is None else str(entry[0])
