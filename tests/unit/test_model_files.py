"""A model consists of all its files; its identity changes with each of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

from mlrepo.errors import UserError
from mlrepo.model_files import find_model_files
from mlrepo.onnx_tensors import NotOnnx, onnx_tensors
from tests.models import tiny_classifier

_INFO = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])


def _outside(name: str, location: str, offset: int = 0, size: int = 4) -> TensorProto:
    """A float tensor whose data are in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[size])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", 4 * size)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _graph(*initializers: TensorProto) -> onnx.GraphProto:
    node = helper.make_node("Identity", ["x"], ["y"])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    return helper.make_graph([node], "g", [_INFO], [result], list(initializers))


def _initializer(model: ModelProto, tensor: TensorProto) -> None:
    model.graph.initializer.append(tensor)


def _constant(model: ModelProto, tensor: TensorProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def _branch(model: ModelProto, tensor: TensorProto) -> None:
    inner = helper.make_node("Loop", ["n", "c"], ["o"], body=_graph(tensor))
    branch = helper.make_graph([inner], "b", [], [])
    model.graph.node.append(
        helper.make_node("If", ["c"], ["o"], then_branch=branch, else_branch=_graph())
    )


def _list_of_graphs(model: ModelProto, tensor: TensorProto) -> None:
    node = helper.make_node("Custom", ["x"], ["o"], domain="own")
    node.attribute.append(AttributeProto(name="g", type=AttributeProto.GRAPHS))
    node.attribute[0].graphs.append(_graph(tensor))
    model.graph.node.append(node)


def _list_of_tensors(model: ModelProto, tensor: TensorProto) -> None:
    node = helper.make_node("Custom", ["x"], ["o"], domain="own")
    node.attribute.append(AttributeProto(name="t", type=AttributeProto.TENSORS))
    node.attribute[0].tensors.append(tensor)
    model.graph.node.append(node)


def _function(model: ModelProto, tensor: TensorProto) -> None:
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "F", [], ["c"], [node], opsets))


def _default_of_a_function(model: ModelProto, tensor: TensorProto) -> None:
    _function(model, numpy_helper.from_array(np.zeros(4, np.float32), "w"))
    model.functions[0].attribute_proto.append(helper.make_attribute("t", tensor))


def _sparse(model: ModelProto, tensor: TensorProto) -> None:
    sparse = onnx.SparseTensorProto(dims=[9])
    sparse.values.CopyFrom(tensor)
    sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(4), "i"))
    model.graph.sparse_initializer.append(sparse)


def _sparse_constant(model: ModelProto, tensor: TensorProto) -> None:
    _sparse(model, tensor)
    node = helper.make_node(
        "Constant", [], ["c"], sparse_value=model.graph.sparse_initializer.pop()
    )
    model.graph.node.append(node)


def _training(model: ModelProto, tensor: TensorProto) -> None:
    model.training_info.add().initialization.CopyFrom(_graph(tensor))


_PLACES: list[Callable[[ModelProto, TensorProto], None]] = [
    _initializer,
    _constant,
    _branch,
    _list_of_graphs,
    _list_of_tensors,
    _function,
    _default_of_a_function,
    _sparse,
    _sparse_constant,
    _training,
]


def _save(path: Path, *tensors: TensorProto, place: Callable[..., None] = _initializer) -> Path:
    """Write a model that holds the tensors in one kind of place."""
    model = helper.make_model(_graph())
    for tensor in tensors:
        place(model, tensor)
    path.write_bytes(model.SerializeToString())
    return path


def _names(entry: Path) -> list[str]:
    return [file.name for file in find_model_files(entry).files]


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_one_file_is_its_own_identity(tmp_path: Path) -> None:
    """Its plain SHA-256, as in the records before there were lists of files."""
    path = tiny_classifier(tmp_path / "tiny.onnx")
    found = find_model_files(path)
    assert found.digest == _sha(path.read_bytes())
    assert [file.name for file in found.files] == ["tiny.onnx"]
    assert found.size == path.stat().st_size


def test_weights_in_a_second_file_belong_to_the_identity(tmp_path: Path) -> None:
    """The digest is that of the output of sha256sum over both; other weights, another model."""
    path = tiny_classifier(tmp_path / "tiny.onnx")
    (tmp_path / "sub").mkdir()
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="sub/weights.bin")
    first = find_model_files(path)
    assert [file.name for file in first.files] == ["sub/weights.bin", "tiny.onnx"]
    listed = "".join(f"{_sha((tmp_path / f.name).read_bytes())}  {f.name}\n" for f in first.files)
    assert first.digest == _sha(listed.encode())
    weights = tmp_path / "sub/weights.bin"
    weights.write_bytes(weights.read_bytes()[::-1])
    assert find_model_files(path).digest != first.digest


@pytest.mark.parametrize("place", _PLACES)
def test_weights_are_found_wherever_the_graph_names_them(
    tmp_path: Path, place: Callable[..., None]
) -> None:
    """Two tensors in one file, one in another."""
    (tmp_path / "a").write_bytes(bytes(32))
    (tmp_path / "b c.bin").write_bytes(bytes(16))
    tensors = (_outside("1", "a"), _outside("2", "./a", 16), _outside("3", "b c.bin"))
    path = _save(tmp_path / "m.onnx", *tensors, place=place)
    assert _names(path) == ["a", "b c.bin", "m.onnx"]
    (tmp_path / "a").write_bytes(bytes(31))
    with pytest.raises(UserError, match=r"weights '2' in './a', which is too short: 31 .* 32\."):
        find_model_files(path)
    (tmp_path / "a").unlink()
    with pytest.raises(UserError, match=r"weights '[12]' in '(\./)?a', which does not exist"):
        find_model_files(path)


@pytest.mark.parametrize(
    "location",
    [
        "../w",
        "sub/../w",
        "/etc/hostname",
        "sub\\w",
        "..\\w",
        "C:\\w",
        "C:/w",
        "C:w",
        "",
        ".",
        "a\0b",
    ],
)
def test_weights_outside_of_the_directory_are_refused(tmp_path: Path, location: str) -> None:
    """Whether there is such a file or not; the tensor is named."""
    (tmp_path / "w").write_bytes(bytes(16))
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/w").write_bytes(bytes(16))
    path = _save(tmp_path / "in/m.onnx", _outside("head", location))
    with pytest.raises(UserError, match=r"weights 'head' in .*is not a path below"):
        find_model_files(path)


@pytest.mark.parametrize("link", ["w", "sub"])
def test_links_out_of_the_directory_are_refused_and_links_inside_are_not(
    tmp_path: Path, link: str
) -> None:
    """Of the file or of a folder on the way to it."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "in").mkdir()
    location = "w" if link == "w" else "sub/w"
    (tmp_path / location).write_bytes(bytes(16))
    (tmp_path / "in" / link).symlink_to(tmp_path / link)
    path = _save(tmp_path / "in/m.onnx", _outside("head", location))
    with pytest.raises(UserError, match=r"'head' in .* is a link out of the model's directory"):
        find_model_files(path)
    (tmp_path / "in" / link).unlink()
    (tmp_path / "in/real").write_bytes(bytes(16))
    (tmp_path / "in" / location).parent.mkdir(exist_ok=True)
    (tmp_path / "in" / location).symlink_to(tmp_path / "in/real")
    assert _names(path) == ["m.onnx", location]


def test_a_model_in_the_cache_of_hugging_face_is_read(tmp_path: Path) -> None:
    """Every file of a snapshot is a link to a blob; the snapshot as a whole is a model, too."""
    blobs, snapshot = tmp_path / "models--a/blobs", tmp_path / "models--a/snapshots/1"
    blobs.mkdir(parents=True)
    (snapshot / "onnx").mkdir(parents=True)
    (blobs / "2").write_bytes(bytes(16))
    _save(blobs / "1", _outside("w", "model.onnx_data"))
    (snapshot / "onnx/model.onnx").symlink_to("../../../blobs/1")
    (snapshot / "onnx/model.onnx_data").symlink_to("../../../blobs/2")
    assert _names(snapshot / "onnx/model.onnx") == ["model.onnx", "model.onnx_data"]
    assert _names(snapshot) == ["onnx/model.onnx", "onnx/model.onnx_data"]


def test_openvino_ir_is_xml_and_bin(tmp_path: Path) -> None:
    """Weights without which it cannot run are missed before it is run."""
    path = tmp_path / "net.xml"
    path.write_text('<net><layers><layer type="Const"/></layers></net>')
    with pytest.raises(UserError, match=r"has its weights in net\.bin, and there is no such"):
        find_model_files(path)
    (tmp_path / "net.bin").write_bytes(b"1")
    assert _names(path) == ["net.bin", "net.xml"]
    first = find_model_files(path).digest
    (tmp_path / "net.bin").write_bytes(b"2")
    assert find_model_files(path).digest != first
    (tmp_path / "net.bin").unlink()
    path.write_text('<net><layers><layer type="Parameter"/></layers></net>')
    assert _names(path) == ["net.xml"]


def test_a_checkpoint_of_tensorflow_is_graph_and_variables(tmp_path: Path) -> None:
    """OpenVINO reads it by the name of its graph; files of another checkpoint are not part of it"""
    own = ["m.data-00000-of-00001", "m.index", "m.meta"]
    for name in (*own, "m2.index", "m2.data-00000-of-00001", "m.pb", "checkpoint"):
        (tmp_path / name).write_text(name)
    assert _names(tmp_path / "m.meta") == own


@pytest.mark.parametrize("entry", ["m-00002-of-00003.gguf", "."])
def test_shards_belong_together(tmp_path: Path, entry: str) -> None:
    """Whichever is named, and in a directory; a missing one is named."""
    names = [f"m-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    for name in names:
        (tmp_path / name).write_text(name)
    assert _names(tmp_path / entry) == names
    (tmp_path / names[2]).unlink()
    with pytest.raises(UserError, match=r"m-00003-of-00003\.gguf does not exist"):
        find_model_files(tmp_path / entry)


def test_an_index_of_safetensors_names_the_files(tmp_path: Path) -> None:
    """Hugging Face: a shard that the index names and that is missing is refused with a tensor."""
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a.weight": "one", "b.weight": "two"}}))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "one").write_text("1")
    for entry in (index, tmp_path):
        with pytest.raises(UserError, match=r"'b\.weight' in 'two', which does not exist"):
            find_model_files(entry)
    (tmp_path / "two").write_text("2")
    assert _names(index) == ["model.safetensors.index.json", "one", "two"]
    assert _names(tmp_path) == ["config.json", "model.safetensors.index.json", "one", "two"]


@pytest.mark.parametrize("offset", ["+0", " 0", "-0", "0x0", "1.0"])
def test_a_place_of_weights_that_only_some_readers_understand_is_refused(
    tmp_path: Path, offset: str
) -> None:
    """TVM and OpenVINO take ``+0``, ONNX Runtime does not: the file is not left out for it."""
    (tmp_path / "w").write_bytes(bytes(16))
    tensor = _outside("1", "w")
    tensor.external_data[1].value = offset
    path = _save(tmp_path / "m.onnx", tensor)
    with pytest.raises(
        UserError, match=r"has weights in another file, but does not say where: .*number"
    ):
        find_model_files(path)


@pytest.mark.parametrize("head", ['<?xml version="1.0"?>\n', "", "\ufeff \n"])
def test_openvino_ir_is_known_by_its_content_as_openvino_knows_it(
    tmp_path: Path, head: str
) -> None:
    """OpenVINO reads an IR of any name, and takes the file of weights beside it."""
    path = tmp_path / "net.model"
    text = f'{head}<net name="n"><layers><layer id="0" type="Const"/></layers></net>'
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"has its weights in net\.bin, and there is no such file"):
        find_model_files(path)
    (tmp_path / "net.bin").write_bytes(b"weights")
    assert _names(path) == ["net.bin", "net.model"]


def test_a_directory_is_all_that_it_holds(tmp_path: Path) -> None:
    """Also when that is one file; bookkeeping of Git and of the downloader is not part of it."""
    (tmp_path / "m/sub").mkdir(parents=True)
    (tmp_path / "m/.git").mkdir()
    (tmp_path / "m/.git/HEAD").write_text("ref")
    with pytest.raises(UserError, match="is an empty directory"):
        find_model_files(tmp_path / "m")
    (tmp_path / "m/sub/weights").write_text("1")
    found = find_model_files(tmp_path / "m")
    assert [file.name for file in found.files] == ["sub/weights"]
    assert found.digest == _sha(f"{_sha(b'1')}  sub/weights\n".encode())
    (tmp_path / "m/gone").symlink_to("nowhere")
    with pytest.raises(UserError, match="holds gone, which is a broken link"):
        find_model_files(tmp_path / "m")


def test_a_name_that_would_be_two_lines_of_the_list_is_refused(tmp_path: Path) -> None:
    """Else a file could be called like another one with its digest."""
    (tmp_path / "a\nb").write_text("")
    with pytest.raises(UserError, match=r"control character: 'a\\nb'"):
        find_model_files(tmp_path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """A wrong path, a link to nothing, a pipe, a file in the place of a directory."""
    (tmp_path / "link.onnx").symlink_to("nowhere.onnx")
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "file").write_text("")
    for name, words in (
        ("absent.onnx", "does not exist"),
        ("link.onnx", "is a broken link"),
        ("pipe.onnx", "is not a regular file"),
        ("file/m.onnx", "does not exist"),
    ):
        with pytest.raises(UserError, match=words) as refused:
            find_model_files(tmp_path / name)
        assert name in refused.value.message


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    """Its name, not that of the model."""
    (tmp_path / "w").write_bytes(bytes(16))
    (tmp_path / "w").chmod(0)
    path = _save(tmp_path / "m.onnx", _outside("head", "w"))
    with pytest.raises(UserError, match="/w cannot be read: Permission denied"):
        find_model_files(path)


@pytest.mark.parametrize("kind", ["INT4", "BFLOAT16", "FLOAT8E4M3FN", "DOUBLE", "BOOL"])
def test_bytes_are_counted_by_the_element_type(tmp_path: Path, kind: str) -> None:
    """Also where the file does not say the length; two 4-bit numbers are one byte."""
    number = TensorProto.DataType.Value(kind)
    tensor = TensorProto(name="w", data_type=number, dims=[5])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w")
    size = {"INT4": 3, "BFLOAT16": 10, "FLOAT8E4M3FN": 5, "DOUBLE": 40, "BOOL": 5}[kind]
    path = _save(tmp_path / "m.onnx", tensor)
    (tmp_path / "w").write_bytes(bytes(size))
    assert _names(path) == ["m.onnx", "w"]
    (tmp_path / "w").write_bytes(bytes(size - 1))
    with pytest.raises(UserError, match="too short"):
        find_model_files(path)


def test_tensors_are_those_that_onnx_reads(tmp_path: Path) -> None:
    """Name, type and shape of every tensor of a real model, from the bytes alone."""
    path = tiny_classifier(tmp_path / "tiny.onnx")
    wanted = {(t.name, t.data_type, tuple(t.dims)) for t in onnx.load(path).graph.initializer}
    assert {(t.name, t.data_type, t.shape) for t in onnx_tensors(path)} == wanted


@pytest.mark.long
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Nothing but NotOnnx is raised."""
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(data)
    try:
        list(onnx_tensors(path))
    except NotOnnx:
        return
