"""Which commit counts where several claim one run: a copy of it, a second import, or an edit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.record import IMPORTED_TAG
from mlrepo.repository.acts import ACTS
from mlrepo.repository.damage import short_name
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.graft import find_blob
from mlrepo.repository.recorder import RUNS, read_blob

if TYPE_CHECKING:
    from mlrepo.repository.history import RecordedRun

_RECORD = "run.json"
# What an import says of itself in a record, line by line as RunRecord.to_json writes it: the
# experiment, the version of mlrepo, and where the results were, twice.
_OF_IMPORT = re.compile(
    rb'^  (?:"experiment": |"tool": |  "imported": |  "reason": "imported from ).*$', re.MULTILINE
)

Claim = tuple["RecordedRun", str]


def first_recorded(repository: ResultsRepository, claimed: Sequence[Claim]) -> RecordedRun:
    """Return which of the commits that claim a run, newest first, counts.

    Any of several identical copies (a rebase, a cherry-pick) will do. A published result that was
    imported into two experiments is one run, too: it is noted as known twice, and counts for the
    experiment whose name comes first, so that all runs of a round count for the same. Otherwise
    someone edited a run or reused its id: local branches take precedence over fetched ones, then
    the branch that recorded the run, then the oldest commit.

    Parameters
    ----------
    claimed:
        At least one run and the full name of the branch that its commit was found on.
    """
    newest = claimed[0][0]
    if len(claimed) == 1 or len({_files_id(repository, run) for run, _ in claimed}) == 1:
        return newest
    contents = {run.commit: _content(repository, run) for run, _ in claimed}
    if len(set(contents.values())) == 1:
        names = sorted({_experiment(run) for run, _ in claimed})
        if len(names) > 1:
            repository.known_twice.setdefault(tuple(names), set()).add(newest.run)
        return min((run for run, _ in claimed), key=_experiment)

    def rank(claim: Claim) -> tuple[bool, bool]:
        run, branch = claim
        home = branch.rpartition("/")[2] == _experiment(run)
        return not branch.startswith("refs/heads/"), not home

    kept, _ = min(reversed(claimed), key=rank)
    false = next(one for one in claimed if contents[one[0].commit] != contents[kept.commit])
    repository.damage[f"{RUNS}/{kept.run}"] = UserError(
        f"The commit {false[0].commit[:10]} on {short_name(false[1])} claims the run {kept.run} "
        f"with other files than {kept.commit[:10]}, which counts.",
        hint="Somebody edited a recorded run. Ask who pushed the branch; then remove the commit, "
        "or the branch.",
    )
    return kept


def known_twice_words(repository: ResultsRepository) -> list[str]:
    """Return what of the runs read here is known twice, in sentences.

    There is one for each group of experiments into which the same runs were imported, and one for
    the rows of summaries.
    """
    found = []
    if rows := len(repository.also_summarised):
        found.append(
            f"{rows} of the rows of summaries read here {'is' if rows == 1 else 'are'} also known "
            "with logs, or from a summary imported later: these count."
        )
    for names, runs in sorted(repository.known_twice.items()):
        where = " and ".join(f"exp/{name}" for name in names)
        was = "was" if len(runs) == 1 else "were"
        found.append(
            f"{len(runs)} of the runs read here {was} imported into {where}: each counts once, for "
            f"exp/{names[0]}."
        )
    return found


def _experiment(run: RecordedRun) -> str:
    return run.committed_trailers.get("MLRepo-Experiment", "")


def _content(repository: ResultsRepository, run: RecordedRun) -> tuple[str, bytes]:
    """Return what all copies of a run have in common: its files, and its record.

    Of an imported run it is the record without what the import says of itself.
    """
    if IMPORTED_TAG not in run.as_recorded.tags:
        return _files_id(repository, run), b""
    record = _OF_IMPORT.sub(b"", _record(repository, run))
    return _files_id(repository, run, but=_RECORD), record


def _files_id(repository: ResultsRepository, run: RecordedRun, *, but: str = "") -> str:
    """Return the ids of a run's files, without the acts on it; '' if they cannot be read."""
    import pygit2

    try:
        tree = repository.git[run.commit].tree.id
        oid = find_blob(repository.git, tree, RepoPath((RUNS, run.run)))
        files = None if oid is None else repository.git[oid]
    except (KeyError, pygit2.GitError, UserError):
        return ""
    entries = files if isinstance(files, pygit2.Tree) else ()
    return " ".join(f"{one.name} {one.id}" for one in entries if one.name not in (ACTS, but))


def _record(repository: ResultsRepository, run: RecordedRun) -> bytes:
    import pygit2

    try:
        tree = repository.git[run.commit].tree.id
        oid = find_blob(repository.git, tree, RepoPath((RUNS, run.run, _RECORD)))
        return b"" if oid is None else read_blob(repository.git, oid)
    except (KeyError, pygit2.GitError, UserError):
        return b""
