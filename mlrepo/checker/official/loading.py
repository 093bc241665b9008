"""What the modular official checker (v6.0 and later) loads of a result before it judges anything.

It dies where a file that is there cannot be loaded: also in the open division, and also of files
that no rule asks for, such as those of a test that the round does not want of the benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from mlrepo.checker.official.modular import is_modular, judge_log_start
from mlrepo.checker.scope import Scope
from mlrepo.logs.scan import scan_detail
from mlrepo.tree import Missing

_DETAIL = "mlperf_log_detail.txt"
_RUNS = ("performance/run_1", "accuracy")
_TESTS_WITH_RUN = ("TEST01", "TEST04")
_VERDICTS = {
    **dict.fromkeys(("TEST01", "TEST04", "TEST06", "TEST07", "TEST08"), "verify_accuracy.txt"),
    "TEST09": "verify_output_len.txt",
}
# Of these directories the endpoints loader asks no scenario of a configuration.
_SCENARIOS_BY_NAME = ("singlestream", "interactive")


def judge_loading(scope: Scope, judged_tests: Collection[str], *, judged: bool) -> None:
    """Report the files of a result that the modular checker cannot load.

    Parameters
    ----------
    judged_tests:
        Tests whose logs were read.
    judged:
        The result's own logs were read, and what is wrong with them was reported.
    """
    if not is_modular(scope.round):
        return
    _report_missing_logs(scope)
    present = set(scope.directories(scope.path))
    runs = dict.fromkeys(_RUNS, judged)
    runs |= {
        f"{test}/{_RUNS[0]}": test in judged_tests for test in _TESTS_WITH_RUN if test in present
    }
    for directory, is_judged in runs.items():
        path = f"{scope.path}/{directory}/{_DETAIL}"
        if not is_judged or scope.no_text(path) == "it is a directory":
            _judge_log(scope, path)
    texts = ["accuracy/accuracy.txt"]
    texts += [f"{test}/{name}" for test, name in _VERDICTS.items() if test in present]
    for name in texts:
        path = f"{scope.path}/{name}"
        if scope.exists(path) and scope.text(path) is None:
            scope.dies(path, scope.no_text(path))
    _judge_measurements(scope, f"{scope.path}/measurements.json")


def _report_missing_logs(scope: Scope) -> None:
    logs = [f"{scope.path}/{run}/{_DETAIL}" for run in _RUNS]
    missing = [path for path in logs if not scope.exists(path)]
    by_name = scope.place.scenario.lower() in _SCENARIOS_BY_NAME
    if missing and not (missing == logs and by_name):
        scope.dies(missing[0], "it reads the scenario of a log that is not there")


def _judge_log(scope: Scope, path: str) -> None:
    if not scope.exists(path):
        return
    try:
        with scope.tree.open(path) as stream:
            scan = scan_detail(stream, ())
    except Missing:
        scope.dies(path, scope.no_text(path))
        return
    if scan.problem and not scan.loads:
        scope.dies(path, scan.problem, line=scan.problem_line)
    judge_log_start(scope, path)


def _judge_measurements(scope: Scope, path: str) -> None:
    if not scope.exists(path):
        return
    text = scope.text(path)
    if text is None:
        scope.dies(path, scope.no_text(path))
        return
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        scope.dies(path, "it is not JSON")
