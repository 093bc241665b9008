"""What sometimes lies in the place of a file: a pointer to it, a link as text, an error page.

A repository with Git LFS or git-annex that was copied without its contents, a clone without
symbolic links, a download that failed: each leaves a small file under the name of the real one.
No such file is what LoadGen or a person writes there, so it is recognised by its first bytes. What
is a document of its own, such as compressed data, is a stand-in only where JSON or text belongs.

Sources: the specification of pointers (``docs/spec.md`` of git-lfs), "pointer file format" of
git-annex, ``core.symlinks`` of git-config(1).
"""

from __future__ import annotations

import codecs
import re

WAY_OUT = (
    "Put the file itself there: `git lfs pull` or `git annex get` fetches what a pointer names, "
    "and the machine that made it has it."
)
# A pointer is smaller, and a link's target no longer than a path may be.
HEAD = 4096

_KINDS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"version https://(?:git-lfs|hawser)\.github\.com/spec/"), "a Git LFS pointer"),
    (re.compile(rb"(?:(?:\.\./){0,64}\.git)?/annex/objects/"), "a git-annex pointer"),
    (re.compile(rb"#\$# git-fat "), "a git-fat pointer"),
    (re.compile(rb"404: Not Found\s*\Z"), "the answer of a server that lacks the file"),
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
# As the files end that a round asks for and that its checkers read.
_TEXTS = (".json", ".txt", ".log", ".conf", ".config")
# All of them begin with one of these bytes, but for the name of a file, which is short.
_FIRST = frozenset(b"v./#<4P(B\0\x1f\xfd")
_LONGEST_NAME = 262
_UTF16 = {
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def stand_in(head: bytes, name: str = "") -> str:
    """Return what a file is in place of the one that should be there; '' if it may be that one.

    Parameters
    ----------
    head:
        The file, of which the first :data:`HEAD` bytes are looked at.
    name:
        The file's name, which says whether it is JSON or text; without one it is.
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
    """Return text in UTF-16 as UTF-8, with or without a mark before it; all else as it is."""
    encoding = _UTF16.get(head[:2], "")
    if not encoding and len(head) >= 4 and head[1] == head[3] == 0 != head[0]:
        encoding = "utf-16-le"
    elif not encoding and len(head) >= 4 and head[0] == head[2] == 0 != head[1]:
        encoding = "utf-16-be"
    if not encoding:
        return head
    return head.decode(encoding, "replace").removeprefix("\ufeff").encode()
