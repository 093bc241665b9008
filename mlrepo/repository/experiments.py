"""Experiment branches ``exp/<name>``: their names, and where a new one starts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.repository.damage import DamagedBranch, read_tip, reference_names
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.process import GitError, git
from mlrepo.secret_scan import find_secrets
from mlrepo.settings import FILE_NAME

if TYPE_CHECKING:
    import pygit2

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
_LOCAL = "refs/heads/exp/"
# What to do instead when a branch cannot be moved because it is checked out.
ANOTHER_EXPERIMENT = "record with another --experiment NAME"


@dataclass(frozen=True, order=True)
class Experiment:
    """The name of an experiment; its branch is ``exp/<name>``, one level deep."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Experiment:
        """Return the experiment named ``text``, with or without ``exp/``; refuse invalid names."""
        name = text.removeprefix("exp/")
        if not is_experiment_name(name):
            raise UserError(
                f"{text!r} is not a name for an experiment.",
                hint="Use 1 to 64 lower-case letters, digits, '.', '_' and '-', beginning with a "
                "letter or digit, without '..', and ending neither in '.' nor in '.lock'.",
            )
        if find_secrets(name.encode()):
            raise UserError(
                "The name of the experiment looks like a secret.",
                hint="Give it another: branches and commits carry it. Revoke the secret.",
            )
        return cls(name)

    @property
    def branch(self) -> str:
        """The short branch name."""
        return f"exp/{self.name}"

    @property
    def ref(self) -> str:
        """The full name of the reference."""
        return _LOCAL + self.name


def experiment_tips(repository: ResultsRepository) -> Iterator[tuple[Experiment, pygit2.Oid]]:
    """Yield each experiment branch with its tip: local branches, then remote-tracking ones.

    Unreadable branches are left out and noted in :attr:`ResultsRepository.damage`.
    """
    return ((experiment, tip) for _, experiment, tip in experiment_branches(repository))


def experiment_branches(
    repository: ResultsRepository,
) -> Iterator[tuple[str, Experiment, pygit2.Oid]]:
    """Yield the same as :func:`experiment_tips`, with the full name of each reference."""
    for name, experiment in _branches(repository):
        with contextlib.suppress(DamagedBranch):
            tip = read_tip(repository, name)
            if tip is not None:
                yield name, experiment, tip


def _branches(repository: ResultsRepository) -> list[tuple[str, Experiment]]:
    """Return the references of experiments, even the broken ones that libgit2 skips."""
    common = repository.common_dir
    files = (*common.glob("refs/heads/exp/*"), *common.glob("refs/remotes/*/exp/*"))
    names = {file.relative_to(common).as_posix() for file in files if file.is_file()}
    logs = common / "logs"
    lost = (file for file in logs.glob("refs/heads/exp/*") if file.is_file())
    names.update(file.relative_to(logs).as_posix() for file in lost)
    try:
        names.update(reference_names(repository))
    except UserError as error:
        repository.damage["packed-refs"] = error
    found = []
    for name in sorted(names, key=lambda ref: (not ref.startswith(_LOCAL), ref)):
        match = re.fullmatch(r"refs/(?:heads|remotes/[^/]+)/exp/([^/]+)", name)
        if match and is_experiment_name(match[1]):
            found.append((name, Experiment(match[1])))
    return found


def is_experiment_name(name: str) -> bool:
    """Return whether an experiment may have this name, without ``exp/``."""
    return bool(_NAME.match(name)) and ".." not in name and not name.endswith((".", ".lock"))


def start_point(repository: ResultsRepository, experiment: Experiment) -> pygit2.Oid | None:
    """Return the commit on which a new experiment branch begins, or None for an empty history.

    That is the branch of the same name if exactly one remote has it, else the commit that added
    ``mlrepo.toml``: every clone has it, so the experiment branches of all machines share their
    root and can be merged, and a checkout of one is a results repository.
    """
    repo = repository.git
    fetched = [
        name
        for name in reference_names(repository)
        if re.fullmatch(rf"refs/remotes/[^/]+/exp/{re.escape(experiment.name)}", name)
    ]
    if len(fetched) == 1:
        return read_tip(repository, fetched[0])
    try:
        added = git(
            "log",
            "--diff-filter=A",
            "--format=%H",
            "--reverse",
            "HEAD",
            "--",
            FILE_NAME,
            cwd=repository.root,
        ).split()
    except GitError:
        return None  # HEAD is unborn
    return repo[added[0]].id if added else None


def continued_by(
    repository: ResultsRepository, experiment: Experiment, tip: pygit2.Oid
) -> pygit2.Oid:
    """Return the fetched commit that the local branch at ``tip`` only lacks, else ``tip`` itself.

    Of several remotes that continue the branch, the one counts that contains what all others have;
    if none does, the branch stays where it is.
    """
    repo = repository.git
    found = []
    for remote in repo.remotes.names():
        reference = repo.references.get(f"refs/remotes/{remote}/{experiment.branch}")
        if reference is None or (fetched := reference.resolve().target) == tip:
            continue
        if repo.get(fetched) is not None and repo.descendant_of(fetched, tip):
            found.append(fetched)
    for one in found:
        if all(one == other or repo.descendant_of(one, other) for other in found):
            return one  # type: ignore[return-value]
    return tip
