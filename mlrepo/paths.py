"""Paths inside a Git tree, validated when they are parsed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from mlrepo.errors import UserError

# The directories below the root of a submission, in every round.
DIVISIONS = ("closed", "open", "network")
# The published results repositories hold spaces but no other exotic character.
_COMPONENT = re.compile(r"[A-Za-z0-9._+@=(),\- ]{1,255}\Z")
_WINDOWS_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?\Z", re.IGNORECASE)
# The only files and directories with names beginning with ".git" that may be written.
_ROOT_FILES = frozenset({".gitignore", ".gitattributes"})
_ROOT_DIRECTORIES = frozenset({".github"})


@dataclass(frozen=True, order=True)
class RepoPath:
    """A relative POSIX path below the root of a Git tree: NFC, no traversal, no Git internals."""

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> RepoPath:
        """Parse ``text``; raise :class:`UserError` if a component is unsafe."""
        path = cls(tuple(unicodedata.normalize("NFC", text).split("/")))
        for depth, part in enumerate(path.parts):
            reason = _why_refused(part, depth, last=depth == len(path.parts) - 1)
            if reason:
                raise UserError(
                    f"{text!r} cannot be a path in a results repository: {reason}.",
                    hint="Use letters, digits, spaces and . _ + @ = ( ) , - in names.",
                )
        return path

    def __truediv__(self, other: str | RepoPath) -> RepoPath:
        return RepoPath.parse(f"{self}/{other}")

    def __str__(self) -> str:
        return "/".join(self.parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    @property
    def name(self) -> str:
        """The last component."""
        return self.parts[-1]


def _why_refused(part: str, depth: int, *, last: bool) -> str:
    if part in ("", ".", ".."):
        return "empty, '.' and '..' components are not allowed"
    if not _COMPONENT.match(part):
        return f"the component {part!r} contains characters that are not allowed"
    if part.startswith("-") or part.endswith((".", " ")):
        return f"the component {part!r} begins with '-' or ends with a dot or a space"
    if _WINDOWS_RESERVED.match(part):
        return f"{part!r} is a reserved name on Windows"
    at_root = _ROOT_FILES if last else _ROOT_DIRECTORIES
    allowed = (depth == 0 and part in at_root) or (last and part == ".gitkeep")
    if part.lower().startswith(".git") and not allowed:
        return f"{part!r} belongs to Git itself"
    return ""


def name_problem(text: str) -> str:
    """Return why ``text`` cannot be a component of a path, or an empty string."""
    return _why_refused(text, 1, last=False)


def escape_problem(text: str) -> str:
    """Return why ``text`` is not a single name in a directory, or an empty string.

    Weaker than :func:`name_problem`: published trees contain names that mlrepo would not create.
    """
    if text in ("", ".", ".."):
        return f"is {text!r}, which does not name a file"
    if text.startswith("-") or any(c in "/\\" or unicodedata.category(c)[0] == "C" for c in text):
        return "begins with '-' or contains a separator or a control character"
    return ""
