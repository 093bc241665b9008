"""Strict finds settings that a result must not have, in any run's detail log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.repository.trees import DirectoryTree
from tests.submissions import Submission, detail_log, write_submission

_LOG = "mlperf_log_detail.txt"


def _set(log: Path, key: str, value: object) -> None:
    """Give a setting another value, as asked for and as effective, as LoadGen would."""
    lines = log.read_text().splitlines(keepends=True)
    changed = {f"requested_{key}", f"effective_{key}"}
    kept = [line for line in lines if json.loads(line.partition(" ")[2])["key"] not in changed]
    log.write_text("".join(kept) + detail_log(dict.fromkeys(sorted(changed), value)))


def _found(submission: Submission) -> dict[str, bool]:
    report = check(DirectoryTree(submission.root), submission.round)
    return {
        each.rule: each.breaks_strict
        for each in (*(f for r in report.results for f in r.findings), *report.findings)
    }


@pytest.mark.parametrize(
    ("scenario", "key", "value", "rule", "breaks"),
    [
        ("SingleStream", "target_latency_percentile", 0.0099, "performance-percentile", True),
        ("SingleStream", "target_latency_percentile", 0.5, "performance-percentile", True),
        ("SingleStream", "target_latency_percentile", 90, "performance-percentile", True),
        ("MultiStream", "target_latency_percentile", 0.9, "performance-percentile", True),
        ("MultiStream", "samples_per_query", 4, "performance-setting", True),
        ("Offline", "sample_concatenate_permutation", True, "performance-setting", True),
        ("Offline", "use_token_latencies", True, "performance-setting", True),
        ("Offline", "performance_issue_same", True, "performance-mode", True),
        ("Offline", "performance_issue_unique", True, "performance-mode", True),
        ("Offline", "accuracy_log_sampling_target", 4096, "performance-audited", False),
    ],
)
def test_a_setting_that_no_result_has_is_found(
    scenario: str, key: str, value: object, rule: str, breaks: bool, tmp_path: Path
) -> None:
    """A rule each; a sampling target is a warning, as published results of careful people have it.

    The official checker looks at none of them.
    """
    submission = write_submission(tmp_path, "v5.1")
    assert rule not in _found(submission)
    _set(submission.result(scenario) / "performance" / "run_1" / _LOG, key, value)
    assert _found(submission)[rule] is breaks


def test_a_fraction_in_the_place_of_a_percentage_is_named(tmp_path: Path) -> None:
    """Whoever wrote 0.9 reads what LoadGen made of it."""
    submission = write_submission(tmp_path, "v5.1")
    log = submission.result("SingleStream") / "performance" / "run_1" / _LOG
    _set(log, "target_latency_percentile", 0.009)
    report = check(DirectoryTree(submission.root), submission.round)
    found = [f for r in report.results for f in r.findings if f.rule == "performance-percentile"]
    assert ["has a fraction instead of 90 %" in each.message for each in found] == [True]


@pytest.mark.parametrize(
    ("scenario", "key", "value"),
    [
        ("SingleStream", "target_latency_percentile", 0.999),
        ("Offline", "target_latency_percentile", 6.95296e-310),
        ("Offline", "performance_issue_same_index", 3),
        ("SingleStream", "max_async_queries", 1),
        ("Offline", "print_timestamps", True),
    ],
)
def test_a_setting_that_a_run_may_choose_is_none_of_the_rules_business(
    scenario: str, key: str, value: object, tmp_path: Path
) -> None:
    """A stricter percentile, what LoadGen leaves uninitialized, and what has no effect."""
    submission = write_submission(tmp_path, "v5.1")
    before = _found(submission)
    _set(submission.result(scenario) / "performance" / "run_1" / _LOG, key, value)
    assert _found(submission) == before


def test_compliance_tests_keep_the_settings_of_their_own(tmp_path: Path) -> None:
    """TEST04 asks for one sample again and again, TEST01 for a sampling target."""
    submission = write_submission(tmp_path, "v5.1")
    assert not {"performance-mode", "performance-audited", "performance-setting"} & set(
        _found(submission)
    )
    log = submission.compliance("SingleStream", "TEST01") / "performance" / "run_1" / _LOG
    _set(log, "target_latency_percentile", 0.5)
    assert _found(submission)["performance-percentile"]
