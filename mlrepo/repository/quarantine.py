"""Protect the new objects of a commit from ``git gc`` until a branch points to the commit.

Git decides which objects are garbage before it deletes them. With ``--prune=now`` it deletes a
commit that a branch received in the meantime, and one whose branch has not moved yet. New objects
are therefore written into a separate object directory, which borrows the repository's objects and
is never pruned; Git's own receive-pack does the same. They enter the repository as one pack with a
``.keep`` file, which ``git repack`` and ``git prune`` leave alone. The ``.keep`` is removed when
the branch has moved: a gc that lists the packs afterwards reads the branch later still.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.files import sync_directory
from mlrepo.repository.locks import hold_if_free

if TYPE_CHECKING:
    import pygit2

_KEPT_BY = "mlrepo "
_GC_SECONDS = 30.0


@dataclass(frozen=True)
class Quarantine:
    """A bare repository without refs that borrows the objects of another one."""

    repository: ResultsRepository
    directory: Path

    @property
    def objects(self) -> Path:
        """Where new objects are written."""
        return self.directory / "objects"

    @cached_property
    def git(self) -> pygit2.Repository:
        """The open quarantine; it also reads all objects of the repository."""
        _ = self.repository.git  # refuses formats that libgit2 cannot write
        import pygit2
        from pygit2.enums import RepositoryOpenFlag

        return pygit2.Repository(str(self.directory), RepositoryOpenFlag.NO_SEARCH)

    @property
    def environ(self) -> dict[str, str]:
        """The environment with which a git process in the repository writes its objects here."""
        return {"GIT_OBJECT_DIRECTORY": str(self.objects)}

    @contextlib.contextmanager
    def published(self, oids: Sequence[pygit2.Oid]) -> Iterator[None]:
        """Put the objects into the repository, safe from gc while the block runs.

        They are copied even if the repository already has them: unreachable ones may be
        collected. A branch must contain them when the block ends.
        """
        with tempfile.TemporaryDirectory(dir=self.directory) as made:
            self._pack(oids, Path(made))
            with self.published_packs(Path(made)):
                yield

    @contextlib.contextmanager
    def published_packs(self, made: Path) -> Iterator[None]:
        """Move the packs in the directory ``made`` into the repository, as :meth:`published`."""
        packs = self.repository.common_dir / "objects" / "pack"
        kept = []
        try:
            for index in sorted(made.glob("*.idx")):
                # A unique name each time: a gc may be about to delete a pack of the same content.
                name = f"pack-{secrets.token_hex(20)}"
                kept.append(packs / f"{name}.keep")
                kept[-1].write_text(f"{_KEPT_BY}{self.directory.name}\n", encoding="utf-8")
                for suffix in (".pack", ".idx"):  # git looks for packs by their .idx
                    index.with_suffix(suffix).replace(packs / f"{name}{suffix}")
            sync_directory(packs)
            yield
        finally:
            for keep in kept:
                keep.unlink(missing_ok=True)

    def _pack(self, oids: Sequence[pygit2.Oid], target: Path) -> None:
        """Write the objects as one pack below ``target``."""
        import pygit2

        builder = pygit2.PackBuilder(self.git)
        for oid in dict.fromkeys(oids):
            builder.add(oid)
        builder.write(str(target))


def wait_for_gc(repository: ResultsRepository) -> None:
    """Wait for a running ``git gc`` to end, for half a minute at most.

    At its end it deletes each ``.idx`` that it saw without its ``.pack``. Listing a directory that
    changes may show only one of two new files: a pack added during a gc is safe only when that gc
    has ended.
    """
    running = _running_gc(repository)
    deadline = time.monotonic() + _GC_SECONDS
    while running and _running_gc(repository) == running and time.monotonic() < deadline:
        time.sleep(0.01)


def _running_gc(repository: ResultsRepository) -> bytes:
    """Return the lock's content (process and host) if a gc runs on this machine, else b''."""
    try:
        said = (repository.common_dir / "gc.pid").read_bytes()
        process, host = said.split()
        if host.decode(errors="replace") == os.uname().nodename:
            with contextlib.suppress(PermissionError):  # another user's process, so it is alive
                os.kill(int(process), 0)
            return said
    except (OSError, ValueError):
        pass
    return b""


def unreadable(repository: ResultsRepository, oids: Sequence[pygit2.Oid]) -> list[pygit2.Oid]:
    """Reopen the repository and return the objects that cannot be read completely.

    libgit2 verifies each object's content against its id as it reads it.
    """
    import pygit2

    fresh = pygit2.Repository(str(repository.common_dir))
    lost = []
    for oid in oids:
        try:
            fresh.read(oid)
        except (KeyError, pygit2.GitError, OSError):
            lost.append(oid)
    fresh.free()  # see ResultsRepository.reopen
    return lost


@contextlib.contextmanager
def quarantined(repository: ResultsRepository) -> Iterator[Quarantine]:
    """Yield a new quarantine and remove it afterwards; remove those that killed processes left."""
    root = repository.store / "quarantine"
    root.mkdir(parents=True, exist_ok=True)
    # Before the repository is opened: libgit2 does not look for packs where there was no directory.
    (repository.common_dir / "objects" / "pack").mkdir(exist_ok=True)
    sweep_quarantines(repository)
    lock, directory = _claim(root)
    try:
        (directory / "refs").mkdir()
        (directory / "HEAD").write_text("ref: refs/heads/tree\n", encoding="utf-8")
        (directory / "config").write_text(
            "[core]\n\trepositoryFormatVersion = 0\n\tbare = true\n", encoding="utf-8"
        )
        info = directory / "objects" / "info"
        info.mkdir(parents=True)
        (directory / "objects" / "pack").mkdir()
        (info / "alternates").write_bytes(_alternates(repository, directory / "objects"))
        yield Quarantine(repository, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        _lock_of(directory).unlink(missing_ok=True)
        lock.close()


def sweep_quarantines(repository: ResultsRepository) -> list[Path]:
    """Remove the quarantines and ``.keep`` files of dead processes; return what was removed."""
    root = repository.store / "quarantine"
    removed: list[Path] = []
    for path in root.glob("*.lock"):
        lock = hold_if_free(path)
        if lock is not None:
            directory = path.with_suffix("")
            shutil.rmtree(directory, ignore_errors=True)
            path.unlink(missing_ok=True)
            lock.close()
            removed.append(directory)
    for keep in (repository.common_dir / "objects" / "pack").glob("*.keep"):
        with contextlib.suppress(OSError):
            said = keep.read_text(encoding="utf-8", errors="replace").strip()
            if said.startswith(_KEPT_BY) and not (root / said.removeprefix(_KEPT_BY)).is_dir():
                keep.unlink()
                removed.append(keep)
    return removed


def new_objects(
    repo: pygit2.Repository,
    tree: pygit2.Oid,
    base: pygit2.Oid | None,
    known: Container[str] = frozenset(),
) -> Iterator[pygit2.Oid]:
    """Yield the trees and blobs of ``tree`` that differ from ``base`` at the same path.

    Objects whose ids are in ``known``, because other branches contain them, are skipped.
    """
    if tree == base or str(tree) in known:
        return
    yield tree
    before = {} if base is None else {str(e.name): e for e in repo[base]}  # type: ignore[attr-defined]
    for entry in repo[tree]:  # type: ignore[attr-defined]
        old = before.get(str(entry.name))
        if old is not None and old.id == entry.id:
            continue
        if entry.type_str == "tree":
            replaced = old.id if old is not None and old.type_str == "tree" else None
            yield from new_objects(repo, entry.id, replaced, known)
        elif entry.type_str == "blob" and str(entry.id) not in known:
            yield entry.id


def _claim(root: Path) -> tuple[io.FileIO, Path]:
    """Create a directory and hold the lock beside it."""
    while True:
        directory = root / f"{os.getpid()}-{secrets.token_hex(4)}"
        lock = hold_if_free(_lock_of(directory))
        if lock is None:  # a concurrent sweep holds it: try another name
            continue
        try:
            directory.mkdir()
        except BaseException:
            lock.close()
            raise
        return lock, directory


def _lock_of(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.lock")


def _alternates(repository: ResultsRepository, objects: Path) -> bytes:
    """Return the object directories to borrow from, as relative paths, one per line.

    It includes those that the repository itself borrows from: libgit2 does not resolve relative
    paths in alternates of alternates.
    """
    common = repository.common_dir / "objects"
    lines = [os.fsencode(os.path.relpath(common, objects))]
    with contextlib.suppress(FileNotFoundError):
        for line in (common / "info" / "alternates").read_bytes().splitlines():
            if line and not line.startswith(b"#"):
                lines.append(os.path.normpath(os.fsencode(common / os.fsdecode(line))))
    return b"".join(line + b"\n" for line in lines)
