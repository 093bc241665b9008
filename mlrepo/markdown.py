"""Escaping of untrusted text for Markdown, so that it cannot act as markup, HTML or a mention."""

from __future__ import annotations

import re

from mlrepo.findings import visible

_MARKUP = re.compile(r"[\\`*<\[\]#|]")


def plain(text: object) -> str:
    """Return escaped text with white space as single spaces, also for table cells.

    It mentions nobody: an ``@`` is followed by a zero-width space.
    """
    return _MARKUP.sub(r"\\\g<0>", visible(" ".join(str(text).split())).replace("@", "@\u200b"))


def code(text: object) -> str:
    """Return text as inline code on one line, also for table cells."""
    return f"`{visible(str(text)).replace('`', chr(39)).replace('|', chr(92) + '|')}`"
