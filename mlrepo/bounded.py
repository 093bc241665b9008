"""Parsing of untrusted YAML and TOML with limits on size, depth and work.

A few hundred bytes of YAML aliases can expand to more values than fit into memory, and nested
brackets can overflow the interpreter's stack. No real tool writes documents beyond the limits; they
are errors like any other.
"""

from __future__ import annotations

import tomllib
from typing import Any

# A configuration of MLPerf's endpoints client has 2 KB and 100 values.
_LARGEST_YAML = 1 << 20
_MOST_EVENTS = 20_000
_MOST_VALUES = 100_000
_DEEPEST = 50
_LARGEST_TOML = 1 << 18


def parse_yaml(data: bytes) -> Any:
    """Return the content of a YAML document of plain values; None if it is empty.

    Raises
    ------
    ValueError
        It is not UTF-8, not YAML of plain values, or beyond the limits.
    """
    import yaml

    # The libyaml loader is five times as fast; PyYAML is rarely built without it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if len(data) > _LARGEST_YAML:
        raise ValueError(f"it is larger than {_LARGEST_YAML} bytes")
    text = data.decode("utf-8")
    try:
        depth = 0
        for number, event in enumerate(yaml.parse(text, loader)):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
            if number > _MOST_EVENTS:
                raise ValueError(f"it has more than {_MOST_EVENTS} values")
        root = yaml.compose(text, loader)
        if root is not None and _values(root, {}) > _MOST_VALUES:
            raise ValueError(f"its aliases stand for more than {_MOST_VALUES} values")
        return yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except (RecursionError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"it is not plain YAML: {error}") from error


def _values(node: Any, known: dict[int, int]) -> int:
    """Return how many values a node of a parsed document has, with all aliases expanded.

    A node that contains itself counts once inside itself.
    """
    import yaml

    if id(node) in known:
        return known[id(node)]
    known[id(node)] = 1
    total = 1
    if isinstance(node, yaml.CollectionNode):
        for entry in node.value:
            for inner in entry if isinstance(entry, tuple) else (entry,):
                total += _values(inner, known)
    known[id(node)] = total
    return total


def parse_toml(text: str) -> dict[str, Any]:
    """Return the content of a TOML document.

    Raises
    ------
    ValueError
        It is not TOML, or beyond the limits.
    """
    if len(text) > _LARGEST_TOML:
        raise ValueError(f"it is larger than {_LARGEST_TOML} bytes")
    try:
        found = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _depth(found) > _DEEPEST:
        raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
    return found


def _depth(value: Any) -> int:
    """Return how deeply tables and arrays are nested, without recursion."""
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [part.values() if isinstance(part, dict) else part for part in level]
        level = [v for part in inner for v in part if isinstance(v, dict | list)]
    return depth
