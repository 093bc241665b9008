"""The facts of a machine: its host, how it was set up for the run, and what disturbed it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from mlrepo.record.codec import Facts
from mlrepo.record.forms import Others, Said, Sha256


@dataclass(frozen=True)
class KnobFacts(Facts):
    """One setting of the machine: before, as wanted by the profile, and after."""

    key: str = ""
    path: str = ""
    before: str = ""
    wanted: str = ""
    after: str = ""
    problem: str = ""


@dataclass(frozen=True)
class ScriptFacts(Facts):
    """One call of a profile's script."""

    name: str = ""
    sha256: Sha256 = ""
    action: str = ""
    output: str = ""
    problem: str = ""


@dataclass(frozen=True)
class PlatformFacts(Facts):
    """How the platform profile was applied; ``prefix`` is its part of the command."""

    profile: str = ""
    changes: tuple[KnobFacts, ...] = ()
    prefix: tuple[str, ...] = ()
    pin_problem: str = ""
    script: ScriptFacts | None = None
    problems: tuple[str, ...] = ()
    others: Others = field(default_factory=dict)


@dataclass(frozen=True)
class ContradictionFacts(Facts):
    """A field of the system's description that the host contradicted, and how that was detected."""

    field: str = ""
    written: str = ""
    detected: str = ""
    source: str = ""


@dataclass(frozen=True)
class DescriptionFacts(Facts):
    """How the system's description fitted the host before the run.

    Attributes
    ----------
    compared:
        False in records of versions that did not compare them.
    contradictions:
        What ``--any-system`` overruled.
    remarks:
        What is described and could not be seen on the host, one sentence each.
    """

    compared: bool = False
    contradictions: tuple[ContradictionFacts, ...] = ()
    remarks: tuple[str, ...] = ()

    sparse: ClassVar[bool] = True

    def words(self) -> tuple[str, ...]:
        """Return what they say, one text each."""
        told = (
            f"not as described: {one.field} is {one.written!r} in system.json and "
            f"{one.detected!r} on the host"
            for one in self.contradictions
        )
        return (*told, *self.remarks)


@dataclass(frozen=True)
class HostFacts(Facts):
    """The machine, in the fields of a system description; ``others`` are further ones."""

    machine: Said = ""
    number_of_nodes: Said = ""
    host_processor_model_name: Said = ""
    host_processors_per_node: Said = ""
    host_processor_core_count: Said = ""
    host_processor_vcpu_count: Said = ""
    threads_per_core: Said = ""
    cpus_usable: int | None = None
    host_processor_caches: Said = ""
    host_memory_capacity: Said = ""
    accelerators_per_node: Said = ""
    accelerator_model_name: Said = ""
    accelerator_memory_capacity: Said = ""
    virtualisation: Said = ""
    container: Said = ""
    operating_system: Said = ""
    other_software_stack: Said = ""
    python: Said = ""
    platform: PlatformFacts = field(default_factory=PlatformFacts)
    description: DescriptionFacts = field(default_factory=DescriptionFacts)
    others: Others = field(default_factory=dict)


@dataclass(frozen=True)
class NoiseFacts(Facts):
    """What disturbed the run; None if the parent died before writing it."""

    seconds: float | None = None
    disturbances: tuple[str, ...] = ()
    required_quiet: bool = False
    others: Others = field(default_factory=dict)


@dataclass(frozen=True)
class LoadReading(Facts):
    """Load averages, and CPU time since boot in clock ticks: busy (stolen too), stolen, all."""

    loadavg: tuple[float, ...] = ()
    busy_ticks: int = 0
    total_ticks: int = 0
    steal_ticks: int = 0


@dataclass(frozen=True)
class LoadFacts(Facts):
    """Load averages before and after, and shares of CPU time that were busy or stolen."""

    before: tuple[float, ...] | None = None
    after: tuple[float, ...] | None = None
    busy_share: float | None = None
    steal_share: float | None = None
    noise: NoiseFacts = field(default_factory=NoiseFacts)
