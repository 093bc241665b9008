"""Results of v0.5, in the layout of 2019 and with its logs: a Server has five runs."""

from __future__ import annotations

import json
from pathlib import Path

from mlrepo.rounds import SHIPPED
from tests.e2e.driver import mlrepo

# Of the five runs of a Server, the checkers up to v0.7 take the result of the last.
_RATES = (501.5, 502.5, 503.5, 504.5, 499.25)
_DETAIL = (
    '"pid": 7, "tid": 7, "ts": 5925ns : version : .5a1 @ 55c0ea4e77\n'
    '"pid": 7, "tid": 7, "ts": 5925ns : build_date_utc   : 2019-10-04T18:26:20.714334\n'
)


def _summary(scenario: str, headline: str) -> str:
    """Return a summary as LoadGen wrote it in 2019; there is no other place for the values."""
    seeds = "".join(f"{name} : {value}\n" for name, value in SHIPPED["v0.5"].seeds().items())
    rule = "=" * 48
    return (
        f"{rule}\nMLPerf Results Summary\n{rule}\nSUT name : CSUT\nScenario : {scenario}\n"
        f"Mode     : Performance\n{headline}\nResult is : VALID\n"
        "  Min duration satisfied : Yes\n  Min queries satisfied : Yes\n\n"
        f"{rule}\nAdditional Stats\n{rule}\n"
        "Mean latency (ns)               : 474612\n"
        "90.00 percentile latency (ns)   : 493552\n"
        "99.00 percentile latency (ns)   : 521966\n\n"
        f"{rule}\nTest Parameters Used\n{rule}\nsamples_per_query : 1\n"
        f"min_duration (ms): 60000\nmin_query_count : 270336\n{seeds}"
        "performance_sample_count : 1024\n\nNo warnings encountered during test.\n\n"
        "No errors encountered during test.\n"
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_round(root: Path) -> None:
    """Write a submitter's part of the repository of v0.5, some directories in lower case."""
    home = root / "closed" / "Acme"
    fields = dict.fromkeys(SHIPPED["v0.5"].system_fields(), "N/A")
    _write(home / "systems" / "box.json", json.dumps(fields | {"framework": "TFLite v1.15"}))
    stream, server = (home / "results/box/resnet" / name for name in ("singlestream", "Server"))
    summaries = {
        stream / "performance/run_1": _summary(
            "Single Stream", "90th percentile latency (ns) : 493552"
        )
    }
    for number, rate in enumerate(_RATES, start=1):
        headline = f"Scheduled samples per second : {rate}"
        summaries[server / f"performance/run_{number}"] = _summary("Server", headline)
    for result in (stream, server):
        summaries[result / "accuracy"] = (
            "SUT name : CSUT\nScenario : Single Stream\nMode     : Accuracy\n\n"
            "No errors encountered during test.\n"
        )
        _write(result / "accuracy/accuracy.txt", "accuracy=76.442%, good=38221, total=50000")
        _write(result / "accuracy/mlperf_log_accuracy.json", "[]\n")
        measured = home / "measurements/box/resnet" / result.name
        _write(measured / "box_image-classification.json", '{"weight_data_types": "int8"}')
    for directory, text in summaries.items():
        _write(directory / "mlperf_log_summary.txt", text)
        _write(directory / "mlperf_log_detail.txt", _DETAIL)
    _write(home / "audit/box/resnet/Server/TEST01/verify_accuracy.txt", "TEST PASS\n")


def test_v0_5_is_read_with_the_results_of_its_checker(root: Path, tmp_path: Path) -> None:
    """A record has the log of the run that its result is from."""
    _write_round(tmp_path / "theirs")
    done = mlrepo(root, "import", str(tmp_path / "theirs"), "--round", "v0.5", "--json").json
    assert done["left_out"] == []
    records = {(r["scenario"], r["mode"]): r for r in (run["record"] for run in done["runs"])}
    assert {key: one["result"] for key, one in records.items()} == {
        ("SingleStream", "performance"): {"value": 0.493552, "unit": "ms"},
        ("SingleStream", "accuracy"): {"value": 76.442, "unit": "%"},
        ("Server", "performance"): {"value": _RATES[-1], "unit": "queries/s"},
        ("Server", "accuracy"): {"value": 76.442, "unit": "%"},
    }
    assert {one["validity"] for one in records.values()} == {"VALID"}
    server = records["Server", "performance"]
    assert (server["started"], server["sut"]) == ("2019-10-04T18:26:20Z", "box")
    assert server["model"]["weight_data_types"] == "int8"
    summary = mlrepo(root, "show", server["run"], "--log", "summary").out
    assert f"Scheduled samples per second : {_RATES[-1]}" in summary
    listed = mlrepo(root, "log", "--mode", "performance", "--format", "csv").out
    assert ",499.25,queries/s," in listed
    assert ",0.493552,ms," in listed
