"""The checker's verdict on what a commit or a push changes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mlrepo.checker.changes import check_changes
from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.checker.round_of_tree import round_of
from mlrepo.errors import UserError
from mlrepo.limits import usable_cpus
from mlrepo.repository.discovery import find_git_repository
from mlrepo.repository.git_trees import CommitTree, IndexTree
from mlrepo.repository.outgoing import PushedChange
from mlrepo.repository.verdict_files import VerdictFiles
from mlrepo.rounds import Rounds
from mlrepo.settings import Resolver
from mlrepo.tree import Tree

_LONGEST_LIST = 40


def judge_index(
    root: Path, paths: Sequence[str] | None, *, index_file: str, settings: Resolver
) -> list[str]:
    """Return a message for each finding caused by staged paths.

    Parameters
    ----------
    root:
        The top of the working tree.
    paths:
        The files that the commit adds, changes or removes; None to judge the whole index.
    index_file:
        The index that Git gave to the hook; empty for the repository's own.
    settings:
        The settings; ``round`` and ``profile`` are read.
    """
    tree = IndexTree(root, Path(index_file) if index_file else None)
    return _judge(tree, lambda: _head(root), paths, root, settings)


def judge_branch(root: Path, commit: str, change: PushedChange, settings: Resolver) -> list[str]:
    """Return a message for each finding of the commit caused by the pushed paths."""
    tree = CommitTree(root, commit)
    if not change.bases:
        return _judge(tree, lambda: None, None, root, settings)
    return _judge(tree, lambda: CommitTree(root, change.bases[0]), change.paths, root, settings)


def _judge(
    tree: Tree,
    before: Callable[[], Tree | None],
    paths: Sequence[str] | None,
    root: Path,
    settings: Resolver,
) -> list[str]:
    rounds = Rounds.of_repository(root)
    round_ = round_of(tree, settings, rounds, label="what is committed")
    if note := rounds.note(round_.name):
        print(note, file=sys.stderr)
    if paths is None:
        workers = usable_cpus()
        report = check(tree, round_, workers=workers, store=_verdicts(root))
    else:
        report = check_changes(tree, round_, paths, before=functools.cache(before))
    return _messages(report, settings.require("profile").value)


def _head(root: Path) -> Tree | None:
    try:
        return CommitTree(root, "HEAD")
    except UserError:
        return None  # there is no commit yet


def _verdicts(root: Path) -> VerdictFiles | None:
    """Return the verdicts that `mlrepo check` keeps on commits and the index."""
    repository = find_git_repository(root)
    return VerdictFiles(repository.store / "verdicts" / "git") if repository else None


def _messages(report: Report, profile: str) -> list[str]:
    found = [f for f in dict.fromkeys(report.all_findings()) if f.breaks(profile)]
    paths = {finding.path for finding in found}
    lines = [finding.line_of_text() for finding in found]
    lines += [
        f"{result.path}: the result is not valid in {report.round}."
        for result in report.results
        if not result.valid(profile) and not any(path.startswith(result.path) for path in paths)
    ]
    more = len(lines) - _LONGEST_LIST
    if more > 0:
        lines[_LONGEST_LIST:] = [f"… and {more} more: `mlrepo check` lists them all."]
    return lines + [f"[{f.rule}] {f.hint}" for f in {f.rule: f for f in found}.values() if f.hint]
