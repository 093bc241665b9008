"""Finding and deleting full logs that nobody needs.

The list of kept logs is read before the needed ones, while the locks of recording and truncation
are held, so that neither can interfere; any run that is not recorded yet stops the deletion.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from mlrepo.errors import Busy, UserError
from mlrepo.repository.damage import reference_names
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.git_trees import CommitTree
from mlrepo.repository.history import digests_in, full_logs, readable_record, recorded_runs
from mlrepo.repository.locks import locked
from mlrepo.repository.raw_store import RawStore
from mlrepo.repository.spool import Spool
from mlrepo.tree import Kind, walk

_LOCK_TIMEOUT = 60.0
_DAY = 86400.0
_SUBMISSION = re.compile(r"refs/(?:heads|remotes/[^/]+)/submission/[^/]+")


@dataclass(frozen=True)
class Garbage:
    """Full logs that nobody needs.

    Attributes
    ----------
    old:
        SHA-256 and bytes of those that may go.
    young:
        How many are younger than the limit, and may be needed by someone's unfinished work.
    """

    old: tuple[tuple[str, int], ...]
    young: int

    @property
    def size(self) -> int:
        """Bytes of those that may go."""
        return sum(size for _, size in self.old)


def needed_logs(repository: ResultsRepository, leaving_out: Collection[str] = ()) -> dict[str, str]:
    """Return the SHA-256 of every full log that is needed, with its run's id or its file's path.

    Needed is what a recorded run names that was not pruned, what a submission branch names although
    its runs' branch may be gone, and what was truncated by hand or by the commit hook. Runs whose
    ids are in ``leaving_out`` need nothing.
    """
    return (
        RawStore(repository.store / "raw").pinned()
        | _selected(repository)
        | {
            sha256: run.run
            for run in recorded_runs(repository, hidden=True)
            if not (run.curation.pruned and run.is_prunable) and run.run not in leaving_out
            for sha256 in full_logs(repository, run)
        }
    )


def recorded_logs(repository: ResultsRepository) -> dict[str, str]:
    """Return the SHA-256 of every log that is kept in full, with its run's id or its file's path.

    Unlike :func:`needed_logs`, it takes no digest for one that may be of something else.
    """
    return RawStore(repository.store / "raw").pinned() | {
        log.full_sha256: run.run
        for run in recorded_runs(repository, hidden=True)
        if not run.curation.pruned and (record := readable_record(repository, run, {})) is not None
        for log in record.logs.values()
        if log.full_sha256
    }


def _selected(repository: ResultsRepository) -> dict[str, str]:
    """Return the SHA-256 that results on submission branches name, with the file that does."""
    found: dict[str, str] = {}
    for name in reference_names(repository):
        if not _SUBMISSION.fullmatch(name):
            continue
        tree = CommitTree(repository.root, name)
        for path, entry in walk(tree):
            if entry.kind is Kind.FILE and entry.name == "accuracy.txt":
                found |= dict.fromkeys(digests_in(tree.read(path)), f"{name}:{path}")
    return found


def find_garbage(
    repository: ResultsRepository, days: float, leaving_out: Collection[str] = ()
) -> Garbage:
    """Return the logs that nobody needs and that were kept at least ``days`` ago.

    Runs whose ids are in ``leaving_out`` need nothing: they are about to be pruned.

    Raises
    ------
    Busy
        A run is not recorded yet.
    UserError
        A branch or a run cannot be read.
    """
    with _undisturbed(repository):
        return _find(repository, days, leaving_out)


def delete_garbage(repository: ResultsRepository, days: float, agreed: Garbage) -> Garbage:
    """Delete those of ``agreed`` that are still garbage; return what was deleted."""
    store = RawStore(repository.store / "raw")
    with _undisturbed(repository):
        found = _find(repository, days)
        gone = tuple(entry for entry in found.old if entry in agreed.old)
        for sha256, _ in gone:
            store.remove(sha256)
    return Garbage(gone, found.young)


@contextlib.contextmanager
def _undisturbed(repository: ResultsRepository) -> Iterator[None]:
    """Hold the locks of recording and of truncation."""
    with (
        locked(repository.store / "record.lock", timeout=_LOCK_TIMEOUT),
        locked(repository.store / "truncate.lock", timeout=_LOCK_TIMEOUT),
    ):
        yield


def _find(repository: ResultsRepository, days: float, leaving_out: Collection[str] = ()) -> Garbage:
    store = RawStore(repository.store / "raw")
    kept = store.entries()  # first: a run that is recorded after this needs a log of its own
    waiting = Spool(repository.store / "spool").run_ids()
    if waiting:
        raise Busy(
            f"Runs are not recorded yet and may need a log: {', '.join(waiting)}.",
            hint="Wait for them to end; `mlrepo doctor --fix` records what a crash left.",
        )
    needed = needed_logs(repository, leaving_out)
    for damage in repository.damage.values():
        raise UserError(
            f"What cannot be read may need a log, so none is deleted. {damage.message}",
            hint=damage.hint,
        )
    garbage = [(sha256, size) for sha256, size in kept if sha256 not in needed]
    limit = time.time() - days * _DAY
    old = tuple(entry for entry in garbage if store.kept_since(entry[0]) <= limit)
    return Garbage(old, len(garbage) - len(old))
