"""`mlrepo bench tune` measures and stores settings, and later runs use them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.driver import finish, mlrepo, start, until

TUNE = ("bench", "tune", "--model", "digits", "--backend", "onnx", "--budget", "1s")
RUN = ("bench", "run", "--model", "digits", "--scenario", "offline", "--mode", "accuracy")


def test_later_runs_use_what_was_found_and_record_it(root: Path) -> None:
    """Unless the user chooses: then nothing of it is used."""
    found = mlrepo(root, *TUNE, "--json").json
    assert found["rate"] >= found["default_rate"] > 0
    record = mlrepo(root, *RUN, "--json").json["record"]
    assert record["backend"]["threads"] == found["threads"]
    assert record["backend"]["max_batch"] == found["max_batch"]
    tuned = record["settings"]["tuned"]
    assert tuned["origin"] == "systems/box/tuned.json"
    assert json.loads(tuned["value"])["rate"] == found["rate"]
    own = mlrepo(root, *RUN, "--threads", "1", "--json", "--experiment", "own").json["record"]
    assert own["backend"]["threads"] == 1
    assert own["backend"]["max_batch"] is None
    assert "tuned" not in own["settings"]


def test_another_scenario_is_not_touched(root: Path) -> None:
    """What is fast for Offline may be slow for a single query."""
    mlrepo(root, *TUNE)
    other = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "singlestream",
        "--mode",
        "accuracy",
        "--json",
    )
    assert "tuned" not in mlrepo(root, *other).json["record"]["settings"]


@pytest.mark.parametrize(
    "ways",
    [
        (("onnx", "fp32"), ("onnx", "int8")),
        # Each backend that is installed, and its start costs seconds.
        pytest.param(None, marks=pytest.mark.slow),
    ],
)
def test_all_backends_end_in_one_table(
    root: Path, ways: tuple[tuple[str, str], ...] | None
) -> None:
    """The fastest first; what cannot run has a line that says why."""
    chosen = f"f.compared_ways = lambda home, request: {ways}"
    fewer = f"import mlrepo.bench.fastest as f; {chosen}\n" if ways else ""
    script = f"{fewer}import sys; from mlrepo.cli.main import main; sys.exit(main())"
    arguments = (*TUNE[:4], "--backend", "all", "--budget", "2s", "--json")
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    compared = json.loads(ran.stdout)["compared"]
    lines = {(line["backend"], line["precision"]): line for line in compared}
    first = lines["onnx", "fp32"]
    assert first["rate"] > 0
    assert (first["ratio"], first["agreement"]) == (1.0, 1.0)
    rates = [line["rate"] for line in compared]
    assert rates == sorted(rates, reverse=True)
    assert "is fp32" in lines["onnx", "int8"]["note"]
    assert all(line["rate"] > 0 or line["note"] for line in compared)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--backend", "nonsense"), ("no backend", "nonsense")),
        (("--model", "nonsense"), ("no benchmark", "nonsense")),
        (("--scenario", "nonsense"), ("nonsense",)),
        (("--budget", "soon"), ("not a duration",)),
        (("--database", "d.json"), ("does not apply to onnx",)),
        (("--backend", "all", "--precision", "int8"), ("neither",)),
        (("--backend-opt", "nonsense=1"), ("no option", "nonsense")),
        (("--model-file", "absent.onnx"), ("does not exist",)),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_words(
    root: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """Nothing is remembered."""
    mlrepo(root, *TUNE, *arguments, code=2).says(*words)
    assert not (root / "systems/box/tuned.json").exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_search_that_is_stopped_leaves_no_process_and_no_file(
    root: Path, stop: signal.Signals
) -> None:
    """Whether it can clean up or not."""
    process = start(root, *TUNE[:-1], "10m")

    def probes() -> list[int]:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"probe" in command and command[-2].startswith(f"{process.pid}:".encode()):
                found.append(int(entry.name))
        return found

    until(probes, "a probe to start")
    os.kill(process.pid, stop)
    assert finish(process).code == (130 if stop == signal.SIGINT else -stop)
    until(lambda: not probes(), "the probes to end", 10)
    assert not (root / "systems/box/tuned.json").exists()
