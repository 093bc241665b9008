"""Commands that repeat a run, recorded here or published, are valid commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
import pytest

from mlrepo.bench.legacy import todays_command
from mlrepo.cli.bench.group import command as bench
from mlrepo.cli.repository.init import command as init
from mlrepo.layout.reproduction import bench_command, init_command
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE
from mlrepo.rounds import SHIPPED
from tests.samples import sample_record

_OCTOML = {
    "env": {
        "EXTRA_OPS": "--qps 900 --time=610 --find-peak 1",
        "TVM_BATCH_SIZE": "1",
        "MLPERF_TVM_TARGET": "llvm -mcpu=cascadelake",
    }
}


def _parsed(words: Sequence[str]) -> Mapping[str, Any]:
    """Return what our own command line makes of a command; it refuses unknown options."""
    assert isinstance(bench, click.Group)
    command = bench.commands[words[2]] if words[1] == "bench" else init
    arguments = list(words[3:] if words[1] == "bench" else words[2:])
    return command.make_context(words[1], arguments).params


@pytest.mark.parametrize("mode", [PERFORMANCE, ACCURACY])
def test_everything_that_was_chosen_is_chosen_again(mode: str) -> None:
    """Threads, batch, precision, prefix, and what the record holds only as typed."""
    record = sample_record(
        mode=mode,
        argv=(
            "mlrepo",
            "bench",
            "run",
            "--backend-opt",
            "streams=2",
            "--model-variant=v1",
            "--skip-system-ext",
            "--time",
            "3",
        ),
        backend={
            "name": "openvino",
            "precision": "bf16",
            "threads": 4,
            "max_batch": 8,
            "prefix": ["numactl", "-N0"],
        },
    )
    found = _parsed(bench_command(record, "my.conf"))
    assert found["benchmark"] == "resnet50"
    assert (found["backend"], found["scenario"], found["mode"]) == ("openvino", "Offline", mode)
    assert (found["threads"], found["max_batch"], found["precision"]) == (4, 8, "bf16")
    assert found["user_conf"].name == "my.conf"
    assert found["prefix"] == ("numactl", "-N0")
    assert dict(found["backend_options"]) == {"streams": "2"}
    assert found["model_variant"] == "v1"
    assert found["skip_system_ext"]
    assert found["time"] is None  # it stands in the user.conf


def test_the_prefix_of_a_platform_profile_comes_with_the_profile() -> None:
    """Only what the user put before the benchmark besides is repeated."""
    record = sample_record(
        platform="numa-node-0",
        host={"platform": {"prefix": ["numactl", "-N0"]}},
        backend={"name": "onnx", "prefix": ["numactl", "-N0", "nice"]},
    )
    found = _parsed(bench_command(record))
    assert (found["platform"], found["prefix"]) == ("numa-node-0", ("nice",))


def test_a_compliance_test_is_repeated_by_its_own_command() -> None:
    """It takes the settings of the performance run that stands."""
    found = _parsed(bench_command(sample_record(mode=COMPLIANCE, test="TEST01")))
    assert "TEST01" in found["tests"]


def test_a_repository_for_it_can_be_made() -> None:
    """Submitter, division, category, round and system are those of the run."""
    found = _parsed(init_command(sample_record()))
    assert (found["submitter"], found["division"]) == ("Acme", "closed")
    assert found["system"] == "alpha"


def _published(framework: str, weights: str, **changes: Any) -> Any:
    return sample_record(
        division="open",
        backend={"name": "x", "framework": framework},
        model={"file": weights},
        loadgen={"requested": {"offline_expected_qps": 2100.0, "min_duration_ms": 610000}},
        **changes,
    )


@pytest.mark.parametrize(
    ("framework", "weights", "backend", "variant"),
    [
        ("TVM v0.8", "resnet50_v1.onnx", "tvm-pytorch", "v1.5-opset-11"),
        ("ONNXRuntime 1.8", "resnet50_v1.onnx", "onnx", "v1.5-opset-11"),
        ("OpenVINO 2021.4", "resnet50-19c8e357.pth", "pytorch", "v1.5-pytorch"),
        ("PyTorch 1.9", "resnet50_INT8bit_quantized.pt", "pytorch", "v1.5-pytorch-int8"),
    ],
)
def test_a_published_framework_becomes_the_backend_that_reads_the_model(
    framework: str, weights: str, backend: str, variant: str
) -> None:
    """Where today's backend of that framework cannot read it, another does, and that is said."""
    today = todays_command(_published(framework, weights), {}, SHIPPED["v6.1"])
    found = _parsed(today.arguments)
    assert (found["backend"], found["model_variant"]) == (backend, variant)
    assert (found["qps"], found["time"]) == (2100.0, 610.0)
    assert any("ran it then" in remark for remark in today.remarks) == ("OpenVINO" in framework)


def test_the_input_of_the_automation_of_2021_is_translated() -> None:
    """Its flags become ours; what has no equivalent is named."""
    today = todays_command(_published("TVM v0.8", "resnet50_v1.onnx"), _OCTOML, SHIPPED["v6.1"])
    found = _parsed(today.arguments)
    assert (found["qps"], found["time"], found["max_batch"]) == (900.0, 610.0, 1)
    assert dict(found["backend_options"]) == {"mcpu": "cascadelake"}
    assert "--find-peak 1 has no equivalent" in today.remarks


def test_a_benchmark_that_nothing_runs_has_no_command() -> None:
    """The remark says whether the benchmark or the framework is missing."""
    unknown = todays_command(_published("TVM", "x.onnx", benchmark="rnnt"), {}, SHIPPED["v6.1"])
    assert (unknown.arguments, unknown.remarks) == (
        (),
        ("no installed benchmark is called rnnt",),
    )
    foreign = todays_command(_published("TensorRT 8", "resnet50.plan"), {}, SHIPPED["v6.1"])
    assert foreign.arguments == ()
    assert foreign.remarks == ("no backend of mlrepo is TensorRT 8",)
