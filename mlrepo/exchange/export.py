"""Export a selection, an experiment's results or single runs as ordinary files."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.paths import DIVISIONS, escape_problem
from mlrepo.proposal.selected import read_selection
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment, experiment_tips
from mlrepo.repository.files import sync_directory
from mlrepo.repository.git_trees import CommitTree
from mlrepo.repository.history import find_run, load_record
from mlrepo.repository.recorder import RUNS
from mlrepo.tree import Entry, Kind, Missing, walk

_PIECE = 1 << 20
_NOTHING = "Nothing was exported."


@dataclass(frozen=True)
class ExportSource:
    """What is exported.

    Attributes
    ----------
    label:
        Its name in messages.
    commit:
        The commit that contains it.
    roots:
        The directories of the commit's tree to write.
    above:
        The prefix to remove from their paths.
    """

    label: str
    commit: str
    roots: tuple[str, ...]
    above: str = ""


@dataclass(frozen=True)
class Exported:
    """The directory that was written, and the number and bytes of the files in it."""

    directory: Path
    files: int
    size: int


def selection_source(repository: ResultsRepository, round_name: str) -> ExportSource:
    """Return the selection of a round; raise :class:`UserError` if nothing is selected."""
    selection = read_selection(repository, round_name)
    return ExportSource(
        f"the selection for {round_name}", selection.commit, tuple(sorted(selection.roots))
    )


def experiment_source(repository: ResultsRepository, experiment: Experiment) -> ExportSource:
    """Return the layout on an experiment branch; raise :class:`UserError` if there is none."""
    commits = [str(tip) for each, tip in experiment_tips(repository) if each == experiment]
    if not commits:
        known = sorted({each.branch for each, _ in experiment_tips(repository)})
        raise UserError(
            f"There is no branch {experiment.branch}.",
            hint=f"There are: {', '.join(known)}." if known else "Nothing is recorded yet.",
        )
    tree = CommitTree(repository.root, commits[0])
    try:
        roots = tuple(name for name in DIVISIONS if tree.entries(name))
    finally:
        tree.close()
    if not roots:
        raise UserError(
            f"No run on {experiment.branch} has a place in the layout.",
            hint="`mlrepo show` says why a run is not placed; `mlrepo export --run RUN` writes the "
            "files of any run.",
        )
    return ExportSource(f"the results on {experiment.branch}", commits[0], roots)


def run_source(repository: ResultsRepository, text: str) -> ExportSource:
    """Return the files of a run; raise :class:`UserError` if its record does not describe them."""
    run = find_run(repository, text)
    record = load_record(repository, run)
    directory = f"{RUNS}/{run.run}"
    tree = CommitTree(repository.root, run.commit)
    try:
        for name, log in record.logs.items():
            try:
                found = hashlib.sha256(tree.read(f"{directory}/{name}")).hexdigest()
            except Missing as error:
                found = str(error)
            if found != log.sha256:
                raise UserError(
                    f"The {name} of the run {run.run} is not the one that its record describes.",
                    hint=f"{_NOTHING} `mlrepo doctor` checks all records.",
                )
    finally:
        tree.close()
    hidden = f", which {run.curation.why_hidden}" if run.curation.hidden else ""
    return ExportSource(f"the run {run.run}{hidden}", run.commit, (directory,), f"{RUNS}/")


def export(
    repository: ResultsRepository, sources: Sequence[ExportSource], directory: Path
) -> Exported:
    """Write the sources to a directory, completely or not at all.

    Each file is read back and compared with the id of its Git object. A temporary directory beside
    the target is moved into place when it is complete.

    Raises
    ------
    UserError
        The directory is not empty, a path or a link leads out of it, an object is missing or
        damaged, or the disk is full or not writable.
    """
    _refuse_occupied(directory)
    directory = directory.parent.resolve() / directory.name
    try:
        made = tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent)
    except OSError as error:
        raise _unwritable(directory, error) from error
    temporary = Path(made)
    try:
        sizes = [size for source in sources for size in _write(repository, source, temporary)]
        temporary.chmod(0o755)
        _refuse_occupied(directory)  # again: it may have been filled meanwhile
        temporary.replace(directory)
        sync_directory(directory.parent)
    except OSError as error:
        raise _unwritable(directory, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Exported(directory, len(sizes), sum(sizes))


def _refuse_occupied(directory: Path) -> None:
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise UserError(f"{directory} is not a directory.", hint="Name a new directory.")
    if directory.exists() and any(directory.iterdir()):
        raise UserError(
            f"{directory} is not empty, and nothing in it is overwritten.",
            hint="Name a new or an empty directory.",
        )
    if not directory.absolute().parent.is_dir():
        raise UserError(
            f"{directory} cannot be made: {directory.parent.resolve()} does not exist.",
            hint="Name a directory in an existing one.",
        )


def _unwritable(directory: Path, error: OSError) -> UserError:
    return UserError(
        f"{directory} cannot be written: {error.strerror}.",
        hint=f"{_NOTHING} Make room, or name a directory that you may write.",
    )


def _write(repository: ResultsRepository, source: ExportSource, target: Path) -> Iterator[int]:
    """Write the files of a source and yield their sizes; links come last, so none is followed."""
    tree = CommitTree(repository.root, source.commit)
    links: list[tuple[Path, str]] = []
    try:
        for path, entry in _entries(tree, source.roots):
            name = path.removeprefix(source.above)
            _refuse_unsafe(name)
            place = target / name
            if entry.kind is Kind.DIRECTORY:
                place.mkdir(parents=True, exist_ok=True)
            elif entry.kind is Kind.FILE:
                place.parent.mkdir(parents=True, exist_ok=True)
                yield _write_file(tree, path, place)
            elif entry.kind is Kind.LINK and _stays_inside(name, entry.target):
                links.append((place, entry.target))
            else:
                raise UserError(
                    f"{path} cannot be exported: it is a {entry.kind.value}"
                    f"{' that leads out of the tree' if entry.kind is Kind.LINK else ''}.",
                    hint=f"{_NOTHING} Fetch what is missing, or remove it from the branch.",
                )
        for place, to in links:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(to)
    finally:
        tree.close()


def _entries(tree: CommitTree, roots: Iterable[str]) -> Iterator[tuple[str, Entry]]:
    for root in roots:
        yield from walk(tree, root)


def _refuse_unsafe(name: str) -> None:
    for part in name.split("/"):
        why = escape_problem(part) or ("belongs to Git" if part.lower() == ".git" else "")
        if why:
            raise UserError(
                f"{name!r} cannot be a file here: the name {part!r} {why}.",
                hint=f"{_NOTHING} mlrepo did not write it so; ask who committed it.",
            )


def _stays_inside(name: str, target: str) -> bool:
    where = os.path.normpath(os.path.join(os.path.dirname(name), target))  # noqa: PTH118, PTH120
    return not os.path.isabs(target) and where != ".." and not where.startswith("../")  # noqa: PTH117


def _write_file(tree: CommitTree, path: str, place: Path) -> int:
    """Write and sync one file, compare it with its object, and return its size."""
    [oid] = tree.oids([path])
    try:
        with tree.open(path) as source, place.open("xb") as stream:
            shutil.copyfileobj(source, stream, _PIECE)
            stream.flush()
            os.fsync(stream.fileno())
    except Missing as error:
        raise _damaged(path, str(error)) from error
    if tree.is_executable(path):
        place.chmod(0o755)
    size = place.stat().st_size
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with place.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    if digest.hexdigest() != oid.split()[-1]:
        raise _damaged(path, "what Git has is not what its name says")
    return size


def _damaged(path: str, why: str) -> UserError:
    return UserError(
        f"{path} cannot be exported: {why}.",
        hint=f"{_NOTHING} `git fsck` lists what is lost; fetch the branch from another clone.",
    )
