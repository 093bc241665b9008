"""The requests of ``mlrepo bench`` commands beyond the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Self, cast

from mlrepo.record.codec import Facts
from mlrepo.record.forms import ChosenRun
from mlrepo.record.options import Words, option, required
from mlrepo.record.run_request import MODEL_FIELDS, WHERE_FIELDS, File, RunRequest


@dataclass(frozen=True)
class CommandPlan(Facts):
    """The request of one ``mlrepo bench`` command beyond the run itself.

    Attributes
    ----------
    NAME:
        The command.
    RUN, WHERE:
        The fields of :class:`RunRequest` and :class:`Where` that the command has options for.
    """

    NAME: ClassVar[str] = ""
    RUN: ClassVar[Words] = ()
    WHERE: ClassVar[Words] = WHERE_FIELDS

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object, with the name of the command as ``command``."""
        return {"command": self.NAME, **super().to_dict()}

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        """Return the plan for the ``command`` in a JSON object; a plain one if it is unknown.

        Raises
        ------
        MalformedError
            A value is malformed.
        """
        named = raw.get("command") if isinstance(raw, dict) else None
        kind = PLANS.get(named, cls) if cls is CommandPlan and isinstance(named, str) else cls
        return cast(Self, super(CommandPlan, kind).from_dict(raw))


@dataclass(frozen=True)
class RunPlan(CommandPlan):
    """``mlrepo bench run``."""

    NAME = "run"
    RUN = tuple(one.name for one in fields(RunRequest))

    compliance: bool = option(
        "--compliance", about="Then run the compliance tests that belong to the run.", default=False
    )
    auto: bool = option(
        "--auto", about="Try again while an INVALID run can be fixed.", default=False
    )
    repeat: int = option(
        "--repeat",
        about="Run N times, for statistics; each run is a commit.",
        default=1,
        metavar="N",
        least=1,
    )


@dataclass(frozen=True)
class CompliancePlan(CommandPlan):
    """``mlrepo bench compliance``: ``tests`` is empty for all that the round requires."""

    NAME = "compliance"
    RUN = ("benchmark", "backend", "scenario", *MODEL_FIELDS, "timeout", "any_system", "tags")

    tests: Words = option(
        "--test", about="Only this test, such as TEST01 (repeatable).", default=()
    )


@dataclass(frozen=True)
class SuitePlan(CommandPlan):
    """``mlrepo bench suite``.

    Attributes
    ----------
    scenarios, compliance:
        As decided: never left open in a record.
    rerun:
        ``missing``: whatever has no VALID run; ``invalid``: only what was run and is not VALID;
        ``all``.
    infer:
        Whether scenarios whose result follows from another one of the suite are left out.
    since:
        When the suite began, as in a run's id; empty before it did.
    """

    NAME = "suite"
    RUN = (
        "benchmark",
        "backend",
        "max_batch",
        "threads",
        "user_conf",
        *MODEL_FIELDS,
        "timeout",
        "any_system",
        "tags",
    )

    scenarios: Words = option("--scenario", about="Only this scenario (repeatable).", default=())
    rerun: str = option(
        "--rerun",
        about="What to run: what has no VALID run, only what ran and is not VALID, or all.",
        default="missing",
        choices=("missing", "invalid", "all"),
    )
    compliance: bool | None = option(
        "--compliance/--no-compliance",
        about="With or without the compliance tests (default: as the division requires).",
        default=None,
    )
    quick: bool = option("--quick", about="Shorten the runs; not for a submission.", default=False)
    infer: bool = option(
        "--infer", about="Leave out scenarios that the round infers from others.", default=False
    )
    auto: bool = option(
        "--auto", about="Try again while an INVALID run can be fixed.", default=False
    )
    since: str = option(
        "--since", about="When the suite that is resumed began.", default="", hidden=True
    )


@dataclass(frozen=True)
class PeakPlan(CommandPlan):
    """``mlrepo bench peak``; ``probe`` and ``full`` are seconds."""

    NAME = "peak"
    RUN = (
        "benchmark",
        "backend",
        "scenario",
        "qps",
        "max_latency",
        "max_batch",
        "threads",
        *MODEL_FIELDS,
        "any_system",
        "tags",
    )

    probe: float = option("--probe", about="Seconds of a probe.", default=5.0, always=True)
    full: float | None = option(
        "--time",
        about="Seconds of the confirming run (default: the round's shortest run).",
        default=None,
    )
    budget: str = option(
        "--budget", about="The longest the search may take.", default="1h", always=True
    )
    auto: bool = option(
        "--auto/--no-auto",
        about="Try again when a confirming run is INVALID.",
        default=True,
    )
    remember: bool = option(
        "--no-remember", about="Leave the system's user.conf as it is.", default=True
    )


@dataclass(frozen=True)
class ReplayPlan(CommandPlan):
    """``mlrepo bench replay``: ``run`` is the recorded run's id; as typed, also a commit."""

    NAME = "replay"
    RUN = ("tags", "agreement_check", "any_system")
    WHERE = ("system", "experiment")

    run: ChosenRun = required(about="")
    on_this_system: bool = option(
        "--on-this-system",
        about="Also on another machine: the run is recorded as --system.",
        default=False,
    )
    model_file: File | None = option(
        "--model-file",
        about="The recorded model's file, if it is not in the user's store.",
        default=None,
    )


@dataclass(frozen=True)
class TunePlan(CommandPlan):
    """``mlrepo bench tune``, which records no run."""

    NAME = "tune"
    RUN = ("benchmark", "backend", "scenario", "threads", "max_batch", *MODEL_FIELDS, "any_system")

    budget: str = option(
        "--budget", about="The longest that tuning may take.", default="2m", always=True
    )
    database: File | None = option(
        "--database",
        about="TVM: read this file first, and write the result to it, too.",
        default=None,
    )


PLANS: Mapping[str, type[CommandPlan]] = {
    plan.NAME: plan for plan in (RunPlan, CompliancePlan, SuitePlan, PeakPlan, ReplayPlan, TunePlan)
}
