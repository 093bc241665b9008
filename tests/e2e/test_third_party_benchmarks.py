"""Benchmarks of third parties, of three shapes, go all the way without a change of mlrepo.

Boxes: one tensor in, answers of any length out. Answer spans: the whole package that
docs/benchmarks.md shows, with several tensors in and its own data set. A token stream: texts as
they are in, tokens out, from a backend that answers requests later.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import THIRDPARTY, mlrepo
from tests.pages import shown_source

_SPANS = "marked-answers"
# What is wrong with a run of a second, on a small data set, on a system that nobody described.
_PRACTICE = {
    "accuracy-data-set",
    "performance-min-duration",
    "performance-sample-count",
    "performance-samples-per-query",
    "system-field-empty",
    "system-status",
}


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, Any]:
    """An environment in which the package of docs/benchmarks.md is installed, and a home."""
    package = tmp_path / "package"
    about = package / "mybenchmarks-1.0.dist-info"
    about.mkdir(parents=True)
    (package / "myanswers.py").write_text(shown_source("benchmarks.md", "myanswers"))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mybenchmarks\nVersion: 1.0\n")
    entry = f"{_SPANS} = myanswers:MARKED_ANSWERS"
    (about / "entry_points.txt").write_text(f"[mlrepo.workloads]\n{entry}\n")
    return {
        "PYTHONPATH": f"{THIRDPARTY}:{package}",
        "MLREPO_HOME": str(tmp_path / "home"),
    }


def _texts(directory: Path) -> None:
    """Write forty texts with answers of different lengths."""
    texts = [[5] * (row % 4) + [1] + [7] * (row % 5) + [2] for row in range(40)]
    lines = "".join(f"{json.dumps(text)}\n" for text in texts)
    (directory / "texts.jsonl").write_text(lines)


def _journey(
    root: Path, benchmark: str, backend: str = "onnx", **environ: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run, list, select, check, replay and compare; return the records of both modes."""
    run = ("bench", "run", "--model", benchmark, "--backend", backend, "--scenario", "Offline")
    accuracy = mlrepo(root, *run, "--mode", "accuracy", "--json", **environ).json["record"]
    count = ("--mode", "performance", "--count", "1000", "--json")
    performance = mlrepo(root, *run, *count, **environ).json["record"]
    assert (accuracy["validity"], performance["validity"]) == ("VALID", "VALID")
    assert accuracy["placement"]["placed"], accuracy["placement"]
    assert performance["placement"]["placed"], performance["placement"]
    [row] = mlrepo(root, "status", "--json", **environ).json["results"]
    cells = {cell["mode"]: cell["result"] for cell in row["cells"] if cell["result"]}
    value = f"{accuracy['result']['value']} {accuracy['result']['unit']}"
    assert (row["benchmark"], cells["accuracy"]) == (benchmark, value)
    mlrepo(root, "select", "--quick", **environ).says(benchmark, "new")
    checked = mlrepo(root, "check", "--rev", "submission/v6.1", "--json", code=1, **environ).json
    [result] = checked["results"]
    assert {finding["rule"] for finding in result["findings"]} <= _PRACTICE, result["findings"]
    again = mlrepo(root, "bench", "replay", accuracy["run"], "--json", **environ).json
    assert again["record"]["metrics"] == accuracy["metrics"]
    assert again["comparison"]["verdicts"] == ["equal"]
    assert again["comparison"]["differing_metrics"] == []
    mlrepo(root, "compare", accuracy["run"], "latest", **environ).says("equal")
    return accuracy, performance


def test_boxes(root: Path, installed: dict[str, Any]) -> None:
    """As many as a picture has: the answers have 0, 16 or 32 bytes."""
    mlrepo(root, "model", "fetch", "boxes", **installed)
    record, _ = _journey(root, "boxes", **installed)
    assert record["result"] == {"value": 100.0, "unit": "mAP"}
    assert record["metrics"]["recall"] == {"value": 100.0, "unit": "%"}
    log = json.loads(mlrepo(root, "show", record["run"], "--log", "accuracy", **installed).out)
    assert {len(entry["data"]) // 2 for entry in log} == {0, 16, 32}


def test_answer_spans_as_the_documentation_shows_them(
    root: Path, tmp_path: Path, installed: dict[str, Any]
) -> None:
    """The commands of the page, one after the other."""
    _texts(tmp_path)
    mlrepo(root, "bench", "prereq", "--model", _SPANS, "--dry-run", **installed)
    mlrepo(root, "dataset", "add", _SPANS, "--path", str(tmp_path), **installed)
    mlrepo(root, "dataset", "prepare", _SPANS, **installed)
    mlrepo(root, "dataset", "verify", _SPANS, **installed).says("40 texts are unchanged")
    mlrepo(root, "model", "fetch", _SPANS, **installed)
    record, _ = _journey(root, _SPANS, **installed)
    assert record["result"] == {"value": 100.0, "unit": "F1"}
    assert record["metrics"]["exact_match"] == {"value": 100.0, "unit": "%"}


def test_a_token_stream(root: Path, installed: dict[str, Any]) -> None:
    """LoadGen counts the tokens, and marks the first ones where the scenario has queries."""
    record, performance = _journey(root, "token-stream", "delayed", **installed)
    assert record["result"] == {"value": 100.0, "unit": "ROUGE1"}
    assert record["metrics"]["ROUGELSUM"] == {"value": 100.0, "unit": "ROUGELSUM"}
    assert record["metrics"]["GEN_LEN"] == {"value": 240.0, "unit": "GEN_LEN"}
    assert performance["metrics"]["tokens_per_second"]["unit"] == "tokens/s"


def test_the_list_says_what_a_benchmark_of_any_shape_needs(
    root: Path, installed: dict[str, Any]
) -> None:
    """A model of the user's, a backend that takes requests, the data."""
    listed = {
        name: mlrepo(root, "bench", "list", name, **installed).out
        for name in ("boxes", "object-detection", "token-stream", _SPANS)
    }
    assert "onnx" in listed["boxes"].splitlines()[0]
    assert "mlrepo model add object-detection/NAME FILE" in listed["object-detection"]
    assert "object-detection: needs" in listed["object-detection"]
    assert "No installed backend takes it" in listed["token-stream"]
    assert f"mlrepo dataset add {_SPANS} --path DIR" in listed[_SPANS]
