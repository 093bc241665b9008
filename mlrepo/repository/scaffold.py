"""Laying down a results repository: all of it or nothing, and never over what exists."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.discovery import find_git_repository, refuse_unsupported_formats
from mlrepo.repository.identity import git_identity
from mlrepo.repository.process import GitError, git
from mlrepo.settings import FILE_NAME


@dataclass(frozen=True)
class Scaffolded:
    """What was made: paths written, paths that existed and were kept, the first commit or ''."""

    root: Path
    written: list[str]
    kept: list[str]
    commit: str


def scaffold(
    directory: Path, files: Mapping[str, bytes], *, adopt: bool, message: str
) -> Scaffolded:
    """Make a results repository of ``directory``.

    Raises
    ------
    UserError
        It is one already, or holds something and is not to be adopted, or Git lacks an identity.
    """
    directory = directory.resolve()
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is not a directory.", hint="Choose another name.")
    refuse_results_repository(directory)
    if _is_empty_clone(directory):
        return _begin(directory, files, message)
    if directory.exists() and any(directory.iterdir()):
        return _adopt(directory, files, adopt=adopt)
    return _create(directory, files, message)


def refuse_results_repository(directory: Path) -> None:
    """Raise :class:`UserError` when ``directory`` is a results repository already."""
    if (directory / FILE_NAME).exists():
        raise UserError(
            f"{directory.resolve()} is a results repository already.",
            hint="`mlrepo config list` shows its settings, `mlrepo doctor` checks it.",
        )


def _create(directory: Path, files: Mapping[str, bytes], message: str) -> Scaffolded:
    """Build the repository beside its place and move it there when it is complete.

    In an empty directory it is built inside: that may be a disk of its own, or somebody's working
    directory, which is to be filled and not replaced.
    """
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        near = directory if directory.exists() else directory.parent
        temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=near))
    except OSError as error:
        raise UserError(
            f"{directory} cannot be made: {error.strerror}.", hint="Choose a writable place."
        ) from error
    try:
        identity = git_identity(temporary)
        _git_init(temporary)
        for name, data in files.items():
            _write_new(temporary / name, data)
        commit = _commit_all(temporary, message, sign=identity.sign)
        temporary.chmod(0o755)
        if near == directory:
            for entry in temporary.iterdir():
                entry.rename(directory / entry.name)
            temporary.rmdir()
        else:
            temporary.rename(directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Scaffolded(directory, sorted(files), [], commit)


def _is_empty_clone(directory: Path) -> bool:
    """Return whether a directory is a Git repository without files and without any commit."""
    if not (directory / ".git").is_dir() or len(list(directory.iterdir())) > 1:
        return False
    try:
        return not git("rev-list", "--max-count=1", "--all", cwd=directory).strip()
    except GitError:
        return False


def _begin(directory: Path, files: Mapping[str, bytes], message: str) -> Scaffolded:
    """Make the first commit of an empty clone, on the branch that its remote calls the first."""
    identity = git_identity(directory)
    repository = find_git_repository(directory)
    if repository is not None:
        refuse_unsupported_formats(repository.common_dir)
    try:
        for name, data in files.items():
            _write_new(directory / name, data)
        commit = _commit_all(directory, message, sign=identity.sign)
    except BaseException:
        for name in {Path(name).parts[0] for name in files}:
            path = directory / name
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
        git("read-tree", "--empty", cwd=directory)
        raise
    return Scaffolded(directory, sorted(files), [], commit)


def _commit_all(root: Path, message: str, *, sign: bool) -> str:
    git("add", "--all", cwd=root)
    git("commit", "--quiet", *(["-S"] if sign else []), f"--message={message}", cwd=root)
    return git("rev-parse", "HEAD", cwd=root).strip()


def _adopt(directory: Path, files: Mapping[str, bytes], *, adopt: bool) -> Scaffolded:
    if not (directory / "README.md").is_file():
        raise UserError(
            f"{directory} is not empty and has no README.md, so it does not look like a results "
            "repository.",
            hint="Choose an empty directory, or add a README.md and use --adopt.",
        )
    if not adopt:
        raise UserError(
            f"{directory} is not empty.",
            hint="Use --adopt to turn it into a results repository; nothing in it is changed.",
        )
    around = find_git_repository(directory)
    if around is not None and around.root.resolve() != directory.resolve():
        raise UserError(
            f"{directory} is inside the Git repository {around.root}.",
            hint="Adopt the root of that repository, or move the directory out of it.",
        )
    if around is not None:
        refuse_unsupported_formats(around.common_dir)
    written: list[Path] = []
    try:
        if around is None:
            _git_init(directory)
        for name, data in files.items():
            if not (directory / name).exists():
                _write_new(directory / name, data)
                written.append(directory / name)
    except BaseException:
        for path in written:
            path.unlink()
        if around is None:
            shutil.rmtree(directory / ".git", ignore_errors=True)
        raise
    names = [str(path.relative_to(directory)) for path in written]
    return Scaffolded(directory, sorted(names), sorted(set(files) - set(names)), "")


def _git_init(directory: Path) -> None:
    environ = {**os.environ, "GIT_DEFAULT_REF_FORMAT": "files"}
    git(
        "init",
        "--quiet",
        "--initial-branch=main",
        "--object-format=sha1",
        cwd=directory,
        environ=environ,
    )
    # Refuse malformed objects from whatever remote this repository is pushed to and fetched from.
    git("config", "transfer.fsckObjects", "true", cwd=directory)


def _write_new(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        stream.write(data)
