"""The power metric of real results equals what the official checker printed."""

from __future__ import annotations

import pytest

from mlrepo.checker.docket import Docket
from mlrepo.checker.power.judge import has_power, judge_power
from mlrepo.checker.scope import Scope
from mlrepo.logs.detail import parse_detail
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED, Place
from tests.outside import CORPUS, needs_shared

_CORPUS = CORPUS / "v1.1"

pytestmark = needs_shared(_CORPUS)


@pytest.mark.parametrize(
    ("submitter", "system", "directory", "scenario", "official"),
    [
        ("Qualcomm", "g292_z43_q16-qaic-v1.5.6-aic100", "server", "Server", 1790.9826666666677),
        (
            "Krai",
            "xavier-power.0-fan.cool-armnn-v21.05-neon",
            "singlestream",
            "SingleStream",
            1.3344915474902863,
        ),
    ],
)
def test_the_metric_is_the_official_one(
    submitter: str, system: str, directory: str, scenario: str, official: float
) -> None:
    """Watts and Joules are equal to the last digit, and the unchecked signatures are named."""
    place = Place("closed", submitter, system, "resnet50", directory)
    scope = Scope(DirectoryTree(_CORPUS), SHIPPED["v1.1"], place, "resnet", scenario)
    assert has_power(scope)
    log = scope.tree.read(f"{scope.path}/performance/run_1/mlperf_log_detail.txt")
    _, power = Docket(scope).judged(judge_power(scope, parse_detail(log).values))
    assert power.metric == official
    assert [finding.rule for finding in scope.findings] == ["power-not-verified"]
