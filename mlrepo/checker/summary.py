"""Strict: LoadGen's summary for people must say what its detail log says."""

from __future__ import annotations

import re

from mlrepo.checker.performance import Run
from mlrepo.checker.scope import Scope

_VERDICT = re.compile(r"^Result is\s*:\s*(\w+)", re.MULTILINE)
_SCENARIO = re.compile(r"^Scenario\s*:\s*([\w ]+?)\s*$", re.MULTILINE)
_OFFLINE = re.compile(r"^Samples per second\s*:\s*(\S+)", re.MULTILINE)


def judge_summary(scope: Scope, directory: str, run: Run) -> None:
    """Compare verdict, scenario and, where both name it, the result of the two files."""
    path = f"{directory}/mlperf_log_summary.txt"
    if not scope.exists(path) or not scope.round.has_detail_log() or not run.scan.values:
        return
    text = scope.text(path, 1 << 20)
    verdict = _VERDICT.search(text or "")
    if text is None or verdict is None:
        scope.report("performance-summary", path, "It holds no verdict.", official=False)
        return
    said = {"verdict": verdict[1], "scenario": "", "result": ""}
    logged = {"verdict": run.scan.values.get("result_validity"), "scenario": "", "result": ""}
    if scenario := _SCENARIO.search(text):
        said["scenario"], logged["scenario"] = scenario[1].replace(" ", ""), run.scenario
    if run.scenario == "Offline" and (result := _OFFLINE.search(text)):
        number = run.scan.values.get("result_samples_per_second")
        if not _close(result[1], number):
            said["result"], logged["result"] = result[1], str(number)
    for what, word in said.items():
        if word != logged[what]:
            scope.report("performance-summary", path, f"The {what} is not the detail log's.",
                         expected=logged[what], actual=word, official=False)  # fmt: skip


def _close(text: str, number: object) -> bool:
    try:
        value, other = float(text), float(str(number))
    except ValueError:
        return False
    return value == other or abs(value - other) <= 1e-3 * abs(other)
