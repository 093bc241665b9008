"""Detection of stand-ins: files that only replace the real one, such as a pointer or an error page.

A repository with Git LFS or git-annex that was copied without its contents, a clone without
symbolic links, a failed download: each leaves a small file under the name of the real one. Neither
LoadGen nor a person writes such a file, so its first bytes identify it. A valid document of another
type, such as compressed data, is a stand-in only if the file should be JSON or text.

Sources: the specification of pointers (``docs/spec.md`` of git-lfs), "pointer file format" of
git-annex, ``core.symlinks`` of git-config(1).
"""

from __future__ import annotations

import codecs
import re

WAY_OUT = (
    "Put the file itself there: `git lfs pull` or `git annex get` fetches what a pointer names, "
    "or copy it from the machine that made it."
)
# A pointer is smaller than this, and a link's target is not longer than a path may be.
HEAD = 4096

_KINDS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"version https://(?:git-lfs|hawser)\.github\.com/spec/"), "a Git LFS pointer"),
    (re.compile(rb"(?:(?:\.\./){0,64}\.git)?/annex/objects/"), "a git-annex pointer"),
    (re.compile(rb"#\$# git-fat "), "a git-fat pointer"),
    (re.compile(rb"404: Not Found\s*\Z"), "a server's answer that the file is missing"),
    (re.compile(rb"\A\.{0,2}/[^\0-\x1f]{1,4094}\n?\Z"), "the text of a symbolic link"),
    (
        re.compile(rb"\A[^\0-\x20\"{}\[\]:=]{1,255}\.(?:json|txt)\n?\Z"),
        "the text of a symbolic link",
    ),
    (re.compile(rb"\A\0{2,}\Z"), "nothing but NUL bytes"),
)
# Under another name these may be the file itself: run.log.gz, summary.xlsx, index.html.
_NO_TEXT: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"<(?:!doctype html|html|head|body)\b", re.I), "an HTML page"),
    (re.compile(rb"<\?xml\b"), "an XML document"),
    (re.compile(rb"\x1f\x8b|PK\x03\x04|\xfd7zXZ|\x28\xb5\x2f\xfd|BZh[1-9]1AY"), "compressed data"),
)
# Suffixes of the files that a round requires and its checkers read.
_TEXTS = (".json", ".txt", ".log", ".conf", ".config")
# All of them begin with one of these bytes, except the name of a file, which is short.
_FIRST = frozenset(b"v./#<4P(B\0\x1f\xfd")
_LONGEST_NAME = 262
_UTF16 = {
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def stand_in(head: bytes, name: str = "") -> str:
    """Return what kind of stand-in a file is; '' if it may be the real file.

    Parameters
    ----------
    head:
        The content of the file, of which the first :data:`HEAD` bytes are examined.
    name:
        The file's name, which says whether it should be JSON or text; if empty, it should.
    """
    is_text = not name or name.endswith(_TEXTS)
    head = head[:HEAD]
    text = _as_utf8(head)
    start = text.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n")
    if start and (start[0] in _FIRST or len(start) <= _LONGEST_NAME):
        start = start.replace(b"\r\n", b"\n")
        for pattern, what in (*_KINDS, *(_NO_TEXT if is_text else ())):
            if pattern.match(start):
                return what
    return "" if text is head or not is_text else "text in UTF-16"


def _as_utf8(head: bytes) -> bytes:
    """Return UTF-16 text, with or without a byte order mark, as UTF-8; other data unchanged."""
    encoding = _UTF16.get(head[:2], "")
    if not encoding and len(head) >= 4 and head[1] == head[3] == 0 != head[0]:
        encoding = "utf-16-le"
    elif not encoding and len(head) >= 4 and head[0] == head[2] == 0 != head[1]:
        encoding = "utf-16-be"
    if not encoding:
        return head
    return head.decode(encoding, "replace").removeprefix("\ufeff").encode()
