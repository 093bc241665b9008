"""Checks with and without remembered verdicts agree, whatever changed."""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlrepo.checker import verdicts
from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.git_trees import CommitTree, IndexTree
from mlrepo.repository.trees import DirectoryTree
from mlrepo.repository.verdict_files import VerdictFiles
from mlrepo.rounds import SHIPPED
from tests.corruptions import CORRUPTIONS
from tests.samples import git
from tests.submissions import write_submission

_ROUNDS = ("v1.1", "v5.1", "v6.1")


class CountingStore:
    """Keeps verdicts in memory and counts those found."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.found: list[str] = []

    def get(self, name: str) -> bytes | None:
        """Return what is kept."""
        return self.values.get(name)

    def put(self, name: str, value: bytes) -> None:
        """Keep it."""
        self.values[name] = value


@pytest.fixture
def _later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test wrote just now was written long ago."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)


def _both(root: Path, round_name: str, store: VerdictFiles, workers: int = 1) -> Report:
    """Return what the check says, which is the same with and without what it remembers."""
    rules = SHIPPED[round_name]
    anew = check(DirectoryTree(root), rules)
    remembering = check(DirectoryTree(root), rules, store=store, workers=workers)
    assert remembering == anew
    assert check(DirectoryTree(root), rules, store=store) == anew
    return anew


@pytest.mark.usefixtures("_later")
@pytest.mark.parametrize("round_name", _ROUNDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_any_change_is_seen(tmp_path: Path, round_name: str, seed: int) -> None:
    """Files break one after the other; each time the remembered verdict is the fresh one."""
    rng = random.Random(seed)
    shutil.rmtree(tmp_path / "tree", ignore_errors=True)
    root = write_submission(tmp_path / "tree", round_name).root
    store = VerdictFiles(tmp_path / f"verdicts {seed}")
    _both(root, round_name, store)
    for _ in range(4):
        files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        CORRUPTIONS[rng.choice(sorted(CORRUPTIONS))](rng.choice(files), rng)
        _both(root, round_name, store)


@pytest.mark.usefixtures("_later")
def test_what_lies_outside_of_a_benchmark_counts_too(tmp_path: Path) -> None:
    """The system's description, the code directory, a link's target: all are inputs."""
    root = write_submission(tmp_path / "tree", "v5.1").root
    store = VerdictFiles(tmp_path / "verdicts")
    valid = _both(root, "v5.1", store, workers=2)
    description = root / "closed/Acme/systems/alpha.json"
    text = description.read_text()
    description.write_text(text.replace('"available"', '"perhaps"'))
    assert _both(root, "v5.1", store, workers=2) != valid
    description.write_text(text)
    assert _both(root, "v5.1", store) == valid
    (root / "closed/Acme/code/resnet50").rename(root / "closed/Acme/code/other")
    assert _both(root, "v5.1", store) != valid


def test_what_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    """Two changes within one tick of the clock look alike: such a tree is judged anew."""
    root = write_submission(tmp_path / "tree", "v6.1").root
    store = CountingStore()
    check(DirectoryTree(root), SHIPPED["v6.1"], store=store)
    assert store.values == {}


@pytest.mark.usefixtures("_later")
def test_a_damaged_memory_is_no_verdict(tmp_path: Path) -> None:
    """Whatever stands in the files of the store, the verdict is the fresh one."""
    root = write_submission(tmp_path / "tree", "v6.1").root
    store = CountingStore()
    rules = SHIPPED["v6.1"]
    anew = check(DirectoryTree(root), rules, store=store)
    for damage in (b"", b"x", b"\xff\n{}", b"{key}\n{}", b"{key}\n[", b'{key}\n{"asked": []}'):
        for name, value in list(store.values.items()):
            store.values[name] = damage.replace(b"{key}", value.partition(b"\n")[0])
        assert check(DirectoryTree(root), rules, store=store) == anew


def test_a_commit_judged_once_is_known_in_the_index(results: ResultsRepository) -> None:
    """Commit and index name files alike; one changed file leaves the other benchmark known."""
    repo = results.root
    write_submission(repo, "v6.1")
    shutil.copytree(
        repo / "closed/Acme/results/alpha/resnet50", repo / "closed/Acme/results/alpha/mobilenet"
    )
    git(repo, "add", "closed")
    rules = SHIPPED["v6.1"]
    store = CountingStore()
    first = check(IndexTree(repo), rules, store=store)
    git(repo, "commit", "-qm", "Add a submission")
    kept = dict(store.values)
    assert check(CommitTree(repo, "HEAD"), rules, store=store) == first
    assert store.values == kept
    summary = repo / "closed/Acme/results/alpha/resnet50/Offline/accuracy/accuracy.txt"
    summary.write_text("nothing\n")
    git(repo, "add", "closed")
    second = check(IndexTree(repo), rules, store=store)
    assert second == check(IndexTree(repo), rules)
    changed = [name for name in kept if store.values[name] != kept[name]]
    assert len(changed) == 2  # the submitter and one of its two benchmarks
    assert all(json.loads(store.values[name].partition(b"\n")[2]) for name in changed)


def test_a_verdict_is_of_the_code_of_all_its_judges() -> None:
    """Rooms have folders: what changes in one of them makes every verdict unknown."""
    package = Path(verdicts.__file__).parents[1]
    judges = (path for room in ("checker", "compliance") for path in (package / room).rglob("*.py"))
    state = verdicts.state_of_the_code()
    assert [str(path) for path in judges if json.dumps(str(path)) not in state] == []
