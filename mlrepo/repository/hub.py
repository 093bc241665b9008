"""The hub: the remote through which clones exchange experiment branches."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from mlrepo.errors import Busy, MlrepoError, NotThere, RemoteUnavailable, Unanswered, UserError
from mlrepo.redaction import shown_url
from mlrepo.repository.branch_moves import commits_of
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import is_experiment_name
from mlrepo.repository.last_fetch import note_fetch
from mlrepo.repository.process import NO_FETCH, GitError, git, git_output
from mlrepo.repository.remotes import PATIENCE, printable, remote_error
from mlrepo.shell import quoted

EXP = "refs/heads/exp/"
# Branches that are not experiments and that clones read: selections, and what is checked out.
_SUBMISSION = re.compile(r"refs/heads/submission/v[0-9.]+\Z")
# A remote's collection of garbage, or another push, was in the way: the same again may succeed.
_PASSING = re.compile(
    r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to (?:update|lock) ref|"
    r"unpack(?:er error|-objects abnormal| failed)|unable to migrate|incorrect old value|"
    r"reference already exists|missing necessary objects|bad pack|did not send all necessary|"
    r"index-pack (?:failed|abnormal)|early EOF|pack has bad object|packfile .* cannot be accessed|"
    r"unable to (?:read|find|open)|not our ref|could not read [0-9a-f]{40}",
    re.IGNORECASE,
)
# What `git fetch` says of a branch that it would have to force.
_REWRITTEN = re.compile(r"! \[rejected\]\s+(\S+)\s+-> \S+\s+\(non-fast-forward\)")
# Refspecs in one command line.
_AT_ONCE = 500


class PushOutcome(Enum):
    """What became of a pushed branch."""

    TAKEN = "taken"
    LOST = "lost"
    REFUSED = "refused"


@dataclass(frozen=True)
class Pushed:
    """What the hub said of one branch."""

    outcome: PushOutcome
    said: str = ""


@dataclass(frozen=True)
class HubBranches:
    """The branches of a hub.

    Attributes
    ----------
    experiments:
        The commits of experiment branches, by the experiment's name.
    others:
        Those of all other branches, by full name.
    strange:
        Names below ``exp/`` that no experiment can have; their branches are left alone.
    """

    experiments: Mapping[str, str]
    others: Mapping[str, str]
    strange: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hub:
    """A named remote of a repository.

    Attributes
    ----------
    url, push_url:
        As Git resolves them; they may hold credentials: :attr:`shown` does not.
    """

    repository: ResultsRepository
    name: str
    url: str
    push_url: str

    @property
    def shown(self) -> str:
        """The URL for people, without credentials."""
        return shown_url(self.url)

    @property
    def source(self) -> str:
        """Its name: what `git fetch` takes."""
        return self.name

    @property
    def notes_deletions(self) -> bool:
        """Yes: a branch that was there and is not was deleted by somebody."""
        return True

    @property
    def prefix(self) -> str:
        """The beginning of the full names of its fetched branches."""
        return f"refs/remotes/{self.name}/"

    def branches(self) -> HubBranches:
        """Ask the hub for its branches.

        Raises
        ------
        MlrepoError
            The hub cannot be read; git's own words are in the message.
        """
        listed = self._git("read", "ls-remote", "--heads", "--", self.name)
        experiments, others, strange = {}, {}, []
        for line in listed.splitlines():
            oid, _, ref = line.partition("\t")
            name = ref.removeprefix(EXP)
            if not ref.startswith(EXP):
                others[ref] = oid
            elif is_experiment_name(name):
                experiments[name] = oid
            else:
                strange.append(ref.removeprefix("refs/heads/"))
        return HubBranches(experiments, others, tuple(strange))

    def fetched(self) -> dict[str, str]:
        """Return the commits of the hub's branches as far as they were fetched, by short name."""
        found = commits_of(self.repository, self.prefix)
        return {ref.removeprefix(self.prefix): oid for ref, oid in found}

    def fetch(self, names: Collection[str]) -> set[str]:
        """Fetch branches, by short name, to their remote-tracking references.

        Never forced: a branch that the hub rewrote stays as it was fetched before.

        Returns
        -------
        set
            The short names of those that the hub rewrote.
        """
        try:
            return fetch_branches(self.repository, self.name, self.prefix, names)
        except GitError as error:
            raise self._error(error, "fetch from") from error

    def note_contact(self) -> None:
        """Note that the hub's branches were fetched now."""
        note_fetch(self.repository, self.name)

    def push(self, commits: Mapping[str, str]) -> dict[str, Pushed]:
        """Push commits to the hub's branches, by short name; never forced.

        Returns
        -------
        dict
            What became of each.

        Raises
        ------
        MlrepoError
            The hub could not be reached, or takes no push from this user.
        """
        done: dict[str, Pushed] = {}
        names = sorted(commits)
        for start in range(0, len(names), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            done |= self._push({name: commits[name] for name in part})
        self._note_pushed(
            {n: commits[n] for n, d in done.items() if d.outcome is PushOutcome.TAKEN}
        )
        return done

    def _push(self, commits: Mapping[str, str]) -> dict[str, Pushed]:
        arguments = (
            *("push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags"),
            *("--recurse-submodules=no", "--", self.name),
            *(f"{commit}:refs/heads/{name}" for name, commit in commits.items()),
        )
        try:
            said = self._git("push to", *arguments)
        except _Rejected as error:
            said = error.stdout
        done = {}
        for line in said.splitlines():
            flag, _, rest = line.partition("\t")
            refs, _, summary = rest.partition("\t")
            name = refs.rpartition(":refs/heads/")[2]
            if name in commits:
                done[name] = _pushed(flag, summary)
        silent = Pushed(PushOutcome.LOST, "the hub said nothing of it")
        return {name: done.get(name, silent) for name in commits}

    def _note_pushed(self, commits: Mapping[str, str]) -> None:
        """Move the remote-tracking references, which Git does only where a refspec covers them."""
        now = self.fetched()
        lines = [
            f"update {self.prefix}{name} {commit} {now.get(name, '0' * 40)}\n"
            for name, commit in commits.items()
            if now.get(name) != commit
        ]
        if lines:
            git("update-ref", "--stdin", cwd=self.repository.root, stdin="".join(lines).encode())

    def _git(self, doing: str, *arguments: str) -> str:
        try:
            out, _ = git_output(*arguments, cwd=self.repository.root, environ=_environ())
        except GitError as error:
            raise self._error(error, doing) from error
        return out.decode(errors="surrogateescape")

    def _error(self, error: GitError, doing: str) -> MlrepoError:
        stdout = error.stdout.decode(errors="surrogateescape")
        if doing == "push to" and "\n!\t" in f"\n{stdout}":
            return _Rejected(error.stderr, stdout)
        url = self.push_url if doing == "push to" else self.url
        found = remote_error(error, url, doing)
        kind = Busy if _PASSING.search(error.stderr) else type(found)
        message = shown_url(found.message.replace(self.url, self.shown))
        return kind(message, hint=self._hint(kind))

    def _hint(self, kind: type[MlrepoError]) -> str:
        url = f"`git remote get-url {quoted(self.name)}`"
        if issubclass(kind, NotThere):
            return (
                f"Check the URL ({url}); a private repository does not exist for those who may not "
                "see it."
            )
        if issubclass(kind, Unanswered):
            return (
                "Everything stays recorded here: check the network and run `mlrepo sync` again. "
                "Without a network, `mlrepo sync --bundle FILE` exchanges runs by a file."
            )
        if issubclass(kind, RemoteUnavailable):
            return (
                "The hub did not take the credentials. Renew the SSH key or the token of Git's "
                "credential helper; to push, it needs the right to write there."
            )
        if issubclass(kind, Busy):
            return "The hub was busy. Run `mlrepo sync` again."
        return "The hub's own rules refuse it; its administrator can change them."


class _Rejected(UserError):
    """Git exchanged what it could; some branches were refused."""

    def __init__(self, message: str, stdout: str) -> None:
        super().__init__(message)
        self.stdout = stdout


def hub_named(repository: ResultsRepository, name: str) -> Hub:
    """Return the hub of a repository.

    Raises
    ------
    UserError
        The repository has no remote of this name.
    """
    try:
        url = git("remote", "get-url", "--", name, cwd=repository.root).strip()
        push_url = git("remote", "get-url", "--push", "--", name, cwd=repository.root).strip()
    except GitError as error:
        known = git("remote", cwd=repository.root).split()
        others = f"It has: {', '.join(known)} (setting hub, --hub NAME). " if known else ""
        raise UserError(
            f"This clone has no remote {name!r} to synchronise with.",
            hint=f"{others}`git remote add {quoted(name)} URL` adds it; without a server, `mlrepo "
            "sync --bundle FILE` exchanges runs by a file.",
        ) from error
    if "://" not in url and (file := repository.root / url).is_file():
        raise UserError(
            f"The remote {name!r} is the file {file}, which Git only reads.",
            hint=f"`mlrepo sync --bundle {quoted(str(file))}` exchanges runs by it.",
        )
    return Hub(repository, name, url, push_url)


def fetch_branches(
    repository: ResultsRepository, source: str, prefix: str, names: Collection[str]
) -> set[str]:
    """Fetch branches, by short name, to references below ``prefix``; nothing is forced.

    Returns
    -------
    set
        The short names of those that do not continue what was fetched before.

    Raises
    ------
    GitError
        Git could not fetch.
    """
    refs = "".join(f"refs/heads/{name}:{prefix}{name}\n" for name in sorted(names))
    if not refs:
        return set()
    try:
        git(
            *("-c", "fetch.fsckObjects=true"),
            # What Git would collect beside the next measurement, it collects now.
            *("-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false"),
            *("fetch", "--no-tags", "--no-prune", "--no-recurse-submodules"),
            *("--no-write-fetch-head", "--stdin", source),
            cwd=repository.root,
            stdin=refs.encode(),
            environ=_environ(),
        )
    except GitError as error:
        found = {match[1] for match in _REWRITTEN.finditer(error.stderr)} & set(names)
        if not found or "fatal:" in error.stderr:
            raise
        return found
    return set()


def wanted_others(repository: ResultsRepository, hub: str, branches: HubBranches) -> Iterable[str]:
    """Yield the short names of branches besides experiments that mlrepo reads.

    These are selections, and the upstream of what is checked out here.
    """
    for ref in branches.others:
        if _SUBMISSION.match(ref):
            yield ref.removeprefix("refs/heads/")
    try:
        head = git("symbolic-ref", "--quiet", "HEAD", cwd=repository.root).strip()
        listed = git(
            "for-each-ref",
            "--format=%(upstream:remotename) %(upstream:remoteref)",
            head,
            cwd=repository.root,
        )
    except GitError:  # detached
        return
    remote, _, ref = listed.strip().partition(" ")
    if remote == hub and ref in branches.others and not _SUBMISSION.match(ref):
        yield ref.removeprefix("refs/heads/")


def _environ() -> dict[str, str]:
    return PATIENCE | dict(os.environ) | NO_FETCH


def _pushed(flag: str, summary: str) -> Pushed:
    if flag in (" ", "*", "="):
        return Pushed(PushOutcome.TAKEN)
    said = printable(summary.strip())
    lost = _PASSING.search(summary)
    return Pushed(PushOutcome.LOST if lost else PushOutcome.REFUSED, said)
