"""The hint for a path that is no submission leads to the one that was meant."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mlrepo.cli.submission.elsewhere import in_words, right_command


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A submission in ``theirs`` below the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs/open/Acme/results/box").mkdir(parents=True)
    return Path("theirs")


def test_a_part_of_a_submission_leads_to_its_root(theirs: Path) -> None:
    """`check` judges the part; `review` that of the submitter; the path stays as it was typed."""
    part = theirs / "open/Acme/results"
    assert "`mlrepo check theirs --only open/Acme/results`" in right_command(part, "check")
    assert "`mlrepo review theirs --submitter Acme`" in right_command(part, "review")
    assert "`mlrepo review theirs`" in right_command(theirs / "open", "review")
    line = right_command(part, "select", "--from-tree")
    assert "`mlrepo select --from-tree theirs`" in line


def test_a_submission_one_level_below_is_named(theirs: Path) -> None:
    """A reviewer names the directory that was unpacked into."""
    here = theirs.resolve().parent
    assert f"`mlrepo check {here / 'theirs'}`" in right_command(here, "check")
    assert right_command(theirs / "open/Acme/results/box", "check")
    (here / "empty").mkdir()
    assert right_command(here / "empty", "check") == ""


@pytest.mark.parametrize("ending", [".tar.gz", ".zip"])
def test_an_archive_is_unpacked_by_the_command_of_the_hint(theirs: Path, ending: str) -> None:
    """What it leaves is where the second command looks."""
    if ending == ".zip":
        with zipfile.ZipFile("Acme-v6.1.zip", "w") as packed:
            packed.writestr("open/Acme/README.md", "x")
    else:
        with tarfile.open("Acme-v6.1.tar.gz", "w:gz") as file:
            file.add("theirs/open", "open")
    hint = right_command(Path(f"Acme-v6.1{ending}"), "check")
    unpack, judge = hint.split("`")[1::2]
    assert shlex.split(judge) == ["mlrepo", "check", "Acme-v6.1"]
    for words in map(shlex.split, unpack.split(" && ")):
        if words[0] == "unzip":  # not on every machine: Python's own does the same
            words = [sys.executable, "-m", "zipfile", "-e", words[2], words[4]]
        subprocess.run(words, check=True, capture_output=True)
    assert Path("Acme-v6.1/open/Acme").is_dir()


def test_other_files_and_names_get_no_hint(theirs: Path) -> None:
    """The message then says what a submission is."""
    Path("notes.txt").write_text("x")
    assert right_command(Path("notes.txt"), "check") == ""
    assert right_command(Path("nowhere"), "review") == ""


def test_a_sentence_does_not_end_in_dots(theirs: Path) -> None:
    """``.`` and ``..`` are written out."""
    assert in_words(Path()) == Path.cwd()
    assert in_words(Path("..")) == Path.cwd().parent
    assert in_words(theirs) == theirs
