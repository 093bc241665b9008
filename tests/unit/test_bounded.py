"""YAML and TOML of others: valid files are read, memory and time bombs are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.bounded import parse_toml, parse_yaml

_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_PLAIN)
@pytest.mark.long
def test_plain_values_are_read_as_yaml_reads_them(value: Any) -> None:
    """Whatever a client dumps."""
    text = yaml.safe_dump(value, allow_unicode=True)
    assert parse_yaml(text.encode()) == yaml.safe_load(text)


def test_an_alias_is_followed() -> None:
    """PyYAML writes one for a list that two keys share."""
    shared = [1, 2]
    text = yaml.safe_dump({"a": shared, "b": shared})
    assert "&id001" in text
    assert parse_yaml(text.encode()) == {"a": [1, 2], "b": [1, 2]}


def test_a_list_that_holds_itself_is_read() -> None:
    """The official checker reads it too; it takes no memory."""
    [inner] = parse_yaml(b"a: &a [*a]")["a"]
    assert inner[0] is inner


def _laughs(merge: str) -> str:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for before, name in zip("abcdefghij", "bcdefghijk", strict=True):
        lines.append(f"{name}: &{name} " + merge.format(",".join([f"*{before}"] * 9)))
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_laughs("[{}]"), "aliases stand for more"),
        (_laughs("{{<<: [{}]}}").replace("[1, 1, 1, 1, 1, 1, 1, 1, 1]", "{x: 1}"), "aliases stand"),
        ("[" * 1000, "nested more"),
        ("{a: " * 1000, "nested more"),
        ("\n".join("  " * n + "a:" for n in range(60)), "nested more"),
        ("".join(f"k{n}: {n}\n" for n in range(100_000)), "larger|more than"),
        ("- a\n" * 30_000, "more than 20000 values"),
        ("x" * (1 << 21), "larger"),
        ("a: !!python/object/apply:os.system ['true']", "constructor"),
        ("a: [", "flow"),
        ("? {}\n: 1", "unhashable"),
        ("%YAML 9.9\n---\n", "YAML"),
    ],
)
def test_a_document_beyond_the_bounds_is_an_error(text: str, words: str) -> None:
    """At once, and with the reason."""
    with pytest.raises(ValueError, match=words):
        parse_yaml(text.encode())


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a: \x00", b"\xc3("])
def test_bytes_that_are_no_text_are_an_error(data: bytes) -> None:
    """As those of a broken file."""
    with pytest.raises(ValueError, match=r"decode|special|allowed|control|utf"):
        parse_yaml(data)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 400 + "]" * 400,
        ".".join("a" * 3_000) + " = 1",
        "[" + ".".join("a" * 200) + "]",
        "a = {b = " * 2000,
        "x = 'y'\n" * 100_000,
        "a = ",
    ],
    ids=["open", "closed", "dotted", "table", "inline", "large", "broken"],
)
def test_toml_beyond_the_bounds_is_an_error(text: str) -> None:
    """A key of a thousand parts would end the stack of whoever walks over it."""
    with pytest.raises(ValueError):
        parse_toml(text)


@pytest.mark.parametrize("parse", [parse_yaml, lambda data: parse_toml(data.decode())])
def test_an_empty_document_is_one(parse: Callable[[bytes], Any]) -> None:
    """It holds nothing."""
    assert not parse(b"")
