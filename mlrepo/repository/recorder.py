"""One commit on an experiment branch, made without touching working tree, index, HEAD or hooks."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.errors import Busy, UserError
from mlrepo.paths import RepoPath
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment, refuse_if_checked_out, start_point
from mlrepo.repository.graft import find_blob, graft
from mlrepo.repository.identity import Identity
from mlrepo.repository.locks import locked
from mlrepo.repository.process import git

if TYPE_CHECKING:
    import pygit2

RUNS = "runs"
_LOCK_TIMEOUT = 60.0
# Both must be used up: waiting for the lock may take all of the time.
_ATTEMPTS_SECONDS = 10.0
_ATTEMPTS = 5
# What Git hosts refuse (GitHub: 100 MB), with room: no log in a commit comes near it.
MAX_BLOB_SIZE = 50 * 1024 * 1024
_FULL = re.compile(r"no space left|quota exceeded|read-only file system|permission denied", re.I)


@dataclass(frozen=True)
class Tip:
    """The tree at the tip of an experiment branch, read-only; empty before the first commit."""

    repo: pygit2.Repository
    tree: pygit2.Oid | None

    def blob_id(self, path: RepoPath) -> str | None:
        """Return the object id of the file at ``path``, or None."""
        oid = find_blob(self.repo, self.tree, path)
        return None if oid is None else str(oid)

    def read(self, path: RepoPath) -> bytes | None:
        """Return the content of the file at ``path``, or None."""
        oid = find_blob(self.repo, self.tree, path)
        return None if oid is None else read_blob(self.repo, oid)

    def run_ids(self) -> list[str]:
        """Return the ids of the runs recorded up to here, newest first."""
        oid = find_blob(self.repo, self.tree, RepoPath((RUNS,)))
        return [] if oid is None else sorted((e.name for e in self.repo[oid]), reverse=True)  # type: ignore[attr-defined]


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


@dataclass(frozen=True)
class Recorded:
    """The commit that holds a run, and whether it was there before."""

    commit: str
    already: bool = False


@dataclass(frozen=True)
class Recorder:
    """Records runs of one user in one repository; safe among processes and with foreign git."""

    repository: ResultsRepository
    identity: Identity

    def record(
        self,
        experiment: Experiment,
        run_id: str,
        files: Mapping[RepoPath, Path | bytes],
        compose: Callable[[Tip], Composition],
    ) -> Recorded:
        """Commit a run to its experiment branch; recording the same run again changes nothing.

        Parameters
        ----------
        experiment:
            The branch, made when it does not exist.
        run_id:
            The directory below ``runs/`` that tells whether the run is recorded already.
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
            A lock was not to be had; nothing was recorded, and trying again is right.
        """
        import pygit2

        # A foreign git shows as one of these: a lock file that exists, an object directory or a
        # pack that gc removed, a branch that moved. Anything else is a bug and not to be repeated.
        passing = (OSError, KeyError, pygit2.GitError, _MovedError)
        deadline = time.monotonic() + _ATTEMPTS_SECONDS
        attempts = 0
        while True:
            try:
                return self._attempt(experiment, run_id, files, compose)
            except passing as error:
                attempts += 1
                hopeless = attempts >= _ATTEMPTS and time.monotonic() > deadline
                self._fail_or_wait(error, experiment, hopeless=hopeless)

    def _attempt(
        self,
        experiment: Experiment,
        run_id: str,
        files: Mapping[RepoPath, Path | bytes],
        compose: Callable[[Tip], Composition],
    ) -> Recorded:
        repo = self.repository.git
        blobs = {path: _write_blob(repo, path, content) for path, content in files.items()}
        with locked(self.repository.store / "record.lock", timeout=_LOCK_TIMEOUT):
            refuse_if_checked_out(self.repository, experiment)
            tip = branch_tip(repo, experiment)
            parent = tip if tip is not None else start_point(self.repository, experiment)
            tree = repo[parent].tree.id if parent is not None else None
            if find_blob(repo, tree, RepoPath((RUNS, run_id))) is not None:
                return Recorded(str(find_commit_of(repo, parent, run_id)), already=True)
            composition = compose(Tip(repo, tree))
            for path, data in composition.files.items():
                blobs[path] = _write_blob(repo, path, data)
            for path, source in composition.links.items():
                if source not in blobs:
                    raise ValueError(f"{path} is linked to {source}, which this commit has not")
                blobs[path] = blobs[source]
            new_tree = graft(repo, tree, blobs)
            commit = self._commit(repo, composition.message, new_tree, parent)
            self._move(repo, experiment, tip, commit, composition.message)
            return Recorded(str(commit))

    def _commit(
        self, repo: pygit2.Repository, message: str, tree: pygit2.Oid, parent: pygit2.Oid | None
    ) -> pygit2.Oid:
        import pygit2
        from pygit2.enums import ObjectType

        parents = [] if parent is None else [parent]
        if self.identity.sign:
            return self._signed_commit(message, tree, parents)
        author = pygit2.Signature(self.identity.author.name, self.identity.author.email)
        committer = pygit2.Signature(self.identity.committer.name, self.identity.committer.email)
        content = repo.create_commit_string(author, committer, message, tree, list(parents))
        # Not create_commit: in libgit2 1.9 it returns an id even if the object was not written (a
        # full disk, a gc beside it), and the branch would move to a commit that does not exist.
        return repo.odb.write(ObjectType.COMMIT, content.encode())  # type: ignore[attr-defined]

    def _signed_commit(
        self, message: str, tree: pygit2.Oid, parents: list[pygit2.Oid]
    ) -> pygit2.Oid:
        """Let git make the signed object: it alone knows all ways a key can be configured."""
        import pygit2

        arguments = ["commit-tree", "-S", str(tree), *(f"-p{parent}" for parent in parents)]
        out = git(*arguments, cwd=self.repository.root, stdin=message.encode())
        return pygit2.Oid(hex=out.strip())

    def _move(
        self,
        repo: pygit2.Repository,
        experiment: Experiment,
        expected: pygit2.Oid | None,
        commit: pygit2.Oid,
        message: str,
    ) -> None:
        """Move the branch if it still stands where it was read: compare and swap.

        Only a transaction takes Git's own lock before it compares; creating a reference with
        ``force=False`` loses commits when two processes create it at once.
        """
        subject = message.partition("\n")[0]
        # For the reflog: set_target itself cannot take a signature (TypeError, pygit2 1.21).
        repo.set_ident(self.identity.committer.name, self.identity.committer.email)
        with repo.transaction() as transaction:
            transaction.lock_ref(experiment.ref)
            if branch_tip(repo, experiment) != expected:
                raise _MovedError(f"{experiment.branch} moved")
            transaction.set_target(experiment.ref, commit, message=f"mlrepo: {subject}")

    def _fail_or_wait(self, error: Exception, experiment: Experiment, *, hopeless: bool) -> None:
        """Turn hopeless errors into messages; wait a moment for those that pass."""
        if _FULL.search(str(error)):
            raise UserError(
                f"The run could not be written to {self.repository.common_dir}: {error}.",
                hint="Make room, or make the directory writable; the run is kept in the spool, and "
                "`mlrepo doctor --fix` records it.",
            ) from error
        if hopeless:
            raise Busy(
                f"{experiment.branch} could not be moved within {_ATTEMPTS_SECONDS:.0f} s: "
                f"{error}.{_lock_note(self.repository.common_dir / (experiment.ref + '.lock'))}",
                hint="The run is kept in the spool; `mlrepo doctor --fix` records it.",
            ) from error
        self.repository.__dict__.pop("git", None)  # reopen: object caches may name collected packs
        time.sleep(random.uniform(0.005, 0.05))


class _MovedError(Exception):
    """A foreign git moved the branch between reading it and locking it."""


def branch_tip(repo: pygit2.Repository, experiment: Experiment) -> pygit2.Oid | None:
    """Return the commit that the local branch points to, or None."""
    reference = repo.references.get(experiment.ref)
    return None if reference is None else reference.resolve().target  # type: ignore[return-value]


def find_commit_of(
    repo: pygit2.Repository, tip: pygit2.Oid | None, run_id: str
) -> pygit2.Oid | None:
    """Return the commit among the ancestors of ``tip`` that brought ``runs/<run_id>``."""
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
    """Return the bytes of a blob; one that a partial clone lacks is fetched by git."""
    try:
        return repo[oid].data  # type: ignore[attr-defined, no-any-return]
    except KeyError:
        text = git("cat-file", "blob", str(oid), cwd=Path(repo.path))
        return text.encode("utf-8", errors="surrogateescape")


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


def _lock_note(lock: Path) -> str:
    try:
        age = time.time() - lock.stat().st_mtime
    except OSError:
        return ""
    return (
        f" The lock file {lock} is {age:.0f} s old; if no git process runs, "
        "`mlrepo doctor --fix` removes it."
    )
