"""Compose the record of a run from the files in its spool directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlrepo.backends.endpoint import is_this_machine
from mlrepo.bench.console import shortened_bytes
from mlrepo.bench.device import compared_backend
from mlrepo.bench.evidence import read_json, redacted, redacted_facts, redacted_value
from mlrepo.bench.judge import ChildExit, Judgement, read_outcome
from mlrepo.bench.pending import PendingRun
from mlrepo.harness.spec import DETAIL_LOG, RunSpec
from mlrepo.logs.detail import DetailLog, parse_detail
from mlrepo.record import (
    AgreementFacts,
    BackendFacts,
    DatasetFacts,
    EndpointFacts,
    InputFacts,
    LoadFacts,
    LoadgenFacts,
    LoadgenSettings,
    LoadReading,
    ModelFacts,
    NoiseFacts,
    RequestedSettings,
    RunRecord,
    StoredLog,
    TrafficFacts,
    configuration_digest,
)
from mlrepo.redaction import Redactor
from mlrepo.systems.description import sut_name
from mlrepo.workloads.catalog import variants

NOISE_FILE = "noise.json"

# The names in a measurements file of input types other than float32.
_INPUT_DATA_TYPES = {"float16": "fp16", "float64": "fp64"}

# What the child reported, by event.
Events = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class ConcludingRun:
    """A run that has ended, in its directory.

    ``counts`` collects the number of masked secrets of each kind.
    """

    directory: Path
    pending: PendingRun
    logs: Mapping[str, StoredLog]
    redactor: Redactor
    counts: dict[str, int]

    def record(self, judgement: Judgement, events: Events) -> RunRecord:
        """Return the record, not placed yet.

        Raises
        ------
        ValueError
            A record cannot hold what the backend, data set or LoadGen reported about itself.
        """
        spec, start = self.pending.spec, self.pending.facts
        finished, started = events.get("finished", {}), events.get("started", {})
        outcome = read_outcome(self.directory)
        # Third-party backends and benchmarks may report anything about themselves.
        words = self._clean(finished.get("backend"))
        backend = self._backend(words, finished, started)
        dataset = DatasetFacts.from_dict(self._clean(finished.get("dataset", {})))
        model = self._model(backend.input)
        sut = sut_name(start.system, backend)
        reasons = tuple(self._clean_reason(reason) for reason in judgement.reasons)
        return RunRecord(
            run=start.run,
            started=start.started,
            ended=outcome.ended if outcome else start.started,
            experiment=start.experiment,
            round=start.round,
            division=start.division,
            submitter=start.submitter,
            category=start.category,
            system=start.system,
            sut=sut,
            benchmark=spec.workload,
            scenario=spec.scenario,
            mode=spec.mode,
            validity=judgement.validity,
            result=judgement.result,
            reasons=reasons,
            metrics=judgement.metrics,
            tags=start.tags,
            argv=start.argv,
            settings=start.settings,
            model=model,
            dataset=dataset,
            backend=backend,
            loadgen=_loadgen(self.directory, judgement, started),
            accuracy=judgement.accuracy,
            logs=self.logs,
            source=redacted_facts(start.source, self.redactor, self.counts),
            host=start.host,
            load=_load(start.load, outcome, self._noise_of(backend.traffic)),
            platform=start.platform,
            redactions={**start.redactions, **self.counts},
            configuration=configuration_digest(
                {
                    "round": start.round,
                    "division": start.division,
                    "submitter": start.submitter,
                    "sut": sut,
                    "benchmark": spec.workload,
                    "scenario": spec.scenario,
                    "model": model.sha256,
                    "dataset": dataset.fingerprint or None,
                    "backend": compared_backend(words),
                    "threads": spec.threads,
                    "max_batch": spec.max_batch,
                    "prefix": list(start.prefix),
                    **_endpoint_part(spec),
                    **_own_form(spec, model, dataset),
                }
            ),
            tool=start.tool,
            test=spec.test,
            reference=start.compliance.reference if start.compliance else {},
            replays=start.replays,
            request=start.request,
        )

    def _backend(
        self, words: object, finished: Mapping[str, object], started: Mapping[str, object]
    ) -> BackendFacts:
        spec, start = self.pending.spec, self.pending.facts
        measured = BackendFacts.from_dict(
            {
                "input": self._clean(finished.get("input") or {}),
                "batch": finished.get("batch", started.get("batch")),
                "batch_seconds": started.get("batch_seconds", {}),
                "max_rss": finished.get("max_rss"),
                "traffic": finished.get("traffic"),
            }
        )
        known = dataclasses.replace(
            measured,
            name=spec.backend,
            agreement=AgreementFacts.from_dict(started.get("agreement") or {}),
            threads=spec.threads,
            max_batch=spec.max_batch,
            prefix=start.prefix,
            precision=spec.precision,
            asked_options=dict(spec.backend_options),
            naming=start.naming,
            endpoint=self._endpoint(),
        )
        return known.described_by(words or {})

    def _endpoint(self) -> EndpointFacts | None:
        asked = self.pending.spec.endpoint
        if not asked:
            return None
        here = is_this_machine(asked["url"])
        return redacted_facts(EndpointFacts(**asked, here=here), self.redactor, self.counts)

    def _model(self, fed: InputFacts) -> ModelFacts:
        model = redacted_facts(self.pending.facts.model, self.redactor, self.counts)
        if fed.type not in _INPUT_DATA_TYPES:
            return model
        return dataclasses.replace(model, input_data_types=_INPUT_DATA_TYPES[fed.type])

    def _noise(self) -> NoiseFacts:
        """Return the disturbances that the parent saw; it may have died first."""
        found = self._clean(read_json(self.directory / NOISE_FILE))
        return NoiseFacts.well_formed(found) if isinstance(found, dict) else NoiseFacts()

    def _noise_of(self, traffic: TrafficFacts | None) -> NoiseFacts:
        """Return the disturbances, with those that the endpoint itself caused."""
        noise = self._noise()
        caused = _of_endpoint(traffic) if traffic else ()
        return dataclasses.replace(noise, disturbances=(*noise.disturbances, *caused))

    def _clean(self, value: object) -> object:
        return redacted_value(value, self.redactor, self.counts)

    def _clean_reason(self, reason: str) -> str:
        data = shortened_bytes(reason.encode("utf-8", "backslashreplace"))
        return redacted(data, self.redactor, self.counts).decode()


def _of_endpoint(traffic: TrafficFacts) -> Iterator[str]:
    """Yield how an endpoint's answers are not what they seem: late, or not computed.

    MLPerf wants every query computed in its entirety (inference_rules, questions on the KV cache).
    """
    if traffic.busy:
        yield (
            f"the endpoint refused requests for now {traffic.busy} times (HTTP 429 or 503); the "
            "waiting is part of their latencies"
        )
    if traffic.cached_tokens:
        share = traffic.cached_tokens / max(traffic.prompt_tokens, traffic.cached_tokens)
        yield (
            f"the endpoint had {traffic.cached_tokens} of {traffic.prompt_tokens} prompt tokens "
            f"({share:.0%}) in a cache, and did not compute them: MLPerf's rules want every query "
            "computed whole, so turn the server's prefix cache off"
        )


def _endpoint_part(spec: RunSpec) -> dict[str, object]:
    """Return what identifies an endpoint; nothing for a model on this machine."""
    if not spec.endpoint:
        return {}
    return {"endpoint": {name: spec.endpoint[name] for name in ("url", "model", "kind")}}


def _own_form(spec: RunSpec, model: ModelFacts, dataset: DatasetFacts) -> dict[str, object]:
    """Return how samples are prepared, if that differs from the catalogue's entry for the model.

    Defaults are left out, so that the digests of older records stay comparable.
    """
    known = variants(spec.workload)
    own = [one for one in known if f"{one.benchmark}-{one.variant}" == model.name]
    way = dataset.preprocessing
    found: dict[str, object] = {}
    if known and way not in ("", (own or known)[0].preprocessing):
        found["preprocessing"] = way
    if model.layout:
        found["layout"] = model.layout
    if spec.size:
        found["size"] = list(spec.size)
    return found


# Settings of the limits of token latencies, which LoadGen logs only as requested.
_OF_TOKENS = ("use_token_latencies", "server_ttft_latency", "server_tpot_latency")


def _token_settings(detail: DetailLog) -> dict[str, object]:
    """Return what the run was to hold token latencies to; nothing if they were not timed."""
    requested = detail.group("requested_")
    if not requested.get(_OF_TOKENS[0]):
        return {}
    return {name: requested[name] for name in _OF_TOKENS if name in requested}


def _loadgen(directory: Path, judgement: Judgement, started: Mapping[str, object]) -> LoadgenFacts:
    found = LoadgenFacts.from_dict({"package": started.get("loadgen", "")})
    detail = judgement.detail
    if detail is None and (directory / DETAIL_LOG).is_file():
        try:
            detail = parse_detail((directory / DETAIL_LOG).read_bytes())
        except Exception:  # a crash may cut the log off; the verdict is already made
            return found
    if detail is None:
        return found
    effective = LoadgenSettings.from_dict(dict(detail.group("effective_")))
    return dataclasses.replace(
        found,
        version=detail.version,
        effective=effective,
        requested=RequestedSettings.from_dict(_token_settings(detail)),
        seeds=effective.seeds,
        errors=tuple(detail.errors),
    )


def _load(before: LoadReading, outcome: ChildExit | None, noise: NoiseFacts) -> LoadFacts:
    """Return load averages and the shares of CPU time that were busy or stolen during the run."""
    if outcome is None:
        return LoadFacts(before.loadavg, noise=noise)
    after = outcome.load
    ticks = after.total_ticks - before.total_ticks
    if ticks <= 0:
        return LoadFacts(before.loadavg, after.loadavg, noise=noise)
    return LoadFacts(
        before.loadavg,
        after.loadavg,
        busy_share=round((after.busy_ticks - before.busy_ticks) / ticks, 4),
        steal_share=round((after.steal_ticks - before.steal_ticks) / ticks, 4),
        noise=noise,
    )
