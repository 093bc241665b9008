"""The measurements of ``benchmarks/`` start."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks

_NAMES = sorted(
    path.stem
    for path in Path(benchmarks.__file__).parent.glob("*.py")
    if "ArgumentParser(" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", _NAMES)
def test_each_benchmark_has_a_help_text(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``python -m benchmarks.NAME --help``: all that it imports is there."""
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.delitem(sys.modules, f"benchmarks.{name}", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_a_benchmark_starts_itself_from_any_directory(tmp_path: Path) -> None:
    """Some measure in a child, whose directory is that of a run."""
    done = subprocess.run(
        benchmarks.child("harness", "--help"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: harness.py" in done.stdout
