"""Clones without a server: they exchange their runs by a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.sync.report import SyncReport
from mlrepo.sync.synchronise import synchronise, synchronise_by_bundle
from tests.curated import counting
from tests.machines_of_a_team import make_machine, record, tip, tree
from tests.samples import git

Team = Callable[[str], ResultsRepository]


@pytest.fixture
def team(results: ResultsRepository, tmp_path: Path) -> Team:
    """Return a function that makes the clone of one machine, without a remote."""

    def make(name: str) -> ResultsRepository:
        machine = make_machine(results.root, tmp_path / name)
        git(machine.root, "remote", "remove", "origin")
        return machine

    return make


def _sync(machine: ResultsRepository, path: Path) -> SyncReport:
    report = synchronise_by_bundle(find_repository(machine.root), path, dict(os.environ))
    assert report.complete, report
    return report


def test_a_file_carries_the_runs_of_all_to_all(team: Team, tmp_path: Path) -> None:
    """On one branch, and on their own; it can be cloned by who has nothing yet."""
    stick = tmp_path / "stick"
    stick.mkdir()
    file = stick / "team.bundle"
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    record(beta, 1, system="alpha")
    record(beta, 2, Experiment("beta"))
    assert _sync(alpha, file).went.runs == 1
    report = _sync(beta, file)
    assert (report.came.runs, report.went.runs, len(report.merged)) == (1, 2, 1)
    assert _sync(alpha, file).forwarded == ("exp/tuning",)
    assert tip(alpha) == tip(beta)
    assert len(counting(find_repository(alpha.root))) == 3
    before = file.read_bytes()
    nothing = _sync(alpha, file)
    assert (nothing.came.runs, nothing.pushed, file.read_bytes() == before) == (0, (), True)
    assert [path.name for path in stick.iterdir()] == ["team.bundle"]
    gamma = make_machine(file, tmp_path / "gamma")
    assert (gamma.root / "mlrepo.toml").is_file()
    assert len(counting(gamma)) == 3


def test_a_clone_in_between_passes_on_what_is_not_its_own(team: Team, tmp_path: Path) -> None:
    """By two files: the machine in the middle has no branch of its own."""
    alpha, middle, beta = team("alpha"), team("middle"), team("beta")
    run = record(alpha, 0).run
    _sync(alpha, tmp_path / "one.bundle")
    _sync(middle, tmp_path / "one.bundle")
    passed_on = _sync(middle, tmp_path / "two.bundle")
    assert (passed_on.went.runs, passed_on.experiments, passed_on.pushed) == (1, 1, ())
    assert _sync(beta, tmp_path / "two.bundle").came.runs == 1
    assert counting(find_repository(beta.root)) == [run]


def test_another_file_of_the_same_name_gets_all(team: Team, tmp_path: Path) -> None:
    """On a second stick that somebody else began: nobody deleted anything."""
    alpha, beta = team("alpha"), team("beta")
    sticks = [tmp_path / name / "team.bundle" for name in ("one", "two")]
    for stick in sticks:
        stick.parent.mkdir()
    record(alpha, 0)
    record(beta, 1, Experiment("beta"))
    _sync(alpha, sticks[0])
    _sync(beta, sticks[1])
    assert (report := _sync(alpha, sticks[1])).pushed == ("exp/tuning",)
    assert report.kept == ()
    assert _sync(beta, sticks[1]).came.runs == 1


def test_a_clone_of_a_file_is_told_to_exchange_by_it(team: Team, tmp_path: Path) -> None:
    """Git fetches from such a remote, and cannot push."""
    alpha = team("alpha")
    record(alpha, 0)
    _sync(alpha, tmp_path / "team.bundle")
    beta = make_machine(tmp_path / "team.bundle", tmp_path / "beta")
    with pytest.raises(UserError, match="which Git only reads") as refused:
        synchronise(beta, "origin", dict(os.environ))
    assert f"`mlrepo sync --bundle {tmp_path}/team.bundle`" in refused.value.hint


def test_both_sides_merged_apart_have_the_same_tree(team: Team, tmp_path: Path) -> None:
    """Each got the other's file before it wrote its own."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    record(beta, 1, system="alpha")
    files = [tmp_path / f"{machine.root.name}.bundle" for machine in (alpha, beta)]
    _sync(alpha, files[0])
    _sync(beta, files[1])
    _sync(alpha, files[1])
    _sync(beta, files[0])
    assert tree(alpha) == tree(beta)
    _sync(alpha, files[0])
    _sync(beta, files[0])
    _sync(alpha, files[0])
    assert tip(alpha) == tip(beta)


def test_a_file_that_is_no_bundle_or_is_damaged_changes_nothing(team: Team, tmp_path: Path) -> None:
    """Also one that was cut off while it was copied; a directory that is not there."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    good = tmp_path / "good.bundle"
    _sync(alpha, good)
    data = good.read_bytes()
    for bad in (b"", b"not a bundle\n", data[: len(data) // 2], data[:-30] + b"x" * 30):
        file = tmp_path / "bad.bundle"
        file.write_bytes(bad)
        with pytest.raises(UserError, match="cannot be read"):
            _sync(beta, file)
        assert file.read_bytes() == bad
    with pytest.raises(UserError, match="does not exist"):
        _sync(beta, tmp_path / "nowhere" / "x.bundle")
    assert counting(find_repository(beta.root)) == []


def test_a_file_that_cannot_be_written_stays(team: Team, tmp_path: Path, small_mount: Path) -> None:
    """A full disk; what came in stays in."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    file = small_mount / "team.bundle"
    _sync(alpha, file)
    before = file.read_bytes()
    (small_mount / "ballast").write_bytes(os.urandom(4 << 20)[: _free(small_mount) - 4096])
    record(beta, 1, Experiment("beta"))
    report = synchronise_by_bundle(find_repository(beta.root), file, dict(os.environ))
    assert report.problem is not None
    assert "cannot be written" in report.problem.message
    assert report.waiting == ("exp/beta",)
    assert file.read_bytes() == before
    assert len(counting(find_repository(beta.root))) == 2


def _free(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_bsize
