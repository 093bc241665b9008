"""Finding recorded runs again, and reading what they recorded."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.record import RunRecord
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import (
    file_names,
    find_run,
    load_record,
    read_file,
    recorded_runs,
)
from mlrepo.repository.recorder import Composition, Recorder
from mlrepo.repository.trailers import commit_message
from tests.git.test_recording import clone, open_recorder, record
from tests.samples import git, sample_files, sample_record, sample_run_id

_A, _B = Experiment("a"), Experiment("b")


def _ids(repository: ResultsRepository, experiment: Experiment | None = None) -> list[str]:
    return [run.run for run in recorded_runs(repository, experiment)]


def test_runs_are_told_newest_first_over_all_branches(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """The order is that of the commits, whichever branch they are on."""
    for number, experiment in enumerate((_A, _B, _A, _B)):
        record(recorder, sample_run_id(number), experiment)
    newest = _commit_by_hand(results, _A, sample_record(sample_run_id(9)), ahead=120)
    _commit_by_hand(results, _B, sample_record(sample_run_id(8)), ahead=60)
    told = list(recorded_runs(results))
    assert [run.run for run in told[:2]] == [sample_run_id(9), sample_run_id(8)]
    assert told[0].commit == newest
    assert sorted(run.run for run in told[2:]) == [sample_run_id(number) for number in range(4)]
    on_a = _ids(results, _A)
    assert on_a == [sample_run_id(9), sample_run_id(2), sample_run_id(0)]


def test_the_order_on_one_branch_is_that_of_recording(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Runs recorded within one second are still told in the order of their commits."""
    wanted = [record(recorder, sample_run_id(number), _A).commit for number in range(12)]
    assert [run.commit for run in recorded_runs(results)] == wanted[::-1]


def test_a_wrong_clock_does_not_put_a_run_after_its_parent(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Of two branches on one commit, the one dated before that commit is still told before it."""
    record(recorder, sample_run_id(0), _A)
    git(results.root, "branch", _B.branch, _A.branch)
    _commit_by_hand(results, _A, sample_record(sample_run_id(1)), ahead=60)
    _commit_by_hand(results, _B, sample_record(sample_run_id(2)), ahead=-86_400)
    assert _ids(results) == [sample_run_id(number) for number in (1, 2, 0)]


def test_an_experiment_filters(results: ResultsRepository, recorder: Recorder) -> None:
    """Only the runs of the named branch are told."""
    record(recorder, sample_run_id(0), _A)
    record(recorder, sample_run_id(1), _B)
    assert _ids(results, _A) == [sample_run_id(0)]
    assert _ids(results, _B) == [sample_run_id(1)]
    assert _ids(results, Experiment("none")) == []


def test_a_run_on_several_branches_and_remotes_is_told_once(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """Local, copied and fetched branches that hold one run do not repeat it."""
    record(recorder, sample_run_id(0), _A)
    git(results.root, "branch", "exp/copy", "exp/a")
    here = clone(results.root, tmp_path / "here")
    record(open_recorder(here), sample_run_id(1), _A)
    git(here, "remote", "add", "second", str(results.root))
    git(here, "fetch", "--quiet", "second")
    repository = find_repository(here)
    assert _ids(repository) == [sample_run_id(1), sample_run_id(0)]
    # Also when the same run was recorded by two commits, as a recovery on two branches would.
    record(recorder, sample_run_id(0), _B)
    assert _ids(results) == [sample_run_id(0)]


def _edit(root: Path, ref: str, start: str, run: str, *, when: int = 4_000_000_000) -> str:
    """Put a commit on a branch that claims the run with another ``run.json``."""
    message = git(root, "log", "-1", "--format=%B", start)
    stream = (
        f"commit {ref}\ncommitter M <m@example.org> {when} +0000\n"
        f"data {len(message.encode())}\n{message}\nfrom {start}\n"
        f"M 100644 inline runs/{run}/run.json\ndata 2\n{{}}\n"
    )
    git(root, "fast-import", "--quiet", "--force", stdin=stream)
    return git(root, "rev-parse", ref).strip()


@pytest.mark.parametrize(
    ("ref", "when"),
    [
        ("refs/remotes/origin/exp/other", 4_000_000_000),
        ("refs/remotes/origin/exp/a", 4_000_000_000),
        ("refs/remotes/origin/exp/a", 1_000_000_000),
        ("refs/heads/exp/copy", 4_000_000_000),
        ("refs/heads/exp/a", 4_000_000_000),
    ],
)
def test_an_edited_copy_of_a_run_does_not_count(
    results: ResultsRepository, recorder: Recorder, ref: str, when: int
) -> None:
    """Neither a newer commit with its id, fetched or local, nor one that says to be older."""
    run = sample_run_id(0)
    first = record(recorder, run, _A).commit
    false = _edit(results.root, ref, first, run, when=when)
    (found,) = recorded_runs(results)
    assert found.commit == first
    (damage,) = results.damage.values()
    assert false[:10] in damage.message
    assert ref.partition("/")[2].partition("/")[2] in damage.message


def test_the_history_before_the_experiment_is_not_walked(tmp_path: Path) -> None:
    """A commit without ``runs/`` ends the walk: what was before the adoption is not read."""
    root = tmp_path / "adopted"
    root.mkdir()
    git(root, "init", "--quiet")
    git(root, "commit", "--allow-empty", "--message", "long ago")
    old = git(root, "rev-parse", "HEAD").strip()
    (root / "mlrepo.toml").write_text('round = "v6.1"\n')
    git(root, "add", ".")
    git(root, "commit", "--message", "adopt")
    record(open_recorder(root), sample_run_id(0), _A)
    (root / ".git" / "objects" / old[:2] / old[2:]).unlink()  # would fail if it were read
    assert _ids(find_repository(root)) == [sample_run_id(0)]


def test_no_branch_means_no_run(results: ResultsRepository) -> None:
    """A fresh repository has no history, and ``latest`` says how to make the first run."""
    assert _ids(results) == []
    with pytest.raises(UserError) as unknown:
        find_run(results, "latest")
    assert "mlrepo bench suite --benchmark" in unknown.value.hint


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("20261123T000001Z-000000", 1),
        ("000002z", 2),
        ("20261123T000000Z", 0),
        ("latest", 2),
    ],
)
def test_a_run_is_found_by_a_unique_part_of_its_id(
    results: ResultsRepository, recorder: Recorder, text: str, found: int
) -> None:
    """The whole id, a unique part in any case, or ``latest`` name a run."""
    for number in range(3):
        record(recorder, sample_run_id(number), _A)
    assert find_run(results, text).run == sample_run_id(found)


def test_a_run_is_found_by_its_commit(results: ResultsRepository, recorder: Recorder) -> None:
    """The commit id or its first six digits or more name a run."""
    commit = [record(recorder, sample_run_id(number), _A).commit for number in range(3)][1]
    for length in (40, 12, 7):
        assert find_run(results, commit[:length]).run == sample_run_id(1)


def test_an_ambiguous_name_lists_the_matches(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """More than one match is an error that names them; so is none."""
    for number in range(7):
        record(recorder, sample_run_id(number), _A)
    with pytest.raises(UserError, match=r"7 runs match '20261123': .*…") as ambiguous:
        find_run(results, "20261123")
    assert sample_run_id(6) in ambiguous.value.message
    with pytest.raises(UserError, match="No recorded run matches 'nothing'") as none:
        find_run(results, "nothing")
    assert "mlrepo log" in none.value.hint


def test_the_whole_id_wins_over_a_longer_match(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """An exact id is not ambiguous, even if a forged one contains it."""
    record(recorder, sample_run_id(0), _A)
    _commit_by_hand(results, _A, sample_record(f"x{sample_run_id(0)}"))
    assert find_run(results, sample_run_id(0)).run == sample_run_id(0)


def test_a_commit_with_a_trailer_twice_is_no_run(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """A message in which somebody repeated a trailer is not believed at all."""
    record(recorder, sample_run_id(0), _A)
    message = commit_message(sample_record(sample_run_id(1)))
    _commit_by_hand(results, _A, message + "MLRepo-Result: 99999.0 samples/s\n")
    _commit_by_hand(results, _A, message + f"MLRepo-Run: {sample_run_id(2)}\n")
    assert _ids(results) == [sample_run_id(0)]


def test_trailers_outside_of_the_last_paragraph_are_no_run(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Text of a person that quotes a run is not taken for one."""
    record(recorder, sample_run_id(0), _A)
    _commit_by_hand(results, _A, f"Look\n\nMLRepo-Run: {sample_run_id(5)}\n\nreally.\n")
    assert _ids(results) == [sample_run_id(0)]


def test_a_file_that_was_not_recorded_is_named_with_those_that_were(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """A missing log is an error that lists the run's files."""
    run = sample_run_id(0)
    record(recorder, run, _A)
    found = find_run(results, "latest")
    assert set(file_names(results, found)) == {path.name for path in sample_files(run)} | {
        "before.txt"
    }
    with pytest.raises(UserError, match=r"has no accuracy\.txt") as missing:
        read_file(results, found, "accuracy.txt")
    assert "run.json" in missing.value.hint


def _message_only(run: str, tip: object) -> Composition:
    return Composition(commit_message(sample_record(run)))


def test_a_record_that_is_not_one_says_where(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """A foreign schema or damaged ``run.json`` is an error that names commit and path."""
    for number, content in enumerate((b'{"schema": "mlrepo.run/2"}', b"{", b"[]")):
        run = sample_run_id(number)
        recorder.record(
            _A,
            run,
            {RepoPath(("runs", run, "run.json")): content},
            partial(_message_only, run),
        )
        found = find_run(results, run)
        with pytest.raises(UserError, match=rf"{found.commit[:10]}:runs/{run}/run\.json"):
            load_record(results, found)


def test_a_partial_clone_reads_what_it_lacks(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """``git clone --filter=blob:none`` leaves the logs behind; they are fetched when read."""
    run = sample_run_id(0)
    record(recorder, run, _A)
    git(results.root, "config", "uploadpack.allowFilter", "true")
    here = clone(results.root, tmp_path / "partial", "--filter=blob:none")
    repository = find_repository(here)
    found = find_run(repository, "latest")
    oid = git(here, "rev-parse", f"{found.commit}:runs/{run}/run.json").strip()
    assert f"?{oid}" in git(here, "rev-list", "--objects", "--missing=print", found.commit)
    assert load_record(repository, found) == sample_record(run)
    assert read_file(repository, found, "console.txt") == f"console of {run}\n".encode()
    # And it can be recorded in: on top of the fetched branch, reading missing blobs of the tip.
    assert record(open_recorder(here), sample_run_id(1), _A).already is False
    assert _ids(repository) == [sample_run_id(1), run]


def test_bytes_that_are_no_text_survive_a_partial_clone(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """A fetched blob comes back byte for byte, whatever it holds."""
    content = bytes(range(256)) + b"\r\n\xff\xfe\n"
    run = sample_run_id(0)
    recorder.record(
        _A,
        run,
        {RepoPath(("runs", run, "console.txt")): content},
        lambda tip: Composition(commit_message(sample_record(run))),
    )
    git(results.root, "config", "uploadpack.allowFilter", "true")
    repository = find_repository(clone(results.root, tmp_path / "partial", "--filter=blob:none"))
    assert read_file(repository, find_run(repository, "latest"), "console.txt") == content


def test_other_branches_are_no_experiments(results: ResultsRepository, recorder: Recorder) -> None:
    """Branches with other names, tags and symbolic references are not looked at."""
    record(recorder, sample_run_id(0), _A)
    tip = _commit_by_hand(results, _A, sample_record(sample_run_id(1)))
    git(results.root, "update-ref", _A.ref, f"{tip}^")
    for name in ("refs/heads/feature", "refs/heads/exp/UPPER", "refs/tags/exp/tag", "refs/exp/b"):
        git(results.root, "update-ref", name, tip)
    git(results.root, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/heads/feature")
    assert _ids(results) == [sample_run_id(0)]


def _commit_by_hand(
    repository: ResultsRepository, experiment: Experiment, said: RunRecord | str, ahead: int = 0
) -> str:
    """Put a commit with the same tree on the branch by plain git, ``ahead`` s in the future."""
    message = said if isinstance(said, str) else commit_message(said)
    tip = git(repository.root, "rev-parse", experiment.ref).strip()
    tree = git(repository.root, "rev-parse", f"{tip}^{{tree}}").strip()
    when = f"Hand <hand@example.org> {time.time() + ahead:.0f} +0000"
    content = f"tree {tree}\nparent {tip}\nauthor {when}\ncommitter {when}\n\n{message}"
    commit = git(
        repository.root, "hash-object", "-t", "commit", "-w", "--stdin", stdin=content
    ).strip()
    git(repository.root, "update-ref", experiment.ref, commit)
    return commit
