"""Finding credentials in bytes that are about to leave: the patterns of the redactor, anchored.

The redactor (:mod:`mlrepo.redaction`) masks generously, since a mask costs nothing. Here a match
refuses a commit, so a placeholder such as ``$TOKEN`` is none, and a line that says
``mlrepo:allow-secret`` is let through.
"""

from __future__ import annotations

from typing import NamedTuple

from mlrepo.secret_anchors import possible_kinds

ALLOW_MARK = b"mlrepo:allow-secret"

_PLACEHOLDER = frozenset("$<>{}%*")
_SHORTEST_VALUE = 6


class Secret(NamedTuple):
    """A credential that was found: what it is and the line, counted from 1; never its text."""

    kind: str
    line: int


def find_secrets(data: bytes) -> list[Secret]:
    """Return the credentials in ``data``, at most one of a kind in a line."""
    kinds = possible_kinds(data)
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
