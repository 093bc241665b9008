"""Reading recorded runs from Git objects: no checkout, no database."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.repository.damage import damaged, problem_of, short_name
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment, experiment_branches
from mlrepo.repository.graft import find_blob
from mlrepo.repository.process import GitError, git
from mlrepo.repository.recorder import RUNS, read_blob
from mlrepo.repository.trailers import parse_result, parse_trailers, run_trailers

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
_SHA256 = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True)
class RecordedRun:
    """A run as its commit's trailers describe it."""

    run: str
    commit: str
    trailers: Mapping[str, str]

    def trailer(self, name: str) -> str:
        """Return the value of ``MLRepo-<name>``, or an empty string."""
        return self.trailers.get(f"MLRepo-{name}", "")

    @property
    def result(self) -> Metric:
        """The result with its unit; its value is None if the trailer does not give one."""
        return parse_result(self.trailer("Result"))


def recorded_runs(
    repository: ResultsRepository, experiment: Experiment | None = None
) -> Iterator[RecordedRun]:
    """Yield all runs on all experiment branches, local and fetched, newest commit first.

    Each run is yielded once, however many branches hold it. Where several commits claim it with
    different files, one counts, and another is noted as damage: see :func:`_first_recorded`. A
    commit without ``runs/`` has no runs in its history, so the history of an adopted repository is
    not walked.
    """
    tips = [
        (tip, ref)
        for ref, branch, tip in experiment_branches(repository)
        if experiment is None or branch == experiment
    ]
    claims: dict[str, list[tuple[RecordedRun, str]]] = {}
    for commit, trailers, branch in _runs_by_date(repository, tips):
        if trailers is not None:
            run = RecordedRun(trailers["MLRepo-Run"], commit, trailers)
            claims.setdefault(run.run, []).append((run, branch))
    for claimed in claims.values():
        yield claimed[0][0] if len(claimed) == 1 else _first_recorded(repository, claimed)


def _first_recorded(
    repository: ResultsRepository, claimed: Sequence[tuple[RecordedRun, str]]
) -> RecordedRun:
    """Return which of the commits that claim a run, newest first, counts.

    Any of several identical copies (a rebase, a cherry-pick) will do. Otherwise someone edited a
    run or reused its id: local branches take precedence over fetched ones, then the branch that
    recorded the run, then the oldest commit.
    """
    newest = claimed[0][0]
    if len({_files_id(repository, run) for run, _ in claimed}) == 1:
        return newest

    def rank(claim: tuple[RecordedRun, str]) -> tuple[bool, bool]:
        run, branch = claim
        home = branch.rpartition("/")[2] == run.trailer("Experiment")
        return not branch.startswith("refs/heads/"), not home

    kept, _ = min(reversed(claimed), key=rank)
    kept_id = _files_id(repository, kept)
    false = next(claim for claim in claimed if _files_id(repository, claim[0]) != kept_id)
    repository.damage[f"{RUNS}/{kept.run}"] = UserError(
        f"The commit {false[0].commit[:10]} on {short_name(false[1])} claims the run {kept.run} "
        f"with other files than {kept.commit[:10]}, which counts.",
        hint="Somebody edited a recorded run. Ask who pushed the branch; then remove the commit, "
        "or the branch.",
    )
    return kept


def _files_id(repository: ResultsRepository, run: RecordedRun) -> str:
    """Return the tree id of a run's files; '' if the commit cannot be read."""
    import pygit2

    try:
        tree = repository.git[run.commit].tree.id
        return str(find_blob(repository.git, tree, RepoPath((RUNS, run.run))) or "")
    except (KeyError, pygit2.GitError, UserError):
        return ""


def _runs_by_date(
    repository: ResultsRepository, tips: Sequence[tuple[pygit2.Oid, str]]
) -> Iterator[tuple[str, Mapping[str, str] | None, str]]:
    """Yield commits with their trailers and a branch, newest first, children before parents.

    The order is that of ``git log --date-order``. The date alone is not enough: commits in the
    same second, and clocks that disagree, are common. A commit with a run's trailers is yielded;
    another is yielded only if its tree has ``runs/`` (a merge), and ends the walk otherwise. An
    unreadable commit also ends it, and is noted with the branch from which it was reached.
    """
    import pygit2

    repo = repository.git
    commits: dict[pygit2.Oid, tuple[int, list[pygit2.Oid], Mapping[str, str] | None, str]] = {}
    children: Counter[pygit2.Oid] = Counter()
    unread = list(reversed(tips))  # finish one branch before the next
    while unread:
        oid, branch = unread.pop()
        if oid in commits:
            continue
        try:
            commit: pygit2.Commit = repo[oid]  # type: ignore[assignment]
            trailers = parse_trailers(_message(commit))
            is_run = trailers is not None or RUNS in commit.tree
        except (KeyError, AttributeError, pygit2.GitError):
            damaged(repository, branch, f"in its history, {problem_of(repo, oid)}")
            continue
        if is_run:
            parents = commit.parent_ids
            commits[oid] = (commit.commit_time, parents, trailers, branch)
            children.update(parents)
            unread.extend((parent, branch) for parent in parents)
    queue = [(-time, str(oid), oid) for oid, (time, *_) in commits.items() if not children[oid]]
    heapq.heapify(queue)
    while queue:
        _, name, oid = heapq.heappop(queue)
        _, parents, trailers, branch = commits[oid]
        yield name, trailers, branch
        for parent in parents:
            children[parent] -= 1
            if not children[parent] and parent in commits:
                heapq.heappush(queue, (-commits[parent][0], str(parent), parent))


def _message(commit: pygit2.Commit) -> str:
    """Return the message as UTF-8, whatever encoding it claims: mlrepo writes only UTF-8."""
    return commit.raw_message.decode("utf-8", "replace")


def find_run(repository: ResultsRepository, text: str) -> RecordedRun:
    """Return the run named by its id, a unique part of its id, its commit, or ``latest``.

    Raises
    ------
    UserError
        No run or several runs match.
    """
    runs = list(recorded_runs(repository))
    if text == "latest" and runs:
        return runs[0]
    wanted = text.lower()
    found = [
        run
        for run in runs
        if wanted in run.run.lower() or (len(text) >= 6 and run.commit.startswith(wanted))
    ]
    exact = [run for run in found if run.run.lower() == wanted]
    if len(exact) == 1 or len(found) == 1:
        return (exact or found)[0]
    if not found:
        raise UserError(
            f"No recorded run matches {text!r}.",
            hint="`mlrepo log` lists the runs; `latest` is the newest one."
            if runs
            else "Nothing is recorded yet; `mlrepo bench run` makes the first run.",
        )
    listed = ", ".join(run.run for run in found[:5])
    raise UserError(
        f"{len(found)} runs match {text!r}: {listed}{' …' if len(found) > 5 else ''}",
        hint="Give more of the run id.",
    )


def load_record(repository: ResultsRepository, run: RecordedRun) -> RunRecord:
    """Return the run's ``run.json``.

    Raises
    ------
    UserError
        It is missing, is not a record, or disagrees with the commit's trailers.
    """
    from mlrepo.record import RunRecord  # slow to import, and often the trailers suffice

    where = f"{run.commit[:10]}:{RUNS}/{run.run}/run.json"
    record = RunRecord.from_json(read_file(repository, run, "run.json"), where)
    if record.run != run.run:
        raise UserError(
            f"{where} is the record of another run, {record.run}.",
            hint="Somebody copied or edited it; it counts for nothing.",
        )
    said = run_trailers(record)
    for key in _IDENTITY:
        if key in run.trailers and run.trailers[key] != said.get(key, ""):
            raise UserError(
                f"The commit {run.commit[:10]} says {key}: {run.trailers[key]!r}, but its run.json "
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
    repository: ResultsRepository, run: RecordedRun, unreadable: dict[str, str]
) -> RunRecord | None:
    """Return the run's record, or None for one that cannot be read, noted in ``unreadable``.

    For work on many runs, which one bad record must not stop.
    """
    try:
        return load_record(repository, run)
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
