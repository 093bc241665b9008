"""Judge what no single result owns: the root, and a submitter's tree of files."""

from __future__ import annotations

import posixpath

from mlrepo.checker.scope import Scope
from mlrepo.findings import Finding
from mlrepo.rounds import Place, Round
from mlrepo.tree import Entry, Kind, Tree

_NO_SUBMISSION = (".git", ".github", "assets")
# What `mlrepo init` lays down and runs add: it stays at home when a submission is made.
_SETTINGS_FILE = "mlrepo.toml"
_RESULTS_REPOSITORY = (
    _SETTINGS_FILE, "runs", "systems", "platforms", "rounds", ".gitignore", ".gitattributes",
    ".pre-commit-config.yaml",
)  # fmt: skip


def judge_root(tree: Tree, round: Round) -> list[Finding]:
    """Report stray files of the root and of the divisions."""
    scope = Scope(tree, round, Place("", "", "", ""))
    divisions = round.tables["divisions"]
    entries = tree.entries("")
    is_ours = any(entry.name == _SETTINGS_FILE for entry in entries)
    for entry in entries:
        if is_ours and entry.name in _RESULTS_REPOSITORY:
            continue
        if entry.kind is Kind.DIRECTORY:
            if entry.name in divisions:
                for below in tree.entries(entry.name):
                    if below.kind is Kind.FILE:
                        scope.report("tree-division-files", f"{entry.name}/{below.name}",
                                     "The file belongs to no submitter.")  # fmt: skip
            elif entry.name not in _NO_SUBMISSION:
                scope.report("tree-division", entry.name, "It is no division.")
        elif not entry.name.endswith((".md", ".pdf")):
            scope.report("tree-root-files", entry.name, "The file belongs to no submitter.")
    return scope.findings


def judge_submitter(scope: Scope) -> bool:
    """Judge a submitter's tree; return whether the official checker rejects it as a whole."""
    _walk(scope)
    rejects = any(finding.breaks_official for finding in scope.findings)
    _judge_orphans(scope)
    if not scope.is_open and not any(
        scope.exists(f"{scope.root}/{name}")
        for name in ("calibration.md", "documentation/calibration.md")
    ):
        official = scope.round.version >= (5, 1)
        if official and scope.round.version < (6, 0):
            scope.report("tree-calibration", scope.root, "calibration.md is missing.")
    return rejects


def _walk(scope: Scope) -> None:
    largest = int(scope.round.tables["limits"].get("file_max_mb") or 50) << 20
    directories = [scope.root]
    while directories:
        path = directories.pop()
        entries = scope.tree.entries(path)
        if not entries:
            scope.report("tree-empty-directory", path, "The directory is empty.")
        for entry in entries:
            name, kind = entry.name, entry.kind
            below = f"{path}/{name}"
            if name[0] == ".":
                scope.report("tree-dot-name", below, "The name begins with a dot.")
            if " " in name:
                scope.report("tree-space", below, "The name holds a space.")
            if kind is Kind.DIRECTORY:
                if name.endswith("__pycache__"):
                    scope.report("tree-pycache", below, "It is a __pycache__ directory.")
                directories.append(below)
            elif kind is Kind.LINK:
                _judge_link(scope, below, entry)
            elif kind is not Kind.FILE:
                scope.report("tree-special", below, f"It is no plain file: {kind.value}.")
            elif entry.size > largest:
                scope.report("tree-size", below, "The file is too large.",
                             expected=f"<= {largest} bytes", actual=entry.size)  # fmt: skip


def _judge_link(scope: Scope, path: str, entry: Entry) -> None:
    """Report the link. From v3.1 only those count whose target the root does not hold."""
    official = scope.round.version == (3, 0)
    if (3, 1) <= scope.round.version < (6, 0):
        target = posixpath.normpath(entry.target)
        resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.target))
        to_directory = scope.tree.entry(resolved)
        official = scope.tree.entry(target) is None and not (
            to_directory is not None and to_directory.kind is Kind.DIRECTORY
        )
    scope.report("tree-symlink", path, "It is a symbolic link.", actual=entry.target,
                 official=official)  # fmt: skip


def _judge_orphans(scope: Scope) -> None:
    with_results = set(scope.directories(f"{scope.root}/results"))
    for name in scope.files(f"{scope.root}/systems"):
        if name.endswith(".json") and name.removesuffix(".json") not in with_results:
            scope.report("tree-orphan", f"{scope.root}/systems/{name}", "It has no results.")
    if scope.round.version < (6, 0):
        for name in scope.directories(f"{scope.root}/measurements"):
            if name not in with_results:
                scope.report("tree-orphan", f"{scope.root}/measurements/{name}",
                             "It has no results.")  # fmt: skip
