"""Which part of a tree is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlrepo.tree import Kind, Tree


@dataclass(frozen=True)
class Selection:
    """What of a tree is judged.

    Attributes
    ----------
    submitter:
        Only this submitter's directories; empty for all.
    only:
        Only results at or below this path; empty for all.
    """

    submitter: str = ""
    only: str = ""

    def submitters(self, tree: Tree, divisions: Sequence[str]) -> list[str]:
        """Return the directories of the submitters that it touches."""
        return [
            f"{division}/{entry.name}"
            for division in divisions
            for entry in tree.entries(division)
            if entry.kind is Kind.DIRECTORY
            and self.submitter in ("", entry.name)
            and within(f"{division}/{entry.name}", self.only)
        ]


def within(path: str, only: str) -> bool:
    """Say whether one of the two paths lies at or below the other; True where ``only`` is empty."""
    return not only or f"{path}/".startswith(f"{only}/") or f"{only}/".startswith(f"{path}/")
