"""Compare the files of a run's directory with those that the round asks for."""

from __future__ import annotations

from collections.abc import Collection

from mlrepo.checker.official.modular import is_modular
from mlrepo.checker.scope import Scope
from mlrepo.checker.walk.links import leads_elsewhere
from mlrepo.tree import Kind

_RULE = {"performance": "performance-files", "accuracy": "accuracy-files"}


def judge_file_list(scope: Scope, directory: str, kind: str, more: Collection[str] = ()) -> bool:
    """Report missing and unasked files; return whether the official checker goes on."""
    lists = scope.round.tables["required_files"]
    required = {*lists[kind], *more}
    optional = set(lists["always_optional"])
    if kind == "performance":
        optional |= set(lists["performance_optional"])
    entries = scope.tree.entries(directory)
    # The official checkers follow links; only the strict profile refuses them here.
    links = {entry.name for entry in entries if entry.target}
    for name in sorted(required & links):
        scope.report(_RULE[kind], f"{directory}/{name}", f"{name} is a link.", official=False)
    present = {e.name for e in entries if e.kind is Kind.FILE or leads_elsewhere(e)}
    missing, unasked = required - present, present - required - optional
    if not missing and not unasked:
        return True
    rule = _RULE[kind]
    for name in sorted(missing):
        scope.report(rule, f"{directory}/{name}", f"{name} is missing.")
    for name in sorted(unasked):
        scope.report(
            rule,
            f"{directory}/{name}",
            f"{name} does not belong here.",
            # No text and no checker of these rounds says which files there may be.
            warns=is_modular(scope.round),
        )
    return not scope.findings[-1].breaks_official
