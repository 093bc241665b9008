"""A minimal copy of the official repository, and the one commit on top of it.

``<git-common-dir>/mlrepo/official/<name>.git`` is a bare, partial and shallow copy: the tip of the
official branch with its trees, but without files (2.8 MB for 49,000 files). It borrows the objects
of the results repository, so a selection is added by object ids: nothing is copied or checked out,
and nothing in the user's repository changes. It can be deleted at any time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.identity import git_identity
from mlrepo.repository.outgoing import Outgoing, added
from mlrepo.repository.process import NO_FETCH, GitError, git, git_bytes
from mlrepo.repository.remotes import NO_ACCESS, Access, Remote, transport_settings

SELECTION_TRAILER = "MLRepo-Selection"


@dataclass(frozen=True)
class Changes:
    """How many files a commit adds, changes and deletes."""

    added: int
    changed: int
    deleted: int


@dataclass(frozen=True)
class OfficialCopy:
    """The partial copy of one official repository.

    Attributes
    ----------
    directory:
        The bare Git repository.
    url:
        The URL of the official repository.
    home:
        The results repository's working tree, whose configuration says who commits and how to
        reach remotes.
    """

    directory: Path
    url: str
    home: Path

    @classmethod
    def of(cls, repository: ResultsRepository, url: str, *, within: Path | None) -> OfficialCopy:
        """Return the copy for ``url``; create an empty one if there is none.

        The caller holds the submission lock, so a lock file in the copy was left by a dead or
        orphaned git and would stop every later one: the copy is then created anew.

        Parameters
        ----------
        within:
            The directory of the copies; None for the usual one.
        """
        name = sha256_bytes(url.encode())[:16]
        copies = within or repository.store / "official"
        copy = cls(copies / f"{name}.git", url, repository.root)
        if next(copy.directory.rglob("*.lock"), None) is not None:
            doomed = copy.directory.with_name(f"{name}.{os.getpid()}.old")
            copy.directory.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        if not (copy.directory / "objects" / "info" / "alternates").is_file():
            copy._make(repository.common_dir / "objects")
        return copy

    def remote(self, url: str, access: Access = NO_ACCESS) -> Remote:
        """Return another remote (the fork) as seen from the copy."""
        return Remote(url, self.directory, access, transport_settings(self.home))

    def fetch_base(self, branch: str, access: Access = NO_ACCESS) -> str:
        """Fetch the tip of the official branch, without any file, and return its commit.

        Raises
        ------
        MlrepoError
            The official repository cannot be read or has no such branch.
        """
        ref = f"refs/official/{branch}"
        remote = self.remote(self.url, access)
        tip = remote.branches().get(branch)
        if tip is None:
            raise UserError(
                f"{self.url} has no branch {branch}.",
                hint="Set the right one: `mlrepo config set official.branch NAME`.",
            )
        if self.resolve(ref) != tip:
            remote.fetch("official", "--depth=1", "--filter=blob:none", into={branch: ref})
        return self.resolve(ref)

    def fetch_commit(self, commit: str, remote: Remote) -> None:
        """Fetch a commit of a fork and its parent, without files."""
        if not self.has(commit):
            ref = f"refs/seen/{commit}"
            remote.fetch("fork", "--depth=2", "--filter=blob:none", into={commit: ref})

    def resolve(self, name: str) -> str:
        """Return the object id that a name resolves to; empty if there is no such object."""
        try:
            return self._git("rev-parse", "--quiet", "--verify", "--end-of-options", name).strip()
        except GitError:
            return ""

    def has(self, commit: str) -> bool:
        """Return whether the copy has the commit and the tree of its parent."""
        return bool(self.resolve(f"{commit}^{{tree}}") and self.resolve(f"{commit}^1^{{tree}}"))

    def build(self, base: str, directories: Mapping[str, str], message: str, *, date: str) -> str:
        """Create a commit on top of ``base`` whose ``directories`` are the given trees.

        The same arguments and identity give the same commit (unless it is signed), so building it
        again after a crash adds nothing new.

        Parameters
        ----------
        directories:
            The object id of the tree for each ``<division>/<submitter>``.
        date:
            Author and committer date, as Git writes one.
        """
        identity = git_identity(self.home)
        tree = self._with(f"{base}^{{tree}}", "", directories)
        who = {
            f"GIT_{role}_{what}": value
            for role, person in (("AUTHOR", identity.author), ("COMMITTER", identity.committer))
            for what, value in (("NAME", person.name), ("EMAIL", person.email), ("DATE", date))
        }
        sign = ("-S",) if identity.sign else ()
        # Runs in the results repository, whose configuration names the key; writes to the copy.
        made = git_bytes(
            "commit-tree",
            *sign,
            "-p",
            base,
            tree,
            cwd=self.home,
            stdin=message.encode(),
            environ=os.environ | who,
            extra={"GIT_OBJECT_DIRECTORY": str(self.directory / "objects")},
        )
        return made.decode().strip()

    def date_of(self, commit: str) -> str:
        """Return the committer date of a commit as Git writes one."""
        return self._git("show", "--no-patch", "--format=%cd", "--date=raw", commit).strip()

    def parents(self, commit: str) -> tuple[str, ...]:
        """Return the parents of a commit."""
        return tuple(self._git("show", "--no-patch", "--format=%P", commit).split())

    def holds_exactly(self, commit: str, directories: Mapping[str, str]) -> bool:
        """Return whether a commit changes only ``directories``, to these trees."""
        if len(self.parents(commit)) != 1 or not self.has(commit):
            return False
        same = all(self.resolve(f"{commit}:{path}") == tree for path, tree in directories.items())
        return same and all(
            path.startswith(tuple(f"{directory}/" for directory in directories))
            for path, _ in self._changed(commit)
        )

    def selection_of(self, commit: str) -> str:
        """Return the selection that mlrepo made a commit from; '' for anybody else's commit."""
        trailers = self._git(
            "show", "--no-patch", f"--format=%(trailers:key={SELECTION_TRAILER},valueonly)", commit
        )
        return trailers.strip() if len(self.parents(commit)) == 1 else ""

    def changes(self, commit: str) -> Changes:
        """Return how many files the commit adds, changes and deletes."""
        letters = [letter for _, letter in self._changed(commit)]
        added, deleted = letters.count("A"), letters.count("D")
        return Changes(added, len(letters) - added - deleted, deleted)

    def outgoing(self, commit: str) -> Outgoing:
        """Return the objects that the commit adds to its parent."""
        return added(self.directory, commit, f"{commit}^1")

    def _changed(self, commit: str) -> Sequence[tuple[str, str]]:
        """Return path and status letter (A, D, M, T) of each file that the commit changes."""
        fields = self._git(
            "diff-tree",
            "-r",
            "-z",
            "--no-renames",
            "--no-commit-id",
            "--name-status",
            f"{commit}^1",
            commit,
        ).split("\0")
        return list(zip(fields[1::2], fields[0:-1:2], strict=True))

    def _with(self, base: str, path: str, directories: Mapping[str, str]) -> str:
        """Return the tree ``base`` ('': empty) with each directory set to its tree."""
        entries = dict(self._entries(base)) if base else {}
        below: dict[str, dict[str, str]] = {}
        for directory, tree in directories.items():
            name, _, rest = directory.partition("/")
            if rest:
                below.setdefault(name, {})[rest] = tree
            else:
                entries[name] = f"040000 tree {tree}"
        for name, inner in below.items():
            kind, _, oid = entries.get(name, "").rpartition(" ")
            entries[name] = f"040000 tree {self._with(oid if 'tree' in kind else '', name, inner)}"
        listing = "".join(f"{entry}\t{name}\0" for name, entry in entries.items())
        return git(
            "mktree",
            "-z",
            "--missing",
            cwd=self.directory,
            stdin=listing.encode(errors="surrogateescape"),
            environ=os.environ | NO_FETCH,
        ).strip()

    def _entries(self, tree: str) -> list[tuple[str, str]]:
        records = self._git("ls-tree", "-z", "--full-tree", tree).split("\0")[:-1]
        pairs = (record.split("\t", 1) for record in records)
        return [(name, entry) for entry, name in pairs]

    def _make(self, objects: Path) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        git("init", "--quiet", "--bare", "--object-format=sha1", ".", cwd=self.directory)
        for key, value in (
            ("gc.auto", "0"),
            # While fetching, do not offer the results repository's commits to the server.
            ("core.alternateRefsCommand", "true"),
        ):
            self._git("config", key, value)
        (self.directory / "objects" / "info" / "alternates").write_bytes(bytes(objects) + b"\n")

    def _git(self, *arguments: str) -> str:
        return git(*arguments, cwd=self.directory, environ=os.environ | NO_FETCH)
