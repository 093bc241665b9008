"""Commands that others wrote are shown and refused until the user agrees."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pexpect
import pytest

from mlrepo.bench.tuned import Tuned, remember
from mlrepo.record import RunRecord
from mlrepo.repository.trailers import run_trailers
from tests.e2e.driver import MLREPO, blob, environment, mlrepo
from tests.hostile_records import Hostile, push
from tests.samples import git
from tests.terminal import Terminal

_RUN = (
    "bench",
    "run",
    "--model",
    "digits",
    "--scenario",
    "Offline",
    "--backend",
    "onnx",
    "--mode",
    "performance",
    "--count",
    "100",
)


def pushed_by_a_stranger(root: Path, run: str, branch: str, **changes: Any) -> str:
    """Record the run again as a stranger may: the parts of its record in ``changes`` replaced."""
    listed = git(root, "ls-tree", "--name-only", f"exp/box:runs/{run}").split()
    files = {name: blob(root, f"runs/{run}/{name}") for name in listed}
    record = json.loads(files["run.json"])
    for name, value in changes.items():
        record[name] = record[name] | value if isinstance(value, dict) else value
    files["run.json"] = json.dumps(record).encode()
    trailers = run_trailers(RunRecord.from_json(files["run.json"]))
    [run_id] = push(root, branch, [Hostile("it", files, trailers)]).values()
    # As a fetch brings it.
    git(root, "update-ref", f"refs/remotes/origin/exp/{branch}", f"exp/{branch}")
    git(root, "branch", "--quiet", "-D", f"exp/{branch}")
    return run_id


def _prefix(mark: Path) -> dict[str, Any]:
    return {"backend": {"prefix": ["sh", "-c", f'touch {mark}; exec "$@"', "sh"]}}


def test_the_prefix_of_a_fetched_record_runs_only_with_consent(root: Path, tmp_path: Path) -> None:
    """Refused without a terminal, with its words and its author; --trust-prefix is remembered."""
    mlrepo(root, *_RUN)
    own = mlrepo(root, "show", "--json").json["record"]["run"]
    mark = tmp_path / "ran"
    run = pushed_by_a_stranger(root, own, "shared", **_prefix(mark))
    before = git(root, "for-each-ref")
    replay = ("bench", "replay", run, "--on-this-system")
    refused = mlrepo(root, *replay, code=2)
    refused.says("command prefix", f"touch {mark}", "Mallory <m@example.org>", "--trust-prefix")
    assert not mark.exists()
    assert git(root, "for-each-ref") == before
    mlrepo(root, *replay, "--check").says("command prefix", f"touch {mark}")
    assert not mark.exists()
    mlrepo(root, *replay, "--check", code=0)  # showing it is no consent
    mlrepo(root, *replay, code=2)
    mlrepo(root, *replay, "--trust-prefix", code=None)
    assert mark.exists()
    mark.unlink()
    mlrepo(root, *replay, code=None)
    assert mark.exists()
    # Another machine has agreed to nothing.
    shutil.rmtree(root / ".git" / "mlrepo" / "consent")
    mlrepo(root, *replay, code=2)


def test_a_terminal_is_asked_and_no_is_the_default(root: Path, tmp_path: Path) -> None:
    """The words are on the screen before the question."""
    mlrepo(root, *_RUN)
    own = mlrepo(root, "show", "--json").json["record"]["run"]
    mark = tmp_path / "ran"
    run = pushed_by_a_stranger(root, own, "shared", **_prefix(mark))
    command = [*MLREPO, "bench", "replay", run, "--on-this-system"]
    for answer, ran in (("", False), ("y", True)):
        child = Terminal(command, root, environment(), size=(50, 500))
        child.expect_exact(f"touch {mark}")
        child.expect_exact("with your rights?")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert mark.exists() == ran, child.before


def test_what_was_typed_here_is_repeated_without_a_question(root: Path) -> None:
    """A prefix and options of one's own need no consent."""
    mlrepo(root, *_RUN, "--prefix", "nice -n 1", "--backend-opt", "streams=1")
    done = mlrepo(root, "bench", "replay", "latest", "--json", code=None)
    assert done.json["record"]["backend"]["prefix"] == ["nice", "-n", "1"]


def test_backend_options_of_a_record_need_consent(root: Path) -> None:
    """A third party's backend may take a file or a plugin there."""
    mlrepo(root, *_RUN)
    own = mlrepo(root, "show", "--json").json["record"]["run"]
    run = pushed_by_a_stranger(
        root, own, "shared", backend={"asked_options": {"library": "/tmp/evil.so"}}
    )
    mlrepo(root, "bench", "replay", run, code=2).says(
        "backend options", "library=/tmp/evil.so", "--trust-prefix"
    )


def test_a_record_names_no_model_file(root: Path, tmp_path: Path) -> None:
    """The path of the model is this machine's, whatever the record says."""
    mlrepo(root, *_RUN)
    own = mlrepo(root, "show", "--json").json["record"]["run"]
    evil = tmp_path / "evil.onnx"
    evil.write_bytes(b"not a model")
    run = pushed_by_a_stranger(root, own, "shared", model={"path": str(evil), "name": "harmless"})
    done = mlrepo(root, "bench", "replay", run, "--json", code=None)
    assert (
        done.json["record"]["model"]["sha256"]
        == json.loads(blob(root, f"runs/{own}/run.json"))["model"]["sha256"]
    )
    assert done.json["record"]["validity"] != "FAILED"


@pytest.mark.parametrize("what", ["command prefix", "backend options"])
@pytest.mark.parametrize("command", ["compliance", "suite"])
def test_a_test_does_not_take_over_words_in_silence(
    measured_copy: Path, tmp_path: Path, command: str, what: str
) -> None:
    """A test runs as its performance run did, which may be somebody else's newest one."""
    log = mlrepo(measured_copy, "log", "--mode", "performance", "--scenario", "Offline", "--json")
    own = log.json["runs"][0]["run"]
    mark = tmp_path / "ran"
    options = {"backend": {"asked_options": {"plugin": f"touch {mark}"}}}
    pushed_by_a_stranger(
        measured_copy, own, "shared", **(_prefix(mark) if "prefix" in what else options)
    )
    benchmark = ("--model", "digits", "--scenario", "Offline")
    more = ("--test", "TEST04") if command == "compliance" else ("--compliance", "--quick")
    done = mlrepo(measured_copy, "bench", command, *benchmark, *more, code=None)
    assert done.code == 2, done.out + done.err
    done.says(what, f"touch {mark}", "--trust-prefix")
    assert not mark.exists()


@pytest.mark.parametrize("schema", ["mlrepo.run/1", "mlrepo.run/2"])
def test_somebody_elses_suite_is_not_resumed_in_silence(root: Path, schema: str) -> None:
    """One's own is; the same asked for here is one's own. mlrepo 0.1 kept what was typed."""
    mlrepo(root, *_RUN)
    own = mlrepo(root, "show", "--json").json["record"]
    evil = "/tmp/evil.onnx"
    option = f"--model-file {evil}"
    forms: dict[str, dict[str, Any]] = {
        "mlrepo.run/1": {
            "argv": f"mlrepo bench suite --model digits --scenario Offline {option}".split(),
            "request": None,
        },
        "mlrepo.run/2": {
            "request": {
                "plan": {"command": "suite", "scenarios": ["Offline"]},
                "run": own["request"]["run"] | {"model_file": evil},
            }
        },
    }
    pushed_by_a_stranger(root, own["run"], "shared", **forms[schema], tags=["suite"], schema=schema)
    mlrepo(root, "bench", "resume", code=2).says(
        "command line", "--model-file /tmp/evil.onnx", "Mallory", "--trust-prefix"
    )
    # With consent it is the command that is wrong: there is no such file.
    mlrepo(root, "bench", "resume", "--trust-prefix", code=2).says("/tmp/evil.onnx does not exist")


def test_somebody_elses_sweep_is_not_resumed_in_silence(root: Path) -> None:
    """Its command is shown, with the axes and options that it would run."""
    mlrepo(root, *_RUN)
    own = mlrepo(root, "show", "--json").json["record"]
    plan = {
        "command": "sweep",
        "benchmarks": ["digits"],
        "scenarios": ["Offline"],
        "backends": ["writing"],
        "options": ["file=/tmp/evil"],
        "threads": ["1,2"],
        "name": "theirs",
    }
    request = {"plan": plan, "run": {"benchmark": "", "backend": "", "scenario": "", "mode": ""}}
    tags = ["sweep", "sweep-theirs", "cell-0"]
    pushed_by_a_stranger(root, own["run"], "shared", request=request, tags=tags)
    mlrepo(root, "bench", "resume", code=2).says(
        *("command line", "--backend writing", "--threads 1,2", "--backend-opt file=/tmp/evil"),
        *("Mallory", "--trust-prefix"),
    )


def test_a_record_that_is_not_what_its_commit_says_is_not_replayed(root: Path) -> None:
    """By its trailers it is found, by its record it would run."""
    mlrepo(root, *_RUN)
    own = mlrepo(root, "show", "--json").json["record"]["run"]
    listed = git(root, "ls-tree", "--name-only", f"exp/box:runs/{own}").split()
    files = {name: blob(root, f"runs/{own}/{name}") for name in listed}
    record = RunRecord.from_json(files["run.json"])
    trailers = run_trailers(record) | {"MLRepo-Scenario": "Server"}
    [run] = push(root, "other", [Hostile("it", files, trailers)]).values()
    mlrepo(root, "bench", "replay", run, code=2).says("MLRepo-Scenario", "'Server'", "'Offline'")


def _commit_tuned(root: Path, options: dict[str, str], threads: int = 2) -> None:
    """Commit settings for the third party's backend, as a pull brings them."""
    run = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "Offline",
        "--backend",
        "writing",
        "--mode",
        "performance",
        "--count",
        "10",
        "--json",
        "--threads",
        "1",
    )
    record = mlrepo(root, *run, code=None).json["record"]
    remember(
        root / "systems" / "box" / "tuned.json",
        Tuned(
            record["model"]["sha256"],
            "writing",
            record["backend"]["precision"],
            "Offline",
            threads,
            4,
            options,
        ),
    )
    git(root, "add", "systems")
    git(root, "commit", "--quiet", "--no-verify", "--author=Mallory <m@example.org>", "-m", "Tune")


@pytest.mark.parametrize("command", ["run", "peak", "suite"])
def test_tuned_settings_of_others_reach_a_backend_only_with_consent(
    root: Path, tmp_path: Path, command: str
) -> None:
    """They are committed beside the system; what the user chooses leaves them out."""
    mark = tmp_path / "written"
    _commit_tuned(root, {"file": str(mark)})
    before = git(root, "for-each-ref")
    what = ("bench", command, "--model", "digits", "--scenario", "Offline", "--backend", "writing")
    more = {
        "run": ("--mode", "performance", "--count", "10"),
        "peak": ("--probe", "0.1", "--time", "0.1", "--no-remember"),
        "suite": ("--quick", "--no-compliance"),
    }[command]
    refused = mlrepo(root, *what, *more, code=2)
    refused.says(
        "systems/box/tuned.json, last committed by Mallory <m@example.org>",
        "tuned settings",
        "writing threads=2 max_batch=4",
        f"file={mark}",
        "--trust-prefix",
        "bench tune",
    )
    assert not mark.exists()
    assert git(root, "for-each-ref") == before
    if command == "run":
        mlrepo(root, *what, *more, "--threads", "1", code=None)
        assert not mark.exists()
    mlrepo(root, *what, *more, "--trust-prefix", code=None)
    assert mark.read_text() == "2"
    mark.unlink()
    again = ("bench", "run", *what[2:], "--mode", "accuracy")
    mlrepo(root, *again, code=None)  # agreed to is agreed to
    assert mark.read_text() == "2"
    mark.unlink()
    mlrepo(root, "bench", "replay", "latest", code=None)
    assert mark.exists()
    _commit_tuned(root, {"file": str(mark)}, threads=3)  # others than those that were agreed to
    mlrepo(root, *again, code=2).says("threads=3")


def test_tuned_numbers_that_no_machine_bears_are_refused(root: Path) -> None:
    """Consent is no reason to end in the want of memory."""
    _commit_tuned(root, {}, threads=1_000_000)
    run = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "Offline",
        "--backend",
        "writing",
        "--mode",
        "accuracy",
    )
    mlrepo(root, *run, "--trust-prefix", code=2).says("1000000 is more than")
