"""Judge one result: measurements, accuracy, performance, power, compliance."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from mlrepo.checker.accuracy.judge import AccuracyJudgement, judge_accuracy
from mlrepo.checker.breach import Breach
from mlrepo.checker.compliance.judge import judge_compliance, required_tests
from mlrepo.checker.compliance.runs import run_prints
from mlrepo.checker.docket import Docket
from mlrepo.checker.documents.copies import SYSTEM
from mlrepo.checker.documents.files import judge_file_list
from mlrepo.checker.documents.measurements import Measurements, judge_measurements
from mlrepo.checker.endpoints.judge import is_endpoints, judge_endpoints
from mlrepo.checker.endpoints.performance import SUMMARY, directory_of_endpoints
from mlrepo.checker.official import rows
from mlrepo.checker.power.judge import POWER, MeasuredPower, design_power, has_power, judge_power
from mlrepo.checker.report import Result
from mlrepo.checker.runs.performance import Run, judge_run
from mlrepo.checker.runs.run_facts import judge_pair, judge_tokens
from mlrepo.checker.runs.summary import judge_summary
from mlrepo.checker.runs.tokens import latencies_in_words
from mlrepo.checker.scope import Scope
from mlrepo.checker.walk.links import link_on_the_way
from mlrepo.logs.scan import HEAD_SIZE, digest_of_head
from mlrepo.record import Metric
from mlrepo.rounds.inference import inferred_unit, sources_of
from mlrepo.tree import Kind, Missing


@dataclass(frozen=True)
class Judged:
    """A judged result, and the errors that the official checker counts for it."""

    result: Result
    errors: int


@dataclass(frozen=True)
class _Performance:
    official: bool
    run: Run
    power: float = 0.0
    errors: int = 0
    has_power: bool = False


def judge_result(scope: Scope, errors: int) -> Judged:
    """Judge the scope's result; ``errors`` is the count from the benchmark's other scenarios."""
    docket = Docket(scope)
    if is_endpoints(scope):
        return Judged(_judge_endpoints(docket), errors)
    if link := link_on_the_way(scope.tree, scope.path):
        message = "The result is reached through a link."
        docket.record([Breach("tree-symlink", link, message, part="on the way")])
    measured = judge_measurements(docket, with_power=has_power(scope))
    stops = scope.round.ends_at_an_issue and not measured.is_accepted
    if stops:
        docket.leave()
    accuracy = judge_accuracy(docket)
    if accuracy.stops:
        docket.leave()
    performance = _judge_performance(docket)
    docket.record(judge_pair(scope, performance.run.scan.values, accuracy.logged))
    tokens = accuracy.metrics.get("TOKENS_PER_SAMPLE")
    of_accuracy = tokens.value if tokens else ""
    docket.record(judge_tokens(scope, performance.run.scan.values, of_accuracy))
    complies = scope.is_open or judge_compliance(
        docket, lambda directory, test: judge_run(docket, directory, test), performance.run
    )
    docket.record(docket.official.loading(scope, required_tests(scope), judged=True))
    errors += _errors(scope, measured, accuracy, performance)
    official = (
        performance.official
        and accuracy.official
        and not accuracy.stops
        and not stops
        and (complies or not scope.round.binding_compliance)
    )
    run = performance.run
    figures = rows.Figures(
        value=run.printed,
        accuracy=accuracy.text,
        power=performance.power,
        compliance=int(complies),
        errors=errors,
        inferred=run.inferred,
        weight_data_types=measured.weights,
        design_power=docket.judged(design_power(scope))[1] if performance.has_power else None,
    )
    metric = Metric(run.value, _unit(scope, run.scenario))
    result = _result(docket, official, figures, metric)
    latencies = latencies_in_words(scope.round, scope.model, run.scan.values)
    return Judged(replace(result, measured=accuracy.words, token_latencies=latencies), errors)


def _power_prints(measured: MeasuredPower) -> list[tuple[str, str]]:
    return [(POWER, measured.fingerprint)] if measured.fingerprint else []


def _judge_endpoints(docket: Docket) -> Result:
    scope = docket.scope
    measured = judge_measurements(docket, needless=("user.conf",))
    accepted, run = docket.judged(judge_endpoints(scope))
    with suppress(Missing):
        data = scope.tree.read(f"{scope.path}/{SUMMARY}", HEAD_SIZE)
        scope.prints.append((SUMMARY, digest_of_head(data)))
    metric, sound = 0.0, True
    if has_power(scope):
        # A run against an endpoint logs no power window, so no metric can be computed.
        sound, measured_power = docket.judged(judge_power(scope, {}))
        metric = measured_power.metric or 0.0
        scope.prints += _power_prints(measured_power)
    return _result(
        docket,
        measured.is_accepted and accepted and sound,
        rows.Figures(
            value=run.value,
            accuracy=run.accuracy,
            power=metric,
            compliance=1,
            errors=0,
            inferred=run.inferred,
            weight_data_types=measured.weights,
            scenario=directory_of_endpoints(scope),
        ),
        Metric(run.value, run.unit),
    )


def _errors(
    scope: Scope,
    measured: Measurements,
    accuracy: AccuracyJudgement,
    performance: _Performance,
) -> int:
    """Return the official checker's error count for the result, as in the summary's column.

    Issues of the measurements count even where they invalidate nothing. Once the checker skips to
    the next result, it counts no further errors.
    """
    ends = scope.round.ends_at_an_issue
    issues = measured.is_incomplete or (ends and measured.is_empty)
    if (issues and ends) or accuracy.stops:
        return 1
    return issues + (accuracy.counts and not accuracy.official) + performance.errors


def _judge_performance(docket: Docket) -> _Performance:
    scope = docket.scope
    runs = scope.round.tables["performance_runs"].get(scope.place.scenario, 1)
    with_power = has_power(scope)
    run, metric, errors, official = Run(), 0.0, 0, False
    for number in range(1, runs + 1):
        name = f"run_{number}"
        directory = f"{scope.path}/performance/{name}"
        entry = scope.tree.entry(directory)
        if entry is None or entry.kind is not Kind.DIRECTORY:
            is_file = entry is not None and entry.kind is Kind.FILE
            part = "further file" if is_file else "further run"
            if number == 1:
                part = "file" if is_file else ""
            message = "The run is missing."
            docket.record([Breach("performance-missing", directory, message, part=part)])
            continue
        more = scope.round.tables["required_files"]["power_run"] if with_power else ()
        listed = docket.record(judge_file_list(scope, directory, "performance", more))
        run = judge_run(docket, directory)
        scope.prints += run_prints(f"performance/{name}", run.scan)
        docket.record(judge_summary(scope, directory, run))
        valid = run.official
        if with_power:
            sound, power = docket.judged(judge_power(scope, run.scan.values))
            scope.prints += _power_prints(power)
            metric = power.metric if sound and power.metric is not None else 0.0
            valid = valid and sound
        official = official or (valid and listed)
        errors += listed and not valid
    return _Performance(official, run, metric, errors, with_power)


def _unit(scope: Scope, logged: str) -> str:
    """Return the unit of the result, given the scenario in its log."""
    if logged in sources_of(scope.round, scope.scenario, scope.category):
        return inferred_unit(scope.scenario)
    return scope.round.unit(scope.model, scope.scenario)


def _result(docket: Docket, official: bool, figures: rows.Figures, metric: Metric) -> Result:
    scope, place = docket.scope, docket.scope.place
    # A result of zero counts as none; the modular checker writes its row anyway.
    value = metric.value
    has_row = (
        official and value is not None and (bool(figures.value) or docket.official.prints_zero)
    )
    if has_row:
        weights, has_power_metric = figures.weight_data_types, figures.power > 0
        printing = docket.official.at_row(scope, weights, has_power=has_power_metric)
        official = has_row = docket.record(printing)
    return Result(
        path=scope.path,
        division=place.division,
        submitter=place.submitter,
        system=place.system,
        benchmark=place.benchmark,
        scenario=place.scenario,
        official=official and bool(figures.value),
        strict=docket.is_sound,
        value=value,
        unit=metric.unit if value is not None else "",
        accuracy=figures.accuracy,
        rows=rows.rows(scope, figures) if has_row else (),
        findings=tuple(docket.findings),
        prints=(*scope.prints, (SYSTEM, scope.system_print)),
    )
