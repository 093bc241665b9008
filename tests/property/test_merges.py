"""Whatever two machines did on one branch: one merge on both, and no result is mixed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest

from mlrepo.curation.decide import decide
from mlrepo.curation.merge import compose_merge
from mlrepo.record import FAILED, VALID, configuration_digest
from mlrepo.repository.acts import PRUNE
from mlrepo.repository.branch_merge import merge_tips
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.history import find_run, load_record, recorded_runs
from mlrepo.repository.identity import git_identity
from mlrepo.repository.quarantine import quarantined
from tests.curated import TUNING, restored, withdrawn
from tests.machines_of_a_team import record, tip
from tests.samples import git

_CONFIGURATIONS = [configuration_digest({"a": value}) for value in range(3)]
_RESULTS = "closed/Acme/results/alpha-onnx/resnet50"


def _act(repository: ResultsRepository, chance: random.Random, numbers: Iterator[int]) -> None:
    """Record a run, or decide about one that the branch holds."""
    fresh = find_repository(repository.root)
    held = git(repository.root, "ls-tree", "--name-only", "exp/tuning", "runs/", ok=False).split()
    runs = [path.removeprefix("runs/") for path in held if path.startswith("runs/")]
    what = chance.choice(["record", "record", "record", "withdraw", "restore", "prune"])
    if what == "record" or not runs:
        record(
            repository,
            next(numbers),
            system="alpha",
            mode=chance.choice(["accuracy", "performance"]),
            configuration=chance.choice(_CONFIGURATIONS),
            scenario=chance.choice(["Offline", "SingleStream"]),
            validity=chance.choice([VALID, VALID, VALID, FAILED]),
        )
        return
    run = chance.choice(runs)
    if what == "withdraw":
        withdrawn(fresh, run)
    elif what == "restore":
        restored(fresh, run)
    elif (found := find_run(fresh, run)).is_prunable:
        identity = git_identity(fresh.root)
        decide(fresh, identity, [found], PRUNE, "Prune", {run: {}}, why="nobody needs it")


def _side(
    repository: ResultsRepository, base: str, chance: random.Random, numbers: Iterator[int]
) -> str:
    """Let a machine work from ``base`` on, and return where its branch ends."""
    git(repository.root, "update-ref", TUNING.ref, base)
    for _ in range(chance.randint(1, 5)):
        _act(repository, chance, numbers)
    return tip(repository)


def _merge(repository: ResultsRepository, ours: str, theirs: str) -> str:
    """Merge, let the branch point to it, and return its tree."""
    fresh = find_repository(repository.root)
    identity = git_identity(fresh.root)
    with quarantined(fresh) as quarantine:
        made = merge_tips(quarantine, identity, TUNING, ours, theirs, compose_merge)
        with quarantine.published([*made.objects, made.commit]):
            git(fresh.root, "update-ref", TUNING.ref, str(made.commit))
    return tip(fresh, f"{made.commit}^{{tree}}")


def _check(repository: ResultsRepository, sides: tuple[str, str]) -> None:
    fresh = find_repository(repository.root)
    listed = git(fresh.root, "ls-tree", "-r", "exp/tuning").splitlines()
    blobs = {line.partition("\t")[2]: line.split()[2] for line in listed}
    held = {path.split("/")[1] for path in blobs if path.startswith("runs/")}
    for side in sides:
        there = git(fresh.root, "ls-tree", "--name-only", side, "runs/").split()
        assert {path.removeprefix("runs/") for path in there} <= held
    runs = {run.run: run for run in recorded_runs(fresh, hidden=True)}
    for run in held:
        whole = f"runs/{run}/run.json" in blobs
        assert whole != bool(runs[run].curation.pruned), run
    logs = {blobs[p]: p.split("/")[1] for p in blobs if p.startswith("runs/") and "detail" in p}
    standing: dict[str, set[str]] = {}
    for path, oid in blobs.items():
        if path.startswith(_RESULTS) and path.endswith("mlperf_log_detail.txt"):
            stands = runs[logs[oid]]
            assert not stands.curation.hidden
            result = "/".join(path.split("/")[:6])
            standing.setdefault(result, set()).add(load_record(fresh, stands).configuration)
    assert all(len(found) == 1 for found in standing.values()), standing
    _check_that_nothing_valid_is_left_out(repository, standing)


def _check_that_nothing_valid_is_left_out(
    repository: ResultsRepository, standing: dict[str, set[str]]
) -> None:
    """A result is empty only if no run of it counts."""
    for run in recorded_runs(find_repository(repository.root)):
        if run.trailer("Validity") == VALID:
            assert f"{_RESULTS}/{run.trailer('Scenario')}" in standing


@pytest.mark.parametrize("seed", range(8))
def test_two_sides_of_a_branch_make_one_tree(results: ResultsRepository, seed: int) -> None:
    """In either order; without a mixture; with all runs, and nothing back that was taken away."""
    _try(results, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 400))
def test_many_sides_of_branches_make_one_tree(results: ResultsRepository, seed: int) -> None:
    """The same, more often."""
    _try(results, seed)


def _try(results: ResultsRepository, seed: int) -> None:
    chance, numbers = random.Random(seed), itertools.count()
    git(results.root, "update-ref", TUNING.ref, "main")
    base = _side(results, tip(results, "main"), chance, numbers)
    for _ in range(3):  # the second and third begin at a merge
        ours = _side(results, base, chance, numbers)
        theirs = _side(results, base, chance, numbers)
        if git(results.root, "merge-base", ours, theirs).strip() in (ours, theirs):
            continue
        one = _merge(results, theirs, ours)
        other = _merge(results, ours, theirs)
        assert one == other
        _check(results, (ours, theirs))
        base = tip(results)
