"""Run MLCommons' own submission checker from the user's checkout."""

from __future__ import annotations

import csv
import os
import posixpath
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.lifetime import bound
from mlrepo.shell import shell_command

# Newest first; the others are where earlier rounds had it.
_SCRIPTS = (
    "tools/submission/submission_checker/main.py",
    "tools/submission/submission_checker.py",
    "tools/submission/submission-checker.py",
    "v0.5/tools/submission/submission-checker.py",
)
_SUMMARY = re.compile(r"SUMMARY: (.*)")
_EXCEPTION = re.compile(r"^[A-Za-z_.]+(?:Error|Exception)\b.*", re.MULTILINE)
_PERFORMANCE = "/performance/run_1"


@dataclass(frozen=True)
class OfficialVerdict:
    """The verdict of MLCommons' checker.

    Attributes
    ----------
    accepted:
        Whether it ended with exit code 0.
    results:
        Paths of the results for which its summary has a row.
    summary:
        Its last message, such as ``submission looks OK``, or the exception that ended it.
    log:
        Everything it printed.
    """

    accepted: bool
    results: frozenset[str]
    summary: str
    log: str


def run_official_checker(checkout: Path, submission: Path, round_name: str) -> OfficialVerdict:
    """Run the checker of a checkout of mlcommons/inference on a directory.

    It is code of the checkout and runs with the user's rights and the Python that runs mlrepo.

    Raises
    ------
    UserError
        There is no checker in the checkout, it does not know the round, or it lacks a package.
    """
    script = find_checker(checkout)
    with tempfile.TemporaryDirectory(prefix="mlrepo-official-") as name:
        table = Path(name) / "summary.csv"
        done = subprocess.run(
            bound(
                [
                    sys.executable,
                    str(script),
                    "--input",
                    ".",
                    "--version",
                    round_name,
                    "--csv",
                    str(table),
                ]
            ),
            cwd=submission,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
        results = frozenset(_rows(table)) if table.is_file() else frozenset()
    log = done.stdout.decode("utf-8", "backslashreplace")
    missing = re.search(r"^ModuleNotFoundError: No module named '([^']+)'", log, re.MULTILINE)
    if missing:
        raise UserError(
            f"MLCommons' checker cannot start: the Python package {missing[1]} is missing.",
            hint=f"Install it where mlrepo is: "
            f"{shell_command((sys.executable, '-m', 'pip', 'install', missing[1]))}",
        )
    if done.returncode == 2 and "--version" in log:
        tags = shell_command(("git", "-C", checkout, "tag"))
        raise UserError(
            f"The checker {script} does not know the round {round_name}.",
            hint=f"Check out the revision of the round (`{tags}`).",
        )
    return OfficialVerdict(done.returncode == 0, results, _last_word(log), log)


def find_checker(checkout: Path) -> Path:
    """Return the checker's script in a checkout; raise :class:`UserError` if there is none."""
    for name in _SCRIPTS:
        if (checkout / name).is_file():
            return (checkout / name).resolve()
    raise UserError(
        f"There is no submission checker in {checkout}.",
        hint="Name a checkout of https://github.com/mlcommons/inference.",
    )


def _rows(table: Path) -> Iterator[str]:
    """Yield the result of each row, except rows whose result is 0."""
    with table.open(encoding="utf-8", errors="replace", newline="") as stream:
        for row in csv.DictReader(stream):
            location = posixpath.normpath(row.get("Location") or ".")
            try:
                is_result = float(row.get("Result") or 0) != 0
            except ValueError:
                is_result = True
            if is_result:
                yield location.removesuffix(_PERFORMANCE)


def _last_word(log: str) -> str:
    found = _SUMMARY.findall(log)
    if found:
        return str(found[-1]).strip()
    raised = _EXCEPTION.findall(log)
    return f"it crashed: {raised[-1]}" if raised else "it said nothing"
