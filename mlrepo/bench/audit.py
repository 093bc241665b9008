"""The compliance tests: what each changes in a run, and which can be run here.

Sources: the ``audit.config`` files below ``compliance/`` of mlcommons/inference, by round, and the
rounds' tables of which test belongs to which benchmark and scenario.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlrepo.errors import UserError
from mlrepo.logs.user_conf import UserConf
from mlrepo.record import COMPLIANCE
from mlrepo.rounds import Round
from mlrepo.rounds.audits import audit_settings
from mlrepo.workloads import Workload

TEST01 = "TEST01"
# The others judge what a language model or a recommender answers.
_RUNNABLE = (TEST01, "TEST04", "TEST04-A", "TEST04-B", "TEST05")


@dataclass(frozen=True)
class ComplianceTest:
    """One compliance test as it is to be run, with what it is verified against.

    Attributes
    ----------
    name:
        ``TEST01``, ``TEST04``, ``TEST04-A``, ``TEST04-B`` or ``TEST05``.
    audit:
        The content of its ``audit.config``.
    seeds:
        Seeds to set besides (TEST05).
    reference:
        Run ids by mode: the performance and accuracy runs, and ``TEST04-B`` for ``TEST04-A``.
    score:
        LoadGen's raw result (nanoseconds for latencies) of the run it is compared with.
    target_latency:
        The latency bound of the performance run in nanoseconds (Server); None elsewhere.
    accuracy_log:
        TEST01: the full accuracy log of the accuracy run.
    conf:
        The ``user.conf`` of the performance run.
    model:
        The SHA-256 of the performance run's model; '' where its record has none.
    """

    name: str
    audit: str
    seeds: dict[str, int]
    reference: dict[str, str]
    score: float | None
    target_latency: float | None
    accuracy_log: bytes
    conf: UserConf
    model: str = ""


def audits_of(round_: Round, workload: Workload, scenario: str) -> tuple[str, ...]:
    """Return the tests that the round asks of a benchmark, or of the one that it follows.

    ``TEST04-B`` comes before ``TEST04-A``, which is compared with it.
    """
    tests = round_.compliance_tests(official_name(round_, workload), scenario)
    return tuple(sorted(tests, key=lambda test: test.replace("-B", "-0")))


def check_test(round_: Round, workload: Workload, scenario: str, test: str) -> None:
    """Raise :class:`UserError` for a test that does not belong here or cannot be run."""
    tests = audits_of(round_, workload, scenario)
    if test not in tests:
        listed = ", ".join(tests) or "no test"
        raise UserError(
            f"{test} does not belong to {workload.name} {scenario} in {round_.name}.",
            hint=f"{round_.name} asks for {listed}.",
        )
    if test not in _RUNNABLE:
        raise UserError(
            f"{test} cannot be run: it judges the tokens of a language model.",
            hint="mlrepo has no benchmark of that kind.",
        )
    if test == "TEST05" and not round_.test05_seeds():
        raise UserError(
            f"{test} cannot be run: the seeds that {round_.name} asks for are not in the rules.",
            hint="Use --test for the other tests. LoadGen has dropped TEST05 since v5.0.",
        )


def audit_config(round_: Round, workload: Workload, test: str) -> str:
    """Return the ``audit.config`` of a test."""
    settings = {"mode": 2, **audit_settings(test, official_name(round_, workload))}
    return "".join(f"*.*.{key} = {value}\n" for key, value in settings.items())


def expected_settings(audit: str) -> dict[str, int]:
    """Return what LoadGen must report as effective when it obeyed an ``audit.config``."""
    pairs = (line.split(" = ") for line in audit.splitlines())
    found = {key.rpartition(".")[2]: int(value) for key, value in pairs}
    found.pop("mode")
    return found


def run_name(mode: str, test: str) -> str:
    """Return what a run of the matrix is called: its mode, or the test's name."""
    return test if mode == COMPLIANCE else mode


def official_name(round_: Round, workload: Workload) -> str:
    """Return the official benchmark whose rules a workload follows."""
    return round_.official_benchmark(workload.name) or workload.follows
