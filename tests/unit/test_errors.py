"""Messages for exceptions that other code raises."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from mlrepo.bench.evidence import recorded_texts
from mlrepo.bench.judge import judge
from mlrepo.errors import LONGEST_REASON, InvalidResult, UserError, telling_line
from mlrepo.harness.events import FAILED_EXIT, Reporter
from mlrepo.harness.spec import RunSpec
from mlrepo.redaction import Redactor
from mlrepo.rounds import SHIPPED

_OPENVINO = """Exception from src/inference/src/cpp/core.cpp:84:
Check 'false' failed at src/frontends/common_translators/src/unconverted_ops_report.cpp:151:
FrontEnd API failed with OpConversionFailure:
Model wasn't fully converted. Failed operations detailed log:
-- MatMul-13 with a message:
While validating ONNX node '<Node(MatMul): y>': Check 'arg0' failed at matmul.hpp:65:
Incompatible MatMul matrix dimension. First input dimension=8 doesn't match 3

Summary:
-- Conversion is failed for: MatMul-13
"""
_WEIGHTS_ONLY = """Weights only load failed. This file can still be loaded, \x1b[1mat a risk\x1b[0m.
\t(1) Re-running `torch.load` with `weights_only` set to `False` will likely succeed.
\tWeightsUnpickler error: Unsupported global: GLOBAL __main__.M was not an allowed global.

Check the documentation of torch.load to learn more.
"""
_TRACEBACK = """Traceback (most recent call last):
  File "src/relax.cc", line 12, in tvm::relax::Expr
    raise InternalError("unknown")
tvm.error.InternalError: Check failed: (a == b) is false: expected 3 dimensions
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            _OPENVINO,
            "MatMul-13 with a message: Incompatible MatMul matrix dimension. First input "
            "dimension=8 doesn't match 3",
        ),
        (
            _WEIGHTS_ONLY,
            "WeightsUnpickler error: Unsupported global: GLOBAL __main__.M was not an allowed "
            "global.",
        ),
        (
            _TRACEBACK,
            "tvm.error.InternalError: Check failed: (a == b) is false: expected 3 dimensions",
        ),
        ("Error(s) in loading:\n\tMissing key(s): a\n", "Error(s) in loading: Missing key(s): a"),
        ("it went away", "it went away"),
        ("  \n", "no reason given"),
    ],
)
def test_the_line_that_says_why_is_found(text: str, line: str) -> None:
    """Not the place in a framework's sources, and not its advice at the end."""
    assert telling_line(text) == line


def test_a_message_says_what_was_tried_and_keeps_the_whole_reason() -> None:
    """One line in the message, all of it in the detail, and none twice."""
    error = UserError.caused_by("OpenVINO cannot load a.onnx", RuntimeError(_OPENVINO), hint="Do.")
    assert error.message.startswith("OpenVINO cannot load a.onnx: MatMul-13 with a message: Incom")
    assert error.detail == _OPENVINO.strip()
    assert error.hint == "Do."
    short = InvalidResult.caused_by("It cannot load a.onnx", KeyError("weight"))
    assert (short.message, short.detail) == ("It cannot load a.onnx: KeyError: 'weight'.", "")


def test_the_causes_of_an_exception_are_part_of_the_reason() -> None:
    """Also where the exception itself says nothing; a circle of causes ends."""
    outer, inner = RuntimeError(), ValueError("axis 3 is out of range")
    outer.__cause__, inner.__cause__ = inner, outer
    found = UserError.caused_by("It cannot run", outer)
    assert found.message == "It cannot run: axis 3 is out of range."
    assert UserError.caused_by("It cannot run", RuntimeError()).message.endswith(": RuntimeError.")


class _Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "error",
    [
        _Hostile(),
        RuntimeError("x" * 10_000_000),
        RuntimeError("must be 3\n" * 1_000_000),
        RuntimeError("a\ud800\x1b]0;title\x07\u202e must not\n"),
        RuntimeError("\n" * 1_000_000),
    ],
    ids=["raises", "long line", "many lines", "control characters", "empty lines"],
)
def test_any_exception_becomes_a_bounded_message(error: Exception) -> None:
    """Its own text may raise, be of any size, and hold what steers a terminal."""
    found = UserError.caused_by("It cannot run", error)
    assert len(found.message) < 400
    assert len(found.detail) <= LONGEST_REASON
    assert found.message.isprintable()


def _fail(directory: Path, error: Exception) -> None:
    Reporter(directory).fail(error)


def test_the_whole_reason_of_a_failed_run_is_recorded(tmp_path: Path) -> None:
    """The child reports it, the verdict names where it is, and secrets in it are masked."""
    said = _OPENVINO + 'api_key = "0123456789abcdef0123456789abcdef"\n'
    error = UserError.caused_by("OpenVINO cannot load a.onnx", RuntimeError(said), hint="Do this.")
    child = multiprocessing.get_context("fork").Process(target=_fail, args=(tmp_path, error))
    child.start()
    child.join()
    assert child.exitcode == FAILED_EXIT
    (tmp_path / "environment.json").write_text(json.dumps({}))
    spec = RunSpec("digits", "openvino", "Offline", "performance", "a.onnx")
    judgement = judge(tmp_path, spec, SHIPPED["v6.1"])
    assert judgement.reasons[:2] == (error.message, "Do this.")
    assert "--log failure` prints the whole reason" in judgement.reasons[2]
    files = recorded_texts(tmp_path, judgement, Redactor(), {})
    recorded = files["failure.txt"].decode()
    assert "Check 'false' failed at src/frontends" in recorded
    assert "0123456789abcdef" not in recorded
