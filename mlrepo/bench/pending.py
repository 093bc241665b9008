"""What the parent writes about a run for its child and its conclusion.

It is in the run's spool directory, so if ``mlrepo`` dies, the next one concludes the run in exactly
the same way. mlrepo 0.1 wrote the same keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.harness.spec import SPEC_FILE, RunSpec
from mlrepo.record import (
    HostFacts,
    LoadReading,
    ModelFacts,
    NamingFacts,
    SettingFacts,
    SourceFacts,
)
from mlrepo.record.codec import Facts
from mlrepo.record.request import AnyRequest


@dataclass(frozen=True)
class ReferenceFacts(Facts):
    """What a compliance test is verified against.

    ``reference`` are run ids by mode; ``score`` is LoadGen's raw result and ``target_latency`` the
    latency bound (nanoseconds) of the run that it is compared with, or None.
    """

    reference: Mapping[str, str] = field(default_factory=dict)
    score: float | None = None
    target_latency: float | None = None


@dataclass(frozen=True)
class StartFacts(Facts):
    """What is known about a run before it starts, redacted; names as in the record."""

    run: str
    started: str
    experiment: str
    round: str
    division: str
    submitter: str
    category: str
    system: str
    tool: str
    platform: str = "none"
    # Whether the user wants it placed in the layout even if it is not eligible.
    place: bool = False
    replays: str = ""
    request: AnyRequest | None = None
    tags: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    naming: NamingFacts = field(default_factory=NamingFacts)
    compliance: ReferenceFacts | None = None
    settings: Mapping[str, SettingFacts] = field(default_factory=dict)
    model: ModelFacts = field(default_factory=ModelFacts)
    source: SourceFacts = field(default_factory=SourceFacts)
    host: HostFacts = field(default_factory=HostFacts)
    load: LoadReading = field(default_factory=LoadReading)
    redactions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PendingRun:
    """A run that is not recorded yet: what the child executes, and what else is known about it."""

    spec: RunSpec
    facts: StartFacts

    def to_json(self) -> bytes:
        """Return the content of :data:`~mlrepo.harness.spec.SPEC_FILE`."""
        return json.dumps(
            {"run": self.spec.to_dict(), "record": self.facts.to_dict()}, indent=2
        ).encode()

    @classmethod
    def read(cls, directory: Path) -> PendingRun:
        """Read it from the run's directory.

        Raises
        ------
        UserError
            It is damaged, or another version of mlrepo wrote it in a form that this one cannot
            read.
        """
        file = directory / SPEC_FILE
        try:
            raw = json.loads(file.read_text(encoding="utf-8"))
            return cls(RunSpec(**raw["run"]), StartFacts.from_dict(raw["record"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"{file} is damaged, or another version of mlrepo wrote it: {error!r}.",
                hint=f"`mlrepo doctor --fix` of that version records the run; remove {directory} "
                "when nothing in it is needed.",
            ) from error
