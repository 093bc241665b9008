"""Which tree `mlrepo check` judges: a directory, the index, or a commit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlrepo.cli.submission.elsewhere import in_words, right_command
from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.paths import DIVISIONS
from mlrepo.repository.discovery import ResultsRepository, find_git_repository
from mlrepo.repository.trees import DirectoryTree
from mlrepo.repository.verdict_files import VerdictFiles
from mlrepo.tree import Kind, Tree


@dataclass(frozen=True)
class TreeToCheck:
    """A tree to judge, and where it comes from.

    Attributes
    ----------
    tree:
        Its root holds the division directories.
    label:
        Its name in messages.
    repository:
        The Git repository that contains it, if any.
    """

    tree: Tree
    label: str
    repository: ResultsRepository | None

    @property
    def verdicts(self) -> VerdictFiles | None:
        """The cache of verdicts on this tree, in its Git repository, or None without one.

        Commits and the index share a cache, since they identify files alike; each directory has
        its own.
        """
        if self.repository is None:
            return None
        view = "git"
        if isinstance(self.tree, DirectoryTree):
            view = sha256_bytes(os.fsencode(self.tree.root))[:16]
        return VerdictFiles(self.repository.store / "verdicts" / view)


def tree_to_check(path: Path | None, *, rev: str | None, staged: bool) -> TreeToCheck:
    """Return the tree that the options select; raise :class:`UserError` if there is none."""
    if rev is not None or staged:
        from mlrepo.repository.git_trees import CommitTree, IndexTree

        repository = find_git_repository(Path.cwd())
        if repository is None:
            raise UserError(
                f"{'--staged' if staged else '--rev'} needs a Git repository, and {Path.cwd()} "
                "is not in one.",
                hint="cd into the repository, or name a directory: `mlrepo check DIR`.",
            )
        if rev is None:
            return _judged(TreeToCheck(IndexTree(repository.root), "the index", repository))
        return _judged(
            TreeToCheck(CommitTree(repository.root, rev), f"the commit {rev}", repository)
        )
    start = path or Path.cwd()
    if not start.is_dir():
        what = "is not a directory" if start.exists() else "does not exist"
        raise UserError(
            f"{start} {what}.",
            hint=right_command(start, "check") or "Name the directory that holds closed/ or open/.",
        )
    repository = find_git_repository(start)
    if path is None and repository is not None and not holds_divisions(DirectoryTree(start)):
        start = repository.root
    try:
        next(start.iterdir(), None)
    except PermissionError as error:
        raise UserError(
            f"{start} cannot be read: {error.strerror}.", hint="Check its permissions."
        ) from error
    return _judged(TreeToCheck(DirectoryTree(start), str(in_words(start)), repository))


def _judged(source: TreeToCheck) -> TreeToCheck:
    if holds_divisions(source.tree):
        return source
    of_directory = isinstance(source.tree, DirectoryTree)
    hint = right_command(Path(source.label), "check") if of_directory else ""
    if not hint and source.repository is not None and source.repository.settings_file.exists():
        hint = "Recorded runs are on branches: `mlrepo check --rev exp/NAME` judges one."
    raise UserError(
        f"There is no submission in {source.label}: it has no {', '.join(DIVISIONS[:-1])} or "
        f"{DIVISIONS[-1]} directory.",
        hint=hint or "Name the directory that holds closed/, open/ or network/.",
    )


def holds_divisions(tree: Tree) -> bool:
    """Return whether the root of a tree has a division's directory."""
    entries = (tree.entry(division) for division in DIVISIONS)
    return any(entry is not None and entry.kind is Kind.DIRECTORY for entry in entries)
