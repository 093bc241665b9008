"""Clones that exchange their runs through a hub."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.errors import Busy, RemoteUnavailable, UserError
from mlrepo.record import configuration_digest
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import recorded_runs
from mlrepo.sync import synchronise as synchronising
from tests.curated import counting, layout, standing, withdrawn
from tests.machines_of_a_team import (
    make_hub,
    make_machine,
    record,
    sync,
    tip,
    tree,
    try_sync,
)
from tests.samples import git, sample_run_id

Team = Callable[[str], ResultsRepository]
OTHER = configuration_digest({"a": 2})


@pytest.fixture
def hub(results: ResultsRepository, tmp_path: Path) -> Path:
    """A bare hub with ``main``."""
    return make_hub(results, tmp_path / "hub.git")


@pytest.fixture
def team(hub: Path, tmp_path: Path) -> Team:
    """Return a function that makes the clone of one machine."""
    return lambda name: make_machine(hub, tmp_path / name)


def test_runs_come_and_go_by_machine(team: Team, hub: Path) -> None:
    """Each clone's own branch; the report counts by system."""
    alpha, beta = team("alpha"), team("beta")
    mine = [record(alpha, number, Experiment("alpha")).run for number in range(2)]
    theirs = record(beta, 10, Experiment("beta")).run
    went = sync(alpha)
    assert [(one.system, one.runs) for one in went.went.machines] == [("alpha", 2)]
    assert went.came.runs == 0
    both = sync(beta)
    assert [(one.system, one.runs) for one in both.came.machines] == [("alpha", 2)]
    assert [(one.system, one.runs) for one in both.went.machines] == [("beta", 1)]
    assert sync(alpha).came.runs == 1
    assert counting(find_repository(alpha.root)) == counting(find_repository(beta.root))
    assert set(counting(alpha)) == {*mine, theirs}
    nothing = sync(alpha)
    assert (nothing.came.runs, nothing.went.runs, nothing.pushed) == (0, 0, ())
    assert git(hub, "for-each-ref", "--format=%(refname)", "refs/heads/exp").split() == [
        "refs/heads/exp/alpha",
        "refs/heads/exp/beta",
    ]
    # Nobody gets a local branch of somebody else's runs.
    assert tip(alpha, "refs/heads/exp/beta") == ""


def test_two_machines_on_one_branch_are_merged_and_end_at_the_same_commit(team: Team) -> None:
    """All runs stay, the newest of one configuration stands, and history has one merge."""
    alpha, beta = team("alpha"), team("beta")
    first = record(alpha, 0).run
    sync(alpha), sync(beta)
    runs = {first, record(alpha, 1).run, record(beta, 2, system="alpha").run}
    assert sync(alpha).merged == ()
    report = sync(beta)
    (merged,) = report.merged
    assert merged.branch == "exp/tuning"
    assert [(one.before, one.now) for one in merged.decided] == [("", sample_run_id(2))]
    assert sync(alpha).forwarded == ("exp/tuning",)
    assert tip(alpha) == tip(beta) == merged.commit
    assert git(alpha.root, "rev-list", "--count", "--merges", "exp/tuning").strip() == "1"
    for machine in (alpha, beta):
        assert set(counting(find_repository(machine.root))) == runs
        assert standing(machine) == sample_run_id(2)
        git(machine.root, "fsck", "--strict")
    held = git(alpha.root, "ls-tree", "--name-only", "exp/tuning", "runs/").split()
    assert {path.removeprefix("runs/") for path in held} == runs


def test_the_layout_never_mixes_two_configurations(team: Team) -> None:
    """The older configuration keeps the result; the run of the other stays in ``runs/``."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0, mode="accuracy")
    record(beta, 1, configuration=OTHER, system="alpha")
    record(beta, 2, configuration=OTHER, system="alpha", mode="accuracy")
    record(alpha, 3)
    sync(alpha)
    report = sync(beta)
    assert len(report.merged) == 1
    assert standing(beta) == sample_run_id(3)
    accuracy = "closed/Acme/results/alpha-onnx/resnet50/Offline/accuracy/mlperf_log_detail.txt"
    assert standing(beta, accuracy) == sample_run_id(0)
    assert len(counting(find_repository(beta.root))) == 4


def test_what_was_withdrawn_on_one_side_stays_withdrawn(team: Team) -> None:
    """Also where the other side recorded on the same result meanwhile; restoring brings it back."""
    alpha, beta = team("alpha"), team("beta")
    first, second = (record(alpha, number).run for number in range(2))
    sync(alpha), sync(beta)
    git(beta.root, "branch", "--quiet", "exp/tuning", "origin/exp/tuning")
    withdrawn(find_repository(alpha.root), second)
    third = record(beta, 2, system="alpha", validity="INVALID").run
    fourth = record(beta, 3, mode="accuracy", system="alpha").run
    sync(alpha)
    report = sync(beta)
    assert report.came.acts == 1
    assert len(report.merged) == 1
    sync(alpha)
    assert tree(alpha) == tree(beta)
    assert standing(alpha) == first
    assert set(counting(find_repository(alpha.root))) == {first, third, fourth}


def test_the_same_result_however_two_machines_merge(team: Team) -> None:
    """Each merges by itself: not the same commit, but the same tree."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    sync(alpha)
    git(beta.root, "fetch", "--quiet")
    for number in range(1, 4):
        record(alpha, 2 * number, mode="performance" if number % 2 else "accuracy")
        record(beta, 2 * number + 1, configuration=OTHER, scenario="Server", system="alpha")
        record(beta, 2 * number + 20, mode="accuracy", system="alpha")
    # Each sees the other's branch through a hub of its own.
    for machine, other in ((alpha, beta), (beta, alpha)):
        own = machine.root.parent / f"{machine.root.name}.git"
        git(other.root, "push", "--quiet", "--no-verify", make_bare(own), "exp/tuning")
        git(machine.root, "remote", "set-url", "origin", str(own))
    trees = set()
    for machine in (alpha, beta):
        assert len(sync(machine).merged) == 1
        trees.add(tree(machine))
    assert len(trees) == 1


def make_bare(path: Path) -> str:
    """Make a bare repository and return its path."""
    git(path.parent, "init", "--quiet", "--bare", str(path))
    return str(path)


def test_a_checked_out_branch_goes_to_the_hub_and_stays_in_its_working_tree(
    team: Team, tmp_path: Path
) -> None:
    """A linked working tree, with changes: neither it nor the index are touched."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    sync(alpha), sync(beta)
    record(beta, 1, system="alpha")
    record(alpha, 2)
    git(alpha.root, "worktree", "add", "--quiet", str(tmp_path / "linked"), "exp/tuning")
    (tmp_path / "linked" / "README.md").write_text("mine\n")
    sync(beta)
    before = tip(alpha), git(tmp_path / "linked", "status", "--porcelain")
    report = sync(alpha)
    assert (tip(alpha), git(tmp_path / "linked", "status", "--porcelain")) == before
    assert [one.branch for one in report.merged] == ["exp/tuning"]
    assert [one.branch for one in report.kept] == ["exp/tuning"]
    assert "git merge --ff-only origin/exp/tuning" in report.kept[0].hint
    assert len(counting(find_repository(alpha.root))) == 3
    git(tmp_path / "linked", "checkout", "--quiet", "README.md")
    git(tmp_path / "linked", "merge", "--quiet", "--ff-only", "origin/exp/tuning")
    assert sync(alpha).kept == ()


def test_a_branch_that_was_deleted_at_the_hub_does_not_come_back(team: Team, hub: Path) -> None:
    """What it has here stays here; new runs on it are said to be kept back."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    sync(alpha), sync(beta)
    git(hub, "update-ref", "-d", "refs/heads/exp/tuning")
    (kept,) = sync(alpha).kept
    assert "somebody deleted it at origin" in kept.why
    record(alpha, 1)
    report = try_sync(alpha)
    assert not report.complete
    assert "never there" in report.kept[0].why
    assert tip(hub) == ""
    assert len(counting(find_repository(beta.root))) == 1


def test_all_goes_to_a_hub_that_is_new(team: Team, hub: Path, tmp_path: Path) -> None:
    """The old server is gone: nobody deleted anything."""
    alpha = team("alpha")
    record(alpha, 0)
    sync(alpha)
    git(alpha.root, "remote", "set-url", "origin", make_bare(tmp_path / "new.git"))
    report = sync(alpha)
    assert (report.pushed, report.went.runs) == (("exp/tuning",), 1)
    assert tip(tmp_path / "new.git") == tip(alpha)


def test_a_branch_that_the_hub_rewrote_is_not_mixed_with_the_old_one(team: Team, hub: Path) -> None:
    """Nothing is lost, nothing pushed; the message has the command that takes theirs."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    record(alpha, 1)
    sync(alpha), sync(beta)
    git(hub, "update-ref", "refs/heads/exp/tuning", "refs/heads/exp/tuning~1")
    other = record(beta, 2, Experiment("beta")).run
    git(beta.root, "push", "--quiet", "--no-verify", "-f", "origin", "exp/beta:exp/tuning")
    before = tip(alpha), tip(alpha, "origin/exp/tuning")
    record(alpha, 3)
    report = try_sync(alpha)
    assert not report.complete
    assert "somebody rewrote it" in report.kept[0].why
    assert tip(alpha, "origin/exp/tuning") == before[1]
    assert tip(hub) == tip(beta, "exp/beta")
    command = report.kept[0].hint.partition("`")[2].rstrip("`")
    git(alpha.root, *command.split()[1:])
    assert tip(alpha, "origin/exp/tuning") == tip(hub)
    assert other in counting(find_repository(alpha.root))


def test_names_that_no_experiment_has_and_foreign_branches_are_left_alone(
    team: Team, hub: Path
) -> None:
    """They are neither fetched nor in the way; the strange ones are named."""
    alpha = team("alpha")
    for name in ("exp/UPPER", "exp/a/b", "exp/$(id)", "exp/x;y", "exp/\N{RIGHT-TO-LEFT MARK}z"):
        git(hub, "update-ref", f"refs/heads/{name}", "refs/heads/main")
    git(hub, "update-ref", "refs/heads/feature/x", "refs/heads/main")
    record(alpha, 0)
    report = sync(alpha)
    assert len(report.strange) == 5
    listed = git(alpha.root, "for-each-ref", "--format=%(refname)", "refs/remotes").split()
    assert set(listed) == {
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/main",
        "refs/remotes/origin/exp/tuning",
    }


def test_a_file_that_both_sides_changed_by_hand_is_left_to_a_person(team: Team) -> None:
    """Of this branch nothing moves; others go on."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    sync(alpha), sync(beta)
    for machine in (alpha, beta):
        git(machine.root, "switch", "--quiet", "exp/tuning")
        (machine.root / "README.md").write_text(f"of {machine.root.name}\n")
        git(machine.root, "commit", "--quiet", "--no-verify", "-am", "Say more")
        git(machine.root, "switch", "--quiet", "main")
    sync(alpha)
    record(beta, 5, Experiment("beta"))
    before = tip(beta)
    report = try_sync(beta)
    assert report.pushed == ("exp/beta",)
    (kept,) = report.kept
    assert "README.md" in kept.why
    assert tip(beta) == before


def test_secrets_do_not_leave_and_other_branches_do(team: Team, hub: Path) -> None:
    """The push hook does not run here: the same checks do."""
    alpha = team("alpha")
    record(alpha, 0)
    record(alpha, 1, Experiment("other"))
    git(alpha.root, "switch", "--quiet", "exp/other")
    (alpha.root / "notes.txt").write_text("token ghp_" + "a1B2c3D4" * 4 + "e5F6\n")
    git(alpha.root, "add", "notes.txt")
    git(alpha.root, "commit", "--quiet", "--no-verify", "-m", "Note")
    git(alpha.root, "switch", "--quiet", "main")
    report = try_sync(alpha)
    assert report.pushed == ("exp/tuning",)
    assert "secret" in report.kept[0].why
    assert tip(hub, "exp/other") == ""


def test_results_under_embargo_stay_here(team: Team, hub: Path) -> None:
    """Until the hub is said to be private."""
    alpha = team("alpha")
    settings = alpha.root / "mlrepo.toml"
    settings.write_text(f'{settings.read_text()}embargo = "2999-01-01"\n')
    git(alpha.root, "commit", "--quiet", "--no-verify", "-am", "Keep quiet")
    record(alpha, 0)
    report = try_sync(alpha)
    assert "2999-01-01" in report.kept[0].why
    settings.write_text(f'{settings.read_text()}private_remotes = "origin"\n')
    git(alpha.root, "commit", "--quiet", "--no-verify", "-am", "Only we read it")
    assert sync(alpha).pushed == ("exp/tuning",)


def test_offline_nobody_is_contacted(team: Team, hub: Path) -> None:
    """Branches move to what was fetched before, and what waits is named."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    sync(alpha), sync(beta)
    git(beta.root, "branch", "--quiet", "exp/tuning", "origin/exp/tuning")
    record(alpha, 1)
    sync(alpha)
    git(beta.root, "fetch", "--quiet")
    record(beta, 2, Experiment("beta"))
    hub.rename(hub.with_name("away.git"))
    report = sync(beta, offline=True)
    assert (report.contacted, report.forwarded) == (False, ("exp/tuning",))
    assert report.waiting == ("exp/beta",)
    with pytest.raises(RemoteUnavailable):
        try_sync(beta)
    hub.with_name("away.git").rename(hub)
    assert sync(beta).pushed == ("exp/beta",)


def test_any_state_of_the_clone_will_do(team: Team) -> None:
    """Detached HEAD, staged and untracked files, a merge under way: all stay as they are."""
    alpha, beta = team("alpha"), team("beta")
    record(beta, 0, Experiment("beta"))
    sync(beta)
    git(alpha.root, "switch", "--quiet", "--detach")
    (alpha.root / "README.md").write_text("changed\n")
    (alpha.root / "new.txt").write_text("new\n")
    git(alpha.root, "add", "new.txt")
    before = git(alpha.root, "status", "--porcelain=v2", "--branch")
    record(alpha, 1, Experiment("alpha"))
    assert (sync(alpha).came.runs, tip(alpha, "origin/exp/alpha") != "") == (1, True)
    assert git(alpha.root, "status", "--porcelain=v2", "--branch") == before


def test_a_shallow_clone_fetches_and_pushes_and_says_when_it_cannot_merge(
    team: Team, hub: Path, tmp_path: Path
) -> None:
    """Where two sides began may be beyond its horizon."""
    alpha = team("alpha")
    for number in range(3):
        record(alpha, number)
    sync(alpha)
    options = ("--depth", "1", "--no-single-branch")
    git(tmp_path, "clone", "--quiet", *options, hub.as_uri(), str(tmp_path / "shallow"))
    shallow = find_repository(tmp_path / "shallow")
    record(shallow, 5, Experiment("shallow"))
    assert sync(shallow).pushed == ("exp/shallow",)
    git(shallow.root, "branch", "--quiet", "exp/tuning", "origin/exp/tuning")
    record(shallow, 6, system="alpha")
    assert sync(shallow).pushed == ("exp/tuning",)
    sync(alpha)
    assert len(counting(find_repository(alpha.root))) == 5


def test_a_clone_without_the_hub_says_what_there_is(results: ResultsRepository) -> None:
    """No remote; one of another name."""
    with pytest.raises(UserError, match="no remote 'origin'") as none:
        try_sync(results)
    assert "--bundle FILE" in none.value.hint
    git(results.root, "remote", "add", "team", "/nowhere")
    with pytest.raises(UserError) as other:
        try_sync(results)
    assert "It has: team (setting hub, --hub NAME)" in other.value.hint


def test_credentials_in_the_url_are_not_shown(results: ResultsRepository) -> None:
    """Neither in the message nor in the hint."""
    git(results.root, "remote", "add", "origin", "http://ada:secret-of-ada@127.0.0.1:9/x.git")
    with pytest.raises(RemoteUnavailable) as refused:
        try_sync(results)
    assert "127.0.0.1:9/x.git" in refused.value.message
    assert "secret-of-ada" not in f"{refused.value.message}{refused.value.hint}"


def test_a_run_that_is_recorded_continues_a_fetched_branch(team: Team) -> None:
    """A local branch that is only behind: the run is recorded on what others did."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    sync(alpha), sync(beta)
    record(beta, 1, system="alpha")
    sync(beta)
    git(alpha.root, "fetch", "--quiet")
    record(alpha, 2)
    assert git(alpha.root, "rev-list", "--count", "origin/exp/tuning..exp/tuning").strip() == "1"
    assert git(alpha.root, "rev-list", "--count", "exp/tuning..origin/exp/tuning").strip() == "0"
    assert sync(alpha).merged == ()
    assert len(list(recorded_runs(find_repository(alpha.root)))) == 3


def test_different_results_of_one_system_are_merged_with_its_newest_description(team: Team) -> None:
    """Both stay as each side decided them."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    sync(alpha), sync(beta)
    framework = {"name": "onnx", "framework": "ONNX Runtime 1.32"}
    record(alpha, 1, scenario="MultiStream", backend=framework)
    newer = {"name": "onnx", "framework": "ONNX Runtime 1.33"}
    record(beta, 2, scenario="SingleStream", backend=newer, system="alpha")
    sync(alpha)
    (merged,) = sync(beta).merged
    assert merged.decided == ()
    listed = layout(beta)
    assert all(f"resnet50/{name}/" in listed for name in ("Offline", "MultiStream", "SingleStream"))
    system = git(beta.root, "show", "exp/tuning:closed/Acme/systems/alpha-onnx.json")
    assert "1.33" in system


def test_a_damaged_branch_stops_only_itself(team: Team, hub: Path) -> None:
    """A lost commit, a lost log: the others go."""
    alpha = team("alpha")
    for number, name in enumerate(("good", "lost", "torn", "broken")):
        record(alpha, number, Experiment(name))
    sync(alpha)
    for number, name in enumerate(("good", "lost", "torn"), start=10):
        record(alpha, number, Experiment(name))
    (alpha.common_dir / "refs/heads/exp/broken").write_text("")
    _lose(alpha, "exp/lost")
    _lose(alpha, f"exp/torn:runs/{sample_run_id(12)}/console.txt")
    report = try_sync(alpha)
    assert report.pushed == ("exp/good",)
    assert {one.branch for one in report.kept if one.refused} == {"exp/lost", "exp/torn"}
    assert tip(hub, "exp/good") == tip(alpha, "exp/good")


def _lose(machine: ResultsRepository, name: str) -> None:
    """Delete one object: the packs are unpacked first."""
    packs = machine.common_dir / "objects" / "pack"
    for pack in packs.glob("*.pack"):
        data = pack.read_bytes()
        for file in packs.glob(f"{pack.stem}.*"):
            file.unlink()
        subprocess.run(["git", "unpack-objects", "-q"], cwd=machine.root, input=data, check=True)
    oid = git(machine.root, "rev-parse", name).strip()
    (machine.common_dir / "objects" / oid[:2] / oid[2:]).unlink()


def test_a_push_that_loses_a_race_is_made_again_on_the_winner_s(team: Team, hub: Path) -> None:
    """Another machine's push arrives while the hub receives ours: ours merges it and is taken."""
    alpha, beta = team("alpha"), team("beta")
    record(alpha, 0)
    sync(alpha), sync(beta)
    record(beta, 1, system="alpha")
    record(alpha, 2)
    winner = "refs/waiting/beta"
    git(beta.root, "push", "--quiet", "--no-verify", "origin", f"exp/tuning:{winner}")
    hook = hub / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    # Git forbids changes of references while it keeps received objects in quarantine.
    hook.write_text(
        f"#!/bin/sh\ngit rev-parse --verify -q {winner} >/dev/null || exit 0\n"
        f"cat {winner} > refs/heads/exp/tuning\ngit update-ref -d {winner} 2>/dev/null\n"
        f"rm -f {winner}\nexit 0\n"
    )
    hook.chmod(0o755)
    report = sync(alpha)
    assert [one.branch for one in report.merged] == ["exp/tuning"]
    assert tip(hub) == tip(alpha) == report.merged[0].commit
    assert git(hub, "rev-list", "--count", "--merges", "exp/tuning").strip() == "1"
    assert len(counting(find_repository(alpha.root))) == 3


def test_races_without_end_are_given_up(
    team: Team, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is here stays, and waits; the hub's words are passed on."""
    monkeypatch.setattr(synchronising, "_ROUNDS", 3)
    alpha = team("alpha")
    record(alpha, 0)
    (hub / "refs" / "heads" / "exp").mkdir()
    (hub / "refs" / "heads" / "exp" / "tuning.lock").touch()
    report = try_sync(alpha)
    assert isinstance(report.problem, Busy)
    assert "3 pushes to origin lost a race" in report.problem.message
    assert report.waiting == ("exp/tuning",)
    (hub / "refs" / "heads" / "exp" / "tuning.lock").unlink()
    assert sync(alpha).pushed == ("exp/tuning",)
