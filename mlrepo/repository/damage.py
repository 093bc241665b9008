"""Branches that cannot be read: what is wrong, and how to recover.

A power cut leaves empty files; a bad disk or a careless user loses objects. A damaged branch stops
only work on itself: it is noted in :attr:`ResultsRepository.damage`, and readers continue with the
others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.shell import quoted

if TYPE_CHECKING:
    import pygit2

_LOCAL = "refs/heads/"
_REMOTE = "refs/remotes/"


class DamagedBranch(UserError):
    """A branch, or an object that it needs, cannot be read."""


def read_tip(repository: ResultsRepository, ref: str) -> pygit2.Oid | None:
    """Return the commit that a branch, named in full, points to; None where there is no branch.

    Raises
    ------
    DamagedBranch
        Its file is not a reference, or it does not point to a commit with a tree.
    """
    import pygit2

    file = repository.common_dir / ref
    try:
        reference = repository.git.references.get(ref)
        if reference is None:
            if file.is_file():
                raise damaged(repository, ref, "its file is empty or broken")
            if _is_lost(repository, ref):
                raise damaged(repository, ref, "its reference is gone, and its reflog is not")
            return None
        target = reference.resolve().target
    except (pygit2.GitError, ValueError) as error:
        said = "its file is empty" if _is_empty(repository, ref) else f"Git says: {error}"
        raise damaged(repository, ref, said) from error
    problem = problem_of(repository.git, target)  # type: ignore[arg-type]
    if problem:
        raise damaged(repository, ref, problem)
    repository.damage.pop(ref, None)  # a foreign git caused the earlier failure
    return target  # type: ignore[return-value]


def problem_of(repo: pygit2.Repository, commit: pygit2.Oid) -> str:
    """Return why a commit cannot be read, or an empty string."""
    import pygit2

    try:
        found = repo[commit]
        if not isinstance(found, pygit2.Commit):
            return f"it points to {commit}, a {found.type_str}, not a commit"
    except (KeyError, ValueError, pygit2.GitError):
        return f"the commit {commit} is missing or damaged"
    try:
        len(found.tree)
    except (KeyError, ValueError, pygit2.GitError):
        return f"the tree {found.tree_id} of the commit {commit} is missing or damaged"
    return ""


def reference_names(repository: ResultsRepository) -> list[str]:
    """Return the full names of all references.

    Raises
    ------
    UserError
        ``packed-refs`` is broken.
    """
    import pygit2

    try:
        return list(repository.git.references)
    except pygit2.GitError as error:
        file = repository.common_dir / "packed-refs"
        raise UserError(
            f"The branches cannot be read: {error}.",
            hint=f"Move {file} away. `git fetch` brings what a remote has; of another branch, "
            f"the last line below {repository.common_dir / 'logs'} names its last commit.",
        ) from error


def short_name(ref: str) -> str:
    """Return the short name of a branch."""
    return ref.removeprefix(_LOCAL).removeprefix(_REMOTE)


def damaged(repository: ResultsRepository, ref: str, what: str) -> DamagedBranch:
    """Note the damage of a branch and return the error, with how to recover from its reflog."""
    error = DamagedBranch(
        f"The branch {short_name(ref)} cannot be read: {what}.", hint=_way_out(repository, ref)
    )
    repository.damage[ref] = error
    return error


def refuse_if_in_the_way(repository: ResultsRepository, ref: str) -> None:
    """Raise :class:`UserError` if the name of another branch rules this one out.

    Git cannot have both ``exp`` and ``exp/x``, nor ``exp/x`` and ``exp/x/y``: branch names are
    files and directories.
    """
    parts = ref.split("/")
    above = {"/".join(parts[:end]) for end in range(3, len(parts))}
    for other in reference_names(repository):
        if other in above or other.startswith(f"{ref}/"):
            name, wanted = other.removeprefix(_LOCAL), ref.removeprefix(_LOCAL)
            raise UserError(
                f"The branch {wanted} cannot be made beside the branch {name}: one would have to "
                "be a file and a directory at once.",
                hint=f"Rename that one (`git branch -m {quoted(name)} NEW-NAME`), or use another "
                "name.",
            )


def _is_empty(repository: ResultsRepository, ref: str) -> bool:
    try:
        return not (repository.common_dir / ref).read_bytes().strip()
    except OSError:
        return False


def _is_lost(repository: ResultsRepository, ref: str) -> bool:
    """Return whether a branch without a ref still has a reflog; deleting a branch removes both."""
    log = repository.common_dir / "logs" / ref
    return ref.startswith(_LOCAL) and log.is_file() and log.stat().st_size > 0


def _way_out(repository: ResultsRepository, ref: str) -> str:
    file = repository.common_dir / ref
    remove = f"`rm {quoted(file)}`" if file.is_file() else f"`git update-ref -d {quoted(ref)}`"
    if ref.startswith(_REMOTE):
        return f"{remove}, then `git fetch`: the remote has it."
    name = quoted(ref.removeprefix(_LOCAL))
    good = _last_good(repository, ref)
    if good is not None and not file.is_file() and _is_lost(repository, ref):
        log = repository.common_dir / "logs" / ref
        return f"`git branch {name} {good}` brings back its last commit; without {log} it is gone."
    if good is None:
        return (
            f"Its reflog names no commit that can be read. Fetch the branch from a remote or "
            f"another clone, or look for it with `git fsck --lost-found`; {remove} gives it up."
        )
    return (
        f"The last commit of its reflog that can be read is {good}: {remove}, then "
        f"`git branch --force {name} {good}`. Runs recorded after it are in other clones, if "
        "anywhere."
    )


def _last_good(repository: ResultsRepository, ref: str) -> str | None:
    """Return the newest commit of the branch's reflog that can be read."""
    import pygit2

    try:
        lines = (repository.common_dir / "logs" / ref).read_bytes().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        for word in reversed(line.split(b" ")[:2]):
            try:
                oid = pygit2.Oid(hex=word.decode())
            except ValueError:
                continue
            if int(word, 16) and not problem_of(repository.git, oid):
                return str(oid)
    return None
