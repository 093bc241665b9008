"""A round defined in the repository works wherever a shipped round does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlrepo.rounds import SHIPPED
from tests.e2e.driver import mlrepo
from tests.e2e.forge_world import OFFICIAL, open_world, publish
from tests.git_server import GitServer
from tests.samples import git, tried

ROUND = "v6.2"
_RUN = ("bench", "run", "--model", "digits", "--scenario", "SingleStream")
_MODES = ("performance", "accuracy")
_SCENARIOS = ("Offline", "SingleStream", "MultiStream")
# What a user has to fill in of a machine.
_FILLED = {
    "status": "available",
    "cooling": "air",
    "host_memory_configuration": "1 x 16 GB",
    "host_networking": "Ethernet",
    "host_networking_topology": "N/A",
    "host_storage_type": "SSD",
    "host_storage_capacity": "100 GB",
}


def _rules() -> dict[str, Any]:
    """Return v6.1 with other seeds, bounds that digits reaches in a second, and another trait."""
    return {
        "base": "v6.1",
        "version": ROUND,
        "seeds": {name: seed + 1 for name, seed in SHIPPED["v6.1"].seeds().items()},
        "min_duration_ms": 500,
        "performance_sample_count_min": {"resnet": 100},
        "dataset_size": {"resnet": 500},
        "traits": {"inference_category": "datacenter"},
    }


@pytest.fixture
def root(root: Path) -> Path:
    """A repository that holds v6.2 in a commit, with a system that is described whole."""
    (root / "rounds").mkdir()
    (root / "rounds" / f"{ROUND}.json").write_text(json.dumps(_rules()))
    system = root / "systems" / "box" / "system.json"
    system.write_text(json.dumps(json.loads(system.read_text()) | _FILLED))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Hold the rules of v6.2")
    return root


def _states(root: Path) -> dict[tuple[str, str], str]:
    [row] = mlrepo(root, "status", "--json").json["results"]
    assert row["round"] == ROUND
    return {(cell["scenario"], cell["mode"]): cell["state"] for cell in row["cells"]}


def test_it_is_set_described_run_selected_judged_and_committed(root: Path) -> None:
    """Each command goes by its seeds, its bounds and its traits; under v6.1 nothing of it would."""
    mlrepo(root, "config", "set", "round", ROUND)
    git(root, "commit", "--quiet", "--all", "--message", "Measure for v6.2")
    assert mlrepo(root, "system", "check", "--json").json["round"] == ROUND

    record = mlrepo(root, *_RUN, "--mode", "performance", "--time", "0.5", "--json").json["record"]
    effective = record["loadgen"]["effective"]
    assert effective["qsl_rng_seed"] == SHIPPED["v6.1"].seeds()["qsl_rng_seed"] + 1
    assert effective["min_duration_ms"] == 500
    mlrepo(root, *_RUN, "--mode", "accuracy")
    # By v6.1 an edge system's Offline follows from SingleStream, and the run would be too short.
    assert _states(root) == {
        ("SingleStream", "performance"): "done",
        ("SingleStream", "accuracy"): "done",
        **{(name, mode): "missing" for name in ("Offline", "MultiStream") for mode in _MODES},
    }
    mlrepo(root, "bench", "suite", "--model", "digits", "--quick").says("4 of 6 to run")
    assert set(_states(root).values()) == {"done"}

    selected = mlrepo(root, "select", "--json").json
    assert {result["scenario"] for result in selected["results"]} == set(_SCENARIOS)
    branch = f"submission/{ROUND}"
    report = mlrepo(root, "check", "--rev", branch, "--profile", "official", "--json").json
    assert (report["round"], report["findings"]) == (ROUND, [])
    mlrepo(root, "check", "--rev", branch, "--round", "v6.1", code=1).says("performance-seeds")
    official, server = _official(root)
    with server:
        done = mlrepo(root, "submit", "--yes", "--json", code=0, **official).json
    assert done["pull_request"]["url"] == f"{server.url}/{OFFICIAL}/pull/1"

    git(root, "checkout", "--quiet", branch, "--", "open")
    git(root, "commit", "--quiet", "--message", "Place the results")  # the hooks judge it
    _reseed(root)
    code, said = tried(root, "commit", "--all", "--message", "Other seeds")
    assert code == 1
    assert "performance-seeds" in said
    assert "this repository's own, from rounds/v6.2.json" in said


def _official(root: Path) -> tuple[dict[str, str | None], GitServer]:
    """Publish an official repository; return the settings that name it, and its server."""
    base = root.parent
    publish(base / "upstream", base / "git" / f"{OFFICIAL}.git")
    world = open_world(base)
    return world.settings, world.server


def _reseed(root: Path) -> None:
    """Give the logs of a result the seeds of v6.1."""
    [log] = root.glob("open/*/results/*/digits/Offline/performance/run_1/mlperf_log_detail.txt")
    text = log.read_text()
    for seed in SHIPPED["v6.1"].seeds().values():
        text = text.replace(f": {seed + 1},", f": {seed},")
    log.write_text(text)
