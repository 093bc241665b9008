"""Accuracies of all benchmarks keep their names, units and further metrics wherever they appear."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlrepo.cli.records.compare import comparison_values, print_comparison
from mlrepo.cli.render import print_headline
from mlrepo.layout.documents import result_readme
from mlrepo.layout.eligibility import why_not_submitted
from mlrepo.logs.accuracy_text import read_metrics
from mlrepo.record import ACCURACY, Metric, RunRecord
from mlrepo.report.comparison import compare
from mlrepo.report.listing import ListedRun, column
from mlrepo.report.sides import Side
from mlrepo.repository.history import RecordedRun
from mlrepo.repository.trailers import commit_message, parse_result, run_trailers
from mlrepo.rounds import SHIPPED
from mlrepo.workloads.digits import DIGITS
from mlrepo.workloads.responses import Response, bytes_of
from mlrepo.workloads.squad import BERT_99
from mlrepo.workloads.task import agree
from tests.outside import CORPUS, needs_shared
from tests.samples import sample_record

_BERT = '{"exact_match": 83.68, "f1": 90.874}\n'
_ROUGE = "{'rouge1': 44.4406, 'rouge2': 22.0593, 'rougeL': 28.6063, 'tokens_per_sample': 301.3}\n"
_DLRM = (
    "metric/lifetime_ne/rating: 0.8667\nmetric/lifetime_accuracy/rating: 0.6965\n"
    "metric/lifetime_gauc/rating: 0.7865\n"
)
_DICE = "Accuracy: mean = 0.86170, kidney = 0.9347, tumor = 0.7887\n"
# Round, benchmark, accuracy.txt, the result for people, what was measured beside it.
_CASES = [
    ("v5.1", "bert-99", _BERT, "90.874 F1", ""),
    ("v5.1", "retinanet", "mAP=50.552%\n", "50.552 mAP", ""),
    ("v6.1", "yolo-95", "mAP=50.9\n", "50.9 mAP", ""),
    ("v6.1", "3d-unet-99", _DICE, "0.8617 DICE", ""),
    (
        "v6.1",
        "llama2-70b-99.9",
        _ROUGE,
        "44.441 ROUGE1",
        "ROUGE2 22.059, ROUGEL 28.606, TOKENS_PER_SAMPLE 301.3",
    ),
    ("v6.1", "dlrm-v3", _DLRM, "0.8667 DLRM_NE", "DLRM_ACC 0.6965, DLRM_AUC 0.7865"),
    ("v1.1", "dlrm-99", "AUC=80.31%\n", "80.31 AUC", ""),
    ("v6.1", "whisper", "Word Error Rate: 2.07%, accuracy=97.93%\n", "97.93 %", ""),
]


def _record(round_name: str, benchmark: str, metrics: Mapping[str, Metric]) -> RunRecord:
    return sample_record(
        round=round_name,
        benchmark=benchmark,
        mode=ACCURACY,
        result=next(iter(metrics.values())),
        metrics=metrics,
    )


def _read(round_name: str, benchmark: str, text: str) -> dict[str, Metric]:
    patterns = SHIPPED[round_name].accuracy_patterns(benchmark, "Offline")
    found = read_metrics(text, patterns)
    return {name: Metric(one.number, one.unit) for name, one in found.items()}


@pytest.mark.parametrize(("round_name", "benchmark", "text", "result", "further"), _CASES)
def test_a_result_keeps_its_unit_and_its_further_metrics(
    round_name: str,
    benchmark: str,
    text: str,
    result: str,
    further: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the commit, on the screen and in the README of a result; only an accuracy is a share."""
    record = _record(round_name, benchmark, _read(round_name, benchmark, text))
    message = commit_message(record)
    assert f"{benchmark} Offline accuracy: {result} VALID" in message
    assert (f"Also measured: {further}." in message) == bool(further)
    assert parse_result(run_trailers(record)["MLRepo-Result"]) == record.result
    monkeypatch.setenv("NO_COLOR", "1")
    print_headline(record)
    shown = capsys.readouterr().out
    assert f"{benchmark} Offline accuracy: {result} VALID" in shown
    assert (f"also    {further}" in shown) == bool(further)
    cell = result + (f" ({further})" if further else "")
    readme = result_readme([record], "Offline").decode()
    assert f"| accuracy | {cell} | VALID |" in readme
    assert ("%" in shown) == result.endswith("%")


def test_metrics_are_columns_of_the_list() -> None:
    """Those of an accuracy as those of LoadGen."""
    record = _record("v6.1", "llama2-70b-99.9", _read("v6.1", "llama2-70b-99.9", _ROUGE))
    listed = ListedRun(RecordedRun(record.run, "0" * 40, run_trailers(record)), record)
    texts = [column(name).text(listed) for name in ("result", "unit", "metric:ROUGE2", "metric:F1")]
    assert texts == ["44.4406", "ROUGE1", "22.0593", ""]


def test_a_comparison_names_the_metrics_that_differ(capsys: pytest.CaptureFixture[str]) -> None:
    """Also if the result is equal, and if a side lacks one."""
    old = _record("v6.1", "bert-99", {"F1": Metric(90.0, "F1"), "exact_match": Metric(83.0, "%")})
    new = replace(
        old,
        metrics={
            "F1": Metric(90.0, "F1"),
            "exact_match": Metric(82.0, "%"),
            "HasAns": Metric(1, ""),
        },
    )
    kind = ("bert-99", "Offline", ACCURACY, "")
    sides = [Side("old", {kind: (old,)}), Side("new", {kind: (new,)})]
    [one] = compare(sides, SHIPPED)
    assert one.verdicts == ("equal",)
    assert comparison_values(one)["differing_metrics"] == ["exact_match", "HasAns"]
    print_comparison(one)
    assert "metrics that differ: exact_match, HasAns" in capsys.readouterr().out
    [same] = compare([sides[0], sides[0]], SHIPPED)
    assert same.differing_metrics == ()


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"ROUGE1": 44.4406, "ROUGE2": 21.9, "TOKENS_PER_SAMPLE": 301.3}, "21.9 ROUGE2, is below"),
        ({"ROUGE1": 44.4406, "TOKENS_PER_SAMPLE": 330.0}, "TOKENS_PER_SAMPLE, 330, is above"),
        ({"ROUGE1": 44.4406, "ROUGE2": 22.0593, "TOKENS_PER_SAMPLE": 301.3}, ""),
    ],
)
def test_every_target_of_the_round_is_compared(metrics: dict[str, float], words: str) -> None:
    """Not only that of a benchmark with one metric."""
    measured = {name: Metric(value, name) for name, value in metrics.items()}
    record = _record("v6.1", "llama2-70b-99.9", measured)
    why = why_not_submitted(record, SHIPPED["v6.1"], quick=True)
    assert words in why
    assert bool(why) == bool(words)
    assert why_not_submitted(replace(record, division="open"), SHIPPED["v6.1"], quick=True) == ""


def _published(pattern: str) -> Path:
    """Return the first published accuracy.txt of a pattern, or one that is not there."""
    return next(iter(sorted(CORPUS.glob(f"{pattern}/accuracy/accuracy.txt"))), CORPUS / pattern)


_LLAMA = _published("v6.0/closed/*/results/*/llama2-70b-99.9/Offline")
_PUBLISHED_BERT = _published("v5.0/closed/*/results/*/bert-99/*")
_RETINANET = _published("v5.0-invalid/open/*/results/*/retinanet/*")


@needs_shared(_LLAMA)
def test_published_metrics_of_a_language_model() -> None:
    """Read here by another way: the line is a literal of Python."""
    text = _LLAMA.read_text()
    [line] = re.findall(r"^\{'rouge1'.*\}$", text, re.MULTILINE)
    values = ast.literal_eval(line)
    names = ("ROUGE1", "ROUGE2", "ROUGEL", "TOKENS_PER_SAMPLE")
    found = _read("v6.0", "llama2-70b-99.9", text)
    assert found == {
        name: Metric(float(values[key]), name)
        for name, key in zip(
            names, ("rouge1", "rouge2", "rougeL", "tokens_per_sample"), strict=True
        )
    }


@needs_shared(_PUBLISHED_BERT)
def test_a_published_f1_is_no_share() -> None:
    """It comes with an exact match, which the round does not judge."""
    text = _PUBLISHED_BERT.read_text()
    [line] = re.findall(r"^\{\"exact_match.*\}$", text, re.MULTILINE)
    assert _read("v5.0", "bert-99", text) == {"F1": Metric(ast.literal_eval(line)["f1"], "F1")}


@needs_shared(_RETINANET)
def test_a_published_map_is_no_share() -> None:
    """Although the script prints a per cent sign."""
    [value] = re.findall(r"^mAP=([0-9.]+)%$", _RETINANET.read_text(), re.MULTILINE)
    found = _read("v5.0", "retinanet", _RETINANET.read_text())
    assert found == {"mAP": Metric(float(value), "mAP")}


def test_answers_agree_if_they_mean_the_same() -> None:
    """Scores of two backends are never the same bytes; a class is."""
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((384, 2)).astype("<f4")
    near = (scores * np.float32(1.001)).tobytes()
    far = scores[::-1].tobytes()
    task = BERT_99.task
    assert [agree(task, scores.tobytes(), other) for other in (near, far)] == [True, False]
    assert [agree(DIGITS.task, b"\1", other) for other in (b"\1", b"\2")] == [True, False]
    answers = (np.int32(7), np.zeros(2, "<f4"), b"text", Response(b"tokens", 2))
    assert [bytes_of(answer) for answer in answers] == [b"\7\0\0\0", bytes(8), b"text", b"tokens"]
