"""The facts of a run: its model, its data, its backend, LoadGen, its source.

Free mappings (``others``) hold only what third parties report about themselves: backends, data
sets, LoadGen, system descriptions. Times are in seconds, sizes in bytes, latencies and durations as
their names say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from mlrepo.record.codec import Facts, MalformedError
from mlrepo.record.endpoint_facts import EndpointFacts, ServerFacts, TrafficFacts
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
