"""The state of the user's working tree when a run started: its commit, and whether it is clean."""

from __future__ import annotations

import dataclasses

from mlrepo.digest import sha256_bytes
from mlrepo.record import SourceFacts
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.process import GitError, git


def source_state(repository: ResultsRepository) -> SourceFacts:
    """Return the commit, the branch and, if the tree is dirty, the SHA-256 of its diff.

    The diff itself is not kept: it may contain anything.
    """
    root = repository.root
    try:
        commit = git("rev-parse", "--verify", "HEAD", cwd=root).strip()
    except GitError:
        return SourceFacts(dirty=True)
    branch = git("rev-parse", "--abbrev-ref", "HEAD", cwd=root).strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--ignore-submodules", cwd=root)
    state = SourceFacts(commit, branch, dirty=bool(changed.strip()))
    if state.dirty:
        # Without this option `git diff` writes the user's index, even if optional locks are off.
        diff = git(
            "-c",
            "diff.autoRefreshIndex=false",
            "diff",
            "--no-ext-diff",
            "--no-textconv",
            "--binary",
            "HEAD",
            cwd=root,
        )
        digest = sha256_bytes(diff.encode(errors="surrogateescape"))
        state = dataclasses.replace(state, diff_sha256=digest)
    return state


def collect_garbage(repository: ResultsRepository) -> None:
    """Let git combine packs and loose objects if there are many; it runs in the background."""
    try:
        # Each recorded run is a pack: with Git's limit of 50 packs, a gc would too often run beside
        # the next benchmark.
        git(
            "-c",
            "gc.pruneExpire=2.weeks.ago",
            "-c",
            "gc.autoPackLimit=500",
            "gc",
            "--auto",
            "--quiet",
            cwd=repository.root,
        )
    except GitError:
        return  # another gc is running, or it failed; recorded runs do not depend on it
