"""The official checker up to v5.1: one script that grew from round to round."""

from __future__ import annotations

from dataclasses import replace

from mlrepo.checker.breach import Breach, Breaches, death
from mlrepo.checker.official import tracebacks
from mlrepo.checker.official.effects import Ruling
from mlrepo.checker.official.program import OfficialChecker
from mlrepo.checker.rules import RULES
from mlrepo.checker.scope import Scope
from mlrepo.tree import Kind

# Breaches of an accuracy run that end its walk, even in the open division.
_NOT_FORGIVEN = ("accuracy-missing", "accuracy-files")


class Classic(OfficialChecker):
    """``submission_checker.py``."""

    reads_ahead = False
    prints_zero = False

    def ruling(self, breach: Breach, scope: Scope) -> Ruling:
        """Return how it treats a breach at a result."""
        ruling = super().ruling(breach, scope)
        if scope.is_open and ruling.rejects and self._forgives_in_open(breach):
            return replace(ruling, rejects=False)
        return ruling

    def _forgives_in_open(self, breach: Breach) -> bool:
        if breach.part == "no metric" and self.round.asks_for_a_metric_in_open:
            return False
        return breach.rule.startswith("accuracy-") and breach.rule not in _NOT_FORGIVEN

    def at_description(self, scope: Scope, path: str) -> Breaches:
        """Yield its crash on a system's description."""
        if why := tracebacks.of_description(self.round, scope.system):
            yield death(path, why)

    def at_configuration(self, damaged: str) -> Breaches:
        """Yield its crash on a settings file with a damaged line."""
        if damaged:
            yield death(damaged, "a line is not model.scenario.key = value")

    def at_directories(self, scope: Scope) -> Breaches:
        """Yield its crash on a file in place of a directory, in its search for orphans."""
        if not RULES["tree-orphan"].breaks(self.round.name):
            return
        for name in ("measurements", "systems"):
            entry = scope.tree.entry(f"{scope.root}/{name}")
            if entry is None or entry.kind is not Kind.DIRECTORY:
                yield death(f"{scope.root}/{name}", "it lists a directory that does not exist")
