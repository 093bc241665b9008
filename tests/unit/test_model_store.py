"""Models are downloaded completely or not at all, and only suitable models are added."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlrepo.errors import RemoteUnavailable, UserError
from mlrepo.workloads.catalog import variants
from mlrepo.workloads.download import download
from mlrepo.workloads.imagenet.models import MODELS
from mlrepo.workloads.model_store import ModelStore
from mlrepo.workloads.ways import way_of
from tests.models import tiny_classifier

_CONTENT = np.random.default_rng(0).bytes(3_000_000)
_MD5 = hashlib.md5(_CONTENT).hexdigest()


class _Server(HTTPServer):
    """Serves the content; the first ``broken`` replies end in the middle."""

    broken = 0
    ranges: list[str | None]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer with the content from the asked offset on."""
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(re.findall(r"\d+", asked)[0]) if asked else 0
        if self.path == "/absent":
            self.send_error(404)
            return
        if start >= len(_CONTENT):
            self.send_error(416)
            return
        body = _CONTENT[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.broken:
            self.server.broken -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    """A server on this machine."""
    found = _Server(("127.0.0.1", 0), _Handler)
    found.ranges = []
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


def _url(server: _Server, path: str = "/model.onnx") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def test_a_broken_download_goes_on_where_it_stopped(server: _Server, tmp_path: Path) -> None:
    """The second call asks for the rest only; nothing stands under the final name before."""
    server.broken = 1
    target = tmp_path / "model.onnx"
    with pytest.raises(RemoteUnavailable, match="broke after"):
        download(_url(server), target, md5=_MD5)
    assert not target.exists()
    seen: list[tuple[int, int | None]] = []
    download(_url(server), target, md5=_MD5, on_progress=lambda *done: seen.append(done))
    assert target.read_bytes() == _CONTENT
    assert server.ranges == [None, "bytes=1500000-"]
    assert seen[-1] == (len(_CONTENT), len(_CONTENT))


def test_a_download_that_was_only_to_be_renamed_is_taken(server: _Server, tmp_path: Path) -> None:
    """A process that died after the last byte left a whole file."""
    (tmp_path / "model.onnx.part").write_bytes(_CONTENT)
    download(_url(server), tmp_path / "model.onnx", md5=_MD5)
    assert (tmp_path / "model.onnx").read_bytes() == _CONTENT


def test_a_file_with_another_hash_is_refused_and_removed(server: _Server, tmp_path: Path) -> None:
    """Both hashes are named."""
    with pytest.raises(UserError) as caught:
        download(_url(server), tmp_path / "model.onnx", md5="0" * 32)
    assert _MD5 in caught.value.message
    assert "0" * 32 in caught.value.message
    assert not list(tmp_path.iterdir())


def test_a_download_that_fills_the_disk_goes_on_once_there_is_room(
    server: _Server, small_mount: Path
) -> None:
    """What came is kept; the same call completes it."""
    filler = small_mount / "filler"
    filler.write_bytes(b"x" * 3_000_000)
    target = small_mount / "model.onnx"
    with pytest.raises(UserError, match=r"cannot be written.*no space left") as refused:
        download(_url(server), target, md5=_MD5)
    assert "the same command" in refused.value.hint
    assert not target.exists()
    filler.unlink()
    download(_url(server), target, md5=_MD5)
    assert target.read_bytes() == _CONTENT


@pytest.mark.long
def test_models_that_fill_the_disk_leave_nothing(small_mount: Path, tmp_path: Path) -> None:
    """Made here, added, quantized: no half of a file, no entry, and the command in words."""
    store = ModelStore(small_mount)
    with pytest.raises(UserError, match=r"cannot be written: No space left") as refused:
        store.fetch(store.find("resnet50-random"))
    assert "the same command" in refused.value.hint
    model = tiny_classifier(tmp_path / "tiny.onnx")
    filler = small_mount / "filler"
    with filler.open("wb") as stream, contextlib.suppress(OSError):
        stream.write(b"x" * 5_000_000)
    with pytest.raises(UserError, match="cannot be written: No space left"):
        store.add("resnet50", "tiny", model)
    assert [path for path in small_mount.rglob("*") if path.is_file()] == [filler]
    filler.unlink()
    assert store.add("resnet50", "tiny", model).path.read_bytes() == model.read_bytes()
    assert not list(small_mount.rglob("*.part"))


@pytest.mark.parametrize("path", ["/absent", "closed"])
def test_an_absent_file_or_server_is_remote_trouble(
    server: _Server, tmp_path: Path, path: str
) -> None:
    """Exit code 69."""
    url = _url(server, path) if path == "/absent" else "http://127.0.0.1:1/model.onnx"
    with pytest.raises(RemoteUnavailable):
        download(url, tmp_path / "model.onnx")


def test_a_fetched_model_is_known_with_its_hash(server: _Server, tmp_path: Path) -> None:
    """The second fetch does not ask the server."""
    model = replace(MODELS[0], url=_url(server), md5=_MD5)
    store = ModelStore(tmp_path)
    first = store.fetch(model)
    assert first == store.fetch(model) == store.get(model)
    assert first.sha256 == hashlib.sha256(_CONTENT).hexdigest()
    assert first.checked
    assert len(server.ranges) == 1
    file = first.model_file()
    assert (file.starting_weights_filename, file.preprocessing) == (model.url, "vgg")


@pytest.mark.long
def test_the_model_with_random_weights_is_made_here(tmp_path: Path) -> None:
    """The same seed gives the same file."""
    (model,) = variants("resnet50-random")
    one, other = ModelStore(tmp_path / "a").require(model), ModelStore(tmp_path / "b").fetch(model)
    assert one.sha256 == other.sha256
    assert one.path.stat().st_size > 100e6


def test_a_model_that_is_not_here_is_an_error_with_the_command(tmp_path: Path) -> None:
    """Nothing is downloaded without being asked for."""
    store = ModelStore(tmp_path)
    with pytest.raises(UserError) as caught:
        store.require(store.find("resnet50"))
    assert "mlrepo model fetch resnet50/v1.5-opset-11" in caught.value.hint


def test_an_added_model_is_found_by_its_name(tmp_path: Path) -> None:
    """Its inputs and outputs are those of the file."""
    store = ModelStore(tmp_path / "home")
    added = store.add("resnet50", "mine", tiny_classifier(tmp_path / "m.onnx"))
    again = ModelStore(tmp_path / "home").find("resnet50/mine")
    assert again == added.about
    assert (again.inputs, again.outputs) == (("image",), ("scores",))
    with pytest.raises(UserError, match="already"):
        store.add("resnet50", "mine", tmp_path / "m.onnx")


def test_a_model_with_another_size_or_other_classes_is_added(tmp_path: Path) -> None:
    """It runs for speed, on images of its size."""
    path = tiny_classifier(tmp_path / "m.onnx", size=32, classes=10)
    assert ModelStore(tmp_path).add("resnet50", "mine", path).about.layout == "NCHW"


def test_a_benchmark_with_its_own_model_takes_no_other(tmp_path: Path) -> None:
    """It exists, and the message says how to run another model all the same."""
    path = tiny_classifier(tmp_path / "m.onnx")
    with pytest.raises(UserError, match="'digits' has its own model") as caught:
        ModelStore(tmp_path).add("digits", "mine", path)
    assert "--model-file" in caught.value.hint
    with pytest.raises(UserError, match="There is no benchmark 'digit'"):
        ModelStore(tmp_path).add("digit", "mine", path)


def test_a_model_with_other_channels_is_refused(tmp_path: Path) -> None:
    """It says what the model takes, also when the layout that was named does not fit."""
    path = tiny_classifier(tmp_path / "m.onnx", size=32)
    with pytest.raises(UserError, match=r"image fp32 \['n', 3, 32, 32\]"):
        ModelStore(tmp_path).add("resnet50", "mine", path, layout="nhwc")
    node = helper.make_node("Flatten", ["image"], ["scores"])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, 8, 8])
    result = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 64])
    graph = helper.make_graph([node], "g", [image], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(model, tmp_path / "grey.onnx")
    with pytest.raises(UserError, match="1, 8, 8"):
        ModelStore(tmp_path).add("resnet50", "mine", tmp_path / "grey.onnx")


def test_an_entry_of_an_older_mlrepo_is_not_believed(tmp_path: Path) -> None:
    """It took weights for fp32 that are not; what the file says is what is known."""
    store = ModelStore(tmp_path / "home")
    path = tiny_classifier(tmp_path / "m.onnx")
    halved = onnx.load(path)
    for node in halved.graph.node:
        for place, name in enumerate(node.input):
            if name in ("w1", "w2", "w3"):
                node.input[place] = f"{name}_f"
    for weight in halved.graph.initializer:
        if weight.name in ("w1", "w2", "w3"):
            half = numpy_helper.to_array(weight).astype(np.float16)
            weight.CopyFrom(numpy_helper.from_array(half, weight.name))
            cast = helper.make_node("Cast", [weight.name], [f"{weight.name}_f"], to=1)
            halved.graph.node.insert(0, cast)
    onnx.save_model(halved, path)
    added = store.add("resnet50", "half", path)
    description = added.path.parent / "model.json"
    assert '"fp16"' in description.read_text()
    description.write_text(description.read_text().replace('"fp16"', '"int8"'))
    again = store.get(added.about)
    assert again is not None
    assert again.about.weight_data_types == "fp16"
    assert again.model_file().precision == "fp16"


@pytest.mark.parametrize(
    ("suffix", "benchmark", "way"),
    [
        (".onnx", "resnet50", "vgg"),
        (".pth", "resnet50", "pytorch"),
        (".pt2", "resnet50", "pytorch"),
        (".pt", "mobilenet", "pytorch"),
        (".onnx", "mobilenet", "mobilenet"),
        (".pth", "resnet50-random", ""),
        (".pth.tar", "resnet50", "pytorch"),
        (".pth", "efficientnet-lite0", "efficientnet-lite"),
        (".onnx", "digits", ""),
    ],
)
def test_the_way_is_that_of_the_framework(suffix: str, benchmark: str, way: str) -> None:
    """Weights of torchvision were trained on images prepared as torchvision does it."""
    assert way_of(benchmark, Path(f"m{suffix}")) == way
    if way:
        assert way_of(benchmark, Path(f"m{suffix}"), "mobilenet") == "mobilenet"
    else:
        with pytest.raises(UserError, match="does not apply"):
            way_of(benchmark, Path(f"m{suffix}"), "vgg")


def test_a_model_with_a_class_only_is_refused(tmp_path: Path) -> None:
    """Whether classes are counted from 0 or 1 cannot be told from it."""
    node = helper.make_node("Flatten", ["image"], ["flat"])
    top = helper.make_node("ArgMax", ["flat"], ["class"], axis=1, keepdims=0)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 224, 224])
    result = helper.make_tensor_value_info("class", TensorProto.INT64, ["n"])
    graph = helper.make_graph([node, top], "g", [image], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(model, tmp_path / "m.onnx")
    with pytest.raises(UserError, match="scores of 1000 or 1001"):
        ModelStore(tmp_path).add("resnet50", "mine", tmp_path / "m.onnx")


@pytest.mark.parametrize("content", [b"", b"no model at all"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    """Nothing is registered."""
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(UserError, match="ONNX Runtime cannot load"):
        ModelStore(tmp_path / "home").add("resnet50", "mine", tmp_path / "m.onnx")
    assert not (tmp_path / "home").exists()


def test_a_damaged_entry_names_its_file(tmp_path: Path) -> None:
    """And the way out."""
    store = ModelStore(tmp_path)
    added = store.add("resnet50", "mine", tiny_classifier(tmp_path / "m.onnx"))
    (added.path.parent / "model.json").write_text("{")
    with pytest.raises(UserError, match=r"model\.json is damaged"):
        store.get(added.about)


def test_every_downloaded_model_of_the_closed_division_has_a_published_hash() -> None:
    """Only MobileNet's were never published."""
    without = {model.benchmark for model in MODELS if model.url and not model.md5}
    assert without == {"mobilenet"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "framework"),
    [("m.pt2", "pytorch"), ("m.pth", "pytorch"), ("m.pth.tar", "pytorch"), ("m.pt", "torchscript")],
)
def test_files_of_pytorch_are_added_with_its_way(tmp_path: Path, name: str, framework: str) -> None:
    """Under their own ending, which says who can read them."""
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 8, stride=8), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Conv2d(4, 10, 1)
    ).eval()
    path, image = tmp_path / name, torch.zeros(2, 3, 64, 64)
    if name == "m.pt2":
        torch.export.save(torch.export.export(model, (image,)), path)
    elif name == "m.pt":
        torch.jit.trace(model, image).save(path)
    else:
        torch.save(model.state_dict(), path)
    added = ModelStore(tmp_path / "home").add("resnet50", "mine", path)
    assert added.about.framework == framework
    assert (added.about.preprocessing, added.about.weight_data_types) == ("pytorch", "fp32")
    assert added.path.suffix == path.suffix
    (tmp_path / "bad.pth").write_bytes(b"no model")
    with pytest.raises(UserError, match="no weights that can be read"):
        ModelStore(tmp_path / "home").add("resnet50", "bad", tmp_path / "bad.pth")


def test_a_benchmark_without_a_model_of_its_own_asks_for_the_users(tmp_path: Path) -> None:
    """Its name alone is not a wrong name of a model."""
    with pytest.raises(UserError, match="yolo-95 has no model of its own") as raised:
        ModelStore(tmp_path).find("yolo-95")
    assert raised.value.hint == "`mlrepo model add yolo-95/NAME FILE` registers your model."
    with pytest.raises(UserError, match="There is no model 'yolo-77'"):
        ModelStore(tmp_path).find("yolo-77")
