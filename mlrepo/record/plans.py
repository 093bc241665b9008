"""The requests of ``mlrepo bench`` commands beyond the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Self, cast

from mlrepo.record.codec import Facts
from mlrepo.record.forms import ChosenRun, Use
from mlrepo.record.options import Words, option, required
from mlrepo.record.run_request import (
    ENDPOINT_FIELDS,
    MODEL_FIELDS,
    WHERE_FIELDS,
    File,
    RunRequest,
)

# Options of a backend's own: `KEY=VALUE`.
AskedWords = Annotated[tuple[str, ...], Use.PROCESS]


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
        "user_conf",
        "extra",
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


@dataclass(frozen=True)
class SweepPlan(CommandPlan):
    """``mlrepo bench sweep``: the values of each axis as they are typed.

    A number may be a range (:mod:`mlrepo.bench.sweep.axes`). An axis without a value is left out.

    Attributes
    ----------
    AXES:
        The field of :class:`RunRequest` that each axis is for. ``concurrency`` has none: it is how
        many requests an endpoint has at one time.
    settings, options:
        ``KEY=VALUE``; values of one key are one axis.
    exclude:
        Combinations that are left out: ``AXIS=VALUE,AXIS=VALUE``.
    limits:
        By ``latency``, ``ttft``, ``tpot``: what the 99th percentile may be, in milliseconds.
    name:
        Unique in a repository; empty until it is decided.
    """

    NAME = "sweep"
    AXES: ClassVar[Mapping[str, str]] = {
        "benchmarks": "benchmark",
        "scenarios": "scenario",
        "modes": "mode",
        "backends": "backend",
        "devices": "device",
        "precisions": "precision",
        "variants": "model_variant",
        "ways": "way",
        "layouts": "layout",
        "threads": "threads",
        "batches": "max_batch",
        "samples": "samples_per_query",
        "counts": "count",
        "times": "time",
        "latencies": "max_latency",
        "concurrency": "",
        "rates": "qps",
    }
    RUN = (
        "model_file",
        "user_conf",
        *ENDPOINT_FIELDS,
        "agreement_check",
        "prefix",
        "timeout",
        "any_system",
        "require_quiet",
        "tags",
    )

    benchmarks: Words = option("--benchmark", "--model", about="A benchmark.", default=())
    scenarios: Words = option("--scenario", about="A scenario.", default=())
    modes: Words = option("--mode", about="performance (the default) or accuracy.", default=())
    backends: Words = option("--backend", "--framework", about="A framework.", default=())
    devices: Words = option("--device", about="Where the backend runs.", default=())
    precisions: Words = option("--precision", about="fp32, bf16, int8 …", default=())
    variants: Words = option("--model-variant", about="Which model of the benchmark.", default=())
    ways: Words = option("--way", about="How samples are prepared.", default=())
    layouts: Words = option("--layout", about="Where the model takes the channels.", default=())
    threads: Words = option("--threads", about="Threads of one inference.", default=())
    batches: Words = option("--max-batchsize", about="Largest batch.", default=())
    samples: Words = option("--samples-per-query", about="Samples per query.", default=())
    counts: Words = option("--count", about="Minimum queries, or samples to judge.", default=())
    times: Words = option("--time", about="Minimum seconds of a performance run.", default=())
    latencies: Words = option(
        "--max-latency", about="Latency bound or expected latency. Seconds.", default=()
    )
    concurrency: Words = option(
        "--concurrency", about="Requests that an endpoint has at one time (Offline).", default=()
    )
    rates: Words = option("--qps", about="Target queries per second.", default=())
    settings: Words = option(
        "--set", about="Any other LoadGen setting.", default=(), metavar="KEY=VALUE"
    )
    options: AskedWords = option(
        "--backend-opt", about="An option of the backend's own.", default=(), metavar="KEY=VALUE"
    )
    exclude: Words = option(
        "--exclude",
        about="Leave out what has all of these values (repeatable).",
        default=(),
        metavar="AXIS=VALUE,…",
    )
    repeat: int = option(
        "--repeat", about="Run each point N times.", default=1, metavar="N", least=1
    )
    adaptive: bool = option(
        "--adaptive",
        about="Then place further points where a limit is crossed or the curve bends.",
        default=False,
    )
    resolution: float = option(
        "--resolution",
        about="How close points are placed with --adaptive, as a share of the load.",
        default=0.02,
    )
    limits: Words = option(
        "--limit",
        about="What the 99th percentile may be: latency, ttft or tpot (default: LoadGen's bound).",
        default=(),
        metavar="NAME=MS",
    )
    name: str = option(
        "--name", about="The name of the sweep (default: made from its plan).", default=""
    )


PLANS: Mapping[str, type[CommandPlan]] = {
    plan.NAME: plan
    for plan in (RunPlan, CompliancePlan, SuitePlan, PeakPlan, ReplayPlan, TunePlan, SweepPlan)
}
