"""How the official checkers treat the compliance tests of a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mlrepo.checker.breach import Breaches, death
from mlrepo.checker.docket import Docket
from mlrepo.checker.official.modular import Modular
from mlrepo.checker.runs.performance import Run
from mlrepo.logs.scan import DetailScan
from mlrepo.tree import Kind


class OfficialAudits:
    """The tests of one result, in the order in which the official checker reads them.

    Parameters
    ----------
    docket:
        The docket of the result.
    judge_run:
        Judges a test's performance run by the rules of performance runs: ``(directory, test)``.

    Attributes
    ----------
    binding:
        Whether each test counts and its run is judged; in earlier rounds only the texts are read.
    wants_line:
        Whether a pass must be a line of its own.
    forgives_files:
        Whether it does without the accuracy logs of a test whose responses are the same.
    """

    def __init__(self, docket: Docket, judge_run: Callable[[str, str], Run]) -> None:
        self._docket, self._judge_run = docket, judge_run
        self._is_modular = isinstance(docket.official, Modular)
        self.binding = docket.scope.round.binding_compliance
        self.wants_line = self.forgives_files = self._is_modular
        self._last: bool | None = None

    def no_text(self, path: str) -> Breaches:
        """Yield its crash on a verification that it cannot read."""
        why = self._docket.scope.no_text(path)
        if why and not self._is_modular:
            yield death(path, why)

    def no_directory(self, path: str) -> Breaches:
        """Yield its crash on a run that is not a directory."""
        entry = self._docket.scope.tree.entry(path)
        is_file = entry is not None and entry.kind is Kind.FILE
        if is_file and self.binding and not self._is_modular:
            yield death(path, "it expects a directory of logs, and this is a file")

    def judged(self, directory: str, test: str, *, decides: bool) -> tuple[bool, DetailScan]:
        """Judge a test's run; return the verdict and what its log says.

        Up to v5.1 the official checker reuses the previous test's verdict if it cannot compute
        with a log; on the first test it crashes if the run ``decides``, all else being in order.
        """
        findings = self._docket.findings
        before = len(findings)
        run = self._judge_run(directory, test)
        if not run.raised or self._is_modular:
            self._last = run.official
            return run.official, run.scan
        if self._last is None and decides:
            why = f"there is no test before {test} whose verdict it could use"
            self._docket.record([death(directory, why)])
        if self._last:
            for at, finding in enumerate(findings[before:], start=before):
                findings[at] = replace(finding, breaks_official=False)
        return bool(self._last), run.scan
