"""``mlrepo submit --rehearse`` and ``--dry-run``: each step, and everything that would stop it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import everything, mlrepo
from tests.e2e.forge_world import BRANCH, FORK, OFFICIAL, ROUND, World, select
from tests.github_double import allow, tip
from tests.samples import git

_STEPS = ["base", "commit", "scan", "embargo", "fork", "push", "pull request"]
_NO_FORGE: dict[str, Any] = {"GH_TOKEN": None, "MLREPO_OFFICIAL_REPOSITORY": ""}


def _outside(root: Path) -> dict[str, str]:
    """Return all of a repository but mlrepo's own store."""
    return {n: t for n, t in everything(root).items() if not n.startswith(".git/mlrepo/")}


def _taken(done: Any, state: str = "done") -> list[str]:
    return [step["name"] for step in done.json["steps"] if step["state"] == state]


def test_short_runs_of_a_benchmark_of_no_round_are_rehearsed(measured_copy: Path) -> None:
    """Without settings, token or network; what would have stopped the real one is all named."""
    mlrepo(measured_copy, "select", "--quick")
    before = _outside(measured_copy)
    done = mlrepo(measured_copy, "submit", "--rehearse", "--json")
    assert _taken(done) == ["selection", *_STEPS]
    assert [obstacle["step"] for obstacle in done.json["obstacles"]] == ["check", "forge"]
    assert done.json["rehearsed"]
    assert done.json["pull_request"] is None
    assert "official.repository" in done.json["obstacles"][1]["message"]
    assert _outside(measured_copy) == before
    assert not list((measured_copy / ".git" / "mlrepo" / "rehearsal").iterdir())
    done = mlrepo(measured_copy, "submit", "--rehearse")
    done.says(
        "This was a rehearsal",
        "nothing was submitted",
        "would have stopped the real submission",
        "The run is too short",
    )
    assert f"{measured_copy}" not in done.out
    never = "Never valid in v6.1, for practice only: digits has 500 samples"
    for command in (("submit", "--check"), ("pack",), ("submit", "--dry-run")):
        mlrepo(measured_copy, *command, code=1).says(never)


def test_the_closed_division_is_rehearsed_with_what_it_does_not_have(root: Path) -> None:
    """A benchmark of no round, without compliance tests: taken for a rehearsal, and only then."""
    run = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--division", "closed")
    mlrepo(root, *run, "--mode", "accuracy")
    mlrepo(root, *run, "--mode", "performance", "--count", "2000")
    mlrepo(root, "select", code=1).says("does not belong to the closed division")
    done = mlrepo(root, "select", "--quick")
    done.says("Never valid in v6.1", "has no benchmark digits", "Next: mlrepo submit --rehearse")
    done = mlrepo(root, "submit", "--rehearse", "--json")
    assert _taken(done)[-1] == "pull request"
    assert "Never valid in v6.1" in done.json["obstacles"][0]["message"]


def test_a_kept_rehearsal_shows_what_a_reviewer_would_see(world: World, tmp_path: Path) -> None:
    """One commit with the selected directories, and the text of the request; nobody was asked."""
    kept = tmp_path / "kept"
    done = world.submit("--rehearse", "--keep", str(kept))
    done.says("Nothing that is known here would have stopped", str(kept), "mlrepo review")
    assert world.server.requests == []
    assert sorted(path.name for path in kept.iterdir()) == [
        "fork.git",
        "official.git",
        "pull-request.md",
    ]
    fork = kept / "fork.git"
    assert git(fork, "rev-list", "--count", f"main..{BRANCH}") == "1\n"
    for root, tree in world.selected().items():
        assert git(fork, "rev-parse", f"{BRANCH}:{root}").strip() == tree
    git(fork, "fsck", "--strict", "--no-progress")
    assert "| Offline | 2600.25 samples/s |" in (kept / "pull-request.md").read_text()
    world.submit("--rehearse", "--keep", str(kept), code=2).says("something in it already")


def test_a_secret_stops_a_rehearsal(world: World, tmp_path: Path) -> None:
    """Only the verdict and the real forge are passed over; nothing is left behind."""
    select(world.root, tmp_path / "tree", text="token ghp_" + "a1B2" * 9 + "\n")
    world.submit("--rehearse", code=1).says("calibration.md:1", "GitHub token")
    assert not list((world.root / ".git" / "mlrepo" / "rehearsal").iterdir())


def test_a_rehearsal_names_the_embargo_by_the_settings(world: World) -> None:
    """The real forge, which would say who can read it, is not asked."""
    done = world.submit("--rehearse", "--json", MLREPO_EMBARGO="2999-01-01")
    assert [obstacle["step"] for obstacle in done.json["obstacles"]] == ["embargo"]
    assert "2999-01-01" in done.json["obstacles"][0]["message"]
    assert _taken(done)[-1] == "pull request"
    assert world.server.requests == []


def test_what_a_killed_rehearsal_left_is_removed(world: World) -> None:
    """A rehearsal may have copied gigabytes."""
    left = world.root / ".git" / "mlrepo" / "rehearsal" / "left"
    left.mkdir(parents=True)
    left.with_suffix(".lock").touch()
    world.submit("--rehearse")
    assert not list(left.parent.iterdir())


def test_a_dry_run_asks_the_forge_though_the_check_fails(world: World, tmp_path: Path) -> None:
    """Both are said: the findings, and that the forge would take it; nothing leaves."""
    shutil.rmtree(tmp_path / "tree")
    select(world.root, tmp_path / "tree", without="accuracy.txt")
    done = world.submit("--dry-run", "--json", code=1)
    assert [obstacle["step"] for obstacle in done.json["obstacles"]] == ["check"]
    assert _taken(done) == ["selection", "base", "commit", "scan", "embargo"]
    assert _taken(done, "to do") == ["fork", "push", "pull request"]
    world.submit("--dry-run", code=1).says("accuracy.txt", "Nothing has left", "would stop check")
    assert not world.fork.exists()


def test_a_dry_run_without_a_forge_looks_at_the_rest(world: World) -> None:
    """No token, no repository: scan and embargo are still told."""
    done = world.submit("--dry-run", "--json", code=2, **_NO_FORGE)
    assert [obstacle["step"] for obstacle in done.json["obstacles"]] == ["forge"]
    assert _taken(done) == ["selection", "check", "scan", "embargo"]
    done = world.submit("--dry-run", "--json", code=2, GH_TOKEN=None, MLREPO_EMBARGO="2999-01-01")
    assert [obstacle["step"] for obstacle in done.json["obstacles"]] == ["forge", "embargo"]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_dry_run_asks_whether_the_fork_takes_a_push(world: World, allowed: bool) -> None:
    """Of a fork that is there already; no branch moves and no object is sent."""
    git(world.root, "clone", "--quiet", "--bare", str(world.official), str(world.fork))
    allow(world.fork)
    world.github.add(FORK, parent=OFFICIAL)
    world.server.may_push = lambda login, full_name: allowed
    done = world.submit("--dry-run", "--json", code=0 if allowed else 69)
    assert _taken(done, "done" if allowed else "would stop")[-1] == "rights"
    assert tip(world.fork, BRANCH) == ""
    assert not [line for line in world.server.lines() if line.startswith("POST /api")]
    assert not [line for line in world.server.lines() if "POST" in line and "receive-pack" in line]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rehearse", "--dry-run"), "exclude each other"),
        (("--rehearse", "--check"), "exclude each other"),
        (("--keep", "kept"), "belongs to --rehearse"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    world: World, arguments: tuple[str, ...], said: str
) -> None:
    """Before anything is looked at."""
    mlrepo(world.root, "submit", "--round", ROUND, *arguments, code=2).says(said)
