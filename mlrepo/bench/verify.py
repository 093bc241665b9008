"""The verdict on a compliance test: the run against the runs it belongs to.

Source of the conditions and of the file formats: ``verify_accuracy.py`` and
``verify_performance.py`` below ``compliance/`` of mlcommons/inference. Responses are compared as a
whole; the official script compares their first element only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlrepo.bench.audit import TEST01, expected_settings
from mlrepo.errors import InvalidResult
from mlrepo.harness.spec import ACCURACY_LOG, AUDIT_FILE, SPEC_FILE
from mlrepo.layout.files import VERIFY_ACCURACY, VERIFY_PERFORMANCE
from mlrepo.logs.detail import DetailLog
from mlrepo.rounds import Round
from mlrepo.rounds.audits import STREAMS, tolerance

REFERENCE_ACCURACY = "reference_accuracy.json"


@dataclass(frozen=True)
class Verification:
    """Why the test failed (empty: it passed), and the files that say so."""

    reasons: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


def verify(
    directory: Path, test: str, scenario: str, benchmark: str, round_: Round, detail: DetailLog
) -> Verification:
    """Verify the test whose logs lie in ``directory``; raise InvalidResult for a damaged log."""
    about = json.loads((directory / SPEC_FILE).read_text(encoding="utf-8"))["record"]
    reasons = _disobeyed((directory / AUDIT_FILE).read_text(encoding="utf-8"), detail)
    files: dict[str, bytes] = {}
    score = detail.number(round_.result_key(benchmark, scenario))
    reference = about["compliance"]["score"]
    if reference is not None and score is not None:
        text, why = _performance(test, scenario, float(reference), score, about, detail)
        files[VERIFY_PERFORMANCE] = text.encode()
        reasons += why
    if test == TEST01:
        text, why = _accuracy(directory)
        files[VERIFY_ACCURACY] = text.encode()
        reasons += why
    return Verification(tuple(reasons), files)


def _disobeyed(audit: str, detail: DetailLog) -> list[str]:
    """Name the settings of the test that LoadGen did not take: then the run proves nothing."""
    found = []
    for key, wanted in expected_settings(audit).items():
        value = detail.values.get(f"effective_{key}")
        # LoadGen reports switches as true or false.
        if value is None or int(value) != wanted:
            found.append(f"LoadGen ran with {key} = {value}, but the test wants {wanted}.")
    return found


def _performance(
    test: str,
    scenario: str,
    reference: float,
    score: float,
    about: Mapping[str, Any],
    detail: DetailLog,
) -> tuple[str, list[str]]:
    """Compare the result of the test with that of the run it belongs to."""
    fault = ""
    target = about["compliance"]["target_latency"]
    if target is not None and detail.number("effective_target_latency_ns") != target:
        fault = "the target latency is not that of the performance run"
    allowed = tolerance(test, scenario, reference)
    # How much faster the test was: above one is faster, for rates and for latencies.
    if test == "TEST04-A":  # distinct samples; the reference repeated one
        ratio = _speed(scenario, reference) / _speed(scenario, score)
    else:
        ratio = _speed(scenario, score) / _speed(scenario, reference)
    only_faster = test.startswith("TEST04")
    change = score / reference - 1
    if only_faster and ratio > 1 + allowed:
        fault = f"repeating one sample was {ratio - 1:.1%} faster, {allowed:.0%} are allowed"
    elif not only_faster and not abs(change) < allowed:
        fault = f"the result differs by {change:+.1%}, {allowed:.0%} are allowed"
    lines = ["Verifying performance."]
    if test == "TEST04-A":
        lines += [f"TEST04-A score = {score}", f"TEST04-B score = {reference}"]
    elif test == "TEST04":
        lines += [
            f"reference score = {_speed(scenario, reference)}",
            f"test score = {_speed(scenario, score)}",
        ]
    else:
        lines += [f"reference score = {reference}", f"test score = {score}"]
    lines.append(f"TEST FAIL: {fault}" if fault else "TEST PASS")
    return "\n".join(lines) + "\n", [f"{test} failed: {fault}."] if fault else []


def _speed(scenario: str, score: float) -> float:
    """Return queries per second from a latency in nanoseconds; rates as they are."""
    return 1e9 / score if scenario in STREAMS else score


def _accuracy(directory: Path) -> tuple[str, list[str]]:
    """Compare each response logged during the performance test with that of the accuracy run."""
    wanted: dict[int, str] = {}
    duplicates = contradictions = 0
    for index, data in _entries(directory / REFERENCE_ACCURACY):
        if index in wanted:
            duplicates += 1
            contradictions += wanted[index] != data
        else:
            wanted[index] = data
    logged = matched = mismatched = missing = 0
    for index, data in _entries(directory / ACCURACY_LOG):
        logged += 1
        if index not in wanted:
            missing += 1
            continue
        matched += 1
        mismatched += wanted[index] != data
    faults = []
    if contradictions:
        faults.append(f"{contradictions} samples of the accuracy run have two answers")
    if mismatched:
        faults.append(f"{mismatched} of {matched} responses differ from the accuracy run")
    if not matched:
        faults.append("no response could be compared")
    text = (
        "Verifying accuracy. This might take a while...\n"
        "Reading accuracy mode results...\n"
        "Reading performance mode results...\n"
        f"num_acc_log_entries = {len(wanted) + duplicates}\n"
        f"num_acc_log_duplicate_keys = {duplicates}\n"
        f"num_acc_log_data_mismatch = {contradictions}\n"
        f"num_perf_log_entries = {logged}\n"
        f"num_perf_log_qsl_idx_match = {matched}\n"
        f"num_perf_log_data_mismatch = {mismatched}\n"
        f"num_missing_qsl_idxs = {missing}\n"
        f"{'TEST FAIL' if faults else 'TEST PASS'}\n"
    )
    return text, [f"{TEST01} failed: {fault}." for fault in faults]


def _entries(path: Path) -> list[tuple[int, str]]:
    try:
        entries = json.loads(path.read_bytes())
        return [(int(entry["qsl_idx"]), str(entry["data"])) for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidResult(
            f"{path.name} is not a LoadGen accuracy log: {error!r}.",
            hint="Run the accuracy run and the test again.",
        ) from error
