"""The command shown for a run requests the same run, however it was configured."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import onnx

from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record.request import Request
from tests.e2e.driver import mlrepo


def test_what_came_by_the_environment_is_in_the_command_that_is_shown(
    root: Path, tmp_path: Path
) -> None:
    """Model, prefix and category were typed by nobody; pasted elsewhere, the line has them."""
    model = onnx.load(load_plugin(WORKLOADS, "digits").model.path)
    model.producer_name = "another"  # other bytes than those of the benchmark's own model
    onnx.save(model, root / "another.onnx")
    run = ("bench", "run", "--model", "digits", "--scenario", "offline", "--mode", "performance")
    environ: dict[str, Any] = {
        "ML_MODEL_FILEPATH_EXTERNAL": "another.onnx",
        "CK_MLPERF_CMD_PREFIX": "nice -n 1",
        "CK_MLPERF_INFERENCE_CATEGORY": "datacenter",
    }
    first = mlrepo(root, *run, "--count", "1000", "--tag", "two words", "--json", **environ).json
    request = first["record"]["request"]
    assert request["origins"]["model_file"] == "ML_MODEL_FILEPATH_EXTERNAL"
    assert request["origins"]["category"] == "CK_MLPERF_INFERENCE_CATEGORY"
    assert request["origins"]["division"] == "mlrepo.toml"

    shown = mlrepo(root, "show", first["record"]["run"]).out
    [line] = (line for line in shown.splitlines() if line.strip().startswith("command "))
    words = shlex.split(line)[1:]
    assert words[0] == "mlrepo"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = mlrepo(elsewhere, "-C", str(root), *words[1:], "--json").json["record"]
    for key in ("configuration", "category", "tags"):
        assert again[key] == first["record"][key]
    assert again["model"]["sha256"] == first["record"]["model"]["sha256"]
    assert Request.from_dict(again["request"]).same_as(Request.from_dict(request))
