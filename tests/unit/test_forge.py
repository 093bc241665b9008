"""Addresses of repositories, their forges, and the meaning of git's failures."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from mlrepo.errors import Busy, InvalidResult, MlrepoError, NotThere, Unanswered, UserError
from mlrepo.forge.choice import forge_for
from mlrepo.forge.forge import Address, GitForge, GitLab, Proposal
from mlrepo.forge.github import GitHub
from mlrepo.guard.departure import refuse_early, refuse_unfit
from mlrepo.repository.outgoing import Outgoing, OutgoingBlob
from mlrepo.repository.process import GitError
from mlrepo.repository.remotes import Access, BaseMissing, remote_error
from mlrepo.settings import Resolver

_GITHUB = "https://github.com/mlcommons/inference_results_v6.1"


@pytest.mark.parametrize(
    ("url", "origin", "host", "full_name"),
    [
        (f"{_GITHUB}.git", "https://github.com", "github.com", "mlcommons/inference_results_v6.1"),
        ("git@github.com:mlcommons/x.git", "", "github.com", "mlcommons/x"),
        ("ssh://git@ghe.example.org:2222/a/b", "", "ghe.example.org", "a/b"),
        (
            "https://gitlab.example.org:8443/group/sub/project/",
            "https://gitlab.example.org:8443",
            "gitlab.example.org",
            "sub/project",
        ),
        ("/srv/git/official.git", "", "", "git/official"),
        ("file:///srv/git/official.git", "", "", "git/official"),
    ],
)
def test_an_address_is_read_from_every_spelling_of_git(
    url: str, origin: str, host: str, full_name: str
) -> None:
    """HTTP, SSH in both spellings, files and paths."""
    address = Address.parse(url)
    assert (address.origin, address.host, address.full_name) == (origin, host, full_name)


@pytest.mark.parametrize(
    "url", ["", "-x", "ext::sh -c true", "https://ada@x/y", "https://a:b@x/y", "ssh://a:b@x/y"]
)
def test_an_address_that_would_run_or_tell_something_is_refused(url: str) -> None:
    """Options, transport helpers, and credentials, which are not repeated."""
    with pytest.raises(UserError) as refused:
        Address.parse(url)
    assert "a:b" not in refused.value.message


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"official.repository": _GITHUB}, GitHub),
        ({"official.repository": "https://gitlab.com/a/b"}, GitLab),
        ({"official.repository": "https://gitlab.example.org/a/b"}, GitLab),
        ({"official.repository": "https://git.example.org/a/b"}, GitForge),
        (
            {"official.repository": "https://git.example.org/a/b", "official.forge": "gitlab"},
            GitLab,
        ),
        (
            {
                "official.repository": "https://git.example.org/a/b",
                "official.api_url": "https://git.example.org/api/v3",
            },
            GitHub,
        ),
    ],
)
def test_the_forge_is_told_from_the_settings(
    settings: dict[str, str], kind: type, tmp_path: Path
) -> None:
    """From the host, unless the user says."""
    fork = "https://git.example.org/ada/b"
    environ = {"GH_TOKEN": "x", "GH_HOST": "git.example.org", "PATH": ""}
    made = forge_for(Resolver({}, settings), environ, tmp_path, fork=fork, timeout=1.0)
    assert type(made) is kind


def test_a_token_is_not_sent_in_clear_text(tmp_path: Path) -> None:
    """Neither to an API nor by git, unless nobody listens on the way."""
    resolver = Resolver(
        {},
        {
            "official.repository": "http://git.example.org/a/b",
            "official.api_url": "https://git.example.org/api/v3",
        },
    )
    with pytest.raises(UserError, match="not encrypted"):
        forge_for(resolver, {"GH_TOKEN": "x"}, tmp_path, timeout=1.0)


def test_access_is_handed_to_git_beside_what_the_environment_sets() -> None:
    """The settings that a user gives by GIT_CONFIG_COUNT stay."""
    access = Access("https://github.com", "hunter2000")
    variables = access.variables({"GIT_CONFIG_COUNT": "2"})
    assert variables["GIT_CONFIG_COUNT"] == "4"
    assert variables["GIT_CONFIG_KEY_2"] == "http.https://github.com/.extraHeader"
    assert variables["GIT_CONFIG_VALUE_2"].startswith("Authorization: Basic ")
    assert variables["GIT_CONFIG_VALUE_3"] == "false"
    assert Access().variables({}) == {}
    assert "hunter2000" not in repr(access) + "".join(variables.values())


@pytest.mark.parametrize(
    ("said", "kind", "way_out"),
    [
        ("! [rejected] a -> b (stale info)", Busy, "looks at the branch anew"),
        ("remote: error: GH001: Large files detected.", UserError, "does not take so much"),
        ("remote: error: GH006: Protected branch update failed", UserError, "own rules"),
        ("! [remote rejected] a -> b (shallow update not allowed)", BaseMissing, "up to date"),
        ("remote: error: GH013: Repository rule violations", UserError, "revoke"),
        ("fatal: Authentication failed for 'https://x/'", MlrepoError, "token"),
        (
            "fatal: unable to access 'https://x/': The requested URL returned error: 403",
            MlrepoError,
            "token",
        ),
        ("remote: Repository not found.", NotThere, "Check the URL"),
        ("fatal: unable to access 'https://x/': Could not resolve host: x", Unanswered, "again"),
        ("error: RPC failed; HTTP 502 curl 22", Unanswered, "again"),
    ],
)
def test_what_git_says_is_told_with_what_it_means(
    said: str, kind: type[MlrepoError], way_out: str
) -> None:
    """Git's own words stay; what would steer a terminal does not."""
    error = remote_error(GitError(("push",), 128, f"{said}\x1b[2J"), "https://x/y", "push to")
    assert isinstance(error, kind)
    assert said in error.message
    assert "\x1b" not in error.message
    assert way_out in error.hint or kind is BaseMissing


def test_what_lies_elsewhere_or_is_too_large_does_not_leave(tmp_path: Path) -> None:
    """The directories above a submitter's are rewritten by any commit and may leave."""
    fine = Outgoing(("closed", "closed/Acme", "closed/Acme/x"), ())
    refuse_unfit(tmp_path, fine, ["closed/Acme"], "text")
    for paths in (("closed/Acme2/x",), ("runs/1/run.json",), ("closed/Other",), ("README.md",)):
        with pytest.raises(InvalidResult, match="outside of closed/Acme"):
            refuse_unfit(tmp_path, Outgoing(paths, ()), ["closed/Acme"], "text")
    large = Outgoing((), (OutgoingBlob("closed/Acme/w.bin", "0" * 40, 100 * 1024**2 + 1),))
    with pytest.raises(InvalidResult, match=r"w\.bin: 104857601 bytes"):
        refuse_unfit(tmp_path, large, ["closed/Acme"], "text")
    with pytest.raises(InvalidResult, match="text of the pull request: a GitHub token"):
        refuse_unfit(tmp_path, fine, ["closed/Acme"], "ghp_" + "a1B2" * 9)


@pytest.mark.parametrize("public", [True, False, None])
@pytest.mark.parametrize("private_by_settings", [True, False])
@pytest.mark.parametrize("day", [14, 15])
def test_the_embargo_believes_the_forge_before_the_settings(
    public: bool | None, private_by_settings: bool, day: int
) -> None:
    """On its date results may go anywhere; before, only to what is private."""
    settings = {"embargo": "2027-04-15"}
    if private_by_settings:
        settings["private_remotes"] = "https://x/y"
    early = day == 14 and (public is True or (public is None and not private_by_settings))
    asked = ("closed/Acme",), {"https://x/y": public}, settings, datetime.date(2027, 4, day)
    if early:
        with pytest.raises(UserError, match="2027-04-15"):
            refuse_early(*asked)
    else:
        refuse_early(*asked)


def test_gitlab_is_told_the_project_that_gets_the_request() -> None:
    """With groups in its path, and no line break in any option."""
    official = Address.parse("https://gitlab.com/group/sub/official.git")
    forge = GitLab(official, Address.parse("https://gitlab.com/ada/official"))
    proposal = Proposal("b", "main", "Title", "line\nline", draft=False)
    options = forge.push_options(proposal)
    assert "merge_request.target_project=group/sub/official" in options
    assert "merge_request.draft" not in options
    assert not any("\n" in option for option in options)
    assert forge.link(proposal).startswith("https://gitlab.com/group/sub/official/-/merge_requests")
