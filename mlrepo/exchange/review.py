"""Review a submission: its verdicts, and its results beside the submitter's previous ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mlrepo.checker.check import check
from mlrepo.checker.report import Report, Result
from mlrepo.errors import UserError
from mlrepo.nearest import meant
from mlrepo.paths import DIVISIONS
from mlrepo.record import PERFORMANCE, PUBLISHED, VALID
from mlrepo.repository.history import RecordedRun
from mlrepo.rounds import LATENCY_UNITS, Round, Rounds
from mlrepo.scenarios import spelled
from mlrepo.tree import Kind, Tree

_NAMES = ("Benchmark", "Scenario")


@dataclass(frozen=True)
class Earlier:
    """The result of an earlier round that a result is compared with.

    Attributes
    ----------
    same_system:
        Whether its system has the same name; otherwise it is the submitter's best result.
    """

    round: str
    system: str
    value: float
    unit: str
    same_system: bool


@dataclass(frozen=True)
class ReviewedResult:
    """A result of the submission, and the previous one, if any."""

    result: Result
    earlier: Earlier | None

    @property
    def change(self) -> float | None:
        """The speedup over the previous result, as a factor; None if not comparable."""
        value, earlier = self.result.value, self.earlier
        if not value or earlier is None or not earlier.value or earlier.unit != self.result.unit:
            return None
        lower = self.result.unit in LATENCY_UNITS
        return earlier.value / value if lower else value / earlier.value


@dataclass(frozen=True)
class Review:
    """The review of one submitter's submission."""

    submitter: str
    round: str
    source: str
    report: Report
    results: tuple[ReviewedResult, ...]


def submitters_in(tree: Tree, changed: Iterable[str] | None) -> tuple[str, ...]:
    """Return the submitters of the changed paths, or of the whole tree (None)."""
    if changed is None:
        found = {
            entry.name
            for division in DIVISIONS
            for entry in tree.entries(division)
            if entry.kind is Kind.DIRECTORY
        }
    else:
        paths = [path.split("/") for path in changed]
        found = {parts[1] for parts in paths if len(parts) > 2 and parts[0] in DIVISIONS}
    return tuple(sorted(found))


def review(
    tree: Tree,
    round_: Round,
    submitter: str,
    source: str,
    runs: Iterable[RecordedRun],
    rounds: Rounds,
    *,
    workers: int = 1,
) -> Review:
    """Review one submitter's part of a tree.

    Parameters
    ----------
    source:
        The name of the tree in the text.
    runs:
        Recorded runs; the submitter's VALID results of earlier rounds among them are compared, and
        those that a summary of the round has.
    rounds:
        All rounds; their order determines the previous round.

    Raises
    ------
    UserError
        The tree has no result from the submitter.
    """
    report = check(tree, round_, submitter=submitter, workers=workers)
    mine = tuple(result for result in report.results if result.submitter == submitter)
    if not mine:
        raise UserError(
            f"There is no result of {submitter} in {source}.",
            hint=meant(submitter, set(submitters_in(tree, None)) - {submitter})
            or "--submitter names another; --round says by which layout the tree is read.",
        )
    earlier = _earlier(runs, submitter, round_, rounds)
    return Review(
        submitter,
        round_.name,
        source,
        report,
        tuple(ReviewedResult(result, _before(result, earlier, round_)) for result in mine),
    )


def _earlier(
    runs: Iterable[RecordedRun], submitter: str, round_: Round, rounds: Rounds
) -> Mapping[tuple[str, ...], list[Earlier]]:
    """Return each benchmark and scenario's results from the latest earlier round that has any."""
    order = {name: number for number, name in enumerate(rounds)}
    this = order.get(round_.name, len(order))
    found: dict[tuple[str, ...], list[Earlier]] = {}
    for run in runs:
        metric = run.result
        before = order.get(run.trailer("Round"), this)
        if (
            run.trailer("Submitter").lower() != submitter.lower()
            or run.trailer("Mode") != PERFORMANCE
            or run.trailer("Validity") not in (VALID, PUBLISHED)
            or before >= this
            or metric.value is None
        ):
            continue
        key = tuple(run.trailer(name) for name in _NAMES)
        names = (run.trailer("Round"), run.trailer("System"))
        one = Earlier(*names, metric.value, metric.unit, False)
        known = found.setdefault(key, [])
        if known and order[known[0].round] < before:
            known.clear()
        if not known or known[0].round == one.round:
            known.append(one)
    return found


def _before(
    result: Result, earlier: Mapping[tuple[str, ...], list[Earlier]], round_: Round
) -> Earlier | None:
    scenario = spelled(result.scenario)
    found = earlier.get((result.benchmark, scenario), [])
    same = [one for one in found if one.system == result.system]
    if same:
        return replace(same[0], same_system=True)
    best = min if round_.lower_is_better(result.benchmark, scenario) else max
    return best(found, key=lambda one: one.value, default=None)
