"""What is known of a run: its model, its data, its backend, its machine.

Free mappings (``others``) hold only what third parties say of themselves: backends, data sets,
LoadGen, the descriptions of systems. Times are seconds, sizes bytes, latencies and durations as
their names say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from mlrepo.record.codec import Facts, MalformedError
from mlrepo.record.forms import Chosen, Others, Said, Sha256, Small, Use

Prefix = Annotated[tuple[str, ...], Use.PROCESS]
AskedOptions = Annotated[Mapping[str, Annotated[str, Use.PROCESS]], Use.PROCESS]
PathPart = Annotated[str, Use.PATH]


@dataclass(frozen=True)
class SettingFacts(Facts):
    """The value of a setting as text, and where it came from."""

    value: str
    origin: str


@dataclass(frozen=True)
class ModelFileFacts(Facts):
    """One file of a model."""

    name: str
    size: int
    sha256: Sha256


@dataclass(frozen=True)
class ModelFacts(Facts):
    """The model, and what a measurements file says of it (MLPerf submission rules).

    ``sha256`` and ``size`` are those of all its ``files`` together; ``file`` is the name of the one
    that the backend was given.
    """

    name: Said = ""
    file: Said = ""
    sha256: Annotated[Sha256, Use.CHOICE] = ""
    size: int | None = None
    files: tuple[ModelFileFacts, ...] = ()
    starting_weights_filename: Said = ""
    retraining: Said = ""
    input_data_types: Said = ""
    weight_data_types: Said = ""
    weight_transformations: Said = ""
    preprocessing: Chosen = ""
    layout: Chosen = ""
    others: Others = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetFacts(Facts):
    """What a data set says of itself; ``fingerprint`` is the SHA-256 of its samples."""

    name: Said = ""
    samples: object = None
    fingerprint: Annotated[Said, Use.CHOICE] = ""
    preprocessing: Chosen = ""
    size: object = None
    resized: object = None
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class NamingFacts(Facts):
    """What the user adds to the name of the results; ``plain``: the system's name alone."""

    version: PathPart = ""
    ext: PathPart = ""
    plain: bool = False


@dataclass(frozen=True)
class AgreementFacts(Facts):
    """How near a backend's scores are to those of the ``reference``, or ``why`` nobody compared.

    ``distance`` and ``bound`` are relative; ``waived``: the user wanted no comparison.
    """

    reference: str = ""
    why: str = ""
    waived: bool = False
    samples: tuple[int, ...] | None = None
    batches: tuple[int, ...] | None = None
    distance: float | None = None
    bound: float | None = None
    type: str | None = None
    seconds: float | None = None
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class InputFacts(Facts):
    """The input that the model was fed through; ``cast`` is how samples became its type."""

    name: Said = ""
    type: Said = ""
    cast: Said = ""
    shape: object = None
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class BackendFacts(Facts):
    """What executed the model, as it was asked for and as it says itself.

    Attributes
    ----------
    framework, framework_name, framework_version, target, options, others:
        Its own words.
    device:
        What it ran on, which was compared with what was asked for: ``cpu``, ``cuda:1``; empty
        where the backend does not say.
    asked_options, precision, threads, max_batch, prefix, naming:
        What it was asked for; None where it chose.
    batch, batch_seconds:
        The largest batch it used, and how long batches took in the warm-up, by their size.
    max_rss:
        The most memory that its process held.
    """

    name: Chosen = ""
    framework: Said = ""
    framework_name: Said = ""
    framework_version: Said = ""
    target: Said = ""
    device: Chosen = ""
    options: object = None
    asked_options: AskedOptions = field(default_factory=dict)
    precision: Chosen = ""
    threads: Small | None = None
    max_batch: Small | None = None
    prefix: Prefix = ()
    naming: NamingFacts = field(default_factory=NamingFacts)
    agreement: AgreementFacts = field(default_factory=AgreementFacts)
    input: InputFacts = field(default_factory=InputFacts)
    batch: float | None = None
    batch_seconds: Mapping[str, float | None] = field(default_factory=dict)
    max_rss: float | None = None
    others: Others = field(default_factory=dict)

    def described_by(self, words: object) -> BackendFacts:
        """Return the facts with what the backend says of itself.

        It does not overrule what mlrepo knows: what was asked for, and what was measured.

        Raises
        ------
        MalformedError
            It says of itself what no record can hold.
        """
        if not isinstance(words, Mapping):
            raise MalformedError(("backend", "is not an object"))
        known = {k: v for k, v in self.to_dict().items() if k not in _OWN_WORDS}
        return BackendFacts.from_dict({"name": self.name, **words, **known})


_OWN_WORDS = frozenset(
    {"name", "framework", "framework_name", "framework_version", "target", "device", "options"}
)


@dataclass(frozen=True)
class LoadgenSettings(Facts):
    """LoadGen's effective settings by its own names, without their prefix."""

    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    min_query_count: float | None = None
    max_query_count: float | None = None
    samples_per_query: float | None = None
    target_qps: float | None = None
    target_latency_ns: float | None = None
    target_latency_percentile: float | None = None
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True

    @property
    def seeds(self) -> dict[str, object]:
        """The seeds among them."""
        return {name: seed for name, seed in self.by_name().items() if name.endswith("_seed")}

    def by_name(self) -> dict[str, object]:
        """Return all settings, sorted by name."""
        return dict(sorted(self.to_dict().items()))


@dataclass(frozen=True)
class RequestedSettings(Facts):
    """What LoadGen was asked for, by its own names, without their prefix."""

    offline_expected_qps: float | None = None
    server_target_qps: float | None = None
    min_duration_ms: float | None = None
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class LoadgenFacts(Facts):
    """What LoadGen says of itself and of the run; ``package`` is the version of its wheel."""

    package: Said = ""
    version: Said = ""
    effective: LoadgenSettings = field(default_factory=LoadgenSettings)
    requested: RequestedSettings = field(default_factory=RequestedSettings)
    seeds: Mapping[str, object] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    others: Others = field(default_factory=dict)

    lenient: ClassVar[bool] = False


@dataclass(frozen=True)
class AccuracyFacts(Facts):
    """How many samples of how many were judged, and what the benchmark says besides."""

    judged: int | None = None
    of: int | None = None
    others: Others = field(default_factory=dict)


@dataclass(frozen=True)
class SourceFacts(Facts):
    """The commit of the working tree when the run started, or what the run was imported from.

    ``path`` is the result in the imported tree.
    """

    commit: str = ""
    branch: str = ""
    dirty: bool = False
    diff_sha256: str = ""
    imported: str = ""
    path: str = ""


@dataclass(frozen=True)
class KnobFacts(Facts):
    """One setting of the machine: what it was, what the profile wants, what it was then."""

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
    """What became of the platform profile; ``prefix`` is the part of the command that it gave."""

    profile: str = ""
    changes: tuple[KnobFacts, ...] = ()
    prefix: tuple[str, ...] = ()
    pin_problem: str = ""
    script: ScriptFacts | None = None
    problems: tuple[str, ...] = ()
    others: Others = field(default_factory=dict)


@dataclass(frozen=True)
class HostFacts(Facts):
    """What the machine is, in the fields of a system description; ``others`` are further ones."""

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
    others: Others = field(default_factory=dict)


@dataclass(frozen=True)
class NoiseFacts(Facts):
    """What disturbed the run; None where the parent did not live to write it."""

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
