"""The tree that ``mlrepo select --from-tree`` names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.cli.submission.elsewhere import in_words, right_command
from mlrepo.cli.submission.tree_to_check import holds_divisions
from mlrepo.errors import UserError
from mlrepo.limits import usable_cpus
from mlrepo.paths import DIVISIONS

if TYPE_CHECKING:
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.rounds import Round
    from mlrepo.selection.ready_made import ReadyChoice, ReadySource
    from mlrepo.selection.wanted import Wanted


@contextlib.contextmanager
def chosen_ready(
    repository: ResultsRepository, rules: Round, wanted: Wanted, named: str | None, profile: str
) -> Iterator[ReadyChoice | None]:
    """Yield what is taken of a tree, given by a directory or a commit; None where none is named."""
    if named is None:
        yield None
        return
    from mlrepo.selection.ready_made import choose_ready

    source = _source(repository, named)
    try:
        yield choose_ready(source, rules, wanted, profile, workers=usable_cpus())
    finally:
        close = getattr(source.tree, "close", None)
        if close is not None:
            close()


def _source(repository: ResultsRepository, named: str) -> ReadySource:
    from mlrepo.repository.git_trees import CommitTree
    from mlrepo.repository.tree_objects import origin_of, resolved_commit
    from mlrepo.repository.trees import DirectoryTree
    from mlrepo.selection.ready_made import ReadySource

    directory = Path(named)
    if directory.is_dir():
        tree = DirectoryTree(directory)
        if not holds_divisions(tree):
            raise UserError(
                f"There is no submission in {in_words(directory)}: it has no "
                f"{', '.join(DIVISIONS[:-1])} or {DIVISIONS[-1]} directory.",
                hint=right_command(directory, "select", "--from-tree")
                or "Name the directory that holds them; --system, --benchmark and the like take a "
                "part of it.",
            )
        return ReadySource(tree, named, origin_of(directory), directory.resolve())
    commit = resolved_commit(repository, named)
    if not commit:
        raise UserError(
            f"{named} is neither a directory nor a commit of this repository.",
            hint=right_command(directory, "select", "--from-tree")
            or "Unpack or clone what you have, and name the directory that holds closed/ or "
            "open/; or `git fetch` it, and name the commit: --from-tree FETCH_HEAD.",
        )
    return ReadySource(CommitTree(repository.root, commit), named, f"commit {commit}", None, commit)
