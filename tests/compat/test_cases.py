"""Small submissions, each with one change, that a checker once judged wrongly.

The note beside each tree has the verdict of the round's official checker, which the profile
``official`` must match, and that of ``strict``. The published trees have no such notes: this file
has their verdicts.
"""

from __future__ import annotations

import functools
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.findings import Finding
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.outside import CASES, needs_shared

_CASES = CASES / "checker"
pytestmark = needs_shared(_CASES)


@dataclass(frozen=True)
class _Case:
    """What the note of a case says."""

    round: str
    target: str
    official: str
    strict: str
    rules_before: frozenset[str]


def _note(name: str) -> _Case:
    text = (_CASES / name / "NOTE.md").read_text(encoding="utf-8")
    lines = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    (official,) = (value for key, value in lines.items() if key.startswith("official checker"))
    (ours,) = (value for key, value in lines.items() if key.startswith("mlrepo at"))
    return _Case(
        round=re.findall(r"round (v[\d.]+)", lines["case"])[0],
        target=lines["target"].removesuffix(" (before renames)"),
        official=official,
        strict=lines["should be"].partition(";")[0].removeprefix("strict "),
        rules_before=frozenset(re.findall(r"'([a-z-]+)'", ours)),
    )


def _rows(report: Report, column: str) -> set[object]:
    return {row[column] for result in report.results for row in result.rows}


def _rules(report: Report, *, errors: bool = False) -> set[str]:
    return {f.rule for f in report.all_findings() if f.breaks_strict or not errors}


def _named(report: Report, rule: str) -> list[Finding]:
    return [finding for finding in report.all_findings() if finding.rule == rule]


# What is right about the published trees: whether it holds, of the report.
_PUBLISHED: dict[str, Callable[[Report], bool]] = {
    "pub-v21-gitkeep": lambda report: any(
        result.official and result.value == 212391.0 for result in report.results
    ),
    "pub-v21-integer-result": lambda report: "157" in map(str, _rows(report, "Result")),
    "pub-v30-hpe-copied": lambda report: "compliance-copied" in _rules(report, errors=True),
    "pub-v30-measurements-empty": lambda report: (
        report.valid("strict") and "measurements-empty" in _rules(report)
    ),
    "pub-v31-power-measurement-files": lambda report: (
        not any(result.official or result.strict for result in report.results)
    ),
    "pub-v40-accuracy-column": lambda report: (
        set(map(str, _rows(report, "Accuracy"))) == {"90.89066465550044"}
    ),
    "pub-v41-equal-issue": lambda report: (
        [(r.official, r.strict, r.value) for r in report.results] == [(True, True, 21.5153)]
    ),
    "pub-v60-all-lines-are-errors": lambda report: any(
        "91 of 91" in f"{finding.message} {finding.actual}"
        for finding in report.all_findings()
        if finding.breaks_strict and finding.rule.endswith("loadgen-error")
    ),
    "pub-v60-design-power-column": lambda report: _rows(report, "design_power_watts") == {""},
    "pub-v60-system-text": lambda report: (
        "system-text" not in _rules(report, errors=True)
        and all(result.strict == result.official for result in report.results)
    ),
    "pub-v60-two-hashes": lambda report: (
        bool(_named(report, "accuracy-hash"))
        and all(
            finding.line and finding.expected and finding.actual
            for finding in _named(report, "accuracy-hash")
        )
    ),
    "pub-v61-endpoints-strict": lambda report: (
        [r.strict for r in report.results] == [r.official for r in report.results]
        and sum(result.strict for result in report.results) == 3
        and not {"accuracy-target", "performance-scenario"} & _rules(report)
    ),
}


def _names(*kinds: str) -> list[str]:
    if not _CASES.is_dir():
        return []
    return sorted(
        path.parent.name
        for path in _CASES.glob("*/tree.tar.xz")
        if path.parent.name.startswith(kinds)
    )


_NOTED = _names("crash-", "miss-", "parity-", "silent-", "alarm-")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Report]:
    """Return the report on a case by a round's rules; each is judged once."""

    @functools.cache
    def judge(name: str, round_name: str) -> Report:
        root = tmp_path_factory.mktemp("case")
        with tarfile.open(_CASES / name / "tree.tar.xz") as archive:
            archive.extractall(root, filter="tar")
        return check(DirectoryTree(root / "tree"), SHIPPED[round_name])

    return judge


def _all(report: Report) -> list[Finding]:
    return list(report.all_findings())


@pytest.mark.parametrize("name", _NOTED)
def test_strict_says_what_it_should(judged: Callable[[str, str], Report], name: str) -> None:
    """Strict refuses what the rules forbid, and warns where its note wants a warning."""
    case = _note(name)
    report = judged(name, case.round)
    found = _all(report)
    if case.strict.startswith("must reject"):
        assert not report.valid("strict"), found
        reasons = {finding.rule for finding in found if finding.breaks_strict}
        assert reasons - {"scenario-missing"}, found
    elif case.strict.startswith("must at least warn"):
        # Some bases are runs of an older round whose detail logs got the seeds of this one.
        known = case.rules_before | {"summary-seeds"}
        assert {finding.rule for finding in found} - known, found
    elif case.strict.startswith("must accept"):
        assert all(result.strict for result in report.results), found
    else:
        assert case.strict == "(no claim)"


@pytest.mark.parametrize("name", _NOTED)
def test_official_says_what_the_official_checker_says(
    judged: Callable[[str, str], Report], name: str
) -> None:
    """The verdict on the result that was changed, its value, and the checker's traceback."""
    case = _note(name)
    report = judged(name, case.round)
    verdict, _, rest = case.official.partition(" ")
    if verdict == "CRASH":
        assert any(finding.rule == "official-crash" for finding in _all(report)), _all(report)
    elif verdict == "valid":
        # Some changes are made in another scenario than the note's target.
        value = pytest.approx(float(rest.split()[0]), rel=1e-9)
        assert any(r.official and r.value == value for r in report.results), _all(report)
    else:
        assert verdict in ("NoResults", "absent")
        official = [result.path for result in report.results if result.official]
        assert case.target not in official, _all(report)


@pytest.mark.parametrize("name", sorted(_PUBLISHED))
def test_published_results_are_judged_rightly(
    judged: Callable[[str, str], Report], name: str
) -> None:
    """What was published is refused where it breaks a rule, and nowhere else."""
    report = judged(name, f"v{name[5]}.{name[6]}")
    assert _PUBLISHED[name](report), [(r.path, r.official, r.strict) for r in report.results]


def test_every_published_case_has_its_expectation() -> None:
    """No case is unpacked for nothing, and no expectation outlives its case."""
    assert set(_names("pub-")) == set(_PUBLISHED)
