"""The commands, flags and variables of the CK automation of 2021, and what they are here.

One table: ``mlrepo bench`` accepts flags by it or answers with what to type, ``mlrepo from-ck``
translates whole commands by it, and ``docs/from-ck.md`` is made of it.

Source: ``module/bench.mlperf.inference``, ``module/bench.mlperf.system`` and the programs of
octoml/mlops at 947f240 and mlcommons/ck-mlops.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from typing import NamedTuple


class Handling(Enum):
    """How mlrepo treats a word of the predecessor."""

    TAKEN = "accepted"
    SWITCH = "accepted; =yes or =no"
    LIST = "accepted, separated by commas"
    PAIRS = "accepted, separated by semicolons"
    OPTIONS = "accepted, option by option"
    NEEDLESS = "accepted, without effect"
    ANSWERED = "answered"


class Word(NamedTuple):
    """A flag or variable.

    Attributes
    ----------
    there:
        As typed in CK; a flag may include the one value that it is about.
    here:
        What to type instead; for a flag that is accepted, the option that it becomes.
    """

    there: str
    treatment: Handling
    here: str
    note: str = ""


class Line(NamedTuple):
    """A command; words in capitals stand for any, and what is in brackets may be absent."""

    there: str
    here: str
    note: str = ""


_T = Handling

# Options of the reference implementation, which CK passed on, and what they are here.
REFERENCE_OPTIONS: Mapping[str, str] = {
    "count": "--count",
    "time": "--time",
    "qps": "--qps",
    "max-latency": "--max-latency",
    "max-batchsize": "--max-batchsize",
    "threads": "--threads",
    "samples-per-query": "--samples-per-query",
    "model": "--model-file",
    "user_conf": "--user-conf",
}
_ANSWERED_OPTIONS: Mapping[str, str] = {
    "accuracy": "--mode accuracy",
    "backend": "--backend NAME",
    "scenario": "--scenario NAME",
    "find-peak-performance": "mlrepo bench peak",
    "profile": "--benchmark NAME --backend NAME",
    "dataset-path": "mlrepo dataset add NAME --path DIR",
    "cache": "mlrepo dataset prepare NAME",
    "data-format": "--layout nchw or --layout nhwc",
    "mlperf_conf": "--round ROUND (mlrepo writes the round's own)",
    "output": "mlrepo export DIR",
}

FLAGS: tuple[Word, ...] = (
    Word("--version", _T.TAKEN, "--round"),
    Word("--division", _T.TAKEN, "--division"),
    Word("--submitter", _T.TAKEN, "--submitter"),
    Word("--system", _T.TAKEN, "--system"),
    Word("--scenario", _T.TAKEN, "--scenario"),
    Word("--model", _T.TAKEN, "--benchmark", "with a variant as in `--model NAME/VARIANT`, too"),
    Word("--framework", _T.TAKEN, "--backend"),
    Word("--framework_version", _T.TAKEN, "--framework-version"),
    Word("--framework_ver", _T.TAKEN, "--framework-version"),
    Word("--framework_ext", _T.TAKEN, "--framework-ext"),
    Word("--target", _T.TAKEN, "--device"),
    Word("--skip_system_ext", _T.SWITCH, "--skip-system-ext"),
    Word("--mode=accuracy", _T.TAKEN, "--mode accuracy"),
    Word("--mode=performance", _T.TAKEN, "--mode performance"),
    Word("--mode=prereq", _T.ANSWERED, "mlrepo bench prereq --backend BACKEND"),
    Word("--compliance", _T.SWITCH, "--compliance"),
    Word(
        "--duplicate_to_offline",
        _T.ANSWERED,
        "mlrepo bench suite --infer, mlrepo select --best --infer",
        "a result is inferred where it is selected, not copied",
    ),
    Word("--record_extra", _T.NEEDLESS, "", "each run's record has its request and packages"),
    Word("--clean", _T.NEEDLESS, "", "nothing temporary is left"),
    Word("--quiet", _T.SWITCH, "--quiet"),
    Word("--task", _T.NEEDLESS, "", "it follows from the benchmark"),
    Word("--workflow", _T.ANSWERED, "--benchmark NAME --backend NAME", "they choose what runs"),
    Word("--workflow_cmd", _T.ANSWERED, "--mode MODE --scenario NAME", "they choose what runs"),
    Word(
        "--result_tag",
        _T.ANSWERED,
        "mlrepo -C DIR bench run …",
        "the repository is the one of the working directory",
    ),
    Word("--experiment_uoa", _T.TAKEN, "--experiment"),
    Word("--experiment_tags", _T.LIST, "--tag"),
    Word("--experiment_repo_uoa=local", _T.NEEDLESS, "", "experiments are branches of this one"),
    Word(
        "--experiment_repo_uoa",
        _T.ANSWERED,
        "mlrepo -C DIR bench run … --experiment NAME",
        "experiments are branches of the repository",
    ),
    Word("--dep_add_tags.model", _T.TAKEN, "--model-variant"),
    Word(
        "--dep_add_tags.",
        _T.ANSWERED,
        "mlrepo bench prereq --backend NAME",
        "it installs versions that work together",
    ),
    Word("--deps.", _T.ANSWERED, "mlrepo bench prereq --backend NAME", "as for --dep_add_tags"),
    Word("--cpu_freq", _T.ANSWERED, "--platform PROFILE", "`mlrepo platform list` has them"),
    Word("--gpu_freq", _T.ANSWERED, "--platform PROFILE", "`mlrepo platform list` has them"),
    *(Word(f"--loadgen.{name}", _T.TAKEN, option) for name, option in REFERENCE_OPTIONS.items()),
    *(Word(f"--loadgen.{name}", _T.ANSWERED, here) for name, here in _ANSWERED_OPTIONS.items()),
    Word("--loadgen.", _T.ANSWERED, "--set KEY=VALUE", "any setting of a user.conf"),
)

_TVM_OPTION = "--backend-opt KEY=VALUE"
VARIABLES: tuple[Word, ...] = (
    Word("CK_MLPERF_INFERENCE_MODEL", _T.TAKEN, "--benchmark"),
    Word("CK_MLPERF_INFERENCE_SCENARIO", _T.TAKEN, "--scenario"),
    Word("CK_MLPERF_INFERENCE_FRAMEWORK", _T.TAKEN, "--backend"),
    Word("CK_MLPERF_INFERENCE_FRAMEWORK_VERSION", _T.TAKEN, "--framework-version"),
    Word("CK_MLPERF_INFERENCE_FRAMEWORK_EXT", _T.TAKEN, "--framework-ext"),
    Word("CK_MLPERF_INFERENCE_TARGET", _T.TAKEN, "--device"),
    Word("CK_MLPERF_INFERENCE_TASK", _T.NEEDLESS, "", "it follows from the benchmark"),
    Word("CK_MLPERF_INFERENCE_WORKFLOW", _T.ANSWERED, "--benchmark NAME --backend NAME"),
    Word("CK_MLPERF_INFERENCE_MODE", _T.TAKEN, "--mode"),
    Word("ML_MODEL_FILEPATH_EXTERNAL", _T.TAKEN, "--model-file"),
    Word("CK_MLPERF_CMD_PREFIX", _T.TAKEN, "--prefix"),
    Word("CK_MLPERF_USER_CONF", _T.TAKEN, "--user-conf"),
    Word("LOADGEN_GENERATE_USER_CONF", _T.PAIRS, "--set", "as --env.…; else answered"),
    Word("EXTRA_OPS", _T.OPTIONS, "--count, --time, --qps, …", "as --env.…; else answered"),
    Word("CK_LOADGEN_OPTS", _T.OPTIONS, "--count, --time, --qps, …", "as --env.…; else answered"),
    Word("CK_MLPERF_AUDIT_CONF", _T.ANSWERED, "mlrepo bench compliance --test TEST01"),
    Word("CK_MLPERF_AUDIT_SCRIPT", _T.ANSWERED, "mlrepo bench compliance --test TEST01"),
    Word("CK_MLPERF_COMPLIANCE_DIR", _T.ANSWERED, "mlrepo bench compliance"),
    Word("CK_MLPERF_COMPLIANCE_EXTRA", _T.ANSWERED, "mlrepo bench compliance"),
    Word("CK_LOADGEN_SIDELOAD_JSON", _T.ANSWERED, "mlrepo show RUN --json"),
    Word("CK_LOADGEN_INCLUDE_TRACE", _T.ANSWERED, "mlrepo show RUN --log trace"),
    Word("CK_MLPERF_ACCURACY_IMAGENET_TYPE", _T.NEEDLESS, "", "it follows from the benchmark"),
    Word("CK_ENV_OCTOMIZER_WHEEL", _T.ANSWERED, "mlrepo bench prereq --backend tvm-onnx"),
    Word("CK_ENV_MLPERF_INFERENCE_RESULTS", _T.ANSWERED, "mlrepo -C DIR …"),
    Word("MLPERF_BACKEND", _T.ANSWERED, "--backend NAME"),
    Word("MLPERF_PROFILE_BACKEND", _T.ANSWERED, "--backend NAME"),
    Word("MLPERF_PROFILE", _T.ANSWERED, "--benchmark NAME --backend NAME"),
    Word("MLPERF_PROFILE_EXT", _T.ANSWERED, "--framework-ext TEXT"),
    Word("MLPERF_DEVICE", _T.ANSWERED, "--device NAME"),
    Word("MLPERF_DATASET", _T.ANSWERED, "--way NAME"),
    Word("MLPERF_TVM_EXECUTOR", _T.ANSWERED, _TVM_OPTION, "today's TVM has one executor"),
    Word("MLPERF_TVM_TARGET", _T.ANSWERED, "--backend-opt mcpu=CPU"),
    Word("MLPERF_TVM_OPT_LEVEL", _T.ANSWERED, _TVM_OPTION, "always the highest"),
    Word("MLPERF_TVM_TRANSFORM_LAYOUT", _T.ANSWERED, _TVM_OPTION, "mlrepo chooses the layout"),
    Word("MLPERF_TVM_APPLY_HISTORY", _T.ANSWERED, "mlrepo bench tune --database FILE"),
    Word("MLPERF_TVM_USE_DNNL", _T.ANSWERED, "--backend openvino", "it has oneDNN"),
    Word("MLPERF_DELETE_COMPILED_MODEL", _T.NEEDLESS, "", "a changed model is compiled again"),
)

# Variables of CK's kernel (`ck set kernel --var.NAME=VALUE`) and the settings that they are here.
KERNEL_VARIABLES: Mapping[str, str] = {
    "mlperf_inference_version": "round",
    "mlperf_inference_division": "division",
    "mlperf_inference_submitter": "submitter",
    "mlperf_submitter": "submitter",
    "mlperf_inference_system": "system",
}

# Environment variables that set a setting, by its key.
SETTING_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "round": ("CK_MLPERF_INFERENCE_VERSION",),
    "division": ("CK_MLPERF_INFERENCE_DIVISION",),
    "submitter": ("CK_MLPERF_INFERENCE_SUBMITTER", "CK_MLPERF_SUBMITTER"),
    "category": ("CK_MLPERF_INFERENCE_CATEGORY",),
    "system": ("CK_MLPERF_INFERENCE_SYSTEM",),
}

_RESULTS = "--tags=mlperf,inference,results"
_SUBMISSION = "ck run program:mlperf-inference-submission"
COMMANDS: tuple[Line, ...] = (
    Line(
        "ck pull repo:REPO",
        "mlrepo system list --past",
        "published systems come with mlrepo; `mlrepo import PATH --round ROUND` reads published "
        "results",
    ),
    Line(f"ck install package {_RESULTS} --env.PACKAGE_URL=URL", "mlrepo clone URL"),
    Line(
        f"ck install package {_RESULTS} [--install_path=DIR]",
        "mlrepo init [DIR] --submitter NAME --division open",
        "also for the round's private repository; `mlrepo config set official.repository URL` "
        "names where to submit",
    ),
    Line("ck install package --tags=dataset", "mlrepo dataset add NAME --path DIR"),
    Line("ck install package --tags=model", "mlrepo model fetch NAME", "`mlrepo model list`"),
    Line("ck install package [--tags=TAGS]", "mlrepo bench prereq --backend NAME"),
    Line("ck detect soft --full_path=FILE", "mlrepo init DIR --adopt"),
    Line("ck locate env [--tags=TAGS]", "mlrepo path"),
    Line("ck show env [--tags=TAGS]", "mlrepo bench list"),
    Line("ck detect platform.os --platform_init_uoa=PROFILE", "mlrepo platform use PROFILE"),
    Line("ck detect platform", "mlrepo system detect"),
    Line("ck ls platform.init", "mlrepo platform list"),
    Line("ck cp platform.init:PROFILE COPY", "mlrepo platform add COPY --base PROFILE"),
    Line("ck find platform.init:PROFILE", "mlrepo platform path PROFILE"),
    *(
        Line(f"ck set kernel --var.{name}=VALUE", f"mlrepo config set {key} VALUE")
        for name, key in KERNEL_VARIABLES.items()
    ),
    Line("ck ls bench.mlperf.system", "mlrepo system list --past"),
    Line(
        "ck add bench.mlperf.system:SYSTEM [--base=OTHER]",
        "mlrepo system add SYSTEM [--base OTHER]",
    ),
    Line("ck find bench.mlperf.system:SYSTEM", "mlrepo system path SYSTEM"),
    Line("ck load bench.mlperf.system:SYSTEM", "mlrepo system show SYSTEM"),
    Line("ck ls program", "mlrepo bench list"),
    Line(
        "ck run bench.mlperf.inference --mode=prereq [--framework=BACKEND]",
        "mlrepo bench prereq --backend BACKEND",
    ),
    Line("ck run bench.mlperf.inference --help", "mlrepo help bench run"),
    Line("ck run bench.mlperf.inference", "mlrepo bench run"),
    Line(f"{_SUBMISSION} --cmd_key=truncate_accuracy_log", "mlrepo truncate"),
    Line(f"{_SUBMISSION} --cmd_key=clean_truncate_accuracy_log", "mlrepo truncate --clean"),
    Line(f"{_SUBMISSION} --cmd_key=check", "mlrepo check"),
    Line(
        "ck run program:PROGRAM --mode=prereq [--framework=BACKEND] [--cmd_key=KEY]",
        "mlrepo bench prereq --backend BACKEND",
        "the program named model and framework",
    ),
    Line(
        "ck run program:PROGRAM [--cmd_key=KEY]",
        "mlrepo bench run --benchmark NAME --backend NAME --scenario NAME --mode MODE",
        "the key named mode and scenario",
    ),
    Line("ck zip bench.mlperf.inference [--tags=TAGS]", "mlrepo pack"),
    Line("ck import bench.mlperf.inference", "mlrepo import SOURCE --round ROUND"),
    Line("ck filter bench.mlperf.inference", "mlrepo compare RUN RUN", "or `mlrepo select --best`"),
    Line("ck display dashboard", "mlrepo log"),
    Line("ck replay experiment", "mlrepo bench replay RUN"),
    Line("ck ls experiment", "mlrepo log"),
    Line("ck find experiment:NAME", "mlrepo log --experiment NAME"),
    Line("ck rm experiment:NAME", "mlrepo run withdraw RUN --why TEXT", "nothing is deleted"),
    Line("ck ren experiment:NAME :NEW", "mlrepo experiment rename NAME NEW"),
    Line("ck help", "mlrepo help"),
    Line("ck version", "mlrepo --version"),
)

FILES: tuple[Line, ...] = (
    Line("bench.mlperf.system/NAME/user.1.1.conf", "systems/NAME/user.v1.1.conf", "both are read"),
    Line("bench.mlperf.system/NAME/.cm/meta.json", "systems/NAME/system.json"),
    Line("platform.init/NAME", "platforms/NAME.toml"),
    Line("closed/SUBMITTER/… and open/SUBMITTER/…", "the same, on the branches exp/NAME"),
)


def variable_of(option: str) -> str:
    """Return the environment variable of CK that sets an option of ``mlrepo bench``; '' if none."""
    taken = (word for word in VARIABLES if word.treatment is Handling.TAKEN)
    return next((word.there for word in taken if word.here == option), "")


def unread_variables(
    environ: Mapping[str, str], read: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield CK's variables that are set but not read, and what to type instead ('': nothing)."""
    for word in VARIABLES:
        if environ.get(word.there) and word.there not in read:
            yield word.there, word.here


def table_rows() -> Mapping[str, list[tuple[str, str, str]]]:
    """Return the table by section: what is typed in CK, what it is here, and how it is treated."""
    settings = [
        (name, f"mlrepo config set {key} VALUE", "read")
        for key, names in SETTING_VARIABLES.items()
        for name in names
    ]
    variables = [
        (
            word.there,
            word.here or "nothing",
            _how(word).replace("accepted", "read").replace("read, without", "without"),
        )
        for word in VARIABLES
    ]
    return {
        "Commands": [*COMMANDS],
        "Flags of `ck run bench.mlperf.inference`": [
            (f"{word.there}KEY" if word.there.endswith(".") else word.there, word.here, _how(word))
            for word in FLAGS
        ],
        "Environment variables": [*settings, *variables],
        "Files": [*FILES],
    }


def _how(word: Word) -> str:
    return "; ".join(filter(None, (word.treatment.value, word.note)))
