"""Sample submissions that commands once handled wrongly, with the outcome in each one's note."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from tests.e2e.driver import Done, mlrepo
from tests.outside import CASES, needs_shared
from tests.samples import git

_CASES = CASES / "submission"
_RESULT = (
    "closed/GATEOverflow/results/GATEOverflow_AMD_AM5-reference-cpu-tf_v2.19.0-default_config/"
    "resnet50/offline"
)
pytestmark = needs_shared(_CASES)


def _unpacked(name: str, directory: Path) -> Path:
    with tarfile.open(_CASES / name / "tree.tar.xz") as archive:
        archive.extractall(directory, filter="data")
    return directory / "tree"


def _content(tree: Path) -> dict[Path, bytes]:
    files = (path for path in tree.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("hash-overwritten-crlf", "truncated log that was changed"),
        ("hash-overwritten-lfs-pointer", "Git LFS pointer"),
    ],
)
def test_a_named_hash_is_not_overwritten(tmp_path: Path, case: str, what: str) -> None:
    """Both hashes and what lies there are told; nothing changes."""
    tree = _unpacked(case, tmp_path)
    git(tree, "init", "--quiet")
    before = _content(tree)
    log = tree / _RESULT / "accuracy/mlperf_log_accuracy.json"
    named = (tree / _RESULT / "accuracy/accuracy.txt").read_text().rpartition("hash=")[2].strip()
    done = mlrepo(tmp_path, "truncate", "tree", code=1)
    done.says(what, named, hashlib.sha256(log.read_bytes()).hexdigest())
    assert _content(tree) == before


@pytest.mark.parametrize("more", [(), ("--json",), ("--format", "csv"), ("--format", "sarif")])
def test_nothing_judged_is_no_success(tmp_path: Path, more: tuple[str, ...]) -> None:
    """A name in another case, of the checker and of truncate."""
    _unpacked("nothing-judged", tmp_path)
    typo = ("--submitter", "GATEOverFlow")
    done = mlrepo(tmp_path, "check", "tree", "--round", "v5.1", *typo, *more, code=2)
    done.says("Did you mean GATEOverflow?")
    assert done.out == ""
    mlrepo(tmp_path, "truncate", "tree", *typo, "--backup", "b", code=2).says("GATEOverflow?")


def test_only_a_path_is_judged(tmp_path: Path) -> None:
    """The other scenarios are missing; that is no finding at this one."""
    _unpacked("only-reports-outside", tmp_path)
    mlrepo(tmp_path, "check", "tree", "--round", "v5.1", "--only", _RESULT).says("VALID: 1 of 1")


def _imported(root: Path, tree: Path, round_name: str) -> Done:
    return mlrepo(
        root,
        "import",
        str(tree),
        "--round",
        round_name,
        "--benchmark",
        "resnet50",
        "--system",
        "x",
        "--json",
    )


def test_an_accuracy_is_no_year(root: Path, tmp_path: Path) -> None:
    """ILSVRC2012 is on the first line."""
    done = _imported(root, _unpacked("import-of-bare-logs", tmp_path), "v5.1").json
    assert [run["record"]["result"] for run in done["runs"]] == [{"value": 76.456, "unit": "%"}]


def test_tests_are_imported_as_tests(root: Path, tmp_path: Path) -> None:
    """With their verification."""
    done = _imported(root, _unpacked("import-of-tests", tmp_path), "v6.1").json
    records = [run["record"] for run in done["runs"]]
    assert {record["test"] or record["mode"] for record in records} == {
        "performance",
        "accuracy",
        "TEST01",
        "TEST04",
    }
    assert {record["validity"] for record in records} == {"VALID"}
