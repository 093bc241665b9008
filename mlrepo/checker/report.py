"""The report on a whole tree: results with verdicts, and findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from mlrepo.findings import CRASH, Finding, without_crashes


@dataclass(frozen=True)
class Result:
    """One result directory and its two verdicts.

    Attributes
    ----------
    path:
        ``<division>/<submitter>/results/<system>/<benchmark>/<scenario>``.
    division, submitter, system, benchmark, scenario:
        The components of the path.
    official, strict:
        The verdicts; True means valid.
    value:
        The result in ``unit`` as the round's official checker prints it; None if none is read.
    unit:
        Such as ``Samples/s``; empty if none is read.
    accuracy:
        As the official checker's summary prints it; empty if none is read.
    measured:
        The accuracy for people: every metric that is read with its unit.
    token_latencies:
        The times to the first token and per output token for people, if the round's checker reads
        them for the benchmark.
    rows:
        This result's rows of the round's ``summary.csv``: column to value.
    findings:
        The findings on this result.
    prints:
        Fingerprints of its runs and its system, to find copies: pairs of a name, such as
        ``performance/run_1`` or ``system``, and a fingerprint.
    """

    path: str
    division: str
    submitter: str
    system: str
    benchmark: str
    scenario: str
    official: bool
    strict: bool
    value: float | None = None
    unit: str = ""
    accuracy: str = ""
    measured: str = ""
    token_latencies: str = ""
    rows: tuple[dict[str, object], ...] = ()
    findings: tuple[Finding, ...] = ()
    prints: tuple[tuple[str, str], ...] = ()

    def valid(self, profile: str) -> bool:
        """Say whether the result is valid in the profile."""
        return self.official if profile == "official" else self.strict

    def with_latencies(self, value: str) -> str:
        """Return the text of its value with the token latencies behind it, if there are any."""
        return "; ".join(filter(None, (value, self.token_latencies)))

    def unprinted(self) -> Result:
        """Return the result without rows, and without a crash at writing one."""
        kept = (f for f in self.findings if f.path.startswith(f"{self.path}/") or f.rule != CRASH)
        return replace(self, official=False, rows=(), findings=tuple(kept))

    def unseen(self) -> Result:
        """Return the result as one that the official checker never looks at."""
        return replace(self, official=False, rows=(), findings=without_crashes(self.findings))


@dataclass(frozen=True)
class Report:
    """A checked tree.

    Attributes
    ----------
    round:
        The name of the round it was checked for, such as ``v5.1``.
    results:
        Sorted by path.
    findings:
        Findings on the tree as a whole: they count for the exit code but invalidate no result.
    columns:
        Columns of the round's ``summary.csv``, in order.
    """

    round: str
    results: tuple[Result, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
    columns: tuple[str, ...] = ()

    def valid(self, profile: str) -> bool:
        """Say whether the tree may be submitted as it is, in the profile."""
        breaks = any(finding.breaks(profile) for finding in self.findings)
        return not breaks and all(result.valid(profile) for result in self.results)

    def all_findings(self) -> Iterator[Finding]:
        """Yield the tree's findings, then each result's; a shared one is repeated for each."""
        yield from self.findings
        for result in self.results:
            yield from result.findings
