"""The verdicts on compliance tests match those of the official verification scripts, run here.

The scripts of TEST01, TEST04 and TEST06 are from ``compliance/`` of mlcommons/inference, master.
TEST05 has been removed there; those of TEST07 to TEST09 judge what a model's own script counts.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlrepo.compliance import compliance_test
from mlrepo.compliance.evidence import AuditedRun, TextFacts
from mlrepo.logs.detail import DetailLog
from mlrepo.logs.verify import passed, scores
from mlrepo.rounds import SHIPPED
from tests.outside import INFERENCE, needs_inference
from tests.submissions import detail_log

pytestmark = needs_inference("compliance/TEST01")

_ROUND = SHIPPED["v6.1"]
# Runs a script once for each list of arguments, and prints what it said.
_OFTEN = """
import contextlib, io, json, runpy, sys
script, said = sys.argv[1], []
for arguments in json.load(sys.stdin):
    sys.argv[1:] = arguments
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        out.write(end.code if isinstance(end.code, str) else "")
    said.append(out.getvalue())
json.dump(said, sys.stdout)
"""
_KEYS = {
    "Offline": "result_samples_per_second",
    "SingleStream": "early_stopping_latency_ss",
    "MultiStream": "early_stopping_latency_ms",
    "Server": "result_completed_samples_per_sec",
}
_IN_SUMMARY = {
    "Offline": "Samples per second",
    "SingleStream": "Early stopping 90th percentile estimate",
    "MultiStream": "Early stopping 99th percentile estimate",
    "Server": "Completed samples per second",
}
# Rates, and latencies in nanoseconds: short ones and others.
_REFERENCES = {
    "Offline": (2000.0,),
    "Server": (500.0,),
    "SingleStream": (150_000, 1_250_000),
    "MultiStream": (1_500_000, 9_000_000),
}
_SHARES = (0.5, 0.79, 0.81, 0.89, 0.95, 1.0, 1.05, 1.09, 1.11, 1.19, 1.21, 1.26, 2.0)


def _said(script: str, calls: Sequence[Sequence[str]], cwd: Path) -> list[str]:
    """Return what an official script prints for each list of arguments."""
    done = subprocess.run(
        [sys.executable, "-c", _OFTEN, str(INFERENCE / "compliance" / script)],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        cwd=cwd,
        check=True,
    )
    said: list[str] = json.loads(done.stdout)
    return said


def _pairs() -> Iterator[tuple[str, float, float]]:
    for scenario, references in _REFERENCES.items():
        for reference, share in itertools.product(references, _SHARES):
            score = reference * share
            yield scenario, reference, round(score) if scenario.endswith("Stream") else score


def _detail(scenario: str, score: float) -> str:
    values: dict[str, Any] = {
        "effective_scenario": scenario,
        _KEYS[scenario]: score,
        "result_validity": "VALID",
        "effective_target_latency_ns": 15_000_000,
        "num_errors": 0,
    }
    return detail_log(values)


def _summary(scenario: str, score: float) -> str:
    return f"Scenario : {scenario}\n{_IN_SUMMARY[scenario]} : {score}\nResult is : VALID\n"


@pytest.mark.parametrize(
    ("test", "written"), [("TEST01", _detail), ("TEST04", _summary)], ids=["TEST01", "TEST04"]
)
def test_scores_pass_as_the_official_script_lets_them(
    tmp_path: Path, test: str, written: Any
) -> None:
    """In the checker exactly; a run of ours is held to no less."""
    about, calls, pairs = compliance_test(test), [], list(_pairs())
    for number, (scenario, *both) in enumerate(pairs):
        files = [tmp_path / f"{number}-{which}" for which in "rt"]
        for file, score in zip(files, both, strict=True):
            file.write_text(written(scenario, score))
        calls.append(["-r", str(files[0]), "-t", str(files[1])])
    said = _said(f"{test}/verify_performance.py", calls, tmp_path)
    for (scenario, reference, score), text in zip(pairs, said, strict=True):
        shown = scores(text)
        low, high = about.score_range(scenario, shown["reference"].value, _ROUND)
        within = low <= shown["test"].value / shown["reference"].value <= high
        assert passed(text) == within, (scenario, reference, score, text)
        detail = DetailLog({}, ())
        (tmp_path / "reference_accuracy.json").write_text('[{"qsl_idx": 1, "data": "00"}]')
        (tmp_path / "mlperf_log_accuracy.json").write_text('[{"qsl_idx": 1, "data": "00"}]')
        done = about.verify(AuditedRun(tmp_path, scenario, _ROUND, detail, score, reference, None))
        assert passed(text) or done.reasons, (scenario, reference, score, text)
        ours = scores(done.files["verify_performance.txt"].decode())
        assert all(each.equals(ours[name].value) for name, each in shown.items())


def _log(*entries: tuple[int, str]) -> str:
    return json.dumps([{"seq_id": 0, "qsl_idx": index, "data": data} for index, data in entries])


@pytest.mark.parametrize(
    ("accuracy", "performance"),
    [
        ([(1, "0a00"), (2, "0b00")], [(2, "0b00")]),
        ([(1, "0a00"), (2, "0b00")], [(1, "0a00"), (2, "0c00")]),
        ([(1, "0a00")], [(7, "0a00")]),
        ([(1, "0a00")], [(1, "0a00"), (7, "0a00")]),
        ([(1, "0a00"), (1, "0a00")], [(1, "0a00")]),
        ([(1, "0a00")], []),
    ],
)
def test_responses_are_compared_and_counted_as_by_the_official_script(
    tmp_path: Path, accuracy: list[tuple[int, str]], performance: list[tuple[int, str]]
) -> None:
    """The same text, but for empty lines; and the checker agrees with its verdict."""
    files = [tmp_path / name for name in ("reference_accuracy.json", "mlperf_log_accuracy.json")]
    for file, entries in zip(files, (accuracy, performance), strict=True):
        file.write_text(_log(*entries))
    (said,) = _said(
        "TEST01/verify_accuracy.py", [["-r", str(files[0]), "-t", str(files[1])]], tmp_path
    )
    test = compliance_test("TEST01")
    done = test.verify(AuditedRun(tmp_path, "Offline", _ROUND, DetailLog({}, ()), None, None, None))
    ours = done.files["verify_accuracy.txt"].decode()
    assert [line for line in said.splitlines() if line] == ours.splitlines()
    assert passed(said) == test.passes(ours, alone=True) == (not done.reasons)


def _answer(data: str, first: str, count: int) -> dict[str, object]:
    return {"seq_id": 0, "qsl_idx": 0, "data": data, "token_data": first, "token_count": count}


_TOKENS = "0A0000000B000000"


@pytest.mark.parametrize(
    ("scenario", "answer"),
    [
        ("Server", _answer(_TOKENS, "0A000000", 2)),
        ("Offline", _answer(_TOKENS, "", 2)),
        ("Server", _answer(_TOKENS, "0C000000", 2)),
        ("Server", _answer(_TOKENS, "0A000000", 3)),
        ("Server", _answer(_TOKENS + "0200000002000000", "0A000000", 4)),
    ],
)
def test_the_checks_of_token_counts_are_read_as_they_are_written(
    tmp_path: Path, scenario: str, answer: dict[str, object]
) -> None:
    """A text of the official script contradicts itself in no case."""
    (tmp_path / "mlperf_log_accuracy.json").write_text(json.dumps([answer] * 60))
    arguments = ["-c", str(tmp_path), "-o", str(tmp_path / "out"), "-s", scenario]
    (said,) = _said("TEST06/run_verification.py", [arguments], tmp_path)
    text = (tmp_path / "out/TEST06/verify_accuracy.txt").read_text()
    test = compliance_test("TEST06")
    assert test.passes(text, alone=True) == ("verification complete" in said)
    if test.passes(text, alone=True):
        assert list(test.text_faults(text, TextFacts("llama2-70b-99", scenario))) == []


# What the directories of audit.config are called by whose benchmarks the rounds call otherwise.
_BENCHMARKS = {"3d-unet": "3d-unet-99", "bert": "bert-99", "yolo": "yolo-95", "resnet50": "resnet"}
# Read by the verification script, not by LoadGen; and what is off anyway.
_NOT_SET = re.compile(r"test0[79]_|performance_issue_unique = 0")


@pytest.mark.parametrize(
    "path",
    sorted((INFERENCE / "compliance").glob("TEST0*/**/audit.config")),
    ids=lambda path: "-".join(path.relative_to(INFERENCE / "compliance").parent.parts),
)
def test_the_audit_config_of_a_test_is_the_official_one(path: Path) -> None:
    """Of every benchmark and scenario."""
    test, *benchmark = path.relative_to(INFERENCE / "compliance").parent.parts
    wanted: dict[tuple[str, str], dict[str, int]] = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.partition(" = ")
        if equals and not name.startswith("#") and not _NOT_SET.search(line):
            model, scenario, key = name.rsplit(".", 2)
            wanted.setdefault((model, scenario), {})[key] = int(value)
    models = {model for model, _ in wanted} | set(benchmark)
    for model, scenario in itertools.product(sorted(models - {"*"}) or ["resnet"], _KEYS):
        official = {"mode": 2}
        for place in itertools.product(("*", model), ("*", scenario)):
            official |= wanted.get(place, {})
        name = _BENCHMARKS.get(model, model)
        about = compliance_test(test)
        ours = {**about.settings(name), **about.further_settings(name, scenario)}
        assert {"mode": 2, **ours} == official, (model, scenario)
