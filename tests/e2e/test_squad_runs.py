"""SQuAD from the user's files to a recorded F1, and what is refused on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from mlrepo.workloads.squad.prepared import SquadSamples, SquadStore
from tests import squad_definition as definition
from tests.e2e.driver import blob, mlrepo
from tests.squad import vocabulary, write_answering_model, write_squad

_RUN = ("bench", "run", "--benchmark", "bert-99", "--scenario", "Offline")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's directory with the small set prepared, and a model for it added."""
    base = tmp_path_factory.mktemp("squad")
    environ: dict[str, Any] = {"MLREPO_HOME": str(base / "home")}
    write_squad(base / "given")
    (base / "here").mkdir()
    added = mlrepo(base / "here", "dataset", "add", "squad", "--path", "../given", **environ)
    assert added.out == f"squad: 29 of 10570 questions below {base / 'given'}\n"
    added.says("this file has 29")
    mlrepo(base, "dataset", "prepare", "squad", **environ).says("squad is prepared: ")
    mlrepo(base, "dataset", "verify", "squad", **environ).says(
        "29 of 10570 questions are unchanged"
    )
    model = write_answering_model(base / "tiny.onnx")
    assert mlrepo(base, "model", "add", "bert-99/tiny", str(model), **environ).out.endswith(
        "\nweights fp32\n"
    )
    return base / "home"


def _scores(home: Path) -> npt.NDArray[np.float32]:
    """Return the model's scores of all samples, computed here."""
    samples = SquadSamples(SquadStore(home).features)
    session = onnxruntime.InferenceSession(home / "models/bert-99/tiny/bert-99-tiny.onnx")
    scores = session.run(None, dict(samples.load(range(samples.total))))
    return np.stack(scores, axis=-1)


def _by_definition(home: Path) -> tuple[float, float]:
    data = SquadSamples(SquadStore(home).features)
    ids = {piece: number for number, piece in enumerate(vocabulary())}
    asked = [(q, p.text) for p in data.paragraphs for q in p.questions]
    samples = definition.samples_of([(q.text, text) for q, text in asked], ids)
    scores = _scores(home).astype(float)
    exact = f1 = 0.0
    for number, (question, text) in enumerate(asked):
        own = [
            (sample, scores[at].tolist())
            for at, sample in enumerate(samples)
            if sample.question == number
        ]
        answer = definition.answer_of(own, text)
        found = [definition.scores_of(answer, wanted) for wanted in question.answers]
        exact += max(same for same, _ in found)
        f1 += max(score for _, score in found)
    return 100 * exact / len(asked), 100 * f1 / len(asked)


def test_accuracy_performance_and_test01(root: Path, home: Path) -> None:
    """F1 is the definition's, the text MLPerf's; the responses are the same under load."""
    environ: dict[str, Any] = {"MLREPO_HOME": str(home)}
    run = (*_RUN, "--model-variant", "tiny", "--max-batchsize", "8", "--json")
    record = mlrepo(root, *run, "--mode", "accuracy", **environ).json["record"]
    assert record["validity"] == "VALID"
    exact, f1 = _by_definition(home)
    assert 20 < exact < f1 < 90
    text = blob(root, f"runs/{record['run']}/accuracy.txt").decode().splitlines()[0]
    assert json.loads(text) == pytest.approx({"exact_match": exact, "f1": f1}, abs=1e-9)
    assert record["result"]["value"] == pytest.approx(f1, abs=0.001)
    assert record["metrics"]["exact_match"]["value"] == pytest.approx(exact)
    total = SquadSamples(SquadStore(home).features).total
    assert record["accuracy"]["judged"] == total
    assert (record["dataset"]["samples"], record["dataset"]["complete"]) == (total, False)

    mlrepo(root, *run, "--mode", "performance", "--count", "200", **environ)
    done = mlrepo(
        root,
        *("bench", "compliance", "--benchmark", "bert-99", "--model-variant", "tiny"),
        *("--scenario", "Offline", "--test", "TEST01", "--json"),
        code=None,
        **environ,
    )
    assert done.out, done.err
    tested = done.json["tests"][0]["record"]
    verdict = blob(root, f"runs/{tested['run']}/verify_accuracy.txt").decode()
    assert verdict.endswith("TEST PASS\n")
    assert f"num_acc_log_entries = {total}\n" in verdict


def test_samples_sorted_by_length_give_the_same_f1(root: Path, home: Path, tmp_path: Path) -> None:
    """Each batch is padded to its longest sample; the model has to take any length."""
    environ: dict[str, Any] = {"MLREPO_HOME": str(home)}
    model = write_answering_model(tmp_path / "any.onnx", None)
    run = (*_RUN, "--way", "by-length", "--mode", "accuracy", "--max-batchsize", "4", "--json")
    record = mlrepo(root, *run, "--model-file", str(model), **environ).json["record"]
    assert record["validity"] == "VALID"
    exact, f1 = _by_definition(home)
    assert record["metrics"]["exact_match"]["value"] == pytest.approx(exact)
    assert record["result"]["value"] == pytest.approx(f1, abs=0.001)
    assert record["dataset"]["preprocessing"] == "by-length"
    replay = ("bench", "replay", record["run"], "--model-file", str(model), "--json")
    again = mlrepo(root, *replay, **environ).json["record"]
    assert again["configuration"] == record["configuration"]
    one_size = ("--model-variant", "tiny")
    mlrepo(root, *run, *one_size, code=1, **environ).says("takes input of shape [batch, 384]")
    queries = ("bench", "run", "--benchmark", "bert-99", "--scenario", "SingleStream")
    options = ("--mode", "performance", "--way", "by-length", "--model-file", str(model))
    mlrepo(root, *queries, *options, code=2, **environ).says("SingleStream has many queries")


def test_a_vocabulary_of_another_model_is_refused_before_the_run(
    root: Path, home: Path, tmp_path: Path
) -> None:
    """Both numbers are named, and the command that registers the right file."""
    base = tmp_path / "other"
    environ: dict[str, Any] = {"MLREPO_HOME": str(base / "home")}
    given = write_squad(base)
    (given / "vocab.txt").write_text("\n".join([*vocabulary(), "more"]), encoding="utf-8")
    mlrepo(base, "dataset", "add", "squad", "--path", ".", **environ)
    mlrepo(base, "dataset", "prepare", "squad", **environ)
    model = home / "models" / "bert-99" / "tiny" / "bert-99-tiny.onnx"
    done = mlrepo(root, *_RUN, "--mode", "accuracy", "--model-file", str(model), code=2, **environ)
    count = len(vocabulary())
    done.says(
        f"it has {count + 1} word pieces, and the model has embeddings of {count} word pieces",
        "--file vocab.txt=PATH",
    )
