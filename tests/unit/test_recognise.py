"""Results are recognized by content; texts about results are not results."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.guard.embargo import is_result_path
from mlrepo.guard.recognise import kind_of_result
from mlrepo.repository.trailers import commit_message
from tests.growth import growth
from tests.samples import sample_record
from tests.submissions import write_submission

RESULTS = {
    "summary": "====\nMLPerf Results Summary\n====\nSUT name : x\nResult is : INVALID\n",
    "summary in Markdown": "```\n    Result is : VALID\n```\n",
    "detail log": ':::MLLOG {"key": "loadgen_version", "value": "6.0"}\n',
    "detail log of v0.5": '"pid": 1, "tid": 1, "ts": 7796ns : LoadgenVersionInfo:\n',
    "accuracy log": '[\n{ "seq_id" : 0, "qsl_idx" : 1, "data" : "00"},\n',
    "accuracy log of v1.0": '[\n  {\n    "data": "00",\n    "qsl_idx": 37397,\n    "seq_id": 0\n',
    "accuracy": "accuracy=76.456%, good=38228, total=50000\n",
    "accuracy of BERT": '{"exact_match": 83.7, "f1": 90.9}\n',
    "hash": "hash=" + "0" * 64,
    "verification": "Verifying performance.\nreference score = 831.01\ntest score = 830\n",
    "endpoint": '{\n "n_samples_completed": 600000,\n "qps": 310.08\n}',
    "scores": '{"average_accuracy": 81.2, "accuracy_scores": []}',
    "power": "Time,07-19-2022 19:53:36.100,Watts,250.1,Volts,230\n",
    "table": "Organization,Availability,Division,SystemType\nAcme,available,closed,edge\n",
    "record": sample_record().to_json().decode(),
    "commit": commit_message(sample_record()),
    "git log": "commit 1\n\n    x\n\n    MLRepo-Result: 885.05 samples/s\n",
}
CODE = [
    'if "Result is : VALID" in text:\n    print(":::MLLOG")\n',
    'entry = {"qsl_idx": 0, "seq_id": i}\n',
    "The summary says whether the result is valid; accuracy=… and hash=… stand in accuracy.txt.\n",
    '{"schema": "mlrepo.tuned/1"}',
    'def read():\n    """Read such lines:\n\n    :::MLLOG {"key": "x"}\n    """\n',
    "*.Offline.target_qps = 2600\n",
]
_LOGS = ("mlperf_log_summary.txt", "mlperf_log_detail.txt", "mlperf_log_accuracy.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_known_in_any_encoding(name: str, encoding: str) -> None:
    """LoadGen's logs of all rounds, what is made of them, and mlrepo's own records."""
    assert kind_of_result(RESULTS[name].encode(encoding))
    assert kind_of_result(RESULTS[name].replace("\n", "\r\n").encode(encoding))


@pytest.mark.parametrize("quote", ["> ", "+", "- ", " > > ", "\x1b[32m"])
@pytest.mark.parametrize("name", ["summary", "detail log", "accuracy", "table", "power"])
def test_a_quoted_result_is_one(name: str, quote: str) -> None:
    """In mail, in Markdown, in a patch, and as a terminal coloured it."""
    quoted = "".join(f"{quote}{line}\n" for line in RESULTS[name].splitlines())
    assert kind_of_result(quoted.encode())


@pytest.mark.parametrize("text", CODE)
def test_what_speaks_of_results_is_none(text: str) -> None:
    """Code that reads and writes logs, settings, and texts about them may be public."""
    assert kind_of_result(text.encode()) == ""


@pytest.mark.parametrize("round_name", ["v5.1", "v6.1"])
def test_the_logs_of_a_submission_are_known_wherever_they_are(
    tmp_path: Path, round_name: str
) -> None:
    """All of them but an empty accuracy log."""
    submission = write_submission(tmp_path, round_name)
    found = [path for path in submission.root.rglob("*") if path.name in _LOGS]
    assert found
    for path in found:
        data = path.read_bytes()
        assert kind_of_result(data) or (path.name == _LOGS[2] and len(data) < 10), path


@pytest.mark.parametrize(
    ("path", "early"),
    [
        ("runs", True),
        ("runs/1/x", True),
        ("closed/Acme/results/x", True),
        ("OPEN/Acme/Measurements/x", True),
        ("old/network/Acme/compliance/x", True),
        ("closed/Acme/code/x", False),
        ("docs/runs.md", False),
        ("closed/Acme/systems/x", False),
        ("results/x", False),
    ],
)
def test_a_result_is_known_by_its_path(path: str, early: bool) -> None:
    """Also in capitals and below another directory: what is in it may be of any form."""
    assert is_result_path(path) is early


@pytest.mark.parametrize(
    "piece", ["\n", " ", "a", "\n ", '"qsl_idx": 1,', "Time,", "Result is", "\r\n"]
)
@pytest.mark.long
def test_the_search_takes_time_linear_in_the_text(piece: str) -> None:
    """Anybody's file may be in what is pushed."""
    signs = 'Result is :::MLLOG ,Watts, hash= accuracy= MLRepo-Result "qsl_idx" check score\n'
    assert growth(lambda size: kind_of_result((signs + piece * size).encode()), 20_000) < 9
