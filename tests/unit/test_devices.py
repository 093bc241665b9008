"""The device requested for a run, and the one it really used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from mlrepo.backends import Array, BackendOptions, Capabilities
from mlrepo.backends.capabilities import capabilities_of, refuse_absent
from mlrepo.backends.devices import CPU, CUDA, GPU, NPU, Device
from mlrepo.backends.onnx_providers import PROVIDERS, Provider, assigned, prepare, refuse_fallback
from mlrepo.backends.onnxruntime import OnnxRuntimeBackend
from mlrepo.bench.device import compared_backend, recorded_device
from mlrepo.bench.tuned import Tuned, find_tuned, remember
from mlrepo.errors import UserError
from mlrepo.harness.device_guard import described_on
from mlrepo.plugins import BACKENDS, load_plugin
from mlrepo.record import BackendFacts
from mlrepo.record.backend_label import backend_label, label_options
from mlrepo.workloads.digits import DIGITS

assert DIGITS.model is not None
_MODEL = DIGITS.model.path
_BY_WORD = {provider.word: provider for provider in PROVIDERS}


@pytest.mark.parametrize(
    ("text", "shown"), [("cpu", "cpu"), ("CUDA:0", "cuda"), ("cuda:1", "cuda:1"), (" npu", "npu")]
)
def test_the_first_device_of_a_kind_has_one_name(text: str, shown: str) -> None:
    """Else its results would be kept under two."""
    assert str(Device.parse(text)) == shown


@pytest.mark.parametrize("text", ["", "cuda:", "cuda:x", "cuda:-1", "gpu.1", "../x", "cuda:1:2"])
def test_what_is_not_a_device_is_refused(text: str) -> None:
    """The hint shows what is one."""
    with pytest.raises(UserError, match="not the name of a device") as caught:
        Device.parse(text)
    assert "cuda:1" in caught.value.hint


@pytest.mark.parametrize(
    ("backend", "device"), [("tvm-onnx", "cuda"), ("pytorch", "npu"), ("onnx", "tpu")]
)
def test_a_kind_that_a_backend_never_runs_on_is_refused_with_those_it_does(
    backend: str, device: str
) -> None:
    """Before anything starts."""
    with pytest.raises(UserError, match=f"does not run on {device}") as caught:
        refuse_absent(backend, Device(device))
    assert "cpu" in caught.value.hint


@pytest.mark.long
@pytest.mark.parametrize(
    ("backend", "device", "way"),
    [
        ("onnx", "cuda", "onnxruntime-gpu"),
        ("onnx", "gpu", "onnxruntime-migraphx"),
        ("onnx", "npu", "onnxruntime-openvino"),
        ("openvino", "gpu", "GPU driver"),
        ("openvino", "gpu:1", "GPU driver"),
        ("openvino", "npu", "NPU driver"),
        ("pytorch", "cuda", "PyTorch for CUDA"),
        ("pytorch", "cuda:3", "PyTorch for CUDA"),
    ],
)
def test_an_absent_device_is_refused_with_what_is_here_and_what_gets_it(
    backend: str, device: str, way: str
) -> None:
    """By the parent, and by the backend itself."""
    pytest.importorskip({"onnx": "onnxruntime", "pytorch": "torch"}.get(backend, backend))
    plugin = load_plugin(BACKENDS, backend)
    asked = Device.parse(device)
    if asked.kind in {one.kind for one in plugin.devices_here()}:
        pytest.skip(f"{device} is here")
    precision = capabilities_of(backend).devices[asked.kind][0]
    options = BackendOptions(device=device, precision=precision)
    for refuse in (
        lambda: refuse_absent(backend, asked),
        lambda: plugin().load(_MODEL, options),
    ):
        with pytest.raises(
            UserError, match=f"The device {device} is not available: .* finds cpu"
        ) as e:
            refuse()
        assert way in e.value.hint


def test_a_provider_for_another_device_is_refused() -> None:
    """It is typed for a device that it does not run on."""
    options = BackendOptions(extra={"provider": "cuda"})
    with pytest.raises(UserError, match="provider cuda does not run on cpu") as caught:
        OnnxRuntimeBackend().load(_MODEL, options)
    assert "--device cuda" in caught.value.hint


@pytest.mark.parametrize(
    ("word", "device", "given"),
    [
        ("cpu", Device(CPU), {}),
        ("cuda", Device(CUDA, 1), {"device_id": "1"}),
        ("rocm", Device(GPU), {"device_id": "0"}),
        ("openvino", Device(GPU, 1), {"device_type": "GPU.1", "precision": "FP32"}),
        ("openvino", Device(NPU), {"device_type": "NPU", "precision": "FP32"}),
    ],
)
def test_a_provider_is_given_the_device(
    word: str, device: Device, given: Mapping[str, str]
) -> None:
    """In the words of its own options."""
    provider = _BY_WORD[word]
    assert provider.asked(device, "fp32", 2) == [(provider.name, given)]


def test_tensorrt_has_cuda_for_what_it_does_not_know() -> None:
    """Both on the same device."""
    options = {"device_id": "1"}
    assert _BY_WORD["tensorrt"].asked(Device(CUDA, 1), "fp32", 2) == [
        ("TensorrtExecutionProvider", options),
        ("CUDAExecutionProvider", options),
    ]


def _session() -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    prepare(settings)
    return onnxruntime.InferenceSession(str(_MODEL), settings, providers=["CPUExecutionProvider"])


def test_onnx_runtime_tells_which_provider_has_which_nodes() -> None:
    """A real session: all operators of the model are on the CPU."""
    nodes = assigned(_session())
    if nodes is None:
        pytest.skip("this ONNX Runtime does not keep it")
    assert list(nodes) == ["CPUExecutionProvider"]
    assert nodes["CPUExecutionProvider"]["Conv"] > 0


def test_a_session_that_fell_back_as_a_whole_is_refused() -> None:
    """A real session on the CPU, as one without CUDA's libraries is."""
    with pytest.raises(UserError, match="would run on CPUExecutionProvider"):
        refuse_fallback(_session(), _BY_WORD["cuda"], Device(CUDA), allowed=True)


class _Session:
    """What ONNX Runtime tells of a session on a device that is not here."""

    def __init__(self, **nodes: Sequence[str]) -> None:
        self._nodes = nodes

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(
                ep_name=f"{name}ExecutionProvider",
                get_nodes=lambda kinds=kinds: [SimpleNamespace(op_type=kind) for kind in kinds],
            )
            for name, kinds in self._nodes.items()
        ]


def _nodes(provider: Provider, *, allowed: bool, **nodes: Sequence[str]) -> dict[str, int]:
    return refuse_fallback(_Session(**nodes), provider, Device(CUDA), allowed=allowed)


def test_nodes_on_the_cpu_are_refused_unless_they_are_allowed_and_counted() -> None:
    """A run on CUDA of which a part is on the CPU says so."""
    parts = {"CUDA": ["Conv", "Conv"], "CPU": ["NonZero"]}
    with pytest.raises(UserError, match=r"1 of the model's 3 nodes .* on cuda: 1 × NonZero"):
        _nodes(_BY_WORD["cuda"], allowed=False, **parts)
    assert _nodes(_BY_WORD["cuda"], allowed=True, **parts) == {
        "CUDAExecutionProvider": 2,
        "CPUExecutionProvider": 1,
    }


def test_a_model_of_which_the_device_knows_nothing_is_never_run_on_it() -> None:
    """Although its provider is there, and whatever is allowed."""
    with pytest.raises(UserError, match="No part of the model would run on cuda"):
        _nodes(_BY_WORD["cuda"], allowed=True, CPU=["Conv"])


def test_a_helper_on_the_same_device_is_no_fallback() -> None:
    """TensorRT leaves operators to CUDA."""
    found = _nodes(
        Provider("x", "CUDAExecutionProvider", (CUDA,), ("TensorrtExecutionProvider",)),
        allowed=False,
        Tensorrt=["Conv"],
    )
    assert found == {"TensorrtExecutionProvider": 1}


def test_openvino_says_on_what_a_model_was_compiled() -> None:
    """Real: AUTO is the CPU where nothing else is here."""
    openvino = pytest.importorskip("openvino")
    from mlrepo.backends.openvino import _ran_on

    assert _ran_on(openvino.Core().compile_model(str(_MODEL), "AUTO")).kind in (CPU, GPU, NPU)
    spread = SimpleNamespace(get_property=lambda name: ["GPU.1", "CPU"])
    with pytest.raises(UserError, match="gpu:1, cpu together"):
        _ran_on(spread)


class _Elsewhere:
    """A backend that falls back in silence."""

    capabilities = Capabilities(devices={CPU: ("fp32",), CUDA: ("fp32",)})
    told: Mapping[str, object] = {"name": "elsewhere", "device": "cpu"}

    def load(self, model: Path, options: BackendOptions) -> None:
        """Load nothing."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Anything."""
        return ()

    def predict(self, batch: Array) -> Sequence[Array]:
        """Return zeros."""
        return [np.zeros((len(batch), 10), np.float32)]

    def describe(self) -> Mapping[str, object]:
        """Say where it is."""
        return self.told


class _Silent(_Elsewhere):
    told: Mapping[str, object] = {"name": "silent"}


def test_a_backend_on_another_device_than_asked_is_refused() -> None:
    """Whoever wrote it."""
    assert described_on(_Elsewhere(), "elsewhere", "cpu")["device"] == "cpu"
    with pytest.raises(UserError, match="was requested on cuda, but runs on cpu"):
        described_on(_Elsewhere(), "elsewhere", "cuda")
    with pytest.raises(UserError, match="does not say what it runs on"):
        described_on(_Silent(), "silent", "cpu")


def test_records_without_a_device_are_repeated_where_they_were() -> None:
    """The names of targets were those of providers."""
    assert recorded_device(BackendFacts(target="cpu")) == "cpu"
    assert recorded_device(BackendFacts(target="tensorrt")) == "cuda"
    assert recorded_device(BackendFacts(target="openvino", device="gpu:1")) == "gpu:1"


def test_the_cpu_goes_without_saying_in_a_configuration() -> None:
    """Digests of records from before there were devices stay comparable."""
    assert compared_backend({"name": "onnx", "device": "cpu"}) == {"name": "onnx"}
    other = {"name": "onnx", "device": "cuda"}
    assert compared_backend(other) == other


def test_what_was_tuned_for_one_device_is_not_used_on_another(tmp_path: Path) -> None:
    """An entry from before there were devices is of the CPU."""
    path = tmp_path / "tuned.json"
    key = ("ab" * 32, "onnx", "fp32", "Offline")
    remember(path, Tuned(*key, 4, 16))
    remember(path, Tuned(*key, 1, 64, device="cuda"))
    assert (found := find_tuned(path, *key)) is not None
    assert found.max_batch == 16
    assert (found := find_tuned(path, *key, device="cuda")) is not None
    assert found.max_batch == 64
    assert find_tuned(path, *key, device="cuda:1") is None


@pytest.mark.parametrize(
    ("device", "label", "options"),
    [
        ("cpu", "onnx", ("--backend", "onnx")),
        ("cuda:1", "onnx cuda:1", ("--backend", "onnx", "--device", "cuda:1")),
    ],
)
def test_results_of_several_devices_are_told_apart(
    device: str, label: str, options: tuple[str, ...]
) -> None:
    """A test on CUDA is not verified against a run on the CPU; the label is repeated by options."""
    assert backend_label("onnx", device) == label
    assert label_options(label) == options
