"""Test data that are no part of the project, and what to say where they are missing.

Both lie beside the checkout of mlrepo unless a variable names another place; CONTRIBUTING says how
to have them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).parents[2]
SHARED = Path(os.environ.get("MLREPO_SHARED") or _BESIDE / "shared")
CORPUS = SHARED / "corpus"
CASES = SHARED / "cases"
INFERENCE = Path(os.environ.get("MLREPO_INFERENCE") or _BESIDE / "inference")

# What a reason begins with, by the variable that names the place.
MISSING = {
    "MLREPO_SHARED": "no shared corpus: ",
    "MLREPO_INFERENCE": "no checkout of mlcommons/inference: ",
}
HOW = {
    "MLREPO_SHARED": f"the corpus of published results and cases; it is looked for in {SHARED}",
    "MLREPO_INFERENCE": f"`git clone https://github.com/mlcommons/inference {INFERENCE}`",
}


def needs_shared(path: Path) -> pytest.MarkDecorator:
    """Skip a test where the shared corpus has no such file or directory."""
    return pytest.mark.skipif(not path.exists(), reason=f"{MISSING['MLREPO_SHARED']}{path}")


def needs_inference(path: str = "tools/submission") -> pytest.MarkDecorator:
    """Skip a test where the checkout of the official checkers has no such file or directory."""
    return pytest.mark.skipif(
        not (INFERENCE / path).exists(), reason=f"{MISSING['MLREPO_INFERENCE']}{INFERENCE / path}"
    )


def skipped(reasons: list[str]) -> list[str]:
    """Return a line for each kind of data that tests were skipped for want of: how to have it."""
    counts = {
        variable: sum(begin in reason for reason in reasons) for variable, begin in MISSING.items()
    }
    return [
        f"{count} tests skipped without {variable}: {HOW[variable]} (see CONTRIBUTING.md)"
        for variable, count in counts.items()
        if count
    ]
