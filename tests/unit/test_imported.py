"""Imports are read as the checker reads them, and never as something else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlrepo.errors import UserError
from mlrepo.exchange.imported import Importer
from mlrepo.exchange.imported_logs import LogOrigin, bare_runs
from mlrepo.record import RunRecord
from mlrepo.repository.trailers import run_trailers
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.submissions import Submission, write_submission

_DETAIL = "mlperf_log_detail.txt"
_ROUGE = (
    "Results\n\n{'rouge1': '38.7792', 'rouge2': '15.9075', 'rougeL': '24.4957', 'rougeLsum': "
    "'35.793', 'gen_len': 8167644, 'gen_num': 13368}\nhash=" + "4d" * 32 + "\n"
)


def _importer(root: Path, round_name: str) -> Importer:
    return Importer(DirectoryTree(root), SHIPPED[round_name], "theirs", "import", "mlrepo")


def _bare(root: Path, round_name: str, benchmark: str, division: str = "open") -> list[RunRecord]:
    identity = LogOrigin(division, "Org", "edge", "box", benchmark)
    return [run.record for run in bare_runs(_importer(root, round_name), identity)]


def _by_kind(records: list[RunRecord]) -> dict[str, RunRecord]:
    found = {record.test or record.mode: record for record in records}
    assert len(found) == len(records)
    return found


def _set(log: Path, **values: Any) -> None:
    """Give keys of a detail log other values; a key that is not there is added."""
    lines = log.read_text().splitlines()
    for key, value in values.items():
        event = {"key": key, "value": value, "metadata": {"is_error": False}}
        lines = [line for line in lines if f'"{key}"' not in line]
        lines.append(f":::MLLOG {json.dumps(event)}")
    log.write_text("\n".join(lines) + "\n")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The logs of one result of v6.1, with its tests, as another harness might leave them."""
    submission = write_submission(tmp_path / "submission", "v6.1")
    return submission.result("Offline").rename(tmp_path / "logs")


@pytest.mark.parametrize(
    ("round_name", "benchmark", "text", "value", "unit"),
    [
        (
            "v5.1",
            "resnet50",
            "ILSVRC2012_val_3.JPEG, expected: 230, found 229\n"
            "accuracy=76.456%, good=38228, total=50000\n",
            76.456,
            "%",
        ),
        ("v5.1", "bert-99", '{"exact_match": 83.67, "f1": 90.884}\n', 90.884, "F1"),
        (
            "v5.1",
            "retinanet",
            "Average Precision  (AP) @[ IoU=0.50:0.95 ] = 0.375\nmAP=37.552%\n",
            37.552,
            "mAP",
        ),
        ("v5.1", "retinanet", "mAP=37.552\n", 37.552, "mAP"),
        ("v6.1", "yolo-95", "mAP=50.9\n", 50.9, "mAP"),
        ("v5.1", "rgat", '{"accuracy": 0.7286, "total": 788379}\n', 0.7286, "acc"),
        ("v5.1", "dlrm-v2-99", "AUC=80.31\n", 80.31, "AUC"),
        (
            "v5.1",
            "3d-unet-99",
            "Accuracy: mean = 0.86170, kidney = 0.93, tumor = 0.79\n",
            0.8617,
            "DICE",
        ),
        ("v5.1", "whisper", "Word Error Rate: 2.07%, accuracy=97.93%\n", 97.93, "%"),
        ("v5.1", "llama3.1-8b", _ROUGE, 38.7792, "ROUGE1"),
        ("v5.1", "my-own-model", '{"exact_match": 83.67, "f1": 90.884}\n', 90.884, "F1"),
        (
            "v5.1",
            "resnet50",
            "accuracy=75.1%, good=1, total=2\r\raccuracy=76.456%, good=1\r",
            76.456,
            "%",
        ),
    ],
)
def test_the_accuracy_is_the_metric_of_the_benchmark(
    logs: Path, round_name: str, benchmark: str, text: str, value: float, unit: str
) -> None:
    """By the round's patterns; neither a year nor the 1 of F1; a mAP is no per cent of anything."""
    (logs / "accuracy/accuracy.txt").write_bytes(text.encode())
    record = _by_kind(_bare(logs / "accuracy", round_name, benchmark))["accuracy"]
    assert (record.result.value, record.result.unit) == (value, unit)
    assert run_trailers(record)["MLRepo-Result"] == f"{value} {unit}"


def test_all_metrics_of_a_benchmark_are_recorded(logs: Path) -> None:
    """Five of a language model, each with its name."""
    (logs / "accuracy/accuracy.txt").write_text(_ROUGE)
    record = _by_kind(_bare(logs / "accuracy", "v5.1", "llama3.1-8b"))["accuracy"]
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "ROUGE1": 38.7792,
        "ROUGE2": 15.9075,
        "ROUGEL": 24.4957,
        "ROUGELSUM": 35.793,
        "GEN_LEN": 8167644,
    }


@pytest.mark.parametrize("text", ["", "no metric here, but 2012 and 1\n", "accuracy=1.2.3%\n"])
def test_a_text_without_the_metric_is_no_result(logs: Path, text: str) -> None:
    """No number of a text that is not the metric becomes one."""
    (logs / "accuracy/accuracy.txt").write_text(text)
    record = _by_kind(_bare(logs / "accuracy", "v5.1", "resnet50"))["accuracy"]
    assert (record.result.value, record.validity) == (None, "INVALID")


@pytest.mark.parametrize(
    ("round_name", "benchmark", "key", "unit"),
    [
        ("v5.1", "llama2-70b-99", "result_tokens_per_second", "tokens/s"),
        ("v4.1", "mixtral-8x7b", "result_tokens_per_second", "tokens/s"),
        ("v6.1", "gpt-oss-120b", "result_tokens_per_second", "tokens/s"),
        ("v5.1", "resnet50", "result_samples_per_second", "samples/s"),
    ],
)
def test_a_result_has_the_unit_of_the_number_that_was_read(
    logs: Path, round_name: str, benchmark: str, key: str, unit: str
) -> None:
    """Tokens are not samples."""
    _set(logs / "performance/run_1" / _DETAIL, **{key: 1234.5})
    shutil.rmtree(logs / "TEST01")
    shutil.rmtree(logs / "TEST04")
    record = _by_kind(_bare(logs, round_name, benchmark))["performance"]
    assert (record.result.value, record.result.unit) == (1234.5, unit)


def test_published_results_of_language_models_have_tokens(tmp_path: Path) -> None:
    """As the checker reads the result, in the open division under a name of the round."""
    submission = write_submission(tmp_path, "v5.1")
    for kind in ("results", "measurements"):
        there = tmp_path / "open/Acme" / kind / "alpha/llama2-70b-99"
        there.parent.mkdir(parents=True)
        shutil.copytree(tmp_path / "closed/Acme" / kind / "alpha/resnet50", there)
    shutil.copytree(tmp_path / "closed/Acme/systems", tmp_path / "open/Acme/systems")
    run = tmp_path / "open/Acme/results/alpha/llama2-70b-99/Offline"
    _set(run / "performance/run_1" / _DETAIL, result_tokens_per_second=1234.5)
    (run / "accuracy/accuracy.txt").write_text(
        "{'rouge1': 44.5, 'rouge2': 22.1, 'rougeL': 28.9, 'tokens_per_sample': 294.1}\n"
    )
    shutil.rmtree(submission.root / "closed")
    records = [run.record for run in _importer(tmp_path, "v5.1").published()]
    found = {(r.scenario, r.mode): str(r.result) for r in records}
    assert found["Offline", "performance"] == "1234.5 tokens/s"
    assert found["Offline", "accuracy"] == "44.5 ROUGE1"
    assert found["SingleStream", "performance"].endswith(" ms")


@pytest.mark.parametrize("division", ["open", "closed"])
def test_tests_are_tests_with_their_verification(logs: Path, division: str) -> None:
    """In a result's own layout: no test becomes a performance run, and each is verified."""
    found = _by_kind(_bare(logs, "v6.1", "resnet50", division))
    assert set(found) == {"performance", "accuracy", "TEST01", "TEST04"}
    assert {record.validity for record in found.values()} == {"VALID"}
    assert {found[test].mode for test in ("TEST01", "TEST04")} == {"compliance"}
    assert {record.division for record in found.values()} == {division}


def test_the_settings_of_a_log_tell_the_test(logs: Path) -> None:
    """Whatever its directory is called; without a verification it did not pass."""
    for test, name in (("TEST01", "second try"), ("TEST04", "x")):
        (logs / test / "performance/run_1").rename(logs / name)
        shutil.rmtree(logs / test)
    found = _by_kind(_bare(logs, "v6.1", "resnet50"))
    assert set(found) == {"performance", "accuracy", "TEST01", "TEST04"}
    assert found["performance"].validity == "VALID"
    for test in ("TEST01", "TEST04"):
        assert found[test].validity == "INVALID"
        assert any("verif" in reason for reason in found[test].reasons)
    run = logs / "x"
    (run / "verify_performance.txt").write_text(
        "Verifying performance.\nreference score = 2600.25\ntest score = 2602.85\nTEST PASS\n"
    )
    assert _by_kind(_bare(logs, "v6.1", "resnet50"))["TEST04"].validity == "VALID"


@pytest.mark.parametrize(
    ("text", "said"),
    [("TEST FAIL", "failed"), ("NO TEST PASS", "not a line of its own"), ("", "failed")],
)
def test_a_test_that_did_not_pass_is_invalid(logs: Path, text: str, said: str) -> None:
    """The checker's finding is the reason."""
    file = logs / "TEST04/verify_performance.txt"
    file.write_text(file.read_text().replace("TEST PASS", text))
    found = _by_kind(_bare(logs, "v6.1", "resnet50"))
    assert found["TEST04"].validity == "INVALID"
    assert any(said in reason for reason in found["TEST04"].reasons)
    assert found["TEST01"].validity == "VALID"


def test_an_ordinary_run_in_the_directory_of_a_test_is_no_test(logs: Path) -> None:
    """Nor is it a performance run: what it was meant for did not happen."""
    shutil.copy(logs / "performance/run_1" / _DETAIL, logs / "TEST04/performance/run_1")
    found = _by_kind(_bare(logs, "v6.1", "resnet50"))
    assert (found["TEST04"].mode, found["TEST04"].validity) == ("compliance", "INVALID")


@pytest.mark.parametrize("mode", ["SubmissionRun", "FindPeakPerformance"])
def test_what_is_no_run_of_a_result_is_left_out_and_told(logs: Path, mode: str) -> None:
    """Ranging runs of a power analyzer, and other modes of LoadGen."""
    shutil.copytree(logs / "performance/run_1", logs / "performance/ranging")
    shutil.copytree(logs / "performance/run_1", logs / "peak")
    _set(logs / "peak" / _DETAIL, effective_test_mode=mode)
    importer = _importer(logs, "v6.1")
    identity = LogOrigin("open", "Org", "edge", "box", "resnet50")
    assert len(list(bare_runs(importer, identity))) == 4
    assert {one.path for one in importer.left_out} == {"performance/ranging", "peak"}
    assert any(mode in one.why for one in importer.left_out)
    for name in ("accuracy", "performance/run_1", "TEST01", "TEST04"):
        shutil.rmtree(logs / name)
    with pytest.raises(UserError, match="ranging"):
        _bare(logs, "v6.1", "resnet50")


def test_a_performance_log_in_accuracy_is_no_accuracy_run(tmp_path: Path) -> None:
    """Published so, its number stays, and is not called valid."""
    submission = write_submission(tmp_path, "v5.1")
    result = submission.result("Offline")
    shutil.copy(result / "performance/run_1" / _DETAIL, result / "accuracy")
    [record] = [
        run.record
        for run in _importer(tmp_path, "v5.1").published()
        if (run.record.mode, run.record.scenario) == ("accuracy", "Offline")
    ]
    assert record.validity == "INVALID"


def _test01(submission: Submission) -> RunRecord:
    importer = _importer(submission.root, submission.round.name)
    [record] = [
        run.record
        for run in importer.published()
        if (run.record.test, run.record.scenario) == ("TEST01", "Offline")
    ]
    return record


@pytest.mark.parametrize("bare", [False, True])
def test_a_test_that_passes_by_its_fallback_is_valid(tmp_path: Path, bare: bool) -> None:
    """Not deterministic: the accuracies of both runs lie near each other, as the rules allow."""
    submission = write_submission(tmp_path, "v5.1")
    test = submission.compliance("Offline", "TEST01")
    verdict = test / "verify_accuracy.txt"
    verdict.write_text(verdict.read_text().replace("TEST PASS", "TEST FAIL"))
    assert _test01(submission).validity == "INVALID"
    for name, accuracy in (("baseline", 76.5), ("compliance", 76.4)):
        text = f"accuracy={accuracy}%, good=3, total=4\n"
        (test / f"accuracy/{name}_accuracy.txt").write_text(text)
    if bare:
        found = _by_kind(_bare(submission.compliance("Offline", "TEST01"), "v5.1", "resnet50"))
        assert found["TEST01"].validity == "VALID"
    else:
        assert _test01(submission).validity == "VALID"
    (test / "accuracy/compliance_accuracy.txt").write_text("accuracy=60.0%, good=3, total=4\n")
    assert _test01(submission).validity == "INVALID"


def test_a_result_without_logs_of_loadgen_is_left_out_and_told(tmp_path: Path) -> None:
    """Such as one that was measured against an endpoint."""
    submission = write_submission(tmp_path, "v6.1")
    for log in submission.result("Offline").rglob(_DETAIL):
        log.unlink()
    importer = _importer(tmp_path, "v6.1")
    assert {run.record.scenario for run in importer.published()} == {"SingleStream", "MultiStream"}
    assert [one.path for one in importer.left_out] == [
        str(submission.result("Offline").relative_to(tmp_path))
    ]
