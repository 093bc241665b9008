"""Third-party backends and benchmarks, found through entry points."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.plugins import BACKENDS, OWN, WORKLOADS, load_plugin, plugin_names
from mlrepo.workloads import Workload


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that registers backends, some of them broken."""
    info = tmp_path / "somebody-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(
        "[mlrepo.backends]\n"
        "theirs = somebody_backend:Theirs\n"
        "absent = somebody_absent:Backend\n"
        "misspelt = somebody_backend:Thiers\n"
    )
    (tmp_path / "somebody_backend.py").write_text("class Theirs: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_backend_of_another_package_is_found(package: Path) -> None:
    """It stands beside those of mlrepo and is imported when it is used."""
    assert {"null", "onnx", "theirs"} <= set(plugin_names(BACKENDS))
    assert "somebody_backend" not in sys.modules
    assert load_plugin(BACKENDS, "theirs").__name__ == "Theirs"
    assert "somebody_backend" in sys.modules
    del sys.modules["somebody_backend"]


def test_the_embedded_benchmark_is_one_like_any_other() -> None:
    """``digits`` is found the way a third party's benchmark is."""
    assert "digits" in plugin_names(WORKLOADS)
    assert isinstance(load_plugin(WORKLOADS, "digits"), Workload)


@pytest.mark.parametrize(
    ("group", "kind", "known"), [(BACKENDS, "backend", "onnx"), (WORKLOADS, "benchmark", "digits")]
)
def test_an_unknown_name_is_refused_with_the_known_ones(group: str, kind: str, known: str) -> None:
    """The words are those of the user, not of the entry point group."""
    with pytest.raises(UserError, match=f"There is no {kind} 'nonsense'") as caught:
        load_plugin(group, "nonsense")
    assert known in caught.value.hint


@pytest.mark.parametrize("name", ["absent", "misspelt"])
def test_a_plugin_that_cannot_be_imported_says_what_is_missing(package: Path, name: str) -> None:
    """Neither a missing package nor a misspelt class is a bug of mlrepo."""
    with pytest.raises(UserError, match=f"The backend '{name}' cannot be used here") as caught:
        load_plugin(BACKENDS, name)
    assert {"absent": "somebody_absent", "misspelt": "Thiers"}[name] in caught.value.message
    assert "somebody 2.0" in caught.value.hint
    sys.modules.pop("somebody_backend", None)


def test_from_source_the_same_plug_ins_are_found_as_installed() -> None:
    """What pyproject.toml registers, and nothing else."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    registered = project["project"]["entry-points"]
    assert {group: registered[group] for group in OWN} == OWN
