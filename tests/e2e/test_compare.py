"""Runs, results, branches and tags side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlrepo.cli.main import main
from tests.e2e.driver import as_another_machine, mlrepo
from tests.samples import git

RUN = ("bench", "run", "--model", "digits", "--backend", "patient", "--mode", "performance")


def _runs(root: Path, *filters: str) -> list[str]:
    runs = mlrepo(root, "log", *filters, "--json").json["runs"]
    return [run["run"] for run in runs]


def _compare(root: Path, *sides: str) -> dict[str, Any]:
    found = mlrepo(root, "compare", *sides, "--json").json
    assert found["schema"] == "mlrepo.compare/1"
    [one] = found["comparisons"]
    return dict(one)


def test_repeated_runs_get_an_interval_and_a_verdict(root: Path) -> None:
    """A backend that sleeps as long each time is the same within noise; a larger batch is not.

    `--repeat` makes one commit per run.
    """
    offline = (*RUN, "--scenario", "Offline", "--count", "100", "--repeat", "4")
    made = mlrepo(root, *offline, "--max-batchsize", "10", "--tag", "before", "--json").json
    assert made["schema"] == "mlrepo.runs/1"
    assert len(made["runs"]) == 4
    assert len({run["commit"] for run in made["runs"]}) == 4
    assert git(root, "rev-list", "--count", "exp/box", "^main").strip() == "4"
    after = mlrepo(root, *offline, "--max-batchsize", "10", "--tag", "after")
    after.says("4 VALID runs: ", "samples/s on average")
    mlrepo(root, *offline, "--max-batchsize", "20", "--tag", "batch")
    same = _compare(root, "tag:before", "tag:after", "tag:batch")
    assert same["verdicts"][1] == "better"
    assert [len(side["runs"]) for side in same["sides"]] == [4, 4, 4]
    result = same["figures"][0]
    assert (result["name"], result["unit"]) == ("result", "samples/s")
    interval = result["ratios"][0]["interval"]
    assert interval["low"] < result["ratios"][0]["value"] < interval["high"]
    assert result["ratios"][1]["interval"]["low"] > 1.3
    within = interval["low"] <= 1 <= interval["high"]
    assert (same["verdicts"][0] == "same within noise") == within
    assert same["systems_differ"] is False
    assert [difference["name"] for difference in same["settings"]] == ["batch size"]
    shown = mlrepo(root, "compare", "tag:before", "tag:batch").out
    assert "SYSTEMS DIFFER" not in shown
    assert "batch size: A 10; B 20" in shown
    # A branch stands for the newest configuration on it, a result for what was placed there.
    branch = _compare(root, "exp/box", "box")
    assert [len(side["runs"]) for side in branch["sides"]] == [4, 4]
    assert branch["verdicts"] == ["equal"]
    placed = mlrepo(root, "show", _runs(root, "--tag", "before")[0], "--json").json["record"]
    path = placed["placement"]["path"]
    assert len(_compare(root, path, "tag:before")["sides"][0]["runs"]) == 8


def test_one_run_a_side_says_nothing_of_noise(measured: Path) -> None:
    """Metrics have units and ratios, and no verdict is feigned."""
    [run] = _runs(measured, "--scenario", "SingleStream", "--mode", "performance")
    one = _compare(measured, run, run[-6:])
    figures = {figure["name"]: figure for figure in one["figures"]}
    assert figures["result"]["unit"] == "ms"
    assert figures["mean_latency"]["unit"] == "ms"
    assert figures["qps_with_loadgen_overhead"]["unit"] == "1/s"
    assert figures["mean_latency"]["ratios"] == [{"value": 1.0, "interval": None}]
    assert one["verdicts"] == ["equal"]
    all_ = mlrepo(measured, "compare", "exp/box", "box", "--json").json["comparisons"]
    assert len(all_) == 8


def test_ten_sides_are_readable_at_any_width(
    measured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line is too wide, no value is lost, and equal settings are said once."""
    [run] = _runs(measured, "--scenario", "SingleStream", "--mode", "performance")
    monkeypatch.chdir(measured)
    for width in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["compare", *[run] * 30]) == 0
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= width
        headers = [line.split() for line in shown.splitlines() if line.startswith("METRIC")]
        sides = [word for words in headers for word in words if word not in ("METRIC", "UNIT")]
        assert sides[:10] == list("ABCDEFGHIJ")
        assert sides[25:] == ["Z", "AA", "AB", "AC", "AD"]
        assert "AD ÷ A 1.000: equal" in shown
    monkeypatch.delenv("COLUMNS")
    assert main(["compare", run, run]) == 0
    assert "B÷A" in capsys.readouterr().out


def test_two_systems_are_never_compared_in_silence(root: Path) -> None:
    """Another processor under the same name is another system, told before any figure."""
    offline = (*RUN, "--scenario", "Offline", "--count", "50")
    mlrepo(root, *offline)
    [run] = _runs(root)
    other = as_another_machine(root, run)
    one = _compare(root, run, other)
    assert one["systems_differ"] is True
    [difference] = one["systems"]
    assert difference["name"] == "host_processor_model_name"
    assert difference["values"][1] == "Another CPU"
    shown = mlrepo(root, "compare", run, other).out
    assert "THE SYSTEMS DIFFER" in shown
    assert shown.index("Another CPU") < shown.index("METRIC")
    assert "(on different systems)" in shown
    # Runs of two machines on one branch are not taken for repetitions of one another.
    branch = mlrepo(root, "compare", "exp/box", other, "--json").json["comparisons"][0]
    assert [len(side["runs"]) for side in branch["sides"]] == [1, 1]


def test_what_cannot_be_compared_is_refused(measured: Path) -> None:
    """One side only, nothing recorded under a name, or nothing in common."""
    mlrepo(measured, "compare", code=2).says("required: A, B.")
    mlrepo(measured, "compare", "latest", code=2).says("required: B.")
    mlrepo(measured, "compare", "latest", "tag:nothing", code=2).says("No VALID run", "tag:NAME")
    mlrepo(measured, "compare", "latest", "exp/nothing", code=2).says("No VALID run")
    mlrepo(measured, "compare", "latest", "nothing", code=2).says("No recorded run matches")
    mlrepo(measured, "compare", "latest", "open/Acme/results/x", code=2).says("No VALID run")
    server = _runs(measured, "--scenario", "Server", "--mode", "performance")[0]
    offline = _runs(measured, "--scenario", "Offline", "--mode", "performance")[0]
    done = mlrepo(measured, "compare", server, offline, code=2)
    done.says("nothing to compare", "digits Server performance", "digits Offline performance")
