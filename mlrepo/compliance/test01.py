"""TEST01: a performance run gives the same responses as the accuracy run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.compliance import scores
from mlrepo.compliance.evidence import (
    REFERENCE_ACCURACY,
    VERIFY_ACCURACY,
    VERIFY_PERFORMANCE,
    AuditedRun,
    TextFacts,
    TextFault,
    Verification,
)
from mlrepo.compliance.protocol import (
    COMPLIANCE_TREE,
    PROBABILITY,
    RESPONSES_SEED,
    RESULTS,
    RNG_SEED,
    SAMPLING_TARGET,
    ComplianceTest,
)
from mlrepo.compliance.texts import response_faults, verdict_faults
from mlrepo.errors import InvalidResult
from mlrepo.logs.verify import passed, passed_on_its_own_line

if TYPE_CHECKING:
    from mlrepo.rounds import Round

_LOG = "mlperf_log_accuracy.json"
# Benchmarks for which fewer responses are logged: each response is large.
_TARGETS: Mapping[str, int] = {
    "ssd-small": 1024,
    "ssd-large": 256,
    "retinanet": 256,
    "3d-unet-99": 64,
    "3d-unet-99.9": 64,
    "yolo-95": 64,
    "yolo-99": 64,
    "pointpainting": 256,
    "stable-diffusion-xl": 128,
    "wan-2.2-t2v-a14b": 50,
}


class AccuracyInPerformance(ComplianceTest):
    """A run like the performance run that logs some of its responses.

    Responses are compared as a whole; the official script compares only their first element. For a
    benchmark that is not deterministic, the accuracy of these responses is compared with that of
    the same samples in the accuracy run: the baseline.
    """

    name = "TEST01"
    needs_accuracy_log = True
    performance_text = VERIFY_PERFORMANCE
    accuracy_text = VERIFY_ACCURACY
    logs_responses = True
    truncated_in = (RESULTS, COMPLIANCE_TREE)
    runs_performance = True
    baseline_decides = True
    compares_log = True

    def settings(self, benchmark: str) -> Mapping[str, int]:
        """Return the settings that make a run this test."""
        return {RNG_SEED: RESPONSES_SEED, SAMPLING_TARGET: _TARGETS.get(benchmark, 4096)}

    def verify(self, run: AuditedRun) -> Verification:
        """Compare the score, and each response with that of the accuracy run."""
        accuracy = _verify_responses(run.directory)
        if run.reference is None or run.score is None:
            return accuracy
        fault = scores.near(run, self.tolerance)
        pair = (("reference", run.reference), ("test", run.score))
        performance = scores.verification(self.name, run, fault, pair)
        return Verification(
            performance.reasons + accuracy.reasons, {**performance.files, **accuracy.files}
        )

    def passes(self, text: str, *, alone: bool) -> bool:
        """Say whether the responses are the same."""
        return passed_on_its_own_line(text) if alone else passed(text)

    def text_faults(self, text: str, facts: TextFacts) -> Iterator[TextFault]:
        """Yield what contradicts the pass."""
        yield from verdict_faults(text)
        yield from response_faults(text, facts.entries)

    def kept_files(self, round_: Round, *, passed: bool) -> tuple[str, ...]:
        """Return the files that the round requires: if responses differ, both accuracies, too."""
        wanted = round_.tables["required_files"]
        return tuple(wanted["test01_accuracy_if_pass" if passed else "test01_accuracy_if_fail"])

    def is_of_older_audit(self, values: Mapping[str, object]) -> bool:
        """Say whether the run logged a fraction of all responses, as v0.5 required."""
        probability = values.get(f"effective_{PROBABILITY}")
        return isinstance(probability, int | float) and 0 < probability <= 1

    def score_range(self, scenario: str, reference: float, round_: Round) -> tuple[float, float]:
        """Return a range around the reference."""
        slack = scores.allowed(self.tolerance, scenario, reference)
        return 1 - slack, 1 + slack


def _verify_responses(directory: Path) -> Verification:
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
    for index, data in _entries(directory / _LOG):
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
    reasons = tuple(f"{AccuracyInPerformance.name} failed: {fault}." for fault in faults)
    return Verification(reasons, {VERIFY_ACCURACY: text.encode()})


def _entries(path: Path) -> list[tuple[int, str]]:
    try:
        entries = json.loads(path.read_bytes())
        return [(int(entry["qsl_idx"]), str(entry["data"])) for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidResult(
            f"{path.name} is not a LoadGen accuracy log: {error!r}.",
            hint="Run the accuracy run and the test again.",
        ) from error


TESTS = (AccuracyInPerformance(),)
