"""``mlrepo sync``: what it prints, to people and machines, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from tests.e2e.driver import mlrepo
from tests.machines_of_a_team import make_hub, make_machine, record
from tests.samples import git

Team = Callable[[str], ResultsRepository]


@pytest.fixture
def hub(results: ResultsRepository, tmp_path: Path) -> Path:
    """A bare hub with ``main``."""
    return make_hub(results, tmp_path / "hub.git")


@pytest.fixture
def team(hub: Path, tmp_path: Path) -> Team:
    """Return a function that makes the clone of one machine."""
    return lambda name: make_machine(hub, tmp_path / name)


def test_it_prints_what_came_and_went(team: Team) -> None:
    """By system; merged branches with what stands in the layout now."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    record(beta, 1, system="alpha")
    record(beta, 2, Experiment("beta"))
    mlrepo(alpha.root, "sync").says("SYSTEM CAME WENT alpha 1")
    done = mlrepo(beta.root, "sync")
    done.says("alpha 1 1", "beta 1", "Merged exp/tuning: commit", "has 20261123T000001Z-000000 now")
    assert done.err == ""
    told = mlrepo(alpha.root, "sync", "--json").json
    assert told["came"] == {"runs": {"alpha": 1, "beta": 1}, "decisions": 0}
    assert (told["schema"], told["forwarded"]) == ("mlrepo.sync/1", ["exp/tuning"])
    mlrepo(alpha.root, "sync").says("Nothing new: origin", "has 2 experiment branches")
    mlrepo(alpha.root, "run", "withdraw", "latest", "--why", "a try").says("after `mlrepo sync`")
    went = mlrepo(alpha.root, "sync")
    went.says("1 decision about runs went.")
    assert "Nothing new" not in went.out
    mlrepo(beta.root, "sync").says("1 decision about runs came.")
    narrow = mlrepo(beta.root, "sync", "--offline", COLUMNS="60")
    assert narrow.out == ""


def test_log_status_and_select_say_when_the_hub_was_fetched(team: Team, hub: Path) -> None:
    """Once, on standard error, unless it is to be quiet; without a hub, nothing."""
    alpha = team("alpha")
    record(alpha, 0)
    line = "origin was last fetched just now; `mlrepo sync` brings what others recorded."
    for command in (("log",), ("status",), ("select", "--dry-run")):
        assert mlrepo(alpha.root, *command, code=None).err.count(line) == 1
        assert line not in mlrepo(alpha.root, *command, "-q", code=None).err
        told = mlrepo(alpha.root, *command, "--json", code=None)
        assert told.json["fetched"]["hub"] == "origin"
        assert told.json["fetched"]["time"].startswith("20")
        assert line not in told.err
    note = alpha.store / "last-fetch.json"
    assert not note.exists()  # the clone itself
    mlrepo(alpha.root, "sync")
    os.utime(note)
    head = alpha.common_dir / "logs" / "HEAD"
    old = str(int(note.stat().st_mtime) - 3 * 86400)
    head.write_text(head.read_text().replace(head.read_text().split("> ")[1].split()[0], old))
    note.unlink()
    mlrepo(alpha.root, "log").says("last fetched 3 days ago")
    git(alpha.root, "fetch", "--quiet")
    mlrepo(alpha.root, "log").says("last fetched just now")
    git(alpha.root, "remote", "remove", "origin")
    assert mlrepo(alpha.root, "log").err == ""
    assert mlrepo(alpha.root, "log", "--json").json["fetched"] is None


def test_what_is_wrong_is_said_with_the_way_out(team: Team, hub: Path, tmp_path: Path) -> None:
    """Wrong arguments and places, a hub that is gone, a branch that needs a person."""
    alpha = team("alpha")
    mlrepo(alpha.root, "sync", "--hub", "https://x", code=2).says("name of a remote", "not a URL")
    mlrepo(alpha.root, "sync", "--hub=--upload-pack=id", code=2).says("not a valid hub")
    mlrepo(alpha.root, "sync", "--bundle", "x", "--offline", code=2).says("leave out")
    mlrepo(tmp_path, "sync", code=2).says("not inside a results repository")
    record(alpha, 0)
    mlrepo(alpha.root, "sync")
    git(hub, "update-ref", "-d", "refs/heads/exp/tuning")
    record(alpha, 1)
    done = mlrepo(alpha.root, "sync", code=1)
    done.says("Not exchanged: exp/tuning: somebody deleted it at origin", "`git push origin")
    assert mlrepo(alpha.root, "sync", "--json", code=1).json["kept"][0]["refused"] is True
    hub.rename(tmp_path / "away.git")
    gone = mlrepo(alpha.root, "sync", code=69)
    gone.says("Git could not read", "`git remote get-url origin`")


def test_a_bundle_by_the_command(team: Team, tmp_path: Path) -> None:
    """Out and in, by a path that is relative."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    mlrepo(alpha.root, "sync", "--bundle", "../team.bundle").says("alpha 1")
    mlrepo(beta.root, "sync", "--bundle", "../team.bundle").says("alpha 1")
    mlrepo(beta.root, "log").says("20261123T000000Z-000000")
    (tmp_path / "team.bundle").write_text("nonsense")
    mlrepo(beta.root, "sync", "--bundle", "../team.bundle", code=2).says("cannot be read")


def test_settings_and_descriptions_that_are_not_shared_are_named(team: Team) -> None:
    """They are on ``main``, which people push and pull themselves."""
    alpha, beta = team("alpha"), team("beta")
    (alpha.root / "systems" / "alpha").mkdir(parents=True)
    (alpha.root / "systems" / "alpha" / "system.json").write_text("{}")
    git(alpha.root, "add", "systems")
    git(alpha.root, "commit", "--quiet", "--no-verify", "-m", "Describe alpha")
    line = "origin/main lacks 1 commit of main, which changes systems: `git push` shares them."
    mlrepo(alpha.root, "sync").says(line)
    git(alpha.root, "push", "--quiet", "--no-verify")
    mlrepo(beta.root, "sync").says("main lacks 1 commit of origin/main", "`git pull` takes them")
    git(beta.root, "pull", "--quiet")
    assert mlrepo(beta.root, "sync").err == ""
