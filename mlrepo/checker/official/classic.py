"""The official checker up to v5.1: one script, which grew from round to round."""

from __future__ import annotations

from dataclasses import replace

from mlrepo.checker.breach import Breach
from mlrepo.checker.official.effects import Ruling
from mlrepo.checker.official.program import OfficialChecker
from mlrepo.checker.scope import Scope

# Of an accuracy run these end its walk, also in the open division.
_NOT_FORGIVEN = ("accuracy-missing", "accuracy-files")


class Classic(OfficialChecker):
    """``submission_checker.py``."""

    reads_ahead = False

    def ruling(self, breach: Breach, scope: Scope) -> Ruling:
        """Return what it does with a breach at a result."""
        ruling = super().ruling(breach, scope)
        if scope.is_open and ruling.rejects and self._forgives_in_open(breach):
            return replace(ruling, rejects=False)
        return ruling

    def _forgives_in_open(self, breach: Breach) -> bool:
        if breach.part == "no metric" and self.round.asks_for_a_metric_in_open:
            return False
        return breach.rule.startswith("accuracy-") and breach.rule not in _NOT_FORGIVEN
