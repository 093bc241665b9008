"""Endpoints results as published in v6.1 are valid; lookalikes are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlrepo.checker.check import check
from mlrepo.findings import Finding
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.endpoints_submissions import ROUND, endpoints_scenarios, write_endpoints

_SCORES = "accuracy/accuracy_results.json"
_SUMMARY = "performance/result_summary.json"


def _judged(
    root: Path, category: str, model: str, scenario: str, change: Callable[[Path], None]
) -> list[Finding]:
    """Return what strict finds at the scenario after the change."""
    names = sorted({*endpoints_scenarios(SHIPPED[ROUND], category, model), scenario})
    directory = write_endpoints(root, "closed", category, model, *names) / scenario
    change(directory)
    report = check(DirectoryTree(root), SHIPPED[ROUND])
    path = directory.relative_to(root).as_posix()
    (result,) = (each for each in report.results if each.path == path)
    return [each for each in result.findings if each.rule not in ("system-accelerators",)]


def _config(old: str, new: str) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        config = directory / "config.yaml"
        text = config.read_text()
        assert old in text
        config.write_text(text.replace(old, new))

    return change


def _score(**changes: Any) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        path = directory / _SCORES
        results = json.loads(path.read_text())
        results["accuracy_scores"][0] |= changes
        path.write_text(json.dumps(results))

    return change


def _summary(**changes: Any) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        path = directory / _SUMMARY
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("category", "model", "scenario", "change"),
    [
        ("datacenter", "deepseek-r1", "Interactive", _config("type: interactive", "type: online")),
        ("edge", "qwen3.6-27b", "SingleStream", _config("type: singlestream", "type: online")),
        (
            "edge",
            "qwen3.6-27b",
            "SingleStream",
            _config("type: poisson", "type: concurrency\n    target_concurrency: 1"),
        ),
        ("edge", "qwen3.6-27b", "SingleStream", _score(score=0.8723618090452261)),
        (
            "datacenter",
            "deepseek-r1",
            "Server",
            _score(score=81.42661804922516, output_sequence_lengths={"avg": 3743.29}),
        ),
        ("datacenter", "qwen3-vl-235b-a22b", "Server", _score(score=0.7874153796727632)),
    ],
)
def test_what_was_published_is_valid(
    tmp_path: Path, category: str, model: str, scenario: str, change: Callable[[Path], None]
) -> None:
    """Type online, shares of 1, and one score beside the length of the answers."""
    assert _judged(tmp_path, category, model, scenario, change) == []


@pytest.mark.parametrize(
    ("rule", "category", "model", "scenario", "change"),
    [
        (
            "performance-scenario",
            "edge",
            "qwen3.6-27b",
            "SingleStream",
            _config("type: poisson", "type: concurrency\n    target_concurrency: 8"),
        ),
        (
            "performance-scenario",
            "edge",
            "qwen3.6-27b",
            "SingleStream",
            _config("type: singlestream", "type: offline"),
        ),
        (
            "performance-scenario",
            "datacenter",
            "deepseek-r1",
            "Offline",
            _config("type: offline", "type: online"),
        ),
        ("accuracy-target", "edge", "qwen3.6-27b", "SingleStream", _score(score=0.8523)),
        # A benchmark's scorer writes percents: this is less than one percent.
        ("accuracy-target", "datacenter", "deepseek-r1", "Server", _score(score=0.81)),
        (
            "accuracy-target",
            "datacenter",
            "deepseek-r1",
            "Server",
            _score(output_sequence_lengths={"avg": 3000.0}),
        ),
        (
            "accuracy-target",
            "datacenter",
            "deepseek-r1",
            "Server",
            _score(output_sequence_lengths={"avg": 9000.0}),
        ),
        ("accuracy-range", "edge", "qwen3.6-27b", "SingleStream", _score(score=872.4)),
        ("accuracy-range", "datacenter", "qwen3-vl-235b-a22b", "Server", _score(score=7.8)),
        ("endpoints", "datacenter", "deepseek-r1", "Server", _score(complete=False)),
        ("endpoints", "datacenter", "deepseek-r1", "Server", _summary(complete=False)),
    ],
)
def test_what_the_rules_forbid_is_refused(
    tmp_path: Path,
    rule: str,
    category: str,
    model: str,
    scenario: str,
    change: Callable[[Path], None],
) -> None:
    """By its own rule, at a line of the file that says it."""
    found = _judged(tmp_path, category, model, scenario, change)
    assert {each.rule for each in found} == {rule}
    assert all(each.breaks_strict and each.line for each in found)


def test_a_length_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A lone score is held to its own metric; nobody knows the other one."""
    found = _judged(
        tmp_path, "datacenter", "deepseek-r1", "Server", _score(output_sequence_lengths={})
    )
    assert [(each.rule, each.breaks_strict) for each in found] == [("accuracy-not-verified", False)]
    assert "TOKENS_PER_SAMPLE" in found[0].message


def test_the_unit_is_of_what_the_official_checker_takes(tmp_path: Path) -> None:
    """It finds tokens for a Server alone, and samples where it does not find the scenario."""
    names = ("Offline", "Server", "Interactive")
    write_endpoints(tmp_path, "closed", "datacenter", "deepseek-r1", *names)
    report = check(DirectoryTree(tmp_path), SHIPPED[ROUND])
    assert {result.scenario: (result.value, result.unit) for result in report.results} == {
        "Offline": (pytest.approx(12.50687), "samples/s"),
        "Server": (15012.25, "tokens/s"),
        "Interactive": (12.51, "queries/s"),
    }
