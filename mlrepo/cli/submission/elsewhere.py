"""Where a submission may be, if there is none at the path that was named."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mlrepo.paths import DIVISIONS
from mlrepo.repository.discovery import ResultsRepository, find_git_repository
from mlrepo.shell import shell_command

_ZIP = ".zip"
_ARCHIVES = (".tar.gz", ".tgz", ".tar", _ZIP)
# Entries of a directory that are looked into.
_MOST_ENTRIES = 200


def in_words(path: Path) -> Path:
    """Return the path for a sentence, in which ``.`` and ``..`` would look like full stops."""
    return path if path.name.strip(".") else path.resolve()


def right_command(path: Path, *command: str) -> str:
    """Return a hint with the command that was meant, or '' if nothing suggests one.

    Parameters
    ----------
    path:
        What was named instead of the root of a submission; it need not exist.
    command:
        The command without the path: ``("check",)``, ``("review",)``, ``("select",
        "--from-tree")``.
    """
    if path.is_file():
        return _unpacked(path, command)
    if not path.exists():
        return _of_commit(str(path), command)
    if above := _root_above(path):
        root, below = above
        part = {"check": ("--only", str(below)), "review": ("--submitter", *below.parts[1:2])}
        chosen = part.get(command[0], ()) if len(below.parts) > 1 or command[0] == "check" else ()
        return f"For a part of a submission: `{_line(*command, root, *chosen)}`."
    if below_it := list(islice(_roots_below(path), 3)):
        lines = " or ".join(f"`{_line(*command, one)}`" for one in below_it)
        return f"There is one below it: {lines}."
    repository = find_git_repository(path)
    if repository is not None and repository.settings_file.exists():
        return _of_results_repository(path, repository, command)
    return ""


def _line(*words: str | Path) -> str:
    return shell_command(("mlrepo", *words))


def _unpacked(path: Path, command: tuple[str, ...]) -> str:
    ending = next((end for end in _ARCHIVES if path.name.lower().endswith(end)), "")
    if not ending:
        return ""
    directory = path.name[: -len(ending)] or "submission"
    unpack = shell_command(
        ("unzip", "-q", path, "-d", directory)
        if ending == _ZIP
        else ("tar", "-xf", path, "-C", directory)
    )
    made = "" if ending == _ZIP else shell_command(("mkdir", directory)) + " && "
    return f"Unpack it: `{made}{unpack}`. Then: `{_line(*command, directory)}`."


def _of_commit(name: str, command: tuple[str, ...]) -> str:
    """Return the command for a branch or commit of the current repository."""
    from mlrepo.repository.tree_objects import resolved_commit

    repository = find_git_repository(Path.cwd())
    if repository is None or not resolved_commit(repository, name):
        return ""
    if command == ("check",):
        return f"For a branch or commit: `{_line('check', '--rev', name)}`."
    if command == ("review",):
        return f"For a branch of this repository: `{_line('review', '.', name)}`."
    return ""


def _of_results_repository(
    path: Path, repository: ResultsRepository, command: tuple[str, ...]
) -> str:
    here = find_git_repository(Path.cwd())
    if command == ("check",) and here is not None and here.root == repository.root:
        return "Recorded runs are on branches: `mlrepo check --rev exp/NAME` judges one."
    if command[0] in ("check", "review"):
        line = _line("review", in_words(path), "submission/ROUND")
        return f"A results repository has its submissions on branches: `{line}`."
    return ""


def _root_above(start: Path) -> tuple[Path, Path] | None:
    """Return the submission's root and the path below it, if ``start`` is in a submission."""
    full = start.resolve()
    for inner in (full, *full.parents):
        if inner.name in DIVISIONS:
            root = inner.parent
            given = start
            while given.resolve() != root and given != given.parent:
                given = given.parent
            return (given if given.resolve() == root else root), full.relative_to(root)
    return None


def _roots_below(directory: Path) -> Iterator[Path]:
    """Yield the directories directly below one that hold a division, in order of their names."""
    try:
        entries = sorted(islice(directory.iterdir(), _MOST_ENTRIES))
    except OSError:
        return
    for entry in entries:
        if any((entry / division).is_dir() for division in DIVISIONS):
            yield entry
