"""The compliance tests: what each changes in a run, and the bounds that its verification uses.

Sources: the ``audit.config`` files and ``verify_performance.py`` below ``compliance/`` of
mlcommons/inference, v0.7 to master of 2026-08.
"""

from __future__ import annotations

from collections.abc import Mapping

RNG_SEED = "accuracy_log_rng_seed"
SAMPLING_TARGET = "accuracy_log_sampling_target"
ISSUE_SAME = "performance_issue_same"
ISSUE_UNIQUE = "performance_issue_unique"
SAME_INDEX = "performance_issue_same_index"
TEST05_SEEDS: Mapping[str, int] = {
    "qsl_rng_seed": 313588358309856706,
    "sample_index_rng_seed": 471397156132239067,
    "schedule_rng_seed": 413914573387865862,
}
"""The seeds of TEST05 up to v2.1; later rounds have their own, which are in their tables."""

_SEED = 720381539243781796
_SAME = {ISSUE_SAME: 1, SAME_INDEX: 3}
_SETTINGS: Mapping[str, Mapping[str, int]] = {
    "TEST01": {RNG_SEED: _SEED, SAMPLING_TARGET: 4096},
    "TEST04": _SAME,
    "TEST04-A": {ISSUE_UNIQUE: 1},
    "TEST04-B": _SAME,
    "TEST05": {},
    "TEST06": {RNG_SEED: _SEED, SAMPLING_TARGET: 100},
    "TEST07": {RNG_SEED: _SEED, SAMPLING_TARGET: 990},
    "TEST08": {RNG_SEED: _SEED, SAMPLING_TARGET: 4096},
    "TEST09": {RNG_SEED: _SEED, SAMPLING_TARGET: 10000},
}
TESTS = tuple(_SETTINGS)
"""The tests that any round knows."""
# Benchmarks for which TEST01 logs fewer responses: each response is large.
_TEST01_TARGETS: Mapping[str, int] = {
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
OUTPUT_TOKENS: Mapping[str, tuple[float, float]] = {
    "gpt-oss-120b": (1150.38, 1406.02),
    "e2e-rag-qna": (246.43, 301.19),
}
"""TEST09: the bounds of the mean number of output tokens, by benchmark."""
TEST09_SAMPLES: Mapping[str, int] = {"gpt-oss-120b": 6396, "e2e-rag-qna": 824}
"""TEST09: the samples whose output is counted, which is the whole data set."""
TEST07_ACCURACY: Mapping[str, float] = {"gpt-oss-120b": 60.698}
"""TEST07: the least accuracy, in the unit of the benchmark's metric."""
TEST08_TOLERANCE_PERCENT = 0.1
"""TEST08: how far the normalized entropy of an answer may be from the accuracy run's."""

# How far the score of a test may be from that of the performance run.
_TOLERANCES = {"TEST01": 0.1, "TEST04": 0.1, "TEST04-A": 0.1, "TEST05": 0.05}
# Latencies (ns) so short that a fifth is allowed.
_SHORT_NS = {"SingleStream": 200_000, "MultiStream": 1_600_000}
STREAMS = tuple(_SHORT_NS)
"""The scenarios whose result is a latency."""


def audit_settings(test: str, benchmark: str) -> dict[str, int]:
    """Return the settings that the test's ``audit.config`` adds to those of a performance run.

    Parameters
    ----------
    test:
        Such as ``TEST04-A``; KeyError for a test that no round knows.
    benchmark:
        The official name.
    """
    settings = dict(_SETTINGS[test])
    if test == "TEST01":
        settings[SAMPLING_TARGET] = _TEST01_TARGETS.get(benchmark, settings[SAMPLING_TARGET])
    return settings


def tolerance(test: str, scenario: str, latency_ns: float = float("inf")) -> float:
    """Return how far a test's score may be from the reference, as a fraction of it.

    ``latency_ns`` is the reference where it is a latency.
    """
    return 0.2 if latency_ns <= _SHORT_NS.get(scenario, 0) else _TOLERANCES[test]
