"""A local forge for rehearsals: bare repositories in one directory, and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlrepo.forge.forge import OPEN, Address, ForgeRepository, Proposal, PullRequest
from mlrepo.repository.bare import clone_bare, make_bare
from mlrepo.repository.remotes import NO_ACCESS, Access, Remote

REQUEST_FILE = "pull-request.md"
_README = """\
# Not an official repository

`mlrepo submit --rehearse` made this repository to push a submission to. Nothing here was
submitted.
"""


@dataclass
class RehearsalForge:
    """A forge in a directory of this machine, which nothing leaves.

    Attributes
    ----------
    directory:
        Receives ``official.git``, ``fork.git`` and :data:`REQUEST_FILE`.
    target:
        The target branch in the official repository.
    """

    directory: Path
    target: str
    name: str = "rehearsal"
    makes_forks: bool = True
    opens_requests: bool = True
    access: Access = field(default=NO_ACCESS)

    def official(self) -> ForgeRepository:
        """Return the stand-in for the official repository; create it if it does not exist."""
        if not self._official.is_dir():
            self.directory.mkdir(parents=True, exist_ok=True)
            make_bare(self._official, self.target, _README)
        return ForgeRepository(Address.parse(str(self._official)), public=False)

    def fork(self) -> ForgeRepository | None:
        """Return the fork, or None while there is none."""
        if not self._fork.is_dir():
            return None
        return ForgeRepository(Address.parse(str(self._fork)), public=False)

    def fork_name(self) -> str:
        """Return its path."""
        return str(self._fork)

    def make_fork(self) -> None:
        """Copy the official repository."""
        clone_bare(self._official, self._fork)

    def update_fork(self, branch: str) -> None:
        """Bring a branch of the fork to where the official repository's is."""
        official = Remote(str(self._official), self._fork)
        official.fetch("official", into={branch: f"refs/heads/{branch}"})

    def push_options(self, proposal: Proposal) -> Sequence[str]:
        """Return none."""
        return ()

    def pull_request(self, proposal: Proposal) -> PullRequest | None:
        """Return the written request, or None."""
        if not self._request.is_file():
            return None
        body = self._request.read_text(encoding="utf-8")
        return PullRequest(1, str(self._request), OPEN, proposal.draft, body)

    def open_pull_request(self, proposal: Proposal) -> None:
        """Write the request."""
        kind = "draft pull request" if proposal.draft else "pull request"
        head = (
            f"<!-- rehearsed {kind}: {proposal.branch} to {proposal.target} -->\n"
            f"# {proposal.title}\n\n"
        )
        self._request.write_text(head + proposal.body, encoding="utf-8")

    def update_pull_request(self, request: PullRequest, proposal: Proposal) -> None:
        """Write the request again."""
        self.open_pull_request(proposal)

    def link(self, proposal: Proposal) -> str:
        """Return the path of the written request."""
        return str(self._request)

    @property
    def _official(self) -> Path:
        return self.directory / "official.git"

    @property
    def _fork(self) -> Path:
        return self.directory / "fork.git"

    @property
    def _request(self) -> Path:
        return self.directory / REQUEST_FILE
