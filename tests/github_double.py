"""A double of GitHub's REST API over real bare repositories, held against GitHub's description.

It keeps state as GitHub does: a fork is a copy that takes its time, a pull request exists only if
its branch exists in the bare repository, and a second one for the same branch is refused. Every
request, and every answer, is validated against ``data/github/openapi.json`` (cut from GitHub's
published OpenAPI description); what does not fit is a violation, and the test that sees one fails.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema

from tests.git_server import Answer, GitServer

_DESCRIPTION = Path(__file__).parent / "data" / "github" / "openapi.json"
_DOCUMENTATION = "https://docs.github.com/rest"


@dataclass
class Repository:
    """A repository that the double knows.

    Attributes
    ----------
    parent:
        ``owner/name`` of what it is a fork of; empty if of nothing.
    unready:
        How many requests of git find nothing there yet.
    """

    id: int
    full_name: str
    private: bool
    parent: str = ""
    unready: int = 0


@dataclass
class Pull:
    """A pull request that was made."""

    number: int
    title: str
    body: str
    draft: bool
    head: str
    sha: str
    base: str
    state: str = "open"
    merged: bool = False


class GitHubDouble:
    """The API, to be mounted in a :class:`GitServer`.

    Attributes
    ----------
    violations:
        What did not fit the description; a test asserts that there are none.
    fork_delay:
        How many requests of git a new fork is not ready for.
    drafts:
        Whether the official repository takes drafts.
    """

    def __init__(self, server: GitServer) -> None:
        self.server = server
        self.repositories: dict[str, Repository] = {}
        self.pulls: dict[str, list[Pull]] = {}
        self.violations: list[str] = []
        self.fork_delay = 0
        self.drafts = True
        self.forking = True
        server.api = self.answer
        server.may_read = self._may_read
        server.may_push = lambda login, name: name.partition("/")[0] in (login, f"{login}-lab")

    def add(self, full_name: str, *, private: bool = False, parent: str = "") -> Repository:
        """Make the double know a bare repository of the server."""
        repository = Repository(len(self.repositories) + 1, full_name, private, parent)
        self.repositories[full_name.lower()] = repository
        if private:
            self.server.private.add(full_name)
        return repository

    def answer(self, method: str, path: str, token: str, body: bytes) -> Answer:
        """Answer one request; see :class:`GitServer`."""
        url = urlsplit(path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        content = json.loads(body) if body else None
        template, names = _operation(url.path)
        if template is None or method.lower() not in _description()["paths"][template]:
            self.violations.append(f"{method} {url.path} is not described")
            return Answer(404, {}, b"")
        operation = _description()["paths"][template][method.lower()]
        self.violations += [f"{method} {path}: {e}" for e in _wrong(operation, query, content)]
        login = self.server.tokens.get(token, "")
        if not login:
            # Every operation answers so; the description lists it for some.
            return _json(401, {"message": "Bad credentials", "documentation_url": _DOCUMENTATION})
        handler = _HANDLERS[method, template]
        status, answer = handler(self, names, query, content, login)
        self.violations += [f"{method} {path}: {e}" for e in _bad(operation, status, answer)]
        return _json(status, answer)

    def close(self, number: int, *, merged: bool = False) -> None:
        """Close a request by hand, or merge it."""
        [pull] = [pull for pulls in self.pulls.values() for pull in pulls if pull.number == number]
        pull.state, pull.merged = "closed", merged

    def _may_read(self, full_name: str) -> bool:
        repository = self.repositories.get(full_name.lower())
        if repository is None:
            return False
        if repository.unready:
            repository.unready -= 1
            return False
        return True

    def _user(self, names: Any, query: Any, content: Any, login: str) -> tuple[int, Any]:
        schema = {"$ref": "#/components/schemas/public-user"}
        return 200, _example(schema) | {"login": login, "user_view_type": "public"}

    def _get(self, names: Any, query: Any, content: Any, login: str) -> tuple[int, Any]:
        repository = self.repositories.get("{owner}/{repo}".format(**names).lower())
        return (200, self._full(repository)) if repository else _NOT_FOUND

    def _fork(self, names: Any, query: Any, content: Any, login: str) -> tuple[int, Any]:
        source = self.repositories.get("{owner}/{repo}".format(**names).lower())
        if source is None:
            return _NOT_FOUND
        if not self.forking:
            return 403, {
                "message": "The repository exists, but forking is disabled.",
                "documentation_url": _DOCUMENTATION,
            }
        owner = content.get("organization") or login
        full_name = f"{owner}/{content.get('name') or names['repo']}"
        known = self.repositories.get(full_name.lower())
        if known is None:
            target = self.server.path(full_name)
            _git("clone", "--quiet", "--bare", self.server.path(source.full_name), target)
            allow(target)
            known = self.add(full_name, private=source.private, parent=source.full_name)
            known.unready = self.fork_delay
        return 202, self._full(known)

    def _sync(self, names: Any, query: Any, content: Any, login: str) -> tuple[int, Any]:
        fork = self.repositories["{owner}/{repo}".format(**names).lower()]
        branch = content["branch"]
        mine, theirs = self.server.path(fork.full_name), self.server.path(fork.parent)
        ref = f"refs/heads/{branch}"
        done = subprocess.run(
            ["git", "fetch", "--quiet", theirs, f"{ref}:{ref}"],
            cwd=mine,
            check=False,
            capture_output=True,
        )
        if done.returncode:
            return 409, {"message": "There are merge conflicts", "documentation_url": ""}
        return 200, {
            "message": f"Successfully fetched and fast-forwarded from upstream {fork.parent}.",
            "merge_type": "fast-forward",
            "base_branch": f"{fork.parent.partition('/')[0]}:{branch}",
        }

    def _list(self, names: Any, query: Any, content: Any, login: str) -> tuple[int, Any]:
        pulls = self.pulls.get("{owner}/{repo}".format(**names).lower(), [])
        state = query.get("state", "open")
        found = [
            pull
            for pull in pulls
            if state in ("all", pull.state)
            and query.get("head", pull.head).lower() == pull.head.lower()
            and query.get("base", pull.base) == pull.base
        ]
        found.sort(key=lambda pull: pull.number, reverse=query.get("direction") == "desc")
        return 200, [self._pull(pull, names, "pull-request-simple") for pull in found]

    def _open(self, names: Any, query: Any, content: Any, login: str) -> tuple[int, Any]:
        full_name = "{owner}/{repo}".format(**names).lower()
        pulls = self.pulls.setdefault(full_name, [])
        owner, _, branch = content["head"].partition(":")
        heads = [
            tip(self.server.path(repository.full_name), branch)
            for repository in self.repositories.values()
            if repository.full_name.partition("/")[0].lower() == owner.lower()
            and full_name in (repository.full_name.lower(), repository.parent.lower())
        ]
        official = self.repositories[full_name]
        base = tip(self.server.path(official.full_name), content["base"])
        if not any(heads) or not base:
            return _unprocessable("PullRequest", "invalid", field="base" if not base else "head")
        if not self.drafts and content.get("draft"):
            return _unprocessable("Draft pull requests are not supported in this repository.")
        same = [p for p in pulls if (p.head, p.base) == (content["head"], content["base"])]
        if any(pull.state == "open" for pull in same):
            return _unprocessable(f"A pull request already exists for {content['head']}.")
        pull = Pull(
            sum(map(len, self.pulls.values())) + 1,
            content["title"],
            content.get("body", ""),
            content.get("draft", False),
            content["head"],
            next(filter(None, heads)),
            content["base"],
        )
        pulls.append(pull)
        return 201, self._pull(pull, names, "pull-request")

    def _change(self, names: Any, query: Any, content: Any, login: str) -> tuple[int, Any]:
        pulls = self.pulls["{owner}/{repo}".format(**names).lower()]
        [pull] = [pull for pull in pulls if str(pull.number) == names["pull_number"]]
        pull.title, pull.body = content.get("title", pull.title), content.get("body", pull.body)
        return 200, self._pull(pull, names, "pull-request")

    def _full(self, repository: Repository) -> Any:
        made = self._minimal(repository, "full-repository")
        if repository.parent:
            parent = self.repositories[repository.parent.lower()]
            made |= dict.fromkeys(("parent", "source"), self._minimal(parent, "repository"))
        return made

    def _minimal(self, repository: Repository, schema: str) -> dict[str, Any]:
        owner, _, name = repository.full_name.partition("/")
        made: dict[str, Any] = _example({"$ref": f"#/components/schemas/{schema}"})
        site = self.server.url
        made["owner"] = _example({"$ref": "#/components/schemas/simple-user"}) | {"login": owner}
        return made | {
            "id": repository.id,
            "name": name,
            "full_name": repository.full_name,
            "private": repository.private,
            "fork": bool(repository.parent),
            "default_branch": "main",
            "clone_url": f"{site}/{repository.full_name}.git",
            "ssh_url": f"git@127.0.0.1:{repository.full_name}.git",
            "html_url": f"{site}/{repository.full_name}",
        }

    def _pull(self, pull: Pull, names: Mapping[str, str], schema: str) -> Any:
        made = _example({"$ref": f"#/components/schemas/{schema}"})
        made["head"] |= {"label": pull.head, "ref": pull.head.partition(":")[2], "sha": pull.sha}
        made["base"] |= {"label": f"{names['owner']}:{pull.base}", "ref": pull.base}
        return made | {
            "number": pull.number,
            "title": pull.title,
            "body": pull.body,
            "draft": pull.draft,
            "state": pull.state,
            "merged_at": "2026-11-25T12:00:00Z" if pull.merged else None,
            "html_url": f"{self.server.url}/{names['owner']}/{names['repo']}/pull/{pull.number}",
        }


def allow(bare: Path) -> None:
    """Let a bare repository be used as forges let theirs: partial clones, pushes over HTTP."""
    for key in (
        "uploadpack.allowFilter",
        "uploadpack.allowAnySHA1InWant",
        "http.receivepack",
        "uploadpack.advertiseObjectInfo",
    ):
        _git("config", key, "true", cwd=bare)


def tip(bare: Path, branch: str) -> str:
    """Return the commit of a branch; empty when there is none."""
    done = subprocess.run(
        ["git", "rev-parse", "--quiet", "--verify", f"refs/heads/{branch}"],
        cwd=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def _git(*arguments: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)


def _json(status: int, content: Any) -> Answer:
    body = json.dumps(content).encode()
    return Answer(status, {"Content-Type": "application/json; charset=utf-8"}, body)


_NOT_FOUND = (404, {"message": "Not Found", "documentation_url": _DOCUMENTATION})


def _unprocessable(message: str, code: str = "custom", **more: str) -> tuple[int, Any]:
    error = {"resource": "PullRequest", "code": code, "message": message, **more}
    return 422, {
        "message": "Validation Failed",
        "errors": [error],
        "documentation_url": _DOCUMENTATION,
    }


_HANDLERS = {
    ("GET", "/user"): GitHubDouble._user,
    ("GET", "/repos/{owner}/{repo}"): GitHubDouble._get,
    ("POST", "/repos/{owner}/{repo}/forks"): GitHubDouble._fork,
    ("POST", "/repos/{owner}/{repo}/merge-upstream"): GitHubDouble._sync,
    ("GET", "/repos/{owner}/{repo}/pulls"): GitHubDouble._list,
    ("POST", "/repos/{owner}/{repo}/pulls"): GitHubDouble._open,
    ("PATCH", "/repos/{owner}/{repo}/pulls/{pull_number}"): GitHubDouble._change,
}


@functools.cache
def _description() -> Any:
    return _as_json_schema(json.loads(_DESCRIPTION.read_text()))


def _as_json_schema(part: Any) -> Any:
    """Return an OpenAPI 3.0 description with ``nullable`` said as JSON Schema says it."""
    if isinstance(part, list):
        return [_as_json_schema(value) for value in part]
    if not isinstance(part, dict):
        return part
    made = {key: _as_json_schema(value) for key, value in part.items() if key != "nullable"}
    return {"anyOf": [made, {"type": "null"}]} if part.get("nullable") is True else made


def _operation(path: str) -> tuple[str | None, Mapping[str, str]]:
    for template in _description()["paths"]:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
        if match := re.fullmatch(pattern, path):
            return template, match.groupdict()
    return None, {}


def _wrong(operation: Any, query: Mapping[str, str], content: Any) -> list[str]:
    """Return how a request breaks the description; what it does not name counts as broken."""
    parameters = [_resolved(parameter) for parameter in operation.get("parameters", [])]
    known = {p["name"]: p["schema"] for p in parameters if p["in"] == "query"}
    wrong = [f"unknown parameter {name}" for name in query if name not in known]
    for name in query.keys() & known.keys():
        numeric = known[name].get("type") == "integer"
        wrong += _errors(known[name], int(query[name]) if numeric else query[name])
    if "requestBody" not in operation:
        return wrong + (["unexpected body"] if content is not None else [])
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    plain = schema.get("anyOf", [schema])[0]
    names = set(content or {}) - set(plain["properties"])
    return wrong + [f"unknown property {name}" for name in names] + _errors(schema, content)


def _bad(operation: Any, status: int, answer: Any) -> list[str]:
    """Return how an answer breaks the description."""
    response = operation["responses"].get(str(status))
    if response is None:
        return [f"the status {status} is not described"]
    content = _resolved(response).get("content")
    if content is None:
        return []
    return _errors(content["application/json"]["schema"], answer)


def _errors(schema: Any, value: Any) -> list[str]:
    whole = {**schema, "components": _description()["components"]}
    validator = jsonschema.Draft202012Validator(
        whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def _resolved(part: Any) -> Any:
    while "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = _description()["components"][kind][name]
    return part


def _example(schema: Any) -> Any:
    """Return the smallest value that fits a schema: required properties only, null where it may."""
    schema = _resolved(schema)
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in schema:
            options = [_resolved(option) for option in schema[alternatives]]
            nothing = any(option.get("type") == "null" for option in options)
            return None if nothing else _example(options[0])
    if "allOf" in schema:
        made: dict[str, Any] = {}
        for part in schema["allOf"]:
            made |= _example(part)
        return made
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _example(properties[name]) for name in schema.get("required", [])}
    text = {"date-time": "2026-11-25T12:00:00Z", "uri": "https://example.org/"}
    plain = {"integer": 1, "number": 1, "boolean": False, "array": []}
    return plain[kind] if kind in plain else text.get(schema.get("format", ""), "text")
