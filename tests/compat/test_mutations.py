"""Changes that the rules forbid are rejected, one at a time, on real submissions.

``recorded_mutations.py`` has the official checkers' verdicts on the same changes: ours in the
profile ``official`` are equal wherever they gave one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.compat.mutations import MUTATIONS, Base
from tests.compat.recorded_mutations import RECORDED
from tests.outside import CORPUS, needs_shared

pytestmark = needs_shared(CORPUS)

_SYSTEMS = {
    ("v1.1", "Offline"): ("FuriosaAI", "warboy_intel"),
    ("v1.1", "SingleStream"): ("FuriosaAI", "warboy_intel"),
    ("v1.1", "Server"): ("Qualcomm", "g292_z43_q16-qaic-v1.5.6-aic100"),
    ("v5.1", "Offline"): (
        "GATEOverflow",
        "GATEOverflow_AMD_AM5-reference-cpu-tf_v2.19.0-default_config",
    ),
}
_SYSTEMS["v5.1", "SingleStream"] = _SYSTEMS["v5.1", "Offline"]
_KINDS = ("results", "measurements", "compliance", "systems")

# What strict accepts, and why no rule forbids it. A round is named where it holds only there.
ACCEPTED = {
    "00-baseline": "nothing was changed",
    "11-perf-detail-crlf": "each line still is the JSON that LoadGen wrote",
    "29-accuracy.txt-wrong-hash": "the log is truncated: the text that was hashed is not there",
    "41-required-scenario-missing Server": "Server is optional where Offline is submitted (v1.1)",
    **{
        f"{mutation} Offline v1.1": "the rules about the tree begin with v3.0: a warning before"
        for mutation in (
            "48-broken-symlink",
            "49-symlink-loop-dir",
            "51-file-with-space",
            "52-empty-dir",
            "61-huge-detail-log",
        )
    },
    "58-notes-with-quote-comma-newline": "any text may stand in the notes",
    "64-stray-file-in-results": "no rule of these rounds speaks of files beside the systems",
    "65-no-results-dir-submitter": "a submitter may publish code only",
    "67-hash-before-accuracy-order": "the order of the lines is nobody's rule",
}

# The official checker follows the link to a file outside the tree, so that its verdict is that of
# the machine it runs on: such a link is broken wherever the tree is sent to.
_OF_THE_MACHINE = {("v5.1", "69-accuracy-log-file-is-symlink-outside")}


def _accepted(round_name: str, mutation: str, scenario: str) -> bool:
    keys = (
        mutation,
        f"{mutation} {scenario}",
        f"{mutation} {scenario} {round_name}",
        f"{mutation} {round_name}",
    )
    return any(key in ACCEPTED for key in keys)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds, for each base, a copy whose files can be linked to."""
    root = tmp_path_factory.mktemp("pristine")
    for round_name, scenario in _SYSTEMS:
        submitter, system = _SYSTEMS[round_name, scenario]
        source = CORPUS / round_name / "closed" / submitter
        target = root / f"{round_name}-{submitter}" / "closed" / submitter
        if target.exists():
            continue
        for path in source.rglob("*"):
            parts = path.relative_to(source).parts
            foreign = parts[0] in _KINDS and len(parts) > 1 and not parts[1].startswith(system)
            if path.is_file() and not foreign and parts[:2] != ("code", "whisper"):
                copy = target.joinpath(*parts)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    return root


def _mutated(
    pristine: Path, scratch: Path, round_name: str, mutation: str, scenario: str
) -> Report:
    submitter, system = _SYSTEMS[round_name, scenario]
    root = scratch / "tree"
    shutil.copytree(pristine / f"{round_name}-{submitter}", root, copy_function=os.link)
    lower = submitter != "FuriosaAI"
    MUTATIONS[mutation](Base(root, submitter, system, scenario.lower() if lower else scenario))
    return check(DirectoryTree(root), SHIPPED[round_name])


@pytest.mark.parametrize(
    ("round_name", "mutation", "scenario", "official", "count"),
    RECORDED,
    ids=[f"{row[0]}-{row[2]}-{row[1]}" for row in RECORDED],
)
def test_a_mutation_is_judged_as_the_rules_say(
    pristine: Path,
    tmp_path: Path,
    round_name: str,
    mutation: str,
    scenario: str,
    official: str,
    count: int,
) -> None:
    """Strict: by the rules, with a reason. Official: as the round's checker did, where it did."""
    report = _mutated(pristine, tmp_path, round_name, mutation, scenario)
    found = [*report.findings, *(f for result in report.results for f in result.findings)]
    reasons = [f for f in found if f.breaks_strict]
    assert report.valid("strict") == _accepted(round_name, mutation, scenario), reasons
    assert bool(reasons) == (not report.valid("strict"))
    assert all(finding.path for finding in reasons)
    if (round_name, mutation) in _OF_THE_MACHINE:
        return
    if official == "crash":
        assert any(finding.rule == "official-crash" for finding in found), found
    else:
        assert report.valid("official") == (official == "accept"), found
        assert sum(result.official for result in report.results) == count, found


def test_every_mutation_was_recorded_and_every_acceptance_argues_about_one() -> None:
    """No mutation is forgotten, and no argument outlives its mutation."""
    assert {row[1] for row in RECORDED} == set(MUTATIONS)
    assert {key.split(" ")[0] for key in ACCEPTED} <= set(MUTATIONS)
