"""Whatever a submission's file contains, the checker reports findings, never a traceback."""

from __future__ import annotations

import os
import random
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.cli.submission.rendering import FORMATS, renderer
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.corruptions import CORRUPTIONS, HARMLESS
from tests.endpoints_submissions import write_endpoints
from tests.submissions import write_submission

_ENDPOINTS = "v6.1 endpoints"
_ROUNDS = ("v0.7", "v1.1", "v5.1", "v6.1", _ENDPOINTS)
# Nothing but their presence is asked of these, so that their content may be any: no rule reads
# the summary of an accuracy run or of a compliance run, nor the samples that TEST01 logged (its
# verification did, before they were truncated).
_FREE = re.compile(
    r"(README\.md|mlperf\.conf|user\.conf|calibration\.md"
    r"|(/accuracy|/TEST[^/]*/performance/run_1)/mlperf_log_summary\.txt"
    r"|/TEST01/accuracy/(accuracy\.txt|mlperf_log_accuracy\.json))$"
)
# After these no file stands at the path any more, which is never free.
_AWAY = ("gone", "directory", "link", "FIFO", "name")


def _is_weighed_less(round_name: str, path: Path) -> bool:
    """Say whether the round only warns, whatever becomes of the file.

    Up to v1.1 there is no rule about links and empty directories, so that code is free, and of a
    test that its texts pass the logs are not read.
    """
    if round_name not in ("v0.7", "v1.1"):
        return False
    return path.match("code/*/README.md") or path.match("TEST01/accuracy/*")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid submission of each round."""
    root = tmp_path_factory.mktemp("valid")
    for name in _ROUNDS:
        _write(root / name, name)
    return root


def _write(root: Path, name: str) -> None:
    if name == _ENDPOINTS:
        write_endpoints(root, "closed", "datacenter", "gpt-oss-120b")
    else:
        write_submission(root, name)


def _files(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())


def _judge(root: Path, round_name: str) -> Report:
    report = check(DirectoryTree(root), SHIPPED[round_name.split(" ")[0]])
    for profile in ("strict", "official"):
        for name in FORMATS:
            renderer(name)(report, profile).encode("utf-8")
    return report


@pytest.mark.parametrize("round_name", _ROUNDS)
def test_the_submission_written_for_tests_is_valid(pristine: Path, round_name: str) -> None:
    """Every test below starts from a tree in which nothing is wrong, in both profiles."""
    report = _judge(pristine / round_name, round_name)
    assert report.valid("strict"), [
        *report.findings,
        *(f for r in report.results for f in r.findings),
    ]
    assert report.valid("official")
    assert len(report.results) == (3 if round_name in ("v5.1", "v6.1") else 2)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("round_name", _ROUNDS)
def test_each_corruption_of_a_file_is_found_and_named(
    pristine: Path, tmp_path: Path, round_name: str, corruption: str
) -> None:
    """Five files of each tree, another choice for each corruption; the finding names the file."""
    rng = random.Random(f"{round_name} {corruption}")
    for path in rng.sample(_files(pristine / round_name), 5):
        root = tmp_path / "tree"
        shutil.copytree(pristine / round_name, root, copy_function=os.link)
        # The linked file would change in the pristine tree too.
        shutil.copyfile(root / path, tmp_path / "copy")
        (tmp_path / "copy").replace(root / path)
        CORRUPTIONS[corruption](root / path, rng)
        report = _judge(root, round_name)
        found = [*report.findings, *(f for result in report.results for f in result.findings)]
        free = _FREE.search(f"/{path}") or (
            # Up to v0.7 a detail log is text, in which only the word ERROR means anything.
            round_name == "v0.7" and path.name == "mlperf_log_detail.txt"
        )
        away = any(word in corruption for word in _AWAY)
        # No audit of the benchmark is required yet, so that it may be absent.
        free = (free and not away) or (away and path.parent.name == "audit")
        free = free or _is_weighed_less(round_name, path)
        if corruption not in HARMLESS and not free:
            assert not report.valid("strict"), path
            near = {str(path), *map(str, path.parents)} - {"."}
            assert any(
                finding.path in near or finding.path.startswith(f"{path.parent}/")
                for finding in found
            ), (path, found)
        for entry in root.rglob("*"):
            if not entry.is_symlink():
                entry.chmod(0o700)
        shutil.rmtree(root)


def test_an_infinite_number_of_nodes_is_no_traceback(tmp_path: Path) -> None:
    """JSON's 1e400 is infinite, and infinity has no integer (found by `make fuzz`)."""
    submission = write_submission(tmp_path, "v6.1")
    file = tmp_path / str(submission.round.layout.system_file(submission.place("Offline")))
    text = file.read_text()
    for nodes in ("1e400", "-1e400", "NaN"):
        file.write_text(text.replace('"number_of_nodes": "1"', f'"number_of_nodes": {nodes}'))
        assert file.read_text() != text
        assert len(_judge(tmp_path, "v6.1").results) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("round_name", [name for name in _ROUNDS if name != _ENDPOINTS])
def test_a_file_without_permission_is_named(tmp_path: Path, round_name: str) -> None:
    """Another user's umask must not end in a traceback."""
    submission = write_submission(tmp_path, round_name)
    log = submission.result("Offline") / "performance" / "run_1" / "mlperf_log_detail.txt"
    log.chmod(0)
    report = _judge(tmp_path, round_name)
    assert not report.valid("strict")
    assert any(
        finding.path.endswith("mlperf_log_detail.txt")
        for result in report.results
        for finding in result.findings
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.binary(max_size=300), choice=st.integers(0, 10_000), round_name=st.sampled_from(_ROUNDS)
)
def test_any_bytes_in_any_file_end_in_a_report(
    pristine: Path, data: bytes, choice: int, round_name: str
) -> None:
    """Any content at all: the checker returns, and every format can render what it says."""
    root = pristine / round_name
    files = _files(root)
    path = root / files[choice % len(files)]
    before = path.read_bytes()
    try:
        path.write_bytes(data)
        _judge(root, round_name)
    finally:
        path.write_bytes(before)
