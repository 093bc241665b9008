"""Text of others in Markdown: read as text, whatever markup, HTML or mention it imitates."""

from __future__ import annotations

import re

from mlrepo.findings import visible

_MARKUP = re.compile(r"[\\`*<\[\]#|]")


def plain(text: object) -> str:
    """Return text as it reads, white space as single spaces, also in the cell of a table.

    Nobody is mentioned by it: an ``@`` is followed by a space of no width.
    """
    return _MARKUP.sub(r"\\\g<0>", visible(" ".join(str(text).split())).replace("@", "@\u200b"))


def code(text: object) -> str:
    """Return text as code, on one line, also in the cell of a table."""
    return f"`{visible(str(text)).replace('`', chr(39)).replace('|', chr(92) + '|')}`"
