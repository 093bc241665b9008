"""From a run's directory in the spool to its commit: judge, clean, compose, record, discard.

Everything is read from the directory, so that a run whose ``mlrepo`` died is concluded by the
next one in exactly the same way.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlrepo.bench.console import shortened_bytes
from mlrepo.bench.evidence import (
    SYSTEM_FILE,
    encodable,
    read_json,
    recorded_texts,
    redacted,
    redacted_value,
)
from mlrepo.bench.judge import Judgement, judge, read_outcome
from mlrepo.bench.place import PlacedFiles, place_run
from mlrepo.compliance import compliance_test
from mlrepo.digest import sha256_bytes, sha256_file
from mlrepo.errors import UserError
from mlrepo.harness.spec import (
    ACCURACY_LOG,
    DETAIL_LOG,
    SPEC_FILE,
    SUMMARY_LOG,
    RunSpec,
    read_events,
)
from mlrepo.layout.files import ACCURACY_TEXT
from mlrepo.logs.accuracy import TRUNCATED_SIZE, truncated, with_hash_line
from mlrepo.logs.detail import parse_detail
from mlrepo.paths import RepoPath
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record import (
    ACCURACY,
    FAILED,
    Metric,
    Placement,
    RunRecord,
    StoredLog,
    configuration_digest,
)
from mlrepo.redaction import Redactor
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.raw_store import RawStore
from mlrepo.repository.recorder import MAX_BLOB_SIZE, Composition, Recorder, Tip
from mlrepo.repository.spool import SpooledRun
from mlrepo.repository.trailers import commit_message
from mlrepo.rounds import Round
from mlrepo.systems.description import sut_name
from mlrepo.workloads.catalog import variants

NOISE_FILE = "noise.json"

# What a measurements file calls the types that samples are fed in beside float32.
_INPUT_DATA_TYPES = {"float16": "fp16", "float64": "fp64"}

# What content of a wrong kind raises; a lock, a full disk or a gc beside raise others.
_UNFIT = (UserError, ValueError, TypeError, AttributeError, LookupError, RecursionError)


@dataclass(frozen=True)
class ConcludedRun:
    """The record as committed, and the commit."""

    record: RunRecord
    commit: str


def conclude(spooled: SpooledRun, recorder: Recorder, redactor: Redactor) -> ConcludedRun:
    """Record a run that ended, however it ended, and remove it from the spool.

    Raises
    ------
    MlrepoError
        It could not be recorded; it stays in the spool.
    """
    directory = spooled.directory
    try:
        about: Mapping[str, Any] = json.loads((directory / SPEC_FILE).read_text(encoding="utf-8"))
        spec = RunSpec.read(directory)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{directory / SPEC_FILE} is damaged: {error!r}.",
            hint=f"Remove {directory} when nothing in it is needed.",
        ) from error
    round_ = recorder.repository.rounds[about["record"]["round"]]
    judgement = judge(directory, spec, round_)
    counts: dict[str, int] = {}
    files = recorded_texts(directory, judgement, redactor, counts)
    logs = _store_logs(directory, spec, judgement, recorder.repository, files)
    record = _readable_record(directory, about["record"], spec, judgement, logs, redactor, counts)
    run = RepoPath(("runs", record.run))
    followed = _followed_benchmark(spec.workload)
    final: list[RunRecord] = []

    def compose(tip: Tip) -> Composition:
        placed = _placed(
            record,
            round_,
            tip,
            system_json=files.get(SYSTEM_FILE, b""),
            force=about["record"]["place"],
            follows=followed,
        )
        complete = dataclasses.replace(record, placement=placed.placement)
        final[:] = [complete]
        return Composition(
            commit_message(complete),
            files={run / "run.json": complete.to_json(), **placed.files},
            links=placed.links,
        )

    recorded = recorder.record(
        Experiment.parse(record.experiment),
        record.run,
        {run / name: data for name, data in files.items()},
        compose,
    )
    spooled.discard()
    return ConcludedRun(final[0] if final else record, recorded.commit)


def _placed(record: RunRecord, round_: Round, tip: Tip, **how: Any) -> PlacedFiles:
    """Place a run; one whose files cannot be laid out is recorded all the same, and says why."""
    try:
        return place_run(record, round_, tip, **how)
    except _UNFIT as error:
        why = error.message if isinstance(error, UserError) else repr(error)
        reason = encodable(f"its files cannot be laid out: {why}")
        return PlacedFiles(Placement(placed=False, reason=reason), {}, {})


def _followed_benchmark(workload: str) -> str:
    """Return the official benchmark that a workload follows; '' when its package is gone."""
    try:
        return str(load_plugin(WORKLOADS, workload).follows)
    except UserError:
        return ""


def _store_logs(
    directory: Path,
    spec: RunSpec,
    judgement: Judgement,
    repository: ResultsRepository,
    files: dict[str, bytes],
) -> dict[str, StoredLog]:
    """Add LoadGen's logs to ``files``; keep the full form of what is truncated in the raw store."""
    raw = RawStore(repository.store / "raw")
    logs: dict[str, StoredLog] = {}
    for name in (SUMMARY_LOG, DETAIL_LOG, ACCURACY_LOG):
        path = directory / name
        if not path.is_file():
            continue
        size = path.stat().st_size
        limit = TRUNCATED_SIZE if name == ACCURACY_LOG else MAX_BLOB_SIZE
        with path.open("rb") as stream:
            files[name] = truncated(stream, size) if size > limit else stream.read()
        full = raw.add(path) if size > limit else sha256_file(path)
        logs[name] = StoredLog(
            sha256=sha256_bytes(files[name]),
            size=len(files[name]),
            full_sha256=full if size > limit else "",
            full_size=size if size > limit else 0,
        )
        if name == ACCURACY_LOG and spec.mode == ACCURACY and judgement.accuracy_text:
            files[ACCURACY_TEXT] = with_hash_line(encodable(judgement.accuracy_text).encode(), full)
        if name == ACCURACY_LOG and spec.test and compliance_test(spec.test).logs_responses:
            # The hash alone, as the rounds' truncation script makes it.
            files[ACCURACY_TEXT] = with_hash_line(b"", full)
    return logs


def _readable_record(
    directory: Path, given: Mapping[str, Any], spec: RunSpec, judgement: Judgement, *about: Any
) -> RunRecord:
    """Return a record that can be read back, whatever a third party's code told of itself."""
    events = {str(event["event"]): event for event in read_events(directory)}
    try:
        record = _record(directory, given, spec, judgement, events, *about)
        data = record.to_json()
        if len(data) > MAX_BLOB_SIZE:
            raise ValueError(f"run.json would have {len(data)} bytes")
        RunRecord.from_json(data)
    except _UNFIT as error:
        why = f"What backend or benchmark told of the run cannot be recorded: {error!r}"
        failed = Judgement(FAILED, Metric(None, judgement.result.unit), (encodable(why)[:1000],))
        return _record(directory, given, spec, failed, {}, *about)
    return record


def _record(
    directory: Path,
    given: Mapping[str, Any],
    spec: RunSpec,
    judgement: Judgement,
    events: Mapping[str, Mapping[str, Any]],
    logs: Mapping[str, StoredLog],
    redactor: Redactor,
    counts: dict[str, int],
) -> RunRecord:
    finished, started = events.get("finished", {}), events.get("started", {})
    outcome = read_outcome(directory)
    # What backends and benchmarks of third parties tell of themselves may hold anything.
    described, dataset, model = (
        redacted_value(value, redactor, counts)
        for value in (finished.get("backend"), finished.get("dataset", {}), given["model"])
    )
    fed = redacted_value(finished.get("input") or {}, redactor, counts)
    if fed.get("type") in _INPUT_DATA_TYPES:
        model = {**model, "input_data_types": _INPUT_DATA_TYPES[fed["type"]]}
    backend = {
        "name": spec.backend,
        **(described or {}),
        "input": fed,
        "agreement": started.get("agreement") or {},
        "threads": spec.threads,
        "max_batch": spec.max_batch,
        "prefix": given["prefix"],
        "precision": spec.precision,
        "asked_options": dict(spec.backend_options),
        "naming": given.get("naming", {}),
        "batch": finished.get("batch", started.get("batch")),
        "batch_seconds": started.get("batch_seconds", {}),
        "max_rss": finished.get("max_rss"),
    }
    sut = sut_name(given["system"], backend, **given.get("naming", {}))
    reasons = tuple(
        redacted(
            shortened_bytes(reason.encode("utf-8", "backslashreplace")), redactor, counts
        ).decode()
        for reason in judgement.reasons
    )
    return RunRecord(
        run=given["run"],
        started=given["started"],
        ended=outcome.ended if outcome else given["started"],
        experiment=given["experiment"],
        round=given["round"],
        division=given["division"],
        submitter=given["submitter"],
        category=given["category"],
        system=given["system"],
        sut=sut,
        benchmark=spec.workload,
        scenario=spec.scenario,
        mode=spec.mode,
        validity=judgement.validity,
        result=judgement.result,
        reasons=reasons,
        metrics=judgement.metrics,
        tags=tuple(given["tags"]),
        argv=tuple(given["argv"]),
        settings=given["settings"],
        model=model,
        dataset=dataset,
        backend=backend,
        loadgen=_loadgen(directory, judgement, started),
        accuracy=judgement.accuracy,
        logs=logs,
        source=redacted_value(given["source"], redactor, counts),
        host=given["host"],
        load={
            **_load(given["load"], outcome.load if outcome else {}),
            "noise": redacted_value(_noise(directory), redactor, counts),
        },
        platform=given.get("platform", "none"),
        redactions={**given["redactions"], **counts},
        configuration=configuration_digest(
            {
                "round": given["round"],
                "division": given["division"],
                "submitter": given["submitter"],
                "sut": sut,
                "benchmark": spec.workload,
                "scenario": spec.scenario,
                "model": model.get("sha256"),
                "dataset": dataset.get("fingerprint"),
                "backend": described,
                "threads": spec.threads,
                "max_batch": spec.max_batch,
                "prefix": given["prefix"],
                **_own_form(spec, model, dataset),
            }
        ),
        tool=given["tool"],
        test=spec.test,
        reference=(given.get("compliance") or {}).get("reference", {}),
        replays=given.get("replays", ""),
    )


def _own_form(
    spec: RunSpec, model: Mapping[str, Any], dataset: Mapping[str, Any]
) -> dict[str, Any]:
    """Return how images are prepared where that is not as the catalogue has it for the model.

    What is as before says nothing: the digests of older records stay comparable.
    """
    known = variants(spec.workload)
    own = [one for one in known if f"{one.benchmark}-{one.variant}" == model.get("name")]
    way = dataset.get("preprocessing")
    found: dict[str, Any] = {}
    if known and way not in (None, (own or known)[0].preprocessing):
        found["preprocessing"] = way
    if model.get("layout"):
        found["layout"] = model["layout"]
    if spec.size:
        found["size"] = list(spec.size)
    return found


def _loadgen(directory: Path, judgement: Judgement, started: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"package": started.get("loadgen", "")}
    detail = judgement.detail
    if detail is None and (directory / DETAIL_LOG).is_file():
        try:
            detail = parse_detail((directory / DETAIL_LOG).read_bytes())
        except Exception:  # a log cut off by a crash is expected here; the verdict stands already
            return found
    if detail is None:
        return found
    effective = detail.group("effective_")
    return {
        **found,
        "version": detail.version,
        "effective": effective,
        "seeds": {key: value for key, value in effective.items() if key.endswith("_seed")},
        "errors": list(detail.errors),
    }


def _noise(directory: Path) -> dict[str, Any]:
    """Return what the parent saw of other processes, clocks and heat; empty when it died first."""
    found = read_json(directory / NOISE_FILE)
    return found if isinstance(found, dict) else {}


def _load(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return load averages and the share of CPU time that was busy or stolen during the run."""
    found: dict[str, Any] = {"before": before.get("loadavg"), "after": after.get("loadavg")}
    ticks = after.get("total_ticks", 0) - before.get("total_ticks", 0)
    if after and ticks > 0:
        for name in ("busy", "steal"):
            share = (after[f"{name}_ticks"] - before[f"{name}_ticks"]) / ticks
            found[f"{name}_share"] = round(share, 4)
    return found
