"""Judge the accuracy verification of a compliance test, and the files kept with it."""

from __future__ import annotations

from mlrepo.checker.breach import Breach, Judging
from mlrepo.checker.compliance.runs import TestRun, expected_entries
from mlrepo.checker.compliance.texts import (
    breaches_of,
    judge_answers,
    judge_extra,
    judge_failure,
    judge_no_text,
    judge_test_log,
)
from mlrepo.checker.docket import Docket
from mlrepo.checker.official.audits import OfficialAudits
from mlrepo.checker.scope import Scope
from mlrepo.compliance import ComplianceTest
from mlrepo.compliance.evidence import TextFacts
from mlrepo.logs.verify import has_baseline, metrics_of

_LOG = "accuracy/mlperf_log_accuracy.json"
# The part of the rule `compliance` about the evidence beside a verification that is decisive.
_EVIDENCE = "evidence"
# The texts that decide a test whose responses differ.
_TEXTS = frozenset({"baseline_accuracy.txt", "compliance_accuracy.txt"})


def judge_accuracy(
    docket: Docket, path: str, test: ComplianceTest, run: TestRun | None, audits: OfficialAudits
) -> bool:
    """Judge the accuracy part of a test's directory; return the official verdict.

    ``run`` is the test's run; None where it cannot be read.
    """
    if not test.accuracy_text:
        return True
    scope, verdict = docket.scope, f"{path}/{test.accuracy_text}"
    text = scope.text(verdict)
    if text is None:
        docket.record(judge_no_text(scope, verdict))
        docket.record(audits.no_text(verdict))
        return False
    sure = test.passes(text, alone=audits.wants_line)
    if sure:
        entries = expected_entries(run.values) if run else 0
        facts = TextFacts(scope.model, scope.scenario, entries)
        docket.record(breaches_of(scope, verdict, test.text_faults(text, facts)))
        docket.record(judge_answers(scope, f"{path}/{_LOG}", test))
        if test.compares_log:
            docket.record(judge_test_log(scope, f"{path}/{_LOG}", test))
    if not test.baseline_decides:
        if not sure:
            docket.record(judge_failure(scope, verdict, test.failure(text)))
        return sure
    directory = f"{path}/accuracy"
    if sure and has_baseline(text):
        docket.record(_judge_delta(scope, directory, test, part=_EVIDENCE))
    part = _EVIDENCE if sure and audits.forgives_files else ""
    _, good = docket.judged(_judge_kept(scope, directory, test, sure=sure, part=part))
    return good


def _judge_kept(
    scope: Scope, directory: str, test: ComplianceTest, *, sure: bool, part: str
) -> Judging[bool]:
    """Judge the files of a test that a baseline may decide, and that baseline.

    Parameters
    ----------
    sure:
        Whether the verification passes.
    part:
        The part of the rule that missing files break; not empty where the official checker does not
        ask for them, and then other files may be there.
    """
    binding = scope.round.binding_compliance and not part
    files = scope.files(directory)
    wanted = test.kept_files(scope.round, passed=sure)
    missing = [name for name in wanted if name not in files]
    if binding and not missing:
        extra = yield from judge_extra(scope, directory, set(wanted), test.name)
        if extra:
            return False
    if missing:
        # Where tests are not binding, the texts count, not the files beside them.
        slight = not scope.round.binding_compliance and _TEXTS.isdisjoint(missing)
        message = f"{test.name} lacks {', '.join(missing)}."
        yield Breach("compliance", directory, message, part=part, is_slight=slight)
        if slight and not sure:
            yield from _judge_delta(scope, directory, test, part=_EVIDENCE)
        return scope.exists(directory) and not binding
    if sure:
        return True
    is_near = yield from _judge_delta(scope, directory, test)
    # Where tests are not binding, the official checker accepts this failure.
    return is_near or not scope.round.binding_compliance


def _judge_delta(
    scope: Scope, directory: str, test: ComplianceTest, *, part: str = ""
) -> Judging[bool]:
    """Judge a test that is not deterministic: the two accuracies must be close."""
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
            yield Breach(
                "compliance",
                directory,
                f"{test.name}: {metric} differs from the accuracy run's.",
                expected=f"within {allowed} %",
                actual=f"{before[metric]}, {after[metric]}",
                part=part,
            )
            return False
    return True
