"""Determine the round by whose rules a tree is judged."""

from __future__ import annotations

import re

from mlrepo.errors import UserError
from mlrepo.paths import DIVISIONS
from mlrepo.rounds import Round, Rounds
from mlrepo.settings import FILE_NAME, Resolver, setting_named
from mlrepo.tree import Kind, Missing, Tree

# The title of a published results repository: "# MLPerf™ Inference v1.1 results".
_VERSION = re.compile(rb"\bv[0-9]+\.[0-9]+\b")


def round_of(
    tree: Tree,
    settings: Resolver,
    rounds: Rounds,
    *,
    label: str,
    flag: str | None = None,
) -> Round:
    """Return the round by whose rules the tree is judged.

    The sources, in order: ``--round``, the environment, the ``mlrepo.toml`` of a results
    repository, the title of a published one (judged by its own round's rules, wherever it is), the
    ``mlrepo.toml`` around a tree that has none. The layout alone does not determine the round; the
    error says which rounds it allows.

    Parameters
    ----------
    settings:
        The environment, and the settings of the repository around the tree; none if it has none.
    rounds:
        The rounds whose rules are known.
    label:
        What to call the tree in messages.

    Raises
    ------
    UserError
        The round cannot be determined, or there are no rules for it.
    """
    given = Resolver(settings.environ, {}).find("round", flag)
    if given is not None and given.origin != "default":
        return _known(given.value, given.origin, rounds)
    of_repository = settings.find("round") if settings.file else None
    published = "" if of_repository and tree.entry(FILE_NAME) else _title(tree)
    if published:
        return _known(published, "the title of README.md", rounds)
    if of_repository is not None:
        return _known(of_repository.value, of_repository.origin, rounds)
    raise UserError(
        f"The round of {label} is unknown: there is no {FILE_NAME}, no README.md of a "
        f"published round{_layout(tree)}.",
        hint=f"Use --round or {setting_named('round').variable}; rounds are {', '.join(rounds)}.",
    )


def _known(name: str, origin: str, rounds: Rounds) -> Round:
    if name not in rounds:
        raise UserError(
            f"There are no rules for the round {name!r} (from {origin}).",
            hint=f"Known rounds: {', '.join(rounds)}. Use --round, or "
            "`mlrepo round import CHECKOUT` for the rules of a new one.",
        )
    return rounds[name]


def _title(tree: Tree) -> str:
    try:
        text = tree.read("README.md", 4096)
    except Missing:
        return ""
    for line in text.lower().split(b"\n"):
        title, _, rest = line.partition(b"mlperf")
        name = rest.partition(b"inference")[2].rpartition(b"results")[0]
        if title.startswith(b"#") and (versions := _VERSION.findall(name)):
            return str(versions[-1].decode())
    return ""


def _layout(tree: Tree) -> str:
    """Return what the layout says about the round, for the message."""
    for division in DIVISIONS:
        for submitter in tree.entries(division):
            if submitter.kind is Kind.DIRECTORY:
                older = tree.entry(f"{division}/{submitter.name}/measurements") is not None
                rounds = "v0.7 to v5.1" if older else "v6.0 or later"
                return f", and the layout is that of the rounds {rounds}"
    return ""
