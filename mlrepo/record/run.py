"""The record of a run and its parts that are not facts about something else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from mlrepo.errors import UserError
from mlrepo.record.codec import Facts
from mlrepo.record.facts import (
    AccuracyFacts,
    BackendFacts,
    DatasetFacts,
    HostFacts,
    LoadFacts,
    LoadgenFacts,
    ModelFacts,
    SettingFacts,
    SourceFacts,
)
from mlrepo.record.forms import (
    ChosenName,
    ChosenRun,
    Components,
    Mark,
    Name,
    NameOrNone,
    RoundName,
    RunId,
    RunIdOrNone,
    Sha256,
    Time,
    Use,
    plain,
)
from mlrepo.record.plans import CommandPlan
from mlrepo.record.request import Request
from mlrepo.record.texts import format_number

SCHEMA = "mlrepo.run/2"
# What mlrepo 0.1 wrote: the same keys, without those of later fields. Read for ever.
_READ = (SCHEMA, "mlrepo.run/1")

VALID = "VALID"
INVALID = "INVALID"
FAILED = "FAILED"
INTERRUPTED = "INTERRUPTED"

PERFORMANCE = "performance"
ACCURACY = "accuracy"
MODES = (PERFORMANCE, ACCURACY)
# A compliance test is a run of its own mode; which test, the record's ``test`` says.
COMPLIANCE = "compliance"
# The tag of a short run of the peak search: recorded, but never a result.
PROBE_TAG = "probe"
# The tag of a run with a setting that no result has: recorded, but never a result.
EXPERIMENT_TAG = "no-result"
NO_RESULT_TAGS = frozenset({PROBE_TAG, EXPERIMENT_TAG})
# The tag of a run that was read from published results: it is compared with, never submitted.
IMPORTED_TAG = "imported"


@dataclass(frozen=True)
class Metric(Facts):
    """A number with its unit as the round prints it; ``value`` may be None for a failed run."""

    value: float | None
    unit: str

    def __str__(self) -> str:
        return "-" if self.value is None else f"{format_number(self.value)} {self.unit}"


@dataclass(frozen=True)
class StoredLog(Facts):
    """One log of a run: the bytes in the commit and, when it was truncated, those of the full log.

    Sizes are bytes; ``full_sha256`` names the file in the raw store.
    """

    sha256: Sha256
    size: int
    full_sha256: Annotated[Sha256, Use.PATH] = ""
    full_size: int = 0


@dataclass(frozen=True)
class Placement(Facts):
    """Whether the run is in the round's layout, where, and if not why not."""

    lenient: ClassVar[bool] = False

    placed: bool
    path: Components = ""
    reason: str = ""
    forced: bool = False


@dataclass(frozen=True)
class RunRecord(Facts):
    """Everything known about one LoadGen run.

    Times are RFC 3339 in UTC, durations seconds, sizes bytes. ``settings`` are the resolved
    settings by name; ``user.conf`` is one of them: LoadGen's settings that the user gave, as JSON.
    ``test`` names a compliance test (``TEST01``), and ``reference`` the ids of the runs it was
    verified against, by mode. ``replays`` is the id of the run that this one repeats. ``request``
    is what the person asked for who made the run, None in what others published or mlrepo 0.1
    wrote; ``argv`` is what was typed, a remark for people.
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
        """Return the value of a setting; '' where the record has none of that name."""
        found = self.settings.get(name)
        return found.value if found else ""

    def to_json(self) -> bytes:
        """Return the bytes of ``run.json``: sorted keys, two spaces, a final newline.

        A number that is not finite becomes ``null``: JSON has none, and the log keeps it.
        """
        text = json.dumps(
            self.to_dict(), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False
        )
        # An argument that is not UTF-8 holds lone surrogates; their escape is JSON's own.
        return f"{text}\n".encode("utf-8", "backslashreplace")

    @classmethod
    def from_json(cls, data: bytes, where: str = "run.json") -> RunRecord:
        """Parse ``run.json``; every value has the type and form of its field.

        Unknown keys are ignored, so that a record written by a later minor version can be read.

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
            return cls.from_dict(raw)
        except (ValueError, KeyError, RecursionError) as error:
            raise UserError(
                f"{where} is not a run record: {_reason(error)}.",
                hint="mlrepo did not write it so; `mlrepo doctor` checks the experiment branches.",
            ) from error


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error) or repr(error)
