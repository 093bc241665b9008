"""The template files that `mlrepo init` writes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from string import Template


def render(name: str, values: Mapping[str, str]) -> bytes:
    """Return a template with its ``$keys`` replaced; raise KeyError if one has no value."""
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    return Template(text).substitute(values).encode()
