"""A run or a description shown by two systems causes a warning at both."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.documents.copies import with_copies
from mlrepo.checker.report import Report, Result
from mlrepo.findings import Severity
from mlrepo.repository.trees import DirectoryTree
from mlrepo.repository.verdict_files import VerdictFiles
from mlrepo.rounds import SHIPPED
from tests.endpoints_submissions import write_endpoints
from tests.submissions import SUBMITTER, SYSTEM, Submission, write_submission

_ROUNDS = ["v0.7", "v1.1", "v3.1", "v5.1", "v6.1"]
_PARTS = ("performance", "accuracy")


def judged(submission: Submission) -> Report:
    """Check the submission."""
    return check(DirectoryTree(submission.root), submission.round)


def copies(report: Report, rule: str = "run-copied") -> set[tuple[str, str]]:
    """Return the places of the warnings with what they name."""
    found = [f for f in report.all_findings() if f.rule == rule]
    assert all(f.severity is Severity.WARNING and not f.breaks_strict for f in found)
    return {(f.path, f.actual) for f in found}


def add_system(submission: Submission, name: str) -> None:
    """Add a system whose runs are its own: its logs begin and end otherwise."""
    home = submission.root / "closed" / SUBMITTER
    for kind in ("results", "measurements", "compliance"):
        if (home / kind).is_dir():
            shutil.copytree(home / kind / SYSTEM, home / kind / name)
    for log in home.glob(f"*/{name}/**/mlperf_log_*.txt"):
        text = log.read_text(encoding="utf-8")
        text = re.sub(r'"time_ms": (\d)', r'"time_ms": 7\1', text)
        text = re.sub(r"(m\w+_latency_ns\W+value\W+|latency \(ns\)\s*: )(\d)", r"\g<1>1\2", text)
        log.write_text(text.replace('"tid": 4499', '"tid": 4500'), encoding="utf-8")
    description = home / "systems" / f"{SYSTEM}.json"
    values = json.loads(description.read_text(encoding="utf-8"))
    values["system_name"] = name
    description.with_name(f"{name}.json").write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize("round_name", _ROUNDS)
def test_runs_of_two_systems_are_told_apart(tmp_path: Path, round_name: str) -> None:
    """Same seeds, same settings, same results: but not the same nanoseconds."""
    submission = write_submission(tmp_path, round_name)
    add_system(submission, "beta")
    report = judged(submission)
    assert copies(report) == copies(report, "system-copied") == set()


@pytest.mark.parametrize("round_name", _ROUNDS)
@pytest.mark.parametrize("part", ["performance", "accuracy", "TEST01"])
def test_a_run_of_another_system_is_named_at_both(
    tmp_path: Path, round_name: str, part: str
) -> None:
    """Whichever of a result's runs it is, in every layout."""
    submission = write_submission(tmp_path, round_name)
    add_system(submission, "beta")
    own = (
        submission.compliance("Offline", part)
        if part == "TEST01"
        else (submission.result("Offline") / part)
    )
    beta = Path(str(own).replace(f"/{SYSTEM}/", "/beta/"))
    shutil.rmtree(beta)
    shutil.copytree(own, beta)
    results = [
        str(submission.result("Offline").relative_to(tmp_path)),
        str(submission.result("Offline").relative_to(tmp_path)).replace(f"/{SYSTEM}/", "/beta/"),
    ]
    name = "performance/run_1" if part == "performance" else ""
    places = [
        str((own if not name else own / "run_1").relative_to(tmp_path)),
        str((beta if not name else beta / "run_1").relative_to(tmp_path)),
    ]
    assert copies(judged(submission)) == {(places[0], results[1]), (places[1], results[0])}


def test_a_copy_with_another_beginning_is_known_by_its_latencies(tmp_path: Path) -> None:
    """Whoever copies a run writes his own date into it."""
    submission = write_submission(tmp_path, "v5.1")
    add_system(submission, "beta")
    log = submission.result("Offline") / "performance/run_1/mlperf_log_detail.txt"
    beta = Path(str(log).replace(f"/{SYSTEM}/", "/beta/"))
    beta.write_text(log.read_text().replace("2026-03-01T12", "2026-03-02T09"))
    assert len(copies(judged(submission))) == 2


def test_a_submitter_with_a_copy_of_everything_is_warned_of(tmp_path: Path) -> None:
    """Each result of both, once."""
    submission = write_submission(tmp_path, "v5.1")
    home = tmp_path / "closed" / SUBMITTER
    shutil.copytree(home, home.with_name("Copycat"))
    report = judged(submission)
    assert len(copies(report)) == len(report.results) == 2 * len(submission.scenarios)


def test_a_run_in_both_divisions_is_not_warned_of(tmp_path: Path) -> None:
    """Closed results may be shown in the open division too."""
    submission = write_submission(tmp_path, "v5.1")
    shutil.copytree(tmp_path / "closed" / SUBMITTER, tmp_path / "open" / SUBMITTER)
    report = judged(submission)
    assert copies(report) == copies(report, "system-copied") == set()


@pytest.mark.parametrize(
    ("benchmark", "other", "count"),
    [
        ("bert-99", "bert-99.9", 0),
        ("yolo-95", "yolo-99", 0),
        ("resnet50", "resnet50", 0),
        ("resnet50", "retinanet", 2),
    ],
)
def test_within_a_system_only_other_benchmarks_are_warned_of(
    benchmark: str, other: str, count: int
) -> None:
    """One run serves both accuracy levels, and the scenarios that follow from it."""
    results = [
        Result(
            f"closed/Acme/results/alpha/{name}/{scenario}",
            "closed",
            "Acme",
            "alpha",
            name,
            scenario,
            official=True,
            strict=True,
            prints=(("performance/run_1", "ab"),),
        )
        for name, scenario in ((benchmark, "Offline"), (other, "SingleStream"))
    ]
    warned = with_copies(SHIPPED["v5.1"], results)
    assert sum(len(result.findings) for result in warned) == count


def test_a_description_of_another_system_is_warned_of(tmp_path: Path) -> None:
    """Two systems have the same one, to the last field."""
    submission = write_submission(tmp_path, "v5.1")
    add_system(submission, "beta")
    systems = tmp_path / "closed" / SUBMITTER / "systems"
    shutil.copy(systems / f"{SYSTEM}.json", systems / "beta.json")
    assert copies(judged(submission), "system-copied") == {
        (f"closed/{SUBMITTER}/systems/beta.json", SYSTEM)
    }


def test_copies_are_found_among_remembered_verdicts(tmp_path: Path) -> None:
    """The submitter whose run was copied has not changed since the last check."""
    submission = write_submission(tmp_path / "tree", "v5.1")
    store = VerdictFiles(tmp_path / "verdicts")
    check(DirectoryTree(submission.root), submission.round, store=store)
    home = submission.root / "closed" / SUBMITTER
    shutil.copytree(home, home.with_name("Copycat"))
    for _ in range(2):
        report = check(DirectoryTree(submission.root), submission.round, store=store)
        assert len(copies(report)) == 2 * len(submission.scenarios)


def test_the_power_of_another_system_is_warned_of(tmp_path: Path) -> None:
    """Two analyzers never begin in the same millisecond with the same watts."""
    submission = write_submission(tmp_path, "v3.0")
    add_system(submission, "beta")
    for system in (SYSTEM, "beta"):
        performance = (
            submission.result("Offline").parents[2] / system / "resnet50/Offline/performance"
        )
        (performance / "power").mkdir()
        (performance / "run_1/spl.txt").write_text(
            "Time,03-01-2026 12:00:05.000,Watts,9.5,Volts,230.0\n"
        )
    places = {path for path, _ in copies(judged(submission))}
    assert places == {
        f"closed/{SUBMITTER}/results/{system}/resnet50/Offline/performance/power"
        for system in (SYSTEM, "beta")
    }


def test_logs_that_say_nothing_are_no_copies(tmp_path: Path) -> None:
    """Two empty files are equal, and prove nothing."""
    submission = write_submission(tmp_path, "v5.1")
    add_system(submission, "beta")
    for log in tmp_path.glob("closed/*/results/*/resnet50/Offline/*/**/mlperf_log_detail.txt"):
        log.write_bytes(b"")
    assert copies(judged(submission)) == set()


def test_a_run_against_an_endpoint_is_known_by_its_summary(tmp_path: Path) -> None:
    """It has no log of LoadGen."""
    write_endpoints(tmp_path, "closed", "datacenter", "llama3.1-8b")
    home = next((tmp_path / "closed").iterdir())
    shutil.copytree(home, home.with_name("Copycat"))
    report = check(DirectoryTree(tmp_path), SHIPPED["v6.1"])
    assert {path.rpartition("/")[2] for path, _ in copies(report)} == {"result_summary.json"}
