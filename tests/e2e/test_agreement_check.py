"""A run whose backend does not compute the model is FAILED before LoadGen starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.e2e.driver import BENCH, bench, mlrepo

PERFORMANCE = (
    "bench",
    "run",
    "--model",
    "digits",
    "--scenario",
    "Offline",
    "--mode",
    "performance",
    "--count",
    "500",
    "--qps",
    "500",
)


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("scaled", ("apart; fp32 allows 0.001",)),
        ("swapped", ("score 3 of output 0", "score 4 of output 0")),
        ("one-wrong", ("row 7 of a batch of 8",)),
        ("not-numbers", ("gives nan where ONNX Runtime", "score 0 of output 0")),
    ],
)
def test_wrong_scores_fail_a_performance_run(
    root: Path, backend: str, words: tuple[str, ...]
) -> None:
    """With both scores and the place; nothing is placed."""
    done = mlrepo(root, *PERFORMANCE, "--backend", backend, "--max-batchsize", "8", code=1)
    done.says(
        "FAILED", f"The backend {backend} gives", "where ONNX Runtime", "--no-agreement-check"
    )
    assert any(word in " ".join(done.out.split()) for word in words)
    shown = mlrepo(root, "show", "latest", "--json").json["record"]
    assert (shown["validity"], shown["placement"]["placed"]) == ("FAILED", False)
    assert shown["loadgen"]["effective"] == {}


@pytest.mark.parametrize("scenario", ["Offline", "SingleStream", "MultiStream", "Server"])
def test_right_scores_are_recorded_as_compared(root: Path, scenario: str) -> None:
    """In the batches that a run of the scenario has."""
    record = bench(root, "--backend", "right", "--scenario", scenario)
    agreement = record["backend"]["agreement"]
    assert agreement["reference"].startswith("ONNX Runtime ")
    assert (agreement["why"], agreement["waived"]) == ("", False)
    assert agreement["distance"] < agreement["bound"] == 1e-3
    assert (agreement["batches"] == [1]) == (scenario == "SingleStream")
    mlrepo(root, "show", "latest").says("from ONNX Runtime", "fp32 allows 0.001")


def test_a_run_without_the_check_says_so_and_closed_does_not_take_it(root: Path) -> None:
    """Open takes it, with the remark; `show` and `select` repeat it."""
    waived = ("--backend", "scaled", "--no-agreement-check")
    done = mlrepo(root, *BENCH, *waived)
    done.says("VALID", "not compared with the model's own: --no-agreement-check")
    record = mlrepo(root, "show", "latest", "--json").json["record"]
    assert record["placement"]["placed"]
    assert record["backend"]["agreement"] == {
        "reference": "",
        "why": "--no-agreement-check",
        "waived": True,
    }
    mlrepo(root, "show", "latest").says("not compared: --no-agreement-check")
    mlrepo(root, *PERFORMANCE, *waived)
    mlrepo(root, "select", "--quick").says(f"The scores of {record['run']} were not compared")
    done = mlrepo(root, *BENCH, *waived, "--division", "closed")
    done.says("not placed", "closed takes no scores that nobody compared")


def _nan_model(path: Path, kind: str) -> Path:
    """Write a model of digits that gives no numbers, infinities, texts, or only what is usable."""
    weights = np.random.default_rng(0).standard_normal((64, 10)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    output, element = "y", TensorProto.FLOAT
    if kind == "nan":
        weights[0] = np.nan
    if kind == "inf":
        weights[:, 3] = np.inf
    if kind == "log of zero":
        weights[:, 3] = -100
        nodes += [
            helper.make_node("Softmax", ["scores"], ["p"]),
            helper.make_node("Log", ["p"], ["y"]),
        ]
    elif kind == "text":
        nodes.append(helper.make_node("Cast", ["scores"], ["y"], to=TensorProto.STRING))
        element = TensorProto.STRING
    else:
        nodes.append(helper.make_node("Identity", ["scores"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info(output, element, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, path)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("nan", ("The model gives nan for sample 0", "no class can be read")),
        ("inf", ("The model gives", "for sample", "no class can be read")),
        ("text", ("The model gives", "scores are needed")),
    ],
)
def test_a_model_without_usable_scores_fails_on_the_reference_too(
    root: Path, tmp_path: Path, kind: str, words: tuple[str, ...]
) -> None:
    """A performance run never looks at an answer: NaN for every sample would be as fast."""
    model = _nan_model(tmp_path / "m.onnx", kind)
    done = mlrepo(root, *PERFORMANCE, "--model-file", str(model), code=1)
    done.says("FAILED", *words)
    if kind != "text":  # that the check was left out makes no number of them
        waived = ("--model-file", str(model), "--no-agreement-check")
        mlrepo(root, *PERFORMANCE, *waived, code=1).says("FAILED", *words)


def test_the_logarithm_of_zero_is_a_score(root: Path, tmp_path: Path) -> None:
    """Minus infinity for a class is usable as long as another has a number."""
    model = _nan_model(tmp_path / "m.onnx", "log of zero")
    assert bench(root, "--model-file", str(model))["validity"] == "VALID"


def test_a_model_that_onnx_runtime_cannot_load_runs_with_a_remark(
    root: Path, tmp_path: Path
) -> None:
    """A third party's backend may know more operators; nobody can say that it is right."""
    (tmp_path / "theirs.onnx").write_bytes(b"of a format that only they know")
    done = mlrepo(
        root, *BENCH, "--backend", "seeing", "--model-file", str(tmp_path / "theirs.onnx")
    )
    done.says("VALID", "not compared with the model's own: ONNX Runtime cannot run theirs.onnx")


def test_tuning_remembers_nothing_of_a_backend_that_is_wrong(root: Path) -> None:
    """What is fast and wrong is no setting for later runs, unless the user asks for it."""
    tune = ("bench", "tune", "--model", "digits", "--backend", "scaled", "--budget", "1s")
    done = mlrepo(root, *tune, code=2)
    done.says("The backend scaled gives", "where ONNX Runtime")
    assert not (root / "systems" / "box" / "tuned.json").exists()
    mlrepo(root, *tune, "--no-agreement-check")
