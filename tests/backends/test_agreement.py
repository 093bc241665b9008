"""Every backend computes what ONNX Runtime computes, and runs in LoadGen in all scenarios.

The tests of missing frameworks are skipped; `make test` installs all.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from mlrepo.backends import BackendOptions
from mlrepo.backends.onnxruntime import OnnxRuntimeBackend
from mlrepo.errors import UserError
from mlrepo.plugins import BACKENDS, load_plugin
from mlrepo.workloads.imagenet import RandomImages
from mlrepo.workloads.model_store import ModelStore
from mlrepo.workloads.quantize import Calibration, quantize
from tests.conftest import MadeOnce
from tests.e2e.driver import mlrepo
from tests.models import tiny_classifier

_MODULES = {
    "openvino": ("openvino",),
    "pytorch": ("torch",),
    "tvm-onnx": ("tvm",),
    "tvm-pytorch": ("tvm", "torch"),
}
# Queries of a performance run: what early stopping needs, and not many more.
_COUNTS = {"Offline": "1000", "SingleStream": "100", "MultiStream": "700", "Server": "700"}
_TRIED = {
    "openvino": ("Offline", "Server"),
    "pytorch": ("Offline",),
    "tvm-onnx": ("SingleStream", "MultiStream"),
    "tvm-pytorch": ("Server",),
}
# Of the largest score; bf16 keeps 8 bits.
_BOUND = {"fp32": 1e-4, "bf16": 3e-2}


def _need(backend: str) -> Any:
    for module in _MODULES.get(backend, ()):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    return load_plugin(BACKENDS, backend)()


@pytest.fixture(scope="module")
def originals(made_once: MadeOnce) -> Path:
    """The home of ResNet-50 with random weights and EfficientNet-Lite0 with its real ones."""

    def make(home: Path) -> None:
        for name in ("resnet50-random", "efficientnet-lite0"):
            ModelStore(home).require(ModelStore(home).find(name))

    return made_once("originals", make)


@pytest.fixture(scope="module")
def resnet50(originals: Path) -> Path:
    """ResNet-50 with random weights."""
    return _stored(originals, "resnet50-random")


@pytest.fixture(scope="module")
def efficientnet(originals: Path) -> Path:
    """EfficientNet-Lite0 with its real weights."""
    return _stored(originals, "efficientnet-lite0")


def _stored(home: Path, name: str) -> Path:
    store = ModelStore(home)
    return store.require(store.find(name)).path


@pytest.fixture(scope="module", params=[12, pytest.param(200, marks=pytest.mark.slow)])
def reference(
    resnet50: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images and their scores by ONNX Runtime."""
    images = RandomImages().load(range(request.param))
    backend = OnnxRuntimeBackend()
    backend.load(resnet50, BackendOptions(threads=1))
    scores = [backend.predict(images[i : i + 4])[0] for i in range(0, len(images), 4)]
    yield images, np.concatenate(scores)


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("openvino", "fp32"),
        ("openvino", "bf16"),
        ("pytorch", "fp32"),
        ("pytorch", "bf16"),
        ("tvm-onnx", "fp32"),
        pytest.param("tvm-pytorch", "fp32", marks=pytest.mark.slow),
    ],
)
def test_scores_agree_with_onnx_runtime(
    name: str, precision: str, resnet50: Path, reference: tuple[np.ndarray, np.ndarray]
) -> None:
    """Within the bound of the precision, relative to the largest score; fp32 with equal top-1."""
    backend = _need(name)
    backend.load(resnet50, BackendOptions(precision=precision, batch=4, threads=1))
    images, wanted = reference
    found = np.concatenate(
        [np.array(backend.predict(images[i : i + 4])[0]) for i in range(0, len(images), 4)]
    )
    assert np.abs(found - wanted).max() <= _BOUND[precision] * np.abs(wanted).max()
    if precision == "fp32":
        assert (found.argmax(axis=1) == wanted.argmax(axis=1)).all()
    assert backend.describe()["precision"] == precision
    assert backend.describe()["options"].get("unscheduled", []) == []


@pytest.mark.parametrize(
    "name",
    # Its importer is tried on the operators and a small model; what TVM compiles is the same.
    [pytest.param(one, marks=pytest.mark.slow if one == "tvm-pytorch" else ()) for one in _MODULES],
)
def test_efficientnet_agrees_with_onnx_runtime(name: str, efficientnet: Path) -> None:
    """Depthwise convolutions with strides, padding on one side, and bounded activations."""
    images = RandomImages().load(range(4)) / 128
    backend, wanted = _need(name), OnnxRuntimeBackend()
    backend.load(efficientnet, BackendOptions(batch=2, threads=1))
    wanted.load(efficientnet, BackendOptions(threads=1))
    expected = wanted.predict(images)[0]
    found = np.concatenate([np.array(backend.predict(images[i : i + 2])[0]) for i in (0, 2)])
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert backend.describe()["options"].get("unscheduled", []) == []


@pytest.fixture(scope="module")
def quantized(originals: Path, made_once: MadeOnce) -> dict[str, Path]:
    """ResNet-50 with random weights and EfficientNet-Lite0 in int8."""
    names = ("resnet50-random", "efficientnet-lite0")

    def make(directory: Path) -> None:
        shutil.copytree(originals, directory)
        store = ModelStore(directory)
        calibration = Calibration(RandomImages(), range(4), "4 images", "")
        for name in names:
            quantize(store, store.require(store.find(name)), "int8", "minmax", calibration)

    home = made_once("quantized", make)
    return {name: _stored(home, f"{name}/int8") for name in names}


_Int8 = Callable[[str, str, str], tuple[np.ndarray, str]]
_Bench = Callable[..., Any]


@pytest.fixture(scope="module")
def int8(quantized: dict[str, Path], made_once: MadeOnce) -> _Int8:
    """What a backend computes for four images with a quantized model, and its precision.

    Each is computed once for all processes, whatever it is compared with.
    """

    def scores(name: str, model: str, mcpu: str = "") -> tuple[np.ndarray, str]:
        backend = _need(name)

        def make(directory: Path) -> None:
            extra = {"mcpu": mcpu} if mcpu else {}
            options = BackendOptions(batch=4, precision="int8", threads=1, extra=extra)
            backend.load(quantized[model], options)
            directory.mkdir()
            found = np.array(backend.predict(RandomImages().load(range(4)))[0])
            np.save(directory / "scores.npy", found)
            (directory / "precision").write_text(backend.describe()["precision"])

        made = made_once(f"int8-{name}-{model}-{mcpu}", make)
        return np.load(made / "scores.npy"), (made / "precision").read_text()

    return scores


@pytest.mark.parametrize("name", ["onnx", "openvino", "tvm-onnx"])
def test_a_quantized_model_agrees_with_its_original(
    name: str, efficientnet: Path, int8: _Int8
) -> None:
    """As far as 8 bits allow on noise; the backends differ in what they round when."""
    wanted = OnnxRuntimeBackend()
    wanted.load(efficientnet, BackendOptions(threads=1))
    expected = wanted.predict(RandomImages().load(range(4)))[0]
    found, precision = int8(name, "efficientnet-lite0", "")
    assert 0.8 < np.corrcoef(found.ravel(), expected.ravel())[0, 1] < 0.9999
    assert precision == "int8"


@pytest.mark.parametrize(
    ("name", "model", "mcpu"),
    [
        ("openvino", "resnet50-random", ""),
        ("tvm-onnx", "efficientnet-lite0", ""),
        pytest.param("tvm-onnx", "resnet50-random", "", marks=pytest.mark.slow),
        pytest.param("tvm-onnx", "resnet50-random", "haswell", marks=pytest.mark.slow),
    ],
)
def test_integer_arithmetic_is_that_of_onnx_runtime(
    name: str, model: str, mcpu: str, quantized: dict[str, Path], int8: _Int8
) -> None:
    """The same numbers are rounded at the same places; few of them to the other side.

    EfficientNet has depthwise convolutions and blocks of eight channels; the first convolution of
    both is padded, and its zero is another number. A target without VNNI computes in float32.
    """
    found, _ = int8(name, model, mcpu)
    expected = _unsaturated(quantized[model])
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999
    assert np.abs(found - expected).max() <= 0.03 * np.abs(expected).max()


def _unsaturated(model: Path) -> np.ndarray:
    """What ONNX Runtime computes; without this option, sums saturate on processors without VNNI."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(str(model), options)
    images = np.asarray(RandomImages().load(range(4)))
    [scores] = session.run(None, {session.get_inputs()[0].name: images})
    return np.asarray(scores)


@pytest.mark.parametrize(("mcpu", "integers"), [("cascadelake", 53), ("skylake-avx512", 0)])
def test_bytes_are_multiplied_where_the_target_can(
    quantized: dict[str, Path], mcpu: str, integers: int
) -> None:
    """Also the first, whose three channels are filled up; without VNNI none."""
    _need("tvm-onnx")
    from tvm.relax.frontend.onnx import from_onnx

    from mlrepo.backends.tvm import pipeline

    model = onnx.load(quantized["resnet50-random"])
    shape = {model.graph.input[0].name: [1, 3, 224, 224]}
    module = from_onnx(model, shape_dict=shape, keep_params_in_input=False)
    layers = pipeline.layers_of(module, pipeline.target(mcpu, 1))
    counts = {"integer": 0, "float": 0}
    for layer in layers:
        counts["integer" if "integer_conv2d" in layer.name else "float"] += layer.count
    assert counts == {"integer": integers, "float": 53 - integers}


@pytest.mark.parametrize("name", ["tvm-onnx", "tvm-pytorch", "pytorch", "openvino"])
def test_depthwise_convolutions_and_1001_classes_are_right(name: str, tmp_path: Path) -> None:
    """A convolution that fills no blocks, beside ones that do; on a batch of one."""
    path = tiny_classifier(tmp_path / "m.onnx", classes=1001, depthwise=True)
    backend, wanted = _need(name), OnnxRuntimeBackend()
    backend.load(path, BackendOptions(batch=1, threads=1))
    wanted.load(path, BackendOptions(threads=1))
    image = RandomImages().load([5])
    expected = wanted.predict(image)[0]
    difference = np.abs(backend.predict(image)[0] - expected).max()
    assert difference <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("mcpu", ["haswell", "skylake-avx512"])
def test_a_compiled_model_is_used_again_and_targets_are_kept_apart(
    tmp_path: Path, mcpu: str
) -> None:
    """The second load takes the library; AVX2 has other lanes and another file."""
    path = tiny_classifier(tmp_path / "m.onnx")
    images = RandomImages().load(range(2))
    first, again = _need("tvm-onnx"), _need("tvm-onnx")
    from mlrepo.backends.tvm import pipeline

    cpu = pipeline.target(mcpu, 1)
    assert pipeline.lanes(cpu) == {"haswell": 8, "skylake-avx512": 16}[mcpu]
    if mcpu == "skylake-avx512" and "avx512f" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no AVX-512")
    options = BackendOptions(batch=2, cache=tmp_path / "compiled", extra={"mcpu": mcpu})
    first.load(path, options)
    (library,) = (tmp_path / "compiled").glob("*.so")
    written = library.stat().st_mtime_ns
    again.load(path, options)
    assert library.stat().st_mtime_ns == written
    assert len(list((tmp_path / "compiled").glob("*.so"))) == 1
    np.testing.assert_array_equal(first.predict(images)[0], again.predict(images)[0])
    other = BackendOptions(batch=1, cache=tmp_path / "compiled", extra={"mcpu": mcpu})
    _need("tvm-onnx").load(path, other)
    assert len(list((tmp_path / "compiled").glob("*.so"))) == 2


def test_arm_code_multiplies_vectors(tmp_path: Path) -> None:
    """Compiled for another machine: four lanes, every function scheduled, no number by itself."""
    _need("tvm-onnx")
    import tvm
    from tvm.relax.frontend.onnx import from_onnx

    from mlrepo.backends.tvm import pipeline

    model = onnx.load(tiny_classifier(tmp_path / "m.onnx"))
    module = from_onnx(model, shape_dict={"image": [1, 3, 224, 224]})
    arm = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "neoverse-n1", "num-cores": 2}
    compiled = pipeline.compile_module(module, tvm.target.Target(arm))
    (code,) = (part for part in compiled.executable.mod.imports if part.kind == "llvm")
    text = code.inspect_source("asm")
    assert not compiled.unscheduled
    assert not compiled.fallback
    assert "fmla\tv0.4s" in text
    assert "fmadd" not in text


@pytest.mark.parametrize("name", _MODULES)
def test_what_is_no_model_or_no_option_is_a_user_s_error(name: str, tmp_path: Path) -> None:
    """Never the framework's own exception."""
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"m\.onnx"):
        _need(name).load(tmp_path / "m.onnx", BackendOptions(threads=1))
    path = tiny_classifier(tmp_path / "good.onnx")
    with pytest.raises(UserError, match="no option 'nonsense'"):
        _need(name).load(path, BackendOptions(extra={"nonsense": "1"}))
    with pytest.raises(UserError, match="no precision 'fp64'"):
        _need(name).load(path, BackendOptions(precision="fp64"))


@pytest.mark.parametrize("name", ["tvm-onnx", "tvm-pytorch", "pytorch"])
def test_an_operator_that_a_framework_does_not_know_is_named(name: str, tmp_path: Path) -> None:
    """With the way out; ONNX Runtime knows more operators than TVM's importer and ours."""
    path = tmp_path / "m.onnx"
    model = onnx.load(tiny_classifier(path))
    node = next(node for node in model.graph.node if node.op_type == "Relu")
    node.op_type = "Celu"
    onnx.save_model(model, path)
    OnnxRuntimeBackend().load(path, BackendOptions(threads=1))
    with pytest.raises(UserError, match="Celu") as caught:
        _need(name).load(path, BackendOptions(threads=1))
    assert caught.value.hint


def test_torchvision_s_resnet50_is_built_from_its_state(tmp_path: Path) -> None:
    """A `.pth` holds names and weights only: 53 convolutions and norms, and the classifier."""
    _need("pytorch")
    import torch

    from mlrepo.backends.torch_models import load_torch_model

    torch.save({"fc.bias": torch.zeros(1000)}, tmp_path / "part.pth")
    with pytest.raises(UserError, match=r"part\.pth .* lacks .* and \d+ more"):
        load_torch_model(tmp_path / "part.pth", 1)
    torch.save(_torchvision_state(), tmp_path / "whole.pth")
    loaded = load_torch_model(tmp_path / "whole.pth", 2)
    assert loaded.specs[0].shape == (None, 3, 224, 224)
    with torch.no_grad():
        assert loaded.module(torch.zeros(2, 3, 224, 224)).shape == (2, 1000)


def _torchvision_state() -> dict[str, Any]:
    """Return zeros under the names and in the shapes of torchvision's resnet50."""
    import torch

    shapes: dict[str, tuple[int, ...]] = {}

    def add(conv: str, norm: str, cin: int, cout: int, kernel: int) -> None:
        shapes[f"{conv}.weight"] = (cout, cin, kernel, kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{part}"] = (cout,)

    add("conv1", "bn1", 3, 64, 7)
    cin = 64
    for stage, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), start=1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            add(f"{name}.conv1", f"{name}.bn1", cin, width, 1)
            add(f"{name}.conv2", f"{name}.bn2", width, width, 3)
            add(f"{name}.conv3", f"{name}.bn3", width, 4 * width, 1)
            if block == 0:
                add(f"{name}.downsample.0", f"{name}.downsample.1", cin, 4 * width, 1)
            cin = 4 * width
    shapes |= {"fc.weight": (1000, 2048), "fc.bias": (1000,)}
    return {name: torch.ones(shape) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory, made_once: MadeOnce) -> _Bench:
    """How to run digits; the models that were compiled for one run are there for the next."""
    base = tmp_path_factory.mktemp("laboratory")
    home = str(made_once("laboratory-home", Path.mkdir))
    who = ("--submitter", "Acme", "--division", "open", "--system", "box")
    mlrepo(base, "init", "results", *who)

    def bench(name: str, *arguments: str) -> Any:
        # One thread: on a busy machine, two that wait for each other after every operator take
        # minutes.
        run = ("bench", "run", "--model", "digits", "--backend", name, "--threads", "1", "--json")
        return mlrepo(base / "results", *run, *arguments, MLREPO_HOME=home).json["record"]

    return bench


@pytest.mark.parametrize("name", _MODULES)
def test_the_accuracy_on_digits_is_known(name: str, laboratory: _Bench) -> None:
    """Tail batches of compiled models are filled up."""
    _need(name)
    record = laboratory(name, "--scenario", "Offline", "--mode", "accuracy")
    assert record["result"]["value"] == pytest.approx(99.4)


@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        # Which queries come when is not the backend's matter: the rest is for `make prove`.
        pytest.param(name, scenario, marks=() if scenario in _TRIED[name] else pytest.mark.slow)
        for name in _MODULES
        for scenario in _COUNTS
    ],
)
def test_a_run_in_every_scenario_is_valid(name: str, scenario: str, laboratory: _Bench) -> None:
    """Short ones, on digits."""
    _need(name)
    asked = ("--scenario", scenario, "--mode", "performance", "--count", _COUNTS[scenario])
    bound = ("--max-latency", "2", "--qps", "200") if scenario == "Server" else ()
    record = laboratory(name, *asked, *bound)
    assert record["validity"] == "VALID"
    assert record["sut"].startswith(f"box-{name}")


def test_tuning_of_tiles_goes_on_where_it_stopped_and_can_be_handed_on(tmp_path: Path) -> None:
    """The database is of one model and batch; the tuned code gives the same scores."""
    path = tiny_classifier(tmp_path / "m.onnx")
    options = BackendOptions(batch=2, threads=1, cache=tmp_path / "here")
    backend = _need("tvm-onnx")
    backend.load(path, options)
    image = RandomImages().load(range(2))
    before = backend.predict(image)[0]
    assert backend.describe()["options"]["tiles"] == ""
    steps: list[Any] = []
    assert backend.tune(0.0, lambda **step: steps.append(step))["unmeasured"] == 2
    handed = tmp_path / "tiles.json"
    assert backend.tune(60.0, lambda **step: steps.append(step), handed)["unmeasured"] == 0
    assert [step["done"] for step in steps] == [1, 2]
    backend.load(path, options)
    first = backend.describe()["options"]["tiles"]
    assert len(first) == 64
    np.testing.assert_allclose(backend.predict(image)[0], before, rtol=1e-4, atol=1e-4)

    backend.adopt(False)
    backend.load(path, options)
    assert backend.describe()["options"]["tiles"] == ""
    backend.adopt(True)
    backend.load(path, options)
    assert backend.describe()["options"]["tiles"] == first

    other = _need("tvm-onnx")
    other.load(path, BackendOptions(batch=2, threads=1, cache=tmp_path / "there"))
    steps.clear()
    assert other.tune(0.0, lambda **step: steps.append(step), handed)["unmeasured"] == 0
    assert not steps
    third = _need("tvm-onnx")
    third.load(path, BackendOptions(batch=1, threads=1, cache=tmp_path / "there"))
    with pytest.raises(UserError, match="another model, batch, target"):
        third.tune(0.0, lambda **step: None, handed)
    handed.write_text("{")
    with pytest.raises(UserError, match="not a database of tiles"):
        other.tune(0.0, lambda **step: None, handed)
