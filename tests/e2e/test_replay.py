"""A recorded run is run again exactly as its record says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mlrepo.workloads.digits import DIGITS
from tests.e2e.driver import as_another_machine, blob, everything, mlrepo


def _record(root: Path, run: str = "latest") -> dict[str, Any]:
    return dict(mlrepo(root, "show", run, "--json").json["record"])


def test_a_replay_repeats_settings_model_and_data(root: Path) -> None:
    """The user.conf is the recorded one to the byte, with what was estimated then."""
    run = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "SingleStream",
        "--mode",
        "performance",
        "--count",
        "100",
        "--threads",
        "1",
        "--tag",
        "mine",
    )
    mlrepo(root, *run, "--backend-opt", "streams=1", "--framework-ext", "x")
    first = _record(root)
    done = mlrepo(root, "bench", "replay", first["run"][-6:], "--json")
    assert done.json["schema"] == "mlrepo.replay/1"
    again = done.json["record"]
    assert again["replays"] == first["run"]
    assert again["tags"] == ["replay"]
    conf = [blob(root, f"runs/{one['run']}/user.conf") for one in (first, again)]
    assert conf[0] == conf[1]
    assert b"estimated by mlrepo" in conf[0]
    for key in ("configuration", "model", "dataset", "sut", "system", "round"):
        assert again[key] == first[key], key
    assert again["loadgen"]["effective"] == first["loadgen"]["effective"]
    assert done.json["differences"] == {"machine": [], "software": []}
    assert done.json["comparison"]["settings"] == []
    assert [side["runs"] for side in done.json["comparison"]["sides"]] == [
        [first["run"]],
        [again["run"]],
    ]
    done.says("The machine is that of the record")
    replay = ("bench", "replay", again["run"], "--tag", "second", "--json")
    assert mlrepo(root, *replay).json["record"]["tags"] == ["second", "replay"]


@pytest.mark.parametrize("mode", ["accuracy", "TEST01"])
def test_accuracy_runs_and_tests_can_be_replayed(measured_copy: Path, mode: str) -> None:
    """A test is verified against the runs of its record, not against newer ones."""
    if mode == "TEST01":
        test = ("bench", "compliance", "--model", "digits", "--scenario", "Offline")
        mlrepo(measured_copy, *test, "--test", "TEST01", code=None)
    else:
        run = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--mode", mode)
        mlrepo(measured_copy, *run, "--count", "100", code=1)
    first = _record(measured_copy)
    performance = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "Offline",
        "--mode",
        "performance",
        "--count",
        "1000",
    )
    mlrepo(measured_copy, *performance)
    mlrepo(measured_copy, "bench", "replay", first["run"], code=None)
    again = _record(measured_copy)
    assert (again["mode"], again["test"]) == (first["mode"], first["test"])
    assert again["reference"] == first["reference"]
    assert again["accuracy"] == first["accuracy"]
    assert again["replays"] == first["run"]


def test_another_machine_is_refused_unless_asked_for(root: Path) -> None:
    """What differs is told; `--on-this-system` runs it as this machine's own system."""
    run = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "Offline",
        "--mode",
        "performance",
        "--count",
        "1000",
    )
    mlrepo(root, *run)
    foreign = as_another_machine(root, _record(root)["run"])
    before = everything(root)
    done = mlrepo(root, "bench", "replay", foreign, code=2)
    done.says(
        "The machine is not that of the record",
        "host_processor_model_name",
        "Another CPU then",
        "--on-this-system",
    )
    mlrepo(root, "bench", "replay", foreign, "--check").says("Another CPU then")
    assert everything(root) == before
    shutil.copytree(root / "systems" / "box", root / "systems" / "desk")
    here = ("bench", "replay", foreign, "--on-this-system", "--system", "desk")
    shown = mlrepo(root, *here)
    shown.says("THE SYSTEMS DIFFER")
    again = _record(root)
    assert (again["system"], again["experiment"]) == ("desk", "desk")
    assert again["replays"] == foreign
    mlrepo(root, "bench", "replay", foreign, "--system", "desk", code=2).says("belongs to")


def test_a_model_that_is_not_the_recorded_one_is_refused(root: Path, tmp_path: Path) -> None:
    """The recorded file is gone; another with other bytes does not pass for it."""
    model = tmp_path / "own.onnx"
    assert DIGITS.model is not None
    original = DIGITS.model.path.read_bytes()
    # A further field of the protocol buffer that nobody reads: other bytes, the same model.
    model.write_bytes(original + b"\x72\x00")
    run = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "Offline",
        "--mode",
        "performance",
        "--count",
        "1000",
        "--model-file",
        str(model),
    )
    mlrepo(root, *run)
    moved = tmp_path / "moved.onnx"
    model.rename(moved)
    run_id = _record(root)["run"]
    refused = mlrepo(root, "bench", "replay", run_id, code=2)
    refused.says("recorded model own.onnx", "is not here", "--model-file")
    model.write_bytes(original)
    mlrepo(root, "bench", "replay", run_id, "--model-file", str(model), code=2).says("not here")
    mlrepo(root, "bench", "replay", run_id, "--model-file", str(moved))
    assert _record(root)["replays"] == run_id


def test_other_data_are_refused(root: Path) -> None:
    """The fingerprint of the record is not that of the data here."""
    run = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--mode", "accuracy")
    mlrepo(root, *run)
    other = as_another_machine(root, _record(root)["run"], dataset={"fingerprint": "0" * 64})
    mlrepo(root, "bench", "replay", other, code=2).says("data set of digits is not that", "0" * 64)


def test_a_run_that_is_not_recorded_cannot_be_replayed(root: Path) -> None:
    """The run is named, and nothing is written."""
    mlrepo(root, "bench", "replay", "nothing", code=2).says("No recorded run matches")
    mlrepo(root, "bench", "replay", code=2).says("required: RUN.")
