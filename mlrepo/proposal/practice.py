"""Selected benchmarks that can never be valid in their round, being only for practice."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mlrepo.checker.report import Report
from mlrepo.layout.never_valid import installed_workload, why_never_valid
from mlrepo.rounds import Round
from mlrepo.tree import Missing, Tree

_CATEGORIES = ("edge", "datacenter")


def practice_only(round_: Round, tree: Tree, report: Report) -> tuple[str, ...]:
    """Return a sentence for each benchmark of a submission that can never be valid in the round."""
    found: dict[str, None] = {}
    for division, submitter, benchmark in dict.fromkeys(
        (one.division, one.submitter, one.benchmark) for one in report.results
    ):
        mapping = _mapping(tree, f"{division}/{submitter}/model_mapping.json")
        if said := never_valid_text(round_, division, benchmark, mapping):
            found[said] = None
    return tuple(found)


def never_valid_text(
    round_: Round, division: str, benchmark: str, mapping: Mapping[str, object]
) -> str:
    """Return the sentence that says why a benchmark is never valid in a round, or ''.

    ``mapping`` is the submitter's own, see :func:`why_never_valid`.
    """
    workload = installed_workload(benchmark)
    # A system's description gives its category, but may be wrong: consider all of them.
    reasons = [
        why_never_valid(round_, division, category, benchmark, workload, mapping)
        for category in _CATEGORIES
    ]
    return f"Never valid in {round_.name}, for practice only: {reasons[0]}." if all(reasons) else ""


def _mapping(tree: Tree, path: str) -> dict[str, object]:
    try:
        value = json.loads(tree.read(path))
    except (Missing, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
