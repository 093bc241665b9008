"""Compare our verdicts on a published tree with those of the round's official checker.

The official checker runs unchanged (or its saved log and ``summary.csv`` are given). It counts
errors in the order in which the file system lists directories, so directory listings are sorted
here, and its ``errors`` column does not depend on the disk. Compared are, for each result
directory, in the profile ``official``:

* the verdict: valid or not;
* each row of ``summary.csv``, column by column as printed.

A disagreement is printed with both verdicts; the last lines count the disagreements.

A checker that crashes gives no verdict at all. With ``--each-submitter`` it is run for each
submitter alone, and only those on which it crashes are left out.

Usage::

    python -m benchmarks.agreement TREE ROUND --checker submission_checker.py [-- ARGUMENT…]
    python -m benchmarks.agreement TREE ROUND --log official.log --csv summary.csv
"""

from __future__ import annotations

import argparse
import collections
import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from mlrepo.tree import Entry, Kind, Tree

# "… INFO] Results closed/… 2634.18" and "… ERROR] NoResults closed/…"; the modular checker names
# the log: "INFO:main:Results ./closed/…/performance/run_1/mlperf_log_detail.txt 2634.18".
_LINE = re.compile(
    r"(?:\]|:main:) ?(NoResults|Results) (?:\./)?([^/\s]+/[^/]+/results/.+?)"
    r"(?:/performance/run_1/mlperf_log_detail\.txt)?"
    r"(?: ([-\w.+]+)( with power_metric .*)?)?$"
)
# Runs a program, or the module of a package, whose `os.listdir` returns sorted names.
_SORTED = """
import os, runpy, sys
plain = os.listdir
os.listdir = lambda *path: sorted(plain(*path))
del sys.argv[0]
file = sys.argv[0]
if os.path.exists(os.path.join(os.path.dirname(file), "__init__.py")):
    package = os.path.dirname(file)
    sys.path.insert(0, os.path.dirname(package))
    module = os.path.splitext(os.path.basename(file))[0]
    runpy.run_module(f"{os.path.basename(package)}.{module}", run_name="__main__", alter_sys=True)
else:
    runpy.run_path(file, run_name="__main__")
"""
_DEPTH = 6  # division/submitter/results/system/benchmark/scenario

# Published repositories have files in their root that make the checkers of v3.1 to v5.1 stop.
_IGNORE_ROOT = "--skip-extra-files-in-root-check"

Rows = dict[str, list[tuple[str, ...]]]


def main() -> int:
    """Print the disagreements and their number; exit 1 if there is one."""
    options, extra = _arguments()
    died: set[str] = set()
    with tempfile.TemporaryDirectory() as scratch:
        log, table = options.log, options.csv
        if options.checker is not None:
            log, table = Path(scratch) / "log", Path(scratch) / "summary.csv"
            died = _run_official(options, extra, log, table)
        verdicts = _official_verdicts(log)
        header, rows = _official_rows(table)
    start = time.perf_counter()
    tree: Tree = DirectoryTree(options.tree)
    if _IGNORE_ROOT in extra or options.skip_root_files:
        tree = _WithoutRootFiles(tree)
    report = check(tree, SHIPPED[options.round], workers=options.workers)
    print(f"{options.round}: {len(report.results)} results in {time.perf_counter() - start:.1f} s")
    if died:
        print(f"the official checker dies of {', '.join(sorted(died))}")
        left = tuple(r for r in report.results if r.submitter not in died)
        report = replace(report, results=left)
    wrong = _compare_verdicts(report, verdicts)
    different = _compare_rows(report, header, rows)
    print(f"verdicts: {len(verdicts)} official, {wrong} differ")
    print(f"summary rows: {sum(map(len, rows.values()))} official, {different} differ")
    return 1 if wrong or different else 0


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("round")
    parser.add_argument("--checker", type=Path, help="the official checker to run")
    parser.add_argument("--log", type=Path, help="what it printed")
    parser.add_argument("--csv", type=Path, help="its summary.csv")
    parser.add_argument(
        "--skip-root-files",
        action="store_true",
        help=f"as {_IGNORE_ROOT} does, of which the log is",
    )
    parser.add_argument("--each-submitter", action="store_true", help="run it for each one alone")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options, extra = parser.parse_known_args()
    if options.checker is None and (options.log is None or options.csv is None):
        parser.error("name the --checker, or its --log and --csv")
    return options, [argument for argument in extra if argument != "--"]


def _run_official(
    options: argparse.Namespace, extra: Sequence[str], log: Path, table: Path
) -> set[str]:
    """Run the official checker; return the submitters on which it crashes when run alone."""
    if not options.each_submitter:
        _run_once(options, extra, log, table)
        return set()
    divisions = SHIPPED[options.round].tables["divisions"]
    names = {path.name for each in divisions for path in (options.tree / each).glob("*/")}
    died: set[str] = set()
    part, rows = log.with_name("part.log"), table.with_name("part.csv")
    with log.open("wb") as logs, table.open("wb") as tables:
        for name in sorted(names):
            _run_once(options, [*extra, "--submitter", name], part, rows)
            if b"SUMMARY: " not in part.read_bytes():  # its last line
                died.add(name)
                continue
            logs.write(part.read_bytes())
            lines = rows.read_bytes().splitlines(keepends=True)
            tables.writelines(lines if not tables.tell() else lines[1:])
    return died


def _run_once(options: argparse.Namespace, extra: Sequence[str], log: Path, table: Path) -> None:
    checker = options.checker.resolve()
    command = [
        sys.executable,
        "-c",
        _SORTED,
        str(checker),
        "--input",
        ".",
        "--version",
        options.round,
        "--csv",
        str(table),
        *extra,
    ]
    environ = {**os.environ, "PYTHONPATH": str(checker.parent)}
    with log.open("wb") as out:
        subprocess.run(command, cwd=options.tree, stdout=out, stderr=out, env=environ, check=False)


def _official_verdicts(log: Path) -> dict[str, bool]:
    """Return the official checker's verdict on each result directory."""
    verdicts: dict[str, bool] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        found = _LINE.search(line)
        if found and found[2].count("/") == _DEPTH - 1:
            verdicts[found[2]] = found[1] == "Results"
    return verdicts


def _official_rows(table: Path) -> tuple[list[str], Rows]:
    """Return the header and the rows by location, without rows that their quoting broke."""
    with table.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if not header:
            sys.exit("The official checker wrote no summary: did it take all the arguments?")
        rows: Rows = collections.defaultdict(list)
        location = header.index("Location")
        broken = 0
        for row in reader:
            if len(row) != len(header):
                broken += 1
                continue
            row[location] = row[location].removeprefix("./")
            rows[row[location]].append(tuple(row))
    if broken:
        print(f"{broken} lines of the official summary.csv are broken by their own quoting")
    return header, rows


class _WithoutRootFiles:
    """A tree without the plain files in its root."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tree, name)

    def entries(self, path: str) -> Sequence[Entry]:
        """Return the entries of a directory; in the root, all but plain files."""
        found = self._tree.entries(path)
        return found if path else [entry for entry in found if entry.kind is not Kind.FILE]


def _compare_verdicts(report: Report, official: dict[str, bool]) -> int:
    ours = {result.path: result for result in report.results}
    wrong = 0
    for path in sorted(official.keys() | ours.keys()):
        theirs = official.get(path)
        result = ours.get(path)
        if result is None and theirs is False:
            continue  # an entry for a directory without a result
        # A result whose system or model is refused has no separate line.
        if (result.official if result is not None else None) == bool(theirs):
            continue
        wrong += 1
        print(f"VERDICT {path}: official {theirs}, ours {result and result.official}")
        for finding in result.findings if result is not None else ():
            if finding.breaks_official:
                print(f"    {finding.rule}: {finding.path}: {finding.message}")
    return wrong


def _compare_rows(report: Report, header: Sequence[str], official: Rows) -> int:
    ours: Rows = collections.defaultdict(list)
    for result in report.results:
        for cells_by_name in result.rows:
            cells = tuple(str(cells_by_name.get(column, "")) for column in header)
            ours[cells[header.index("Location")]].append(cells)
    different = 0
    for location in sorted(official.keys() | ours.keys()):
        theirs, mine = sorted(official.get(location, [])), sorted(ours.get(location, []))
        if theirs == mine:
            continue
        different += 1
        if len(theirs) != len(mine):
            print(f"ROWS {location}: official {len(theirs)}, ours {len(mine)}")
            continue
        for row, our_row in zip(theirs, mine, strict=True):
            for column, cell, own_cell in zip(header, row, our_row, strict=True):
                if cell != own_cell:
                    print(f"CELL {location}: {column}: official {cell!r}, ours {own_cell!r}")
    return different


if __name__ == "__main__":
    sys.exit(main())
