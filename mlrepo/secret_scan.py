"""Finding credentials in bytes that are about to leave: the patterns of the redactor, anchored.

The redactor (:mod:`mlrepo.redaction`) masks generously, since a mask costs nothing. Here a match
refuses a commit, so a placeholder such as ``$TOKEN`` is none, and a line that says
``mlrepo:allow-secret`` is let through.
"""

from __future__ import annotations

from typing import NamedTuple

ALLOW_MARK = b"mlrepo:allow-secret"

# A pattern is tried only where one of its anchors stands: searching fixed bytes is fast, and the
# patterns themselves are not even loaded for a commit without any.
ANCHORS: dict[str, tuple[bytes, ...]] = {
    "GitHub token": (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
    "GitLab token": (b"glpat-",),
    "AWS access key": (b"AKIA", b"ASIA"),
    "Slack token": (b"xox",),
    "Google API key": (b"AIza",),
    "Hugging Face token": (b"hf_",),
    "PyPI token": (b"pypi-",),
    "OpenAI key": (b"sk-",),
    "JSON web token": (b"eyJ",),
    "private key": (b"PRIVATE KEY-----",),
    "credentials in a URL": (b"://",),
    "authorization header": (b"uthorization", b"UTHORIZATION"),
}
_PLACEHOLDER = frozenset("$<>{}%*")
_SHORTEST_VALUE = 6


class Secret(NamedTuple):
    """A credential that was found: what it is and the line, counted from 1; never its text."""

    kind: str
    line: int


def find_secrets(data: bytes) -> list[Secret]:
    """Return the credentials in ``data``, at most one of a kind in a line."""
    kinds = [kind for kind, anchors in ANCHORS.items() if any(a in data for a in anchors)]
    if not kinds:
        return []
    from mlrepo.redaction import SECRET_PATTERNS

    text = data.decode("latin-1")
    found: set[Secret] = set()
    for kind in kinds:
        for match in SECRET_PATTERNS[kind].finditer(text):
            value = match["secret"] if "secret" in match.re.groupindex else match[0]
            start = match.start()
            if _is_credential(kind, value) and ALLOW_MARK not in _line_at(data, start):
                found.add(Secret(kind, data.count(b"\n", 0, start) + 1))
    return sorted(found, key=lambda secret: (secret.line, secret.kind))


def _is_credential(kind: str, value: str) -> bool:
    if kind == "OpenAI key":
        return any(character.isdigit() for character in value)
    if kind == "credentials in a URL":
        _, colon, value = value.partition(":")
        return bool(colon) and not _PLACEHOLDER & set(value) and len(value) >= _SHORTEST_VALUE
    if kind == "authorization header":
        return len(value) >= _SHORTEST_VALUE and not _PLACEHOLDER & set(value)
    return True


def _line_at(data: bytes, position: int) -> bytes:
    end = data.find(b"\n", position)
    return data[data.rfind(b"\n", 0, position) + 1 : end if end >= 0 else len(data)]
