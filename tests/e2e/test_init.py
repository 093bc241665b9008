"""``mlrepo init``: create a results repository, or adopt an existing one, without overwriting."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import BENCH, bench, branch_files, mlrepo
from tests.samples import git

GIVEN = ("--submitter", "Acme", "--division", "open")
SCAFFOLD = {
    ".gitattributes",
    ".gitignore",
    ".pre-commit-config.yaml",
    "README.md",
    "mlrepo.toml",
    "systems/box/system.json",
    "systems/box/user.v6.1.conf",
}


def _hashes(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(directory).parts
    }


def test_init_makes_a_repository_with_one_commit(tmp_path: Path) -> None:
    """A new directory holds the scaffold, committed by the user, with a clean working tree."""
    done = mlrepo(tmp_path, "init", "results", *GIVEN, "--system", "box")
    done.says("Results repository for v6.1", "wrote mlrepo.toml", "systems/box/system.json")
    root = tmp_path / "results"
    assert set(git(root, "ls-tree", "-r", "--name-only", "HEAD").split()) == SCAFFOLD
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "--format=%an <%ae>|%s") == (
        "Ada Author <ada@example.org>|Scaffold the v6.1 results repository\n"
    )
    assert git(root, "symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert [p.name for p in tmp_path.iterdir()] == ["results"]
    mlrepo(root, "doctor")


def test_what_init_was_told_is_what_the_repository_says(tmp_path: Path) -> None:
    """Round, division, submitter and category are in mlrepo.toml, the system in the clone."""
    mlrepo(
        tmp_path,
        "init",
        "r",
        "--submitter",
        "AcmeInc",
        "--division",
        "Closed",
        "--category",
        "edge,datacenter",
        "--round",
        "5.1",
        "--system",
        "big-box",
    )
    settings = tomllib.loads((tmp_path / "r" / "mlrepo.toml").read_text())
    assert settings == {
        "round": "v5.1",
        "division": "closed",
        "submitter": "AcmeInc",
        "category": "datacenter,edge",
    }
    assert git(tmp_path / "r", "config", "--local", "mlrepo.system") == "big-box\n"
    description = json.loads((tmp_path / "r" / "systems" / "big-box" / "system.json").read_text())
    assert description["submitter"] == "AcmeInc"
    assert description["system_name"] == "big-box"
    assert description["host_processor_core_count"]
    assert (tmp_path / "r" / "systems" / "big-box" / "user.v5.1.conf").is_file()


def test_a_name_that_the_round_refuses_is_refused_when_it_is_given(tmp_path: Path) -> None:
    """A space or a leading dot costs the whole submission since v3.0, after all measuring."""
    for name, round_name, code in (
        ("Acme Inc", "v5.1", 2),
        (".acme", "v6.1", 2),
        ("Acme Inc", "v2.1", 0),
    ):
        done = mlrepo(
            tmp_path,
            "init",
            f"{round_name}{code}{name[:1]}",
            "--submitter",
            name,
            "--division",
            "open",
            "--round",
            round_name,
            code=code,
        )
        assert code == 0 or "refuses every submission" in done.err


def test_every_line_of_the_template_can_be_used_as_it_is(root: Path) -> None:
    """A key below the wrong table would be a setting that nobody asked for, or none."""
    path = root / "mlrepo.toml"
    used = re.sub(r"^# (?=[\w.]+ = )", "", path.read_text(), flags=re.MULTILINE)
    path.write_text(used)
    settings = mlrepo(root, "config", "list", "--json").json["settings"]
    from_file = {key for key, found in settings.items() if found and found["origin"] == path.name}
    assert from_file >= {
        "official.repository",
        "official.branch",
        "official.visibility",
        "embargo",
        "private_remotes",
        "profile",
        "hooks",
        "round",
        "division",
        "submitter",
    }
    assert settings["embargo"]["value"] == "2027-04-01"


def test_init_without_a_system_says_how_to_describe_one(tmp_path: Path) -> None:
    """A repository may begin without a system; the next command is named, and works."""
    mlrepo(tmp_path, "init", "r", *GIVEN).says("mlrepo system add NAME")
    mlrepo(tmp_path / "r", *BENCH, code=2).says("system is not set", "--system", "MLREPO_SYSTEM")
    mlrepo(tmp_path / "r", "system", "add", "box").says("systems/box/system.json", "Fill in")
    assert mlrepo(tmp_path / "r", "system", "list").out == "box\n"
    mlrepo(tmp_path / "r", "system", "add", "box", code=2).says("exists and is not overwritten")
    mlrepo(tmp_path / "r", *BENCH, "--system", "box")


@pytest.mark.parametrize("directory", ["empty", "."], ids=["named", "current"])
def test_an_empty_directory_is_filled_in_place(tmp_path: Path, directory: str) -> None:
    """An empty directory, also the current one, keeps its identity: somebody may stand in it."""
    empty = tmp_path / "empty"
    empty.mkdir()
    inode = empty.stat().st_ino
    mlrepo(empty if directory == "." else tmp_path, "init", directory, *GIVEN)
    assert empty.stat().st_ino == inode
    assert (empty / ".git").is_dir()
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]
    mlrepo(empty, "doctor")


def test_an_empty_disk_is_filled(small_mount: Path) -> None:
    """``mlrepo init .`` works in a mounted volume, such as a container has for its data."""
    mlrepo(small_mount, "init", ".", *GIVEN)
    assert (small_mount / "mlrepo.toml").is_file()
    assert git(small_mount, "status", "--porcelain") == ""
    assert sorted(p.name for p in small_mount.iterdir() if p.is_dir()) == [".git"]


def test_init_speaks_json(tmp_path: Path) -> None:
    """Scripts learn the root, the files, the commit and what is still to be filled in."""
    done = mlrepo(tmp_path, "init", "r", *GIVEN, "--system", "box", "--json").json
    assert done["schema"] == "mlrepo.init/1"
    assert set(done["written"]) == SCAFFOLD
    assert done["kept"] == []
    assert done["root"] == str(tmp_path / "r")
    assert git(tmp_path / "r", "rev-parse", "HEAD").strip() == done["commit"]
    assert "cooling" in done["open_system_fields"]


def test_an_adopted_repository_keeps_every_byte(tmp_path: Path) -> None:
    """Files that exist are kept, new ones are left for the user to commit, history stays."""
    git(tmp_path, "init", "--quiet", "--initial-branch=trunk")
    for name in ("README.md", ".gitignore", "results.csv"):
        (tmp_path / name).write_text(f"mine: {name}\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Mine")
    head, before = git(tmp_path, "rev-parse", "HEAD"), _hashes(tmp_path)

    done = mlrepo(tmp_path, "init", *GIVEN, "--system", "box", "--adopt")
    done.says("kept README.md", "kept .gitignore", "wrote mlrepo.toml", "git add")
    after = _hashes(tmp_path)
    assert before.items() <= after.items()
    assert set(after) - set(before) == SCAFFOLD - {"README.md", ".gitignore"}
    assert git(tmp_path, "rev-parse", "HEAD") == head
    assert git(tmp_path, "diff", "--cached", "--name-only") == ""


def test_an_adopted_directory_can_record_before_its_first_commit(tmp_path: Path) -> None:
    """A plain directory with a README.md becomes a repository; its first commit may come later."""
    (tmp_path / "README.md").write_text("Results\n")
    mlrepo(tmp_path, "init", ".", *GIVEN, "--system", "box", "--adopt")
    assert git(tmp_path, "status", "--porcelain", ok=False).count("??") == 6
    record = bench(tmp_path)
    assert {key: value for key, value in record["source"].items() if value} == {"dirty": True}
    assert f"runs/{record['run']}/run.json" in branch_files(tmp_path)


@pytest.mark.parametrize(
    ("files", "arguments", "words"),
    [
        (["notes.txt"], (), ("not empty", "no README.md")),
        (["notes.txt"], ("--adopt",), ("no README.md", "--adopt")),
        (["README.md"], (), ("not empty", "Use --adopt")),
        (["mlrepo.toml"], ("--adopt",), ("is a results repository already", "config list")),
        (["mlrepo.toml", "README.md"], (), ("is a results repository already",)),
    ],
    ids=["stranger", "stranger adopted", "README without --adopt", "again", "again with README"],
)
def test_init_refuses_what_it_might_spoil(
    tmp_path: Path, files: list[str], arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """A directory with content is not touched without a README.md and the user's word."""
    for name in files:
        (tmp_path / name).write_text("mine\n")
    before = _hashes(tmp_path)
    mlrepo(tmp_path, "init", ".", *GIVEN, *arguments, code=2).says(str(tmp_path), *words)
    assert _hashes(tmp_path) == before
    assert not (tmp_path / ".git").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--division", "open"), ("submitter is not set", "--submitter", "MLREPO_SUBMITTER")),
        (("--submitter", "Acme"), ("division is not set", "--division", "CK_MLPERF_INFERENCE_")),
        ((*GIVEN, "--round", "v7.9"), ("no rules for the round 'v7.9'", "v6.1")),
        ((*GIVEN, "--round", "v1.1", "--division", "network"), ("v1.1 has no network division",)),
        ((*GIVEN, "--division", "ajar"), ("'ajar'", "closed, open, network")),
        ((*GIVEN, "--category", "cloud"), ("'cloud'", "edge")),
        ((*GIVEN, "--submitter", "a/b"), ("'a/b'", "submitter")),
        ((*GIVEN, "--system", ".git"), ("'.git'", "system")),
    ],
    ids=" ".join,
)
def test_init_checks_what_it_is_told(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """Wrong or missing settings are refused before anything is made."""
    mlrepo(tmp_path, "init", "r", *arguments, code=2).says(*words)
    assert list(tmp_path.iterdir()) == []


def test_init_refuses_a_file_and_a_place_inside_another_repository(tmp_path: Path) -> None:
    """Neither a file nor somebody's sub-directory is turned into a results repository."""
    (tmp_path / "file").write_text("mine\n")
    mlrepo(tmp_path, "init", "file", *GIVEN, code=2).says("file is not a directory")
    git(tmp_path, "init", "--quiet")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "README.md").write_text("mine\n")
    done = mlrepo(tmp_path, "init", "sub", *GIVEN, "--adopt", code=2)
    done.says("is inside the Git repository", str(tmp_path))


def test_init_without_an_identity_makes_nothing(tmp_path: Path) -> None:
    """Nobody's commit is not made, and no half of a repository stays behind."""
    nobody = dict.fromkeys(
        ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
    )
    mlrepo(tmp_path, "init", "r", *GIVEN, code=2, **nobody).says("git config --global user.name")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "environ",
    [
        {"GIT_DEFAULT_HASH": "sha256"},
        {"GIT_DEFAULT_REF_FORMAT": "reftable"},
        {"GIT_DIR": "/nonexistent", "GIT_WORK_TREE": "/nonexistent"},
        {"GIT_TEMPLATE_DIR": "/nonexistent"},
    ],
    ids=lambda environ: next(iter(environ)),
)
def test_init_makes_a_repository_that_can_be_recorded_into_whatever_git_defaults_to(
    tmp_path: Path, environ: dict[str, Any]
) -> None:
    """Defaults of the user's environment do not leak into a new results repository."""
    mlrepo(tmp_path, "init", "r", *GIVEN, "--system", "box", **environ)
    assert len(git(tmp_path / "r", "rev-parse", "HEAD").strip()) == 40
    mlrepo(tmp_path / "r", *BENCH)


def test_init_runs_no_hook_of_the_user(tmp_path: Path) -> None:
    """A global hook that rejects commits is not asked about the scaffold."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\n\thooksPath = {hooks}\n")
    mlrepo(tmp_path, "init", "r", *GIVEN, GIT_CONFIG_GLOBAL=str(config))
    assert git(tmp_path / "r", "rev-list", "--count", "HEAD").strip() == "1"
