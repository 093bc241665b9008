"""``mlrepo log`` and ``mlrepo show``: finding a run again and seeing everything about it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlrepo.errors import UserError
from mlrepo.repository.discovery import find_repository
from mlrepo.repository.history import find_run, recorded_runs
from tests.e2e.driver import BENCH, MLREPO, bench, blob, environment, mlrepo
from tests.samples import git


def _runs(root: Path, *arguments: str) -> list[dict[str, Any]]:
    listed = mlrepo(root, "log", "--json", *arguments).json
    assert listed["schema"] == "mlrepo.log/1"
    return list(listed["runs"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), 8),
        (("--experiment", "box"), 8),
        (("--experiment", "exp/box"), 8),
        (("--experiment", "other"), 0),
        (("--benchmark", "digits"), 8),
        (("--benchmark", "resnet50"), 0),
        (("--scenario", "offline"), 2),
        (("--scenario", "multi-stream", "--mode", "accuracy"), 1),
        (("--mode", "Performance"), 4),
        (("--system", "box"), 8),
        (("--system", "laptop"), 0),
        (("--backend", "onnx"), 8),
        (("--backend", "tvm"), 0),
        (("--valid",), 8),
        (("--tag", "first"), 8),
        (("--tag", "judged"), 4),
        (("--tag", "first", "--tag", "judged"), 4),
        (("--tag", "fir"), 0),
        (("-n", "3"), 3),
        (("--mode", "accuracy", "-n", "9"), 4),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_filters_choose_runs(measured: Path, arguments: tuple[str, ...], expected: int) -> None:
    """Each filter names what it keeps; filters together keep what all of them keep."""
    runs = _runs(measured, *arguments)
    assert len(runs) == expected
    text = mlrepo(measured, "log", *arguments)
    if expected:
        lines = text.out.splitlines()
        assert lines[0].split() == [
            "RUN",
            "SYSTEM",
            "BACKEND",
            "BENCHMARK",
            "SCENARIO",
            "MODE",
            "RESULT",
            "VERDICT",
            "TAGS",
        ]
        assert [line.split()[0] for line in lines[1:]] == [run["run"] for run in runs]
    else:
        text.says("No run matches", "mlrepo bench suite --benchmark")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scenario", "Interactiv"), ("'Interactiv' is not a scenario", "Offline")),
        (("--mode", "fast"), ("'fast' is not a mode", "accuracy")),
        (("-n", "0"), ("-n", "0")),
        (("-n", "all"), ("-n", "all")),
        (("--experiment", "A/B"), ("'A/B'",)),
    ],
    ids=" ".join,
)
def test_a_filter_that_can_match_nothing_is_a_mistake(
    measured: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """A mistyped word is told from an empty answer."""
    mlrepo(measured, "log", *arguments, code=2).says(*words)


def test_the_newest_run_comes_first_with_all_that_scripts_need(measured: Path) -> None:
    """The JSON of a run names everything the table shows, with numbers as numbers."""
    runs = _runs(measured)
    # Of two in one second the names say nothing: the rest of a name is random.
    seconds = [run["run"].partition("-")[0] for run in runs]
    assert seconds == sorted(seconds, reverse=True)
    newest = runs[0]
    assert newest["commit"] == git(measured, "rev-parse", "exp/box").strip()
    expected = {
        "experiment": "box",
        "round": "v6.1",
        "division": "open",
        "submitter": "Acme",
        "system": "box",
        "backend": "onnx",
        "benchmark": "digits",
        "scenario": "Server",
        "mode": "performance",
        "validity": "VALID",
        "tags": ["first"],
        "placed": "open/Acme/results/box-onnxruntime-cpu/digits/Server",
    }
    assert {key: newest[key] for key in expected} == expected
    assert newest["result"]["unit"] == "queries/s"
    assert newest["result"]["value"] > 0


def test_invalid_and_failed_runs_are_listed_and_can_be_left_out(root: Path) -> None:
    """Nothing is hidden by default; ``--valid`` hides what is not VALID."""
    bench(root)
    bench(root, "--count", "10", code=1)
    bench(root, "--backend", "raising", code=1)
    assert [run["validity"] for run in _runs(root)] == ["FAILED", "INVALID", "VALID"]
    assert [run["validity"] for run in _runs(root, "--valid")] == ["VALID"]
    table = mlrepo(root, "log").out
    assert table.splitlines()[1].split()[6] == "-"


@pytest.mark.parametrize(
    "kind", ["id", "end of the id", "stamp", "commit", "short commit", "upper"]
)
def test_a_run_is_found_by_what_people_have_at_hand(measured: Path, kind: str) -> None:
    """The id, a unique part of it, or the commit; case does not matter."""
    run = _runs(measured)[3]
    name = {
        "id": run["run"],
        "end of the id": run["run"][-6:],
        "stamp": run["run"][:16] + "-" + run["run"][-6:-2],
        "commit": run["commit"],
        "short commit": run["commit"][:10],
        "upper": run["run"][-6:].upper(),
    }[kind]
    shown = mlrepo(measured, "show", name, "--json").json
    assert shown["schema"] == "mlrepo.show/1"
    assert shown["record"]["run"] == run["run"]
    assert shown["commit"] == run["commit"]
    assert shown["record"]["schema"] == "mlrepo.run/2"


def test_latest_counts_back_and_the_short_id_of_a_table_names_its_run(measured: Path) -> None:
    """As ``HEAD~1`` does; beyond the oldest run it says how many there are."""
    repository = find_repository(measured)
    runs = [run.run for run in recorded_runs(repository)]
    for text, expected in (
        ("latest", runs[0]),
        ("latest~", runs[1]),
        ("latest~0", runs[0]),
        ("latest~1", runs[1]),
        ("latest~7", runs[7]),
        (f"…{runs[3][-6:]}", runs[3]),
    ):
        assert find_run(repository, text).run == expected
    with pytest.raises(UserError) as caught:
        find_run(repository, "latest~8")
    assert "only 8 runs" in caught.value.message
    assert "latest~7" in caught.value.hint


def test_latest_is_the_newest_run_and_the_default(measured: Path) -> None:
    """Without a name the newest run is shown."""
    newest = _runs(measured)[0]["run"]
    for arguments in ((), ("latest",)):
        assert mlrepo(measured, "show", *arguments, "--json").json["record"]["run"] == newest


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("20", ("8 runs match '20'", "more of the run id")),
        ("zzzzzz", ("No recorded run matches 'zzzzzz'", "mlrepo log")),
        ("HEAD", ("No recorded run matches 'HEAD'",)),
    ],
)
def test_a_name_that_fits_no_run_or_several_is_refused(
    measured: Path, name: str, words: tuple[str, ...]
) -> None:
    """Several matches are listed, none is explained."""
    mlrepo(measured, "show", name, code=2).says(*words)


def test_before_the_first_run_the_next_step_is_named(root: Path) -> None:
    """An empty repository says how to fill it."""
    mlrepo(root, "show", code=2).says("Nothing is recorded yet", "mlrepo bench suite --benchmark")
    mlrepo(root, "log").says("No run matches", "mlrepo bench suite --benchmark")
    mlrepo(root, "raw", "list").says("No full log is kept here")
    assert _runs(root) == []


def test_show_tells_everything_about_a_run(measured: Path) -> None:
    """Result, verdict, versions, settings, host, load, command and files are on one page."""
    shown = mlrepo(measured, "show", "latest")
    shown.says(
        "digits Server performance:",
        "queries/s VALID",
        "exp/box",
        "v6.1 open edge, Acme",
        "ONNX Runtime 1.",
        "resnet8.onnx, sha256",
        "scikit-learn digits",
        "500 samples",
        "6.",
        "CPUs usable",
        "load",
        "mlrepo bench run --benchmark digits",
        "mlperf_log_summary.txt",
        "99.00_percentile_latency",
        "first",
    )


@pytest.mark.parametrize(
    ("log", "file", "start"),
    [
        ("summary", "mlperf_log_summary.txt", b"\nNo warnings"),
        ("detail", "mlperf_log_detail.txt", b":::MLLOG {"),
        ("accuracy", "mlperf_log_accuracy.json", b"["),
        ("accuracy.txt", "accuracy.txt", b"accuracy=99.400%"),
        ("console", "console.txt", b""),
        ("user.conf", "user.conf", b"# LoadGen settings"),
        ("system", "system.json", b"{"),
        ("environment", "environment.json", b"{"),
    ],
)
def test_each_log_is_printed_byte_for_byte(
    measured: Path, log: str, file: str, start: bytes
) -> None:
    """``show --log`` prints what is in the commit and nothing else."""
    run = _runs(measured, "--mode", "accuracy")[0]["run"]
    printed = subprocess.run(
        [*MLREPO, "show", run, "--log", log],
        cwd=measured,
        env=environment(),
        capture_output=True,
        check=True,
    ).stdout
    assert printed == blob(measured, f"runs/{run}/{file}")
    assert printed.startswith(start)


def test_a_log_that_a_run_does_not_have_is_explained(measured: Path) -> None:
    """The message lists what the run has instead."""
    run = _runs(measured, "--mode", "performance")[0]["run"]
    mlrepo(measured, "show", run, "--log", "accuracy.txt", code=2).says(
        f"The run {run} has no accuracy.txt", "mlperf_log_summary.txt"
    )
    mlrepo(measured, "show", run, "--log", "profile", code=2).says("profile", "summary")


def test_a_run_on_two_branches_is_told_once(root: Path) -> None:
    """A branch that was copied does not double its runs."""
    bench(root)
    git(root, "branch", "exp/copy", "exp/box")
    assert len(_runs(root)) == 1
    assert len(_runs(root, "--experiment", "copy")) == 1


def test_a_default_experiment_is_named_after_the_system(root: Path) -> None:
    """Without ``--experiment`` the branch is that of the system, in lower case."""
    (root / "systems" / "box").rename(root / "systems" / "My_Big.Box")
    assert bench(root, "--system", "My_Big.Box")["experiment"] == "my_big.box"
    mlrepo(root, *BENCH, "--system", "My_Big.Box", "--experiment", "named").says("on exp/named")
