"""What can be wrong with a repository, and what of it can be fixed without loss."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import MlrepoError
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import experiment_tips
from mlrepo.repository.history import committed_record, readable_record, recorded_runs
from mlrepo.repository.hook_install import (
    NO_HOOKS,
    NONE,
    kind_of_hooks,
    missing_hooks,
    outdated_hooks,
)
from mlrepo.repository.identity import git_identity
from mlrepo.repository.leftovers import is_stale, leftovers
from mlrepo.repository.locks import locked
from mlrepo.repository.process import git
from mlrepo.repository.spool import Spool
from mlrepo.repository.trailers import trailers_then

_OLDEST_GIT = (2, 36)

# At most so many unreadable records are listed.
_MOST_TOLD = 5
OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True)
class Check:
    """The outcome of one check: its status, what was found, and what to do about it."""

    name: str
    status: str
    found: str
    hint: str = ""


def check_repository(repository: ResultsRepository, *, records: bool, hooks: str) -> list[Check]:
    """Check everything that recording needs.

    Parameters
    ----------
    records:
        Also compare each record with its commit.
    hooks:
        The setting ``hooks``.
    """
    checks = [_git_version(repository), _formats(repository), _identity(repository)]
    checks += [_locks(repository), _leftovers(repository), _spool(repository)]
    checks.append(_hooks(repository, hooks))
    checks.append(_systems(repository))
    if can_be_read(repository):
        checks += _branches(repository)
        if records:
            checks.append(_records(repository))
    return checks


def can_be_read(repository: ResultsRepository) -> bool:
    """Return whether mlrepo can read the formats of the repository's objects and references."""
    return _formats(repository).status == OK


def stale_locks(repository: ResultsRepository) -> list[Path]:
    """Return the lock files that a crash left behind for mlrepo's branches."""
    stale = []
    heads = repository.common_dir / "refs" / "heads"
    for lock in sorted((*heads.glob("exp/**/*.lock"), *heads.glob("submission/*.lock"))):
        with contextlib.suppress(FileNotFoundError):  # a living git released it
            if is_stale(lock):
                stale.append(lock)
    return stale


def remove_stale_locks(repository: ResultsRepository) -> list[Path]:
    """Delete the stale locks while holding mlrepo's own locks, so that no mlrepo owns one."""
    store = repository.store
    with (
        locked(store / "record.lock", timeout=60.0),
        locked(store / "submission.lock", timeout=60.0),
    ):
        removed = stale_locks(repository)
        for lock in removed:
            lock.unlink(missing_ok=True)
    return removed


def _git_version(repository: ResultsRepository) -> Check:
    text = git("--version", cwd=repository.root).strip()
    match = re.search(r"(\d{1,9})\.(\d{1,9})", text)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version < _OLDEST_GIT:
        return Check("git", WARNING, text, "Install git 2.36 or later.")
    return Check("git", OK, text)


def _formats(repository: ResultsRepository) -> Check:
    try:
        _ = repository.git
    except MlrepoError as error:
        return Check("formats", PROBLEM, error.message, error.hint)
    return Check("formats", OK, "SHA-1 objects, refs in files")


def _identity(repository: ResultsRepository) -> Check:
    try:
        identity = git_identity(repository.root)
    except MlrepoError as error:
        return Check("identity", PROBLEM, error.message, error.hint)
    signed = ", commits are signed" if identity.sign else ""
    return Check("identity", OK, f"{identity.committer.name} <{identity.committer.email}>{signed}")


def _locks(repository: ResultsRepository) -> Check:
    stale = stale_locks(repository)
    if stale:
        names = ", ".join(lock.name.removesuffix(".lock") for lock in stale)
        return Check(
            "locks",
            PROBLEM,
            f"A crash left the branches locked: {names}.",
            "If no git process runs, `mlrepo doctor --fix` removes the lock files.",
        )
    return Check("locks", OK, "no stale lock")


def _leftovers(repository: ResultsRepository) -> Check:
    found = leftovers(repository)
    if found:
        named = ", ".join(str(path) for path in found[:_MOST_TOLD])
        more = f" and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
        return Check(
            "leftovers",
            WARNING,
            f"Processes that crashed left {named}{more}.",
            "`mlrepo doctor --fix` removes them.",
        )
    return Check("leftovers", OK, "no temporary file")


def _spool(repository: ResultsRepository) -> Check:
    number = Spool(repository.store / "spool").count_orphans()
    if number:
        return Check(
            "spool",
            PROBLEM,
            f"{number} runs are not recorded yet: the mlrepo that ran them crashed.",
            "`mlrepo doctor --fix` or the next run records them.",
        )
    return Check("spool", OK, "empty")


def _hooks(repository: ResultsRepository, setting: str) -> Check:
    kind = kind_of_hooks(repository, setting)
    missing = [] if kind == NONE else missing_hooks(repository)
    for names, what in (
        (missing, "not installed"),
        (outdated_hooks(repository, setting), f"of another installation or kind than {kind}"),
    ):
        if names:
            return Check("hooks", WARNING, f"{what}: {', '.join(names)}", "mlrepo doctor --fix")
    return Check("hooks", OK, NO_HOOKS if kind == NONE else kind)


def _systems(repository: ResultsRepository) -> Check:
    names = sorted(path.parent.name for path in repository.systems.glob("*/system.json"))
    if not names:
        return Check("systems", WARNING, "no system is described", "mlrepo system add NAME")
    return Check("systems", OK, ", ".join(names))


def _branches(repository: ResultsRepository) -> list[Check]:
    """Read every run's commit; report each unreadable branch and how to recover it."""
    number = len({name for name, _ in experiment_tips(repository)})
    for _ in recorded_runs(repository):
        pass
    if not repository.damage:
        return [Check("branches", OK, f"{number} experiments can be read")]
    return [
        Check("branches", PROBLEM, damage.message, damage.hint)
        for damage in repository.damage.values()
    ]


def _records(repository: ResultsRepository) -> Check:
    """Check that the trailers, by which runs are found, agree with the records."""
    number = 0
    unreadable: dict[str, str] = {}
    for run in recorded_runs(repository, hidden=True):
        number += 1
        record = readable_record(repository, run, unreadable, load=committed_record)
        if record is None:
            continue
        committed = run.committed_trailers
        for key, value in trailers_then(record, committed).items():
            if committed.get(key, "") != " ".join(value.split()):
                return Check(
                    "records",
                    PROBLEM,
                    f"The commit {run.commit[:10]} says {key}: {committed.get(key)!r}, but "
                    f"run.json says {value!r}.",
                    "Somebody rewrote the commit; trust run.json.",
                )
    if unreadable:
        listed = " ".join(list(unreadable.values())[:_MOST_TOLD])
        return Check(
            "records",
            PROBLEM,
            f"{len(unreadable)} of {number} runs do not count. {listed}",
            "The other runs count. Where a commit and its run.json differ, trust run.json.",
        )
    if repository.damage:
        return Check("records", WARNING, f"{number} runs agree, of the branches that can be read")
    return Check("records", OK, f"{number} runs, records and commits agree")
