"""Template files: what `mlrepo init` lays down."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from string import Template


def render(name: str, values: Mapping[str, str]) -> bytes:
    """Return a template with its ``$keys`` replaced; a key without a value is a KeyError."""
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    return Template(text).substitute(values).encode()
