"""The request for one LoadGen run, and where it is recorded: each value with its option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar

from mlrepo.predecessor import variable_of
from mlrepo.record.codec import Facts
from mlrepo.record.facts import AskedOptions, PathPart, Prefix
from mlrepo.record.forms import Chosen, Small, Use
from mlrepo.record.options import Words, option, required

ENDPOINT_KINDS = ("chat", "completions")
# A host that is sent the user's token, prompts and load.
Url = Annotated[str, Use.PROCESS]
# A file that a framework or LoadGen reads.
File = Annotated[Path, Use.PROCESS]


@dataclass(frozen=True)
class RunRequest(Facts):
    """The request for one LoadGen run.

    Attributes
    ----------
    count:
        Accuracy: number of samples to judge. Performance: minimum number of queries.
    time:
        Minimum duration of a performance run, in seconds.
    qps:
        Target QPS (Offline, Server).
    max_latency:
        Server: the latency bound; streams: the expected latency. In seconds.
    extra:
        Further LoadGen settings: key (short or ``model.scenario.key``) to value.
    model_file, user_conf:
        Absolute, or below ``~``.
    model_variant:
        Which model of the benchmark, by name; empty for its default.
    way, layout:
        How samples become the model's input, if that differs from what is known about it.
    device, precision, backend_options:
        What is requested of the backend; an empty precision means the model's own.
    endpoint, endpoint_model, endpoint_kind, endpoint_ca:
        The base URL of a system under test behind HTTP, its model's name there, which resource of
        the API is asked, and a file of certificates to trust; empty for a model on this machine.
    agreement_check:
        Whether the backend's scores are compared with the reference before LoadGen starts.
    any_system:
        Run although the system's description contradicts this machine.
    require_quiet:
        Refuse to start on a busy machine, and do not place a run that was disturbed.
    framework_version, framework_ext, skip_system_ext:
        What to add to the SUT's name after framework and target, or whether to use the system's
        name alone.
    """

    sparse: ClassVar[bool] = True

    benchmark: Chosen = required(
        "--benchmark",
        "--model",
        about="The benchmark, such as digits.",
        variable=variable_of("--benchmark"),
    )
    backend: Chosen = required(
        "--backend",
        "--framework",
        about="The framework that computes.",
        usual="onnx",
        variable=variable_of("--backend"),
    )
    scenario: Chosen = required(
        "--scenario",
        about="The scenario, such as Offline (any case).",
        variable=variable_of("--scenario"),
    )
    mode: Chosen = required(
        "--mode", about="accuracy or performance.", variable=variable_of("--mode")
    )
    count: int | None = option(
        "--count", about="Accuracy: number of samples. Performance: minimum queries.", default=None
    )
    time: float | None = option(
        "--time", about="Minimum seconds of a performance run.", default=None
    )
    qps: float | None = option(
        "--qps", about="Target queries per second (Offline, Server).", default=None
    )
    max_latency: float | None = option(
        "--max-latency",
        about="Server: latency bound. Streams: expected latency. Seconds.",
        default=None,
    )
    max_batch: Small | None = option(
        "--max-batchsize", about="Largest batch (default: found in the warm-up).", default=None
    )
    threads: Small | None = option(
        "--threads", about="Threads of one inference (default: all usable CPUs).", default=None
    )
    samples_per_query: int | None = option(
        "--samples-per-query", about="Samples per MultiStream query.", default=None
    )
    user_conf: File | None = option(
        "--user-conf",
        about="LoadGen settings instead of the system's.",
        default=None,
        variable=variable_of("--user-conf"),
    )
    extra: Mapping[str, str] = option(
        "--set", about="Any other LoadGen setting (repeatable).", default={}, metavar="KEY=VALUE"
    )
    model_file: File | None = option(
        "--model-file",
        about="Another model file with the same input (or: ML_MODEL_FILEPATH_EXTERNAL).",
        default=None,
        variable=variable_of("--model-file"),
    )
    model_variant: Chosen = option(
        "--model-variant", about="Which model of the benchmark (mlrepo model list).", default=""
    )
    way: Chosen = option(
        "--way",
        about="How samples are prepared for the model (default: that of the model, pytorch for "
        "files of PyTorch, else that of the benchmark); by-length: texts sorted by length and "
        "padded to the longest of a batch (Offline, open division).",
        default="",
    )
    layout: Chosen = option(
        "--layout",
        about="Where the model takes the channels (default: as its input says, else nchw).",
        default="",
    )
    device: Chosen = option(
        "--device",
        about="Where the backend runs: cpu, cuda, gpu, npu, or another one than the first of a "
        "kind, such as cuda:1.",
        default="cpu",
        variable=variable_of("--device"),
    )
    precision: Chosen = option(
        "--precision",
        about="fp32, bf16, int8 … (default: the model's own; a backend may convert to bf16).",
        default="",
    )
    endpoint: Url = option(
        "--endpoint",
        about="The base URL of a server to measure, such as http://127.0.0.1:8000/v1 (backend "
        "openai).",
        default="",
        metavar="URL",
    )
    endpoint_model: Chosen = option(
        "--endpoint-model", about="The name of the model at the endpoint.", default=""
    )
    endpoint_kind: Chosen = option(
        "--endpoint-kind",
        about="Which resource of the endpoint is asked (default: chat).",
        default="",
        choices=ENDPOINT_KINDS,
    )
    endpoint_ca: File | None = option(
        "--endpoint-ca",
        about="Certificates (PEM) to trust at the endpoint instead of the system's.",
        default=None,
    )
    backend_options: AskedOptions = option(
        "--backend-opt",
        about="An option of the backend's own (repeatable).",
        default={},
        metavar="KEY=VALUE",
    )
    agreement_check: bool = option(
        "--no-agreement-check",
        about="Do not compare the backend's scores with ONNX Runtime's (not allowed in closed).",
        default=True,
    )
    prefix: Prefix = option(
        "--prefix",
        about='A command to run the benchmark with, such as "numactl -N0 -m0" (or: '
        "CK_MLPERF_CMD_PREFIX).",
        default=(),
        variable=variable_of("--prefix"),
        as_one=True,
    )
    timeout: float | None = option(
        "--timeout", about="Stop a run after this many seconds.", default=None
    )
    place: bool = option(
        "--place", about="Place the run in the layout even if it is not eligible.", default=False
    )
    any_system: bool = option(
        "--any-system",
        about="Run although the system's description contradicts this machine; the record and the "
        "selection say so.",
        default=False,
    )
    require_quiet: bool = option(
        "--require-quiet",
        about="Refuse to start on a busy machine, and do not place a disturbed run.",
        default=False,
    )
    framework_version: PathPart = option(
        "--framework-version",
        about="A part of the results' name.",
        default="",
        variable=variable_of("--framework-version"),
    )
    framework_ext: PathPart = option(
        "--framework-ext",
        about="A part of the results' name.",
        default="",
        variable=variable_of("--framework-ext"),
    )
    skip_system_ext: bool = option(
        "--skip-system-ext", about="Results are named after the system alone.", default=False
    )
    tags: Words = option("--tag", about="A word to find the run by (repeatable).", default=())


@dataclass(frozen=True)
class Where(Facts):
    """Where runs are recorded and by which rules; in a record, as decided.

    ``experiment`` is empty if it follows from the system.
    """

    system: PathPart = option(
        "--system", about="The system that is measured (default: the repository's).", default=""
    )
    round: PathPart = option("--round", about="The round (default: the repository's).", default="")
    division: PathPart = option(
        "--division", about="The division (default: the repository's).", default=""
    )
    submitter: PathPart = option(
        "--submitter", about="The submitter (default: the repository's).", default=""
    )
    category: PathPart = option(
        "--category", about="The category (default: the repository's).", default=""
    )
    platform: PathPart = option(
        "--platform", about="The platform profile to run under.", default=""
    )
    experiment: PathPart = option(
        "--experiment",
        about="The branch exp/NAME that gets the commit (default: the system).",
        default="",
    )


WHERE_FIELDS = tuple(one.name for one in fields(Where))
# A system under test behind HTTP.
ENDPOINT_FIELDS = ("endpoint", "endpoint_model", "endpoint_kind", "endpoint_ca")
# The model, and how the backend runs it.
MODEL_FIELDS = (
    "model_file",
    "model_variant",
    "way",
    "layout",
    "device",
    "precision",
    *ENDPOINT_FIELDS,
    "backend_options",
    "agreement_check",
)
