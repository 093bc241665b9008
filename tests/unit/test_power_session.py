"""The files of a power measurement are compared with what its session recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlrepo.checker.docket import Docket
from mlrepo.checker.power.session import judge_session
from mlrepo.checker.scope import Scope
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED, Place

_RUN_FILES = ("mlperf_log_detail.txt", "mlperf_log_summary.txt", "spl.txt")
_FILES = [
    "power/client.log",
    "power/server.log",
    "power/ptd_logs.txt",
    *(f"{run}/{name}" for run in ("ranging", "run_1") for name in _RUN_FILES),
]


def _scope(root: Path, round_name: str) -> Scope:
    place = Place("closed", "Acme", "alpha", "resnet50", "Offline")
    return Scope(DirectoryTree(root), SHIPPED[round_name], place, model="resnet")


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Write a sound measurement; return its directory."""
    home = tmp_path / "closed/Acme/results/alpha/resnet50/Offline/performance"
    sums = {}
    for name in _FILES:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"content of {name}\n")
        sums[name] = hashlib.sha1((home / name).read_bytes()).hexdigest()
    record = {
        "version": 1,
        "timezone": 0,
        "modules": {},
        "sources": {},
        "messages": [],
        "uuid": {"client": "a", "server": "b"},
        "session_name": "s",
        "phases": {},
    }
    for end in ("client", "server"):
        text = json.dumps(record | {"results": sums})
        (home / "power" / f"{end}.json").write_text(text)
    return home


def _change(session: Path, end: str, **values: Any) -> None:
    file = session / "power" / f"{end}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def _found(root: Path, round_name: str = "v4.1") -> list[tuple[str, bool, bool]]:
    scope = _scope(root, round_name)
    Docket(scope).record(judge_session(scope))
    return [
        (f.path.rpartition("performance/")[2], f.breaks_official, f.breaks_strict)
        for f in scope.findings
    ]


def test_a_sound_session_has_no_finding(session: Path, tmp_path: Path) -> None:
    """The files are as both ends recorded them."""
    assert _found(tmp_path) == []


@pytest.mark.parametrize("name", _FILES)
def test_a_changed_file_is_not_that_of_the_session(
    session: Path, tmp_path: Path, name: str
) -> None:
    """One byte more; in strict also up to v3.0, whose checkers do not look on their own."""
    with (session / name).open("a") as stream:
        stream.write(" ")
    assert _found(tmp_path) == [(name, True, True)]
    assert _found(tmp_path, "v3.0") == [(name, False, True)]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda s: _change(s, "server", session_name="other"), "power/server.json"),
        (lambda s: _change(s, "client", uuid={"client": "x", "server": "b"}), "power/server.json"),
        (lambda s: _change(s, "server", debug=True), "power/server.json"),
        (lambda s: (s / "power/client.json").write_text("[]"), "power/client.json"),
        (lambda s: (s / "power/client.json").write_text(""), "power/client.json"),
        (lambda s: (s / "power/server.json").write_text('{"version": 1}'), "power/server.json"),
        (lambda s: _change(s, "server", results=7), "power/server.json"),
    ],
)
def test_records_that_are_none_or_of_two_sessions(
    session: Path, tmp_path: Path, change: Callable[[Path], object], place: str
) -> None:
    """The record itself is named."""
    change(session)
    assert _found(tmp_path) == [(place, True, True)]


def test_a_file_in_no_record_or_with_two_sums(session: Path, tmp_path: Path) -> None:
    """The file is named."""
    client = json.loads((session / "power/client.json").read_text())["results"]
    server = dict(client)
    for sums in (client, server):
        del sums["run_1/spl.txt"]
    client["power/ptd_logs.txt"] = "0" * 40
    _change(session, "client", results=client)
    _change(session, "server", results=server)
    assert _found(tmp_path) == [("power/ptd_logs.txt", True, True), ("run_1/spl.txt", True, True)]
