"""The tests of each round, and what makes one fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlrepo.bench.audit import audit_config, audits_of, check_test
from mlrepo.bench.pending import ReferenceFacts
from mlrepo.bench.verify import verify
from mlrepo.compliance import compliance_test
from mlrepo.errors import UserError
from mlrepo.harness.spec import RunSpec
from mlrepo.logs.detail import DetailLog
from mlrepo.rounds import SHIPPED
from mlrepo.workloads.digits import DIGITS

KEYS = {
    "Offline": "result_samples_per_second",
    "SingleStream": "early_stopping_latency_ss",
    "Server": "result_completed_samples_per_sec",
}


@pytest.mark.parametrize(
    ("round_", "scenario", "tests"),
    [
        ("v6.1", "Offline", ("TEST01", "TEST04")),
        ("v4.1", "Server", ("TEST01", "TEST04", "TEST05")),
        ("v1.1", "SingleStream", ("TEST01", "TEST04-B", "TEST04-A", "TEST05")),
        ("v1.1", "MultiStream", ("TEST01", "TEST05")),
    ],
)
def test_the_tests_are_those_of_the_round(
    round_: str, scenario: str, tests: tuple[str, ...]
) -> None:
    """digits follows resnet; TEST04-B comes before TEST04-A, which is compared with it."""
    assert audits_of(SHIPPED[round_], DIGITS, scenario) == tests


@pytest.mark.parametrize(
    ("round_", "seed"),
    [
        ("v0.5", 195),
        ("v0.7", 313588358309856706),
        ("v1.1", 313588358309856706),
        ("v2.0", 313588358309856706),
        ("v2.1", 313588358309856706),
        ("v3.0", 14646058500348515648),
        ("v4.1", 16799458546791641818),
    ],
)
def test_test05_runs_with_the_seeds_of_its_round(round_: str, seed: int) -> None:
    """Of its audit.config up to v2.0, else of the round's mlperf.conf; with any LoadGen."""
    check_test(SHIPPED[round_], DIGITS, "Offline", "TEST05")
    seeds = compliance_test("TEST05").seeds(SHIPPED[round_])
    assert seeds is not None
    assert seeds["qsl_rng_seed"] == seed
    assert not set(seeds.values()) & set(SHIPPED[round_].seeds().values())


@pytest.mark.parametrize("round_", ["v5.0", "v6.1"])
def test_a_round_without_test05_refuses_it(round_: str) -> None:
    """And names the tests that it has."""
    assert compliance_test("TEST05").seeds(SHIPPED[round_]) is None
    with pytest.raises(UserError, match="does not belong") as caught:
        check_test(SHIPPED[round_], DIGITS, "Offline", "TEST05")
    assert "TEST01" in caught.value.hint


@pytest.mark.parametrize(
    ("round_", "scenario", "reference", "score", "passes"),
    [
        ("v3.0", "Offline", 1000.0, 1049.0, True),
        ("v3.0", "Offline", 1000.0, 1051.0, False),
        ("v3.1", "Offline", 1000.0, 1500.0, True),
        ("v4.1", "Offline", 1000.0, 951.0, True),
        ("v4.1", "Offline", 1000.0, 949.0, False),
        ("v4.1", "Server", 1000.0, 1500.0, True),
        ("v3.0", "SingleStream", 1e6, 0.9e6, False),
        ("v4.1", "SingleStream", 1e6, 0.5e6, True),
        ("v4.1", "SingleStream", 1e6, 1.06e6, False),
        ("v4.1", "SingleStream", 1e5, 1.19e5, True),
    ],
)
def test_test05_may_be_faster_since_v3_1(
    tmp_path: Path, round_: str, scenario: str, reference: float, score: float, passes: bool
) -> None:
    """As MLCommons' verify_performance.py of that round has it: only a slower run fails."""
    reasons, text = _verify(tmp_path, "TEST05", scenario, reference, score, round_=round_)
    assert bool(reasons) is not passes
    assert text.splitlines()[-1].startswith("TEST PASS" if passes else "TEST FAIL: ")


def _verify(
    directory: Path, test: str, scenario: str, reference: float, score: float, **changed: Any
) -> tuple[tuple[str, ...], str]:
    round_ = SHIPPED[changed.pop("round_", "v6.1")]
    audit = audit_config(round_, DIGITS, scenario, test)
    (directory / "audit.config").write_text(audit)
    spec = RunSpec("digits", "onnx", scenario, "compliance", "m.onnx", test=test)
    against = ReferenceFacts(score=reference, target_latency=changed.pop("bound", None))
    values = {
        KEYS[scenario]: score,
        "effective_performance_issue_same": True,
        "effective_performance_issue_same_index": 3,
        "effective_accuracy_log_rng_seed": 720381539243781796,
        "effective_accuracy_log_sampling_target": 4096,
        **changed,
    }
    assert KEYS[scenario] == round_.result_key("digits", scenario)
    done = verify(directory, spec, round_, DetailLog(values, ()), against)
    return done.reasons, done.files["verify_performance.txt"].decode()


@pytest.mark.parametrize(
    ("scenario", "reference", "score", "passes"),
    [
        ("Offline", 1000.0, 1099.0, True),
        ("Offline", 1000.0, 1101.0, False),
        ("Offline", 1000.0, 10.0, True),  # slower is no sign of a cache
        ("SingleStream", 1e6, 0.92e6, True),
        ("SingleStream", 1e6, 0.90e6, False),
        ("SingleStream", 1e5, 0.84e5, True),  # below 200 microseconds a fifth is allowed
        ("SingleStream", 1e5, 0.83e5, False),
    ],
)
def test_test04_fails_only_when_repeating_one_sample_is_faster(
    tmp_path: Path, scenario: str, reference: float, score: float, passes: bool
) -> None:
    """Otherwise results are cached. Latencies are compared as rates."""
    reasons, text = _verify(tmp_path, "TEST04", scenario, reference, score)
    assert bool(reasons) is not passes
    assert text.splitlines()[-1].startswith("TEST PASS" if passes else "TEST FAIL: ")


@pytest.mark.parametrize(("score", "passes"), [(901.0, True), (899.0, False), (1101.0, False)])
def test_test01_must_be_as_fast_as_the_performance_run(
    tmp_path: Path, score: float, passes: bool
) -> None:
    """Within a tenth, both ways."""
    log = json.dumps([{"qsl_idx": 1, "data": "01000000"}])
    for name in ("reference_accuracy.json", "mlperf_log_accuracy.json"):
        (tmp_path / name).write_text(log)
    reasons, text = _verify(tmp_path, "TEST01", "Offline", 1000.0, score)
    assert bool(reasons) is not passes
    assert f"reference score = 1000.0\ntest score = {score}\n" in text


def test_a_run_that_did_not_obey_its_audit_settings_proves_nothing(tmp_path: Path) -> None:
    """LoadGen ignores an audit.config that it does not find without a word."""
    reasons, _ = _verify(
        tmp_path, "TEST04", "Offline", 1.0, 1.0, effective_performance_issue_same=False
    )
    assert reasons == ("LoadGen ran with performance_issue_same = False, but the test wants 1.",)


def test_another_latency_bound_fails_a_server_test(tmp_path: Path) -> None:
    """A bound that is wider under test makes the results incomparable."""
    changed = {"bound": 15e6, "effective_target_latency_ns": 20_000_000}
    reasons, _ = _verify(tmp_path, "TEST04", "Server", 100.0, 100.0, **changed)
    assert reasons == ("TEST04 failed: the target latency is not that of the performance run.",)
