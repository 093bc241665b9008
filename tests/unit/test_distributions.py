"""Versions of packages under another name, installed differently, or not at all."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from mlrepo.backends.requirements import missing
from mlrepo.distributions import (
    installed_name,
    installed_packages,
    installed_version,
    numbers_of,
    released,
)
from mlrepo.plugins import OWN, plugin_names


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install a distribution, alone on the path, by name and version ('' for a broken one)."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    # What is imported here stays here, and what other tests imported is not found.
    imported = {k: m for k, m in sys.modules.items() if k not in ("openvino", "onnxruntime", "tvm")}
    monkeypatch.setattr(sys, "modules", imported)

    def install(name: str, version: str) -> None:
        info = tmp_path / f"{name.replace('-', '_')}-{version or '0'}.dist-info"
        info.mkdir()
        if version:
            text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            (info / "METADATA").write_text(text)

    return install


@pytest.mark.parametrize(
    "name", ["onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml"]
)
def test_each_build_of_onnx_runtime_is_onnx_runtime(
    site: Callable[[str, str], None], name: str
) -> None:
    """It is another distribution with the same module."""
    site(name, "1.20.1")
    assert installed_version("onnxruntime") == "1.20.1"
    assert installed_name("onnxruntime") == name
    assert missing(["onnxruntime>=1.20"]) == []


def test_a_module_without_a_distribution(site: Callable[[str, str], None], tmp_path: Path) -> None:
    """LoadGen built in its source tree is there, and nothing says its version; others say it."""
    sys.modules.pop("mlperf_loadgen", None)
    assert installed_version("mlcommons-loadgen") is None
    (tmp_path / "mlperf_loadgen.py").write_text("")
    assert installed_version("mlcommons-loadgen") == ""
    sys.modules.pop("mlperf_loadgen", None)
    (tmp_path / "mlperf_loadgen.py").write_text("__version__ = '5.0.25'\n")
    assert installed_version("mlcommons-loadgen") == "5.0.25"
    assert missing(["mlcommons-loadgen>=5.0"]) == []


def test_a_dist_info_that_lost_its_metadata(site: Callable[[str, str], None]) -> None:
    """A layer of an image was cut badly: no package, and no error."""
    site("openvino", "")
    assert installed_version("openvino") is None
    assert installed_packages() == {}
    assert missing(["openvino>=2025.0"]) == ["openvino>=2025.0"]


def test_packages_are_those_of_the_standard_library() -> None:
    """Of this environment, with distributions of many build tools."""
    found = {one.metadata["Name"]: one.metadata["Version"] for one in metadata.distributions()}
    assert installed_packages() == found


def test_a_name_in_the_description_is_not_read(
    site: Callable[[str, str], None], tmp_path: Path
) -> None:
    """The fields end at the first empty line; one written in small letters is a field too."""
    site("thing", "1.0")
    [info] = tmp_path.glob("*.dist-info")
    (info / "METADATA").write_text("name: thing\n\nName: another\nVersion: 2\n")
    assert installed_packages() == {"thing": ""}


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("2.13.0", "2.13.0"),
        ("2.13.0+cpu", "2.13.0"),
        ("2.13.0.dev20260801+cu130", "2.13.0"),
        ("2.13.0a0+git1a2b3c4", "2.13.0"),
        ("2.13.0rc2", "2.13.0"),
        ("0.27.0.post1", "0.27.0.post1"),
    ],
)
def test_a_nightly_build_belongs_to_its_release(
    site: Callable[[str, str], None], version: str, release: str
) -> None:
    """``bench prereq`` must not replace a maker's own build of the very version it asks for."""
    site("torch", version)
    assert released(version) == release
    assert missing([f"torch=={release}"]) == []
    assert missing(["torch==1.0"]) == ["torch==1.0"]
    assert numbers_of(version)[:2] == numbers_of(release)[:2]


def test_from_its_sources_mlrepo_knows_its_own_backends_and_benchmarks(
    site: Callable[[str, str], None],
) -> None:
    """No dist-info registers them then; the two lists are the same."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    registered = tomllib.loads(text)["project"]["entry-points"]
    assert registered == OWN
    for group, own in OWN.items():
        assert plugin_names(group) == sorted(own)
