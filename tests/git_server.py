"""A real Git server over smart HTTP: ``git http-backend`` behind the standard library's server.

Repositories are bare directories ``<owner>/<name>.git``. Whoever pushes, and whoever reads a
private one, sends a token as the password of HTTP's Basic scheme. A test can plant faults: a
request that matches is answered by the fault, before or after it took effect.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import os
import re
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BEFORE, AFTER = "before", "after"
_GIT_SUFFIXES = ("/info/refs", "/git-upload-pack", "/git-receive-pack")


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Fault:
    """What happens to requests whose ``METHOD /path?query`` matches.

    Attributes
    ----------
    pattern:
        A regular expression, searched.
    act:
        Called with the handler; an :class:`Answer` it returns is sent, ``None`` lets the request
        go on, False closes the connection with a reset.
    when:
        :data:`BEFORE` the request took effect, or :data:`AFTER`, in place of its answer.
    times:
        How many requests are hit.
    skip:
        How many matching requests pass first.
    """

    pattern: str
    act: Callable[[Any], Answer | bool | None]
    when: str = BEFORE
    times: int = 1
    skip: int = 0

    def hits(self, line: str, when: str) -> bool:
        """Say whether this request is hit, and count it."""
        if self.when != when or not re.search(self.pattern, line):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times == 0:
            return False
        self.times -= 1
        return True


@dataclass(frozen=True)
class Request:
    """A request as it came in; ``token`` is what it was signed with."""

    line: str
    token: str
    agent: str


class GitServer:
    """The server; a context manager.

    Attributes
    ----------
    repositories:
        The directory with the bare repositories.
    tokens:
        Token to login.
    private:
        ``owner/name`` of repositories that only known tokens may read.
    api:
        Answers requests below ``/api/v3``; None: there is no API.
    requests:
        All requests, in order.
    """

    def __init__(self, repositories: Path) -> None:
        self.repositories = repositories
        self.tokens: dict[str, str] = {}
        self.private: set[str] = set()
        self.api: Callable[[str, str, str, bytes], Answer] | None = None
        self.may_read: Callable[[str], bool] = lambda full_name: True
        self.may_push: Callable[[str, str], bool] = lambda login, full_name: True
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.lock = threading.RLock()
        server = self

        class Handler(_Handler):
            site = server

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> GitServer:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def path(self, full_name: str) -> Path:
        """Return the bare repository of ``owner/name``."""
        return self.repositories / f"{full_name}.git"

    def lines(self) -> list[str]:
        """Return ``METHOD /path?query`` of all requests."""
        return [request.line for request in self.requests]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: GitServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PATCH = do_GET

    def _serve(self) -> None:
        body = self._body()
        line = f"{self.command} {self.path}"
        token = _token(self.headers.get("Authorization", ""))
        self.site.requests.append(Request(line, token, self.headers.get("User-Agent", "")))
        if self._faulty(line, BEFORE):
            return
        url = urlsplit(self.path)
        if self.site.api is not None and url.path.startswith("/api/v3/"):
            with self.site.lock:
                answer = self.site.api(self.command, self.path.removeprefix("/api/v3"), token, body)
        else:
            answer = self._git(url.path, url.query, token, body)
        if not self._faulty(line, AFTER):
            self._send(answer)

    def _faulty(self, line: str, when: str) -> bool:
        for fault in self.site.faults:
            if fault.hits(line, when):
                answer = fault.act(self)
                if answer is None:
                    continue
                if isinstance(answer, Answer):
                    self._send(answer)
                else:
                    self.reset()
                return True
        return False

    def reset(self) -> None:
        """Close the connection so that the other side sees a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def _send(self, answer: Answer) -> None:
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
        except OSError:
            self.close_connection = True  # the client is gone: killed, or out of patience

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _git(self, path: str, query: str, token: str, body: bytes) -> Answer:
        suffix = next((suffix for suffix in _GIT_SUFFIXES if path.endswith(suffix)), "")
        full_name = path.removesuffix(suffix).strip("/").removesuffix(".git")
        pushing = "receive-pack" in path + query
        login = self.site.tokens.get(token, "")
        if token and not login:
            return Answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"bad credentials")
        hidden = full_name in self.site.private and not login
        if (pushing or hidden) and not login:
            return Answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"who are you?")
        directory = self.site.path(full_name)
        if not suffix or not directory.is_dir() or not self.site.may_read(full_name):
            return Answer(404, {}, b"Repository not found.")
        if pushing and not self.site.may_push(login, full_name):
            return Answer(403, {}, f"Permission to {full_name} denied to {login}.".encode())
        return _backend(
            self.site.repositories,
            {
                "REQUEST_METHOD": self.command,
                "PATH_INFO": f"/{full_name}.git{suffix}",
                "QUERY_STRING": query,
                "REMOTE_USER": login,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
            body,
        )


def reset(handler: Any) -> bool:
    """Let the client see a connection reset."""
    return False


def slow(seconds: float) -> Callable[[Any], None]:
    """Return a fault that lets the client wait and then goes on."""
    return lambda handler: time.sleep(seconds)


def status(code: int, body: bytes = b"", **headers: str) -> Callable[[Any], Answer]:
    """Return a fault that answers with a status; underscores in header names are dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: Answer(code, {"Content-Type": "application/json", **named}, body)


def _backend(root: Path, variables: Mapping[str, str], body: bytes) -> Answer:
    kept = ("PATH", "HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM")
    done = subprocess.run(
        ["git", "http-backend"],
        input=body,
        capture_output=True,
        env={name: os.environ[name] for name in kept if name in os.environ}
        | {"GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_ADDR": "127.0.0.1"}
        | dict(variables),
        check=False,
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    code = int(headers.pop("Status", "200").split()[0])
    return Answer(code, headers, content)


def _token(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() == "basic":
        return base64.b64decode(value).decode().partition(":")[2]
    return ""
