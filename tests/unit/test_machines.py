"""Which machine is best at what, and what is missing where."""

from __future__ import annotations

from dataclasses import replace

from mlrepo.bench.machines import leaderboards, missing_on
from mlrepo.bench.matrix import Cell
from mlrepo.bench.status import StatusRow


def _cell(scenario: str, state: str, result: str = "", mode: str = "performance") -> Cell:
    return Cell(scenario, mode, "", state, "20260101T000000Z-aaaaaa" if result else "", result)


def _row(system: str, backend: str, *cells: Cell, benchmark: str = "digits") -> StatusRow:
    return StatusRow("v6.1", "edge", "open", "Acme", system, backend, benchmark, cells)


_ROWS = [
    _row(
        "fast",
        "onnx",
        _cell("Offline", "done", "400.0 samples/s"),
        _cell("SingleStream", "done", "0.002 s"),
        _cell("Offline", "done", "0.99 accuracy", mode="accuracy"),
    ),
    _row("fast", "tvm-onnx", _cell("Offline", "short", "500.0 samples/s")),
    _row(
        "slow",
        "onnx",
        _cell("Offline", "done", "100.0 samples/s"),
        _cell("SingleStream", "done", "0.008 s"),
    ),
    _row("slow", "openvino", _cell("Offline", "INVALID", "900.0 samples/s")),
]


def test_the_best_of_each_machine_is_ranked() -> None:
    """Rates by size, latencies the other way round; INVALID results and accuracy rank nowhere."""
    offline, single = leaderboards(_ROWS)
    assert [(one.system, one.backend, one.ratio, one.short) for one in offline.standings] == [
        ("fast", "tvm-onnx", 1.0, True),
        ("slow", "onnx", 0.2, False),
    ]
    assert [(one.system, one.ratio) for one in single.standings] == [("fast", 1.0), ("slow", 0.25)]
    assert leaderboards([]) == []


def test_only_results_of_one_unit_and_submitter_are_compared() -> None:
    """Tokens are no samples, and an imported result has a table of its own."""
    tokens = _row("fast", "onnx", _cell("Offline", "done", "9000.0 tokens/s"))
    other = replace(_ROWS[0], submitter="Else")
    boards = leaderboards([*_ROWS, tokens, other])
    assert [len(board.standings) for board in boards if board.scenario == "Offline"] == [2, 1, 1]


def test_what_a_machine_lacks_comes_with_its_command() -> None:
    """By --on where jobs went there before; what others submitted is not missed here."""
    rows = [
        *_ROWS,
        _row("third", "onnx", _cell("Offline", "missing"), benchmark="resnet50"),
        replace(_row("x", "onnx", _cell("Offline", "missing")), submitter="Else"),
    ]
    lacking = missing_on(rows, "Acme", {"third": "slurm:a b"}, "slow")
    assert [(one.system, one.benchmark, one.scenarios, one.here) for one in lacking] == [
        ("fast", "digits", ("Offline",), False),  # short
        ("slow", "digits", ("Offline",), True),  # INVALID
        ("third", "digits", ("Offline", "SingleStream"), True),
        ("fast", "resnet50", ("Offline",), False),
        ("slow", "resnet50", ("Offline",), True),
        ("third", "resnet50", ("Offline",), True),
    ]
    command = lacking[2].commands[0]
    assert "--system third" in command and command.endswith("--on 'slurm:a b'")
    assert "--backend onnx" in command and "--scenario SingleStream" in command
    assert "--on" not in lacking[0].commands[0]
