"""From recorded runs to a packed submission as a user does it: select, pack."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path

import pexpect
import pytest

from tests.e2e.driver import MLREPO, branch_files, environment, everything, mlrepo, refs, start
from tests.samples import git
from tests.submissions import write_submission
from tests.terminal import Terminal

# What is selected here is short, and of a benchmark that no round has.
_ANY = ("--allow-invalid",)
_RESULT = "open/Acme/results/box-onnxruntime-cpu/digits"


@pytest.fixture
def selected(measured_copy: Path) -> Path:
    """A repository with a selection of four short results."""
    mlrepo(measured_copy, "select", "--quick")
    return measured_copy


def test_a_dry_run_shows_all_and_writes_nothing(measured_copy: Path) -> None:
    """Short runs are left out with the reason, or taken for a rehearsal; nothing changes."""
    before = everything(measured_copy)
    done = mlrepo(measured_copy, "select", "--dry-run", code=1)
    done.says("nothing can be selected", "left out", "the round requires 600 s", "mlrepo status")
    done = mlrepo(measured_copy, "select", "--dry-run", "--quick")
    for scenario in ("Offline", "SingleStream", "MultiStream", "Server"):
        done.says(f"digits {scenario}")
    assert everything(measured_copy) == before


def test_a_selection_is_a_commit_and_touches_nothing_else(measured_copy: Path) -> None:
    """Working tree, index and all other references stay; the message lists the runs."""
    (measured_copy / "notes.txt").write_text("mine\n")
    before = everything(measured_copy)
    done = mlrepo(measured_copy, "select", "--quick", "--json").json
    after = everything(measured_copy)
    added = {name for name in after if name not in before}
    assert added == {".git/refs/heads/submission/v6.1", ".git/logs/refs/heads/submission/v6.1"}
    assert {name for name in before if before[name] != after.get(name)} == {"refs"}
    assert done["written"]
    assert done["commit"] == git(measured_copy, "rev-parse", "submission/v6.1").strip()
    message = git(measured_copy, "log", "-1", "--format=%B", "submission/v6.1")
    for result in done["results"]:
        for run in result["runs"].values():
            assert f"MLRepo-Selected: {run} {result['path']}/" in message
    placed = branch_files(measured_copy)
    tree = branch_files(measured_copy, "submission/v6.1")
    log = f"{_RESULT}/Offline/performance/run_1/mlperf_log_detail.txt"
    assert tree[log] == placed[log]
    assert not [path for path in tree if not path.startswith("open/Acme/")]
    again = mlrepo(measured_copy, "select", "--quick", "--json").json
    assert again["commit"] == done["commit"]
    assert {result["state"] for result in again["results"]} == {"same"}


def test_a_killed_selection_leaves_the_old_one_or_the_new(selected: Path) -> None:
    """kill -9 at any moment: the branch holds a whole selection, and the next one completes."""
    whole = {git(selected, "rev-parse", "submission/v6.1").strip()}
    for delay in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        # Another text makes another tree, so that there is something to write each time.
        (selected / "open" / "Acme").mkdir(parents=True, exist_ok=True)
        (selected / "open" / "Acme" / "NOTES.md").write_text(f"after {delay}\n")
        git(selected, "add", "open")
        git(selected, "commit", "--quiet", "--no-verify", "--message", f"after {delay}")
        process = start(selected, "select", "--quick")
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        now = git(selected, "rev-parse", "submission/v6.1").strip()
        if now not in whole:
            assert git(selected, "show", f"{now}:open/Acme/NOTES.md") == f"after {delay}\n"
        done = mlrepo(selected, "select", "--quick", "--json").json
        whole.add(done["commit"])
        assert len(done["results"]) == 4
        git(selected, "fsck", "--strict", "--no-progress", "--no-dangling")
    assert not list((selected / ".git" / "mlrepo" / "quarantine").iterdir())
    assert not list((selected / ".git").rglob("refs/**/*.lock"))


def test_refused_selections_say_what_to_do(measured_copy: Path, tmp_path: Path) -> None:
    """Unknown runs, branches, results, rounds, and a directory that is no repository."""
    before = refs(measured_copy)
    for arguments, words in (
        (("--run", "ffffff00"), ("no recorded run matches", "mlrepo log")),
        (("--from", "exp/nowhere"), ("no branch exp/nowhere", "git fetch")),
        (("--from", "No Branch"), ("not a name for an experiment",)),
        (("--drop", "Server"), ("no result 'server' is selected",)),
        (("--best", "--run", "latest"), ("exclude each other",)),
        (("--round", "v5.1"), ("no run is recorded for v5.1", "runs for v6.1")),
        (
            ("--benchmark", "digit"),
            ("no run of v6.1 is one of those requested", "mlrepo log", "mean digits"),
        ),
        (("--scenario", "offlin"), ("is not a scenario",)),
        (("--nonsense",), ("no such option", "--help")),
    ):
        mlrepo(measured_copy, "select", *arguments, code=2).says(*words)
    mlrepo(tmp_path, "select", code=2).says("not inside a results repository", "mlrepo init")
    assert refs(measured_copy) == before


def test_a_name_without_an_identity_stops_before_anything(measured_copy: Path) -> None:
    """Git's own advice stands in the message."""
    mlrepo(
        measured_copy,
        "select",
        "--quick",
        code=2,
        GIT_AUTHOR_NAME=None,
        GIT_AUTHOR_EMAIL=None,
        GIT_COMMITTER_NAME=None,
        GIT_COMMITTER_EMAIL=None,
    ).says("does not know who you are", "git config")


def test_two_clones_pack_the_same_bytes(selected: Path, tmp_path: Path) -> None:
    """Name, time zone, umask and clone do not matter; the manifest names every file."""
    clones = [tmp_path / "one", tmp_path / "two"]
    for clone in clones:
        git(tmp_path, "clone", "--quiet", selected.as_uri(), str(clone))
    for name in ("a.tar.gz", "a.tgz", "a.zip"):
        packed = []
        for clone, zone, mask in zip(clones, ("UTC", "Asia/Kolkata"), (0o022, 0o077), strict=True):
            before = os.umask(mask)
            try:
                done = mlrepo(clone, "pack", *_ANY, "-o", name, "--json", TZ=zone).json
            finally:
                os.umask(before)
            data = (clone / name).read_bytes()
            assert done["sha1"] == hashlib.sha1(data).hexdigest()
            assert done["sha256"] == hashlib.sha256(data).hexdigest()
            packed.append((data, (clone / f"{name}.manifest.json").read_bytes()))
        assert packed[0] == packed[1]
    assert git(clones[0], "status", "--porcelain") == ""  # Git ignores what is packed here
    files = branch_files(selected, "submission/v6.1")
    manifest = json.loads((clones[0] / "a.zip.manifest.json").read_text())
    assert {file["path"] for file in manifest["files"]} == set(files)
    with zipfile.ZipFile(clones[0] / "a.zip") as archive:
        assert sorted(archive.namelist()) == sorted(files)
        for file in manifest["files"]:
            assert hashlib.sha256(archive.read(file["path"])).hexdigest() == file["sha256"]
    with tarfile.open(clones[0] / "a.tar.gz") as tar:
        assert sorted(tar.getnames()) == sorted(files)
        assert {(member.uid, member.gid, member.uname) for member in tar} == {(0, 0, "")}


def test_modes_and_links_are_packed(selected: Path) -> None:
    """A script stays executable and a link a link, in both kinds of archive."""
    source = selected / "open" / "Acme" / "src"
    source.mkdir(parents=True)
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "again.sh").symlink_to("run.sh")
    git(selected, "add", "open")
    git(selected, "commit", "--quiet", "--no-verify", "--message", "Add code")
    mlrepo(selected, "select", "--quick")
    mlrepo(selected, "pack", *_ANY, "-o", "a.tar.gz")
    mlrepo(selected, "pack", *_ANY, "-o", "a.zip")
    with tarfile.open(selected / "a.tar.gz") as tar:
        assert tar.getmember("open/Acme/src/run.sh").mode == 0o755
        assert tar.getmember("open/Acme/src/again.sh").linkname == "run.sh"
    with zipfile.ZipFile(selected / "a.zip") as archive:
        mode = archive.getinfo("open/Acme/src/run.sh").external_attr >> 16
        assert mode == 0o100755
        link = archive.getinfo("open/Acme/src/again.sh")
        assert link.external_attr >> 28 == 0o12
        assert archive.read(link) == b"run.sh"


def test_an_invalid_selection_is_packed_on_request_only(selected: Path) -> None:
    """The findings and the option are named; with it, output and manifest have the verdict."""
    done = mlrepo(selected, "pack", code=1)
    done.says(
        "not valid (strict), so nothing was packed", "The run is too short", "--allow-invalid"
    )
    mlrepo(selected, "pack", "--encrypt", code=1).says("nothing was packed")
    assert not list(selected.glob("Acme-*"))
    mlrepo(selected, "pack", *_ANY).says("INVALID")
    manifest = json.loads((selected / "Acme-v6.1.tar.gz.manifest.json").read_text())
    assert manifest["verdict"] == {"strict": "invalid", "official": "invalid"}
    assert not mlrepo(selected, "pack", *_ANY, "--json").json["valid"]["strict"]


def test_an_existing_file_is_not_overwritten(selected: Path) -> None:
    """The same bytes are no conflict; others need --force; nothing half-written stays."""
    mlrepo(selected, "pack", *_ANY)
    packed = selected / "Acme-v6.1.tar.gz"
    mlrepo(selected, "pack", *_ANY)
    packed.write_bytes(b"mine")
    mlrepo(selected, "pack", *_ANY, code=2).says("exists, with other content", "--force")
    assert packed.read_bytes() == b"mine"
    mlrepo(selected, "pack", *_ANY, "--force")
    assert packed.stat().st_size > 1000
    mlrepo(selected, "pack", *_ANY, "-o", "a.rar", code=2).says("the kind of archive", ".tar.gz")
    mlrepo(selected, "pack", *_ANY, "-o", "no/such/a.zip", code=2).says("is not a directory")
    assert not list(selected.glob(".Acme*")) + list(selected.glob(".a.*"))


@pytest.mark.parametrize("name", ["token.py", "ghp_" + "a1B2" * 9 + ".py"])
def test_a_secret_is_not_selected_and_not_packed(selected: Path, name: str) -> None:
    """The file and the line are named, the secret is not, whether it is in the file or its name."""
    secret = "ghp_" + "a1B2" * 9
    source = selected / "open" / "Acme" / "src"
    source.mkdir(parents=True)
    (source / name).write_text(f'TOKEN = "{secret}"\n' if name == "token.py" else "x\n")
    git(selected, "add", "open")
    git(selected, "commit", "--quiet", "--no-verify", "--message", "Oops")
    before = refs(selected)
    done = mlrepo(selected, "select", "--quick", code=1)
    done.says("looks like a secret", "nothing was selected")
    assert refs(selected) == before
    # One that an older version selected.
    git(selected, "read-tree", "submission/v6.1")
    git(selected, "add", "open/Acme/src")
    tree = git(selected, "write-tree").strip()
    commit = git(
        selected,
        "commit-tree",
        "-p",
        "submission/v6.1",
        "-F",
        "-",
        tree,
        stdin=git(selected, "log", "-1", "--format=%B", "submission/v6.1"),
    ).strip()
    git(selected, "update-ref", "refs/heads/submission/v6.1", commit)
    packed = mlrepo(selected, "pack", *_ANY, code=2)
    packed.says("looks like a secret", "nothing was packed")
    for said in (done, packed):
        assert secret not in said.out + said.err
    assert not (selected / "Acme-v6.1.tar.gz").exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_an_encrypted_file_is_opened_with_openssl(selected: Path) -> None:
    """The printed command opens it; the passphrase is never an argument."""
    mlrepo(selected, "pack", *_ANY)
    pack = ("pack", *_ANY, "--encrypt", "--json")
    done = mlrepo(selected, *pack, MLREPO_PASSPHRASE="correct horse").json
    sealed = selected / "Acme-v6.1.tar.gz.enc"
    assert Path(done["file"]).name == sealed.name
    assert sealed.read_bytes().startswith(b"Salted__")
    command = [*done["open_with"].split()[:-2], "-pass", "env:SECRET"]
    opened = subprocess.run(
        command,
        cwd=selected,
        env={**os.environ, "SECRET": "correct horse"},
        check=True,
        capture_output=True,
    ).stdout
    assert opened == (selected / "Acme-v6.1.tar.gz").read_bytes()
    wrong = subprocess.run(
        command,
        cwd=selected,
        env={**os.environ, "SECRET": "wrong"},
        check=False,
        capture_output=True,
    )
    assert wrong.stdout != opened


def test_without_a_terminal_the_passphrase_comes_from_elsewhere(selected: Path) -> None:
    """The message names the ways; an empty passphrase is refused."""
    mlrepo(selected, "pack", *_ANY, "--encrypt", code=2).says("no terminal", "MLREPO_PASSPHRASE")
    mlrepo(selected, "pack", *_ANY, "--passphrase-file", "mlrepo.toml", code=2).says("--encrypt")
    (selected / "empty").write_text("")
    mlrepo(selected, "pack", *_ANY, "--encrypt", "--passphrase-file", "empty", code=2).says(
        "is empty"
    )


def test_the_passphrase_is_asked_for_twice_on_a_terminal(selected: Path) -> None:
    """What is typed is not shown; two that differ are asked for again."""
    terminal = Terminal([*MLREPO, "pack", *_ANY, "--encrypt"], selected, environment())
    for asked, typed in (
        ("Passphrase:", "correct horse"),
        ("Repeat for confirmation:", "correct house"),
        ("Passphrase:", "correct horse"),
        ("Repeat for confirmation:", "correct horse"),
    ):
        terminal.expect_exact(asked)
        terminal.sendline(typed)
    terminal.expect_exact("open it with: openssl")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert "horse" not in terminal.before
    assert (selected / "Acme-v6.1.tar.gz.enc").is_file()


def test_results_of_another_harness_are_selected_packed_and_rehearsed(
    root: Path, tmp_path: Path
) -> None:
    """One command each; what is not valid is named, and nothing is selected by a mistake."""
    made = write_submission(tmp_path / "harness", "v6.1")
    (made.result("Offline") / "accuracy" / "accuracy.txt").unlink()
    before = refs(root)
    for arguments, words in (
        (("../nowhere",), ("neither a directory nor a commit",)),
        (("../harness/closed",), ("no submission in", "has no closed")),
        (("../harness", "--benchmark", "resnet5"), ("did you mean resnet50",)),
        (("../harness", "--quick"), ("takes no recorded runs",)),
        (("../harness", "--round", "v5.1"), ("seeds of v6.1",)),
    ):
        mlrepo(root, "select", "--from-tree", *arguments, code=2).says(*words)
    mlrepo(root, "select", "--from-tree", "../harness", "--profile", "official", code=1)
    assert refs(root) == before
    done = mlrepo(root, "select", "--from-tree", "../harness")
    done.says("Ready-made: 2 from directory harness", "accuracy.txt", "alpha/resnet50/Offline")
    values = mlrepo(root, "select", "--from-tree", "../harness", "--json").json
    assert [one["state"] for one in values["ready_made"]] == ["same", "same"]
    assert values["ready_made"][1]["result"] == {"value": 1.251, "unit": "ms"}
    [left] = values["not_taken"]
    assert left["path"].endswith("/Offline")
    mlrepo(root, "pack", "--allow-invalid")
    manifest = json.loads((root / "Acme-v6.1.tar.gz.manifest.json").read_text())
    assert "directory harness" in {one["source"] for one in manifest["ready_made"]}
    mlrepo(root, "submit", "--rehearse").says("This was a rehearsal", "scenario Offline is missing")


def test_packing_needs_a_selection(measured_copy: Path) -> None:
    """The message names the branch and the command that makes it."""
    mlrepo(measured_copy, "pack", code=2).says("no branch submission/v6.1", "mlrepo select")
