"""Placement: which runs are placed in the round's layout, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from mlrepo.layout.place import PlacedFiles, place_run
from mlrepo.paths import RepoPath
from mlrepo.record import Metric, RunRecord, SettingFacts, configuration_digest
from mlrepo.rounds import SHIPPED
from tests.samples import sample_record

ROUND = SHIPPED["v6.1"]
SYSTEM = b'{"system_name": "alpha", "cooling": "air", "framework": ""}'
RESULT = "closed/Acme/results/alpha-onnx/resnet50/Offline"
FIRST, SECOND = "20261123T120000Z-0a1b2c", "20261123T130000Z-0a1b2d"


class MemoryTree:
    """The tree at a branch's tip, in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def blob_id(self, path: RepoPath) -> str | None:
        data = self.files.get(str(path))
        return None if data is None else hashlib.sha1(data).hexdigest()

    def read(self, path: RepoPath) -> bytes | None:
        return self.files.get(str(path))

    def run_ids(self) -> Iterable[str]:
        return sorted({p.split("/")[1] for p in self.files if p.startswith("runs/")}, reverse=True)

    def entries(self, path: RepoPath) -> Iterable[str]:
        below = f"{path}/"
        return {p.removeprefix(below).split("/")[0] for p in self.files if p.startswith(below)}

    def add(self, record: RunRecord, placed: PlacedFiles) -> None:
        """Record a run as the recorder does."""
        for name in (
            "mlperf_log_summary.txt",
            "mlperf_log_detail.txt",
            "mlperf_log_accuracy.json",
            "accuracy.txt",
            "user.conf",
        ):
            self.files[f"runs/{record.run}/{name}"] = f"{record.run} {name}".encode()
        self.files[f"runs/{record.run}/run.json"] = record.to_json()
        for target, source in placed.links.items():
            self.files[str(target)] = self.files[str(source)]
        self.files |= {str(path): data for path, data in placed.files.items()}


def _record(run: str = FIRST, **changes: Any) -> RunRecord:
    return sample_record(run, configuration=configuration_digest({"a": 1}), **changes)


def _place(record: RunRecord, tip: MemoryTree | None = None, *, force: bool = False) -> PlacedFiles:
    return place_run(record, ROUND, tip or MemoryTree(), system_json=SYSTEM, force=force)


def test_a_valid_performance_run_takes_its_place() -> None:
    """Logs and user.conf are links into runs/; measurements, README and system are made."""
    placed = _place(_record())
    assert placed.placement.placed
    assert (placed.placement.path, placed.placement.reason) == (RESULT, "")
    logs = f"{RESULT}/performance/run_1"
    assert {str(target): str(source) for target, source in placed.links.items()} == {
        f"{logs}/mlperf_log_summary.txt": f"runs/{FIRST}/mlperf_log_summary.txt",
        f"{logs}/mlperf_log_detail.txt": f"runs/{FIRST}/mlperf_log_detail.txt",
        f"{RESULT}/user.conf": f"runs/{FIRST}/user.conf",
    }
    assert {str(path) for path in placed.files} == {
        f"{RESULT}/measurements.json",
        f"{RESULT}/README.md",
        "closed/Acme/systems/alpha-onnx.json",
        "closed/Acme/src/resnet50/README.md",
    }


def test_a_valid_accuracy_run_brings_its_logs_and_accuracy_txt() -> None:
    """An accuracy result is four files; its user.conf stands in only until performance comes."""
    tip = MemoryTree()
    accuracy = _record(mode="accuracy", result=Metric(76.5, "%"))
    placed = _place(accuracy, tip)
    names = {str(target).removeprefix(f"{RESULT}/") for target in placed.links}
    assert names == {
        "accuracy/accuracy.txt",
        "accuracy/mlperf_log_accuracy.json",
        "accuracy/mlperf_log_detail.txt",
        "accuracy/mlperf_log_summary.txt",
        "user.conf",
    }
    tip.add(accuracy, placed)
    performance = _record(SECOND)
    tip.add(performance, _place(performance, tip))
    assert tip.files[f"{RESULT}/user.conf"] == f"{SECOND} user.conf".encode()
    third = _record("20261123T140000Z-0a1b2e", mode="accuracy", result=Metric(76.5, "%"))
    assert f"{RESULT}/user.conf" not in {str(target) for target in _place(third, tip).links}


def test_a_benchmark_of_another_name_says_which_one_it_follows() -> None:
    """Without the mapping the checker does not know the directory; what else it says stays."""
    mapping = "open/Acme/model_mapping.json"

    def written(tip: MemoryTree, **changes: Any) -> dict[str, bytes]:
        record = _record(**{"division": "open", "benchmark": "digits", **changes})
        placed = place_run(record, ROUND, tip, system_json=SYSTEM, force=False, follows="resnet")
        return {str(path): data for path, data in placed.files.items() if str(path) == mapping}

    tip = MemoryTree()
    assert json.loads(written(tip)[mapping]) == {"digits": "resnet"}
    tip.files[mapping] = b'{"mine": "bert-99"}'
    assert json.loads(written(tip)[mapping]) == {"mine": "bert-99", "digits": "resnet"}
    for own in (b'{"digits": "retinanet"}', b"{", b"[]"):
        tip.files[mapping] = own
        assert written(tip) == {}
    assert written(MemoryTree(), benchmark="resnet50") == {}
    assert written(MemoryTree(), benchmark="resnet50", division="closed") == {}


def test_the_readme_of_the_code_is_written_once() -> None:
    """Where the round wants the code; what the user wrote there stays."""
    tip = MemoryTree()
    own = "closed/Acme/src/resnet50/README.md"
    assert b"mlrepo bench prereq" in {str(p): d for p, d in _place(_record()).files.items()}[own]
    tip.files[own] = b"mine"
    assert own not in {str(path) for path in _place(_record(), tip).files}
    older = place_run(_record(), SHIPPED["v5.1"], MemoryTree(), system_json=SYSTEM, force=False)
    assert "closed/Acme/code/resnet50/README.md" in {str(path) for path in older.files}


@pytest.mark.parametrize("validity", ["INVALID", "FAILED", "INTERRUPTED"])
@pytest.mark.parametrize("force", [False, True])
def test_what_is_not_valid_is_placed_only_by_force_and_only_if_judged(
    validity: str, force: bool
) -> None:
    """INVALID runs can be forced; FAILED and INTERRUPTED ones have nothing to place."""
    placed = _place(_record(validity=validity), force=force)
    expected = force and validity == "INVALID"
    assert placed.placement.placed is expected
    assert placed.placement.forced is expected
    assert placed.placement.reason == f"the run is {validity}"
    assert bool(placed.links) is bool(placed.files) is expected


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("changes", "effective", "named"),
    [
        ({}, {"performance_issue_same": True}, "performance_issue_same = 1"),
        ({}, {"performance_issue_unique": True}, "performance_issue_unique = 1"),
        ({}, {"accuracy_log_sampling_target": 4096}, "accuracy_log_sampling_target = 4096"),
        ({}, {"sample_concatenate_permutation": True}, "sample_concatenate_permutation = 1"),
        ({"scenario": "SingleStream"}, {"target_latency_percentile": 0.5}, "asks for >= 0.9"),
        ({"scenario": "MultiStream"}, {"target_latency_percentile": 99}, "asks for < 1"),
        ({"scenario": "MultiStream"}, {"samples_per_query": 4}, "asks for 8"),
        (
            {"division": "open", "benchmark": "digits", "scenario": "Server"},
            {"target_latency_percentile": 0.0099},
            "= 0.0099, and v6.1 asks for >= 0.99",
        ),
        (
            {"division": "open", "benchmark": "digits"},
            {"performance_issue_same": True},
            "performance_issue_same",
        ),
        (
            {"test": "TEST01", "scenario": "SingleStream"},
            {"target_latency_percentile": 0.5},
            "percentile",
        ),
    ],
)
def test_settings_that_no_result_has_keep_a_run_out_even_by_force(
    changes: dict[str, Any], effective: dict[str, Any], named: str, force: bool
) -> None:
    """Also those of a record that an older version made, and of others."""
    placed = _place(_record(**changes, loadgen={"effective": effective}), force=force)
    assert not placed.placement.placed
    assert not placed.links
    assert named in placed.placement.reason


@pytest.mark.parametrize(
    ("changes", "effective"),
    [
        ({}, {"target_latency_percentile": 6.95e-310}),  # LoadGen leaves it so in Offline
        ({}, {"samples_per_query": 24576, "min_duration_ms": 10}),
        ({}, {"performance_issue_same_index": 3, "print_timestamps": True}),
        ({"scenario": "SingleStream"}, {"target_latency_percentile": 0.999}),
        (
            {"division": "open", "benchmark": "digits", "scenario": "Server"},
            {"target_latency_ns": 10**10, "target_latency_percentile": 0.99},
        ),
        ({"division": "open", "scenario": "MultiStream"}, {"samples_per_query": 4}),
        ({"division": "open", "benchmark": "digits"}, {"performance_sample_count": 64}),
        ({"test": "TEST04"}, {"performance_issue_same": True}),
        ({"test": "TEST01"}, {"accuracy_log_sampling_target": 4096}),
        ({"mode": "accuracy", "result": Metric(76.5, "%")}, {"accuracy_log_sampling_target": 9}),
    ],
)
def test_settings_that_a_run_may_choose_are_placed(
    changes: dict[str, Any], effective: dict[str, Any]
) -> None:
    """Free ones, those of tests in tests, and in open what open may choose."""
    placement = _place(_record(**changes, loadgen={"effective": effective})).placement
    assert (placement.placed, placement.reason) == (True, "")


def test_what_the_log_does_not_show_is_read_in_the_recorded_user_conf() -> None:
    """Token latencies take the place of the latency bound, and records do not have their line."""
    conf = {"user.conf": SettingFacts('{"*.*.use_token_latencies": "1"}', "")}
    record = _record(settings=conf, loadgen={"effective": {}})
    assert "use_token_latencies = 1" in _place(record).placement.reason
    conf = {"user.conf": SettingFacts('{"resnet50.*.performance_sample_count_override": "1"}', "")}
    assert "performance_sample_count = 1, " in _place(_record(settings=conf)).placement.reason
    conf = {"user.conf": SettingFacts('{"resnet.*.performance_issue_same": "1"}', "")}
    assert _place(_record(settings=conf)).placement.placed  # LoadGen was asked for resnet50
    huge = "9" * 4000
    conf = {"user.conf": SettingFacts(json.dumps({"*.*.target_latency_percentile": huge}), "")}
    assert _place(_record(settings=conf, scenario="SingleStream")).placement.placed
    conf = {"user.conf": SettingFacts("[[", "")}
    assert _place(_record(settings=conf)).placement.placed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scenario": "Server"}, "resnet50 Server does not belong to the closed division (edge)"),
        ({"benchmark": "digits"}, "digits Offline does not belong to the closed division"),
        ({"category": "datacenter"}, "does not belong to the closed division (datacenter)"),
    ],
)
def test_a_run_must_belong_to_its_division(changes: dict[str, Any], reason: str) -> None:
    """What the round does not know in this division is not placed, with the reason."""
    assert reason in _place(_record(**changes)).placement.reason
    forced = _place(_record(**changes), force=True).placement
    assert forced.forced
    assert reason in forced.reason


def test_the_open_division_takes_any_benchmark() -> None:
    """Custom models belong to the open division."""
    placed = _place(_record(division="open", benchmark="digits", scenario="Server"))
    assert placed.placement.path == "open/Acme/results/alpha-onnx/digits/Server"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": {"sha256": "1" * 64}}, "model"),
        ({"dataset": {"fingerprint": "2" * 64}}, "data set"),
        ({"round": "v6.0"}, "round"),
        ({"platform": "powersave"}, "platform profile"),
        ({"backend": {"framework": "x 2"}}, "framework"),
        ({"backend": {"options": {"threads": 1}}}, "option threads"),
        ({"backend": {"threads": 1}}, "threads"),
        ({"backend": {"max_batch": 8}}, "batch size"),
        ({"backend": {"prefix": ["nice"]}}, "command prefix"),
        ({}, "see run.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_configuration_is_kept_out_and_the_difference_named(
    changes: dict[str, Any], named: str
) -> None:
    """Accuracy and performance of a result must come from one configuration."""
    tip = MemoryTree()
    first = _record(mode="accuracy", result=Metric(76.5, "%"))
    tip.add(first, _place(first, tip))
    changes = {**changes, "backend": {**first.backend.to_dict(), **changes.get("backend", {})}}
    second = replace(_record(SECOND, **changes), configuration=configuration_digest({"a": 2}))
    placement = _place(second, tip).placement
    assert not placement.placed
    assert placement.reason == (
        f"the accuracy run {FIRST} in the same result has another configuration ({named})"
    )
    assert _place(second, tip, force=True).placement.forced


def test_a_newer_run_of_the_same_configuration_takes_over() -> None:
    """The place belongs to the newest eligible run; the notebook keeps both."""
    tip = MemoryTree()
    for run in (FIRST, SECOND):
        record = _record(run)
        placed = _place(record, tip)
        assert placed.placement.placed
        tip.add(record, placed)
    name = "mlperf_log_detail.txt"
    assert tip.files[f"{RESULT}/performance/run_1/{name}"] == tip.files[f"runs/{SECOND}/{name}"]
    assert f"runs/{FIRST}/{name}" in tip.files


def test_a_placed_log_that_no_run_explains_is_replaced() -> None:
    """Files that somebody put there by hand belong to no recorded run."""
    tip = MemoryTree()
    tip.files[f"{RESULT}/performance/run_1/mlperf_log_detail.txt"] = b"by hand"
    assert _place(_record(), tip).placement.placed


def test_a_neighbour_that_cannot_be_read_does_not_stop_the_recording() -> None:
    """A record of a newer mlrepo in the same result: not placed, with the reason, no error."""
    tip = MemoryTree()
    first = _record()
    tip.add(first, _place(first, tip))
    tip.files[f"runs/{FIRST}/run.json"] = b'{"schema": "mlrepo.run/3"}'
    placement = _place(_record(SECOND), tip).placement
    assert not placement.placed
    assert "cannot be compared" in placement.reason
    assert "mlrepo.run/3" in placement.reason


def test_the_files_of_a_result_say_what_was_measured() -> None:
    """Measurements, README and system description are made from the record."""
    record = _record(
        argv=("mlrepo", "bench", "run", "--tag", "two words"),
        backend={"framework": "ONNX Runtime 1.32.0"},
        model={
            "file": "r50.onnx",
            "sha256": "0" * 64,
            "retraining": "no",
            "starting_weights_filename": "r50.onnx",
            "weight_data_types": "fp32",
        },
    )
    files = {str(path): data for path, data in _place(record).files.items()}
    measurements = json.loads(files[f"{RESULT}/measurements.json"])
    assert set(measurements) == {
        "input_data_types",
        "retraining",
        "starting_weights_filename",
        "weight_data_types",
        "weight_transformations",
    }
    assert measurements["retraining"] == "no"
    readme = files[f"{RESULT}/README.md"].decode()
    assert "mlrepo bench run --tag 'two words'" in readme
    assert "ONNX Runtime 1.32.0" in readme
    assert FIRST in readme
    system = json.loads(files["closed/Acme/systems/alpha-onnx.json"])
    assert system == {
        "system_name": "alpha",
        "cooling": "air",
        "framework": "ONNX Runtime 1.32.0",
        "division": "closed",
        "submitter": "Acme",
    }
