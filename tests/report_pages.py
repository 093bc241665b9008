"""What the tests of reports read in a page: its data, and what it would ask for or run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

_MAY_LOAD = ("src", "href", "action", "data", "poster", "srcset", "formaction", "background")


class Page(HTMLParser):
    """The parts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.policy = ""
        self.words: list[str] = []
        self._element, self._type = "", ""
        self._json = ""
        self.feed(html)
        self.document: dict[str, Any] = json.loads(self._json)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element refers to."""
        found = {name: value or "" for name, value in attrs}
        self._element, self._type = tag, found.get("type", "")
        self.references += [found[name] for name in _MAY_LOAD if name in found]
        self.handlers += [name for name in found if name.startswith("on") or name == "style"]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]
        if tag == "script":
            self.scripts += [""] if self._type != "application/json" else []
        if tag == "style":
            self.styles.append("")

    def handle_data(self, data: str) -> None:
        """Note texts by the element that they are in."""
        if self._element == "script" and self._type == "application/json":
            self._json += data
        elif self._element == "script":
            self.scripts[-1] += data
        elif self._element == "style":
            self.styles[-1] += data
        else:
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        self._element = ""

    @property
    def text(self) -> str:
        """What a reader sees without scripts."""
        return re.sub(r"\s+", " ", " ".join(self.words))

    def column(self, name: str) -> list[Any]:
        """Return the values of a column, oldest run first."""
        place = [column["name"] for column in self.document["columns"]].index(name)
        return [row[place] for row in self.document["runs"]]


def source_of(text: str) -> str:
    """Return how a policy names the content of an element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
