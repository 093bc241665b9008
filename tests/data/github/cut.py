"""Cut GitHub's OpenAPI description down to the requests that ``mlrepo submit`` makes.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    python tests/data/github/cut.py package > tests/data/github/openapi.json

The operations below and the components they refer to are kept; texts and examples are removed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OPERATIONS = {
    "/user": ("get",),
    "/repos/{owner}/{repo}": ("get",),
    "/repos/{owner}/{repo}/forks": ("post",),
    "/repos/{owner}/{repo}/merge-upstream": ("post",),
    "/repos/{owner}/{repo}/pulls": ("get", "post"),
    "/repos/{owner}/{repo}/pulls/{pull_number}": ("patch",),
}
_DROPPED = {
    "description",
    "summary",
    "examples",
    "example",
    "externalDocs",
    "x-github",
    "tags",
    "operationId",
    "x-github-breaking-changes",
    "headers",
    "title",
}


def main() -> None:
    """Read the package's description and print the cut one."""
    package = Path(sys.argv[1])
    whole = json.loads((package / "generated" / "api.github.com.json").read_text())
    version = json.loads((package / "package.json").read_text())["version"]
    paths = {
        path: {method: _bare(whole["paths"][path][method]) for method in methods}
        for path, methods in OPERATIONS.items()
    }
    components: dict[str, dict[str, Any]] = {}
    waiting = list(_references(paths))
    while waiting:
        kind, name = waiting.pop()
        if name not in components.setdefault(kind, {}):
            components[kind][name] = _bare(whole["components"][kind][name])
            waiting += _references(components[kind][name])
    json.dump(
        {
            "openapi": whole["openapi"],
            "info": {
                "title": whole["info"]["title"],
                "version": version,
                "license": whole["info"]["license"],
            },
            "paths": paths,
            "components": {
                kind: dict(sorted(parts.items())) for kind, parts in sorted(components.items())
            },
        },
        sys.stdout,
        indent=1,
        ensure_ascii=False,
    )
    print()


def _bare(part: Any, *, names: bool = False) -> Any:
    """Return a part without texts; below ``properties`` every key is a name and stays."""
    if isinstance(part, dict):
        return {
            key: _bare(value, names=key == "properties" and not names)
            for key, value in part.items()
            if names or key not in _DROPPED
        }
    if isinstance(part, list):
        return [_bare(value) for value in part]
    return part


def _references(part: Any) -> Iterator[tuple[str, str]]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            _, _, kind, name = part["$ref"].split("/")
            yield kind, name
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


if __name__ == "__main__":
    main()
