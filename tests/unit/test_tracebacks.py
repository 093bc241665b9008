"""Where the round's official checker ends with a traceback, ours says so, and why.

The official checkers' behaviour was observed on these trees: `benchmarks/official_crashes.py`
breaks thousands of files, fields, lines and names and compares the outcome with our forecast. A
checker that crashes gives nobody a verdict.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlrepo.checker.check import check
from mlrepo.findings import CRASH, Finding
from mlrepo.repository.trees import DirectoryTree
from tests.submissions import SYSTEM, Submission, write_submission

Change = Callable[[Submission], None]


def _crashes(tmp_path: Path, round_name: str, change: Change) -> list[Finding]:
    submission = write_submission(tmp_path, round_name)
    change(submission)
    report = check(DirectoryTree(tmp_path), submission.round)
    found = [finding for finding in report.all_findings() if finding.rule == CRASH]
    assert not (found and report.valid("official"))
    return found


def _system(**fields: Any) -> Change:
    return lambda submission: _edit(
        submission.root / str(submission.round.layout.system_file(submission.place("Offline"))),
        fields,
    )


def _measurements(**fields: Any) -> Change:
    return lambda submission: _edit(
        submission.root
        / str(submission.round.layout.measurements_file(submission.place("Offline"))),
        fields,
    )


def _edit(path: Path, fields: dict[str, Any]) -> None:
    """Set fields of a JSON file; an Ellipsis takes one out."""
    values = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not ...}))


def _put(name: str, data: bytes) -> Change:
    def change(submission: Submission) -> None:
        (submission.result("Offline") / name).write_bytes(data)

    return change


def _logged(event: str) -> Change:
    """Add a line to the detail log of each run."""

    def change(submission: Submission) -> None:
        for path in submission.root.rglob("mlperf_log_detail.txt"):
            path.write_text(f"{path.read_text()}:::MLLOG {event}\n")

    return change


def _directory(path: Callable[[Submission], Path]) -> Change:
    def change(submission: Submission) -> None:
        path(submission).unlink()
        path(submission).mkdir()
        (path(submission) / "x").write_text("x")

    return change


def _verdict(test: str, name: str, data: bytes) -> Change:
    def change(submission: Submission) -> None:
        (submission.compliance("Offline", test) / name).write_bytes(data)

    return change


def _file_for_directory(submission: Submission) -> None:
    root = submission.root / "closed" / "Acme" / "results"
    root.rename(submission.root / "closed" / "Acme" / "elsewhere")
    root.write_text("x")


def _both(*changes: Change) -> Change:
    def change(submission: Submission) -> None:
        for each in changes:
            each(submission)

    return change


def _description(submission: Submission) -> Path:
    return submission.root / str(submission.round.layout.system_file(submission.place("Offline")))


def _detail(submission: Submission) -> Path:
    return submission.result("Offline") / "performance" / "run_1" / "mlperf_log_detail.txt"


_UTF16 = "TEST PASS\n".encode("utf-16")
_BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("round_name", "change", "why"),
    [
        ("v5.0", _system(is_network=True), "is_network is not a string"),
        ("v2.1", _system(is_network=0), "is_network is not a string"),
        ("v5.1", _system(status=...), "status is not a string"),
        ("v1.1", _system(submitter=...), "submitter is not a string"),
        ("v5.0", _system(sw_notes=5), "sw_notes is not a string"),
        ("v3.0", _system(hw_notes=["a"]), "hw_notes is not a string"),
        ("v2.0", _system(hw_notes=False, sw_notes="x"), "hw_notes is not a string"),
        ("v2.1", _system(framework=1.5), "framework is not a string"),
        ("v5.1", _system(operating_system=True), "operating_system is not a string"),
        (
            "v6.1",
            _system(accelerators_per_node="N/A"),
            "accelerators_per_node is not a whole number",
        ),
        ("v6.0", _system(number_of_nodes="2.0"), "number_of_nodes is not a whole number"),
        ("v6.1", _system(sw_notes=["a"]), "sw_notes is not a string"),
        ("v5.1", _system(system_name="\ud800"), "half a character"),
        ("v5.0", _directory(_description), "directory"),
        ("v6.1", _directory(_description), "directory"),
        ("v5.0", lambda s: _description(s).write_bytes(_BOM + b"{}"), "BOM"),
        ("v6.1", lambda s: _description(s).unlink(), "missing"),
        ("v6.1", _directory(_detail), "directory"),
        ("v5.0", _measurements(weight_data_types=["fp32"]), "weight_data_types"),
        ("v5.0", _measurements(weight_data_types=...), "weight_data_types"),
        ("v5.1", _measurements(weight_data_types=...), "weight_data_types"),
        ("v5.0", _verdict("TEST01", "verify_performance.txt", _UTF16), "UTF-8"),
        ("v2.1", _verdict("TEST01", "verify_accuracy.txt", _UTF16), "UTF-8"),
        ("v6.1", _verdict("TEST01", "verify_accuracy.txt", _UTF16), "UTF-8"),
        ("v5.1", _put("accuracy/accuracy.txt", b"accuracy=1.2.3%\nhash=a\n"), "as a number"),
        ("v5.0", _file_for_directory, "and this is a file"),
    ],
)
def test_a_traceback_is_foreseen_and_explained(
    tmp_path: Path, round_name: str, change: Change, why: str
) -> None:
    """The finding names the file and says why, in the words of the person who can correct it."""
    found = _crashes(tmp_path, round_name, change)
    assert found
    assert any(finding.path and why in finding.message for finding in found), found


@pytest.mark.parametrize(
    ("round_name", "change"),
    [
        # Rejected before anything is read of them that could go wrong.
        ("v5.0", _system(host_processor_model_name=None)),
        ("v5.1", _system(status="soon", submitter=5)),
        ("v5.0", _both(_system(sw_notes=5), _put("user.conf", b""), _system(division="open"))),
        # Since v6.0 whatever goes wrong in a check only rejects the result.
        ("v6.1", _system(is_network=True)),
        ("v6.1", _system(status=None)),
        ("v6.0", lambda s: _measurements_of(s).write_text("null")),
        ("v6.1", lambda s: _measurements_of(s).write_text("5")),
        ("v6.1", _both(_system(accelerators_per_node="N/A"), _system(system_name=...))),
        ("v6.0", _verdict("TEST01", "verify_performance.txt", _UTF16)),
        # It writes the row as it is.
        ("v5.1", _measurements(weight_data_types=["fp32"])),
        ("v4.1", _measurements(weight_data_types=["fp32"])),
        ("v6.1", _system(hw_notes=5, sw_notes="")),
        # Whatever can be hashed is a key, which nobody asks for.
        ("v2.1", _logged('{"key": null, "value": 1, "metadata": {"is_error": false}}')),
        ("v4.1", _logged('{"key": 5, "value": 1, "metadata": {"is_error": false}}')),
        ("v6.0", _logged('{"key": 1.5, "value": 1, "metadata": {"is_error": false}}')),
        # It takes the log's word for it that there are no errors, and looks at no line's flag.
        ("v5.1", _logged('{"key": "a"}')),
        ("v2.1", _logged('{"key": "a", "metadata": {"is_error": false}}')),
        ("v5.1", _logged('{"key": "a", "value": 1, "metadata": null}')),
    ],
)
def test_no_traceback_is_foreseen_where_the_official_checker_goes_on(
    tmp_path: Path, round_name: str, change: Change
) -> None:
    """It rejects the result, or does not mind."""
    assert not _crashes(tmp_path, round_name, change)


def _measurements_of(submission: Submission) -> Path:
    return submission.root / str(
        submission.round.layout.measurements_file(submission.place("Offline"))
    )


@pytest.mark.parametrize(
    ("mapping", "dies"),
    [("[]", True), ('{"my-net": 5}', True), ('{"other": 5}', False), ("null", False)],
)
@pytest.mark.parametrize("round_name", ["v5.0", "v5.1"])
def test_a_mapping_kills_only_where_it_is_asked(
    tmp_path: Path, round_name: str, mapping: str, dies: bool
) -> None:
    """The official checker looks for the benchmarks in it that it does not know itself."""
    submission = write_submission(tmp_path, round_name)
    (tmp_path / "closed").rename(tmp_path / "open")
    home = tmp_path / "open" / "Acme"
    _edit(home / "systems" / f"{SYSTEM}.json", {"division": "open"})
    (home / "model_mapping.json").write_text(mapping)
    for kind in ("results", "measurements"):
        (home / kind / SYSTEM / "resnet50").rename(home / kind / SYSTEM / "my-net")
    report = check(DirectoryTree(tmp_path), submission.round)
    assert any(finding.rule == CRASH for finding in report.all_findings()) is dies


@pytest.mark.parametrize(
    ("round_name", "name", "dies"),
    [("v5.1", "systems", True), ("v5.1", "measurements", True), ("v5.0", "systems", False)],
)
def test_a_directory_of_the_submitter_that_is_not_there(
    tmp_path: Path, round_name: str, name: str, dies: bool
) -> None:
    """Only the checker of v5.1 lists it, to find what has no results."""
    found = _crashes(tmp_path, round_name, lambda s: shutil.rmtree(s.root / "closed/Acme" / name))
    assert any(finding.path == f"closed/Acme/{name}" for finding in found) is dies


@pytest.mark.parametrize("round_name", ["v2.1", "v4.1", "v5.1"])
def test_a_file_in_the_place_of_a_test_s_run(tmp_path: Path, round_name: str) -> None:
    """Its checker lists the logs in it."""

    def change(submission: Submission) -> None:
        place = submission.place("Offline")
        run = submission.root / str(submission.round.layout.test_directory(place, "TEST01"))
        shutil.rmtree(run / "performance/run_1")
        (run / "performance/run_1").write_text("x")

    assert any(
        "this is a file" in finding.message for finding in _crashes(tmp_path, round_name, change)
    )
