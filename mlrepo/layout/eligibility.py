"""Why a run may not be part of a result of its round."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlrepo.compliance import compliance_test
from mlrepo.compliance.protocol import MIN_DURATION
from mlrepo.differences import configuration, differing
from mlrepo.logs.user_conf import KEYS, UserConf
from mlrepo.record import ACCURACY, BY_LENGTH, IMPORTED_TAG, PROBE_TAG, SWEEP_TAG, VALID
from mlrepo.rounds import Round
from mlrepo.rounds.setting_rules import (
    SAMPLES,
    TOO_SHORT,
    Broken,
    Subject,
    broken_in_conf,
    broken_in_log,
    loadgen_names,
)

if TYPE_CHECKING:
    from mlrepo.record import Metric, RunRecord


def why_not_eligible(record: RunRecord, round_: Round, *, rehearsed: bool = False) -> str:
    """Return why a run may not be part of any result, or an empty string.

    ``rehearsed`` lets benchmarks pass that the division of the round does not have.
    """
    if record.validity != VALID:
        return f"the run is {record.validity}"
    if PROBE_TAG in record.tags:
        return "the run is a probe of the peak search"
    if SWEEP_TAG in record.tags:
        return "the run is a point of a sweep"
    if IMPORTED_TAG in record.tags:
        return "the run was imported"
    if record.division == "closed" and record.backend.agreement.waived:
        return f"closed takes no scores that nobody compared: {not_compared(record)}"
    if record.division == "closed" and record.dataset.preprocessing == BY_LENGTH:
        return "closed pads every sample to the same length, and the run sorted them by length"
    noise = record.load.noise
    if noise.required_quiet and noise.disturbances:
        return f"the machine was not quiet: {'; '.join(noise.disturbances)}"
    allowed = round_.allows(record.division, record.category, record.benchmark, record.scenario)
    if not allowed and not rehearsed:
        return (
            f"{record.benchmark} {record.scenario} does not belong to the {record.division} "
            f"division ({record.category}) of {round_.name}"
        )
    return why_no_result(record, round_)


def not_compared(record: RunRecord) -> str:
    """Return why the backend's scores were not compared with the model's own, or an empty string.

    Runs of an older mlrepo say nothing of it.
    """
    return record.backend.agreement.why


def why_no_result(record: RunRecord, round_: Round) -> str:
    """Return which setting of LoadGen makes a run no result of its round at all, or ''.

    Such a run cannot be placed, even by asking for it: its number is that of another load. The
    record has LoadGen's effective settings; what these do not show, its ``user.conf`` does.
    """
    ran = (one for one in _ran_with(record, round_) if one.key not in (*TOO_SHORT, SAMPLES))
    asked = (
        one
        for one in _asked_for(record, round_)
        if one.key == SAMPLES or not one.logged.startswith("effective_")
    )
    return _words(next(ran, None) or next(asked, None), round_)


def _words(broken: Broken | None, round_: Round) -> str:
    if broken is None:
        return ""
    name = broken.logged or broken.key
    ran = int(broken.actual) if isinstance(broken.actual, bool) else broken.actual
    return f"it ran with {name} = {ran}, and {round_.name} asks for {broken.expected}"


def _subject(record: RunRecord, round_: Round) -> Subject:
    official = round_.official_benchmark(record.benchmark)
    return Subject(round_, record.division, official, record.scenario, record.test)


def _ran_with(record: RunRecord, round_: Round) -> Iterator[Broken]:
    """Yield the effective settings of a performance run that break a class."""
    effective = record.loadgen.effective.by_name()
    # Seeds are asked for where a run is selected: a branch may hold runs of another LoadGen.
    shown = {f"effective_{key}": each for key, each in effective.items() if "_rng_" not in key}
    return broken_in_log(_subject(record, round_), shown if record.mode != ACCURACY else {})


def _asked_for(record: RunRecord, round_: Round) -> Iterator[Broken]:
    """Yield what the recorded ``user.conf`` of a performance run asks for and breaks a class."""
    subject = _subject(record, round_)
    name = loadgen_names(subject.benchmark, record.scenario)[0] or record.benchmark
    try:
        values = dict(json.loads(record.setting("user.conf") or "{}"))
        conf = UserConf("", {str(key): str(value) for key, value in values.items()})
        found = {
            key: value
            for key in KEYS
            if (value := conf.effective(name, subject.loadgen_scenario, key)) is not None
        }
        yield from broken_in_conf(subject, found if record.mode != ACCURACY else {})
    except (ValueError, TypeError, OverflowError):  # no configuration that LoadGen could have read
        return


def why_not_submitted(record: RunRecord, round_: Round, *, quick: bool) -> str:
    """Return why an eligible run may not be submitted, or an empty string.

    A branch keeps a short run, or one below the accuracy target, in its result, where it shows
    how far one is; a submission does not. ``quick`` lets short runs pass.
    """
    return (
        _wrong_loadgen(record, round_)
        or ("" if quick else _too_short(record, round_) or _too_small(record, round_))
        or _inaccurate(record, round_)
    )


def difference(first: RunRecord, second: RunRecord) -> str:
    """Name what differs between two configurations, for people."""
    found = differing([[configuration(first)], [configuration(second)]])
    return ", ".join(difference.name for difference in found) or "see run.json"


def _wrong_loadgen(record: RunRecord, round_: Round) -> str:
    """Require the round's seeds, by which the checkers tell which round a LoadGen is for."""
    own = compliance_test(record.test).seeds(round_)
    wanted = round_.seeds() if own is None else own
    seeds = record.loadgen.seeds
    wrong = [name for name, seed in wanted.items() if name in seeds and seeds[name] != seed]
    if not wrong:
        return ""
    version = record.loadgen.package or record.loadgen.version or "unknown"
    return (
        f"LoadGen {version} does not belong to {round_.name}: its {wrong[0]} is "
        f"{seeds[wrong[0]]}, the round's is {wanted[wrong[0]]}"
    )


def _too_short(record: RunRecord, round_: Round) -> str:
    lasted = record.loadgen.effective.min_duration_ms
    asked = round_.min_duration_ms()
    if record.mode == ACCURACY or lasted is None or int(lasted) >= asked:
        return ""
    benchmark = round_.official_benchmark(record.benchmark)
    if MIN_DURATION in compliance_test(record.test).further_settings(benchmark, record.scenario):
        return ""  # as its audit.config asks
    return (
        f"the run was asked to last {int(lasted) / 1e3:g} s, the round requires {asked / 1e3:g} s"
    )


def _too_small(record: RunRecord, round_: Round) -> str:
    """Report too few queries or samples: the official checkers reject such a run."""
    ran = (one for one in _ran_with(record, round_) if one.key in (*TOO_SHORT, SAMPLES))
    return _words(next(ran, None), round_)


def _inaccurate(record: RunRecord, round_: Round) -> str:
    """Compare each metric with its target and limit; the open division accepts any accuracy.

    A run of a benchmark with one target may have its result alone.
    """
    if record.division == "open" or record.mode != ACCURACY:
        return ""
    targets = round_.accuracy_targets(record.benchmark, record.scenario)
    metrics = dict(record.metrics)
    if len(targets) == 1:
        metrics.setdefault(targets[0]["metric"], record.result)
    for target in targets:
        found = metrics.get(target["metric"])
        least = float(target["min"])
        if found is not None and found.value is not None and found.value < least:
            return f"its accuracy, {_exact(found, found.value)}, is below the target of " + _exact(
                found, least
            )
    for limit in round_.accuracy_limits(record.benchmark):
        found = metrics.get(limit["metric"])
        most = float(limit["max"])
        if found is not None and found.value is not None and found.value > most:
            return f"its {limit['metric']}, {found.value:g}, is above the limit of {most:g}"
    return ""


def _exact(metric: Metric, value: float) -> str:
    return f"{value:g} {metric.unit}".rstrip()
