"""Judge what no submitter owns: stray files in the root and in the divisions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.docket import Docket
from mlrepo.checker.scope import Scope
from mlrepo.findings import Finding
from mlrepo.rounds import Place, Round
from mlrepo.tree import Entry, Kind, Tree

_NO_SUBMISSION = (".git", ".github", "assets")
# What `mlrepo init` and runs create; it is not part of a submission.
_SETTINGS_FILE = "mlrepo.toml"
_RESULTS_REPOSITORY = (
    _SETTINGS_FILE,
    "runs",
    "systems",
    "platforms",
    "rounds",
    ".gitignore",
    ".gitattributes",
    ".pre-commit-config.yaml",
)


def judge_root(tree: Tree, round: Round) -> list[Finding]:
    """Report stray files in the root and in the divisions."""
    docket = Docket(Scope(tree, round, Place("", "", "", "")))
    docket.record(_judge_entries(tree, round))
    return docket.findings


def _judge_entries(tree: Tree, round: Round) -> Breaches:
    divisions = round.tables["divisions"]
    entries = tree.entries("")
    is_ours = any(entry.name == _SETTINGS_FILE for entry in entries)
    for entry in entries:
        if is_ours and entry.name in _RESULTS_REPOSITORY:
            continue
        if entry.kind is Kind.DIRECTORY:
            if entry.name in divisions:
                for name, first in alike_but_for_case(tree.entries(entry.name)):
                    message = f"It differs from {first} in case only."
                    yield Breach("tree-case", f"{entry.name}/{name}", message)
                for below in tree.entries(entry.name):
                    if below.kind is Kind.FILE:
                        yield Breach(
                            "tree-division-files",
                            f"{entry.name}/{below.name}",
                            "The file does not belong to a submitter.",
                        )
            elif entry.name not in _NO_SUBMISSION:
                yield Breach("tree-division", entry.name, "It is not a division.")
        elif not entry.name.endswith((".md", ".pdf")):
            yield Breach(
                "tree-root-files",
                entry.name,
                "The file does not belong to a submitter.",
                part="" if entry.kind is Kind.FILE else "no file",
            )


def _folded(name: str) -> str:
    """Return the name as file systems see it that ignore case or normalise accents."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def alike_but_for_case(entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """Yield each name that differs only in case from an earlier one, with the earlier one."""
    if len({_folded(entry.name) for entry in entries}) == len(entries):
        return
    first: dict[str, str] = {}
    for entry in entries:
        other = first.setdefault(_folded(entry.name), entry.name)
        if other != entry.name:
            yield entry.name, other


def rejected_places(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return the path prefixes of results that the checker skips because of stray files.

    A file in the root ends the whole walk (``''``), one beside submitters that of a division.
    """
    return tuple(
        finding.path.rpartition("/")[0] + "/" if "/" in finding.path else ""
        for finding in findings
        if finding.breaks_official
    )
