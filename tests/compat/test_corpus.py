"""The official profile agrees with each round's official checker on real results."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.outside import CORPUS, needs_shared

TREES = {
    "v1.1": ("v1.1", "r1.1"),
    "v5.0": ("v5.0", "v5.0.1"),
    "v5.0-invalid": ("v5.0", "v5.0.1"),
    "v5.1": ("v5.1", "v5.1.1"),
    "v5.1-invalid": ("v5.1", "v5.1.1"),
    "v6.0": ("v6.0", "master-b66003e1"),
    "v6.1-derived": ("v6.1", "master-b66003e1"),
}

pytestmark = needs_shared(CORPUS)


@pytest.mark.parametrize("name", TREES)
def test_verdicts_results_and_rows_are_the_official_ones(name: str) -> None:
    """Each result directory has the official verdict; the summary has the official rows."""
    round_name, checker = TREES[name]
    stem = CORPUS / f"{name}.official.{checker}"
    official = json.loads(Path(f"{stem}.json").read_text())["results"]
    report = check(DirectoryTree(CORPUS / name), SHIPPED[round_name])
    ours = {result.path: result for result in report.results}

    verdicts = {path: result.official for path, result in ours.items()}
    assert verdicts == {path: entry["verdict"] == "valid" for path, entry in official.items()}
    with Path(f"{stem}.summary.csv").open(newline="") as stream:
        expected = Counter(_cells(row) for row in csv.DictReader(stream))
    rows = Counter(_cells(row) for result in report.results for row in result.rows)
    assert rows == expected


def _cells(row: dict[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((key, str(value)) for key, value in row.items())
