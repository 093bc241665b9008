"""Runs committed by ``git fast-import``: thousands in a second, each with its record alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlrepo.record import RunRecord
from mlrepo.repository.trailers import commit_message

_NONE: Mapping[str, bytes] = {}


def import_runs(
    root: Path,
    records: Iterable[RunRecord],
    files: Callable[[RunRecord], Mapping[str, bytes]] = lambda record: _NONE,
) -> None:
    """Commit each record on the branch of its experiment, which begins with the first.

    ``files`` are what each run has besides its record, by name.
    """
    _import(
        root,
        (
            (
                one.experiment,
                one.run,
                commit_message(one),
                {"run.json": one.to_json(), **files(one)},
            )
            for one in records
        ),
    )


def import_commits(root: Path, commits: Iterable[tuple[str, str, str, bytes]]) -> None:
    """Commit runs, given as experiment, run id, message and the content of ``run.json``."""
    _import(root, ((*names, {"run.json": content}) for *names, content in commits))


def _import(root: Path, commits: Iterable[Any]) -> None:
    stream = b"".join(_stream(commits))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input=stream, check=True)


def _stream(commits: Iterable[tuple[str, str, str, Mapping[str, bytes]]]) -> Iterator[bytes]:
    for number, (experiment, run, text, files) in enumerate(commits):
        message = text.encode()
        yield f"commit refs/heads/exp/{experiment}\n".encode()
        yield f"committer A <a@example.org> {1_700_000_000 + number} +0000\n".encode()
        yield b"data %d\n%b\n" % (len(message), message)
        for name, content in files.items():
            yield f"M 100644 inline runs/{run}/{name}\n".encode()
            yield b"data %d\n%b\n" % (len(content), content)
