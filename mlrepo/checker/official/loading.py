"""What the modular official checker (v6.0 and later) loads before it judges a result.

It crashes on any file that it cannot load: also in the open division, and also on files that no
rule asks for, such as those of a test that the round does not require of the benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from mlrepo.checker.breach import Breach, Breaches, death
from mlrepo.checker.scope import Scope
from mlrepo.logs.scan import scan_detail
from mlrepo.tree import Missing

_MARKERS = (b":::MLLOG", b":::ENDPTS")
_DETAIL = "mlperf_log_detail.txt"
_RUNS = ("performance/run_1", "accuracy")
_TESTS_WITH_RUN = ("TEST01", "TEST04")
_VERDICTS = {
    **dict.fromkeys(("TEST01", "TEST04", "TEST06", "TEST07", "TEST08"), "verify_accuracy.txt"),
    "TEST09": "verify_output_len.txt",
}
# For these directories the endpoints loader needs no scenario from a configuration.
_SCENARIOS_BY_NAME = ("singlestream", "interactive")


def judge_loading(scope: Scope, judged_tests: Collection[str], *, judged: bool) -> Breaches:
    """Yield the files of a result that the modular checker cannot load.

    Parameters
    ----------
    judged_tests:
        Tests whose logs have been read.
    judged:
        Whether the result's own logs have been read, and their faults recorded.
    """
    yield from _missing_logs(scope)
    present = set(scope.directories(scope.path))
    runs = dict.fromkeys(_RUNS, judged)
    runs |= {
        f"{test}/{_RUNS[0]}": test in judged_tests for test in _TESTS_WITH_RUN if test in present
    }
    for directory, is_judged in runs.items():
        path = f"{scope.path}/{directory}/{_DETAIL}"
        if not is_judged or scope.no_text(path) == "it is a directory":
            yield from _judge_log(scope, path)
    texts = ["accuracy/accuracy.txt"]
    texts += [f"{test}/{name}" for test, name in _VERDICTS.items() if test in present]
    for name in texts:
        path = f"{scope.path}/{name}"
        if scope.exists(path) and scope.text(path) is None:
            yield death(path, scope.no_text(path))
    yield from _judge_measurements(scope, f"{scope.path}/measurements.json")


def _missing_logs(scope: Scope) -> Breaches:
    logs = [f"{scope.path}/{run}/{_DETAIL}" for run in _RUNS]
    missing = [path for path in logs if not scope.exists(path)]
    by_name = scope.place.scenario.lower() in _SCENARIOS_BY_NAME
    if missing and not (missing == logs and by_name):
        yield death(missing[0], "it reads the scenario from a log that is missing")


def _judge_log(scope: Scope, path: str) -> Breaches:
    if not scope.exists(path):
        return
    try:
        with scope.tree.open(path) as stream:
            scan = scan_detail(stream, ())
    except Missing:
        yield death(path, scope.no_text(path))
        return
    if scan.problem and not scan.loads:
        yield death(path, scan.problem, line=scan.problem_line)
    yield from judge_first_line(scope, path)


def judge_first_line(scope: Scope, path: str) -> Breaches:
    """Yield a detail log whose first line is not LoadGen's: the rest of it is not read."""
    try:
        head = scope.tree.read(path, 9)
    except Missing:
        return
    if head and not head.startswith(_MARKERS):
        message = "The first line is not LoadGen's."
        yield Breach("unreadable", path, message, line=1, part="first line")


def _judge_measurements(scope: Scope, path: str) -> Breaches:
    if not scope.exists(path):
        return
    text = scope.text(path)
    if text is None:
        yield death(path, scope.no_text(path))
        return
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        yield death(path, "it is not JSON")
