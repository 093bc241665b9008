"""The clone of the hub on a node: made once, brought up to date before each job, then pushed."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import time
from pathlib import Path

from mlrepo.errors import Busy, MlrepoError, UserError
from mlrepo.redaction import shown_url
from mlrepo.repository.cloning import clone
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.identity import git_identity
from mlrepo.repository.process import GitError, git
from mlrepo.repository.remotes import remote_error

_REMOTE = "origin"
_EXPERIMENTS = "refs/heads/exp/"
_PUSHES = 30


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


def fetch(repository: ResultsRepository, hub: str) -> None:
    """Fetch all branches of the hub, and bring the checked out one up to date.

    Raises
    ------
    RemoteUnavailable
        The hub cannot be reached.
    """
    root = repository.root
    refs = f"+refs/heads/*:refs/remotes/{_REMOTE}/*"
    try:
        git("fetch", "--quiet", "--prune", "--no-tags", _REMOTE, refs, cwd=root)
    except GitError as error:
        raise remote_error(error, shown_url(hub), "fetch from") from error
    branch = git("rev-parse", "--abbrev-ref", "HEAD", cwd=root).strip()
    try:
        git("merge", "--quiet", "--ff-only", f"refs/remotes/{_REMOTE}/{branch}", cwd=root)
    except GitError:
        return  # a branch that only this clone has, or a description that somebody committed since


def unpushed(repository: ResultsRepository) -> list[str]:
    """Return the experiment branches that hold commits which the hub is not known to have."""
    here, there = _tips(repository, _EXPERIMENTS), _tips(repository, f"refs/remotes/{_REMOTE}/exp/")
    return [
        name
        for name, tip in here.items()
        if tip != there.get(name)
        and not (name in there and _is_ancestor(repository, tip, there[name]))
    ]


def push(repository: ResultsRepository, hub: str) -> None:
    """Push all experiment branches that are ahead; merge what others pushed meanwhile.

    Raises
    ------
    MlrepoError
        The hub does not take them; they stay in this clone.
    """
    for turn in range(_PUSHES):
        names = unpushed(repository)
        if not names:
            return
        for name in names:
            _integrate(repository, name)
        refs = [f"{_EXPERIMENTS}{name}:{_EXPERIMENTS}{name}" for name in names]
        try:
            git("push", "--quiet", "--no-signed", _REMOTE, *refs, cwd=repository.root)
            fetch(repository, hub)
            return
        except GitError as error:
            refused = remote_error(error, shown_url(hub), "push to")
            if not isinstance(refused, Busy):
                raise refused from error
        time.sleep(random.uniform(0.0, min(2.0, 0.1 * 2**turn)))  # others push as well
        fetch(repository, hub)
    raise refused


def catch_up(repository: ResultsRepository) -> None:
    """Bring local experiment branches that are only behind the hub's to where those are."""
    there = _tips(repository, f"refs/remotes/{_REMOTE}/exp/")
    for name, tip in _tips(repository, _EXPERIMENTS).items():
        if name in there and tip != there[name] and _is_ancestor(repository, tip, there[name]):
            git("update-ref", f"{_EXPERIMENTS}{name}", there[name], tip, cwd=repository.root)


def _integrate(repository: ResultsRepository, name: str) -> None:
    there = _tips(repository, f"refs/remotes/{_REMOTE}/exp/").get(name)
    tip = _tips(repository, _EXPERIMENTS)[name]
    if there is None or _is_ancestor(repository, there, tip):
        return
    raise MlrepoError("merge")


def _tips(repository: ResultsRepository, prefix: str) -> dict[str, str]:
    listed = git("for-each-ref", "--format=%(objectname) %(refname)", prefix, cwd=repository.root)
    pairs = (line.partition(" ")[::2] for line in listed.splitlines())
    return {ref.removeprefix(prefix): oid for oid, ref in pairs}


def _is_ancestor(repository: ResultsRepository, older: str, newer: str) -> bool:
    try:
        git("merge-base", "--is-ancestor", older, newer, cwd=repository.root)
    except GitError as error:
        if error.returncode != 1:
            raise
        return False
    return True


def fetch_experiments(repository: ResultsRepository) -> None:
    """Fetch the experiment branches of the hub into a submitter's repository.

    Raises
    ------
    RemoteUnavailable
        The hub cannot be reached.
    """
    refs = f"+refs/heads/exp/*:refs/remotes/{_REMOTE}/exp/*"
    try:
        git("fetch", "--quiet", "--no-tags", _REMOTE, refs, cwd=repository.root)
    except GitError as error:
        raise remote_error(error, _REMOTE, "fetch from") from error
