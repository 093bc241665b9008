"""What every judge of a result receives: where to look, and what is known of the result."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlrepo.checker.rules import RULES
from mlrepo.findings import Finding
from mlrepo.logs.lines import first_lines
from mlrepo.rounds import Place, Round
from mlrepo.stand_in import HEAD, stand_in
from mlrepo.tree import Entry, Kind, Missing, Tree

# Texts up to this size are cached while a result is judged: several judges read them.
_KEPT = 64 << 10


@dataclass
class Scope:
    """One result under judgement.

    Attributes
    ----------
    tree, round:
        What is checked, and the round whose rules apply.
    place:
        The names of the directories; a scope of a whole system has empty names below it.
    model:
        The official name of the benchmark; ``place.benchmark`` if none is known.
    scenario:
        In LoadGen's spelling; ``place.scenario`` is the name of the directory.
    category:
        ``system_type`` of the system description.
    system, system_print:
        The system description and its fingerprint; empty until it is read.
    findings:
        Files that are only pointers to the real ones, noted when they are read; the docket of the
        result adds what its judges yield.
    prints:
        Fingerprints of the result's runs: pairs of a directory, such as ``performance/run_1``,
        and a fingerprint.
    """

    tree: Tree
    round: Round
    place: Place
    model: str = ""
    scenario: str = ""
    category: str = ""
    system: Mapping[str, object] = field(default_factory=dict)
    system_print: str = ""
    findings: list[Finding] = field(default_factory=list)
    prints: list[tuple[str, str]] = field(init=False, default_factory=list)
    # Not passed on when a scope is copied: a copy may have another view of the tree.
    _lines: dict[str, dict[bytes, int]] = field(init=False, default_factory=dict, repr=False)
    _stand_ins: dict[str, str] = field(init=False, default_factory=dict, repr=False)
    _texts: dict[tuple[str, int], str] = field(init=False, default_factory=dict, repr=False)

    @property
    def root(self) -> str:
        """Return ``<division>/<submitter>``."""
        return f"{self.place.division}/{self.place.submitter}"

    @property
    def path(self) -> str:
        """Return the result's directory (the system's, where the scope is a system)."""
        return self.below("results")

    @property
    def is_open(self) -> bool:
        """Say whether the result is in the open division."""
        return self.place.division == "open"

    def below(self, kind: str) -> str:
        """Return this result's directory below ``results``, ``measurements``, ``compliance``…"""
        names = (self.place.system, self.place.benchmark, self.place.scenario)
        return "/".join([self.root, kind, *(name for name in names if name)])

    def no_text(self, path: str) -> str:
        """Return why the path cannot be read as text; '' if nothing is there."""
        entry = self.tree.entry(path)
        if entry is None or entry.kind is Kind.LINK:
            return ""
        return "it is a directory" if entry.kind is Kind.DIRECTORY else "it is not UTF-8 text"

    def is_stand_in(self, path: str, data: bytes | None = None) -> bool:
        """Say whether a file is only a pointer to the real one; note the finding once.

        ``data``: the file's bytes, if they have been read.
        """
        if path not in self._stand_ins:
            name = path.rpartition("/")[2]
            what = stand_in(self._head(path) if data is None else data, name)
            self._stand_ins[path] = what
            if what:
                self.findings.append(_stand_in(path, what))
        return bool(self._stand_ins[path])

    def _head(self, path: str) -> bytes:
        entry = self.tree.entry(path)
        if entry is not None and entry.kind is Kind.FILE:
            with contextlib.suppress(Missing, OSError):
                return self.tree.read(path, HEAD)
        return b""

    def line_of(self, path: str, text: str) -> int:
        """Return the first line of a file that contains the text; 0 if none does."""
        lines = self._lines.setdefault(path, {})
        wanted = text.encode()
        if wanted not in lines:
            try:
                with self.tree.open(path) as stream:
                    lines[wanted] = first_lines(stream, [wanted]).get(wanted, 0)
            except (Missing, OSError):
                lines[wanted] = 0
        return lines[wanted]

    def count(self, path: str, text: bytes) -> int:
        """Return how often a file contains the text; 0 if it cannot be read."""
        try:
            with self.tree.open(path) as stream:
                return sum(line.count(text) for line in stream)
        except (Missing, OSError):
            return 0

    def exists(self, path: str) -> bool:
        """Say whether a file or directory is at the path."""
        entry = self.tree.entry(path)
        return entry is not None and entry.kind in (Kind.FILE, Kind.DIRECTORY)

    def files(self, path: str) -> dict[str, Entry]:
        """Return the plain files of a directory by name."""
        return {e.name: e for e in self.tree.entries(path) if e.kind is Kind.FILE}

    def directories(self, path: str) -> list[str]:
        """Return the names of the directories in a directory."""
        return [e.name for e in self.tree.entries(path) if e.kind is Kind.DIRECTORY]

    def text(self, path: str, limit: int = 16 << 20) -> str | None:
        """Return a small file as text, or None if it is missing or not UTF-8."""
        known = self._texts.get((path, limit))
        if known is not None:
            return known
        try:
            data = self.tree.read(path, limit)
            self.is_stand_in(path, data)
            text = data.decode("utf-8")
        except (Missing, UnicodeDecodeError):
            return None
        if len(data) <= _KEPT:
            self._texts[path, limit] = text
        return text


def _stand_in(path: str, what: str) -> Finding:
    rule = RULES["stand-in"]
    return Finding(
        rule=rule.id,
        severity=rule.severity,
        path=path,
        message=f"It is {what}, not the file itself.",
        hint=rule.hint,
    )
