"""A failed run is recorded with the reason, is never placed, and leaves nothing behind."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mlrepo as package
from tests.e2e.driver import (
    BENCH,
    LONG,
    MLREPO,
    all_bytes,
    bench,
    blob,
    branch_files,
    environment,
    everything,
    finish,
    measuring_child,
    mlrepo,
    spooled,
    start,
)
from tests.samples import git

DIGITS = Path(package.__file__).parent / "workloads" / "digits"
PERFORMANCE = ("--mode", "performance", "--count", "2000", "--qps", "1000")


def test_show_prints_the_whole_reason_of_a_framework(root: Path, tmp_path: Path) -> None:
    """The message is its telling part; what it was made with can be pasted."""
    file = tmp_path / "it's a $model.onnx"
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [value],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "classes"])],
    )
    opset = [helper.make_opsetid("", 99)]
    onnx.save_model(helper.make_model(graph, opset_imports=opset, ir_version=10), file)
    record = bench(root, "--model-file", str(file), code=1)
    message = record["reasons"][0]
    assert message.startswith("ONNX Runtime cannot load it's a $model.onnx: ")
    assert message.endswith(".")
    assert len(message) < 400
    shown = mlrepo(root, "show", "latest").out
    assert "operator schemas and or other functionality may change" in shown
    command = next(line for line in shown.splitlines() if line.startswith("  command"))
    words = shlex.split(command.removeprefix("  command"))
    assert words[words.index("--model-file") + 1] == str(file)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--backend", "raising-on-load"), ("RuntimeError: the accelerator is on fire", "failure")),
        (("--backend", "raising"), ("RuntimeError: kernel launch failed", "failure")),
        (("--backend", "raising-later"), ("RuntimeError: kernel launch failed",)),
        (("--backend", "raising-later", "--scenario", "Server"), ("kernel launch failed",)),
        (("--backend", "raising-later", *PERFORMANCE), ("kernel launch failed",)),
        (("--backend", "short-batch"), ("outputs for a batch of", "first dimension")),
        (("--backend", "dying"), ("killed by SIGKILL", "out of memory", "measuring")),
        (("--backend", "leaving"), ("exit code 7", "loading", "license server not found")),
        (("--model", "no-data"), ("/nonexistent/digits.npz is missing or damaged",)),
        (("--model", "unjudgeable"), ("cannot be judged", "division by zero")),
        (("--model", "objects"), ("gave object [1] for 1 samples", "declare int32 [1]")),
        (("--model", "objects-declared"), ("type object, which has no fixed size",)),
        (("--model", "texts"), ("gave <U1 [1] for 1 samples", "declare int32 [1]")),
        (("--model", "growing"), ("gave int64 [4] for 4 samples", "declare int32 [4]")),
        (("--model", "several"), ("postprocess gave float32 [1, 10] for 1 samples",)),
        (("--model", "lists"), ("postprocess gave list for 1 samples",)),
        (("--model", "no-bytes"), ("answer 0 of a batch of 1 is int, not bytes",)),
        (("--model", "fewer-answers"), ("gave 0 answers for a batch of 1 samples",)),
        (("--model", "one-answer"), ("postprocess gave bytes for 1 samples",)),
        (("--model", "without-tokens"), ("does not say how many tokens it has",)),
        (("--model", "two-tensors"), ("gives the tensors 'image', 'mask' where '' were declared",)),
        (("--model", "other-type"), ("int64 [64, 1, 8, 8] where float32 [64, 1, 8, 8]",)),
        (("--model", "fewer"), ("float32 [63, 1, 8, 8] where float32 [64, 1, 8, 8]",)),
        (("--prefix", "false"), ("exit code 1", "starting")),
        (("--prefix", "sh -c 'echo no such node; exit 3'"), ("exit code 3", "no such node")),
        (("--prefix", "env -u PYTHONPATH", "--backend", "raising"), ("no backend 'raising'",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_run_that_fails_is_recorded_with_its_reason(
    root: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """However the benchmark process fails, a commit tells why, and no result is placed."""
    done = mlrepo(root, *BENCH, *arguments, code=1)
    done.says("FAILED", "because", "not placed: the run is FAILED", *words)
    _one_failed_run(root)
    shown = mlrepo(root, "show", "latest")
    shown.says("FAILED", *words)


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("missing-class", ("NoSuchClass",)),
        ("not-installed", ("thirdparty_not_installed", "comes with thirdparty 1.0")),
    ],
)
def test_a_backend_that_cannot_be_imported_is_refused(
    root: Path, backend: str, words: tuple[str, ...]
) -> None:
    """It is a usage error: nothing is started or recorded."""
    done = mlrepo(root, *BENCH, "--backend", backend, code=2)
    done.says("cannot be used here", *words)
    assert "starting" not in done.err
    assert mlrepo(root, "log", "--json").json["runs"] == []


def _one_failed_run(root: Path) -> None:
    assert spooled(root) == []
    files = branch_files(root)
    assert {path.split("/")[0] for path in files if path.startswith(("open/", "closed/"))} == set()
    (run,) = mlrepo(root, "log", "--json").json["runs"]
    assert (run["validity"], run["placed"], run["result"]["value"]) == ("FAILED", "", None)
    assert git(root, "status", "--porcelain") == ""
    mlrepo(root, "doctor")


@pytest.mark.parametrize("backend", ["raising-on-load", "raising-later"])
def test_the_traceback_of_a_backend_is_kept_with_the_run(root: Path, backend: str) -> None:
    """Who wrote the backend finds the whole traceback; everybody else sees one line."""
    mlrepo(root, *BENCH, "--backend", backend, code=1)
    failure = _printed(root, "show", "latest", "--log", "failure")
    assert "thirdparty.py" in failure
    assert "RuntimeError" in failure


def _printed(root: Path, *arguments: str) -> str:
    """Return what a command prints, which may be a traceback that the user asked for."""
    return subprocess.run(
        [*MLREPO, *arguments],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_killed_child_leaves_a_recorded_failed_run(root: Path, number: signal.Signals) -> None:
    """Somebody or the kernel kills the benchmark from outside: recorded, with the signal's name."""
    process = start(root, *LONG)
    os.kill(measuring_child(root), number)
    done = finish(process)
    assert done.code == 1
    done.says("FAILED", f"killed by {number.name}", "while measuring")
    _one_failed_run(root)


def _model(path: Path, *, shape: list[int | str | None], outputs: str = "batch") -> Path:
    """Write a model that takes ``shape`` and gives ten scores per sample, or for a fixed batch."""
    elements = int(np.prod([d for d in shape[1:] if isinstance(d, int)]))
    weights = numpy_helper.from_array(np.zeros((elements, 10), np.float32), "w")
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    initializers = [weights]
    result = "scores"
    if outputs == "sum":
        nodes.append(helper.make_node("ReduceSum", ["scores", "axes"], ["y"], keepdims=1))
        initializers.append(numpy_helper.from_array(np.array([0], np.int64), "axes"))
        result = "y"
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("shape", "outputs", "words"),
    [
        (["batch", 3, 224, 224], "batch", ("[batch, 3, 224, 224]", "[batch, 1, 8, 8]")),
        (["batch", 64], "batch", ("[batch, 64]", "[batch, 1, 8, 8]")),
        (["batch", 1, 8, 9], "batch", ("images of 8 by 9", "the data set has 8 by 8")),
        (["batch", 1, 8, 8], "sum", ("1 outputs for a batch of 2", "first dimension")),
    ],
    ids=["an ImageNet model", "flat input", "one column more", "loses the batch"],
)
def test_a_model_of_another_shape_fails_with_both_shapes_named(
    root: Path, tmp_path: Path, shape: list[int | str | None], outputs: str, words: tuple[str, ...]
) -> None:
    """Model and data set do not fit: the message shows what either side has."""
    model = _model(tmp_path / "other.onnx", shape=shape, outputs=outputs)
    mlrepo(root, *BENCH, "--model-file", str(model), code=1).says("FAILED", *words)
    _one_failed_run(root)


def test_a_model_with_a_fixed_batch_is_filled_up(root: Path, tmp_path: Path) -> None:
    """A model made for batches of 7 judges all 500 samples: the last batch is filled up."""
    model = _model(tmp_path / "seven.onnx", shape=[7, 1, 8, 8])
    record = bench(root, "--model-file", str(model))
    assert record["accuracy"]["judged"] == 500
    assert record["backend"]["batch"] == 7


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_corrupt_model_file_is_named(root: Path, tmp_path: Path, damage: str) -> None:
    """A model file that a download cut short fails the run, not mlrepo."""
    whole = (DIGITS / "resnet8.onnx").read_bytes()
    model = tmp_path / "broken.onnx"
    model.write_bytes({"cut": whole[:100_000], "empty": b"", "text": b"<html>404</html>"}[damage])
    done = mlrepo(root, *BENCH, "--model-file", str(model), code=1)
    done.says("FAILED", "broken.onnx", "complete ONNX model")
    _one_failed_run(root)


@pytest.mark.parametrize("damage", ["cut", "no labels", "index", "text"])
def test_a_damaged_data_set_is_named(root: Path, tmp_path: Path, damage: str) -> None:
    """A data set file that lost something fails the run and says which file it is."""
    path = tmp_path / "data.npz"
    if damage == "cut":
        path.write_bytes((DIGITS / "digits.npz").read_bytes()[:20_000])
    elif damage == "text":
        path.write_text("not a zip file")
    else:
        with np.load(DIGITS / "digits.npz") as data:
            arrays = dict(data)
        if damage == "no labels":
            del arrays["labels"]
        else:
            arrays["held_out"] = arrays["held_out"] + 10**6
        np.savez(path, **arrays)
    done = mlrepo(root, *BENCH, "--model", "damaged-data", code=1, THIRDPARTY_DATA=str(path))
    done.says("FAILED", "data.npz is missing or damaged")
    _one_failed_run(root)


@pytest.mark.parametrize("missing", ["digits.npz", "resnet8.onnx"])
def test_an_incomplete_installation_says_to_install_again(
    root: Path, tmp_path: Path, missing: str
) -> None:
    """A file of the package itself is gone: named, with the way out."""
    copy = tmp_path / "site" / "mlrepo"
    shutil.copytree(
        Path(package.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    (copy / "workloads" / "digits" / missing).unlink()
    before = everything(root)
    done = mlrepo(root, *BENCH, code=None, PYTHONPATH=str(copy.parent))
    done.says(missing, "install mlrepo again")
    if missing == "resnet8.onnx":  # seen before anything was started
        assert done.code == 2
        assert everything(root) == before
    else:
        assert done.code == 1
        _one_failed_run(root)


def test_a_data_set_without_some_samples_fits_no_older_log(root: Path) -> None:
    """A benchmark with ten samples judges ten samples, each once, and says so."""
    record = bench(root, "--model", "other-labels")
    assert record["accuracy"] == {"judged": 10, "of": 10, "good": 10, "total": 10}


def test_a_backend_whose_name_is_no_directory_is_recorded_all_the_same(root: Path) -> None:
    """What a third party calls its framework cannot keep a run out of Git."""
    record = bench(root, "--backend", "oddly-named")
    assert record["backend"]["framework"] == "C:/Tür 2"
    assert record["placement"]["placed"]
    assert record["sut"].startswith("box-")
    assert not {"/", ":", "ü"} & set(record["sut"])
    assert f"{record['placement']['path']}/accuracy/accuracy.txt" in branch_files(root)
    assert spooled(root) == []


def test_a_backend_that_describes_nothing_is_recorded(root: Path) -> None:
    """The least that a third party can tell is enough."""
    record = bench(root, "--backend", "without-framework")
    assert record["sut"] == "box"
    mlrepo(root, "show", "latest").says("without-framework")


def test_what_the_benchmark_process_printed_is_kept(root: Path) -> None:
    """The console of a failed run explains it: it is part of the commit."""
    mlrepo(root, *BENCH, "--backend", "leaving", code=1)
    run = mlrepo(root, "log", "--json").json["runs"][0]["run"]
    assert blob(root, f"runs/{run}/console.txt") == b"license server not found\n"
    assert b"license server not found" in all_bytes(root)
