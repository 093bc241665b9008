"""Turn the breaches of a result into findings, with the official checker's verdict on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from mlrepo.checker.breach import Breach, Judging, death
from mlrepo.checker.official.checkers import official_checker
from mlrepo.checker.rules import RULES
from mlrepo.checker.scope import Scope
from mlrepo.findings import CRASH, Finding, Severity

T = TypeVar("T")


class Docket:
    """The findings on a result, or on what is judged beside results.

    Parameters
    ----------
    scope:
        What is judged.

    Attributes
    ----------
    scope:
        What is judged.
    official:
        The round's official checker.
    findings:
        In the order in which they were found.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.official = official_checker(scope.round)
        self.findings = scope.findings
        self._is_left = False

    def record(self, breaches: Iterable[Breach]) -> bool:
        """Record breaches; return whether the official checker accepts them all.

        Breaches are taken one by one, so that files are read in the order of their findings. A
        stand-in in place of a file is reported first, as the cause.
        """
        accepts = True
        for breach in breaches:
            if breach.rule == CRASH:
                accepts &= not self._record_death(breach)
                continue
            ruling = self.official.ruling(breach, self.scope)
            self._add(breach, rejects=ruling.rejects)
            accepts &= not ruling.rejects
            if ruling.death:
                line = breach.line if ruling.is_of_line else 0
                why = ruling.death.replace("{subject}", breach.subject)
                accepts &= not self._record_death(death(breach.path, why, line=line))
        return accepts

    def judged(self, judging: Judging[T]) -> tuple[bool, T]:
        """Record what a judge yields; return whether it is accepted, and what the judge returns."""
        kept = _Kept(judging)
        return self.record(kept), kept.value

    @property
    def is_sound(self) -> bool:
        """Say whether nothing was found that breaks the strict verdict."""
        return not any(finding.breaks_strict for finding in self.findings)

    def leave(self) -> None:
        """Note that the official checker is done with the result: nothing later makes it crash.

        The modular checker reads all files of a result before it judges any, so it is never done.
        """
        self._is_left = not self.official.reads_ahead

    def _record_death(self, breach: Breach) -> bool:
        """Record a crash of the official checker, once per file; return whether it is new."""
        if any(f.rule == CRASH and f.path == breach.path for f in self.findings):
            return False
        if self._is_left:
            self.scope.is_stand_in(breach.path)
        else:
            self._add(breach, rejects=True)
        return True

    def _add(self, breach: Breach, *, rejects: bool) -> None:
        known = RULES[breach.rule]
        severity = known.severity_in(self.scope.round.name)
        if breach.is_slight:
            severity = Severity.WARNING
        self.scope.is_stand_in(breach.path)
        self.findings.append(
            Finding(
                rule=breach.rule,
                severity=severity,
                path=breach.path,
                message=breach.message,
                line=breach.line,
                expected=_short(breach.expected),
                actual=_short(breach.actual),
                hint=breach.hint or known.hint,
                breaks_official=rejects,
                breaks_strict=severity is Severity.ERROR,
            )
        )


class _Kept(Generic[T]):
    """The breaches of a judge, and afterwards the value that it returned."""

    value: T

    def __init__(self, judging: Judging[T]) -> None:
        self._judging = judging

    def __iter__(self) -> Iterator[Breach]:
        self.value = yield from self._judging


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else text[:197] + "..."
