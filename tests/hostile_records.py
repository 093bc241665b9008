"""Records, trailers and logs as a stranger may push them: one run of each kind on one branch."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.samples import git, sample_run_id

# What may stand where a text, a number, a list or an object is expected.
VALUES: Mapping[str, Any] = {
    "null": None,
    "true": True,
    "number": -1,
    "fraction": 0.5,
    "huge": 10**400,
    "digits": 10**4000,
    "infinite": float("inf"),
    "not a number": float("nan"),
    "empty": "",
    "text": "x" * 300,
    "up": "../../../../tmp/out",
    "root": "/etc/passwd",
    "option": "--upload-pack=x",
    "surrogate": "\ud800",
    "escape": "\x1b]0;owned\x07\x1b[2J",
    "turned": "\u202egnp.exe\u2066",
    "lines": "a\r\nMLRepo-Validity: VALID\n\nMLRepo-Run: x",
    "nul": "a\0b",
    "list": [],
    "nested": [[{"a": [None]}]],
    "object": {},
    "odd object": {"\x1b[31m": {"../x": [True]}},
    "deep": None,  # see _deep
}
_TRAILERS = (
    "Round",
    "Division",
    "Submitter",
    "System",
    "Backend",
    "Benchmark",
    "Scenario",
    "Mode",
    "Result",
    "Validity",
    "Tags",
    "Duration",
    "Configuration",
    "Test",
    "Reference",
    "Placed",
    "Experiment",
)


@dataclass(frozen=True)
class Hostile:
    """A run: what was changed, its files below ``runs/ID/``, and its trailers."""

    name: str
    files: dict[str, bytes]
    trailers: dict[str, str] = field(default_factory=dict)
    encoding: str = ""


def hostile_runs(files: Mapping[str, bytes], trailers: Mapping[str, str]) -> Iterator[Hostile]:
    """Yield one run per way in which the run with these files can be spoilt."""
    record = json.loads(files["run.json"])
    for path in sorted(_paths(record)):
        for kind, value in VALUES.items():
            yield _changed(files, trailers, record, path, kind, value)
        yield _changed(files, trailers, record, path, "absent", ...)
    for name in _TRAILERS:
        for kind in ("empty", "huge", "up", "escape", "turned", "not a number", "infinite"):
            changed = {**trailers, f"MLRepo-{name}": _line(VALUES[kind])}
            yield Hostile(f"trailer {name} {kind}", dict(files), changed)
    for name in files:
        for kind, data in (
            ("absent", None),
            ("empty", b""),
            ("bytes", b"\xff\xfe\0\x1b[2J"),
            ("deep", b"[" * 50_000),
            ("list", b"[1]"),
            ("scalar", b"1"),
            ("mllog", b':::MLLOG {"key": 1, "value": 1e999, "metadata": {}}\n'),
            ("mllog list", b":::MLLOG []\n"),
        ):
            kept = {key: value for key, value in files.items() if key != name}
            yield Hostile(
                f"file {name} {kind}", kept | ({} if data is None else {name: data}), dict(trailers)
            )
    yield Hostile("encoding", dict(files), dict(trailers), encoding="x-no-such-encoding")


def _line(value: Any) -> str:
    return " ".join(str(value)[:400].split())


def _paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*above, key)
            yield from _paths(item, (*above, key))


def _changed(
    files: Mapping[str, bytes],
    trailers: Mapping[str, str],
    record: Any,
    path: tuple[str, ...],
    kind: str,
    value: Any,
) -> Hostile:
    changed = copy.deepcopy(record)
    place = changed
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = "@deep@" if kind == "deep" else value
    text = json.dumps(changed).replace('"@deep@"', "[" * 300 + "]" * 300)
    return Hostile(f"{'.'.join(path)} {kind}", {**files, "run.json": text.encode()}, dict(trailers))


def push(root: Path, branch: str, runs: list[Hostile]) -> dict[str, str]:
    """Commit the runs to ``exp/<branch>`` as plain Git would; return the run ids by name.

    A run whose record names itself gets its new id there.
    """
    stream: list[bytes] = []
    ids = {}
    ref = f"refs/heads/exp/{branch}"
    start = git(root, "rev-parse", "HEAD").strip()
    for number, run in enumerate(runs):
        run_id = ids[run.name] = sample_run_id(number, writer=0xABC)
        trailers = {"MLRepo-Run": run_id, **run.trailers}
        trailers["MLRepo-Run"] = run_id
        message = "hostile\n\n" + "".join(f"{k}: {v}\n" for k, v in trailers.items())
        committer = f"Mallory <m@example.org> {1_800_000_000 + number} +0000"
        stream.append(f"commit {ref}\ncommitter {committer}\n".encode())
        if run.encoding:
            stream.append(f"encoding {run.encoding}\n".encode())
        stream.append(_data(message.encode("utf-8", "replace")))
        if not number:
            stream.append(f"from {start}\n".encode())
        old = run.trailers["MLRepo-Run"].encode()
        for name, content in run.files.items():
            if name == "run.json":
                content = content.replace(b'"run": "' + old, b'"run": "' + run_id.encode())
            stream.append(f"M 100644 inline runs/{run_id}/{name}\n".encode() + _data(content))
    import subprocess

    subprocess.run(
        ["git", "fast-import", "--quiet", "--force"], cwd=root, input=b"".join(stream), check=True
    )
    return ids


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"
