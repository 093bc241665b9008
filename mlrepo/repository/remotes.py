"""Query a Git remote and push to it, with credentials that appear on no command line or disk."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mlrepo.errors import (
    Busy,
    MlrepoError,
    NotThere,
    RemoteUnavailable,
    Unanswered,
    UserError,
)
from mlrepo.redaction import shown_url
from mlrepo.repository.process import NO_FETCH, GitError, git, git_output


class BaseMissing(UserError):
    """No branch of the remote contains the parent of the pushed commit."""


# Parts of the messages of git and Git hosts, the most specific first, with the error and the hint.
_REFUSALS: tuple[tuple[str, type[MlrepoError], str], ...] = (
    (
        r"stale info|non-fast-forward|fetch first|cannot lock ref|failed to update ref",
        Busy,
        "Somebody moved the branch meanwhile. Run the command again: it looks at the branch anew.",
    ),
    (
        r"GH001|exceeds .*file size limit|larger than|pack exceeds maximum|HTTP 413|error: 413",
        UserError,
        "The remote does not take so much. Keep weights and archives out of the submission, "
        "select again, and run the command again.",
    ),
    (
        r"GH013|push protection|secret",
        UserError,
        "The remote found what looks like a secret. Remove it, revoke it, select again, and run "
        "the command again.",
    ),
    (
        r"shallow update not allowed|lazy fetching disabled|could not fetch .* from promisor",
        BaseMissing,
        "Bring the fork's branch to where the official one is; then run the command again.",
    ),
    (
        r"GH006|protected branch|pre-receive hook declined|hook declined|remote rejected|"
        r"deny updating",
        UserError,
        "The remote's own rules refuse the push; its administrator can change them. --branch NAME "
        "pushes to another branch, --fork another fork.",
    ),
    (
        r"Authentication failed|could not read (Username|Password)|terminal prompts disabled|"
        r"error: 401|HTTP 401|Permission denied|error: 403|HTTP 403|Permission to .* denied",
        RemoteUnavailable,
        "The credentials were not taken. Renew the token (GH_TOKEN, `gh auth login`, Git's "
        "credential helper) or the SSH key; it needs the right to push there.",
    ),
    (
        r"not found|error: 404|does not appear to be a git repository|does not exist|"
        r"couldn't find remote ref",
        NotThere,
        "Check the URL and the branch; a private repository does not exist for those who may not "
        "see it.",
    ),
)
_TRY_AGAIN = "Check the network and run the command again: it continues where it stopped."


@dataclass(frozen=True)
class Access:
    """Authentication to one server; without a token git uses its own helpers and SSH keys.

    Attributes
    ----------
    origin:
        ``scheme://host[:port]`` that may receive the token; other servers never do.
    token:
        The token, sent as the password of HTTP's Basic scheme.
    """

    origin: str = ""
    token: str = field(default="", repr=False)

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables that pass the token to git outside its arguments."""
        if not self.token or not self.origin:
            return {}
        basic = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
        # After a redirect git would send the header to the other server too.
        settings = (
            (f"http.{self.origin}/.extraHeader", f"Authorization: Basic {basic}"),
            ("http.followRedirects", "false"),
        )
        return _configuration(environ, settings)


NO_ACCESS = Access()


@dataclass(frozen=True)
class Remote:
    """A remote by its URL, as seen from a repository.

    Attributes
    ----------
    url:
        The URL, without credentials.
    directory:
        The Git repository that git runs in.
    access:
        How to authenticate.
    settings:
        Further Git settings, see :func:`transport_settings`.
    """

    url: str
    directory: Path
    access: Access = NO_ACCESS
    settings: tuple[tuple[str, str], ...] = ()

    def branches(self) -> dict[str, str]:
        """Return the branches of the remote with their commits.

        Raises
        ------
        MlrepoError
            The remote cannot be read; the message includes git's own.
        """
        listed, _ = self._git("read", "ls-remote", "--heads", "--", self.url)
        pairs = (line.split("\t") for line in listed.splitlines())
        return {name.removeprefix("refs/heads/"): oid for oid, name in pairs}

    def is_public(self) -> bool:
        """Return whether anybody may read the remote, by trying without any credentials."""
        if not self.url.startswith(("http://", "https://")):
            return False
        nobody = (
            ("credential.helper", ""),
            ("core.askPass", ""),
            (f"http.{self.url}.extraHeader", ""),
        )
        # HOME may contain .netrc, which no option makes git ignore.
        environ = _without_askpass() | {"HOME": os.devnull}
        environ |= _configuration(environ, (*self.settings, *nobody))
        try:
            git("ls-remote", "--heads", "--", self.url, cwd=self.directory, environ=environ)
        except GitError:
            return False
        return True

    def has(self, commit: str) -> bool:
        """Return whether a commit of this repository is on a branch of the remote.

        It uses the negotiation of git's protocol (git 2.32), which transfers no objects.
        """
        commit = git("rev-parse", "--verify", commit, cwd=self.directory).strip()
        if commit in self.branches().values():
            return True
        try:
            common = git(
                "fetch",
                "--negotiate-only",
                f"--negotiation-tip={commit}",
                "--",
                self.url,
                cwd=self.directory,
                environ=self._environ(),
            )
        except GitError as error:
            if "acknowledgments" in error.stderr:
                return False  # git 2.39 says so when nothing is common
            if re.search("wait-for-done|negotiate-only|protocol v2", error.stderr):
                return True  # client or server is older than git 2.32: the push will show
            raise remote_error(error, self.url, "read") from error
        return commit in common.split()

    def fetch(self, name: str, *options: str, into: Mapping[str, str]) -> None:
        """Fetch each key of ``into`` (a branch or a commit) to the local ref that is its value.

        The remote is added to the repository's configuration as ``name``: Git treats objects that
        a filter leaves out as promised only if the remote has a name.
        """
        git("config", f"remote.{name}.url", self.url, cwd=self.directory)
        refs = [f"+{there}:{here}" for there, here in into.items()]
        self._git("fetch from", "fetch", "--quiet", "--no-tags", *options, name, *refs)

    def push(self, commit: str, branch: str, *, expected: str, options: Sequence[str] = ()) -> str:
        """Move a branch of the remote to ``commit`` if it still points to ``expected``.

        Only objects that the remote lacks and that are present locally are sent: a partial clone
        must not fetch other people's files in order to push them.

        Parameters
        ----------
        expected:
            The commit that the branch points to; empty if the branch must not exist.
        options:
            Push options, one ``key`` or ``key=value`` each.

        Returns
        -------
        str
            The messages of the remote, such as links and hints.
        """
        ref = f"refs/heads/{branch}"
        _, said = self._git(
            "push to",
            "-c",
            "push.negotiate=true",
            "-c",
            "pack.useSparse=false",
            "push",
            "--no-signed",
            "--recurse-submodules=no",
            *(f"--push-option={option}" for option in options),
            f"--force-with-lease={ref}:{expected}",
            "--",
            self.url,
            f"{commit}:{ref}",
        )
        lines = (line for line in said.splitlines() if line.startswith("remote:"))
        return printable("\n".join(line.removeprefix("remote:").strip() for line in lines)).strip()

    def try_push(self, commit: str, branch: str, *, expected: str) -> None:
        """Ask whether the remote lets this user push; no object is sent and no branch moves.

        The parameters are those of :meth:`push`. Rules that the remote applies to received
        objects, such as its own hooks, are not tested.
        """
        ref = f"refs/heads/{branch}"
        lease = f"--force-with-lease={ref}:{expected}"
        self._git(
            "push to", "push", "--dry-run", "--no-verify", lease, "--", self.url, f"{commit}:{ref}"
        )

    def _git(self, doing: str, *arguments: str) -> tuple[str, str]:
        try:
            out, said = git_output(*arguments, cwd=self.directory, environ=self._environ())
        except GitError as error:
            raise remote_error(error, self.url, doing) from error
        return out.decode(errors="surrogateescape"), said.decode(errors="replace")

    def _environ(self) -> dict[str, str]:
        known = dict(os.environ)
        known |= _configuration(known, self.settings)
        return PATIENCE | known | self.access.variables(known) | NO_FETCH


def refuse_credentials(url: str) -> str:
    """Return the URL if it has no password; else raise :class:`UserError`, without showing it."""
    clean = shown_url(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        # Python's own message would repeat the offending part of the URL.
        raise UserError(f"{clean!r} is not a URL.", hint="Check the URL.") from None
    named = parts.password or (parts.username and parts.scheme in ("http", "https"))
    if named or "<redacted>" in clean:
        raise UserError(
            f"The URL {clean} holds credentials; they would end in logs and files.",
            hint="Take them out, revoke them, and give a token by GH_TOKEN or Git's credential "
            "helper.",
        )
    return url


def transport_settings(home: Path) -> tuple[tuple[str, str], ...]:
    """Return the settings for reaching remotes from a repository's configuration.

    Proxies, certificates, credential helpers and rewritten URLs, for running git in another
    repository on behalf of this one.
    """
    try:
        listed = git(
            "config",
            "--local",
            "--includes",
            "-z",
            "--get-regexp",
            r"^(http|credential|url|ssh)\.|^core\.(sshcommand|askpass|gitproxy)$",
            cwd=home,
        )
    except GitError:
        return ()  # nothing is set
    pairs = (entry.partition("\n") for entry in listed.split("\0") if entry)
    return tuple((key, value) for key, _, value in pairs)


def place_of(url: str) -> str:
    """Return host and path of a URL or path, to compare different spellings of one repository.

    Scheme, login, port, ``.git`` and query are dropped, since a repository may be read by one URL
    and pushed to by another. The host is in lower case.
    """
    if "://" in url:
        try:
            parts = urlsplit(url)
        except ValueError:
            return url
        host, path = (parts.hostname or ""), parts.path
    else:
        host, colon, path = url.partition(":")
        if not colon or "/" in host:
            host, path = "", url
        host = host.rpartition("@")[2]
    path = path.rstrip("/").removesuffix(".git")
    return f"{host.lower()}/{path.lstrip('/')}" if host and host != "localhost" else path


def url_that_stands_for(name: str, directory: Path) -> str:
    """Return the URL that git uses for a remote's name or a shortened URL; else the text itself."""
    try:
        return git("ls-remote", "--get-url", "--", name, cwd=directory, in_hook=True).strip()
    except GitError:
        return name


def is_branch_name(name: str) -> bool:
    """Return whether git accepts the name for a branch."""
    try:
        git("check-ref-format", "--branch", name, cwd=Path("/"))
    except GitError:
        return False
    return not name.startswith("@")


def credential_of(url: str, directory: Path) -> str:
    """Return the password that Git's credential helpers have for ``url``; never prompts."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return ""
    question = f"protocol={parts.scheme}\nhost={parts.netloc}\npath={parts.path[1:]}\n\n"
    try:
        answer = git(
            "credential",
            "fill",
            cwd=directory,
            stdin=question.encode(),
            environ=_without_askpass() | {"GCM_INTERACTIVE": "never"},
        )
    except GitError:
        return ""
    found = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    return found.get("password", "")


def remote_error(error: GitError, url: str, doing: str) -> MlrepoError:
    """Return the error for a failed exchange with a remote, with git's message and a remedy."""
    said = "\n".join(
        line for line in error.stderr.splitlines() if not line.startswith(("To ", "hint:"))
    )
    kind, hint = next(
        ((kind, hint) for words, kind, hint in _REFUSALS if re.search(words, said, re.I)),
        (Unanswered, _TRY_AGAIN),
    )
    said = printable(said) or error.message
    shown = shown_url(url)
    return kind(f"Git could not {doing} {shown}: {said.replace(url, shown)}", hint=hint)


def printable(text: str) -> str:
    """Return a server's message without terminal control sequences."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text.expandtabs())


# Give up on a server that is silent for a minute; the user's own values take precedence.
PATIENCE = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}


def _configuration(
    environ: Mapping[str, str], settings: Sequence[tuple[str, str]]
) -> dict[str, str]:
    """Return the variables that add settings to those already in the environment."""
    count = environ.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isdigit() else 0
    variables = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings, start=first):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _without_askpass() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("GIT_ASKPASS", "SSH_ASKPASS")}
