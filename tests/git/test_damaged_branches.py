"""An unreadable branch is named with a remedy; all others still work."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.repository import commits
from mlrepo.repository.commits import refuse_if_immovable
from mlrepo.repository.damage import DamagedBranch, read_tip
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import recorded_runs
from mlrepo.repository.raw_garbage import find_garbage
from mlrepo.repository.recorder import Recorder
from mlrepo.repository.submission_branch import read_submission
from tests.e2e.driver import mlrepo
from tests.samples import git, sample_composition, sample_files, sample_run_id

_GOOD, _BAD = Experiment("good"), Experiment("bad")


@pytest.fixture
def results(make_repository: Callable[..., ResultsRepository]) -> ResultsRepository:
    """A results repository that a test may damage."""
    return make_repository()


def _record(recorder: Recorder, experiment: Experiment, number: int) -> str:
    run = sample_run_id(number)
    return recorder.record(
        experiment, run, sample_files(run), lambda tip: sample_composition(run, tip)
    ).commit


def _write(content: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        (root / ".git" / _BAD.ref).write_text(content)

    return write


def _point_to(revision: str) -> Callable[[Path], None]:
    return lambda root: _write(git(root, "rev-parse", revision))(root)


def _lose(revision: str) -> Callable[[Path], None]:
    """Return what removes an object, as a bad disk does."""

    def lose(root: Path) -> None:
        oid = git(root, "rev-parse", revision).strip()
        packs = root / ".git" / "objects" / "pack"
        for pack in packs.glob("*.pack"):
            data = pack.read_bytes()
            for file in packs.glob(f"{pack.stem}.*"):
                file.unlink()
            subprocess.run(["git", "unpack-objects", "-q"], cwd=root, input=data, check=True)
        (root / ".git" / "objects" / oid[:2] / oid[2:]).unlink()

    return lose


# What is done to the branch, and how many of its two runs can still be read.
_DAMAGES: dict[str, tuple[Callable[[Path], None], int]] = {
    "an empty file": (_write(""), 0),
    "no file": (lambda root: (root / ".git" / _BAD.ref).unlink(), 0),
    "a file of zeros": (_write("\0" * 41), 0),
    "no reference in the file": (_write("hello\n"), 0),
    "a dangling symbolic reference": (_write("ref: refs/heads/nowhere\n"), 0),
    "a commit that never was": (_write("1" * 40 + "\n"), 0),
    "a blob": (_point_to("main:mlrepo.toml"), 0),
    "a tree": (_point_to("main^{tree}"), 0),
    "the last commit lost": (_lose("exp/bad"), 0),
    "the last tree lost": (_lose("exp/bad^{tree}"), 0),
    "the first commit lost": (_lose("exp/bad~1"), 1),
}


@pytest.mark.parametrize(("damage", "left"), _DAMAGES.values(), ids=_DAMAGES)
def test_the_others_go_on_and_the_way_out_is_one(
    results: ResultsRepository,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
    left: int,
) -> None:
    """Runs of other branches are read; recording on this one is refused beforehand."""
    monkeypatch.setattr(commits, "_ATTEMPTS_SECONDS", 0.1)
    _record(recorder, _GOOD, 0)
    first = _record(recorder, _BAD, 1)
    _record(recorder, _BAD, 2)
    damage(results.root)

    repository = find_repository(results.root)
    assert len(list(recorded_runs(repository))) == 1 + left
    [said] = repository.damage.values()
    assert "exp/bad" in said.message
    again = Recorder(repository, recorder.identity)
    _record(again, _GOOD, 3)
    with pytest.raises(UserError, match="cannot be read"):
        find_garbage(repository, 0.0)
    told = mlrepo(results.root, "log", code=1)
    assert said.message in told.err
    assert sample_run_id(0) in told.out
    mlrepo(results.root, "show", sample_run_id(0))
    doctor = mlrepo(results.root, "doctor", code=1)
    assert said.message in doctor.out
    if left:
        return
    with pytest.raises(DamagedBranch):
        refuse_if_immovable(repository, _BAD.ref, instead="")
    with pytest.raises(DamagedBranch):
        _record(again, _BAD, 4)
    for command in re.findall("`([^`]+)`", said.hint):
        subprocess.run(command, shell=True, cwd=results.root, check=True, capture_output=True)
    assert read_tip(find_repository(results.root), _BAD.ref) is not None
    assert first in git(results.root, "log", "--format=%H", "exp/bad")
    mlrepo(results.root, "log")


@pytest.mark.parametrize("content", [b"", b"garbage\n", b"\0" * 300])
def test_broken_packed_references_are_no_empty_repository(
    results: ResultsRepository, recorder: Recorder, content: bytes
) -> None:
    """As a power cut leaves them: no "0 runs, all ok", and no bug of mlrepo."""
    _record(recorder, _GOOD, 0)
    git(results.root, "pack-refs", "--all")
    (results.root / ".git" / "packed-refs").write_bytes(content)
    for command in ("log", "status", "doctor"):
        told = mlrepo(results.root, command, code=1)
        assert "cannot be read" in told.out + told.err
    for words in ("raw", "list"), ("show", "latest"), ("select", "--dry-run"):
        assert mlrepo(results.root, *words, code=None).code in (0, 1, 2)


def test_an_object_of_one_run_lost_names_the_run(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """The other runs are shown and agree; this one is told as lost, not as a bug of mlrepo."""
    _record(recorder, _GOOD, 0)
    _record(recorder, _BAD, 1)
    _lose(f"exp/bad:runs/{sample_run_id(1)}/run.json")(results.root)
    lost = mlrepo(results.root, "show", sample_run_id(1), code=2)
    assert "missing or damaged" in lost.err
    mlrepo(results.root, "show", sample_run_id(0))
    doctor = mlrepo(results.root, "doctor", code=1)
    assert sample_run_id(1) in doctor.out
    with pytest.raises(UserError, match="none is deleted"):
        find_garbage(find_repository(results.root), 0.0)


@pytest.mark.parametrize("other", ["exp", "exp/tuning/mine"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_branch_in_the_way_is_named_before_measuring(
    results: ResultsRepository, recorder: Recorder, other: str, *, packed: bool
) -> None:
    """Git cannot have a branch below another one: nothing that passes, so not 75."""
    git(results.root, "branch", other)
    if packed:
        git(results.root, "pack-refs", "--all")
    experiment = Experiment("tuning")
    with pytest.raises(UserError, match=f"beside the branch {other}:") as refused:
        refuse_if_immovable(results, experiment.ref, instead="")
    with pytest.raises(UserError, match=f"beside the branch {other}:"):
        _record(recorder, experiment, 0)
    assert f"git branch -m {other}" in refused.value.hint
    git(results.root, "branch", "-m", other, "elsewhere")
    _record(recorder, experiment, 0)


def test_a_damaged_submission_branch_is_named(results: ResultsRepository) -> None:
    """Reading what is selected says which branch, not that mlrepo has a bug."""
    (results.common_dir / "refs" / "heads" / "submission").mkdir()
    (results.common_dir / "refs" / "heads" / "submission" / "v6.1").touch()
    with pytest.raises(DamagedBranch, match=r"submission/v6\.1 cannot be read: its file is empty"):
        read_submission(results, "v6.1")
