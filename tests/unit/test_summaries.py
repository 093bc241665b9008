"""Summaries of published rounds: what a row says, and what it cannot say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlrepo.errors import UserError
from mlrepo.exchange.summaries import Summary, read_summary
from mlrepo.record import Metric
from mlrepo.rounds import SHIPPED, Place
from tests.summaries import checker_row, checker_summary, table_row


def _read(*rows: dict[str, Any], submitter: str = "") -> Summary:
    return read_summary(checker_summary(rows), "summary.json", SHIPPED["v6.1"], submitter)


def test_both_forms_say_the_same() -> None:
    """The place is that of the directories; pandas writes whole numbers as 32.0."""
    [row] = _read(checker_row()).rows
    assert row.place == Place("closed", "Other", "box_1", "resnet50", "Offline")
    assert (row.path, row.official) == ("closed/Other/results/box_1/resnet50/Offline", "resnet")
    assert (row.result, row.power) == (Metric(1000.5, "samples/s"), None)
    assert row.scores == {"acc": Metric(76.138, "%")}
    assert (row.system["accelerators_per_node"], row.weights) == ("4", "int8")
    data = json.dumps([{**table_row(), "a#": 8.0, "Notes": None}]).encode()
    [table] = read_summary(data, "summary_results.json", SHIPPED["v5.1"]).rows
    assert table.place == row.place
    assert table.path == "closed/Other/results/box_1/resnet50/offline"
    assert table.result == Metric(900.25, "samples/s")
    assert table.system["host_processor_core_count"] == "32"
    assert table.system["accelerators_per_node"] == "8"
    assert table.system["framework"] == "tflite vmaster"


@pytest.mark.parametrize("name", SHIPPED)
def test_rows_of_each_round_and_division_are_read(name: str) -> None:
    """Names may have spaces; v0.5 has no categories."""
    round_ = SHIPPED[name]
    divisions = round_.tables["divisions"]
    rows = [
        checker_row("Acme Industries LLC", Division=division, version=name)
        for division in divisions
    ]
    summary = read_summary(checker_summary(rows), "summary.json", round_)
    assert [row.place.division for row in summary.rows] == divisions
    assert summary.left_out == ()


@pytest.mark.parametrize(
    ("benchmark", "scenario", "unit", "expected"),
    [
        ("llama3.1-8b", "Offline", "Tokens/s", "tokens/s"),
        ("wan-2.2-t2v-a14b", "SingleStream", "Latency (s)", "s"),
        ("resnet50", "multistream", "Latency (ms)", "ms"),
        ("qwen3-vl-235b-a22b", "Offline", "Samples/s", "samples/s"),
        # The checkers' table has no unit for it; LoadGen counts tokens.
        ("whisper", "Offline", "Samples/s", "tokens/s"),
        ("resnet50", "Server", "Queries/s", "queries/s"),
    ],
)
def test_a_unit_is_that_of_what_was_counted(
    benchmark: str, scenario: str, unit: str, expected: str
) -> None:
    """As that of the same result with its logs."""
    row_ = checker_row(benchmark=benchmark, scenario=scenario, Units=unit)
    [row] = _read({**row_, "MlperfModel": "VLM"}).rows
    assert row.result == Metric(1000.5, expected)


@pytest.mark.parametrize(
    ("benchmark", "text", "expected"),
    [
        (
            "llama3.1-8b",
            "ROUGE1: 38.8  ROUGE2: 16.0  GEN_LEN: 8183134",
            {"ROUGE1": 38.8, "ROUGE2": 16.0, "GEN_LEN": 8183134.0},
        ),
        ("qwen3-vl-235b-a22b", "0.7878368975913989", {"F1_HIERARCHICAL": 0.7878368975913989}),
        ("e2e-rag-qna", "81", {"E2E_ACCURACY": 81.0}),
        ("resnet50", None, {}),
        ("resnet50", "", {}),
    ],
)
def test_an_accuracy_has_all_its_metrics(
    benchmark: str, text: str | None, expected: dict[str, float]
) -> None:
    """That of an endpoint is a bare number; a missing one is none."""
    summary = _read(checker_row(benchmark=benchmark, Accuracy=text))
    assert {name: one.value for name, one in summary.rows[0].scores.items()} == expected
    assert summary.left_out == ()


@pytest.mark.parametrize(
    "text", ["acc: high", "acc: nan", "acc 76", "acc: 1  acc: 2", "1e400", "x" * 60_000]
)
def test_an_accuracy_that_cannot_be_read_is_told(text: str) -> None:
    """The result counts all the same."""
    summary = _read(checker_row(Accuracy=text))
    assert summary.rows[0].scores == {}
    assert "its Accuracy" in summary.left_out[0].why
    assert len(summary.left_out[0].why) < 200


def test_power_is_a_metric_of_its_result() -> None:
    """The checker writes it as a second row, the table in two more columns."""
    watts = checker_row(result=812.5, Units="Watts", has_power=True)
    alone = checker_row(benchmark="bert-99", result=5.0, Units="Watts", has_power=True)
    summary = _read(checker_row(has_power=True), watts, watts, alone)
    [row] = summary.rows
    assert (row.result, row.power) == (Metric(1000.5, "samples/s"), Metric(812.5, "watts"))
    assert len(row.rows) == 2
    assert [one.path for one in summary.left_out] == [f"summary.json, row {n}" for n in (2, 3)]
    data = json.dumps([table_row(Power_Result=7.5, Power_Units="millijoules")]).encode()
    [table] = read_summary(data, "t", SHIPPED["v5.1"]).rows
    assert table.power == Metric(7.5, "millijoules")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"Result": None}, "it has no Result"),
        ({"Result": float("nan")}, "its Result or Performance_Result is 'NaN'"),
        ({"Result": float("inf")}, "is 'Infinity', which is not a result"),
        ({"Result": "1000.5"}, "which is not a result"),
        ({"Result": True}, "which is not a result"),
        ({"Result": 0}, "which is not a result"),
        ({"Result": -3.5}, "which is not a result"),
        ({"Result": 10**400}, "which is not a result"),
        ({"Organization": ["Other"]}, "its Organization or Submitter is not a text"),
        ({"Division": "ajar"}, "there is no division 'ajar'"),
        ({"SystemType": "cloud"}, "there is no category 'cloud'"),
        ({"Scenario": "Online"}, "there is no scenario 'Online'"),
        ({"Units": "Furlongs"}, "its unit 'furlongs' is unknown"),
        ({"version": None}, "it has no version"),
        ({"Location": "closed/Acme/results/box_1/resnet50/Offline"}, "is not closed/Other"),
        ({"Location": 5}, "its Location is not a text"),
        ({"notes": "x" * 10_000_000}, "its notes has 10000000 characters"),
    ],
)
def test_a_row_that_is_no_result_is_left_out(changes: dict[str, object], why: str) -> None:
    """It is named with the reason; the others are read."""
    summary = _read(
        {**checker_row(), **changes}, checker_row(benchmark="bert-99", Accuracy="F1: 90.1")
    )
    assert [row.place.benchmark for row in summary.rows] == ["bert-99"]
    [left] = summary.left_out
    assert left.path == "summary.json, row 0"
    assert why in left.why
    assert len(left.why) < 400


def test_a_result_counts_once() -> None:
    """Repeated rows are one; of two with other figures, nobody knows which is right."""
    twice = checker_row()
    torn = [checker_row(benchmark="bert-99", result=value, Accuracy="F1: 90") for value in (1, 2)]
    summary = _read(twice, *torn, twice)
    assert [row.place.benchmark for row in summary.rows] == ["resnet50"]
    assert [(one.path, one.why) for one in summary.left_out] == [
        ("summary.json, row 3", "it repeats row 0, which is of the same result"),
        ("summary.json, row 2", "it has other figures than row 1, which is of the same result"),
        ("summary.json, row 1", "other rows of the same result have other figures"),
    ]


def test_what_the_summary_holds_against_a_result_is_kept() -> None:
    """Errors, and tests that were not passed; since v6.0 that column has the division."""
    [row] = _read(checker_row(errors=3, compliance=0)).rows
    assert row.remarks == (
        "The summary counts 3 errors.",
        "The summary says that its compliance tests are not passed.",
    )
    assert _read(checker_row()).rows[0].remarks == ()


def test_unknown_columns_are_kept_and_not_read() -> None:
    """They are in the row as it was."""
    [row] = _read(checker_row(Carbon={"kg": 5}, number_of_nodes=10**400)).rows
    assert row.rows[0]["Carbon"] == {"kg": 5}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not JSON"),
        (checker_summary([checker_row()])[:-40], "Perhaps it is cut short"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "no row names a submitter"),
        (b'"text"', "no row names a submitter"),
        (b'[1, "two", null]', "no row names a submitter"),
        (b'{"schema": "x/1", "runs": []}', "no row names a submitter"),
        (checker_summary([checker_row(version="v6.0")]), "1 of its 1 rows say 'v6.0'"),
        (checker_summary([checker_row(Result=None)]), "The first reason: it has no Result"),
    ],
)
def test_a_file_that_is_no_summary_is_refused(data: bytes, words: str) -> None:
    """With what it is, and what a summary is; nothing of it is read."""
    with pytest.raises(UserError, match=words) as refused:
        read_summary(data, "summary.json", SHIPPED["v6.1"])
    assert refused.value.hint


def test_one_submitter_is_chosen_by_name() -> None:
    """A name like it is suggested."""
    rows = (checker_row(), checker_row("Acme", benchmark="bert-99", Accuracy="F1: 90"))
    assert [row.place.submitter for row in _read(*rows, submitter="Acme").rows] == ["Acme"]
    with pytest.raises(UserError, match="Did you mean Acme"):
        _read(*rows, submitter="acme")
