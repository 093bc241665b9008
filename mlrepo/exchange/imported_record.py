"""Make the record of another harness's run from its logs and the files beside them."""

from __future__ import annotations

import dataclasses
import datetime
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from mlrepo.digest import sha256_bytes
from mlrepo.exchange.imported_endpoints import FILES
from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG
from mlrepo.logs.detail import DetailLog
from mlrepo.logs.summary import invalid_reasons
from mlrepo.record import (
    ACCURACY,
    IMPORTED_TAG,
    INVALID,
    UNDATED,
    VALID,
    BackendFacts,
    HostFacts,
    LoadgenFacts,
    LoadgenSettings,
    Metric,
    ModelFacts,
    Placement,
    RequestedSettings,
    RunRecord,
    SourceFacts,
    StoredLog,
    configuration_digest,
    new_run_id,
    timestamp,
    undated_run_id,
)
from mlrepo.rounds import Place, Round

# The files that a run against an endpoint has in place of a log.
_ENDPOINTS = tuple(posixpath.basename(path) for path in FILES.values())


@dataclass(frozen=True)
class ImportSource:
    """Where runs are imported from (``label``), to which branch, and with which tool."""

    round: Round
    label: str
    experiment: str
    tool: str


@dataclass(frozen=True)
class ResultFacts:
    """Facts that the runs of one result share.

    Attributes
    ----------
    system, measurements:
        The description of the system and the measurements file; empty if there is none.
    workflow:
        The input of the 2021 automation (CK), if it was published.
    files:
        Files of the result that are recorded with each of its runs, by name.
    path:
        The result in the tree it comes from.
    redactions:
        How many secrets of each kind were masked in ``system``.
    """

    place: Place
    category: str
    system: Mapping[str, object]
    measurements: Mapping[str, object]
    workflow: Mapping[str, object]
    files: Mapping[str, bytes]
    path: str = ""
    redactions: Mapping[str, int] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[Mapping[str, object], ...]:
        """What others wrote of the result."""
        return self.system, self.measurements, self.workflow

    @cached_property
    def system_json(self) -> bytes:
        """The description of the system as a file."""
        return (json.dumps(self.system, indent=4) + "\n").encode()


class RunKind(NamedTuple):
    """The mode of a run, and its compliance test, if any."""

    mode: str
    test: str = ""


@dataclass(frozen=True)
class FoundResult:
    """The results read from a run's files.

    Attributes
    ----------
    result:
        Its value is None if the logs have none.
    metrics:
        All other measured values, by name.
    reasons:
        Why the run is INVALID, besides LoadGen's own reasons.
    """

    result: Metric
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def record_of(
    facts: ResultFacts,
    source: ImportSource,
    kind: RunKind,
    detail: DetailLog,
    found: FoundResult,
    files: Mapping[str, bytes],
) -> RunRecord:
    """Return the record of a run.

    Its id depends only on the path, kind and log of the run, so that all copies of a run have the
    same id.
    """
    mode, test = kind
    began = str(detail.values.get("test_datetime") or "")
    started = _moment(began or str(detail.values.get("loadgen_build_date_utc") or ""))
    names = (SUMMARY_LOG, DETAIL_LOG, ACCURACY_LOG, *_ENDPOINTS)
    logs = {n: StoredLog(sha256_bytes(files[n]), len(files[n])) for n in names if n in files}
    own = next((logs[name].sha256 for name in (DETAIL_LOG, *_ENDPOINTS) if name in logs), None)
    content = f"{facts.path}/{mode}/{test}/{own or sha256_bytes(b'')}"
    # The verification decides about a test: in old rounds LoadGen calls many of them INVALID.
    reasons = [*found.reasons, *([] if test else _invalid(mode, detail, found.result, files))]
    place, system = facts.place, facts.system
    framework = str(system.get("framework", ""))
    weights = str(facts.measurements.get("starting_weights_filename", ""))
    effective = LoadgenSettings.well_formed(detail.group("effective_"))
    return RunRecord(
        run=undated_run_id(content.encode())
        if started == UNDATED
        else new_run_id(started, content.encode()),
        started=timestamp(started),
        ended=timestamp(started),
        experiment=source.experiment,
        round=source.round.name,
        division=place.division,
        submitter=place.submitter,
        category=facts.category,
        system=place.system,
        sut=place.system,
        benchmark=place.benchmark,
        scenario=place.scenario,
        mode=mode,
        validity=INVALID if reasons else VALID,
        result=found.result,
        metrics=found.metrics,
        reasons=tuple(dict.fromkeys(reasons)),
        tags=(IMPORTED_TAG,),
        model=dataclasses.replace(
            ModelFacts.well_formed(facts.measurements), file=posixpath.basename(weights)
        ),
        backend=BackendFacts(name=backend_name(framework), framework=framework),
        loadgen=LoadgenFacts(
            version=detail.version,
            effective=effective,
            requested=RequestedSettings.well_formed(detail.group("requested_")),
            seeds=effective.seeds,
            errors=tuple(detail.errors),
        ),
        logs=logs,
        source=SourceFacts(imported=source.label, path=facts.path),
        host=HostFacts.well_formed(
            {key: value for key, value in system.items() if isinstance(value, str | int)}
        ),
        configuration=published_configuration(source.round, place, framework, weights),
        placement=Placement(placed=False, reason=f"imported from {source.label}"),
        tool=source.tool,
        test=test,
    )


def _invalid(mode: str, detail: DetailLog, result: Metric, files: Mapping[str, bytes]) -> list[str]:
    reasons = [f"LoadGen error: {error}" for error in detail.errors]
    if mode != ACCURACY and detail.values.get("result_validity") != VALID:
        summary = files.get(SUMMARY_LOG, b"").decode("utf-8", "replace")
        reasons += invalid_reasons(summary) or ("LoadGen calls the run INVALID.",)
    if result.value is None:
        reasons.append("It has no result.")
    return reasons


def _moment(text: str) -> datetime.datetime:
    """Return when a run began; ``UNDATED`` if the log does not say."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return UNDATED
    known = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return known if 1970 < known.year < 9999 else UNDATED


def published_configuration(round_: Round, place: Place, framework: str, weights: str) -> str:
    """Return the digest of what is known of the configuration of a published result."""
    return configuration_digest(
        {
            "round": round_.name,
            "place": [*dataclasses.astuple(place)],
            "framework": framework,
            "weights": weights,
        }
    )


def backend_name(framework: str) -> str:
    """Return the first word of a framework's name, for tables."""
    words = re.split(r"[^A-Za-z0-9.]+", framework.strip())
    return words[0].lower() if words and words[0] else "unknown"
