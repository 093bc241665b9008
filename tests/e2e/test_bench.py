"""The content of a recorded run, and when it is placed in the layout of the round."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlrepo.rounds import SHIPPED
from mlrepo.scenarios import LOADGEN_SCENARIOS
from tests.e2e.driver import BENCH, bench, blob, branch_files, everything, mlrepo, spooled
from tests.samples import git

PERFORMANCE = ("--mode", "performance", "--count", "500", "--qps", "500")
ONE = "open/Acme/results/box-onnxruntime-cpu/digits"


def _records(root: Path, mode: str) -> dict[str, Any]:
    """Return the records of one mode by scenario."""
    runs = mlrepo(root, "log", "--mode", mode, "--json").json["runs"]
    return {
        run["scenario"]: mlrepo(root, "show", run["run"], "--json").json["record"] for run in runs
    }


@pytest.mark.parametrize("scenario", LOADGEN_SCENARIOS)
def test_an_accuracy_run_judges_all_held_out_images(measured: Path, scenario: str) -> None:
    """In every scenario 497 of the 500 images are right, as often as it is run."""
    record = _records(measured, "accuracy")[scenario]
    assert record["validity"] == "VALID"
    assert record["result"] == {"value": 99.4, "unit": "%"}
    assert record["accuracy"] == {"judged": 500, "of": 500, "good": 497, "total": 500}
    assert record["placement"]["path"] == f"{ONE}/{scenario}"


@pytest.mark.parametrize("scenario", LOADGEN_SCENARIOS)
def test_accuracy_txt_names_the_full_log(measured: Path, scenario: str) -> None:
    """One accuracy line as MLPerf prints it, and one hash line: the SHA-256 of the full log."""
    record = _records(measured, "accuracy")[scenario]
    text = blob(measured, f"runs/{record['run']}/accuracy.txt").decode()
    log = record["logs"]["mlperf_log_accuracy.json"]
    assert text == f"accuracy=99.400%, good=497, total=500\nhash={log['full_sha256']}\n"
    kept = measured / ".git" / "mlrepo" / "raw" / log["full_sha256"]
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == log["full_sha256"]


@pytest.mark.parametrize("scenario", LOADGEN_SCENARIOS)
def test_the_accuracy_log_is_truncated_as_the_rules_say(
    measured: Path, tmp_path: Path, scenario: str
) -> None:
    """The first and last 4096 bytes and the mark between; the full log can be exported."""
    record = _records(measured, "accuracy")[scenario]
    target = tmp_path / "full.json"
    mlrepo(measured, "raw", "export", record["run"], "--output", str(target)).says(str(target))
    full = target.read_bytes()
    cut = blob(measured, f"runs/{record['run']}/mlperf_log_accuracy.json")
    assert cut == full[:4096] + b"\n\n...\n\n" + full[-4096:]
    log = record["logs"]["mlperf_log_accuracy.json"]
    assert (log["size"], log["full_size"]) == (len(cut), len(full))
    assert log["sha256"] == hashlib.sha256(cut).hexdigest()
    assert len(json.loads(full)) == (504 if scenario == "MultiStream" else 500)


@pytest.mark.parametrize(
    ("scenario", "unit"),
    [
        ("Offline", "samples/s"),
        ("SingleStream", "ms"),
        ("MultiStream", "ms"),
        ("Server", "queries/s"),
    ],
)
def test_a_performance_run_holds_what_loadgen_found(
    measured: Path, scenario: str, unit: str
) -> None:
    """Result with its unit, LoadGen's metrics, settings and seeds, and no error."""
    record = _records(measured, "performance")[scenario]
    assert record["validity"] == "VALID", record["reasons"]
    assert record["result"]["unit"] == unit
    assert record["result"]["value"] > 0
    assert record["loadgen"]["errors"] == []
    assert record["loadgen"]["version"].startswith("6.")
    assert set(record["loadgen"]["seeds"]) >= {
        "qsl_rng_seed",
        "sample_index_rng_seed",
        "schedule_rng_seed",
    }
    assert record["metrics"]["query_count" if scenario == "Server" else "mean_latency_ns"[:-3]]
    assert record["logs"].keys() >= {"mlperf_log_summary.txt", "mlperf_log_detail.txt"}
    assert record["placement"]["path"] == f"{ONE}/{scenario}"


@pytest.mark.parametrize("scenario", LOADGEN_SCENARIOS)
def test_the_seeds_are_those_of_the_round(measured: Path, scenario: str) -> None:
    """Every run uses the seeds of the round, those of the embedded mlperf.conf."""
    seeds = _records(measured, "performance")[scenario]["loadgen"]["seeds"]
    assert seeds["qsl_rng_seed"] == 2085463073848966840
    assert seeds["sample_index_rng_seed"] == 2747215439041700203
    assert seeds["schedule_rng_seed"] == 16159082839903944936


def test_the_recorded_logs_are_the_bytes_of_the_record(measured: Path) -> None:
    """Size and SHA-256 of each log in run.json are those of the committed file."""
    for record in (
        *_records(measured, "performance").values(),
        *_records(measured, "accuracy").values(),
    ):
        for name, log in record["logs"].items():
            data = blob(measured, f"runs/{record['run']}/{name}")
            assert (len(data), hashlib.sha256(data).hexdigest()) == (log["size"], log["sha256"])


def test_placed_files_stand_in_the_layout_of_the_round_and_share_blobs(measured: Path) -> None:
    """The v6.1 layout, complete for all scenarios, without a second copy of any log."""
    files = branch_files(measured)
    placed = {path for path in files if path.startswith("open/")}
    expected = {
        "open/Acme/systems/box-onnxruntime-cpu.json",
        "open/Acme/model_mapping.json",
        "open/Acme/src/digits/README.md",
    }
    for scenario in LOADGEN_SCENARIOS:
        base = f"{ONE}/{scenario}"
        expected |= {
            f"{base}/{name}"
            for name in (
                "README.md",
                "measurements.json",
                "user.conf",
                "accuracy/accuracy.txt",
                "accuracy/mlperf_log_accuracy.json",
                "accuracy/mlperf_log_detail.txt",
                "accuracy/mlperf_log_summary.txt",
                "performance/run_1/mlperf_log_detail.txt",
                "performance/run_1/mlperf_log_summary.txt",
            )
        }
    assert placed == expected
    in_runs = {files[path] for path in files if path.startswith("runs/")}
    for path in placed:
        if "/accuracy/" in path or "/performance/" in path or path.endswith("user.conf"):
            assert files[path] in in_runs, path


def test_the_placed_system_description_is_that_of_the_run(measured: Path) -> None:
    """The description of the system, with the framework that the run used."""
    system = json.loads(blob(measured, "open/Acme/systems/box-onnxruntime-cpu.json"))
    assert system["framework"].startswith("ONNX Runtime 1.")
    assert (system["system_name"], system["submitter"], system["division"]) == (
        "box",
        "Acme",
        "open",
    )


def test_the_older_layout_is_used_for_an_older_round(root: Path) -> None:
    """With ``--round v5.1`` measurements stand in a tree of their own, named after the scenario."""
    mlrepo(root, *BENCH, "--round", "v5.1")
    done = mlrepo(root, *BENCH, "--round", "v5.1", *PERFORMANCE, "--json")
    # LoadGen carries the seeds of one round; the others' are set, and that is said before the run.
    assert done.json["record"]["loadgen"]["seeds"] == {
        **SHIPPED["v5.1"].seeds(),
        "accuracy_log_rng_seed": 0,
    }
    done.says("is installed, and v5.1 was run with 5.0.22 to 6.0.4", "mlcommons-loadgen==6.0.4")
    placed = {path for path in branch_files(root) if path.startswith("open/")}
    measurements = "open/Acme/measurements/box-onnxruntime-cpu/digits/Offline"
    assert placed == {
        "open/Acme/systems/box-onnxruntime-cpu.json",
        "open/Acme/model_mapping.json",
        "open/Acme/code/digits/README.md",
        f"{ONE}/Offline/accuracy/accuracy.txt",
        f"{ONE}/Offline/accuracy/mlperf_log_accuracy.json",
        f"{ONE}/Offline/accuracy/mlperf_log_detail.txt",
        f"{ONE}/Offline/accuracy/mlperf_log_summary.txt",
        f"{ONE}/Offline/performance/run_1/mlperf_log_detail.txt",
        f"{ONE}/Offline/performance/run_1/mlperf_log_summary.txt",
        f"{measurements}/README.md",
        f"{measurements}/user.conf",
        f"{measurements}/box-onnxruntime-cpu_Offline.json",
    }


def test_a_run_is_one_commit_with_the_scaffold_as_its_root(measured: Path) -> None:
    """Eight runs, eight commits on the commit that brought mlrepo.toml, subjects for people."""
    assert git(measured, "rev-list", "--count", "main..exp/box").strip() == "8"
    assert git(measured, "merge-base", "main", "exp/box") == git(measured, "rev-parse", "main")
    subjects = git(measured, "log", "--format=%s", "main..exp/box").splitlines()
    for subject in subjects:
        assert re.match(r"digits \w+ (accuracy|performance): \S+ \S+ VALID \(box, onnx\)$", subject)
        assert len(subject) <= 72
    trailers = git(measured, "log", "-1", "--format=%(trailers:only)", "exp/box")
    assert "MLRepo-Benchmark: digits" in trailers
    assert "MLRepo-Tags: first" in trailers


def test_recording_leaves_the_working_tree_alone(root: Path) -> None:
    """Staged, changed and untracked files, index, HEAD and hooks are as before the run."""
    (root / "README.md").write_text("changed\n")
    (root / "new.txt").write_text("new\n")
    (root / "staged.txt").write_text("staged\n")
    git(root, "add", "staged.txt")
    hook = root / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {root}/hook-ran\n")
    hook.chmod(0o755)
    before = everything(root)
    record = bench(root)
    after = everything(root)
    assert record["source"]["dirty"] is True
    assert record["source"]["diff_sha256"]
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    allowed = ("refs", ".git/refs/heads/exp/", ".git/logs/refs/heads/exp/", ".git/mlrepo/")
    assert all(path.startswith(allowed) for path in changed), changed
    assert spooled(root) == []


@pytest.mark.parametrize(
    ("arguments", "settings", "effective"),
    [
        (
            ("--scenario", "Offline", "--count", "600"),
            {"min_query_count": "600", "min_duration": "0"},
            {"min_sample_count": 600, "min_duration_ms": 0},
        ),
        (
            ("--scenario", "Offline", "--time", "0.25", "--qps", "123.5"),
            {"min_duration": "250", "target_qps": "123.5"},
            {"min_duration_ms": 250, "target_qps": 123.5},
        ),
        (
            ("--scenario", "single_stream", "--count", "70", "--max-latency", "0.0005"),
            {"target_latency": "0.5", "min_query_count": "70"},
            {"target_qps": 2000, "min_query_count": 70},
        ),
        (
            ("--scenario", "multi-stream", "--count", "5", "--samples-per-query", "4"),
            {"samples_per_query": "4", "min_query_count": "5"},
            {"samples_per_query": 4, "min_query_count": 5},
        ),
        (
            ("--scenario", "SERVER", "--count", "300", "--qps", "500", "--max-latency", "0.25"),
            {"target_latency": "250", "target_qps": "500", "min_query_count": "300"},
            {"target_latency_ns": 250_000_000, "target_qps": 500, "min_query_count": 300},
        ),
        (
            ("--scenario", "Server", "--count", "100", "--set", "target_latency_percentile=97.5"),
            {"target_latency_percentile": "97.5"},
            {"target_latency_percentile": 0.975},
        ),
        (
            (
                "--scenario",
                "Offline",
                "--count",
                "9",
                "--set",
                "digits.*.performance_sample_count_override=64",
            ),
            {"performance_sample_count_override": "64"},
            {"performance_sample_count": 64},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_setting_of_the_user_is_seen_and_takes_effect(
    root: Path, arguments: tuple[str, ...], settings: dict[str, str], effective: dict[str, float]
) -> None:
    """What a flag changes stands in user.conf and run.json, and LoadGen reports it as effective."""
    record = bench(root, "--mode", "performance", *arguments, code=None)
    conf = blob(root, f"runs/{record['run']}/user.conf").decode()
    values = json.loads(record["settings"]["user.conf"]["value"])
    for key, value in settings.items():
        full = f"digits.{record['scenario']}.{key}"
        assert f"\n{full} = {value}\n" in conf
        assert values[full] == value
    found = record["loadgen"]["effective"]
    assert {key: found[key] for key in effective} == effective
    for word in arguments:
        assert word in record["argv"]


def test_threads_and_batch_of_the_user_reach_the_backend(root: Path) -> None:
    """``--threads`` and ``--max-batchsize`` are obeyed and recorded."""
    record = bench(root, "--threads", "1", "--max-batchsize", "3")
    assert (record["backend"]["threads"], record["backend"]["max_batch"]) == (1, 3)
    assert record["backend"]["batch"] == 3
    assert record["backend"]["options"]["intra_op_num_threads"] == 1


def test_a_user_conf_of_the_user_replaces_that_of_the_system(root: Path) -> None:
    """``--user-conf`` wins over the system's file, flags win over both, comments are kept."""
    key, effective = "performance_sample_count_override", "performance_sample_count"
    (root / "systems/box/user.v6.1.conf").write_text(f"*.Offline.{key} = 11\n")
    mine = root / "mine.conf"
    mine.write_text(f"# why not\n*.Offline.{key} = 12\n*.Server.target_qps = 5\n")
    run = ("--mode", "performance", "--count", "9")
    system = bench(root, *run)
    assert system["loadgen"]["effective"][effective] == 11
    assert system["settings"]["user.conf"]["origin"] == "systems/box/user.v6.1.conf"
    own = bench(root, *run, "--user-conf", "mine.conf")
    assert own["loadgen"]["effective"][effective] == 12
    flag = bench(root, *run, "--user-conf", "mine.conf", "--set", f"{key}=13")
    assert flag["loadgen"]["effective"][effective] == 13
    conf = blob(root, f"runs/{flag['run']}/user.conf").decode()
    assert conf.startswith(mine.read_text() + "# set on the command line\n")


def test_what_the_user_left_open_is_estimated_and_marked(root: Path) -> None:
    """The target rate that mlrepo estimated is in the recorded user.conf, with a comment."""
    record = bench(root, "--mode", "performance", "--time", "0.2", code=None)
    conf = blob(root, f"runs/{record['run']}/user.conf").decode()
    assert re.search(r"# estimated by mlrepo .*\ndigits\.Offline\.target_qps = \d+\n\Z", conf)


def test_a_partial_accuracy_run_is_invalid_and_not_placed(root: Path) -> None:
    """``--count`` judges some samples only: recorded, with how many, not placed, exit code 1."""
    record = bench(root, "--count", "100", code=1)
    assert record["validity"] == "INVALID"
    assert record["reasons"] == ["Only 100 of 500 samples were judged."]
    assert record["accuracy"]["judged"] == 100
    assert not record["placement"]["placed"]
    assert record["result"]["value"] > 90
    assert not [path for path in branch_files(root) if path.startswith("open/")]


def test_an_invalid_performance_run_says_why_in_plain_words(root: Path) -> None:
    """A target rate far too low ends the run too early: LoadGen's reasons are told."""
    done = mlrepo(root, *BENCH, "--mode", "performance", "--time", "2", "--qps", "1", code=1)
    done.says(
        "INVALID", "because Min duration not satisfied", "Increase expected QPS", "not placed"
    )
    record = mlrepo(root, "show", "latest", "--json").json["record"]
    assert record["result"]["value"] > 0
    assert record["placement"] == {
        "placed": False,
        "path": "",
        "reason": "the run is INVALID",
        "forced": False,
    }
    body = git(root, "log", "-1", "--format=%b", "exp/box")
    assert "Min duration not satisfied" in body


def test_an_invalid_run_can_be_placed_on_demand(root: Path) -> None:
    """``--place`` puts it into the layout, marked as forced with the reason against it."""
    record = bench(root, "--count", "100", "--place", code=1)
    assert record["placement"]["placed"]
    assert record["placement"]["forced"]
    assert record["placement"]["reason"] == "the run is INVALID"
    assert f"{ONE}/Offline/accuracy/accuracy.txt" in branch_files(root)
    mlrepo(root, "show", "latest").says(f"{ONE}/Offline (although the run is INVALID)")


def test_a_failed_run_is_not_placed_even_on_demand(root: Path) -> None:
    """There is nothing that could stand in a result."""
    record = bench(root, "--backend", "raising", "--place", code=1)
    assert not record["placement"]["placed"]


def test_a_second_configuration_does_not_enter_the_same_result(root: Path) -> None:
    """Accuracy and performance of one result have one configuration, unless the user insists."""
    first = bench(root, "--threads", "2")
    other = bench(root, *PERFORMANCE, "--threads", "1")
    assert other["validity"] == "VALID"
    assert not other["placement"]["placed"]
    for word in ("another configuration", first["run"], "threads"):
        assert word in other["placement"]["reason"]
    assert not [path for path in branch_files(root) if "/performance/" in path]
    forced = bench(root, *PERFORMANCE, "--threads", "1", "--place")
    assert forced["placement"]["forced"]
    same = bench(root, *PERFORMANCE, "--threads", "2", "--experiment", "other")
    assert same["placement"]["placed"]  # a branch of its own has no other run


def test_a_newer_run_takes_the_place_of_an_older_one(root: Path) -> None:
    """The layout holds the newest eligible run of each mode; the notebook holds both."""
    old, new = bench(root), bench(root)
    files = branch_files(root)
    name = "mlperf_log_detail.txt"
    assert files[f"{ONE}/Offline/accuracy/{name}"] == files[f"runs/{new['run']}/{name}"]
    assert f"runs/{old['run']}/{name}" in files


def test_a_benchmark_that_the_division_does_not_have_is_recorded_not_placed(root: Path) -> None:
    """``digits`` is no benchmark of the closed division: the run counts, the result does not."""
    record = bench(root, "--division", "closed")
    assert record["validity"] == "VALID"
    assert "does not belong to the closed division" in record["placement"]["reason"]


def test_names_of_scenario_mode_and_backend_are_forgiving(root: Path) -> None:
    """Case, dashes and the names of the older tools are understood, the record is canonical."""
    done = mlrepo(
        root,
        "bench",
        "run",
        "--model",
        "digits",
        "--framework",
        "onnxruntime",
        "--scenario",
        "SINGLE-stream",
        "--mode",
        "Accuracy",
        "--json",
        "--experiment",
        "exp/named",
    )
    record = done.json["record"]
    assert (record["scenario"], record["mode"]) == ("SingleStream", "accuracy")
    assert (record["backend"]["name"], record["experiment"]) == ("onnx", "named")


def test_a_command_prefix_runs_before_the_benchmark_and_is_recorded(root: Path) -> None:
    """The prefix of the flag, or of the older CK variable, is part of the configuration."""
    record = bench(root, "--prefix", "env OMP_PROC_BIND=true nice -n 1")
    assert record["backend"]["prefix"] == ["env", "OMP_PROC_BIND=true", "nice", "-n", "1"]
    legacy = bench(root, CK_MLPERF_CMD_PREFIX="nice -n 1")
    assert legacy["backend"]["prefix"] == ["nice", "-n", "1"]
    assert legacy["configuration"] != record["configuration"]


def test_a_backend_of_a_third_party_works_without_a_change_to_mlrepo(root: Path) -> None:
    """Its package registers an entry point; its result stands under its own name."""
    record = bench(root, "--backend", "patient", "--max-batchsize", "100")
    assert record["backend"]["framework"] == "Patience 1.0"
    assert record["placement"]["path"] == "open/Acme/results/box-patience-cpu/digits/Offline"
    assert record["accuracy"]["judged"] == 500
    assert record["result"]["value"] < 20


def test_the_installed_script_is_the_same_program(root: Path) -> None:
    """``mlrepo`` and ``python -m mlrepo.cli.main`` are one."""
    script = Path(sys.executable).with_name("mlrepo")
    if not script.exists():
        pytest.skip("mlrepo is not installed beside this Python")
    shown = subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout
    assert shown == mlrepo(root, "--version").out
