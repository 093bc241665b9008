"""``mlrepo platform``, and runs under a profile, on the machine of the tests."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e.driver import mlrepo

_SWAPPINESS = Path("/proc/sys/vm/swappiness")
_RUN = (
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
    "--json",
)


def test_profiles_are_listed_added_used_and_found(root: Path) -> None:
    """One of the repository's own starts from another; the one in use is marked."""
    assert mlrepo(root, "platform", "add", "lab", "--base", "generic-linux").out
    path = Path(mlrepo(root, "platform", "path", "lab").out.strip())
    assert path == root / "platforms" / "lab.toml"
    assert mlrepo(root, "platform", "show", "lab").out == path.read_text()
    shown = json.loads(mlrepo(root, "platform", "show", "lab", "--json").out)
    assert (shown["schema"], shown["script"]) == ("mlrepo.platform.show/1", None)
    assert shown["state"]["governor"] == "performance"
    assert json.loads(mlrepo(root, "platform", "path", "lab", "--json").out)["path"] == str(path)
    mlrepo(root, "platform", "use", "lab")
    listed = json.loads(mlrepo(root, "platform", "list", "--json").out)["profiles"]
    assert [profile["name"] for profile in listed if profile["used"]] == ["lab"]
    mlrepo(root, "platform", "add", "lab", code=2)
    mlrepo(root, "platform", "use", "no-such", code=2)
    assert "no-such" not in (root / "mlrepo.toml").read_text()


@pytest.mark.skipif(not os.access(_SWAPPINESS, os.W_OK), reason="needs root on the machine itself")
def test_the_machine_is_set_up_and_put_back(root: Path) -> None:
    """The kernel's own file changes, and holds the old value again."""
    before = _SWAPPINESS.read_text().strip()
    wanted = "7" if before != "7" else "8"
    (root / "platforms").mkdir()
    (root / "platforms" / "swap.toml").write_text(f"[state]\nswappiness = {wanted}\n")
    try:
        applied = json.loads(mlrepo(root, "platform", "apply", "swap", "--json").out)
        assert applied["changes"][0]["before"] == before
        assert _SWAPPINESS.read_text().strip() == wanted
        mlrepo(root, "platform", "apply", "swap", code=75)
    finally:
        mlrepo(root, "platform", "restore")
    assert _SWAPPINESS.read_text().strip() == before
    assert mlrepo(root, "platform", "restore").out == "Nothing to put back.\n"


def test_a_run_records_its_profile_its_pinning_and_its_noise(root: Path) -> None:
    """The name, what could not be set, the prefix, and what else the machine did."""
    (root / "platforms").mkdir()
    (root / "platforms" / "pin.toml").write_text('[pin]\ncpus = "0"\n')
    record = json.loads(mlrepo(root, *_RUN, "--platform", "pin").out)["record"]
    assert record["platform"] == "pin"
    assert record["host"]["platform"]["prefix"] == ["taskset", "-c", "0"]
    assert record["backend"]["prefix"] == ["taskset", "-c", "0"]
    noise = record["load"]["noise"]
    assert noise["seconds"] > 0
    assert noise["required_quiet"] is False
    assert isinstance(noise["disturbances"], list)


def test_a_required_profile_that_cannot_be_stops_the_run_before_it_starts(root: Path) -> None:
    """The user asked for it; nothing is recorded."""
    (root / "platforms").mkdir()
    profile = "required = true\n[pin]\ncpus = '99999'\n"
    (root / "platforms" / "far.toml").write_text(profile)
    refused = mlrepo(root, *_RUN, "--platform", "far", code=2)
    assert "not online: CPU 99999" in refused.err
    assert mlrepo(root, "log", "--json").out.count('"run"') == 0


def test_names_of_results_follow_the_flags(root: Path) -> None:
    """Version and extension go between framework and target, or the system stands alone."""
    flags = ("--framework-version", "1.2", "--framework-ext", "dnnl")
    record = json.loads(mlrepo(root, *_RUN, *flags).out)["record"]
    assert record["sut"] == "box-onnxruntime-1.2-dnnl-cpu"
    record = json.loads(mlrepo(root, *_RUN, "--skip-system-ext").out)["record"]
    assert record["sut"] == "box"
