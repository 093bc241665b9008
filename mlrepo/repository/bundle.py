"""A Git bundle as the place where clones without a server exchange experiment branches.

The file holds whole histories, so that it can be read without anything else. Each clone brings in
what it holds and writes it anew, with what the clone knows.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.branch_moves import Relation, commits_of, relation
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import is_experiment_name
from mlrepo.repository.files import sync_directory
from mlrepo.repository.hub import EXP, HubBranches, Pushed, PushOutcome, fetch_branches
from mlrepo.repository.locks import locked_directory
from mlrepo.repository.process import GitError, git
from mlrepo.settings import FILE_NAME

_LOCK_TIMEOUT = 60.0
_HEADS = "refs/heads/"
_FETCHED = re.compile(r"refs/remotes/[^/]+/(exp/[^/]+)\Z")


@dataclass(frozen=True)
class Bundle:
    """A bundle in a file, which need not exist yet."""

    repository: ResultsRepository
    path: Path

    @property
    def name(self) -> str:
        """The name of its fetched branches here, as of a remote."""
        return "bundle-" + (re.sub(r"[^A-Za-z0-9_-]+", "-", self.path.stem).strip("-") or "file")

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def source(self) -> str:
        """Its path: what `git fetch` takes."""
        return str(self.path)

    @property
    def notes_deletions(self) -> bool:
        """No: a file that lacks a branch is another file, of whatever name."""
        return False

    @property
    def push_url(self) -> str:
        """No URL: it is a file of the user's own."""
        return ""

    @property
    def prefix(self) -> str:
        """The beginning of the full names of its fetched branches."""
        return f"refs/remotes/{self.name}/"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from writing it.

        Raises
        ------
        Busy
            Another process holds its directory.
        UserError
            There is no such directory.
        """
        if not self.path.parent.is_dir():
            raise UserError(
                f"The directory {self.path.parent} does not exist.", hint="Check the path."
            )
        with locked_directory(self.path.parent, timeout=_LOCK_TIMEOUT):
            yield

    def branches(self) -> HubBranches:
        """Return the branches in the file; none if there is no file yet.

        Raises
        ------
        UserError
            It is not a bundle, or history that it builds on is not here.
        """
        experiments, others, strange = {}, {}, []
        for ref, oid in self._heads():
            name = ref.removeprefix(EXP)
            if not ref.startswith(EXP):
                others[ref] = oid
            elif is_experiment_name(name):
                experiments[name] = oid
            else:
                strange.append(ref.removeprefix(_HEADS))
        return HubBranches(experiments, others, tuple(strange))

    def fetched(self) -> dict[str, str]:
        """Return the commits of its branches as far as they were fetched, by short name."""
        found = commits_of(self.repository, self.prefix)
        return {ref.removeprefix(self.prefix): oid for ref, oid in found}

    def fetch(self, names: Collection[str]) -> set[str]:
        """Fetch branches by short name; return those that do not continue what was fetched."""
        try:
            return fetch_branches(self.repository, str(self.path), self.prefix, names)
        except GitError as error:
            raise self._unreadable(error) from error

    def push(self, commits: Mapping[str, str]) -> dict[str, Pushed]:
        """Write the file anew, with these commits of branches."""
        self.write(commits)
        return {name: Pushed(PushOutcome.TAKEN) for name in commits}

    def note_contact(self) -> None:
        """Do nothing: a bundle is no hub that others push to meanwhile."""

    def write(self, commits: Mapping[str, str] | None = None) -> bool:
        """Write the file with all that this clone knows, if it does not have that already.

        Parameters
        ----------
        commits:
            Branches of this clone, by short name, that are to be in it.

        Returns
        -------
        bool
            Whether it was written.

        Raises
        ------
        UserError
            It cannot be written; the old file is untouched.
        """
        wanted = {f"{_HEADS}{name}": oid for name, oid in self._known().items()}
        wanted |= {f"{_HEADS}{name}": oid for name, oid in (commits or {}).items()}
        wanted |= self._settings_branch
        before = dict(self._heads())
        if not wanted or wanted == before:
            return False
        try:
            self._create({**before, **wanted})
        except (OSError, GitError) as error:
            said = error.strerror if isinstance(error, OSError) else error.stderr
            raise UserError(
                f"{self.path} cannot be written: {said}.",
                hint="Make room, or name a file that you may write; what was there is untouched.",
            ) from error
        for name, oid in (commits or {}).items():
            git("update-ref", f"{self.prefix}{name}", oid, cwd=self.repository.root)
        return True

    def _known(self) -> dict[str, str]:
        """Return experiment branches by short name: of the file, and of others as fetched."""
        found = {n: oid for n, oid in self.fetched().items() if n.startswith("exp/")}
        own = {ref.removeprefix(_HEADS) for ref, _ in commits_of(self.repository, EXP)}
        for ref, oid in commits_of(self.repository, "refs/remotes/"):
            matched = _FETCHED.match(ref)
            if matched is None or matched[1] in own:
                continue
            old = found.setdefault(matched[1], oid)
            if relation(self.repository, old, oid) is Relation.BEHIND:
                found[matched[1]] = oid
        return found

    @cached_property
    def _settings_branch(self) -> dict[str, str]:
        """The checked-out branch with the settings, so that the file can be cloned."""
        root = self.repository.root
        try:
            ref = git("symbolic-ref", "--quiet", "HEAD", cwd=root).strip()
            oid = git("rev-parse", "--verify", "--quiet", "HEAD", cwd=root).strip()
            git("cat-file", "-e", f"HEAD:{FILE_NAME}", cwd=root)
        except GitError:
            return {}
        there = dict(self._heads()).get(ref, oid)
        if ref.startswith(EXP) or not self._continues(there, oid):
            return {}
        return {ref: oid}

    def _continues(self, there: str, here: str) -> bool:
        try:
            return relation(self.repository, there, here) in (Relation.SAME, Relation.BEHIND)
        except (KeyError, ValueError):  # it was not fetched
            return False

    def _heads(self) -> list[tuple[str, str]]:
        if not self.path.exists():
            return []
        try:
            git("bundle", "verify", "--quiet", str(self.path), cwd=self.repository.root)
            listed = git("bundle", "list-heads", str(self.path), cwd=self.repository.root)
        except GitError as error:
            raise self._unreadable(error) from error
        pairs = (line.split(" ", 1) for line in listed.splitlines())
        return [(ref, oid) for oid, ref in pairs if ref != "HEAD"]

    def _unreadable(self, error: GitError) -> UserError:
        return UserError(
            f"{self.path} cannot be read: {error.stderr}.",
            hint="Copy the file again, or name another; nothing has changed.",
        )

    def _create(self, refs: Mapping[str, str]) -> None:
        """Write the file through a scratch repository, where the branches have these names."""
        common = self.repository.common_dir
        self.repository.store.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.repository.store, prefix="bundle-") as name:
            scratch = Path(name)
            (scratch / "objects" / "info").mkdir(parents=True)
            (scratch / "refs").mkdir()
            alternate = os.fsencode(common / "objects")
            (scratch / "objects" / "info" / "alternates").write_bytes(alternate + b"\n")
            (scratch / "config").write_text(
                "[core]\n\trepositoryFormatVersion = 0\n\tbare = true\n"
            )
            head = next(iter(self._settings_branch), f"{_HEADS}main")
            (scratch / "HEAD").write_text(f"ref: {head}\n")
            lines = "".join(f"{oid} {ref}\n" for ref, oid in sorted(refs.items()))
            (scratch / "packed-refs").write_text(f"# pack-refs with: sorted\n{lines}")
            descriptor, made = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
            os.close(descriptor)
            try:
                git("bundle", "create", "--quiet", made, "--all", cwd=scratch)
                with Path(made).open("rb") as stream:
                    os.fsync(stream.fileno())
                Path(made).chmod(0o644)
                Path(made).replace(self.path)
                sync_directory(self.path.parent)
            finally:
                Path(made).unlink(missing_ok=True)
