"""JSON over HTTP with the standard library: a forge's answers, and the meaning of failures.

A request that only reads is repeated if the connection or the server fails. One that changes
something is never repeated blindly: the caller first checks whether it took effect.
"""

from __future__ import annotations

import datetime
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlrepo import __version__
from mlrepo.errors import RemoteUnavailable, Unanswered, UserError
from mlrepo.repository.remotes import printable

_ATTEMPTS = 3
# No answer of a forge is longer than a few hundred kilobytes.
_LONGEST_ANSWER = 16 << 20


class RateLimited(RemoteUnavailable):
    """The server limits the rate of requests; nothing took effect."""


class Refused(RemoteUnavailable):
    """The server understood and declined; nothing took effect.

    Attributes
    ----------
    status:
        The HTTP status.
    reasons:
        The reasons that the server gives.
    """

    def __init__(self, message: str, *, status: int, reasons: tuple[str, ...], hint: str) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.reasons = reasons


@dataclass(frozen=True)
class JsonApi:
    """One API below a root URL.

    Attributes
    ----------
    root:
        As :func:`api_root` returns it.
    token:
        Only sent to this root's server, even if it redirects.
    token_origin:
        Where the token came from, for messages.
    timeout:
        Seconds to wait for an answer.
    """

    root: str
    token: str = field(repr=False)
    token_origin: str
    timeout: float

    def get(self, path: str, **query: str) -> Any:
        """Send a GET request; repeated if the connection or the server fails."""
        question = f"?{urllib.parse.urlencode(query)}" if query else ""
        for attempt in range(1, _ATTEMPTS):
            try:
                return self._send("GET", path, None, question)
            except Unanswered:
                time.sleep(min(attempt, self.timeout / 10 * attempt))
        return self._send("GET", path, None, question)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """Send a POST request, once."""
        return self._send("POST", path, body)

    def patch(self, path: str, body: Mapping[str, object]) -> Any:
        """Send a PATCH request, once."""
        return self._send("PATCH", path, body)

    def _send(
        self, method: str, path: str, body: Mapping[str, object] | None, question: str = ""
    ) -> Any:
        url = self.root + urllib.parse.quote(path)
        what = f"{method} {url}"
        request = urllib.request.Request(
            url + question,
            None if body is None else json.dumps(body).encode(),
            {
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "User-Agent": f"mlrepo/{__version__}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            method=method,
        )
        request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        opener = urllib.request.build_opener(_SameServer(self))
        try:
            with opener.open(request, timeout=self.timeout) as answer:
                return _parsed(answer, what)
        except urllib.error.HTTPError as error:
            with error:
                raise self._failure(error, what) from None
        except TimeoutError as error:
            raise self._unanswered(what, f"no answer in {self.timeout:.0f} s") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise self._unanswered(what, str(reason) or type(error).__name__) from error

    def _failure(self, error: urllib.error.HTTPError, what: str) -> RemoteUnavailable:
        reasons = _reasons(error)
        said = "; ".join(reasons) or error.reason or "no reason given"
        wait = _wait_of(error)
        if error.code >= 500:
            return self._unanswered(what, f"HTTP {error.code}: {said}")
        if error.code == 429 or (error.code == 403 and wait is not None):
            until = "" if wait is None else f" until {_clock(wait)} UTC"
            return RateLimited(
                f"{what}: the forge takes no more requests{until}: {said}",
                hint="Run the command again then: it continues where it stopped.",
            )
        return Refused(
            f"{what}: HTTP {error.code}: {said}",
            status=error.code,
            reasons=reasons,
            hint=self._way_out(error.code),
        )

    def _way_out(self, status: int) -> str:
        who = f"The token from {self.token_origin}"
        return {
            401: f"{who} is not known to the forge. Renew it, and run the command again.",
            403: f"{who} may not do this. It needs the right to read the official repository, and "
            "to write contents and pull requests of the fork (classic tokens: repo).",
            404: "It does not exist, or the token may not see it. Check official.repository, "
            "official.fork and the token.",
        }.get(status, "Run `mlrepo submit --dry-run` to see what is done and what is left.")

    def _unanswered(self, what: str, why: str) -> Unanswered:
        return Unanswered(
            f"{what}: {why}.",
            hint="Check the network and the forge's status page, and run the command again: it "
            "continues where it stopped.",
        )


def api_root(url: str) -> str:
    """Return the root of an API without a trailing slash; plain HTTP only on this machine.

    Raises
    ------
    UserError
        The URL would send a token in clear text, or is not a valid API root.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
        fine = bool(parts.hostname) and not parts.username and (parts.scheme == "https" or plain)
    except ValueError:
        fine = False
    if not fine:
        raise UserError(
            "The URL of the forge's API must be https://HOST/… without credentials.",
            hint="Check official.api_url: `mlrepo config list`.",
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether a host name is this machine, so that nobody else can listen."""
    return host in ("127.0.0.1", "::1", "localhost")


class _SameServer(urllib.request.HTTPRedirectHandler):
    """Follows redirects of renamed repositories, never to another server."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        root = urllib.parse.urlsplit(self._api.root)
        new = urllib.parse.urlsplit(newurl)
        if req.get_method() != "GET" or (new.scheme, new.netloc) != (root.scheme, root.netloc):
            return None  # urllib raises the redirect as an error
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None:
            request.add_unredirected_header("Authorization", f"Bearer {self._api.token}")
        return request


def _parsed(answer: Any, what: str) -> Any:
    data = answer.read(_LONGEST_ANSWER)
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError as error:
        raise Unanswered(
            f"{what}: the answer is not JSON.",
            hint="Is official.api_url the root of the API? GitHub Enterprise: https://HOST/api/v3.",
        ) from error


def _reasons(error: urllib.error.HTTPError) -> tuple[str, ...]:
    """Return GitHub's reasons: ``message``, then the messages of ``errors``."""
    try:
        body = json.loads(error.read(_LONGEST_ANSWER))
    except (ValueError, OSError, http.client.HTTPException):
        return ()
    if not isinstance(body, dict):
        return ()
    errors = body.get("errors") if isinstance(body.get("errors"), list) else []
    single = [
        str(e.get("message") or " ".join(str(e[k]) for k in ("field", "code") if k in e))
        if isinstance(e, dict)
        else str(e)
        for e in errors or []
    ]
    return tuple(printable(text) for text in (str(body.get("message", "")), *single) if text)


def _wait_of(error: urllib.error.HTTPError) -> float | None:
    """Return the seconds that a rate-limited client has to wait; None if it is not limited."""
    after = error.headers.get("Retry-After", "")
    if after.isdigit():
        return float(after)
    reset = error.headers.get("X-RateLimit-Reset", "")
    if error.headers.get("X-RateLimit-Remaining") == "0" and reset.isdigit():
        return max(0.0, float(reset) - time.time())
    return None


def _clock(seconds: float) -> str:
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return then.strftime("%H:%M:%S")
