"""What the plain commit hooks do where the first look found something to judge."""

from __future__ import annotations

from pathlib import Path

from mlrepo.hooks import verdict

from mlrepo.repository.outgoing import OutgoingBlob, staged_blobs

_DIVISIONS = ("closed/", "open/", "network/")
_LOG = "/mlperf_log_accuracy.json"


def judge_commit() -> int:
    """Truncate, refuse secrets and oversized files; return the exit code of the hook."""
    return verdict(_judge, name="pre-commit", way_out="nothing was committed.")


def _judge() -> list[str]:
    root = Path.cwd()
    blobs = staged_blobs(root)
    if not blobs:
        return []
    from mlrepo.submission.guard import large_files, secrets_in

    logs = [b for b in blobs if b.path.startswith(_DIVISIONS) and b.path.endswith(_LOG)]
    return _truncate(root, logs) + large_files(blobs) + secrets_in(root, blobs)


def _truncate(root: Path, logs: list[OutgoingBlob]) -> list[str]:
    if not logs:
        return []
    from mlrepo.hooks.truncate_accuracy_log import mend

    from mlrepo.logs.accuracy import TRUNCATED_SIZE
    from mlrepo.submission.truncate import is_target

    messages = []
    for blob in logs:
        if blob.size <= TRUNCATED_SIZE or not is_target(Path(blob.path)):
            continue
        file = root / blob.path
        if file.is_file() and file.stat().st_size > TRUNCATED_SIZE:
            messages += mend(root, [blob.path])
        else:
            messages.append(
                f"{blob.path}: what is staged is the full log; add the truncated one: git add it "
                "and accuracy.txt beside it."
            )
    return messages
