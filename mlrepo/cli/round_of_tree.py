"""Which round's rules a tree is judged by."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mlrepo.cli.tree_to_check import Source
from mlrepo.errors import UserError
from mlrepo.paths import DIVISIONS
from mlrepo.repository.discovery import read_settings
from mlrepo.rounds import known_rounds
from mlrepo.settings import FILE_NAME, Resolver, setting_named
from mlrepo.tree import Kind, Missing, Tree

# The title of a published results repository: "# MLPerf™ Inference v1.1 results".
_TITLE = re.compile(rb"^#.*MLPerf.*Inference.*\b(v\d+\.\d+)\b.*results", re.MULTILINE | re.I)


def round_of(source: Source, flag: str | None, folder: Path | None = None) -> str:
    """Return the name of the round; ``folder`` holds the rules of rounds of one's own.

    Asked in this order: ``--round``, the environment, the title of a published results repository
    (a published tree is judged by its own round's rules, wherever it stands), ``mlrepo.toml``.
    The layout alone tells no round; the error says which it allows.

    Raises
    ------
    UserError
        Nothing tells the round, or there are no rules for it.
    """
    given = Resolver(dict(os.environ), {}).find("round", flag)
    setting = setting_named("round")
    if given is not None and given.origin != "default":
        return _known(given.value, given.origin, folder)
    published = _title(source.tree)
    if published:
        return _known(published, "the title of README.md", folder)
    repository = source.repository
    if repository is not None and repository.settings_file.exists():
        found = Resolver({}, read_settings(repository.settings_file)).find("round")
        if found is not None:
            return _known(found.value, found.origin, folder)
    raise UserError(
        f"The round of {source.label} is not known: there is no {FILE_NAME}, no README.md of a "
        f"published round{_layout(source.tree)}.",
        hint=f"Use --round or {setting.variable}; rounds are {', '.join(known_rounds(folder))}.",
    )


def _known(name: str, origin: str, folder: Path | None) -> str:
    if name not in known_rounds(folder):
        raise UserError(
            f"There are no rules for the round {name!r} (from {origin}).",
            hint=f"Known rounds: {', '.join(known_rounds(folder))}. Use --round, or "
            "`mlrepo round import` for the rules of a new one.",
        )
    return name


def _title(tree: Tree) -> str:
    try:
        match = _TITLE.search(tree.read("README.md", 4096))
    except Missing:
        return ""
    return match[1].decode() if match else ""


def _layout(tree: Tree) -> str:
    """Return what the layout says of the round, for the message."""
    for division in DIVISIONS:
        for submitter in tree.entries(division):
            if submitter.kind is Kind.DIRECTORY:
                older = tree.entry(f"{division}/{submitter.name}/measurements") is not None
                rounds = "v0.7 to v5.1" if older else "v6.0 or later"
                return f", and the layout is that of the rounds {rounds}"
    return ""
