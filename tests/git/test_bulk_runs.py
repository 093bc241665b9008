"""Thousands of runs recorded at once: as by the recorder, and beside others who record."""

from __future__ import annotations

import dataclasses
import random
import subprocess
from collections.abc import Callable, Iterator

import pytest

from mlrepo.errors import InvalidResult, UserError
from mlrepo.repository import bulk_runs
from mlrepo.repository.bulk_runs import RunToRecord, record_runs
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import load_record, recorded_runs
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import MAX_BLOB_SIZE
from mlrepo.repository.trailers import commit_message
from tests.samples import git, sample_record, sample_run_id

_ONTO = Experiment("import")


def _run(number: int) -> RunToRecord:
    record = sample_record(sample_run_id(number))
    files = {"run.json": record.to_json(), "log.txt": b"a log\0\n" * number, "user.conf": b"same\n"}
    return RunToRecord(record.run, commit_message(record), files)


def _recorded(results: ResultsRepository, runs: Iterator[RunToRecord]) -> list[str]:
    # As another process: nothing is known of the repository.
    found = find_repository(results.root)
    return list(record_runs(found, git_identity(found.root), _ONTO, runs))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_runs, "_MOST_RUNS", 3)


def test_each_run_is_a_commit_with_its_files(results: ResultsRepository) -> None:
    """One after the other on the branch, by the user, and Git finds nothing wrong."""
    before = git(results.root, "status", "--porcelain")
    runs = [_run(number) for number in range(7)]
    commits = _recorded(results, iter(runs))
    listed = git(results.root, "log", "--reverse", "--format=%H", "main..exp/import").split()
    assert listed == commits
    for commit, run in zip(commits, runs, strict=True):
        assert git(results.root, "show", "-s", "--format=%B", commit).strip() == run.message.strip()
        names = git(results.root, "show", "--format=", "--name-status", commit).splitlines()
        assert sorted(names) == sorted(f"A\truns/{run.run}/{name}" for name in run.files)
        assert (
            git(results.root, "show", f"{commit}:runs/{run.run}/log.txt")
            == run.files["log.txt"].decode()
        )
    written = git(results.root, "show", "-s", "--format=%an <%ae> %cn <%ce>", commits[0])
    configured = git_identity(results.root)
    people = (configured.author, configured.committer)
    assert written.strip() == " ".join(f"{one.name} <{one.email}>" for one in people)
    git(results.root, "fsck", "--strict", "--no-dangling")
    assert git(results.root, "status", "--porcelain") == before
    found = find_repository(results.root)
    assert {load_record(found, run).run for run in recorded_runs(found)} == {r.run for r in runs}
    assert list((results.store / "quarantine").iterdir()) == []


def test_a_recorded_run_is_not_committed_again(results: ResultsRepository) -> None:
    """New ones among them are; and one whose file is lost has it again."""
    commits = _recorded(results, map(_run, range(4)))
    tip = git(results.root, "rev-parse", "exp/import")
    assert _recorded(results, map(_run, range(4))) == commits
    assert git(results.root, "rev-parse", "exp/import") == tip
    more = _recorded(results, map(_run, (0, 8, 3, 9, 8)))
    assert (more[0], more[2], more[4]) == (commits[0], commits[3], more[1])
    assert git(results.root, "rev-list", "--count", "main..exp/import").strip() == "6"

    git(results.root, "gc", "--quiet", "--prune=now")
    [pack] = (results.common_dir / "objects" / "pack").glob("*.pack")
    loose = results.root / "away.pack"
    pack.rename(loose)
    pack.with_suffix(".idx").unlink()
    with loose.open("rb") as stream:
        subprocess.run(["git", "unpack-objects", "-q"], cwd=results.root, stdin=stream, check=True)
    name = f"runs/{_run(3).run}/log.txt"
    lost = git(results.root, "rev-parse", f"exp/import:{name}").strip()
    (results.common_dir / "objects" / lost[:2] / lost[2:]).unlink()
    assert _recorded(results, map(_run, range(4))) == commits
    assert git(results.root, "cat-file", "-p", lost).startswith("a log")


def test_others_record_on_the_branch_meanwhile(results: ResultsRepository) -> None:
    """Their run stays, and all of these are there."""

    def runs() -> Iterator[RunToRecord]:
        for number in range(6):
            if number == 4:
                _recorded(results, iter([_run(50)]))
            yield _run(number)

    commits = _recorded(results, runs())
    listed = git(results.root, "log", "--reverse", "--format=%H", "main..exp/import").split()
    assert [commit for commit in listed if commit in commits] == commits
    assert len(listed) == 7


def test_a_branch_that_moves_while_a_batch_is_written(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is written again on top; nothing of the other's is lost."""
    commits_in = bulk_runs._commits_in
    moved: list[str] = []

    def slow(*arguments: object) -> object:
        made = commits_in(*arguments)  # type: ignore[arg-type]
        if not moved:
            moved.append("now")
            moved[:] = _recorded(results, iter([_run(50)]))
        return made

    monkeypatch.setattr(bulk_runs, "_commits_in", slow)
    commits = _recorded(results, map(_run, range(2)))
    listed = git(results.root, "log", "--reverse", "--format=%H", "main..exp/import").split()
    assert listed == [*moved, *commits]


def test_a_gc_between_the_batches_loses_nothing(results: ResultsRepository) -> None:
    """Not even of files that unreachable packs had already."""

    def runs() -> Iterator[RunToRecord]:
        for number in range(9):
            if number % 3 == 0:
                git(results.root, "gc", "--quiet", "--prune=now")
            yield _run(number)

    _recorded(results, map(_run, range(9)))
    git(results.root, "update-ref", "-d", "refs/heads/exp/import")
    _recorded(results, runs())
    git(results.root, "gc", "--quiet", "--prune=now")
    git(results.root, "fsck", "--strict", "--no-dangling")
    assert len(list(recorded_runs(find_repository(results.root)))) == 9


def test_logs_with_the_same_samples_are_written_next_to_each_other(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a pack has the numbers once for each benchmark, in whatever order its runs come."""
    monkeypatch.setattr(bulk_runs, "_MOST_RUNS", 6)
    samples = [random.Random(seed).randbytes(50_000) for seed in range(2)]

    def runs() -> Iterator[RunToRecord]:
        for number in range(6):
            log = b"log %d\n[%b]\n" % (number, samples[number % 2].hex().encode())
            yield dataclasses.replace(_run(number), files={"detail.txt": log})

    _recorded(results, runs())
    [pack] = (results.common_dir / "objects" / "pack").glob("*.pack")
    assert pack.stat().st_size < 3 * 60_000


def _damaged() -> Iterator[RunToRecord]:
    yield from map(_run, range(5))
    raise InvalidResult("the sixth is damaged")


def _too_large() -> Iterator[RunToRecord]:
    yield from map(_run, range(5))
    run = _run(5)
    yield RunToRecord(run.run, run.message, {**run.files, "big": bytes(MAX_BLOB_SIZE + 1)})


@pytest.mark.parametrize(
    ("runs", "said"), [(_damaged, "sixth is damaged"), (_too_large, "/big has 52428801 bytes")]
)
def test_runs_before_an_error_are_recorded(
    results: ResultsRepository, runs: Callable[[], Iterator[RunToRecord]], said: str
) -> None:
    """The error is raised all the same."""
    with pytest.raises((InvalidResult, UserError), match=said):
        _recorded(results, runs())
    assert git(results.root, "rev-list", "--count", "main..exp/import").strip() == "5"


def test_a_branch_that_is_checked_out_is_refused(results: ResultsRepository) -> None:
    """As the recorder refuses it."""
    _recorded(results, map(_run, range(1)))
    git(results.root, "switch", "--quiet", "exp/import")
    with pytest.raises(UserError, match="checked out"):
        _recorded(results, map(_run, range(1, 3)))
