"""PyTorch files are recognized by content, and read without running their code."""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mlrepo.backends import BackendOptions  # noqa: E402
from mlrepo.backends.pytorch import PytorchBackend  # noqa: E402
from mlrepo.backends.torch_models import load_torch_model, torch_kind  # noqa: E402
from mlrepo.backends.torch_states import read_state, resnet50  # noqa: E402
from mlrepo.errors import UserError  # noqa: E402


class Flat(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    """A small classifier that computes a shape from its batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.fc = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(16, 5)

    def forward(self, x: Any) -> Any:
        y = self.conv(x).relu()
        return self.fc(y.reshape(x.shape[0], 16))


_IMAGES = np.random.default_rng(0).standard_normal((6, 3, 4, 4)).astype(np.float32)


def _wanted(batch: int) -> Any:
    with torch.no_grad():
        return Flat()(torch.from_numpy(_IMAGES[:batch])).numpy()


def _program(path: Path, batch: Any, example: int = 4) -> Path:
    shapes = ({0: batch},) if batch is not None else None
    images = torch.from_numpy(_IMAGES[:example])
    torch.export.save(torch.export.export(Flat().eval(), (images,), dynamic_shapes=shapes), path)
    return path


def _backend(path: Path, **options: Any) -> PytorchBackend:
    backend = PytorchBackend()
    backend.load(path, BackendOptions(threads=1, **options))
    return backend


@pytest.mark.parametrize("mode", ["script", "eager"])
def test_a_program_for_a_fixed_batch_says_so_and_is_fed_so(tmp_path: Path, mode: str) -> None:
    """Whatever batch was asked for."""
    backend = _backend(_program(tmp_path / "m.pt2", None), batch=1, extra={"mode": mode})
    assert backend.inputs[0].shape == (4, 3, 4, 4)
    np.testing.assert_allclose(backend.predict(_IMAGES[:4])[0], _wanted(4), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["script", "eager"])
def test_a_program_with_an_open_batch_is_right_for_every_batch_that_it_takes(
    tmp_path: Path, mode: str
) -> None:
    """Its trace may be for one only; then the backend says so."""
    backend = _backend(
        _program(tmp_path / "m.pt2", torch.export.Dim("batch")), batch=2, extra={"mode": mode}
    )
    shape = backend.input_shape
    assert shape[1:] == (3, 4, 4)
    assert shape[0] in (None, 2)
    assert mode == "script" or shape[0] is None
    for batch in (1, 2, 6) if shape[0] is None else (2,):
        found = backend.predict(_IMAGES[:batch])[0]
        np.testing.assert_allclose(found, _wanted(batch), rtol=1e-4, atol=1e-5)


def test_a_batch_that_a_program_does_not_take_is_refused(tmp_path: Path) -> None:
    """With the batches that it was exported for."""
    path = _program(tmp_path / "m.pt2", torch.export.Dim("batch", min=2, max=8))
    with pytest.raises(UserError, match="batches of 2 to 8; 64 were requested"):
        load_torch_model(path, 64)
    # A run ends with smaller batches: they are filled up to what was asked for.
    assert load_torch_model(path, 4).specs[0].shape == (4, 3, 4, 4)


def test_the_content_says_what_a_file_is(tmp_path: Path) -> None:
    """Not its name."""
    module, image = Flat().eval(), torch.from_numpy(_IMAGES[:2])
    torch.jit.trace(module, image).save(str(tmp_path / "script.pth"))
    torch.save(module.state_dict(), tmp_path / "state.pt")
    torch.save(module.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    _program(tmp_path / "m.pt2", None).rename(tmp_path / "program.pt")
    kinds = {path.name: torch_kind(path) for path in tmp_path.iterdir()}
    assert kinds == {
        "script.pth": "script",
        "state.pt": "state",
        "old.pt": "state",
        "program.pt": "program",
    }
    backend = _backend(tmp_path / "script.pth")
    assert backend.inputs[0].shape is None
    np.testing.assert_allclose(backend.predict(_IMAGES)[0], _wanted(6), rtol=1e-4, atol=1e-5)
    with pytest.raises(UserError, match="TorchScript, which mode=compile"):
        _backend(tmp_path / "script.pth", extra={"mode": "compile"})


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04 cut"])
@pytest.mark.parametrize("name", ["m.pth", "m.pt", "m.pt2", "m.safetensors"])
def test_what_is_no_model_is_a_user_s_error(name: str, content: bytes, tmp_path: Path) -> None:
    """Named, with what can be read."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name.replace(".", r"\.")) as caught:
        load_torch_model(tmp_path / name, 1)
    assert caught.value.hint


_STATE = {"a.weight": torch.ones(2, 2), "a.num_batches_tracked": torch.tensor(3)}


@pytest.mark.parametrize(
    "checkpoint",
    [
        _STATE,
        {"state_dict": _STATE, "epoch": 3, "args": argparse.Namespace(lr=0.1)},
        {"model": {f"module.{name}": one for name, one in _STATE.items()}},
        {
            "model_ema": {
                "n_averaged": torch.tensor(2),
                **{f"module.{n}": one for n, one in _STATE.items()},
            }
        },
        {f"_orig_mod.module.{name}": one for name, one in _STATE.items()},
    ],
    ids=["plain", "checkpoint", "DataParallel", "EMA", "compiled"],
)
def test_the_state_inside_a_checkpoint_is_found(checkpoint: Any, tmp_path: Path) -> None:
    """Without the prefixes of wrappers, and without counters."""
    torch.save(checkpoint, tmp_path / "m.pth")
    assert {n: t.tolist() for n, t in read_state(tmp_path / "m.pth").items()} == {
        "a.weight": [[1, 1], [1, 1]]
    }


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda path: Flat(), "an object of .*Flat"),
        (lambda path: {"state_dict": _STATE, "x": _Evil(path)}, "an object of"),
        (lambda path: {"model": _STATE, "model_ema": _STATE}, "several states: model, model_ema"),
        (lambda path: {"epoch": 3, "lr": 0.1}, "no weights by name, but the keys epoch, lr"),
        (lambda path: torch.ones(3), "but a Tensor"),
        (lambda path: {}, "but nothing"),
    ],
    ids=["module", "code", "several", "other", "tensor", "empty"],
)
def test_a_checkpoint_that_is_no_state_is_named_with_the_way_out(
    content: Any, said: str, tmp_path: Path
) -> None:
    """And nothing of it is run."""
    torch.save(content(tmp_path / "run"), tmp_path / "m.pth")
    with pytest.raises(UserError, match=said) as caught:
        load_torch_model(tmp_path / "m.pth", 1)
    assert "torch.save(" in caught.value.hint
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("where", ["weights", "constants"])
def test_no_code_of_an_exported_program_is_run(tmp_path: Path, where: str) -> None:
    """An archive can say itself that its weights are pickles, and hold pickled constants."""
    import io

    path, evil = _program(tmp_path / "m.pt2", None), io.BytesIO()
    torch.save(_Evil(tmp_path / "run"), evil)
    changed = tmp_path / "evil.pt2"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if where == "weights" and name.endswith("weights_config.json"):
                config = json.loads(content)
                for one in config["config"].values():
                    one["use_pickle"] = True
                content = json.dumps(config).encode()
            elif where == "weights" and "/weights/weight_" in name:
                content = evil.getvalue()
            new.writestr(name, content)
        if where == "constants":
            new.writestr("m/data/constants/opaque_obj_0", evil.getvalue())
    with pytest.raises(UserError, match=r"evil\.pt2"):
        load_torch_model(changed, 1)
    assert not (tmp_path / "run").exists()


def test_another_architecture_is_told_by_a_few_names(tmp_path: Path) -> None:
    """What is missing, what is there beside, and in which shape; and what to do instead."""
    state = {f"blocks.{i}.weight": torch.ones(2) for i in range(50)}
    state["conv1.weight"] = torch.ones(64, 1, 7, 7)
    torch.save(state, tmp_path / "vit.pth")
    with pytest.raises(UserError) as caught:
        load_torch_model(tmp_path / "vit.pth", 1)
    message = caught.value.message
    assert "lacks bn1.weight, bn1.bias, bn1.running_mean and" in message
    assert "also has blocks.0.weight, blocks.1.weight, blocks.2.weight and 47 more" in message
    assert "conv1.weight [64, 1, 7, 7] for [64, 3, 7, 7]" in message
    assert len(message) < 500
    assert "torch.export" in caught.value.hint


def test_safetensors_are_read_as_a_state(tmp_path: Path) -> None:
    """Names, shapes, types and numbers; a cut file is named."""
    numbers = np.arange(6, dtype="<f4").tobytes() + np.array([0x3F80, 0x4000], "<u2").tobytes()
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
            "a.bias": {"dtype": "BF16", "shape": [2], "data_offsets": [24, 28]},
        }
    ).encode()
    whole = len(header).to_bytes(8, "little") + header + numbers
    (tmp_path / "m.safetensors").write_bytes(whole)
    state = read_state(tmp_path / "m.safetensors", "safetensors")
    assert state["a.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert state["a.bias"].tolist() == [1, 2]
    (tmp_path / "cut.safetensors").write_bytes(whole[:-3])
    with pytest.raises(UserError, match=r"cut\.safetensors.*cut off"):
        read_state(tmp_path / "cut.safetensors", "safetensors")


def test_resnet50_has_as_many_classes_as_its_state(tmp_path: Path) -> None:
    """And takes weights of half precision as the same numbers."""
    state = {name: one.half() for name, one in resnet50_state(7).items()}
    assert resnet50(tmp_path / "m.pth", state)(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


def resnet50_state(classes: int) -> dict[str, Any]:
    """Return a state of ResNet-50 in torchvision's form."""
    from tests.backends.test_agreement import _torchvision_state

    state = _torchvision_state()
    return {**state, "fc.weight": torch.ones(classes, 2048), "fc.bias": torch.ones(classes)}
