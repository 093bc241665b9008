"""Runs that a newer mlrepo recorded: nothing of them is left out without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import mlrepo
from tests.hostile_records import Hostile, push
from tests.samples import git

_UNKNOWN = ("energy", "load.humidity", "metrics.mean_latency.spread")


def _newer(root: Path, files: dict[str, bytes], trailers: dict[str, str]) -> dict[str, str]:
    """Record a run with unknown keys, one of the next schema, one with newer files, and an act."""
    record: dict[str, Any] = json.loads(files["run.json"])
    more = json.loads(files["run.json"])
    more |= {"energy": {"joules": 5}, "tool": "mlrepo 99.0"}
    more["load"] |= {"humidity": "\x1b]0;owned\x07"}
    more["metrics"]["mean_latency"] |= {"spread": 0.1}
    runs = [
        Hostile("plain", dict(files), trailers),
        Hostile("keys", files | {"run.json": json.dumps(more).encode()}, trailers),
        Hostile(
            "schema",
            files | {"run.json": json.dumps(record | {"schema": "mlrepo.run/3"}).encode()},
            trailers,
        ),
        Hostile("files", _with_schemas(files), trailers),
    ]
    ids = push(root, "newer", runs)
    said = {"id": "20261123T120000.000000Z-0a1b2c", "who": "Ada", "why": "", "values": {}}
    start = git(root, "rev-parse", "exp/newer").strip()
    act = f"Act\n\nMLRepo-Act: supersede {ids['plain']} {json.dumps(said)}\n"
    commit = git(root, "commit-tree", "-p", start, f"{start}^{{tree}}", stdin=act).strip()
    git(root, "update-ref", "refs/heads/exp/newer", commit)
    return ids


def _with_schemas(files: dict[str, bytes]) -> dict[str, bytes]:
    changed = dict(files)
    for name in ("trace", "latencies"):
        document = json.loads(files[f"{name}.json"])
        changed[f"{name}.json"] = json.dumps(document | {"schema": f"mlrepo.{name}/2"}).encode()
    return changed


@pytest.fixture
def newer(measured_copy: Path) -> tuple[Path, dict[str, str]]:
    """The repository, and the ids of the newer runs by what is new in them."""
    root = measured_copy
    [run] = mlrepo(
        root, "log", "--mode", "performance", "--scenario", "Server", "-n", "1", "--json"
    ).json["runs"]
    where = f"{run['commit']}:runs/{run['run']}"
    names = git(root, "ls-tree", "--name-only", where).split()
    files = {name: git(root, "show", f"{where}/{name}").encode() for name in names}
    message = git(root, "log", "-1", "--format=%B", run["commit"])
    lines = message.strip().rpartition("\n\n")[2].splitlines()
    return root, _newer(root, files, dict(line.split(": ", 1) for line in lines))


def test_what_a_newer_mlrepo_recorded_is_named(newer: tuple[Path, dict[str, str]]) -> None:
    """In the list, the report and the view of one run; nothing of it is executed or fails."""
    root, ids = newer
    act = "the act 'supersede' of Ada is unknown"
    done = mlrepo(root, "log", "--experiment", "newer")
    done.says(f"{ids['plain']}: {act}", "update mlrepo")
    for run in ids.values():
        assert run[-6:] in done.out.lower() or run in done.out
    done = mlrepo(root, "log", "--experiment", "newer", "--columns", "run,threads")
    done.says(ids["keys"], "run.json of mlrepo 99.0 has keys", *_UNKNOWN, "'mlrepo.run/3'")

    report = mlrepo(root, "report", "--experiment", "newer", "--format", "json").json
    [unreadable] = report["unreadable"]
    assert unreadable["run"] == ids["schema"]
    assert "mlrepo.run/3" in unreadable["why"]
    said = "\n".join(report["left_out"])
    for words in (act, *_UNKNOWN, "'mlrepo.trace/2'", "'mlrepo.latencies/2'"):
        assert words in said
    assert said.count(ids["files"]) == 2
    assert "\x1b" not in said
    page = root / "page.html"
    mlrepo(root, "report", "--experiment", "newer", "--out", str(page)).says("mlrepo.trace/2")
    text = page.read_text()
    for words in ("Not everything could be read", "trace/2", "load.humidity", "mlrepo.run/3"):
        assert words in text
    mlrepo(root, "report", "--experiment", "newer", "--format", "svg", "--chart", "help").says(
        "'mlrepo.run/3'", "load.humidity"
    )

    mlrepo(root, "show", ids["keys"]).says("load.humidity", "mlrepo 99.0")
    mlrepo(root, "show", ids["schema"], code=2).says("'mlrepo.run/3'", "Use a newer mlrepo")
    shown = mlrepo(root, "show", ids["files"])
    shown.says("latencies none", "'mlrepo.latencies/2'", "'mlrepo.trace/2'")
    mlrepo(root, "show", ids["plain"]).says("supersede")


def test_what_this_mlrepo_records_is_all_known(measured: Path) -> None:
    """No key of an own record is unknown, of any mode and scenario."""
    done = mlrepo(measured, "log", "--columns", "run,threads")
    assert "does not know" not in done.err
    assert "update mlrepo" not in done.err
