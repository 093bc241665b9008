"""mlrepo from source on PYTHONPATH, beside packages that have lost their metadata."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2]
_BASE = getattr(sys, "_base_executable", sys.executable)
# No dist-info of these: a build in a source tree, or a layer of an image that was cut badly.
_LOST = ("mlrepo", "__editable__", "mlcommons_loadgen", "onnxruntime")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """All that is installed here, without the metadata of :data:`_LOST`."""
    target = tmp_path / "packages"
    target.mkdir()
    for directory in map(Path, sys.path):
        if directory.name != "site-packages":
            continue
        for entry in directory.iterdir():
            lost = entry.name.startswith(_LOST) and entry.suffix in (".dist-info", ".py", ".pth")
            if not lost and not (target / entry.name).exists():
                (target / entry.name).symlink_to(entry)
    return target


def test_everything_works_without_a_dist_info(packages: Path, tmp_path: Path) -> None:
    """Backends and benchmarks are known, templates and hooks found, versions left open."""
    sources = tmp_path / "sources"  # not the project's own directory: it may hold an egg-info
    sources.mkdir()
    for name in ("mlrepo", "hooks", "templates", "pyproject.toml"):
        (sources / name).symlink_to(SOURCES / name)
    environ = os.environ | {"PYTHONPATH": f"{sources}{os.pathsep}{packages}"}

    def run(cwd: Path, *arguments: str) -> str:
        done = subprocess.run(
            [_BASE, "-m", "mlrepo.cli.main", *arguments],
            cwd=cwd,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    probe = [_BASE, "-c", "import importlib.metadata as m; m.version('mlrepo')"]
    if (
        subprocess.run(
            probe, cwd=tmp_path, env=environ, capture_output=True, check=False
        ).returncode
        == 0
    ):
        pytest.skip("mlrepo is installed beside the interpreter itself")
    run(tmp_path, "init", "r", "--submitter", "Acme", "--division", "open", "--system", "box")
    root = tmp_path / "r"
    scenario = ("--model", "digits", "--backend", "onnx", "--scenario", "Offline")
    assert "VALID" in run(root, "bench", "run", *scenario, "--mode", "accuracy")
    assert "resnet50-random" in run(root, "bench", "list")
    assert "onnxruntime 1." in run(root, "system", "detect")
    assert "onnxruntime" in run(root, "show", "latest")
