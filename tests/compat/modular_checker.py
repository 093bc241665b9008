"""Run the modular submission checker of mlcommons/inference (v6.0 and later) on a tree."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# "… INFO] Results ./closed/…/performance/run_1/mlperf_log_detail.txt 12.5" and "… NoResults …".
_LINE = re.compile(r" (NoResults|Results) \./(.+?)/performance/run_1/mlperf_log_detail\.txt( |$)")

Row = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Official:
    """What the official checker did.

    Attributes
    ----------
    crash:
        The last line of its traceback; empty when it came to an end.
    accepts:
        Whether it exited with 0.
    verdicts:
        Result directory to whether it has a result.
    rows:
        Of its summary.csv.
    """

    crash: str
    accepts: bool
    verdicts: dict[str, bool]
    rows: Counter[Row]


def run_modular_checker(checkout: Path, root: Path, round_name: str, table: Path) -> Official:
    """Run ``tools/submission/submission_checker/main.py`` of the checkout on the tree ``root``."""
    main = checkout / "tools" / "submission" / "submission_checker" / "main.py"
    table.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, str(main), "--input", ".", "--version", round_name, "--csv", str(table)],
        cwd=root,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    lines = done.stderr.splitlines()
    crash = lines[-1] if any(line.startswith("Traceback") for line in lines) else ""
    found = [match for line in lines if (match := _LINE.search(line))]
    rows: Counter[Row] = Counter()
    if not crash:
        with table.open(encoding="utf-8", newline="") as stream:
            rows.update(
                tuple((key, (value or "").removeprefix("./")) for key, value in row.items())
                for row in csv.DictReader(stream)
            )
    verdicts = {match[2]: match[1] == "Results" for match in found}
    return Official(crash, done.returncode == 0, verdicts, rows)
