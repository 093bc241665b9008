"""SQuAD registered, prepared and verified; what no longer fits is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from mlrepo.errors import InvalidResult, MlrepoError, UserError
from mlrepo.workloads import Model
from mlrepo.workloads.onnx_graph import OnnxGraph
from mlrepo.workloads.squad import BERT_99, RandomQuestions
from mlrepo.workloads.squad.prepared import SquadSamples, SquadStore
from mlrepo.workloads.squad.registered import Squad
from tests.squad import vocabulary, write_squad

_QUESTIONS = 29


def _nothing(done: int, total: int) -> None:
    pass


def _ready(home: Path) -> SquadStore:
    """Register and prepare the small set; its files are in ``home / "given"``."""
    Squad().add(home, write_squad(home / "given"), {})
    Squad().prepare(home, "", 0, 1, _nothing)
    return SquadStore(home)


def _model(path: Path, rows: int) -> Model:
    """Write a model that looks its word pieces up in a table of so many rows."""
    graph = OnnxGraph()
    graph.weight("table", np.zeros((rows, 2), np.float32))
    graph.weight("positions", np.zeros((7, 2), np.float32))
    found = graph.add("Gather", ("table", "input_ids"), "found")
    other = graph.add("Gather", ("positions", "segment_ids"), "other")
    graph.add("Add", (found, other), "sum", "scores")
    inputs = [(name, TensorProto.INT64, ("n", 384)) for name in ("input_ids", "segment_ids")]
    outputs = [("scores", TensorProto.FLOAT, ("n", 384, 2))]
    onnx.save(graph.model("table", inputs, outputs), path)
    return Model(path.name, path, path.name)


def test_the_samples_are_three_tensors(tmp_path: Path) -> None:
    """Tokens, mask and segments, int64; the description names the files."""
    store = _ready(tmp_path)
    samples = SquadSamples(store.features)
    assert samples.total > _QUESTIONS
    loaded = samples.load(range(samples.total))
    assert list(loaded) == [tensor.name for tensor in samples.tensors]
    assert {value.dtype.name for value in loaded.values()} == {"int64"}
    assert {value.shape for value in loaded.values()} == {(samples.total, 384)}
    lengths, starts = samples.features.lengths, samples.features.starts
    assert np.array_equal(loaded["input_mask"].sum(axis=1), lengths)
    assert np.array_equal(loaded["segment_ids"].sum(axis=1), lengths - starts)
    assert np.array_equal(loaded["input_ids"] != 0, loaded["input_mask"] == 1)
    some = samples.load([5, 2])
    assert np.array_equal(some["input_ids"], loaded["input_ids"][[5, 2]])
    about = samples.describe()
    assert (about["questions"], about["complete"]) == (_QUESTIONS, False)
    assert about["vocabulary"] == len(vocabulary())
    assert about["fingerprint"] == store.verify()


def test_the_same_files_make_the_same_samples(tmp_path: Path) -> None:
    """The fingerprint is that of the files; a second preparation does nothing."""
    one, other = _ready(tmp_path / "1"), _ready(tmp_path / "2")
    assert one.verify() == other.verify()
    before = one.features.stat().st_mtime_ns
    one.prepare(_nothing)
    assert one.features.stat().st_mtime_ns == before


def test_the_state_of_the_set_is_shown(tmp_path: Path) -> None:
    """Not registered, registered, prepared; a part of the set is named as one."""
    squad = Squad()
    assert squad.status(tmp_path) is None
    model = _model(tmp_path / "model.onnx", len(vocabulary()))
    add, prepare = squad.needed(tmp_path, model)
    assert (add, prepare) == ("mlrepo dataset add squad --path DIR", "mlrepo dataset prepare squad")
    here = squad.add(tmp_path, write_squad(tmp_path / "given"), {})
    assert (here.samples, here.prepared) == (_QUESTIONS, ())
    assert "10570 questions, this file has 29" in here.warning
    assert squad.needed(tmp_path, model) == (prepare,)
    with pytest.raises(UserError, match="it is not prepared"):
        squad.find(tmp_path, model)
    steps: list[tuple[int, int]] = []
    squad.prepare(tmp_path, "", 0, 1, lambda done, total: steps.append((done, total)))
    assert steps == [(0, _QUESTIONS), (_QUESTIONS, _QUESTIONS)]
    assert squad.needed(tmp_path, model) == ()
    state = squad.status(tmp_path)
    assert state is not None and state.prepared == ("features",)
    assert squad.find(tmp_path, model) == SquadStore(tmp_path).features


@pytest.mark.parametrize("rows", [0, 1, 128])
def test_a_vocabulary_of_another_model_is_refused(tmp_path: Path, rows: int) -> None:
    """The table of embeddings decides; it may be padded, but not by more than 127 rows."""
    _ready(tmp_path)
    fitting = _model(tmp_path / "fits.onnx", len(vocabulary()) + 127)
    assert Squad().find(tmp_path, fitting).is_file()
    count = rows and len(vocabulary()) + (rows if rows > 1 else -rows)
    path = tmp_path / "other.onnx"
    model = _model(path, count) if count else replace(fitting, path=tmp_path / "given")
    with pytest.raises(UserError, match=r"vocab.txt does not fit the model") as refused:
        Squad().find(tmp_path, model)
    assert f"{len(vocabulary())} word pieces" in str(refused.value)
    assert (f"embeddings of {count}" if count else "30522 word pieces") in str(refused.value)


def test_other_files_replace_what_was_prepared(tmp_path: Path) -> None:
    """The samples of the old files are gone; the same files again change nothing."""
    store = _ready(tmp_path)
    Squad().add(tmp_path, tmp_path / "given", {})
    assert store.problem() == ""
    other = tmp_path / "more.txt"
    other.write_text("\n".join([*vocabulary(), "more"]), encoding="utf-8")
    Squad().add(tmp_path, tmp_path / "given", {"vocab.txt": other})
    assert store.problem() == "it is not prepared"
    assert not store.features.exists()


def _cut(home: Path) -> None:
    path = SquadStore(home).features
    path.write_bytes(path.read_bytes()[:-1])


def _flip(home: Path) -> None:
    path = SquadStore(home).features
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_cut, _flip])
def test_damaged_samples_are_never_used(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Opening and verifying name the file; preparing makes it again."""
    store = _ready(tmp_path)
    fingerprint = store.verify()
    damage(tmp_path)
    with pytest.raises(UserError, match=r"features.npz is damaged or was changed"):
        _ = SquadSamples(store.features).total
    with pytest.raises(InvalidResult, match=r"features.npz was changed"):
        store.verify()
    store.prepare(_nothing)
    assert store.verify() == fingerprint


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda given: (given / "dev-v1.1.json").unlink(), "dev-v1.1.json cannot be read"),
        (lambda given: (given / "vocab.txt").write_text("x"), "vocab.txt was changed since"),
    ],
)
def test_the_users_files_are_compared(
    tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    """Runs need only the samples; verifying and preparing again say what is missing."""
    store = _ready(tmp_path)
    spoil(tmp_path / "given")
    with pytest.raises(InvalidResult, match=problem):
        store.verify()
    assert SquadSamples(store.features).total > _QUESTIONS
    store.features.unlink()
    with pytest.raises(UserError, match=problem):
        store.prepare(_nothing)


def test_a_missing_file_is_named_when_the_set_is_added(tmp_path: Path) -> None:
    """With what it contains, and how to say where it is."""
    write_squad(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(MlrepoError, match=r"vocab.txt \(the word pieces of BERT") as refused:
        Squad().add(tmp_path / "home", tmp_path, {})
    assert "--file vocab.txt=PATH" in (refused.value.hint or "")
    assert not (tmp_path / "home").exists()


def test_a_damaged_list_of_files_is_named(tmp_path: Path) -> None:
    """It says which command writes it."""
    store = _ready(tmp_path)
    (store.directory / "files.json").write_text(json.dumps({"questions": 1}))
    with pytest.raises(UserError, match=r"files.json is damaged"):
        store.problem()


def test_generated_questions_are_of_all_lengths() -> None:
    """Each depends on its index alone, and fits the vocabulary of BERT."""
    questions = RandomQuestions()
    assert questions.tensors == BERT_99.tensors
    loaded = questions.load(range(200))
    assert np.array_equal(questions.load([7])["input_ids"][0], loaded["input_ids"][7])
    lengths = loaded["input_mask"].sum(axis=1)
    assert 40 <= lengths.min() < 100 < lengths.max() <= 384
    assert loaded["input_ids"].min() >= 0
    assert loaded["input_ids"].max() < 30522
    assert (loaded["segment_ids"].sum(axis=1) > 0).all()
