"""Every value that comes from others is listed, with where it is used."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import mlrepo
from mlrepo.bench.consent import tuned_words
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.tuned import Tuned
from mlrepo.errors import UserError
from mlrepo.record import RunRecord
from mlrepo.record.codec import uses
from mlrepo.record.forms import Use
from mlrepo.record.plans import PLANS
from mlrepo.settings import SETTINGS
from mlrepo.systems.profiles import _PIN, _STATE, _TOP
from tests.samples import sample_record

_PACKAGE = Path(mlrepo.__file__).parent


# Where a value of a record ends that is not only shown.
_CHOICES = {
    "backend.device",
    "backend.endpoint.kind",
    "backend.endpoint.model",
    "backend.max_batch",
    "backend.name",
    "backend.precision",
    "backend.threads",
    "dataset.fingerprint",
    "dataset.preprocessing",
    "model.layout",
    "model.preprocessing",
    "model.sha256",
    "platform",
    "reference.*",
}
_COMPONENTS = {
    "backend.naming.ext",
    "backend.naming.version",
    "benchmark",
    "division",
    "experiment",
    "logs.*.full_sha256",
    "mode",
    "round",
    "run",
    "scenario",
    "submitter",
    "sut",
    "system",
    "test",
}


def test_what_a_record_is_used_for_is_known() -> None:
    """A field that gets another use than being shown has to be named here."""
    known = {name: use for name, use in uses(RunRecord) if not name.startswith("request.")}
    assert {name for name, use in known.items() if use is Use.CHOICE} == _CHOICES
    assert {name for name, use in known.items() if use is Use.PATH} == _COMPONENTS


def test_what_becomes_part_of_a_process_is_known() -> None:
    """These, and each passes the gate of `mlrepo.bench.consent`."""
    assert {name for name, use in uses(RunRecord) if use is Use.PROCESS} == {
        "argv",
        "backend.prefix",
        "backend.asked_options",
        "backend.asked_options.*",
        # A host that would get the user's token.
        "backend.endpoint.authority",
        "backend.endpoint.url",
        # With all words of a suite, as its command, before any of them is used.
        "request.run.backend_options",
        "request.run.backend_options.*",
        "request.run.endpoint",
        "request.run.endpoint_ca",
        "request.run.model_file",
        "request.run.prefix",
        "request.run.user_conf",
    }
    of_plans = ((plan.NAME, *field) for plan in PLANS.values() for field in uses(plan))
    assert {(plan, name) for plan, name, use in of_plans if use is Use.PROCESS} == {
        ("replay", "model_file"),  # printed only
        ("tune", "database"),  # recorded by no run
        # As those of a suite.
        ("sweep", "options"),
    }


def test_every_field_of_a_request_is_decided_where_records_are_repeated() -> None:
    """What a replay or a test takes from a record; all else is typed by the user or left out."""
    from_records = {
        # Checked by form, or a choice among what is here.
        "benchmark",
        "backend",
        "scenario",
        "mode",
        "max_batch",
        "threads",
        "device",
        "precision",
        "tags",
        "test",
        "replays",
        "completes",
        "framework_version",
        "framework_ext",
        "skip_system_ext",
        "endpoint_kind",
        "endpoint_model",
        # Through the gate.
        "endpoint",
        "endpoint_ca",
        "prefix",
        "backend_options",
    }
    typed = {
        "count",
        "time",
        "qps",
        "max_latency",
        "samples_per_query",
        "user_conf",
        "extra",
        "model_file",
        "model_variant",
        "way",
        "layout",
        "timeout",
        "place",
        "require_quiet",
        "agreement_check",
        "any_system",
    }
    assert from_records | typed == {field.name for field in fields(BenchRequest)}
    taken = set(_keywords(_PACKAGE / "bench" / "recorded.py", "BenchRequest"))
    assert taken, "recorded.py makes the requests from records"
    assert taken <= from_records


def test_every_field_of_tuned_settings_is_classified() -> None:
    """`tuned.json` comes with a clone: what reaches the backend is what is asked about."""
    found_by, shown = (
        {"model", "device", "precision", "scenario"},
        {"rate", "default_rate", "found"},
    )
    asked: dict[str, Any] = {"backend": "b", "threads": 3, "max_batch": 5, "options": {"k": "v"}}
    assert found_by | shown | set(asked) == {field.name for field in fields(Tuned)}
    entry = Tuned(model="m", precision="fp32", scenario="Offline", **asked)
    assert tuned_words(entry) == ("b", "threads=3", "max_batch=5", "k=v")


def test_every_setting_of_a_repository_is_classified() -> None:
    """`mlrepo.toml` comes with a clone: which of its values end in a URL, a path or a process."""
    urls = {
        # Given to git behind `--`; git runs no `ext::` URL unless the user's configuration says so.
        "official.repository",
        "official.fork",
        "private_remotes",
        # Gets a token only when it was stored for its very host (mlrepo.forge.credentials).
        "official.api_url",
    }
    paths = {"submitter", "system", "platform"}  # one component each: `_name`
    refs = {"official.branch", "hub"}  # the hub is the name of a remote, not its URL
    choices = {
        "round",
        "division",
        "category",
        "official.visibility",
        "official.forge",
        "profile",
        "hooks",
        "embargo",
    }
    assert urls | paths | refs | choices == {setting.key for setting in SETTINGS}
    for setting in SETTINGS:
        if setting.key in paths:
            with pytest.raises(UserError):
                setting.check("../../x", "mlrepo.toml")


def test_every_key_of_a_platform_profile_is_classified() -> None:
    """A profile's script runs by `mlrepo trust` alone; its other values are numbers and words."""
    assert set(_TOP) == {"summary", "required", "state", "pin", "script"}
    assert set(_PIN) == {"cpus", "numa_node"}  # the words of a prefix, made of numbers
    # What is written into files of the kernel: choices and numbers.
    assert set(_STATE) == {
        "governor",
        "frequency_min",
        "frequency_max",
        "turbo",
        "smt",
        "online",
        "transparent_hugepages",
        "swappiness",
    }


@pytest.mark.long
def test_processes_are_started_in_known_places_only() -> None:
    """A new place has to say here what it runs, so that no value of others gets there unseen."""
    known = {
        "backends/tvm/compiling.py",  # our own module, with the model that the run has
        "bench/available.py",
        "bench/execute.py",  # the benchmark under its prefix: through the gate
        "bench/tune.py",
        "engines/parsl_driver.py",  # the same, on a node
        "engines/queue.py",  # bash, with a script that the user's own journal holds
        "engines/slurm.py",  # Slurm's programs, with options of the user's own
        "jobs/node.py",  # mlrepo itself, with the words that the submitter typed
        "cli/pager.py",  # the user's own pager
        "harness/agreement.py",  # our own module with the model that the run has
        "lifetime.py",  # binds a child that another place starts to its parent
        "repository/process.py",  # git, never through a shell
        "forge/credentials.py",  # gh auth token
        "proposal/official_checker.py",  # as the user asked
        "systems/machine.py",
        "workloads/speech/clips.py",  # apt-get, for a package with a known hash
        "workloads/wheels.py",  # pip, for wheels with known hashes
        "systems/scripts.py",  # what `mlrepo trust` knows by its hash
    }
    found = {
        str(path.relative_to(_PACKAGE))
        for path in _PACKAGE.rglob("*.py")
        if any(_starts_processes(node) for node in ast.walk(ast.parse(path.read_text())))
    }
    assert found <= known, found - known


@pytest.mark.long
def test_no_command_line_is_made_for_a_shell() -> None:
    """`shell=True` and `os.system` would make any name a command."""
    for path in _PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                assert isinstance(node.value, ast.Constant), path
                assert node.value.value is False, path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run": "../../../../tmp/x"}, "run is not a run id"),
        ({"logs": {"a": {"sha256": "0" * 64, "size": 1, "full_sha256": "../../x"}}}, "full_sha256"),
        ({"round": "../data"}, "round is not a round"),
        ({"sut": "../x"}, "sut begins with '-' or contains a separator"),
        ({"platform": "-x"}, "platform begins with '-'"),
        ({"result": {"value": "885", "unit": "samples/s"}}, "result.value is not a number"),
        ({"result": {"value": True, "unit": "samples/s"}}, "result.value is not a number"),
        ({"result": {"value": 10**400, "unit": "samples/s"}}, "out of range"),
        ({"result": {"value": float("nan"), "unit": "samples/s"}}, "out of range"),
        ({"metrics": {"a": [1]}}, "metrics.a is not an object"),
        ({"backend": {"prefix": "sh -c x"}}, "backend.prefix is not a list"),
        ({"backend": {"threads": 10**12}}, "backend.threads is out of range"),
        ({"backend": {"threads": 0}}, "backend.threads is out of range"),
        ({"loadgen": {"effective": None}}, "loadgen.effective is missing"),
        ({"placement": {"placed": False, "path": None, "reason": "", "forced": False}}, "path"),
        ({"argv": ["a", 1]}, "argv has something that is not a string"),
        ({"started": "2026-13-01T00:00:00Z"}, "started is not a time"),
        ({"placement": {"placed": "no", "path": "", "reason": "", "forced": False}}, "placed"),
        (
            {"host": {"a": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}},
            "nested",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_of_another_form_is_refused(changes: dict[str, Any], said: str) -> None:
    """When the record is read, by name, so that no later code meets it."""
    raw = json.loads(sample_record().to_json()) | changes
    with pytest.raises(UserError) as refused:
        RunRecord.from_json(json.dumps(raw).encode())
    assert said in refused.value.message


def _keywords(path: Path, name: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def _starts_processes(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
        return False
    if node.value.id == "subprocess":
        return node.attr in ("run", "Popen", "call", "check_call", "check_output")
    return node.value.id == "os" and node.attr.startswith(("exec", "spawn", "system", "popen"))
