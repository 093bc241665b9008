"""Runs committed by ``git fast-import``: thousands in a second, each with its record alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlrepo.record import RunRecord
from mlrepo.repository.trailers import commit_message


def import_runs(root: Path, records: Iterable[RunRecord]) -> None:
    """Commit each record on the branch of its experiment, which begins with the first."""
    commits = ((one.experiment, one.run, commit_message(one), one.to_json()) for one in records)
    import_commits(root, commits)


def import_commits(root: Path, commits: Iterable[tuple[str, str, str, bytes]]) -> None:
    """Commit runs, given as experiment, run id, message and the content of ``run.json``."""
    stream = b"".join(_stream(commits))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input=stream, check=True)


def _stream(commits: Iterable[tuple[str, str, str, bytes]]) -> Iterator[bytes]:
    for number, (experiment, run, text, content) in enumerate(commits):
        message = text.encode()
        yield f"commit refs/heads/exp/{experiment}\n".encode()
        yield f"committer A <a@example.org> {1_700_000_000 + number} +0000\n".encode()
        yield b"data %d\n%b\n" % (len(message), message)
        yield b"M 100644 inline runs/%b/run.json\n" % run.encode()
        yield b"data %d\n%b\n" % (len(content), content)
