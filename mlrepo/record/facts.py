"""The facts of a run: its model, its data, its backend, its machine.

Free mappings (``others``) hold only what third parties report about themselves: backends, data
sets, LoadGen, system descriptions. Times are in seconds, sizes in bytes, latencies and durations as
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
    """The model, and what a measurements file says about it (MLPerf submission rules).

    ``sha256`` and ``size`` cover all its ``files`` together; ``file`` is the name of the one given
    to the backend.
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
    """A data set's description of itself; ``fingerprint`` is the SHA-256 of its samples."""

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
    """The distance of a backend's scores to the ``reference``, or ``why`` there is none.

    ``distance`` and ``bound`` are relative; ``waived``: a possible comparison was skipped.
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
    """The model's input; ``cast`` says how samples were converted to its type."""

    name: Said = ""
    type: Said = ""
    cast: Said = ""
    shape: object = None
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class EndpointFacts(Facts):
    """A system under test behind HTTP, as requested.

    Attributes
    ----------
    url, model, kind:
        Its base URL, the name of the model there, and the resource that was asked.
    authority:
        The file of trusted certificates; empty for the system's.
    here:
        Whether it was on this machine; otherwise the facts about the host are the client's.
    """

    url: Annotated[str, Use.PROCESS] = ""
    model: Chosen = ""
    kind: Chosen = ""
    authority: Annotated[str, Use.PROCESS] = ""
    here: bool = False


@dataclass(frozen=True)
class ServerFacts(Facts):
    """A server's words about itself; texts are empty where it said nothing.

    Attributes
    ----------
    name, version, header:
        The program, its version, and the ``Server`` header of its replies.
    entry:
        What its list of models said about the requested one.
    proxy:
        Whether a proxy was between.
    """

    name: Said = ""
    version: Said = ""
    header: Said = ""
    entry: object = None
    proxy: bool = False
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class TrafficFacts(Facts):
    """What happened to the requests of a run; those of its warm-up are not among them.

    Attributes
    ----------
    sent, answered:
        Requests, and those with a whole answer.
    busy:
        How often the server refused a request for now (429, 503) and was asked again when it said.
    resent:
        Requests sent again because the server had closed an idle connection.
    most_in_flight:
        The largest number of requests that waited for answers at one time.
    tokens, prompt_tokens, cached_tokens:
        Generated tokens, those of the prompts, and those of the prompts that the server had cached.
    counted:
        How many answers had their tokens counted by ``token ids``, ``usage`` or ``tokenizer``.
    served:
        Milliseconds from sending a request: ``latency``, ``ttft`` and ``tpot``, each by percentile
        (``50``, ``90``, ``99``). LoadGen's own latencies begin with its query, when a request may
        still wait in the client.
    """

    sent: int = 0
    answered: int = 0
    busy: int = 0
    resent: int = 0
    most_in_flight: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    counted: Mapping[str, int] = field(default_factory=dict)
    served: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class BackendFacts(Facts):
    """The backend that executed the model, as requested and as it describes itself.

    Attributes
    ----------
    framework, framework_name, framework_version, target, options, others:
        Its description of itself.
    device:
        What it ran on, checked against the request: ``cpu``, ``cuda:1``; empty if the backend does
        not say.
    asked_options, precision, threads, max_batch, prefix, naming:
        What was requested; None if it chose.
    batch, batch_seconds:
        The largest batch it used, and seconds per batch in the warm-up, by batch size.
    max_rss:
        The peak memory of its process in bytes.
    endpoint, server, traffic:
        A system under test behind HTTP, its words about itself, and what happened to the requests;
        None if the model was run on this machine.
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
    endpoint: EndpointFacts | None = None
    server: ServerFacts | None = None
    traffic: TrafficFacts | None = None
    others: Others = field(default_factory=dict)

    def described_by(self, words: object) -> BackendFacts:
        """Return the facts with the backend's description of itself.

        It does not override what mlrepo knows: what was requested, and what was measured.

        Raises
        ------
        MalformedError
            A record cannot hold its description.
        """
        if not isinstance(words, Mapping):
            raise MalformedError(("backend", "is not an object"))
        known = {k: v for k, v in self.to_dict().items() if k not in _OWN_WORDS}
        return BackendFacts.from_dict({"name": self.name, **words, **known})


_OWN_WORDS = frozenset(
    {
        "name",
        "framework",
        "framework_name",
        "framework_version",
        "target",
        "device",
        "options",
        "server",
    }
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
    """LoadGen's requested settings by its own names, without their prefix."""

    offline_expected_qps: float | None = None
    server_target_qps: float | None = None
    min_duration_ms: float | None = None
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class LoadgenFacts(Facts):
    """What LoadGen reports about itself and the run; ``package`` is the version of its wheel."""

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
    """How many samples ``of`` how many were judged, and what else the benchmark reports."""

    judged: int | None = None
    of: int | None = None
    others: Others = field(default_factory=dict)


@dataclass(frozen=True)
class SourceFacts(Facts):
    """The commit of the working tree when the run started, or the source of an imported run.

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
