"""The record of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from mlrepo.errors import UserError
from mlrepo.record.codec import Facts, unknown_keys
from mlrepo.record.facts import (
    AccuracyFacts,
    BackendFacts,
    DatasetFacts,
    LoadgenFacts,
    ModelFacts,
    SettingFacts,
    SourceFacts,
)
from mlrepo.record.forms import (
    ChosenName,
    ChosenRun,
    Mark,
    Name,
    NameOrNone,
    RoundName,
    RunId,
    RunIdOrNone,
    Time,
    Use,
    plain,
)
from mlrepo.record.indented import indented
from mlrepo.record.machine_facts import HostFacts, LoadFacts
from mlrepo.record.plans import CommandPlan
from mlrepo.record.request import Request
from mlrepo.record.values import ACCURACY, Metric, Placement, StoredLog

SCHEMA = "mlrepo.run/2"
# mlrepo 0.1 wrote version 1: the same keys, without later ones. It stays readable.
_READ = (SCHEMA, "mlrepo.run/1")

# Latencies of tokens among LoadGen's metrics, by the names that people know them by.
_TOKENS = {
    f"{name} p{percentile}": f"{key}_{percentile}.00_percentile{end}"
    for name, key, end in (
        ("TTFT", "first_token", "_latency"),
        ("TPOT", "time_per_output_token", ""),
    )
    for percentile in (50, 99)
}
_TOKEN_RATE = "tokens/s"
_RATES = ("completed_samples_per_sec", "samples_per_second")


@dataclass(frozen=True)
class RunRecord(Facts):
    """Everything known about one LoadGen run.

    Times are RFC 3339 in UTC, durations seconds, sizes bytes. ``settings`` are the resolved
    settings by name; ``user.conf`` is one of them: LoadGen's settings that the user gave, as JSON.
    ``test`` names a compliance test (``TEST01``), and ``reference`` the ids of the runs it was
    verified against, by mode. ``replays`` is the id of the run that this one repeats. ``request``
    is the request that made the run, None for imported runs and records of mlrepo 0.1; ``argv`` is
    the typed command line, for people.
    """

    lenient: ClassVar[bool] = False

    run: RunId
    started: Time
    ended: Time
    experiment: Name
    round: RoundName
    division: Name
    submitter: Name
    category: str
    system: Name
    sut: Name
    benchmark: Name
    scenario: Name
    mode: Name
    validity: str
    result: Metric
    reasons: Annotated[tuple[str, ...], Mark.REQUIRED] = ()
    metrics: Annotated[Mapping[str, Metric], Mark.REQUIRED] = field(default_factory=dict)
    tags: Annotated[tuple[str, ...], Mark.REQUIRED] = ()
    argv: Annotated[tuple[str, ...], Mark.REQUIRED, Use.PROCESS] = ()
    settings: Mapping[str, SettingFacts] = field(default_factory=dict)
    model: ModelFacts = field(default_factory=ModelFacts)
    dataset: DatasetFacts = field(default_factory=DatasetFacts)
    backend: BackendFacts = field(default_factory=BackendFacts)
    loadgen: LoadgenFacts = field(default_factory=LoadgenFacts)
    accuracy: AccuracyFacts | None = None
    logs: Annotated[Mapping[str, StoredLog], Mark.REQUIRED] = field(default_factory=dict)
    source: SourceFacts = field(default_factory=SourceFacts)
    host: HostFacts = field(default_factory=HostFacts)
    load: LoadFacts = field(default_factory=LoadFacts)
    platform: ChosenName = "none"
    redactions: Mapping[str, int] = field(default_factory=dict)
    configuration: str = ""
    placement: Annotated[Placement, Mark.REQUIRED] = field(
        default_factory=lambda: Placement(placed=False)
    )
    tool: str = ""
    test: NameOrNone = ""
    reference: Mapping[str, ChosenRun] = field(default_factory=dict)
    replays: RunIdOrNone = ""
    request: Request[CommandPlan] | None = None
    schema: str = SCHEMA

    def setting(self, name: str) -> str:
        """Return the value of a setting; '' if the record has none of that name."""
        found = self.settings.get(name)
        return found.value if found else ""

    def metric(self, name: str) -> float | None:
        """Return the value of a metric; None if there is none."""
        found = self.metrics.get(name)
        return None if found is None else found.value

    @property
    def further_metrics(self) -> Mapping[str, Metric]:
        """What people read beside the result: other metrics of an accuracy, latencies of tokens.

        Of LoadGen's own metrics there are those of a run whose tokens were timed: the times to the
        first token (TTFT) and per output token (TPOT), and the rate of samples beside that of
        tokens.
        """
        if self.mode == ACCURACY:
            return {name: one for name, one in self.metrics.items() if one != self.result}
        found = {name: self.metrics[key] for name, key in _TOKENS.items() if key in self.metrics}
        if self.result.unit == _TOKEN_RATE and self.rate is not None:
            found["rate"] = Metric(self.rate, "samples/s")
        return found

    @property
    def rate(self) -> float | None:
        """How many samples, or queries of one sample, were answered per second, if known.

        It is the result of Offline and Server, unless that counts tokens.
        """
        if self.result.unit != _TOKEN_RATE:
            return self.result.value
        found = (self.metrics.get(name) for name in _RATES)
        return next((one.value for one in found if one is not None), None)

    def to_json(self) -> bytes:
        """Return the bytes of ``run.json``: sorted keys, two spaces, a final newline.

        A non-finite number becomes ``null``: JSON has none, and the log keeps it.
        """
        text = indented(self.to_dict())
        # An argument that is not UTF-8 has lone surrogates; their escape is valid JSON.
        return f"{text}\n".encode("utf-8", "backslashreplace")

    @classmethod
    def from_json(
        cls, data: bytes, where: str = "run.json", unknown: list[str] | None = None
    ) -> RunRecord:
        """Parse ``run.json``; every value has the type and form of its field.

        Unknown keys are ignored, so that a record written by a later minor version can be read;
        their dotted names are added to ``unknown``.

        Raises
        ------
        UserError
            Another schema, missing keys, or values that no mlrepo writes.
        """
        try:
            raw = plain(json.loads(data))
            schema = raw["schema"] if isinstance(raw, dict) else None
            if isinstance(schema, str) and schema not in _READ:
                raise UserError(
                    f"{where} has the schema {schema!r}; this mlrepo reads "
                    f"{' and '.join(map(repr, _READ))}.",
                    hint="Use a newer mlrepo.",
                )
            record = cls.from_dict(raw)
            if unknown is not None:
                unknown += dict.fromkeys(unknown_keys(cls, raw))
            return record
        except (ValueError, KeyError, RecursionError) as error:
            raise UserError(
                f"{where} is not a run record: {_reason(error)}.",
                hint="mlrepo did not write this; `mlrepo doctor` checks the experiment branches.",
            ) from error


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error) or repr(error)
