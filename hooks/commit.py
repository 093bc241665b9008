"""What the plain commit hooks do when the first look finds something to judge."""

from __future__ import annotations

import os
from pathlib import Path

from mlrepo.hooks import verdict
from mlrepo.hooks.pre_commit import LOG, WATCHED
from mlrepo.repository.first_look import Change, on_experiment_branch
from mlrepo.repository.outgoing import Outgoing, OutgoingBlob, staged


def judge_commit(changes: list[Change] | None) -> int:
    """Truncate, refuse secrets, oversized files and invalid results; return the exit code."""
    return verdict(lambda: _judge(changes), name="pre-commit", way_out="nothing was committed.")


def _judge(changes: list[Change] | None) -> list[str]:
    root = Path.cwd()
    change = staged(root, changes)
    messages = _truncate(root, change.blobs)
    if change.blobs:
        from mlrepo.guard.contents import large_files, secrets_in, secrets_in_names

        messages += large_files(change.blobs) + secrets_in(root, change.blobs)
        messages += secrets_in_names("the file", [blob.path for blob in change.blobs])
    # Judge further only if nothing was found: the checker would repeat a full log, for example.
    return messages or _descriptions(root, change.blobs) or _findings(root, change)


def _truncate(root: Path, blobs: tuple[OutgoingBlob, ...]) -> list[str]:
    logs = [b for b in blobs if b.path.startswith(WATCHED) and b.path.endswith(LOG)]
    if not logs:
        return []
    from mlrepo.guard.truncate import is_target
    from mlrepo.hooks.truncate_accuracy_log import fix
    from mlrepo.logs.accuracy import TRUNCATED_SIZE

    messages = []
    for blob in logs:
        if blob.size <= TRUNCATED_SIZE or not is_target(Path(blob.path)):
            continue
        file = root / blob.path
        if file.is_file() and file.stat().st_size > TRUNCATED_SIZE:
            messages += fix(root, [blob.path])
        else:
            messages.append(
                f"{blob.path}: what is staged is the full log; add the truncated one: git add it "
                "and accuracy.txt beside it."
            )
    return messages


def _descriptions(root: Path, blobs: tuple[OutgoingBlob, ...]) -> list[str]:
    if not any(blob.path.startswith(WATCHED) and "systems/" in blob.path for blob in blobs):
        return []
    from mlrepo.hooks.check_system import judge
    from mlrepo.repository.outgoing import read_blobs
    from mlrepo.systems.outgoing import is_description

    described = [blob for blob in blobs if is_description(blob.path)]
    return judge(root, [(blob.path, data) for blob, data in read_blobs(root, described)])


def _findings(root: Path, change: Outgoing) -> list[str]:
    if not any(path.startswith(WATCHED) for path in change.paths) or on_experiment_branch():
        return []
    from mlrepo.guard.changed import judge_index
    from mlrepo.guard.contents import settings_for_hooks

    index_file = os.environ.get("GIT_INDEX_FILE", "")
    settings = settings_for_hooks(root, os.environ)
    return judge_index(root, change.paths, index_file=index_file, settings=settings)
