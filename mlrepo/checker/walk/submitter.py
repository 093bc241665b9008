"""Judge a submitter: each of its systems, and the names, kinds and sizes of all its files."""

from __future__ import annotations

import posixpath
from collections.abc import Container, Sequence
from dataclasses import replace

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.docket import Docket
from mlrepo.checker.outcome import Outcome, joined
from mlrepo.checker.rules import RULES
from mlrepo.checker.scope import Scope
from mlrepo.checker.verdicts import Verdicts
from mlrepo.checker.walk.links import FollowedTree, beneath
from mlrepo.checker.walk.root import alike_but_for_case
from mlrepo.checker.walk.system_directory import judge_system_directory
from mlrepo.findings import visible
from mlrepo.rounds import Place, Round
from mlrepo.tree import Entry, Kind, Tree

_CALIBRATION = "tree-calibration"
# These hold evidence: no file may overwrite another one.
_EVIDENCE = ("results", "measurements", "compliance", "systems")


def judge_part_of_submitter(
    tree: Tree, round: Round, root: str, system: str, *, only: str, verdicts: Verdicts | None
) -> Outcome:
    """Judge one of a submitter's systems, or all files that belong to none of them.

    Parameters
    ----------
    root:
        ``<division>/<submitter>``.
    system:
        The name of the system; empty for the files that belong to none.
    only:
        Only results at or below this path, and no other file; empty for all.
    verdicts:
        Where the verdicts on unchanged benchmarks are cached; None to judge everything anew.
    """
    division, submitter = root.split("/")
    scope = Scope(tree, round, Place(division, submitter, system, ""))
    if system:
        outcome = judge_system_directory(scope, only, verdicts)
        if only:
            return outcome
        docket = Docket(replace(scope, findings=[]))
        rejects = not docket.record(_judge_files_of_system(docket.scope))
        return joined([outcome, Outcome(findings=tuple(docket.findings), rejects=rejects)])
    docket = Docket(scope)
    results = tree.entry(f"{root}/results")
    if results is not None and results.kind is Kind.FILE:
        message = "It is a file."
        docket.record([Breach("tree-no-results", f"{root}/results", message, part="file")])
        return Outcome(findings=tuple(docket.findings))
    if results is None or results.kind is Kind.LINK:
        docket.record([Breach("tree-no-results", root, "The submitter has no results.")])
        return Outcome(findings=tuple(docket.findings))
    rejects = not docket.record(_judge_other_files(scope))
    if not rejects:
        docket.record(docket.official.at_directories(scope))
    docket.record(_judge_orphans(scope))
    docket.record(_judge_calibration(scope))
    return Outcome(findings=tuple(docket.findings), rejects=rejects)


def _judge_other_files(scope: Scope) -> Breaches:
    """Yield what is wrong with names, kinds and sizes of files that belong to no system."""
    systems = scope.directories(f"{scope.root}/results")
    yield from judge_name(scope.root, scope.place.submitter)
    yield from _walk(scope, [scope.root], {path for each in systems for path in _own(scope, each)})


def _judge_calibration(scope: Scope) -> Breaches:
    texts = ("calibration.md", "documentation/calibration.md")
    asked = not scope.is_open and RULES[_CALIBRATION].effect(scope.round.name) != "n/a"
    found = [f"{scope.root}/{name}" for name in texts if scope.exists(f"{scope.root}/{name}")]
    if asked and not found:
        yield Breach(_CALIBRATION, scope.root, "calibration.md is missing.")
    if found and not any(scope.text(path, 4096) != "" for path in found):
        yield Breach(_CALIBRATION, found[0], "It is empty.", part="empty", is_slight=True)


def _judge_files_of_system(scope: Scope) -> Breaches:
    """Yield what is wrong with names, kinds and sizes of a system's files."""
    own = [path for path in _own(scope, scope.place.system) if _is_directory(scope, path)]
    yield from _walk(scope, own, ())


def _is_directory(scope: Scope, path: str) -> bool:
    entry = scope.tree.entry(path)
    return entry is not None and entry.kind is Kind.DIRECTORY


def _own(scope: Scope, system: str) -> list[str]:
    return [f"{scope.root}/{kind}/{system}" for kind in ("results", "measurements", "compliance")]


def _walk(scope: Scope, directories: list[str], apart: Container[str]) -> Breaches:
    """Judge all entries below the directories, except what is in ``apart``."""
    while directories:
        path = directories.pop()
        entries = scope.tree.entries(path)
        if not entries:
            yield Breach("tree-empty-directory", path, "The directory is empty.")
        yield from _judge_case(path, entries)
        for entry in entries:
            below = f"{path}/{entry.name}"
            yield from judge_entry(scope, below, entry)
            if entry.kind is Kind.DIRECTORY and not entry.target and below not in apart:
                directories.append(below)


def judge_entry(scope: Scope, path: str, entry: Entry) -> Breaches:
    """Judge the name, kind and size of one file or directory of a submitter."""
    name, kind = entry.name, entry.kind
    yield from judge_name(path, name)
    if entry.target:
        yield _link(scope, path, entry)
    elif kind is Kind.FILE:
        yield from _judge_size(scope, path, entry.size)
    elif kind is Kind.DIRECTORY:
        if name.endswith("__pycache__"):
            yield Breach("tree-pycache", path, "It is a __pycache__ directory.")
    else:
        yield Breach("tree-special", path, f"It is not a regular file: {kind.value}.")


def judge_name(path: str, name: str) -> Breaches:
    """Judge the name of a file or directory, the submitter's own included."""
    if name[0] == ".":
        yield Breach("tree-dot-name", path, "The name begins with a dot.")
    if " " in name:
        yield Breach("tree-space", path, "The name contains a space.")
    if "\\" in name or visible(name) != name:
        yield Breach(
            "tree-name",
            path,
            "The name contains a backslash or an unprintable character.",
            actual=ascii(name),
        )


def _judge_case(path: str, entries: Sequence[Entry]) -> Breaches:
    """Yield names that differ only in case: on some file systems one overwrites the other."""
    evidence = path.split("/")[2:3]
    for name, first in alike_but_for_case(entries):
        yield Breach(
            "tree-case",
            f"{path}/{name}",
            f"The name differs from {first} in case only.",
            is_slight=not evidence or evidence[0] not in _EVIDENCE,
        )


def _judge_size(scope: Scope, path: str, size: int) -> Breaches:
    largest = int(scope.round.tables["limits"].get("file_max_mb") or 50) << 20
    if size > largest:
        yield Breach(
            "tree-size", path, "The file is too large.", expected=f"<= {largest} bytes", actual=size
        )


def _link(scope: Scope, path: str, entry: Entry) -> Breach:
    """Return the breach of a symbolic link.

    Some official checkers accept links to a directory, or whose target exists relative to the root,
    where the checker runs.
    """
    followed = FollowedTree(beneath(scope.tree))
    found = followed.entry(path)
    part = ""
    if found and found.kind is Kind.DIRECTORY:
        part = "to a directory"
    else:
        target = followed.entry(posixpath.normpath(entry.target))
        if target is not None and target.kind is not Kind.LINK:
            part = "target relative to the root"
    return Breach("tree-symlink", path, "It is a symbolic link.", actual=entry.target, part=part)


def _judge_orphans(scope: Scope) -> Breaches:
    with_results = set(scope.directories(f"{scope.root}/results"))
    for name in scope.files(f"{scope.root}/systems"):
        if name.endswith(".json") and name.removesuffix(".json") not in with_results:
            yield Breach("tree-orphan", f"{scope.root}/systems/{name}", "It has no results.")
    if "/measurements/" in scope.round.tables["layout"]["measurements"]:
        for name in scope.directories(f"{scope.root}/measurements"):
            if name not in with_results:
                path = f"{scope.root}/measurements/{name}"
                yield Breach("tree-orphan", path, "It has no results.")
