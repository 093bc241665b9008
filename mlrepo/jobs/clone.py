"""The clone of the hub on a node: made once, brought up to date before each job, then pushed."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from mlrepo.errors import Busy, UserError
from mlrepo.repository.branch_moves import Relation, commits_of, relation
from mlrepo.repository.cloning import clone
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.hub import hub_named
from mlrepo.repository.identity import git_identity
from mlrepo.repository.process import GitError, git
from mlrepo.sync.synchronise import synchronise

REMOTE = "origin"
_EXPERIMENTS = "refs/heads/exp/"
# Each is a dozen rounds of fetch, merge and push: many nodes of one kind push to one branch.
_EXCHANGES = 5


def clone_directory(directory: Path, hub: str) -> Path:
    """Return where the clone of a hub is below a node's directory."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", hub.rstrip("/").rpartition("/")[2]) or "results"
    return directory / f"{name.removesuffix('.git')}-{hashlib.sha256(hub.encode()).hexdigest()[:8]}"


def open_clone(root: Path, hub: str, author: tuple[str, ...]) -> ResultsRepository:
    """Return the clone at ``root``, made now if there is none.

    Raises
    ------
    RemoteUnavailable
        There is none yet, and the hub cannot be reached.
    UserError
        It is no results repository.
    """
    if not (root / ".git").is_dir():
        # Into another name first: a clone that was interrupted is not mistaken for one.
        new = root.with_name(f"{root.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        clone(hub, new)
        new.rename(root)
    repository = find_repository(root)
    try:
        git_identity(root)
    except UserError:
        if not all(author):
            raise
        for key, value in zip(("user.name", "user.email"), author, strict=True):
            git("config", "--local", key, value, cwd=root)
    return repository


def fetch(repository: ResultsRepository, remote: str = REMOTE) -> None:
    """Fetch the experiment branches of the hub; nothing is forced, and no branch here moves.

    Raises
    ------
    UserError
        There is no such remote.
    RemoteUnavailable
        The hub cannot be reached.
    """
    hub = hub_named(repository, remote)
    there = {f"exp/{name}": oid for name, oid in hub.branches().experiments.items()}
    known = hub.fetched()
    hub.fetch([name for name, oid in there.items() if known.get(name) != oid])
    hub.note_contact()


def exchange(repository: ResultsRepository, environ: Mapping[str, str]) -> None:
    """Exchange experiment branches with the hub, and bring the checked out branch up to date.

    Raises
    ------
    MlrepoError
        The hub cannot be reached, or does not take a branch; its runs stay in this clone.
    """
    for number in range(1, _EXCHANGES + 1):
        report = synchronise(repository, REMOTE, environ)
        if not isinstance(report.problem, Busy) or number == _EXCHANGES:
            break
    if report.problem is not None:
        raise report.problem
    for kept in report.kept:
        if kept.refused:
            raise UserError(f"{kept.branch} stays in this clone: {kept.why}.", hint=kept.hint)
    branch = git("rev-parse", "--abbrev-ref", "HEAD", cwd=repository.root).strip()
    try:
        git("merge", "--quiet", "--ff-only", f"refs/remotes/{REMOTE}/{branch}", cwd=repository.root)
    except GitError:
        return  # a branch that only this clone has, or a description that somebody committed since


def unpushed(repository: ResultsRepository) -> list[str]:
    """Return the experiment branches that hold commits which the hub is not known to have."""
    there = {
        ref.removeprefix(f"refs/remotes/{REMOTE}/"): oid
        for ref, oid in commits_of(repository, f"refs/remotes/{REMOTE}/exp/")
    }
    within = (Relation.SAME, Relation.BEHIND)
    return [
        name
        for ref, oid in commits_of(repository, _EXPERIMENTS)
        if (name := ref.removeprefix("refs/heads/")) not in there
        or relation(repository, oid, there[name]) not in within
    ]
