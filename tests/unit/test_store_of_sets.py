"""The store adds all files of a model or none; a linked model stays unchanged."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from mlrepo.errors import UserError
from mlrepo.model_files import find_model_files
from mlrepo.workloads.model_store import ModelStore
from tests.models import tiny_classifier


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A classifier whose weights are in a folder beside it."""
    (tmp_path / "export/weights").mkdir(parents=True)
    path = tiny_classifier(tmp_path / "export/net.onnx")
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="weights/all")
    return path


def _files(directory: Path) -> set[str]:
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()}


def test_all_files_are_copied_under_their_names(model: Path, tmp_path: Path) -> None:
    """The copy is the same model; it does not need the original any more."""
    files = find_model_files(model)
    stored = ModelStore(tmp_path / "home").add("resnet50", "mine", model)
    assert _files(tmp_path / "home/models/resnet50/mine") == {
        "model.json",
        "files/net.onnx",
        "files/weights/all",
    }
    (model.parent / "weights/all").unlink()
    found = ModelStore(tmp_path / "home")
    again = found.require(found.find("resnet50/mine"))
    assert again == stored
    assert again.model_file().files.digest == files.digest == again.sha256
    assert again.size == files.size
    assert again.model_file().document("calibration.md").parent == again.directory


def test_a_linked_model_is_refused_once_a_file_was_changed(model: Path, tmp_path: Path) -> None:
    """Nothing is copied; both digests are named; a file that went away is named."""
    store = ModelStore(tmp_path / "home")
    stored = store.add("resnet50", "mine", model, link=True)
    assert stored.path == model
    assert _files(tmp_path / "home") == {"models/resnet50/mine/model.json"}
    assert stored.model_file().files.digest == stored.sha256
    weights = model.parent / "weights/all"
    before = weights.read_bytes()
    weights.write_bytes(before[::-1])
    with pytest.raises(UserError, match="was changed since") as refused:
        store.require(store.find("resnet50/mine")).model_file().files  # noqa: B018
    assert stored.sha256 in refused.value.message
    assert find_model_files(model).digest in refused.value.message
    weights.unlink()
    with pytest.raises(UserError, match=r"is a link, and lacks its file .*weights/all"):
        store.require(store.find("resnet50/mine"))
    with pytest.raises(UserError, match="already"):
        store.check_new(store.find("resnet50/v1.5-opset-11"))
    weights.write_bytes(before)
    assert store.require(store.find("resnet50/mine")) == stored


def test_entries_without_a_list_of_files_are_still_read(tmp_path: Path) -> None:
    """As mlrepo wrote them before models had several files."""
    store = ModelStore(tmp_path / "home")
    stored = store.add("resnet50", "mine", tiny_classifier(tmp_path / "m.onnx"))
    description = stored.directory / "model.json"
    values = json.loads(description.read_text())
    del values["files"], values["linked"]
    description.write_text(json.dumps(values))
    old = store.require(store.find("resnet50/mine"))
    assert (old.sha256, old.size, old.linked) == (stored.sha256, stored.size, False)
    assert [file.name for file in old.listed()] == ["resnet50-mine.onnx"]
    assert old.model_file().files.digest == stored.sha256


def test_a_model_in_several_files_that_fills_the_disk_leaves_nothing(
    model: Path, small_mount: Path
) -> None:
    """Whichever of its files did not fit any more."""
    filler = small_mount / "filler"
    with filler.open("wb") as stream, contextlib.suppress(OSError):
        stream.write(b"x" * 5_000_000)
    with pytest.raises(UserError, match="cannot be written: No space left"):
        ModelStore(small_mount).add("resnet50", "mine", model)
    assert _files(small_mount) == {"filler"}
    filler.unlink()
    assert (
        ModelStore(small_mount).add("resnet50", "mine", model).size == find_model_files(model).size
    )


_ADD = """
import os, signal, sys
from pathlib import Path
from mlrepo.workloads import staging
from mlrepo.workloads.model_store import ModelStore
real = staging.shutil.copyfile
def copy(source, target):
    real(source, target)
    print("copied", flush=True)
    sys.stdin.readline()
staging.shutil.copyfile = copy
ModelStore(Path(sys.argv[1])).add("resnet50", "mine", Path(sys.argv[2]))
"""


def _half_way(home: Path, model: Path) -> subprocess.Popen[str]:
    """A process that is adding the model and has copied one of two files."""
    process = subprocess.Popen(
        [sys.executable, "-c", _ADD, str(home), str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "copied\n"
    return process


@pytest.mark.long
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_an_addition_that_was_stopped_leaves_no_model(
    model: Path, tmp_path: Path, sign: signal.Signals
) -> None:
    """Ctrl-C leaves nothing; what a killed process left, the next addition removes."""
    home = tmp_path / "home"
    with _half_way(home, model) as process:
        process.send_signal(sign)
        process.wait()
    store = ModelStore(home)
    assert [known.name for known in store.known() if known.variant == "mine"] == []
    if sign == signal.SIGINT:
        assert _files(home) == set()
    store.add("resnet50", "other", model)
    assert {path.parts[2] for path in map(Path, _files(home))} == {"other"}


@pytest.mark.long
def test_of_two_additions_of_one_name_one_is_refused(model: Path, tmp_path: Path) -> None:
    """The later one ends in words; the model of the earlier one is whole."""
    home = tmp_path / "home"
    first, second = _half_way(home, model), _half_way(home, model)
    for process in (first, second):
        process.communicate("\n\n")
    assert [first.returncode, second.returncode] == [0, 1]
    store = ModelStore(home)
    assert store.require(store.find("resnet50/mine")).model_file().files
    assert {path.parts[2] for path in map(Path, _files(home))} == {"mine"}
