"""Reading recorded runs from Git objects: no checkout, no database."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.record import FAILED, PROBE_TAG, PUBLISHED
from mlrepo.repository.acts import PRUNE, UNTOUCHED, Act, Curation, curated, curated_record
from mlrepo.repository.claims import first_recorded
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment, experiment_branches
from mlrepo.repository.graft import find_blob
from mlrepo.repository.left_out import note_unknown_keys
from mlrepo.repository.process import BlobReader, GitError, git
from mlrepo.repository.recorder import RUNS, read_blob
from mlrepo.repository.run_names import named_run
from mlrepo.repository.run_walk import walk_runs
from mlrepo.repository.summary_rows import superseded
from mlrepo.repository.trailers import parse_result, run_trailers

if TYPE_CHECKING:
    import pygit2

    from mlrepo.record import Metric, RunRecord


# The trailers by which a run is found: the record must agree with them.
_IDENTITY = tuple(
    f"MLRepo-{name}"
    for name in (
        "Round",
        "Division",
        "Submitter",
        "System",
        "Backend",
        "Benchmark",
        "Scenario",
        "Mode",
        "Test",
        "Validity",
        "Configuration",
    )
)
_SYSTEM = "system.json"
_SHA256 = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True)
class RecordedRun:
    """A run as its commit's trailers and the acts on it describe it.

    Attributes
    ----------
    trailers:
        As they are now: acts have changed tags, system, configuration, experiment and placement.
    curation:
        What the acts amount to; it keeps the trailers that they replaced.
    """

    run: str
    commit: str
    trailers: Mapping[str, str]
    curation: Curation = UNTOUCHED

    def trailer(self, name: str) -> str:
        """Return the value of ``MLRepo-<name>``, or an empty string."""
        return self.trailers.get(f"MLRepo-{name}", "")

    @property
    def result(self) -> Metric:
        """The result with its unit; its value is None if the trailer does not give one."""
        return parse_result(self.trailer("Result"))

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags as they are now."""
        return tuple(tag for tag in self.trailer("Tags").split(",") if tag)

    @property
    def withdrawn(self) -> str:
        """Why it is withdrawn; '' if it counts."""
        return self.curation.withdrawn

    @property
    def note(self) -> str:
        """The last note about it; '' if there is none."""
        return self.curation.note

    @property
    def was_pruned(self) -> bool:
        """Return whether it was ever pruned, even if its files came back."""
        return any(act.action == PRUNE for act in self.curation.acts)

    @property
    def as_recorded(self) -> RecordedRun:
        """The run as it was before any act."""
        return replace(self, trailers=self.committed_trailers, curation=UNTOUCHED)

    def after(self, act: Act) -> RecordedRun:
        """Return the run as it is after one more act."""
        committed = self.committed_trailers
        trailers, curation = curated(committed, [*self.curation.acts, act])
        return replace(self, trailers=trailers, curation=curation)

    @property
    def is_prunable(self) -> bool:
        """Return whether it may be pruned: it failed, or is a probe, and so never was a result."""
        committed = self.committed_trailers
        tags = committed.get("MLRepo-Tags", "").split(",")
        return committed.get("MLRepo-Validity") == FAILED or PROBE_TAG in tags

    @property
    def committed_trailers(self) -> Mapping[str, str]:
        """The trailers as the commit that recorded the run has them."""
        return {**self.trailers, **self.curation.recorded}


def recorded_runs(
    repository: ResultsRepository,
    experiment: Experiment | None = None,
    *,
    hidden: bool = False,
    among: Sequence[tuple[str, Experiment, pygit2.Oid]] | None = None,
) -> Iterator[RecordedRun]:
    """Yield all runs on all experiment branches, local and fetched, newest commit first.

    Each run is yielded once, however many branches hold it, and as the acts of all branches have
    changed it. Where several commits claim it with different files, one counts, and another is
    noted as damage: see :func:`~mlrepo.repository.claims.first_recorded`.

    Parameters
    ----------
    experiment:
        Only the runs of its branches, without those that were moved away.
    hidden:
        Whether runs that were withdrawn or pruned, and rows of summaries that give way to runs with
        logs, are yielded too: they count no longer.
    among:
        The branches to read instead of all: the full name, the experiment and the tip of each.
    """
    branches = list(experiment_branches(repository) if among is None else among)
    walk = walk_runs(repository, [(tip, ref) for ref, _, tip in branches])
    mine = (
        None
        if experiment is None
        else walk.reachable([tip for _, branch, tip in branches if branch == experiment])
    )
    renamed = [(walk.reachable([oid]), act) for oid, act in walk.renames]
    claims: dict[str, list[tuple[RecordedRun, str]]] = {}
    for oid, commit in walk.newest_first():
        if commit.trailers is None or (mine is not None and oid not in mine):
            continue
        acts = [*walk.acts.get(commit.trailers["MLRepo-Run"], ())]
        acts += [act for commits, act in renamed if oid in commits]
        trailers, curation = curated(commit.trailers, acts)
        run = RecordedRun(trailers["MLRepo-Run"], str(oid), trailers, curation)
        claims.setdefault(run.run, []).append((run, commit.branch))
    rows = _superseded([claimed[0][0] for claimed in claims.values()])
    for claimed in claims.values():
        run = claimed[0][0] if len(claimed) == 1 else first_recorded(repository, claimed)
        if run.run in rows:
            repository.also_summarised.add(run.run)
            run = replace(run, curation=replace(run.curation, superseded=rows[run.run]))
        gone = experiment is not None and experiment.name in run.curation.left
        if not gone and (hidden or not run.curation.hidden):
            yield run


def _superseded(runs: Sequence[RecordedRun]) -> Mapping[str, str]:
    """Return the rows of summaries that give way to other runs, and to which."""
    if all(run.trailer("Validity") != PUBLISHED for run in runs):
        return {}
    return superseded((run.run, run.committed_trailers) for run in runs)


def find_run(repository: ResultsRepository, text: str) -> RecordedRun:
    """Return the run that ``text`` names; see :func:`~mlrepo.repository.run_names.named_run`."""
    return named_run(list(recorded_runs(repository, hidden=True)), text)


def load_record(repository: ResultsRepository, run: RecordedRun) -> RunRecord:
    """Return the run's ``run.json`` as the acts on the run have changed it.

    Raises
    ------
    UserError
        It is missing, is not a record, or disagrees with the commit's trailers.
    """
    record = committed_record(repository, run)
    return curated_record(record, run.trailers, run.curation)


def load_records(
    repository: ResultsRepository, runs: Sequence[RecordedRun], unreadable: dict[str, str]
) -> Iterator[RunRecord | None]:
    """Yield what :func:`readable_record` returns for each run, in half of its time."""
    blobs = BlobReader(repository.root)
    names = [f"{run.commit}:{RUNS}/{run.run}/run.json" for run in runs]

    def load(repository: ResultsRepository, run: RecordedRun, *, data: bytes) -> RunRecord:
        # Empty for what cannot be read: then the slower way says why.
        record = committed_record(repository, run, data or None)
        return curated_record(record, run.trailers, run.curation)

    try:
        for run, data in zip(runs, blobs.contents(names), strict=True):
            loaded = functools.partial(load, data=data)
            yield readable_record(repository, run, unreadable, load=loaded)
    finally:
        blobs.close()


def committed_record(
    repository: ResultsRepository, run: RecordedRun, data: bytes | None = None
) -> RunRecord:
    """Return the run's ``run.json``, which may be read already, as it was recorded.

    See :func:`load_record`.
    """
    from mlrepo.record import RunRecord  # slow to import, and often the trailers suffice

    where = f"{run.commit[:10]}:{RUNS}/{run.run}/run.json"
    data = read_file(repository, run, "run.json") if data is None else data
    unknown: list[str] = []
    record = RunRecord.from_json(data, where, unknown)
    note_unknown_keys(repository, run.run, record.tool, unknown)
    if record.run != run.run:
        raise UserError(
            f"{where} is the record of another run, {record.run}.",
            hint="Somebody copied or edited it; it counts for nothing.",
        )
    said, committed = run_trailers(record), run.committed_trailers
    for key in _IDENTITY:
        if key in committed and committed[key] != said.get(key, ""):
            raise UserError(
                f"The commit {run.commit[:10]} says {key}: {committed[key]!r}, but its run.json "
                f"says {said.get(key, '')!r}.",
                hint="Somebody rewrote one of the two; the run counts for nothing.",
            )
    return record


def author_of(repository: ResultsRepository, run: RecordedRun) -> str:
    """Return who claims to have committed a run, as ``Name <address>``; it is not proof."""
    author = repository.git[run.commit].author
    return f"{author.name} <{author.email}>"


def author_of_file(repository: ResultsRepository, path: Path) -> str:
    """Return who claims the last commit of a file, as :func:`author_of` does; '' for nobody."""
    try:
        return git("log", "-1", "--format=%an <%ae>", "--", str(path), cwd=repository.root).strip()
    except GitError:  # a repository without a commit
        return ""


def readable_record(
    repository: ResultsRepository,
    run: RecordedRun,
    unreadable: dict[str, str],
    *,
    load: Callable[[ResultsRepository, RecordedRun], RunRecord] = load_record,
) -> RunRecord | None:
    """Return the run's record, or None for one that cannot be read, noted in ``unreadable``.

    For work on many runs, which one bad record must not stop.
    """
    try:
        return load(repository, run)
    except UserError as error:
        unreadable[run.run] = error.message
        return None


def read_file(repository: ResultsRepository, run: RecordedRun, name: str) -> bytes:
    """Return one file of a run as recorded; raise :class:`UserError` if there is none."""
    import pygit2

    repo = repository.git
    try:
        tree = repo[run.commit].tree.id
        oid = find_blob(repo, tree, RepoPath((RUNS, run.run, name)))
        if oid is not None:
            return read_blob(repo, oid)
        names = ", ".join(file_names(repository, run))
    except (KeyError, pygit2.GitError, UserError) as error:
        repository.damage[run.run] = lost = UserError(
            f"The {name} of the run {run.run} cannot be read: an object of its commit "
            f"{run.commit[:10]} is missing or damaged ({error}).",
            hint="`git fsck` lists what is lost; fetch the branch from a remote or another clone.",
        )
        raise lost from error
    raise UserError(f"The run {run.run} has no {name}.", hint=f"It has: {names}.")


def read_system(repository: ResultsRepository, run: RecordedRun) -> bytes:
    """Return the description of the system that a run counts for; empty if it has none.

    That of a run that was moved to another system is in the act that moved it.
    """
    moved = [act for act in run.curation.acts if act.values.get("sut") and act.commit]
    if not moved:
        return (
            read_file(repository, run, _SYSTEM) if _SYSTEM in file_names(repository, run) else b""
        )
    act = moved[-1]
    repo = repository.git
    oid = find_blob(repo, repo[act.commit].tree.id, act.path)
    try:
        said = json.loads(b"{}" if oid is None else read_blob(repo, oid))
        return json.dumps(said["values"]["description"]).encode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"The act {act.path} does not describe the system {run.trailer('System')}.",
            hint="Somebody edited it; `mlrepo run move RUN --system NAME` moves the run again.",
        ) from error


def full_logs(repository: ResultsRepository, run: RecordedRun) -> list[str]:
    """Return the SHA-256 of every full log that a run needs.

    If the record cannot be read, return everything in it that looks like a SHA-256: a bad record
    must not cause a log to be deleted.
    """
    try:
        return [log.full_sha256 for log in load_record(repository, run).logs.values()]
    except UserError:
        pass
    try:
        data = read_file(repository, run, "run.json")
    except UserError:
        return []
    return digests_in(data)


def digests_in(data: bytes) -> list[str]:
    """Return everything in a text that looks like a SHA-256."""
    return [found.decode() for found in _SHA256.findall(data)]


def read_text(repository: ResultsRepository, run: RecordedRun, name: str) -> str:
    """Return one text file of a run; raise :class:`UserError` if it is not UTF-8."""
    try:
        return read_file(repository, run, name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"The {name} of the run {run.run} is not a text in UTF-8: {error.reason}.",
            hint="mlrepo did not write it so; use another run.",
        ) from error


def file_names(repository: ResultsRepository, run: RecordedRun) -> list[str]:
    """Return the names of the files that a run recorded."""
    import pygit2

    repo = repository.git
    oid = find_blob(repo, repo[run.commit].tree.id, RepoPath((RUNS, run.run)))
    tree = repo[oid] if oid is not None else None
    if not isinstance(tree, pygit2.Tree):
        return []
    return [(entry.raw_name or b"").decode("utf-8", "backslashreplace") for entry in tree]
