"""Recording thousands of runs at once: a commit for each, but one pack for hundreds of them.

libgit2 writes and syncs each object on its own, and each commit has a new tree of all runs: an
import of a whole round would take a quarter of an hour. ``git fast-import`` writes the trees of
consecutive commits as differences, and syncs one pack.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.errors import MlrepoError, UserError
from mlrepo.paths import RepoPath
from mlrepo.repository.commits import (
    MovedError,
    move_branch,
    refuse_if_checked_out,
    until_made,
)
from mlrepo.repository.damage import read_tip
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import ANOTHER_EXPERIMENT, Experiment, start_point
from mlrepo.repository.graft import find_blob
from mlrepo.repository.identity import Identity
from mlrepo.repository.locks import locked
from mlrepo.repository.process import GitError, feed_git
from mlrepo.repository.quarantine import Quarantine, quarantined, unreadable, wait_for_gc
from mlrepo.repository.recorder import (
    LOCK_TIMEOUT,
    MAX_BLOB_SIZE,
    RUNS,
    Composition,
    Recorder,
    Tip,
)
from mlrepo.repository.run_walk import walk_runs

if TYPE_CHECKING:
    import pygit2

# What is recorded at once: more takes more memory, less takes more packs.
_MOST_RUNS = 500
_MOST_BYTES = 16 << 20
_BEGINNING = 96
_REF = "refs/heads/tree"
_MARKS = "marks"
_KEPT = "The runs before are recorded; run the command again for the others."


@dataclass(frozen=True)
class RunToRecord:
    """A run to be committed: its id, the message, and its files by name."""

    run: str
    message: str
    files: Mapping[str, bytes]


def record_runs(
    repository: ResultsRepository,
    identity: Identity,
    experiment: Experiment,
    runs: Iterable[RunToRecord],
) -> Iterator[str]:
    """Commit runs to an experiment branch, in order, and yield the commit of each.

    A run that the branch has already is not committed again. The branch moves after some hundred
    runs; what it has then stays if later ones fail.

    Raises
    ------
    UserError
        The branch is checked out, a file is too large, or the disk is full.
    Busy
        A lock could not be taken; the runs before are recorded.
    """
    if identity.sign:  # only git itself knows how to sign
        for run in runs:
            _refuse_large(run)
            yield _record_alone(repository, identity, experiment, run)
        return
    with ThreadPoolExecutor(1) as thread:
        recording = _Recording(repository, identity, experiment, thread)
        begun: _Begun | None = None
        try:
            for batch in _batches(runs):
                if begun is not None:
                    written, begun = begun, None
                    yield from recording.finished(written)
                begun = recording.begun(batch)
        except MlrepoError:
            if begun is not None:
                yield from recording.finished(begun)
            raise
        except BaseException:
            if begun is not None:
                begun.close()
            raise
        if begun is not None:
            yield from recording.finished(begun)


def recorded_on(repository: ResultsRepository, experiment: Experiment) -> set[str]:
    """Return the ids of the runs that an experiment branch has; none if there is no branch."""
    tip = read_tip(repository, experiment.ref)
    return set() if tip is None else set(Tip(repository.git, repository.git[tip].tree.id).run_ids())


def _batches(runs: Iterable[RunToRecord]) -> Iterator[list[RunToRecord]]:
    """Yield the runs in batches; those before an error first, which is then raised."""
    batch: list[RunToRecord] = []
    size = 0
    try:
        for run in runs:
            _refuse_large(run)
            batch.append(run)
            size += sum(map(len, run.files.values()))
            if len(batch) >= _MOST_RUNS or size >= _MOST_BYTES:
                yield batch
                batch, size = [], 0
    except MlrepoError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _refuse_large(run: RunToRecord) -> None:
    for name, data in run.files.items():
        if len(data) > MAX_BLOB_SIZE:
            raise UserError(
                f"{RUNS}/{run.run}/{name} has {len(data)} bytes; more than {MAX_BLOB_SIZE} are "
                "not committed.",
                hint=f"Git hosts refuse such files. {_KEPT}",
            )


def _record_alone(
    repository: ResultsRepository, identity: Identity, experiment: Experiment, run: RunToRecord
) -> str:
    directory = RepoPath((RUNS, run.run))
    files: dict[RepoPath, Path | bytes] = {directory / n: data for n, data in run.files.items()}

    def compose(tip: Tip) -> Composition:
        return Composition(run.message)

    return Recorder(repository, identity).record(experiment, run.run, files, compose).commit


@dataclass(frozen=True)
class _Begun:
    """A batch that git is writing.

    Attributes
    ----------
    runs, new:
        Those of the batch, and those among them that the branch does not have.
    tip:
        Where the branch was.
    feeding:
        Ends when git has written the new runs into the quarantine; None if there are none.
    """

    runs: Sequence[RunToRecord]
    new: Sequence[RunToRecord]
    tip: pygit2.Oid | None
    stack: contextlib.ExitStack
    quarantine: Quarantine | None = None
    directory: Path = Path()
    feeding: Future[None] | None = None

    def close(self) -> None:
        """Remove what was written."""
        if self.feeding is not None:
            wait([self.feeding])
        self.stack.close()


@dataclass
class _Recording:
    """Records batches on a branch; the next is read while git writes one in a thread.

    ``known`` are the commits found or made so far, by run.
    """

    repository: ResultsRepository
    identity: Identity
    experiment: Experiment
    thread: ThreadPoolExecutor
    known: dict[str, str] = field(default_factory=dict)

    def begun(self, batch: Sequence[RunToRecord]) -> _Begun:
        """Let git begin to write a batch on the tip of the branch."""
        begin = partial(self._begin, batch)
        return until_made(self.repository, self.experiment.ref, begin, kept=_KEPT)

    def finished(self, begun: _Begun) -> list[str]:
        """Return the commits of a batch's runs, when the branch has them."""
        attempts = [begun]

        def attempt() -> list[str]:
            written = attempts.pop() if attempts else self._begin(begun.runs)
            try:
                if written.new:
                    self.known |= self._published(written)
            finally:
                written.close()
            return [self.known[run.run] for run in begun.runs]

        return until_made(self.repository, self.experiment.ref, attempt, kept=_KEPT)

    def _begin(self, batch: Sequence[RunToRecord]) -> _Begun:
        repository, experiment, known = self.repository, self.experiment, self.known
        repository.reopen()  # each batch makes a pack, and libgit2 keeps trees of each
        refuse_if_checked_out(repository, experiment.ref, instead=ANOTHER_EXPERIMENT)
        repo = repository.git
        tip = read_tip(repository, experiment.ref)
        parent = tip if tip is not None else start_point(repository, experiment)
        there = Tip(repo, None if parent is None else repo[parent].tree.id)
        recorded = set(there.run_ids())
        new = list({run.run: run for run in batch if run.run not in recorded}.values())
        if any(run.run in recorded and run.run not in known for run in batch):
            known |= _commits_of(repository, parent, experiment)
        for run in batch:  # a run without its commit or with lost files: the recorder's to settle
            if run.run in recorded and not (run.run in known and _is_whole(there, run.run)):
                known[run.run] = _record_alone(repository, self.identity, experiment, run)
        with contextlib.ExitStack() as stack:
            if not new:
                return _Begun(batch, new, tip, stack.pop_all())
            quarantine = stack.enter_context(quarantined(repository))
            directory = _bare_repository(quarantine, parent)
            commands = _commands(self.identity, parent, new)
            feeding = self.thread.submit(_write, directory, commands)
            return _Begun(batch, new, tip, stack.pop_all(), quarantine, directory, feeding)

    def _published(self, begun: _Begun) -> dict[str, str]:
        """Move the branch to what was written, if nobody else has moved it."""
        import pygit2

        assert begun.feeding is not None and begun.quarantine is not None
        begun.feeding.result()
        commits = _commits_in(begun.directory, begun.new)
        newest = pygit2.Oid(hex=commits[begun.new[-1].run])
        repository = self.repository
        lock = locked(repository.store / "record.lock", timeout=LOCK_TIMEOUT)
        with lock, begun.quarantine.published_packs(begun.directory / "objects" / "pack"):
            move_branch(
                repository,
                self.identity,
                self.experiment.ref,
                expected=begun.tip,
                commit=newest,
                message=f"{len(begun.new)} runs",
            )
            wait_for_gc(repository)
            # One pack holds all: it is there, or it is not.
            if unreadable(repository, [newest]):
                raise UserError(
                    f"The commit {newest} was written to {repository.common_dir}, but cannot be "
                    "read back.",
                    hint="Check the disk, and the repository with `git fsck`.",
                )
        return commits


def _commits_of(
    repository: ResultsRepository, tip: pygit2.Oid | None, experiment: Experiment
) -> dict[str, str]:
    """Return the oldest commit of each run on the branch."""
    if tip is None:
        return {}
    walk = walk_runs(repository, [(tip, experiment.ref)])
    return {
        commit.trailers["MLRepo-Run"]: str(oid)
        for oid, commit in walk.newest_first()
        if commit.trailers is not None
    }


def _is_whole(tip: Tip, run: str) -> bool:
    files = tip.entries(RepoPath((RUNS, run)))
    return bool(files) and all(oid in tip.repo for oid in files.values())


def _write(directory: Path, commands: Iterable[bytes]) -> None:
    """Let git write a commit for each run, as one pack."""
    try:
        feed_git(
            *("-c", "fastimport.unpackLimit=0", "-c", "pack.compression=1", "fast-import"),
            *("--quiet", "--force", "--done", f"--export-marks={directory / _MARKS}"),
            cwd=directory,
            chunks=commands,
            extra={"GIT_DIR": str(directory)},
        )
    except GitError as error:
        raise MovedError(error.message) from error


def _commits_in(directory: Path, runs: Sequence[RunToRecord]) -> dict[str, str]:
    """Return the commits that were written, by run."""
    marks = (directory / _MARKS).read_text(encoding="ascii")
    lines = (line.split() for line in marks.splitlines())
    oids = {int(mark.removeprefix(":")): oid for mark, oid in lines}
    return {run.run: oids[number] for number, run in enumerate(runs, start=1)}


def _bare_repository(quarantine: Quarantine, parent: pygit2.Oid | None) -> Path:
    """Return a new repository with nothing but what fast-import reads of the parent.

    It borrows no objects: fast-import leaves out of its pack what another pack has, and a gc may be
    about to delete that one.
    """
    import pygit2

    made = pygit2.init_repository(str(quarantine.directory / "bulk"), bare=True)
    if parent is not None:
        repo = quarantine.repository.git
        tree = repo[parent].tree.id
        for oid in (parent, tree, find_blob(repo, tree, RepoPath((RUNS,)))):
            if oid is not None:
                made.odb.write(*repo.read(oid))
    made.free()
    return Path(made.path)


def _commands(
    identity: Identity, parent: pygit2.Oid | None, runs: Sequence[RunToRecord]
) -> Iterator[bytes]:
    # A file is written as its difference from the one before, so those alike come together.
    files = sorted(
        (name, _longest_line(data), len(data), number)
        for number, run in enumerate(runs)
        for name, data in run.files.items()
    )
    marks: dict[tuple[int, str], int] = {}
    for mark, (name, _, size, number) in enumerate(files, start=len(runs) + 1):
        marks[number, name] = mark
        yield b"blob\nmark :%d\ndata %d\n" % (mark, size)
        yield runs[number].files[name]
    # Such as "1782000000 +0200": the time and the zone of this machine, as git writes them.
    now = f"{int(time.time())} {time.strftime('%z')}"
    for number, run in enumerate(runs):
        yield f"commit {_REF}\nmark :{number + 1}\n".encode()
        for role, person in (("author", identity.author), ("committer", identity.committer)):
            yield f"{role} {person.name} <{person.email}> {now}\n".encode()
        message = run.message.encode()
        yield b"data %d\n%b\n" % (len(message), message)
        if number == 0 and parent is not None:
            yield f"from {parent}\n".encode()
        for name in run.files:
            yield f"M 100644 :{marks[number, name]} {RepoPath((RUNS, run.run)) / name}\n".encode()
    yield b"done\n"


def _longest_line(data: bytes) -> bytes:
    """Return the beginning of the longest line.

    Most of a log are the numbers of its samples, all on one line: they are those of the benchmark.
    """
    return max(data.split(b"\n"), key=len)[:_BEGINNING]
