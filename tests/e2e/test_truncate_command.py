"""``mlrepo truncate``: backups, copies, and never removing the only copy."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.driver import mlrepo
from tests.samples import git

_RESULT = "closed/Org/results/box/resnet50/Offline/accuracy"


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """A Git repository with a full accuracy log of two submitters."""
    root = tmp_path / "submission"
    for submitter in ("Org", "Other"):
        directory = root / _RESULT.replace("Org", submitter)
        directory.mkdir(parents=True)
        (directory / "mlperf_log_accuracy.json").write_bytes(os.urandom(20_000))
        (directory / "accuracy.txt").write_text("accuracy=76.0%\n")
    git(root, "init", "-q")
    return root


def _log(root: Path, submitter: str = "Org") -> Path:
    return root / _RESULT.replace("Org", submitter) / "mlperf_log_accuracy.json"


def test_only_the_submitters_logs_are_truncated(submission: Path) -> None:
    """The full log is named by its hash; a second time nothing changes."""
    full = _log(submission).read_bytes()
    done = mlrepo(submission, "truncate", "--submitter", "Org", "--json").json
    assert [row["outcome"] for row in done["logs"]] == ["truncated"]
    assert _log(submission).stat().st_size == 8199
    assert _log(submission, "Other").stat().st_size == 20_000
    digest = hashlib.sha256(full).hexdigest()
    assert _log(submission).with_name("accuracy.txt").read_text().endswith(f"\nhash={digest}\n")
    again = mlrepo(submission, "truncate", "--submitter", "Org", "--json").json
    assert [row["outcome"] for row in again["logs"]] == ["unchanged"]


def test_a_copy_is_truncated_and_the_original_is_not(submission: Path, tmp_path: Path) -> None:
    """``--output`` never writes to what exists, nor into what it copies."""
    copy = tmp_path / "copy"
    mlrepo(submission, "truncate", "--output", str(copy))
    assert _log(copy).stat().st_size == 8199
    assert _log(submission).stat().st_size == 20_000
    mlrepo(submission, "truncate", "--output", str(copy), code=2).says("exists")
    inside = submission / "inside"
    mlrepo(submission, "truncate", "--output", str(inside), code=2).says("inside")
    assert not inside.exists()


def test_a_copy_holds_the_submitter_only_and_comes_whole_or_not_at_all(
    submission: Path, tmp_path: Path
) -> None:
    """As the official tool copies; a log that is refused is named where the copy stands."""
    copy = tmp_path / "made" / "copy"
    done = mlrepo(submission, "truncate", "--submitter", "Org", "--output", str(copy), "--json")
    assert [row["path"] for row in done.json["logs"]] == [str(_log(copy))]
    assert sorted(path.name for path in (copy / "closed").iterdir()) == ["Org"]
    _log(submission).with_name("accuracy.txt").unlink()
    other = tmp_path / "made" / "other"
    refused = mlrepo(submission, "truncate", "--output", str(other), code=1)
    refused.says(f"{_log(other).parent}/accuracy.txt is missing")
    os.mkfifo(submission / "closed" / "pipe")
    mlrepo(submission, "truncate", "--output", str(tmp_path / "made" / "third"), code=2).says(
        "pipe"
    )
    blocked = tmp_path / "file"
    blocked.write_text("x")
    mlrepo(submission, "truncate", "--output", str(blocked / "copy"), code=2).says("File exists")
    assert sorted(path.name for path in copy.parent.iterdir()) == ["copy", "other"]


def test_a_backup_holds_the_full_logs_and_no_other_log_replaces_one(
    submission: Path, tmp_path: Path
) -> None:
    """A second, different log of the same name is refused and left whole."""
    full = _log(submission).read_bytes()
    backup = tmp_path / "backup"
    mlrepo(submission, "truncate", "--backup", str(backup))
    assert _log(backup).read_bytes() == full
    newer = os.urandom(30_000)
    _log(submission).write_bytes(newer)
    mlrepo(submission, "truncate", "--backup", str(backup), code=1).says("not overwritten")
    assert _log(submission).read_bytes() == newer
    assert _log(backup).read_bytes() == full


def test_cleaning_asks_and_never_removes_the_only_copy(submission: Path, tmp_path: Path) -> None:
    """A backup goes only while the store holds the same bytes."""
    backup = tmp_path / "backup"
    mlrepo(submission, "truncate", "--backup", str(backup))
    only = backup / "only.json"
    only.write_bytes(os.urandom(9_000))
    clean = ("truncate", "--backup", str(backup), "--clean")
    mlrepo(submission, *clean, code=None).says("Remove them?")
    assert _log(backup).exists()
    mlrepo(submission, *clean, "--yes").says("only copy", "Removed 2 backups")
    assert not _log(backup).exists()
    assert only.exists()


def test_what_cannot_be_is_refused(submission: Path, tmp_path: Path) -> None:
    """Each refusal is one paragraph that names the way out."""
    mlrepo(submission, "truncate", "--clean", code=2).says("--backup")
    both = ("--backup", str(tmp_path / "a"), "--output", str(tmp_path / "b"))
    mlrepo(submission, "truncate", *both, code=2).says("exclude each other")
    inside = ("--backup", str(submission / "closed" / "Org" / "full"))
    mlrepo(submission, "truncate", *inside, code=2).says("inside the submission")
    (tmp_path / "plain").mkdir()
    said = mlrepo(tmp_path / "plain", "truncate", code=2)
    said.says("not in a git working tree", "adopt", "--backup", "--output")
    _log(submission).with_name("accuracy.txt").unlink()
    mlrepo(submission, "truncate", "--submitter", "Org", code=1).says("accuracy.txt is missing")
    assert _log(submission).stat().st_size == 20_000


def test_without_git_a_backup_or_a_copy_keeps_the_full_log(
    submission: Path, tmp_path: Path
) -> None:
    """A plain directory: what is truncated lies whole in the backup, or where it was."""
    plain = tmp_path / "plain"
    shutil.copytree(submission, plain, ignore=shutil.ignore_patterns(".git"))
    full = _log(plain).read_bytes()
    mlrepo(plain, "truncate", "--output", str(tmp_path / "copy"))
    assert (_log(plain).read_bytes(), _log(tmp_path / "copy").stat().st_size) == (full, 8199)
    backup = tmp_path / "backup"
    mlrepo(plain, "truncate", "--backup", str(backup))
    assert _log(backup).read_bytes() == full
    named = f"\nhash={hashlib.sha256(full).hexdigest()}\n"
    for truncated in (_log(plain), _log(tmp_path / "copy")):
        assert truncated.stat().st_size == 8199
        assert truncated.with_name("accuracy.txt").read_text().endswith(named)
    again = mlrepo(plain, "truncate", "--backup", str(backup), "--json").json
    assert {row["outcome"] for row in again["logs"]} == {"unchanged"}
    _log(plain).with_name("accuracy.txt").write_text("accuracy=76.0%\n")
    mlrepo(plain, "truncate", "--backup", str(backup))
    assert _log(plain).with_name("accuracy.txt").read_text().endswith(named)
    assert not (plain / ".git").exists()
    mlrepo(plain, "truncate", "--backup", str(backup), "--clean", "--yes", code=2).says("Git")
    assert _log(backup).read_bytes() == full


def test_a_refused_log_is_not_backed_up(submission: Path, tmp_path: Path) -> None:
    """A backup of the wrong log would stand in the way of the right one."""
    wrong = os.urandom(9_000)
    right = _log(submission).read_bytes()
    named = hashlib.sha256(right).hexdigest()
    _log(submission).write_bytes(wrong)
    _log(submission).with_name("accuracy.txt").write_text(f"accuracy=76.0%\nhash={named}\n")
    backup = tmp_path / "backup"
    said = mlrepo(submission, "truncate", "--submitter", "Org", "--backup", str(backup), code=1)
    said.says(named, hashlib.sha256(wrong).hexdigest())
    assert not list(backup.rglob("*.json"))
    _log(submission).write_bytes(right)
    mlrepo(submission, "truncate", "--submitter", "Org", "--backup", str(backup))
    assert _log(backup).read_bytes() == right


@pytest.mark.parametrize(
    "options", [(), ("--json",), ("--output", "../copy"), ("--backup", "../b")]
)
def test_nothing_to_truncate_is_no_success(submission: Path, options: tuple[str, ...]) -> None:
    """A name that is misspelled, by case or by a letter, and a tree without a log."""
    for typo in ("org", "Orgg", "OTHER"):
        said = mlrepo(submission, "truncate", "--submitter", typo, *options, code=2)
        said.says("no accuracy log", typo, "Did you mean", "Org" if typo != "OTHER" else "Other")
        assert said.out == ""
    mlrepo(submission, "truncate", "--submitter", "Nobody", *options, code=2).says("Org, Other")
    (submission / "empty").mkdir()
    mlrepo(submission, "truncate", "empty", *options, code=2).says("no accuracy log", "empty")
    assert _log(submission).stat().st_size == 20_000
    assert not (submission.parent / "copy").exists()
