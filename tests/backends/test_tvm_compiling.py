"""Compiling within a budget, falling back, and keeping only complete results."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, helper

from tests.models import tiny_classifier, write_layers

pytest.importorskip("tvm", reason="tvm is not installed")

from mlrepo.backends import BackendOptions
from mlrepo.backends.onnxruntime import OnnxRuntimeBackend
from mlrepo.backends.tvm.backend import TvmOnnxBackend
from mlrepo.backends.tvm.compiling import Died, OutOfTime, work_within
from mlrepo.bench.execute import _progress
from mlrepo.errors import UserError
from mlrepo.harness.events import Reporter
from tests.other_process import Dies, DiesInOurPipeline, answer, crash, refuse, sleep_long

_SHAPE = (16, 8, 8)


def test_work_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """Also while it is in code that no exception reaches; its steps have arrived."""
    steps: list[tuple[int, int]] = []
    note = tmp_path / "pid"
    with pytest.raises(OutOfTime):
        work_within(10.0, partial(sleep_long, note), lambda *step: steps.append(step))
    assert steps == [(3, 8)]
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_crash_and_an_error_in_the_other_process_are_told() -> None:
    """A compiler that is killed for its memory does not take the run along."""

    def nothing(done: int, total: int) -> None: ...

    with pytest.raises(Died, match="SIGSEGV"):
        work_within(60, crash, nothing)
    with pytest.raises(UserError, match="No") as caught:
        work_within(60, refuse, nothing)
    assert (caught.value.hint, caught.value.detail) == ("Do this.", "All of it.")
    assert work_within(60, answer, nothing) == {"a": [1]}


@pytest.mark.own_process
def test_compiling_does_not_wait_for_threads_that_ran_here(tmp_path: Path) -> None:
    """A fork of a process in which PyTorch and TVM have computed with threads waits for ever."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(2)
    torch.randn(2000, 2000) @ torch.randn(2000, 2000)
    path = _layers(
        tmp_path, [helper.make_node("Conv", ["image", "w"], ["scores"])], {"w": (16, 16, 3, 3)}
    )
    for cache in (tmp_path / "first", tmp_path / "second"):
        about = _agrees(path, BackendOptions(batch=2, threads=2, cache=cache)).describe()
        assert not about["options"]["fallback"]


def test_what_a_pass_refuses_is_compiled_without_it_and_said(tmp_path: Path) -> None:
    """ConvertLayout has no layout for a stack; each convolution is then blocked by itself."""
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c"], pads=[1] * 4),
        helper.make_node("Max", ["c", "image"], ["m"]),
        helper.make_node("Conv", ["m", "w2"], ["scores"], group=16),
    ]
    path = _layers(tmp_path, nodes, {"w1": (16, 16, 3, 3), "w2": (16, 1, 3, 3)})
    options = BackendOptions(batch=2, threads=1, cache=tmp_path / "cache")
    for _ in ("compiled", "from the cache"):
        backend = _agrees(path, options)
        about = backend.describe()["options"]
        assert about["fallback"].startswith("each convolution blocked by itself: ")
        assert not about["unscheduled"]
    assert backend.tune(0.5, lambda **_: None)["layers"] == 1


@pytest.mark.own_process
def test_a_compiler_that_dies_leaves_the_model_to_tvm_s_own_pipeline(tmp_path: Path) -> None:
    """As one that takes too long; the record says so, and another budget is another library."""
    nodes = [helper.make_node("Conv", ["image", "w"], ["scores"])]
    path = _layers(tmp_path, nodes, {"w": (16, 16, 3, 3)})
    options = BackendOptions(batch=2, threads=1, cache=tmp_path / "cache")
    about = _agrees(path, options, DiesInOurPipeline()).describe()["options"]
    assert about["fallback"].startswith(
        "TVM's own pipeline: the compiling process ended by SIGKILL"
    )
    assert about["unscheduled"]
    again = _agrees(path, replace(options, extra={"compile_budget": "900"}))
    assert not again.describe()["options"]["fallback"]
    with pytest.raises(UserError, match="cannot compile") as caught:
        _agrees(path, replace(options, extra={"compile_budget": "901"}), Dies())
    assert "compile_budget" in caught.value.hint
    assert len(list((tmp_path / "cache").glob("*.so"))) == 2


@pytest.mark.parametrize("harm", ["cut", "changed", "alone"])
def test_a_library_that_is_not_whole_is_compiled_again(harm: str, tmp_path: Path) -> None:
    """A disk that was full, or a machine that lost its power, leaves such files."""
    nodes = [helper.make_node("Relu", ["image"], ["scores"])]
    path = _layers(tmp_path, nodes, {})
    options = BackendOptions(batch=2, threads=1, cache=tmp_path / "cache")
    _agrees(path, options)
    (library,) = (tmp_path / "cache").glob("*.so")
    whole = library.read_bytes()
    harmed = {"cut": whole[: len(whole) // 2], "changed": whole[:-1] + b"?", "alone": whole}[harm]
    library.unlink()
    library.write_bytes(harmed)
    if harm == "alone":
        library.with_suffix(".json").unlink()
    backend = _agrees(path, options)
    assert backend.input_shape == (2, *_SHAPE)
    assert library.read_bytes() != harmed or harm == "alone"
    assert sorted(file.suffix for file in (tmp_path / "cache").iterdir()) == [".json", ".so"]


@pytest.mark.parametrize("operators", [("Sigmoid", "Mul"), ("Relu", "Add")])
def test_a_long_chain_of_what_is_read_twice_is_compiled(
    operators: tuple[str, str], tmp_path: Path
) -> None:
    """Written out, 24 of them would be 16 million operators."""
    nodes, last = [], "image"
    for number in range(24):
        one, two = f"a{number}", "scores" if number == 23 else f"b{number}"
        nodes += [
            helper.make_node(operators[0], [last], [one]),
            helper.make_node(operators[1], [last, one], [two]),
        ]
        last = two
    _agrees(_layers(tmp_path, nodes, {}), BackendOptions(batch=2, threads=1))


def test_a_large_depthwise_kernel_stays_a_loop(tmp_path: Path) -> None:
    """31 by 31 places times the pixels of a row would be thousands of lines."""
    nodes = [helper.make_node("Conv", ["image", "w"], ["scores"], group=16, pads=[15] * 4)]
    backend = _agrees(_layers(tmp_path, nodes, {"w": (16, 1, 31, 31)}), BackendOptions(batch=2))
    assert not backend.describe()["options"]["unscheduled"]


def test_a_budget_is_a_number_of_seconds(tmp_path: Path) -> None:
    """Nothing is compiled with another."""
    path = tiny_classifier(tmp_path / "m.onnx")
    with pytest.raises(UserError, match="compile_budget"):
        TvmOnnxBackend().load(path, BackendOptions(extra={"compile_budget": "never"}))


def test_the_progress_says_how_many_functions_are_compiled(tmp_path: Path) -> None:
    """The time is that since compiling began, not since the last step."""
    reporter = Reporter(tmp_path)
    reporter.event("loading")
    reporter.event("compiling", done=0, total=48)
    reporter.event("compiling", done=12, total=48)
    progress = _progress(tmp_path)
    assert (progress.phase, progress.steps) == ("compiling", "12 of 48 functions")


def _layers(
    directory: Path, nodes: list[NodeProto], weights: Mapping[str, tuple[int, ...]]
) -> Path:
    return write_layers(directory / "m.onnx", nodes, weights, _SHAPE)


def _agrees(
    path: Path, options: BackendOptions, backend: TvmOnnxBackend | None = None
) -> TvmOnnxBackend:
    """Return the backend with a model that gives ONNX Runtime's scores."""
    image = np.random.default_rng(3).standard_normal((2, *_SHAPE)).astype(np.float32)
    backend, wanted = backend or TvmOnnxBackend(), OnnxRuntimeBackend()
    backend.load(path, options)
    wanted.load(path, BackendOptions(threads=1))
    np.testing.assert_allclose(
        backend.predict(image)[0], wanted.predict(image)[0], rtol=1e-4, atol=1e-4
    )
    return backend
