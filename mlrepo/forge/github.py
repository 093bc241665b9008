"""GitHub and GitHub Enterprise Server, through seven requests of their REST API.

Paths, parameters and answers are from GitHub's OpenAPI description (docs.github.com/rest, version
2022-11-28).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from mlrepo.errors import RemoteUnavailable, UserError
from mlrepo.forge.forge import (
    CLOSED,
    MERGED,
    OPEN,
    Address,
    ForgeRepository,
    Proposal,
    PullRequest,
)
from mlrepo.forge.http_json import JsonApi, Refused
from mlrepo.repository.remotes import Access

_REPOSITORY = frozenset(
    {"id", "name", "full_name", "owner", "private", "clone_url", "ssh_url", "html_url"}
)
_PULL_REQUEST = frozenset({"number", "html_url", "state", "head", "body"})
_USER = frozenset({"login"})


class GitHub:
    """The official repository on GitHub, and one fork of it.

    Parameters
    ----------
    api:
        The API, with a token.
    official:
        The address of the official repository.
    fork:
        ``owner/name`` or ``owner`` of the fork; empty for the user's own.
    """

    name = "GitHub"
    makes_forks = opens_requests = True

    def __init__(self, api: JsonApi, official: Address, fork: str = "") -> None:
        self._api, self._address, self._wanted = api, official, fork

    @property
    def access(self) -> Access:
        """The API's token, for the server of the official repository."""
        return Access(self._address.origin, self._api.token)

    def official(self) -> ForgeRepository:
        """Return the official repository under its current name, even if it was renamed."""
        return self._repository(self._official)

    def fork(self) -> ForgeRepository | None:
        """Return the fork; raise if the repository of that name is not a fork."""
        full_name = self.fork_name()
        if full_name.lower() == self._official["full_name"].lower():
            return self._repository(self._official)
        try:
            found = _expected(self._api.get(f"/repos/{full_name}"), _REPOSITORY)
        except Refused as error:
            if error.status == 404:
                return None
            raise
        ancestors = [found.get(key) or {} for key in ("parent", "source")]
        if self._official["id"] not in [ancestor.get("id") for ancestor in ancestors]:
            raise UserError(
                f"{found['full_name']} exists and is not a fork of {self._official['full_name']}.",
                hint="Name the fork, or a free name for it: --fork OWNER/NAME.",
            )
        return self._repository(found)

    def fork_name(self) -> str:
        """Return ``owner/name`` as configured, else the user's own of the same name."""
        owner, _, name = self._wanted.partition("/")
        return f"{owner or self._login}/{name or self._official['name']}"

    def make_fork(self) -> None:
        """Request the fork; GitHub creates it in the background."""
        owner, _, name = self.fork_name().partition("/")
        body: dict[str, object] = {"name": name}
        if owner.lower() != self._login.lower():
            body["organization"] = owner
        self._api.post(f"/repos/{self._official['full_name']}/forks", body)

    def update_fork(self, branch: str) -> None:
        """Fast-forward the fork's branch, as the button "Sync fork" does."""
        try:
            self._api.post(f"/repos/{self.fork_name()}/merge-upstream", {"branch": branch})
        except Refused as error:
            if error.status not in (409, 422):
                raise
            raise UserError(
                f"The branch {branch} of the fork {self.fork_name()} cannot be brought to where "
                f"the official one is: {'; '.join(error.reasons) or 'it has commits of its own'}.",
                hint="Discard them there (Sync fork → Discard commits), or use another fork: "
                "--fork OWNER/NAME; then run the command again.",
            ) from error

    def push_options(self, proposal: Proposal) -> Sequence[str]:
        """Return none: the API opens the request."""
        return ()

    def pull_request(self, proposal: Proposal) -> PullRequest | None:
        """Return the open request from the branch, else the newest closed one, else None."""
        owner = self.fork_name().partition("/")[0]
        found = self._api.get(
            f"/repos/{self._official['full_name']}/pulls",
            state="all",
            head=f"{owner}:{proposal.branch}",
            base=proposal.target,
            sort="created",
            direction="desc",
        )
        # Some servers ignore an unknown head, and list every request.
        label = f"{owner}:{proposal.branch}".lower()
        listed = [_expected(request, _PULL_REQUEST) for request in found or ()]
        own = [request for request in listed if _label(request).lower() == label]
        own.sort(key=lambda request: request["state"] != OPEN)
        return _pull_request(own[0]) if own else None

    def open_pull_request(self, proposal: Proposal) -> None:
        """Open the request; succeed if it already exists."""
        owner, _, name = self.fork_name().partition("/")
        body = {
            "title": proposal.title,
            "head": f"{owner}:{proposal.branch}",
            "base": proposal.target,
            "body": proposal.body,
            "draft": proposal.draft,
            "maintainer_can_modify": False,
        }
        if owner.lower() == self._official["owner"]["login"].lower():
            body["head_repo"] = name
        try:
            self._api.post(f"/repos/{self._official['full_name']}/pulls", body)
        except Refused as error:
            said = "; ".join(error.reasons)
            if error.status == 422 and "already exists" in said:
                return
            if error.status == 422 and "draft" in said.lower():
                raise UserError(
                    f"{self._official['full_name']} takes no drafts: {said}",
                    hint="Use --ready to open the pull request for review at once.",
                ) from error
            raise

    def update_pull_request(self, request: PullRequest, proposal: Proposal) -> None:
        """Give the request the proposal's text; keep its title, which somebody may have edited."""
        self._api.patch(
            f"/repos/{self._official['full_name']}/pulls/{request.number}",
            {"body": proposal.body},
        )

    def link(self, proposal: Proposal) -> str:
        """Return the page that compares the branch with its target."""
        owner = self.fork_name().partition("/")[0]
        return f"{self._official['html_url']}/compare/{proposal.target}...{owner}:{proposal.branch}"

    @cached_property
    def _official(self) -> Mapping[str, Any]:
        return _expected(self._api.get(f"/repos/{self._address.full_name}"), _REPOSITORY)

    @cached_property
    def _login(self) -> str:
        return str(_expected(self._api.get("/user"), _USER)["login"])

    def _repository(self, found: Mapping[str, Any]) -> ForgeRepository:
        """Return a repository with the same kind of URL as the official one: HTTP or SSH."""
        url = found["clone_url"] if self._address.origin else found["ssh_url"]
        address = Address.parse(url)
        if (address.origin, address.host) != (self._address.origin, self._address.host):
            raise UserError(
                f"According to the forge, {found['full_name']} is at {address.host}, not at "
                f"{self._address.host} as official.repository does.",
                hint="Check official.repository and official.api_url: `mlrepo config list`.",
            )
        return ForgeRepository(address, public=not found["private"])


def _expected(found: Any, keys: frozenset[str]) -> Mapping[str, Any]:
    """Return an answer if it is an object with the needed keys; raise otherwise."""
    if not isinstance(found, dict) or not keys <= found.keys():
        raise RemoteUnavailable(
            "The forge's answer is not one of GitHub's.",
            hint="Is official.api_url the root of the API? GitHub Enterprise: https://HOST/api/v3.",
        )
    return found


def _label(request: Mapping[str, Any]) -> str:
    """Return ``owner:branch``; empty if the head no longer exists."""
    return str((request["head"] or {}).get("label") or "")


def _pull_request(found: Mapping[str, Any]) -> PullRequest:
    state = found["state"]
    if state != OPEN:
        state = MERGED if found.get("merged_at") else CLOSED
    return PullRequest(
        found["number"], found["html_url"], state, bool(found.get("draft")), found["body"] or ""
    )
