"""LoadGen's query list: refused if it does not fit, with progress while it is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.driver import (
    LONG,
    children,
    everything,
    finish,
    measuring_child,
    mlrepo,
    spooled,
    start,
)

_RUN = ("bench", "run", "--model", "digits", "--backend", "null", "--mode", "performance")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--scenario", "Server", "--qps", "1e9"),
        ("--scenario", "Offline", "--qps", "1e9"),
        ("--scenario", "Offline", "--count", "100000000000"),
        ("--scenario", "SingleStream", "--max-latency", "1e-9"),
        ("--scenario", "MultiStream", "--set", "target_latency=0.0000001"),
        ("--scenario", "MultiStream", "--set", "samples_per_query=100000000"),
        ("--scenario", "Server", "--set", "min_query_count=100000000000"),
    ],
    ids=lambda arguments: " ".join(arguments[1:]),
)
def test_a_list_beyond_memory_is_refused_before_anything_starts(
    root: Path, arguments: tuple[str, ...]
) -> None:
    """With the arithmetic, and the option to change."""
    before = everything(root)
    done = mlrepo(root, *_RUN, *arguments, code=2)
    option = arguments[2] if arguments[2] != "--set" else arguments[3].partition("=")[0]
    done.says("all its queries", "that are available", option)
    assert everything(root) == before
    assert not spooled(root)


def test_a_file_of_settings_is_judged_like_options(root: Path, tmp_path: Path) -> None:
    """The list is that of the settings that LoadGen would read, wherever they are from."""
    conf = tmp_path / "user.conf"
    conf.write_text("*.MultiStream.samples_per_query = 100000000\n")
    done = mlrepo(root, *_RUN, "--scenario", "MultiStream", "--user-conf", str(conf), code=2)
    done.says("all its queries", "samples_per_query is 100000000", "Lower samples_per_query to")
    assert not spooled(root)


def test_a_peak_search_from_such_a_rate_is_refused_in_the_same_words(root: Path) -> None:
    """Whatever starts a run: the check is the run's."""
    common = ("--model", "digits", "--backend", "null", "--qps", "1e9")
    done = mlrepo(root, "bench", "peak", "--scenario", "Server", *common, code=2)
    done.says("all its queries", "--qps")
    assert not spooled(root)


def test_what_the_child_may_not_take_is_a_failed_run(root: Path) -> None:
    """The limit is the child's own; mlrepo lives on and records why, and what to do."""
    prefix = "sh -c 'ulimit -v 1500000; exec \"$@\"' sh"
    done = mlrepo(
        root,
        *_RUN,
        "--scenario",
        "Server",
        "--qps",
        "100000",
        "--time",
        "60",
        "--prefix",
        prefix,
        "--json",
        code=1,
    )
    record = done.json["record"]
    assert record["validity"] == "FAILED"
    assert "ulimit -v" in record["reasons"][0]
    assert "--qps" in record["reasons"][1]


def test_generating_queries_is_shown(root: Path) -> None:
    """A minute without a word looks like a program that hangs."""
    rate = ("--qps", "300000", "--time", "2")
    done = mlrepo(root, *_RUN, "--scenario", "Server", *rate, "--json", code=None)
    said = [line.partition(": ")[2] for line in done.err.splitlines()]
    assert said.index("generating queries") < said.index("measuring")
    assert done.json["record"]["backend"]["batch_seconds"]


def test_the_kernel_would_choose_the_benchmark_first(root: Path) -> None:
    """Neither mlrepo, which records what happened, nor the user's shell."""
    process = start(root, *LONG)
    try:
        child = measuring_child(root)
        assert Path(f"/proc/{child}/oom_score_adj").read_text().strip() == "1000"
        mine = Path(f"/proc/{os.getpid()}/oom_score_adj").read_text()
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == mine
    finally:
        process.terminate()
        finish(process)
    assert not list(children(root))
