"""The files of a tree that belong to chosen results, and their overlay with the user's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mlrepo.paths import RepoPath
from mlrepo.repository.commit_view import DIRECTORY, CommitView, Existing, entries_of

# In every layout <division>/<submitter>/<one of these>/<system>/<benchmark>/<scenario>.
_BY_RESULT = frozenset({"results", "measurements", "compliance"})
_SYSTEMS = "systems"
# Directories of a submission that do not contain documents.
GENERATED = _BY_RESULT | {_SYSTEMS}

Pieces = dict[RepoPath, Existing]


@dataclass(frozen=True)
class ChosenPart:
    """The part of a tree that belongs to chosen results.

    Attributes
    ----------
    tails:
        ``<system>, <benchmark>, <scenario>`` of the results of each ``<division>/<submitter>``.
    """

    tails: Mapping[str, frozenset[tuple[str, ...]]]

    @classmethod
    def of(cls, results: Iterable[str]) -> ChosenPart:
        """Return the part that belongs to the results at these paths."""
        tails: dict[str, set[tuple[str, ...]]] = {}
        for path in results:
            division, submitter, _, *tail = path.split("/")
            tails.setdefault(f"{division}/{submitter}", set()).add(tuple(tail))
        return cls({root: frozenset(own) for root, own in tails.items()})

    def holds(self, path: str) -> bool:
        """Return whether a file belongs to it: to a result, to its system, or beside results.

        Files in a directory above a result do; descriptions of other systems do not.
        """
        division, submitter, *rest = path.split("/")
        tails = self.tails.get(f"{division}/{submitter}", frozenset())
        if not tails or not rest:
            return False
        head, *inner = rest
        if head in _BY_RESULT:
            if not inner:
                return True
            above = tuple(inner[:-1])[:3]
            return any(tail[: len(above)] == above for tail in tails)
        if head == _SYSTEMS and len(inner) == 1 and inner[0].endswith(".json"):
            return inner[0].removesuffix(".json") in {tail[0] for tail in tails}
        return True

    def pieces(self, view: CommitView, documents: Iterable[str] | None = None) -> Pieces:
        """Return the part as few, large objects: whole directories where possible.

        Parameters
        ----------
        documents:
            Paths of the files taken besides results; None for all.
        """
        found: Pieces = {}
        for root in self.tails:
            top = RepoPath.parse(root)
            for name, entry in view.entries(top).items():
                path = top / name
                if name not in GENERATED:
                    if documents is None or str(path) in documents:
                        found[path] = entry
                elif entry.mode == DIRECTORY:
                    found |= dict(self._below(view, path))
        return found

    def _below(self, view: CommitView, directory: RepoPath) -> Iterator[tuple[RepoPath, Existing]]:
        for name, entry in view.entries(directory).items():
            path = directory / name
            if entry.mode != DIRECTORY:
                if self.holds(str(path)):
                    yield path, entry
            elif path.parts[2] == _SYSTEMS or len(path.parts) == 6:
                if self.holds(f"{path}/x"):
                    yield path, entry
            elif self.holds(f"{path}/x"):
                yield from self._below(view, path)


@dataclass
class Overlay:
    """Lays one set of pieces over another; where two files differ, the upper one wins.

    Attributes
    ----------
    view:
        Reads the objects of both.
    covered:
        The paths at which an upper file replaced a lower one.
    """

    view: CommitView
    covered: list[RepoPath] = field(default_factory=list)

    def over(
        self, upper: Mapping[RepoPath, Existing], lower: Mapping[RepoPath, Existing]
    ) -> Pieces:
        """Return the combined pieces."""
        found = dict(lower)
        for path, entry in upper.items():
            below = found.get(path)
            if below is None or below == entry:
                found[path] = entry
            elif below.mode == entry.mode == DIRECTORY:
                del found[path]
                found |= self.over(self._in(path, entry), self._in(path, below))
            else:
                self.covered.append(path)
                found[path] = entry
        return found

    def _in(self, path: RepoPath, directory: Existing) -> Pieces:
        entries = entries_of(self.view.repo, directory.oid)
        return {path / name: entry for name, entry in entries.items()}
