"""The branch ``submission/<round>``: read its tip, and commit a new tree on top of it.

Its first commit has no parent, so its history contains nothing that was not selected. Each commit
contains the whole submission, so the older ones are the history of the selection.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.paths import DIVISIONS, RepoPath
from mlrepo.repository.bulk_tree import write_tree
from mlrepo.repository.commit_view import Existing
from mlrepo.repository.commits import (
    publish_commit,
    refuse_if_checked_out,
    until_made,
    write_commit,
)
from mlrepo.repository.damage import read_tip, reference_names
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.identity import Identity
from mlrepo.repository.locks import locked
from mlrepo.repository.quarantine import (
    Quarantine,
    new_objects,
    quarantined,
    unreadable,
)

if TYPE_CHECKING:
    import pygit2

_LOCK_TIMEOUT = 60.0
_KEPT = "Nothing has changed; run the command again."


@dataclass(frozen=True)
class SubmissionCommit:
    """A commit of a submission branch.

    Attributes
    ----------
    commit, tree:
        Object ids.
    message:
        The whole commit message.
    roots:
        ``<division>/<submitter>`` to the object id of that directory.
    """

    commit: str
    tree: str
    message: str
    roots: Mapping[str, str]


def branch_of(round_name: str) -> str:
    """Return the short name of a round's submission branch."""
    return f"submission/{round_name}"


def ref_of(round_name: str) -> str:
    """Return the full name of a round's submission branch."""
    return f"refs/heads/{branch_of(round_name)}"


def read_submission(repository: ResultsRepository, round_name: str) -> SubmissionCommit | None:
    """Return the newest selection of the round; None without any.

    It is the tip of the local branch, or of a fetched one that builds on it, so that work continues
    from a colleague's selection. Without a local branch it is the only fetched one.
    """
    repo = repository.git
    tip = _tip(repository, round_name)
    return None if tip is None else _commit(repo, tip)


def commit_time(repository: ResultsRepository, commit: str) -> datetime.datetime:
    """Return when a commit was made, in UTC."""
    return datetime.datetime.fromtimestamp(
        repository.git[commit].commit_time,  # type: ignore[attr-defined]
        datetime.UTC,
    )


def write_submission(
    repository: ResultsRepository,
    identity: Identity,
    round_name: str,
    content: Mapping[RepoPath, bytes | Existing],
    message: str,
    *,
    fresh: Collection[str] = (),
) -> SubmissionCommit:
    """Commit a tree on top of the branch; do nothing if content and message are the same.

    Parameters
    ----------
    fresh:
        Ids of existing objects that may be on no branch.

    Raises
    ------
    UserError
        The branch is checked out, or the disk is full.
    Busy
        A lock could not be taken.
    """
    ref = ref_of(round_name)

    def attempt() -> SubmissionCommit:
        refuse_if_checked_out(
            repository, ref, instead="look at the branch without a checkout: `git ls-tree -r`"
        )
        with quarantined(repository) as quarantine:
            return _put(quarantine, identity, round_name, content, message, fresh)

    with locked(repository.store / "submission.lock", timeout=_LOCK_TIMEOUT):
        return until_made(repository, ref, attempt, kept=_KEPT)


def _put(
    quarantine: Quarantine,
    identity: Identity,
    round_name: str,
    content: Mapping[RepoPath, bytes | Existing],
    message: str,
    fresh: Collection[str],
) -> SubmissionCommit:
    import pygit2

    repo, ref = quarantine.repository.git, ref_of(round_name)
    tree = pygit2.Oid(hex=write_tree(quarantine, content))
    local, parent = read_tip(quarantine.repository, ref), _tip(quarantine.repository, round_name)
    # The objects of the records are held by their branches.
    held = {item.oid for item in content.values() if isinstance(item, Existing)} - {*fresh}
    objects = [*new_objects(quarantine.git, tree, None, held)]
    before = None if parent is None else _commit(repo, parent)
    unchanged = before is not None and (before.tree, before.message) == (str(tree), message)
    if before is not None and unchanged and local is not None:
        if unreadable(quarantine.repository, objects):
            with quarantine.published(objects):  # its branch holds them
                return before
        return before
    parents = [] if parent is None else [parent]
    commit = write_commit(quarantine, identity, message, tree, parents)
    publish_commit(
        quarantine,
        identity,
        ref,
        expected=local,
        commit=commit,
        objects=objects,
        message=message,
    )
    return _commit(repo, commit)


def gone_apart(repository: ResultsRepository, round_name: str) -> str:
    """Return the name of a fetched branch that diverged from the local selection, or ''.

    Somebody else made a selection meanwhile, and neither of the two builds on the other.
    """
    tip = _tip(repository, round_name)
    for name, oid in _fetched(repository, round_name).items():
        if tip is not None and oid != tip and not repository.git.descendant_of(tip, oid):
            return name.removeprefix("refs/remotes/")
    return ""


def builds_on(repository: ResultsRepository, commit: str, earlier: str) -> bool:
    """Return whether a commit is ``earlier`` or has it in its local history."""
    import pygit2

    if commit == earlier:
        return True
    try:
        return repository.git.descendant_of(commit, earlier)
    except (ValueError, pygit2.GitError):  # it is not in this repository
        return False


def _tip(repository: ResultsRepository, round_name: str) -> pygit2.Oid | None:
    """Return the newest selection: the local one, or a fetched one that builds on it."""
    tip = read_tip(repository, ref_of(round_name))
    fetched = _fetched(repository, round_name)
    if tip is None:
        return next(iter(fetched.values())) if len(fetched) == 1 else None
    for oid in fetched.values():
        if repository.git.descendant_of(oid, tip):
            tip = oid
    return tip


def _fetched(repository: ResultsRepository, round_name: str) -> dict[str, pygit2.Oid]:
    """Return the fetched branches of the round's selection, by full name."""
    pattern = re.compile(rf"refs/remotes/[^/]+/{re.escape(branch_of(round_name))}")
    names = (name for name in reference_names(repository) if pattern.fullmatch(name))
    tips = {name: read_tip(repository, name) for name in names}
    return {name: oid for name, oid in tips.items() if oid is not None}


def _commit(repo: pygit2.Repository, oid: pygit2.Oid) -> SubmissionCommit:
    commit: pygit2.Commit = repo[oid]  # type: ignore[assignment]
    tree = commit.tree
    roots = {
        f"{division}/{entry.name}": str(entry.id)
        for division in DIVISIONS
        if division in tree
        for entry in tree[division]  # type: ignore[union-attr]
    }
    return SubmissionCommit(str(oid), str(tree.id), commit.message, roots)
