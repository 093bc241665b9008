"""Detection of credentials in bytes that are about to be committed or pushed.

The redactor (:mod:`mlrepo.redaction`) masks every match of the same patterns, since a mask costs
nothing. Here a match refuses a commit, so a placeholder such as ``$TOKEN`` does not count, and a
line that contains ``mlrepo:allow-secret`` is allowed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from mlrepo.secret_anchors import KINDS, READINGS, possible_kinds, views

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

ALLOW_MARK = b"mlrepo:allow-secret"

_SHORTEST_VALUE = 6
# Placeholders that manuals use for credentials.
_PLACEHOLDER = re.compile(
    r"[$<>{}%*]|\.\.\.|x{4}|your|example|dummy|placeholder|changeme|redacted|token-abc123"
    r"|\A(?:anonymous|anoncvs|password|passwd|pass|secret|token)\Z",
    re.IGNORECASE,
)

_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~\-]+")


class Secret(NamedTuple):
    """A credential that was found: its kind and its line, counted from 1, but never its text."""

    kind: str
    line: int


def find_secrets(data: bytes, among: Collection[str] = KINDS) -> list[Secret]:
    """Return the credentials in ``data``, in any encoding; at most one of each kind per line.

    Only the kinds ``among`` are searched for, if it is already known that there are no others.
    """
    kinds = possible_kinds(data, among)
    found = {
        Secret(kind, line)
        for view in (views(data) if kinds else ())
        for kind, line, _, _ in _found(view, kinds)
    }
    return sorted(found, key=lambda secret: (secret.line, secret.kind))


def without_secrets(data: bytes, among: Collection[str] = KINDS) -> tuple[bytes, dict[str, int]]:
    """Return ``data`` with each credential masked, and how many of each kind.

    Only the kinds ``among`` are searched for, if it is already known that there are no others.

    Data without credentials are returned unchanged. UTF-16 text with one is returned without its
    NULs, and text with terminal escapes in a secret without these.
    """
    from mlrepo.secret_patterns import MASK

    kinds = possible_kinds(data, among)
    counts: dict[str, int] = {}
    # Several readings may match in a file: the masked result of one is the input of the next.
    for reading in READINGS if kinds else ():
        view = reading(data)
        spans = [(start, end, kind) for kind, _, start, end in _found(view, kinds)]
        if not spans:
            continue
        kept, position = [], 0
        for start, end, kind in sorted(spans):
            if end > position:
                kept += [view[position : max(start, position)], MASK.encode()]
                position = end
                counts[kind] = counts.get(kind, 0) + 1
        data = b"".join([*kept, view[position:]])
    return data, counts


def _found(view: bytes, kinds: list[str]) -> Iterator[tuple[str, int, int, int]]:
    """Yield kind, line of the match, and start and end of the secret in it."""
    from mlrepo.secret_patterns import SECRET_PATTERNS

    text = view.decode("latin-1")
    for kind in kinds:
        judge = _JUDGES.get(kind)
        number, begin, end, allowed = 0, 0, -1, False  # of the last line examined
        for match in SECRET_PATTERNS[kind].finditer(text):
            group = "secret" if match.groupdict().get("secret") else 0
            if judge is not None and not judge(match[group]):
                continue
            if match.start() > end:
                number += view.count(b"\n", begin, match.start()) + (end < 0)
                begin = view.rfind(b"\n", 0, match.start()) + 1
                end = view.find(b"\n", match.start())
                end = len(view) if end < 0 else end
                allowed = ALLOW_MARK in view[begin:end]
            if not allowed:
                yield kind, number, *match.span(group)


def _has_digit(value: str) -> bool:
    return any(character.isdigit() for character in value)


def _is_no_placeholder(value: str) -> bool:
    return len(value) >= _SHORTEST_VALUE and not _PLACEHOLDER.search(value)


def _names_a_password(value: str) -> bool:
    _, colon, password = value.rpartition(":")
    return bool(colon) and _is_no_placeholder(password)


def _is_login(value: str) -> bool:
    """Return whether the value is a login in base64 or looks like a token, unlike code."""
    try:
        if b":" in base64.b64decode(value, validate=True):
            return True
    except ValueError:
        pass
    return bool(_TOKEN.fullmatch(value)) and _has_digit(value) and _is_no_placeholder(value)


_JUDGES: dict[str, Callable[[str], bool]] = {
    "OpenAI key": _has_digit,
    "Slack token": _has_digit,
    "credentials in a URL": _names_a_password,
    "authorization header": _is_login,
    "registry login": _is_login,
    "login in .netrc": _is_no_placeholder,
}
