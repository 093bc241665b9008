"""EfficientNet-Lite0 is made from the weights in its package, without PyTorch."""

from __future__ import annotations

import pickle
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from mlrepo.errors import UserError
from mlrepo.workloads.catalog import variants
from mlrepo.workloads.efficientnet import build_efficientnet_lite0
from mlrepo.workloads.imagenet import EFFICIENTNET_LITE0
from mlrepo.workloads.inspection import inspect_model
from mlrepo.workloads.model_store import ModelStore
from mlrepo.workloads.torch_state import read_torch_state

(_MODEL,) = variants("efficientnet-lite0")


@pytest.fixture(scope="module")
def weights() -> Path:
    """The file in the package."""
    files = metadata.files(_MODEL.package) or []
    return Path(str(next(file for file in files if file.name == _MODEL.weights).locate()))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's directory."""
    return tmp_path_factory.mktemp("home")


@pytest.mark.long
def test_the_scores_are_those_of_the_original_in_pytorch(home: Path) -> None:
    """Those were computed once by efficientnet_lite_pytorch 0.1.0 with PyTorch 2.13.0."""
    stored = ModelStore(home).require(_MODEL)
    noise = np.random.default_rng(3).standard_normal((2, 3, 224, 224)).astype(np.float32)
    session = onnxruntime.InferenceSession(stored.path)
    scores = session.run(None, {"input": noise})[0]
    assert scores.argmax(axis=1).tolist() == [21, 21]
    original = [-2.813704, 0.29863548, 1.0539219, -0.33743918]
    np.testing.assert_allclose(scores[0, :4], original, atol=2e-5)
    assert scores[0].max() == pytest.approx(7.5522137, abs=2e-5)


def test_it_is_known_with_all_that_a_measurements_file_says(home: Path) -> None:
    """Made once; inputs and outputs are those of the catalogue."""
    store = ModelStore(home)
    stored = store.require(_MODEL)
    assert stored.checked
    assert store.require(_MODEL) == stored
    found = inspect_model(stored.path, EFFICIENTNET_LITE0)
    assert (found.inputs, found.outputs) == (_MODEL.inputs, _MODEL.outputs)
    file = stored.model_file()
    assert file.starting_weights_filename == "efficientnet-lite0-57934424.pth"
    assert (file.retraining, file.weight_data_types) == ("no", "fp32")
    assert "folded" in file.weight_transformations
    groups = [
        next(a.i for a in node.attribute if a.name == "group")
        for node in onnx.load(stored.path).graph.node
        if node.op_type == "Conv"
    ]
    assert (len(groups), sum(group > 1 for group in groups)) == (49, 16)


def test_a_changed_weights_file_is_refused(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash is that of the package's own record."""
    site = tmp_path / "site"
    info = Path(str(metadata.distribution(_MODEL.package)._path))  # type: ignore[attr-defined]
    shutil.copytree(info, site / info.name)
    (site / weights.parent.relative_to(info.parent)).mkdir(parents=True)
    copy = site / weights.relative_to(info.parent)
    copy.write_bytes(weights.read_bytes()[:-1] + b"x")
    monkeypatch.syspath_prepend(str(site))
    with pytest.raises(UserError, match="changed") as caught:
        ModelStore(tmp_path / "home").fetch(_MODEL)
    assert "mlrepo bench prereq --model efficientnet-lite0" in caught.value.hint
    assert not (tmp_path / "home").exists()


def test_without_the_package_the_command_that_installs_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left behind."""
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(UserError, match="not installed") as caught:
        ModelStore(tmp_path / "home").fetch(_MODEL)
    assert "mlrepo bench prereq --model efficientnet-lite0" in caught.value.hint
    assert not (tmp_path / "home").exists()


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


def _pickles(*values: object) -> bytes:
    return b"".join(pickle.dumps(value, protocol=2) for value in values)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Ran out of input"),
        (b"no pickle", "does not hold"),
        (_pickles(5), "another format"),
        (_pickles(0x1950A86A20F9469CFC6C, 1001, {}, _Evil(), []), "not part of a state"),
        (_pickles(0x1950A86A20F9469CFC6C, 1001, {}, {"name": 5}, []), "name|int"),
    ],
)
def test_a_file_that_holds_anything_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, reason: str
) -> None:
    """Above all one that would run code."""
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read_torch_state(tmp_path / "w.pth")
    assert capsys.readouterr().out == ""


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, weights: Path) -> None:
    """Wherever it ends."""
    whole = weights.read_bytes()
    for size in (100, 20_000, len(whole) // 2, len(whole) - 1):
        (tmp_path / "w.pth").write_bytes(whole[:size])
        with pytest.raises(UserError, match="does not hold the weights"):
            read_torch_state(tmp_path / "w.pth")


def test_weights_of_another_network_are_refused() -> None:
    """The first that is missing is named."""
    with pytest.raises(UserError, match=r"_conv_stem\.weight"):
        build_efficientnet_lite0({})
