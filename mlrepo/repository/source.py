"""The state of the user's working tree when a run started: which commit, and is it clean."""

from __future__ import annotations

import dataclasses

from mlrepo.digest import sha256_bytes
from mlrepo.record import SourceFacts
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.process import GitError, git


def source_state(repository: ResultsRepository) -> SourceFacts:
    """Return commit, branch and whether it is dirty: then with the SHA-256 of the difference.

    The difference itself is not kept: it may hold anything.
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
        # Without the option `git diff` writes the user's index, also where optional locks are off.
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
    """Let git put packs and loose objects together when there are many; it detaches itself."""
    try:
        # Each record is a pack: with Git's limit of 50 packs the next benchmarks would run beside a
        # gc too often.
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
        return  # another gc runs, or it failed: nothing that a recorded run depends on
