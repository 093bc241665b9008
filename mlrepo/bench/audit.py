"""Prepare a compliance test, and list the tests that a round requires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.compliance import compliance_test, in_order
from mlrepo.compliance.protocol import AUDIT_KEYS
from mlrepo.errors import UserError
from mlrepo.logs.user_conf import UserConf
from mlrepo.record import COMPLIANCE
from mlrepo.rounds import Round
from mlrepo.workloads import Workload


@dataclass(frozen=True)
class PreparedTest:
    """A compliance test that is ready to run, with what it is verified against.

    Attributes
    ----------
    name:
        Such as ``TEST04-A``.
    audit:
        The content of its ``audit.config``.
    seeds:
        Seeds to set in addition.
    reference:
        Ids of the runs it is compared with: performance and accuracy by mode, another test by name.
    score:
        LoadGen's raw result (nanoseconds for latencies) of the run it is compared with.
    target_latency:
        The latency bound of the performance run in nanoseconds (Server); None elsewhere.
    accuracy_log:
        The full accuracy log of the accuracy run, if responses are compared with it.
    conf:
        The ``user.conf`` of the performance run.
    model:
        The SHA-256 of the performance run's model; '' if its record has none.
    """

    name: str
    audit: str
    seeds: Mapping[str, int]
    reference: dict[str, str]
    score: float | None
    target_latency: float | None
    accuracy_log: bytes
    conf: UserConf
    model: str = ""


def audits_of(round_: Round, workload: Workload, scenario: str) -> tuple[str, ...]:
    """Return the tests that the round requires of a benchmark, or of the one it follows.

    If that one has none, they are those of the benchmark as which it is measured. A test comes
    after the one it is compared with.
    """
    tests = round_.compliance_tests(official_name(round_, workload), scenario)
    if not tests and workload.measured_as:
        tests = round_.compliance_tests(workload.measured_as, scenario)
    return in_order(tests)


def check_test(round_: Round, workload: Workload, scenario: str, test: str) -> None:
    """Raise :class:`UserError` for a test that does not belong here or cannot be run."""
    tests = audits_of(round_, workload, scenario)
    if test not in tests:
        listed = ", ".join(tests) or "no test"
        raise UserError(
            f"{test} does not belong to {workload.name} {scenario} in {round_.name}.",
            hint=f"{round_.name} asks for {listed}.",
        )
    refusal = compliance_test(test).refusal(round_)
    if refusal is not None:
        why, hint = refusal
        raise UserError(f"{test} cannot be run: {why}.", hint=hint)


def audit_config(round_: Round, workload: Workload, scenario: str, test: str) -> str:
    """Return the ``audit.config`` of a test."""
    about, benchmark = compliance_test(test), official_name(round_, workload)
    settings = {**about.settings(benchmark), **about.further_settings(benchmark, scenario)}
    lines = {"mode": 2, **settings}.items()
    return "".join(f"*.*.{key} = {value}\n" for key, value in lines)


def expected_settings(audit: str) -> dict[str, int]:
    """Return the effective settings that LoadGen reports if it obeyed an ``audit.config``."""
    pairs = (line.split(" = ") for line in audit.splitlines())
    found = {key.rpartition(".")[2]: int(value) for key, value in pairs}
    return {key: value for key, value in found.items() if key in AUDIT_KEYS}


def run_name(mode: str, test: str) -> str:
    """Return the name of a run of the matrix: its mode, or the test's name."""
    return test if mode == COMPLIANCE else mode


def official_name(round_: Round, workload: Workload) -> str:
    """Return the official benchmark whose rules a workload follows."""
    return round_.official_benchmark(workload.name) or workload.follows
