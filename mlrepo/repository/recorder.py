"""One commit on an experiment branch, made without touching working tree, index, HEAD or hooks."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.repository.commits import (
    MovedError,
    publish_commit,
    refuse_if_checked_out,
    until_made,
    write_commit,
)
from mlrepo.repository.damage import read_tip
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import ANOTHER_EXPERIMENT, Experiment, continued_by, start_point
from mlrepo.repository.graft import find_blob, graft
from mlrepo.repository.identity import Identity
from mlrepo.repository.locks import locked
from mlrepo.repository.process import GitError, git
from mlrepo.repository.quarantine import Quarantine, new_objects, quarantined, unreadable

if TYPE_CHECKING:
    import pygit2

RUNS = "runs"
LOCK_TIMEOUT = 60.0
# What Git hosts refuse (GitHub: 100 MB), with room: no log in a commit comes near it.
MAX_BLOB_SIZE = 50 * 1024 * 1024


@dataclass(frozen=True)
class Tip:
    """The tree at the tip of an experiment branch, read-only; empty before the first commit."""

    repo: pygit2.Repository
    tree: pygit2.Oid | None

    def blob_id(self, path: RepoPath) -> str | None:
        """Return the object id of the file at ``path``, or None."""
        with _reading():
            oid = self._find(path)
        return None if oid is None else str(oid)

    def read(self, path: RepoPath) -> bytes | None:
        """Return the content of the file at ``path``, or None."""
        with _reading():
            oid = self._find(path)
            return None if oid is None else read_blob(self.repo, oid)

    def run_ids(self) -> list[str]:
        """Return the ids of the runs recorded up to here, newest first."""
        with _reading():
            return sorted(self._runs, reverse=True)

    def _find(self, path: RepoPath) -> pygit2.Oid | None:
        if path.parts[0] != RUNS or len(path.parts) == 1:
            return find_blob(self.repo, self.tree, path)
        run = self._runs.get(path.parts[1])
        return run if len(path.parts) == 2 else find_blob(self.repo, run, RepoPath(path.parts[2:]))

    @functools.cached_property
    def _runs(self) -> dict[str, pygit2.Oid]:
        """The trees of all runs: libgit2 keeps no large tree, and parses it at each look-up."""
        import pygit2

        oid = find_blob(self.repo, self.tree, RepoPath((RUNS,)))
        found = None if oid is None else self.repo[oid]
        return {str(e.name): e.id for e in found} if isinstance(found, pygit2.Tree) else {}

    def entries(self, path: RepoPath) -> dict[str, str]:
        """Return the object ids of a directory's entries by name; none if there is none."""
        import pygit2

        with _reading():
            oid = self._find(path)
            found = None if oid is None else self.repo[oid]
            entries = found if isinstance(found, pygit2.Tree) else ()
            return {str(entry.name): str(entry.id) for entry in entries}


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Raise :class:`MovedError` for an object that a gc moved or that is lost."""
    try:
        yield
    except KeyError as error:
        raise MovedError(f"the object {error} is missing") from error


@dataclass(frozen=True)
class Composition:
    """What a commit adds besides the files known before: decided on the tip, under the lock.

    Attributes
    ----------
    message:
        The commit message.
    files:
        Further files by path.
    links:
        Paths that get the blob of another path of this commit: no second copy.
    """

    message: str
    files: Mapping[RepoPath, bytes] = field(default_factory=dict)
    links: Mapping[RepoPath, RepoPath] = field(default_factory=dict)


C = TypeVar("C", bound=Composition)


@dataclass(frozen=True)
class Recorded(Generic[C]):
    """The commit that holds a run, whether it was there before, and, if not, what was composed."""

    commit: str
    already: bool = False
    composition: C | None = None


@dataclass(frozen=True)
class Recorder:
    """Records runs in one repository; safe for concurrent processes and external git commands."""

    repository: ResultsRepository
    identity: Identity

    def record(
        self,
        experiment: Experiment,
        run_id: str,
        files: Mapping[RepoPath, Path | bytes],
        compose: Callable[[Tip], C],
    ) -> Recorded[C]:
        """Commit a run to its experiment branch; recording the same run again changes nothing.

        Parameters
        ----------
        experiment:
            The branch, made when it does not exist.
        run_id:
            The directory below ``runs/`` that shows whether the run is already recorded.
        files:
            Content known before the tip is: written as blobs outside of the lock.
        compose:
            Called under the lock with the tip; may be called again when a foreign git moved the
            branch or collected garbage meanwhile.

        Raises
        ------
        UserError
            The branch is checked out, a file is too large, or the disk is full.
        Busy
            A lock could not be taken; nothing was recorded, and the user can try again.
        """
        spooled = (self.repository.store / "spool" / run_id).is_dir()
        return until_made(
            self.repository,
            experiment.ref,
            lambda: self._attempt(experiment, run_id, files, compose),
            kept="The run is kept in the spool, and `mlrepo doctor --fix` records it."
            if spooled
            else "The run is not recorded; run the command again.",
        )

    def _attempt(
        self,
        experiment: Experiment,
        run_id: str,
        files: Mapping[RepoPath, Path | bytes],
        compose: Callable[[Tip], C],
    ) -> Recorded[C]:
        with quarantined(self.repository) as quarantine:
            blobs = {
                path: _write_blob(quarantine.git, path, content) for path, content in files.items()
            }
            with locked(self.repository.store / "record.lock", timeout=LOCK_TIMEOUT):
                return self._commit(quarantine, experiment, run_id, blobs, compose)

    def _commit(
        self,
        quarantine: Quarantine,
        experiment: Experiment,
        run_id: str,
        blobs: dict[RepoPath, pygit2.Oid],
        compose: Callable[[Tip], C],
    ) -> Recorded[C]:
        repo = self.repository.git
        refuse_if_checked_out(self.repository, experiment.ref, instead=ANOTHER_EXPERIMENT)
        tip = read_tip(self.repository, experiment.ref)
        if tip is None:
            parent = start_point(self.repository, experiment)
        else:
            parent = continued_by(self.repository, experiment, tip)
        tree = repo[parent].tree.id if parent is not None else None
        run = find_blob(repo, tree, RepoPath((RUNS, run_id)))
        if run is not None:
            self._restore(quarantine, run, blobs)
            return Recorded(str(find_commit_of(repo, parent, run_id)), already=True)
        composition = compose(Tip(repo, tree))
        for path, data in composition.files.items():
            blobs[path] = _write_blob(quarantine.git, path, data)
        for path, source in composition.links.items():
            if source not in blobs:
                raise ValueError(f"{path} is linked to {source}, which this commit has not")
            blobs[path] = blobs[source]
        new_tree = graft(quarantine.git, tree, blobs)
        parents = [] if parent is None else [parent]
        commit = write_commit(quarantine, self.identity, composition.message, new_tree, parents)
        publish_commit(
            quarantine,
            self.identity,
            experiment.ref,
            expected=tip,
            commit=commit,
            message=composition.message,
            objects=[*new_objects(quarantine.git, new_tree, tree)],
        )
        return Recorded(str(commit), composition=composition)

    def _restore(
        self, quarantine: Quarantine, run: pygit2.Oid, blobs: Mapping[RepoPath, pygit2.Oid]
    ) -> None:
        """Write lost files of a recorded run again, from the copies at hand."""
        there = {entry.id for entry in self.repository.git[run]}  # type: ignore[attr-defined]
        lost = unreadable(self.repository, [oid for oid in blobs.values() if oid in there])
        if lost:
            with quarantine.published(lost):  # its branch holds them
                return


def find_commit_of(
    repo: pygit2.Repository, tip: pygit2.Oid | None, run_id: str
) -> pygit2.Oid | None:
    """Return the ancestor of ``tip`` that added ``runs/<run_id>``."""
    path = RepoPath((RUNS, run_id))
    current = tip
    while current is not None:
        holders = [
            parent
            for parent in repo[current].parent_ids  # type: ignore[attr-defined]
            if find_blob(repo, repo[parent].tree.id, path) is not None
        ]
        if not holders:
            return current
        current = holders[0]
    return None


def read_blob(repo: pygit2.Repository, oid: pygit2.Oid) -> bytes:
    """Return the bytes of a blob; one that a partial clone lacks is fetched by git.

    Raises
    ------
    UserError
        It is a directory or a submodule, or is nowhere.
    """
    import pygit2

    try:
        found = repo[oid]
    except KeyError:
        try:
            text = git("cat-file", "blob", str(oid), cwd=Path(repo.path))
        except GitError as error:
            raise UserError(
                f"The object {oid} is not here: {error.stderr.strip()}",
                hint="`git fetch` brings what others have; `mlrepo doctor` checks the repository.",
            ) from error
        return text.encode("utf-8", errors="surrogateescape")
    if not isinstance(found, pygit2.Blob):
        raise UserError(
            f"The object {oid} is a {found.type_str}, not a file.",
            hint="mlrepo did not record it; use another run.",
        )
    return found.data


def _write_blob(repo: pygit2.Repository, path: RepoPath, content: Path | bytes) -> pygit2.Oid:
    try:
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
    except FileNotFoundError as error:
        raise UserError(
            f"{content!s} vanished before it was recorded.", hint="Leave the spool alone."
        ) from error
    if size > MAX_BLOB_SIZE:
        raise UserError(
            f"{path} has {size} bytes; more than {MAX_BLOB_SIZE} are not committed.",
            hint="Git hosts refuse such files. The run is kept in the spool.",
        )
    if isinstance(content, bytes):
        return repo.create_blob(content)
    return repo.create_blob_fromdisk(str(content))
