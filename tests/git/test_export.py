"""Export writes verified ordinary files, all or none, and never outside the target."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlrepo.cli.main import main
from mlrepo.errors import UserError
from mlrepo.exchange.export import ExportSource, experiment_source, export, run_source
from mlrepo.paths import RepoPath
from mlrepo.record import StoredLog
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.ignored import ignore_here
from mlrepo.repository.recorder import Composition, Recorder
from mlrepo.repository.trailers import commit_message
from tests.curated import withdrawn
from tests.samples import git, sample_record, sample_run_id

_PLACE = "closed/Acme/results/alpha/resnet50/Offline/performance/run_1"
_LOG = "mlperf_log_summary.txt"
_TEXT = b"summary\n" * 1000


def _record(recorder: Recorder, number: int, *, digest: str = "") -> str:
    """Record a run with one log that is placed, and return its id."""
    run = sample_run_id(number)
    stored = StoredLog(digest or hashlib.sha256(_TEXT).hexdigest(), len(_TEXT))
    record = replace(sample_record(run), logs={_LOG: stored})
    files = {
        RepoPath(("runs", run, _LOG)): _TEXT,
        RepoPath(("runs", run, "run.json")): record.to_json(),
    }
    recorder.record(
        Experiment("tuning"),
        run,
        files,
        lambda tip: Composition(
            message=commit_message(record),
            files={},
            links={RepoPath.parse(f"{_PLACE}/{_LOG}"): RepoPath(("runs", run, _LOG))},
        ),
    )
    return run


def _commit(repository: ResultsRepository, *entries: tuple[str, str, bytes | None]) -> str:
    """Return a commit of a tree that no mlrepo and no git add would write.

    Entries are (mode, name, content); a name may be one that Git refuses, and None is a blob that
    was lost.
    """
    raw = b""
    for mode, name, content in sorted(entries, key=lambda entry: entry[1]):
        oid = "1" * 40 if content is None else _object(repository, "blob", content)
        raw += f"{mode} {name}".encode() + b"\0" + bytes.fromhex(oid)
    tree = _object(
        repository, "tree", b"40000 open\0" + bytes.fromhex(_object(repository, "tree", raw))
    )
    return git(repository.root, "commit-tree", tree, "-m", "hostile").strip()


def _object(repository: ResultsRepository, kind: str, data: bytes) -> str:
    command = ["git", "hash-object", "-t", kind, "-w", "--stdin", "--literally"]
    done = subprocess.run(command, cwd=repository.root, input=data, capture_output=True, check=True)
    return done.stdout.decode().strip()


def _listed(root: Path) -> Sequence[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if not p.is_dir())


def test_an_experiment_and_a_run_become_files(recorder: Recorder, tmp_path: Path) -> None:
    """With the bytes that were recorded; a run in a directory of its own name."""
    run = _record(recorder, 1)
    repository = recorder.repository
    source = experiment_source(repository, Experiment("tuning"))
    done = export(repository, [source], tmp_path / "layout")
    assert (done.files, done.size) == (1, len(_TEXT))
    assert (tmp_path / "layout" / _PLACE / _LOG).read_bytes() == _TEXT
    other = _record(recorder, 2)
    (tmp_path / "runs").mkdir()  # an empty directory is filled
    sources = [run_source(repository, run), run_source(repository, "latest")]
    export(repository, sources, tmp_path / "runs")
    names = [f"{each}/{name}" for each in (run, other) for name in (_LOG, "run.json")]
    assert _listed(tmp_path / "runs") == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layout", "results", "runs"]
    withdrawn(repository, run)
    assert run_source(repository, run).label == f"the run {run}, which was withdrawn: the fan broke"


def test_what_a_record_does_not_describe_is_not_exported(
    recorder: Recorder, tmp_path: Path
) -> None:
    """A log that is not the measured one, and an experiment without results or of no name."""
    run = _record(recorder, 1, digest="0" * 64)
    with pytest.raises(UserError, match="not the one that its record describes"):
        run_source(recorder.repository, run)
    with pytest.raises(UserError, match="no branch exp/other"):
        experiment_source(recorder.repository, Experiment("other"))
    git(recorder.repository.root, "branch", "exp/empty")
    with pytest.raises(UserError, match="has a place in the layout"):
        experiment_source(recorder.repository, Experiment("empty"))


def test_nothing_is_overwritten_or_half_written(recorder: Recorder, tmp_path: Path) -> None:
    """What is in the way stays as it was."""
    run = _record(recorder, 1)
    repository = recorder.repository
    source = run_source(repository, run)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("full", "file", "link", "absent/below"):
        with pytest.raises(UserError):
            export(repository, [source], tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full", "link", "results"]
    assert _listed(tmp_path / "full") == ["mine"]


@pytest.mark.parametrize(
    "entry",
    [
        ("100644", "..", b"x"),
        ("100644", ".git", b"x"),
        ("100644", "a\nb", b"x"),
        ("100644", "-rf", b"x"),
        ("120000", "link", b"/etc/passwd"),
        ("120000", "link", b"../../outside"),
        ("100644", "lost", None),
    ],
    ids=lambda entry: ascii(entry[1:]),
)
def test_no_path_leads_out_and_nothing_is_half_written(
    tmp_path: Path, make_repository: object, entry: tuple[str, str, bytes | None]
) -> None:
    """Whatever somebody committed: it is refused before a file is made outside."""
    repository = make_repository("hostile")  # type: ignore[operator]
    commit = _commit(repository, ("100644", "a", b"first"), entry)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match="cannot be"):
        export(repository, [ExportSource("it", commit, ("open",))], tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_links_within_and_modes_are_kept(results: ResultsRepository, tmp_path: Path) -> None:
    """They lead to the same file as in the tree."""
    commit = _commit(
        results, ("100755", "run.sh", b"#!/bin/sh\n"), ("120000", "again", b"./run.sh")
    )
    export(results, [ExportSource("it", commit, ("open",))], tmp_path / "out")
    assert (tmp_path / "out/open/again").read_bytes() == b"#!/bin/sh\n"
    assert os.access(tmp_path / "out/open/run.sh", os.X_OK)


def test_a_full_disk_leaves_nothing(recorder: Recorder, small_mount: Path) -> None:
    """Neither the directory nor a part of it, and the message says what to do."""
    run = _record(recorder, 1)
    (small_mount / "filling").write_bytes(b"x" * ((4 << 20) - 8192))
    with pytest.raises(UserError, match="No space left") as caught:
        export(recorder.repository, [run_source(recorder.repository, run)], small_mount / "out")
    assert "Make room" in caught.value.hint
    assert [path.name for path in small_mount.iterdir()] == ["filling"]


def test_git_ignores_what_is_written_into_the_working_tree(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this clone only, whatever the name; nothing is said of places elsewhere."""
    root = recorder.repository.root
    _record(recorder, 1)
    monkeypatch.chdir(root)
    assert main(["export"]) == 0
    assert "Git ignores" in capsys.readouterr().out
    assert main(["export", "../out"]) == 0
    assert f" to {root.parent / 'out'}\n" in capsys.readouterr().out
    assert git(root, "status", "--porcelain") == ""
    exclude = recorder.repository.common_dir / "info" / "exclude"
    before = exclude.read_text()
    for name in ("a b*[c]?", "!x", "#y", "tail ", "sub/log.json"):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        assert ignore_here(recorder.repository, path), name
        assert ignore_here(recorder.repository, path), name
    assert git(root, "status", "--porcelain") == ""
    assert exclude.read_text().count("\n") == before.count("\n") + 5
    assert not ignore_here(recorder.repository, root.parent / "elsewhere")
    assert not ignore_here(recorder.repository, root)
    assert main(["export", "--run", "latest", "--selection"]) == 2
    assert main(["export"]) == 2
    assert "not empty" in capsys.readouterr().err
