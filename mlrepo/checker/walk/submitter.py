"""Judge a submitter: each of its systems, and the names, kinds and sizes of all its files."""

from __future__ import annotations

import posixpath
from collections.abc import Container, Sequence
from dataclasses import replace

from mlrepo.checker.official.modular import is_modular
from mlrepo.checker.outcome import Outcome, joined
from mlrepo.checker.scope import Scope
from mlrepo.checker.verdicts import Verdicts
from mlrepo.checker.walk.links import FollowedTree, beneath
from mlrepo.checker.walk.root import alike_but_for_case
from mlrepo.checker.walk.system_directory import judge_system_directory
from mlrepo.findings import visible
from mlrepo.rounds import Place, Round
from mlrepo.tree import Entry, Kind, Tree

# What lies there is evidence: none of it may be written over by another file.
_EVIDENCE = ("results", "measurements", "compliance", "systems")


def judge_part_of_submitter(
    tree: Tree, round: Round, root: str, system: str, *, only: str, verdicts: Verdicts | None
) -> Outcome:
    """Judge one of a submitter's systems, or all that belongs to none of them.

    Parameters
    ----------
    root:
        ``<division>/<submitter>``.
    system:
        The name of the system; empty for what belongs to none.
    only:
        Only results at or below this path, and no other file; empty for all.
    verdicts:
        Where those of unchanged benchmarks are found; None to judge all anew.
    """
    division, submitter = root.split("/")
    scope = Scope(tree, round, Place(division, submitter, system, ""))
    if system:
        outcome = judge_system_directory(scope, only, verdicts)
        if only:
            return outcome
        scope = replace(scope, findings=[])
        rejects = _judge_files_of_system(scope)
        return joined([outcome, Outcome(findings=tuple(scope.findings), rejects=rejects)])
    results = tree.entry(f"{root}/results")
    if results is not None and results.kind is Kind.FILE:
        scope.report("tree-no-results", f"{root}/results", "It is a file.", official=True)
        scope.dies(f"{root}/results", "it lists the systems of what is a file")
        return Outcome(findings=tuple(scope.findings))
    if results is None or results.kind is Kind.LINK:
        scope.report("tree-no-results", root, "The submitter has no results.")
        if is_modular(round):
            scope.dies(root, "it lists results that are not there")
        return Outcome(findings=tuple(scope.findings))
    rejects = _judge_other_files(scope)
    return Outcome(findings=tuple(scope.findings), rejects=rejects)


def _judge_other_files(scope: Scope) -> bool:
    """Judge what no system owns; return whether the official checker rejects the submitter."""
    systems = scope.directories(f"{scope.root}/results")
    judge_name(scope, scope.root, scope.place.submitter)
    _walk(scope, [scope.root], {path for system in systems for path in _own(scope, system)})
    rejects = any(finding.breaks_official for finding in scope.findings)
    if scope.round.version == (5, 1) and not rejects:
        for name in ("measurements", "systems"):
            entry = scope.tree.entry(f"{scope.root}/{name}")
            if entry is None or entry.kind is not Kind.DIRECTORY:
                scope.dies(f"{scope.root}/{name}", "it lists what is no directory")
    _judge_orphans(scope)
    texts = ("calibration.md", "documentation/calibration.md")
    asked = not scope.is_open and scope.round.version >= (5, 1)
    found = [f"{scope.root}/{name}" for name in texts if scope.exists(f"{scope.root}/{name}")]
    if asked and not found:
        scope.report("tree-calibration", scope.root, "calibration.md is missing.")
    if found and not any(scope.text(path, 4096) != "" for path in found):
        scope.report("tree-calibration", found[0], "It is empty.", official=False, warns=True)
    return rejects


def _judge_files_of_system(scope: Scope) -> bool:
    """Judge names, kinds and sizes of a system's files; return as for the others."""
    own = [path for path in _own(scope, scope.place.system) if _is_directory(scope, path)]
    _walk(scope, own, ())
    return any(finding.breaks_official for finding in scope.findings)


def _is_directory(scope: Scope, path: str) -> bool:
    entry = scope.tree.entry(path)
    return entry is not None and entry.kind is Kind.DIRECTORY


def _own(scope: Scope, system: str) -> list[str]:
    return [f"{scope.root}/{kind}/{system}" for kind in ("results", "measurements", "compliance")]


def _walk(scope: Scope, directories: list[str], apart: Container[str]) -> None:
    """Judge all entries below the directories, except what lies ``apart``."""
    while directories:
        path = directories.pop()
        entries = scope.tree.entries(path)
        if not entries:
            scope.report("tree-empty-directory", path, "The directory is empty.")
        _judge_case(scope, path, entries)
        for entry in entries:
            below = f"{path}/{entry.name}"
            judge_entry(scope, below, entry)
            if entry.kind is Kind.DIRECTORY and not entry.target and below not in apart:
                directories.append(below)


def judge_entry(scope: Scope, path: str, entry: Entry) -> None:
    """Judge the name, kind and size of one file or directory of a submitter."""
    name, kind = entry.name, entry.kind
    judge_name(scope, path, name)
    if entry.target:
        _judge_link(scope, path, entry)
    elif kind is Kind.FILE:
        _judge_size(scope, path, entry.size)
    elif kind is Kind.DIRECTORY:
        if name.endswith("__pycache__"):
            scope.report("tree-pycache", path, "It is a __pycache__ directory.")
    else:
        scope.report("tree-special", path, f"It is no plain file: {kind.value}.")


def judge_name(scope: Scope, path: str, name: str) -> None:
    """Judge the name of a file or directory, the submitter's own included."""
    if name[0] == ".":
        scope.report("tree-dot-name", path, "The name begins with a dot.")
    if " " in name:
        scope.report("tree-space", path, "The name holds a space.")
    if "\\" in name or visible(name) != name:
        scope.report(
            "tree-name",
            path,
            "The name holds a backslash or no printable character.",
            actual=ascii(name),
            official=False,
        )


def _judge_case(scope: Scope, path: str, entries: Sequence[Entry]) -> None:
    """Report names that differ in case only: elsewhere one is written over the other."""
    evidence = path.split("/")[2:3]
    for name, first in alike_but_for_case(entries):
        scope.report(
            "tree-case",
            f"{path}/{name}",
            f"The name differs from {first} in case only.",
            warns=not evidence or evidence[0] not in _EVIDENCE,
            official=False,
        )


def _judge_size(scope: Scope, path: str, size: int) -> None:
    largest = int(scope.round.tables["limits"].get("file_max_mb") or 50) << 20
    if size > largest:
        scope.report(
            "tree-size", path, "The file is too large.", expected=f"<= {largest} bytes", actual=size
        )


def _judge_link(scope: Scope, path: str, entry: Entry) -> None:
    """Report the link.

    Links to directories pass in every round, all others not in v3.0. From v3.1 to v5.1 those pass
    whose target is there as seen from the root, which is where the checker runs.
    """
    followed = FollowedTree(beneath(scope.tree))
    found = followed.entry(path)
    official = False
    if (3, 0) <= scope.round.version < (6, 0) and not (found and found.kind is Kind.DIRECTORY):
        target = followed.entry(posixpath.normpath(entry.target))
        official = scope.round.version == (3, 0) or target is None or target.kind is Kind.LINK
    scope.report(
        "tree-symlink", path, "It is a symbolic link.", actual=entry.target, official=official
    )


def _judge_orphans(scope: Scope) -> None:
    with_results = set(scope.directories(f"{scope.root}/results"))
    for name in scope.files(f"{scope.root}/systems"):
        if name.endswith(".json") and name.removesuffix(".json") not in with_results:
            scope.report("tree-orphan", f"{scope.root}/systems/{name}", "It has no results.")
    if scope.round.version < (6, 0):
        for name in scope.directories(f"{scope.root}/measurements"):
            if name not in with_results:
                scope.report(
                    "tree-orphan", f"{scope.root}/measurements/{name}", "It has no results."
                )
