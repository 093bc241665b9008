"""``mlrepo clone``: a results repository from a URL, with all its runs."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.e2e.driver import BENCH, MLREPO, bench, environment, mlrepo, refs
from tests.samples import git


def test_a_clone_sees_the_runs_of_the_remote_and_adds_its_own(root: Path, tmp_path: Path) -> None:
    """Runs of all experiment branches are listed at once; a new run continues the same branch."""
    first = bench(root)
    second = bench(root, "--experiment", "tuning", "--threads", "1")
    done = mlrepo(tmp_path, "clone", root.as_uri(), "copy")
    done.says("Cloned into", str(tmp_path / "copy"), "Git hooks (pre-commit)", "pre-push")
    copy = tmp_path / "copy"
    runs = mlrepo(copy, "log", "--json").json["runs"]
    assert {run["run"] for run in runs} == {first["run"], second["run"]}
    assert "refs/heads/exp/" not in refs(copy)
    mlrepo(copy, "show", first["run"]).says("99.4 %")
    mlrepo(copy, "raw", "export", first["run"], code=2).says("not kept on this machine")

    mlrepo(copy, "system", "use", "box")
    third = bench(copy)
    tip = git(root, "rev-parse", "exp/box").strip()
    assert git(copy, "rev-parse", "exp/box^").strip() == tip
    git(copy, "push", "--quiet", "origin", "exp/box")
    assert mlrepo(root, "log", "--json").json["runs"][0]["run"] == third["run"]
    mlrepo(copy, "doctor")


def test_machines_that_never_met_record_on_branches_that_merge(root: Path, tmp_path: Path) -> None:
    """Two clones record on the same new branch: runs never conflict, placed results are chosen."""
    for name in ("one", "two"):
        mlrepo(tmp_path, "clone", root.as_uri(), name)
        bench(tmp_path / name, "--system", "box", "--experiment", "shared", "--tag", name)
    git(tmp_path / "two", "fetch", "--quiet", str(tmp_path / "one"), "exp/shared")
    git(tmp_path / "two", "switch", "--quiet", "exp/shared")
    git(tmp_path / "two", "merge", "--quiet", "--strategy-option=ours", "FETCH_HEAD")
    git(tmp_path / "two", "switch", "--quiet", "main")
    runs = mlrepo(tmp_path / "two", "log", "--json").json["runs"]
    assert {tuple(run["tags"]) for run in runs} == {("one",), ("two",)}
    assert len(git(tmp_path / "two", "ls-tree", "exp/shared", "runs/").splitlines()) == 2


def test_the_directory_is_named_after_the_repository(root: Path, tmp_path: Path) -> None:
    """As with git, ``.git`` and slashes at the end do not belong to the name."""
    git(tmp_path, "clone", "--quiet", "--bare", str(root), "team.git")
    (tmp_path / "elsewhere").mkdir()
    mlrepo(tmp_path / "elsewhere", "clone", f"{tmp_path / 'team.git'}/")
    assert (tmp_path / "elsewhere" / "team" / "mlrepo.toml").is_file()


@pytest.mark.parametrize(
    "url",
    ["file:///nonexistent/results.git", "https://results.invalid/a.git", "/nonexistent/a.git"],
)
def test_an_unreachable_url_is_told_from_a_mistake(tmp_path: Path, url: str) -> None:
    """A remote that cannot be reached is exit code 69, with git's words, and nothing is left."""
    done = mlrepo(tmp_path, "clone", url, code=69)
    done.says(url, "could not be cloned", "network")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["clone", "import", "review"])
@pytest.mark.parametrize(
    "url",
    [
        "https://ada:correct-horse-battery@results.invalid/a.git",
        "https://correct-horse-battery@results.invalid/a.git",
        "https://results.invalid/a.git?private_token=correct-horse-battery",
        "https://a@b:correct-horse-battery@results.invalid/a.git",
    ],
)
def test_credentials_in_a_url_are_not_repeated(root: Path, command: str, url: str) -> None:
    """The message about what failed may end in a log that everybody reads."""
    options = ("--round", "v6.1") if command != "clone" else ()
    done = mlrepo(root, command, url, *options, code=69)
    done.says("results.invalid/a.git")
    assert "correct-horse" not in done.out + done.err


@pytest.mark.parametrize("url", ["--upload-pack=touch pwned", "ext::sh -c touch% pwned"])
def test_a_hostile_url_runs_nothing(tmp_path: Path, url: str) -> None:
    """What looks like an option or a transport helper is not executed."""
    assert mlrepo(tmp_path, "clone", "--", url, "copy", code=None).code in (2, 69)
    assert list(tmp_path.iterdir()) == []


def test_a_clone_goes_into_no_directory_with_content(root: Path, tmp_path: Path) -> None:
    """Nothing is overwritten; an empty directory is fine."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine\n")
    mlrepo(tmp_path, "clone", root.as_uri(), "full", code=2).says("full", "not empty")
    (tmp_path / "empty").mkdir()
    mlrepo(tmp_path, "clone", root.as_uri(), "empty")
    mlrepo(tmp_path / "empty", *BENCH, "--system", "box")


def test_a_clone_of_another_repository_says_how_to_go_on(tmp_path: Path) -> None:
    """A repository without settings can be adopted; the command is shown."""
    git(tmp_path, "init", "--quiet", "plain")
    (tmp_path / "plain" / "README.md").write_text("Results\n")
    git(tmp_path / "plain", "add", ".")
    git(tmp_path / "plain", "commit", "--quiet", "--message", "Begin")
    mlrepo(tmp_path, "clone", "plain", "copy").says("no mlrepo.toml", "mlrepo init --adopt")


@pytest.mark.parametrize(
    ("pushed", "branch", "words"),
    [
        (("main",), "main", ("nonexistent ref", "The branch main is checked out")),
        (("main:work", "main:exp/box"), "work", ("The branch work is checked out",)),
        (("main:exp/box",), "main", ("The remote has no main", "push -u origin main")),
    ],
    ids=["main", "another", "experiments only"],
)
def test_a_head_that_names_no_branch_still_gives_a_results_repository(
    root: Path, tmp_path: Path, pushed: tuple[str, ...], branch: str, words: tuple[str, ...]
) -> None:
    """As `git init --bare` makes it on a server; what Git warns of is shown."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=trunk", "team.git")
    git(root, "push", "--quiet", str(tmp_path / "team.git"), *pushed)
    done = mlrepo(tmp_path, "clone", "team.git", "copy")
    done.says("git: warning: remote HEAD refers to", *words)
    copy = tmp_path / "copy"
    assert git(copy, "symbolic-ref", "--short", "HEAD").strip() == branch
    assert git(copy, "rev-parse", "HEAD") == git(root, "rev-parse", "main")
    assert git(copy, "status", "--porcelain") == ""
    mlrepo(copy, "config", "get", "round").says("v6.1")


def test_another_branch_that_has_the_settings_is_named(root: Path, tmp_path: Path) -> None:
    """A HEAD without settings is left alone."""
    git(root, "switch", "--quiet", "--orphan", "empty")
    (root / "README.md").write_text("Nothing\n")
    git(root, "add", "README.md")
    git(root, "commit", "--quiet", "--no-verify", "--message", "Begin")
    done = mlrepo(tmp_path, "clone", root.as_uri(), "copy")
    done.says("no mlrepo.toml on empty", f"git -C {tmp_path / 'copy'} switch main")
    git(tmp_path / "copy", "switch", "--quiet", "main")
    assert (tmp_path / "copy" / "mlrepo.toml").is_file()


def test_an_empty_fork_gets_a_command_that_works(tmp_path: Path) -> None:
    """The first commit is made on the branch that the remote will call its first."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=trunk", "fork.git")
    said = mlrepo(tmp_path, "clone", "fork.git", "copy")
    said.says("git: warning: You appear to have cloned an empty repository", "To begin:")
    command = said.out.rpartition("mlrepo init")[2].split()
    assert command == ["--submitter", "NAME", "--division", "open"]
    copy = tmp_path / "copy"
    # A mistake leaves it as empty as it was.
    (copy / "x").mkdir()
    mlrepo(copy, "init", *command, code=2)
    (copy / "x").rmdir()
    mlrepo(copy, "init", *command).says("Results repository for v6.1")
    assert git(copy, "symbolic-ref", "--short", "HEAD").strip() == "trunk"
    assert git(copy, "status", "--porcelain") == ""
    git(copy, "push", "--quiet", "origin", "HEAD")
    mlrepo(tmp_path, "clone", "fork.git", "second")
    assert (tmp_path / "second" / "mlrepo.toml").is_file()


def test_a_fork_without_readme_gets_a_command_that_works(tmp_path: Path) -> None:
    """It is run as it is printed, with a name."""
    git(tmp_path, "init", "--quiet", "plain")
    (tmp_path / "plain" / "LICENSE").write_text("free\n")
    git(tmp_path / "plain", "add", ".")
    git(tmp_path / "plain", "commit", "--quiet", "--message", "Begin")
    said = mlrepo(tmp_path, "clone", "plain", "copy").out
    line = said.rpartition("with: ")[2].strip().replace("mlrepo init", f"{shlex.join(MLREPO)} init")
    subprocess.run(["sh", "-c", line], check=True, capture_output=True, env=environment())
    assert (tmp_path / "copy" / "mlrepo.toml").is_file()
