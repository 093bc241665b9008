"""The peak search on the real LoadGen."""

from __future__ import annotations

from pathlib import Path

from driver import branch_files, mlrepo

PEAK = ("bench", "peak", "--model", "digits", "--probe", "1", "--scenario")


def test_what_is_found_is_confirmed_and_remembered(root: Path) -> None:
    """The next run takes the value from the system's user.conf; the probe stands in no result."""
    peak = mlrepo(root, *PEAK, "singlestream", "--time", "1", "--json").json
    assert peak["key"] == "target_latency"
    assert peak["confirmed"]["validity"] == "VALID"
    conf = (root / "systems" / "box" / "user.v6.1.conf").read_text()
    assert f"digits.SingleStream.target_latency = {peak['value']:.8g}\n" in conf
    runs = mlrepo(root, "log", "--json").json["runs"]
    assert [run["tags"] for run in runs] == [[], ["probe"]]
    assert [bool(run["placed"]) for run in runs] == [True, False]
    assert any("SingleStream/performance/run_1" in path for path in branch_files(root))
    mlrepo(root, *PEAK, "SingleStream", "--time", "1")
    conf = (root / "systems" / "box" / "user.v6.1.conf").read_text()
    assert conf.count("digits.SingleStream.target_latency") == 1


def test_a_search_that_finds_nothing_valid_ends_within_its_budget(root: Path) -> None:
    """20 ms per query hold no bound of a millisecond: the reason is told, nothing is kept."""
    before = (root / "systems" / "box" / "user.v6.1.conf").read_text()
    arguments = ("--backend", "patient", "--max-latency", "0.001", "--qps", "20", "--time", "2")
    done = mlrepo(root, *PEAK, "Server", *arguments, "--budget", "6s", code=1)
    done.says("No rate was VALID", "latency bound does not hold")
    assert (root / "systems" / "box" / "user.v6.1.conf").read_text() == before


def test_an_invalid_run_comes_with_advice(root: Path) -> None:
    """In plain words: which condition failed, by how much, and what to change."""
    run = ("bench", "run", "--model", "digits", "--backend", "patient", "--scenario", "Server",
           "--mode", "performance", "--count", "30", "--qps", "30",
           "--max-latency", "0.001")  # fmt: skip
    mlrepo(root, *run, code=1).says("latency bound does not hold", "1 ms allowed", "lower --qps")
