"""Compare the files of a run's directory with those that the round asks for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.scope import Scope
from mlrepo.checker.walk.links import leads_elsewhere
from mlrepo.tree import Kind

_RULE = {"performance": "performance-files", "accuracy": "accuracy-files"}


def judge_file_list(
    scope: Scope,
    directory: str,
    kind: Literal["performance", "accuracy"],
    more: Collection[str] = (),
) -> Breaches:
    """Yield missing and unexpected files."""
    lists = scope.round.tables["required_files"]
    required = {*lists[kind], *more}
    optional = set(lists["always_optional"])
    if kind == "performance":
        optional |= set(lists["performance_optional"])
    rule, entries = _RULE[kind], scope.tree.entries(directory)
    # The official checkers follow links; only the strict profile refuses them here.
    links = {entry.name for entry in entries if entry.target}
    for name in sorted(required & links):
        yield Breach(rule, f"{directory}/{name}", f"{name} is a link.", part="link")
    present = {e.name for e in entries if e.kind is Kind.FILE or leads_elsewhere(e)}
    missing, unasked = required - present, present - required - optional
    for name in sorted(missing):
        yield Breach(rule, f"{directory}/{name}", f"{name} is missing.")
    for name in sorted(unasked):
        yield Breach(
            rule,
            f"{directory}/{name}",
            f"{name} does not belong here.",
            is_slight=not scope.round.names_all_files,
        )
