"""JSON for people, written fast: :mod:`json` indents in pure Python, yielding each token."""

from __future__ import annotations

import json
import math
from json.encoder import encode_basestring


def indented(value: object) -> str:
    """Return what ``json.dumps`` does, with sorted keys, an indent of 2, UTF-8 and no NaN.

    Raises
    ------
    ValueError
        A number is not finite.
    TypeError
        A value has no JSON.
    """
    try:
        return _text(value, "\n")
    except _Unusual:
        return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)


class _Unusual(Exception):
    """A value that no record has, such as a key that is not a text: left to :mod:`json`."""


def _text(value: object, line: str) -> str:
    """Return the JSON of a value; ``line`` begins a line that is as deep as the value."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    kind = type(value)
    if kind is int or (kind is float and math.isfinite(value)):  # type: ignore[arg-type]
        return repr(value)
    below = f"{line}  "
    if isinstance(value, dict):
        if not value:
            return "{}"
        for key in value:
            if not isinstance(key, str):
                raise _Unusual
        items = [f"{encode_basestring(k)}: {_text(value[k], below)}" for k in sorted(value)]
        return f"{{{below}{f',{below}'.join(items)}{line}}}"
    if isinstance(value, list | tuple):
        if not value:
            return "[]"
        return f"[{below}{f',{below}'.join([_text(each, below) for each in value])}{line}]"
    raise _Unusual
