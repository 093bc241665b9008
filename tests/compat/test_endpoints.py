"""Endpoints results of v6.1: strict by the rules, official as the modular checker decides.

``recorded_endpoints.py`` has the outcome of each mutation in the modular checker of
mlcommons/inference (b66003e1); if a checkout is available, it is run again beside ours.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.compat.endpoints_mutations import MUTATIONS
from tests.compat.modular_checker import run_modular_checker
from tests.compat.recorded_endpoints import BASES, RECORDED
from tests.endpoints_submissions import ROUND, endpoints_scenarios, write_endpoints
from tests.outside import INFERENCE, needs_inference

_needs_checkout = needs_inference("tools/submission/submission_checker/main.py")
_ROWS = [(base, mutation) for base in BASES for mutation in MUTATIONS]
assert set(RECORDED) == set(MUTATIONS)

# What strict accepts, and why no rule forbids it; the base is named where it holds only there.
ACCEPTED = {
    "nothing": "nothing was changed",
    "config.yml instead": "the harness may name its configuration so",
    "type server": "it is what LoadGen calls online",
    "type Server": "it is what LoadGen calls online",
    "type online": "it is the type of this run",
    "type singlestream": "it is the type of this run",
    "type interactive Interactive": "it is the type of this run",
    "scenario in the summary": "it is the one of the configuration, or of the directory",
    "qps zero Online": "the result is in tokens",
    "qps NaN Online": "the result is in tokens",
    "qps zero Offline": "Offline's rate follows from count and duration",
    "qps NaN Offline": "Offline's rate follows from count and duration",
    "qps a word Offline": "Offline's rate follows from count and duration",
    "tps missing Offline": "the type offline, in lower case, is counted in samples",
    "qps zero SingleStream": "the result is a latency",
    "qps NaN SingleStream": "the result is a latency",
    "qps a word SingleStream": "the result is a latency",
    "no rate and no duration SingleStream": "the result is a latency",
    "qps a text": "it is a number all the same",
    "qps missing": "the rate follows from count and duration",
    "tps missing SingleStream": "the result is a latency",
    "tps missing Interactive": "the result is in queries",
    "first token late Offline": "Offline has no limits of latency",
    "later tokens missing Offline": "Offline has no limits of latency",
    "first token late SingleStream": "the benchmark has no limits for tokens",
    "first token late Interactive": "the benchmark has a limit for the whole answer instead",
    "later tokens missing SingleStream": "the benchmark has no limits for tokens",
    "later tokens missing Interactive": "the benchmark has a limit for the whole answer instead",
    "latency long Online": "language models have limits for tokens instead",
    "latency long Offline": "Offline has no limits of latency",
    "latency long SingleStream": "a SingleStream result is a latency and has no limit",
    "latency named 99.0": "percentiles may be named so",
    "latency missing Online": "language models have limits for tokens instead",
    "latency missing Offline": "Offline has no limits of latency",
    "output long SingleStream": "no rule of the benchmark speaks of the output's length",
    "output long Interactive": "no rule of the benchmark speaks of the output's length",
    "output length missing SingleStream": "no rule of the benchmark speaks of it",
    "output length missing Interactive": "no rule of the benchmark speaks of it",
    "score a text Offline": "a warning says that it could not be compared",
    "score a text SingleStream": "a warning says that it could not be compared",
    "score a list Offline": "a warning says that it could not be compared",
    "score a list SingleStream": "a warning says that it could not be compared",
    "score a text Online": "the open division has no target",
    "score a list Online": "the open division has no target",
    "score an object Online": "the open division has no target",
    "score low Online": "the open division has no target",
    "audit missing Offline": "only TEST04 is audited so far",
    "audit missing Online": "only TEST04 is audited so far",
    "audit missing Interactive": "the benchmark has no compliance test",
    "audit failed Interactive": "the benchmark has no compliance test",
    "audit of another test Interactive": "the benchmark has no compliance test",
    "audit a list Interactive": "the benchmark has no compliance test",
    "videos missing Offline": "only videos are looked at",
    "videos missing Online": "only videos are looked at",
    "videos missing Interactive": "only videos are looked at",
    "edge too": "the benchmark is one of both categories, or the division is open",
    "two nodes": "a system may have any number of nodes",
    "directory in lower case": "the scenario's name may be written so",
}


def _judged(root: Path, base: str, mutation: str) -> tuple[Path, Report]:
    division, category, model, scenario = BASES[base]
    names = endpoints_scenarios(SHIPPED[ROUND], category, model)
    names = [scenario] if division == "open" else [*{*names, scenario}]
    directory = write_endpoints(root, division, category, model, *names)
    MUTATIONS[mutation](directory / scenario)
    return root, check(DirectoryTree(root), SHIPPED[ROUND])


def _outcome(base: str, mutation: str) -> str:
    return dict(zip(BASES, RECORDED[mutation].split(), strict=True))[base]


def _findings(report: Report) -> list[object]:
    return [*report.findings, *(f for result in report.results for f in result.findings)]


@pytest.mark.parametrize(("base", "mutation"), _ROWS)
def test_a_mutation_is_judged_as_the_official_checker_did(
    tmp_path: Path, base: str, mutation: str
) -> None:
    """Accepted, rejected or dead of it."""
    _, report = _judged(tmp_path, base, mutation)
    found = _findings(report)
    crash = any(getattr(finding, "rule", "") == "official-crash" for finding in found)
    ours = "crash" if crash else "accept" if report.valid("official") else "reject"
    assert ours == _outcome(base, mutation), found


@pytest.mark.parametrize(("base", "mutation"), _ROWS)
def test_strict_accepts_only_what_can_be_argued(tmp_path: Path, base: str, mutation: str) -> None:
    """Each acceptance has its reason; each rejection names a place."""
    _, report = _judged(tmp_path, base, mutation)
    found = [f for f in _findings(report) if getattr(f, "breaks_strict", False)]
    assert report.valid("strict") == (not found)
    if report.valid("strict"):
        assert mutation in ACCEPTED or f"{mutation} {base}" in ACCEPTED
    assert all(getattr(finding, "path", "") for finding in found)


@_needs_checkout
@pytest.mark.parametrize(("base", "mutation"), _ROWS)
def test_the_modular_checker_still_does_what_was_recorded(
    tmp_path: Path, base: str, mutation: str
) -> None:
    """Both on the same tree: verdicts and rows of summary.csv."""
    root, report = _judged(tmp_path / "tree", base, mutation)
    official = run_modular_checker(INFERENCE, root, ROUND, tmp_path / "summary.csv")
    said = "crash" if official.crash else "accept" if official.accepts else "reject"
    assert said == _outcome(base, mutation), official.crash
    if official.crash:
        return
    valid = {path for path, is_valid in official.verdicts.items() if is_valid}
    assert {result.path for result in report.results if result.official} == valid
    rows = [row for result in report.results for row in result.rows]
    ours = Counter(tuple((key, str(value)) for key, value in row.items()) for row in rows)
    assert ours == official.rows


@pytest.mark.parametrize("category", ["datacenter", "edge"])
@pytest.mark.parametrize("model", SHIPPED[ROUND].tables["endpoints"]["allowed_models"])
def test_every_benchmark_for_endpoints_can_be_valid(
    tmp_path: Path, category: str, model: str
) -> None:
    """In both profiles, in the closed and in the open division."""
    if not endpoints_scenarios(SHIPPED[ROUND], category, model):
        pytest.skip(f"{model} is no benchmark of the category {category}")
    for division in ("closed", "open"):
        write_endpoints(tmp_path, division, category, model)
        report = check(DirectoryTree(tmp_path), SHIPPED[ROUND])
        assert report.results
        assert report.valid("strict"), _findings(report)
        assert report.valid("official")
