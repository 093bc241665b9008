"""What a pull request needs from a forge: the official repository, a fork, and the request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from mlrepo.errors import UserError
from mlrepo.repository.remotes import NO_ACCESS, Access, refuse_credentials
from mlrepo.shell import quoted

OPEN, CLOSED, MERGED = "open", "closed", "merged"
_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:]+):(?P<path>(?!//).+)\Z")


@dataclass(frozen=True)
class Address:
    """The location of a repository on a forge.

    Attributes
    ----------
    url:
        As given to git.
    origin:
        ``scheme://host[:port]`` of an HTTP URL; empty for others.
    host:
        The host, without a port; empty for a path on this machine.
    owner, name:
        The last two components of the path, without ``.git``.
    """

    url: str
    origin: str
    host: str
    owner: str
    name: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Parse an HTTP, SSH (``ssh://`` or ``git@host:path``) or file URL, or a path.

        Raises
        ------
        UserError
            It contains credentials, begins with a dash, or names a transport helper of git.
        """
        url = refuse_credentials(url.strip())
        if not url or url.startswith("-") or "::" in url.partition("/")[0]:
            raise UserError(
                f"{url!r} is not the URL of a Git repository.",
                hint="Use https://HOST/OWNER/NAME, git@HOST:OWNER/NAME or a path.",
            )
        scp = _SCP.match(url) if "://" not in url else None
        parts = urlsplit(url)
        host = scp["host"] if scp else (parts.hostname or "" if "://" in url else "")
        path = scp["path"] if scp else (parts.path if "://" in url else url)
        names = path.rstrip("/").removesuffix(".git").split("/")
        http = parts.scheme in ("http", "https")
        return cls(
            url,
            f"{parts.scheme}://{parts.netloc}" if http else "",
            host,
            names[-2] if len(names) > 1 else "",
            names[-1],
        )

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True)
class ForgeRepository:
    """A repository on a forge.

    Attributes
    ----------
    address:
        Where it is, according to the forge if it can say.
    public:
        Whether anybody may read it; None if the forge cannot be queried.
    """

    address: Address
    public: bool | None = None


@dataclass(frozen=True)
class PullRequest:
    """A pull (merge) request.

    Attributes
    ----------
    number:
        0 if the forge cannot be queried.
    url:
        Its web page.
    state:
        :data:`OPEN`, :data:`CLOSED` or :data:`MERGED`.
    draft:
        Whether it is marked as not ready.
    body:
        Its text.
    """

    number: int
    url: str
    state: str
    draft: bool = False
    body: str = ""


@dataclass(frozen=True)
class Proposal:
    """The content of a pull request.

    Attributes
    ----------
    branch:
        The branch of the fork.
    target:
        The branch of the official repository.
    title, body:
        One line, and Markdown.
    draft:
        Whether to mark it as not ready.
    """

    branch: str
    target: str
    title: str
    body: str
    draft: bool


class Forge(Protocol):
    """One kind of forge. Only methods named after an action change anything.

    Attributes
    ----------
    name:
        For messages.
    makes_forks:
        Whether :meth:`make_fork` can be used.
    opens_requests:
        Whether :meth:`open_pull_request` can be used; otherwise the push or the user opens them.
    """

    name: str
    makes_forks: bool
    opens_requests: bool

    @property
    def access(self) -> Access:
        """The access of git to the official repository and the fork."""

    def official(self) -> ForgeRepository:
        """Return the official repository; raise if it is not visible."""

    def fork(self) -> ForgeRepository | None:
        """Return the fork, or None while there is none."""

    def fork_name(self) -> str:
        """Return the current or future name of the fork, for messages."""

    def make_fork(self) -> None:
        """Create the fork; it may take minutes until it is available."""

    def update_fork(self, branch: str) -> None:
        """Bring a branch of the fork to where the official repository's is."""

    def push_options(self, proposal: Proposal) -> Sequence[str]:
        """Return the push options by which the forge opens the request; none for most."""

    def pull_request(self, proposal: Proposal) -> PullRequest | None:
        """Return the request from the branch: an open one, else the last; None if there is none."""

    def open_pull_request(self, proposal: Proposal) -> None:
        """Open the request."""

    def update_pull_request(self, request: PullRequest, proposal: Proposal) -> None:
        """Give a request the text of the proposal."""

    def link(self, proposal: Proposal) -> str:
        """Return where the user opens the request, or finds it."""


class GitForge:
    """Any Git server: mlrepo pushes the branch, and the user opens the request."""

    name = "Git server"
    makes_forks = opens_requests = False
    access: Access = NO_ACCESS

    def __init__(self, official: Address, fork: Address | None) -> None:
        if fork is None:
            raise UserError(
                f"There is no fork to push to: {official.host or official.url} is not a forge that "
                "mlrepo can ask for one.",
                hint="Name a repository that you may push to: --fork URL, or `mlrepo config set "
                "official.fork URL`.",
            )
        self._official, self._fork = official, fork

    def official(self) -> ForgeRepository:
        """Return it as it was given."""
        return ForgeRepository(self._official)

    def fork(self) -> ForgeRepository | None:
        """Return it as it was given; only the push shows whether it exists."""
        return ForgeRepository(self._fork)

    def fork_name(self) -> str:
        """Return its URL."""
        return self._fork.url

    def make_fork(self) -> None:
        """Do nothing: :meth:`fork` always returns one."""

    def update_fork(self, branch: str) -> None:
        """Raise an error that says that it must be done by hand."""
        raise UserError(
            f"The fork {self._fork.url} lacks the commit of the official {branch} that the "
            "submission is based on.",
            hint=f"Bring its {branch} up to date: `git fetch {quoted(self._official.url)} "
            f"{quoted(branch)} && git push {quoted(self._fork.url)} FETCH_HEAD:{quoted(branch)}`; "
            "then run the command again.",
        )

    def push_options(self, proposal: Proposal) -> Sequence[str]:
        """Return none."""
        return ()

    def pull_request(self, proposal: Proposal) -> PullRequest | None:
        """Return None: there is no API to query."""
        return None

    def open_pull_request(self, proposal: Proposal) -> None:
        """Leave it to people."""

    def update_pull_request(self, request: PullRequest, proposal: Proposal) -> None:
        """Leave it to people."""

    def link(self, proposal: Proposal) -> str:
        """Return the branch and both repositories; the server may have said more after the push."""
        return (
            f"open it by hand, from {proposal.branch} of {self._fork.url} to {proposal.target} of "
            f"{self._official.url}"
        )


class GitLab(GitForge):
    """GitLab opens the merge request itself on push options (GitLab 11.10, draft 15.0)."""

    name = "GitLab"

    def push_options(self, proposal: Proposal) -> Sequence[str]:
        """Return the options; a line break is not allowed in one, so the text is one line.

        Source: docs.gitlab.com, "Push options for merge requests"; ``target_project`` since 16.6.
        """
        options = [
            "merge_request.create",
            f"merge_request.target={proposal.target}",
            f"merge_request.title={proposal.title}",
            f"merge_request.description={proposal.body.replace(chr(10), '<br>')}",
        ]
        if self._fork != self._official:
            path = urlsplit(self._official.url).path if self._official.origin else ""
            project = path.strip("/").removesuffix(".git") or self._official.full_name
            options.append(f"merge_request.target_project={project}")
        if proposal.draft:
            options.append("merge_request.draft")
        return options

    def link(self, proposal: Proposal) -> str:
        """Return the list of the merge requests from the branch."""
        if not self._official.origin:
            return super().link(proposal)
        page = self._official.url.rstrip("/").removesuffix(".git")
        return f"{page}/-/merge_requests?{urlencode({'source_branch': proposal.branch})}"
