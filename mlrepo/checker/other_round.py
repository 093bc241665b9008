"""Find out whether a tree was measured for another round than the one it is judged by.

LoadGen's seeds are new in each round: none of 28,113 published runs from v0.5 to v6.0 has another
round's seeds. A wrong ``--round`` therefore breaks the same rule in every result.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from mlrepo.checker.report import Result
from mlrepo.checker.rules import RULES
from mlrepo.findings import Finding
from mlrepo.rounds import SHIPPED, Round
from mlrepo.tree import Missing, Tree

RULE = "round-seeds"
# The rules broken by results of another round, or by logs in an older format.
_SEEDS, _LOG = "performance-seeds", "performance-log"
_SUMMARY = "performance/run_1/mlperf_log_summary.txt"
_LARGEST_SUMMARY = 1 << 16
_SEED = re.compile(rb"\b(?:qsl|sample_index|schedule)_rng_seed {0,9}: {0,9}([0-9]{1,20})\b")


def other_round(tree: Tree, round: Round, results: Sequence[Result]) -> Finding | None:
    """Return a finding that names the round whose seeds most results have; None if it is this one.

    Parameters
    ----------
    results:
        The results as judged for ``round``.
    """
    broken = [one for one in results if any(f.rule in (_SEEDS, _LOG) for f in one.findings)]
    if 2 * len(broken) <= len(results):
        return None
    owners = {seed: name for name in SHIPPED for seed in SHIPPED[name].seeds().values()}
    votes = Counter(name for result in broken if (name := _owner(tree, result, owners)))
    for name, count in votes.most_common(1):
        if name != round.name and 2 * count > len(results):
            known = RULES[RULE]
            return Finding(
                rule=RULE,
                severity=known.severity,
                path="",
                message=f"{count} of {len(results)} results have the seeds of {name}: if they were "
                f"measured for that round, use --round {name}.",
                expected=round.name,
                actual=name,
                hint=known.hint,
                breaks_official=False,
                breaks_strict=known.breaks_strict,
            )
    return None


def _owner(tree: Tree, result: Result, owners: Mapping[int, str]) -> str:
    """Return the round whose seeds a result has; '' if no round has them."""
    seeds = {f.actual.encode() for f in result.findings if f.rule == _SEEDS}
    if not seeds:
        try:
            seeds = set(_SEED.findall(tree.read(f"{result.path}/{_SUMMARY}", _LARGEST_SUMMARY)))
        except Missing:
            return ""
    names = {owners.get(int(seed), "") for seed in seeds if seed.isdigit() and len(seed) <= 20}
    return names.pop() if len(names) == 1 else ""
