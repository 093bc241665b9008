"""The verification of accuracy of a compliance test, and what is kept of it."""

from __future__ import annotations

from mlrepo.checker.compliance.runs import TestRun, expected_entries
from mlrepo.checker.compliance.texts import (
    judge_answers,
    judge_extra,
    judge_test_log,
    report_failure,
    report_faults,
    report_no_text,
)
from mlrepo.checker.official.modular import is_modular
from mlrepo.checker.scope import Scope
from mlrepo.compliance import ComplianceTest
from mlrepo.compliance.evidence import TextFacts
from mlrepo.logs.verify import has_baseline, metrics_of

_LOG = "accuracy/mlperf_log_accuracy.json"
# What a test is judged by where its responses differ.
_TEXTS = frozenset({"baseline_accuracy.txt", "compliance_accuracy.txt"})


def judge_accuracy(
    scope: Scope, path: str, test: ComplianceTest, run: TestRun | None, *, binding: bool
) -> bool:
    """Judge what lies in a test's directory about accuracy; return the official verdict.

    Parameters
    ----------
    run:
        The test's run; None where it cannot be read.
    binding:
        The round's checker asks for each test; before, the texts count, and not what is kept
        beside them.
    """
    if not test.accuracy_text:
        return True
    verdict = f"{path}/{test.accuracy_text}"
    text = scope.text(verdict)
    if text is None:
        report_no_text(scope, verdict)
        return False
    modular = is_modular(scope.round)
    sure = test.passes(text, alone=modular)
    if sure:
        entries = expected_entries(run.values) if run else 0
        facts = TextFacts(scope.model, scope.scenario, entries)
        report_faults(scope, verdict, test.text_faults(text, facts))
        judge_answers(scope, f"{path}/{_LOG}", test)
        if test.compares_log:
            judge_test_log(scope, f"{path}/{_LOG}", test)
    if not test.baseline_decides:
        if not sure:
            report_failure(scope, verdict, test.failure(text))
        return sure
    if sure and has_baseline(text):
        _judge_delta(scope, f"{path}/accuracy", test, binding=binding, official=False)
    matter = not (modular and sure)
    return _judge_kept(scope, f"{path}/accuracy", test, sure, binding=binding, matter=matter)


def _judge_kept(
    scope: Scope, directory: str, test: ComplianceTest, sure: bool, *, binding: bool, matter: bool
) -> bool:
    """Judge the files of a test that a baseline may decide, and that baseline.

    ``sure``: the verification passes; ``matter``: the official checker asks for the files.
    """
    files = scope.files(directory)
    wanted = test.kept_files(scope.round, passed=sure)
    missing = [name for name in wanted if name not in files]
    if matter and not missing and binding and judge_extra(scope, directory, set(wanted), test.name):
        return False
    if missing:
        # Up to v2.0 the texts count, and not what is kept beside them.
        warns = not binding and _TEXTS.isdisjoint(missing)
        scope.report(
            "compliance",
            directory,
            f"{test.name} lacks {', '.join(missing)}.",
            official=None if matter else False,
            warns=warns,
        )
        if warns and not sure:
            _judge_delta(scope, directory, test, binding=binding, official=False)
        return scope.exists(directory) if not (matter and binding) else False
    return sure or _judge_delta(scope, directory, test, binding=binding)


def _judge_delta(
    scope: Scope,
    directory: str,
    test: ComplianceTest,
    *,
    binding: bool,
    official: bool | None = None,
) -> bool:
    """Judge a test that is not deterministic: both accuracies must lie near each other."""
    tables = scope.round.tables
    metrics = [t["metric"] for t in scope.round.accuracy_targets(scope.model, scope.scenario)]
    texts = [
        scope.text(f"{directory}/{name}_accuracy.txt") or "" for name in ("baseline", "compliance")
    ]
    before, after = (metrics_of(text, tables["accuracy_pattern"], metrics) for text in texts)
    default = tables.get("accuracy_delta_percent_default") or {"99.9": 0.1, "other": 1.0}
    own = (tables.get("accuracy_delta_percent") or {}).get(scope.model) or {}
    for metric in metrics:
        allowed = own.get(metric, default["99.9" if "99.9" in scope.model else "other"])
        known = before[metric] and after[metric]
        delta = abs(1 - before[metric] / after[metric]) * 100 if known else float("inf")
        if not delta <= allowed:
            scope.report(
                "compliance",
                directory,
                f"{test.name}: {metric} differs from the accuracy run's.",
                expected=f"within {allowed} %",
                actual=f"{before[metric]}, {after[metric]}",
                official=official,
            )
            # Up to v2.0 the official checker lets TEST01's accuracy fail.
            return not binding
    return True
