"""Choose results that another harness made, to be taken from a tree unchanged."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mlrepo.checker.check import check
from mlrepo.checker.endpoints.performance import scenario_of_endpoints
from mlrepo.checker.other_round import RULE as ROUND_SEEDS
from mlrepo.checker.report import Report, Result
from mlrepo.checker.selection import CheckSelection, restricted
from mlrepo.errors import UserError
from mlrepo.nearest import meant
from mlrepo.repository.commit_view import CommitView, view_commit, view_tree
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.tree_objects import write_files
from mlrepo.rounds import Place, Round
from mlrepo.scenarios import spelled
from mlrepo.selection.partial_tree import PartialTree
from mlrepo.selection.ready_pieces import ChosenPart
from mlrepo.selection.wanted import Wanted, ends_with
from mlrepo.tree import Kind, Tree, walk


@dataclass(frozen=True)
class ReadySource:
    """A tree of ready-made results.

    Attributes
    ----------
    tree:
        Its root holds the division directories.
    label:
        Its name in messages.
    origin:
        The origin of its files as recorded in the selection.
    directory:
        Where the files are; None for a commit.
    commit:
        The full id of its commit; '' for a directory.
    """

    tree: Tree
    label: str
    origin: str
    directory: Path | None
    commit: str = ""

    def view(self, repository: ResultsRepository, part: ChosenPart) -> CommitView:
        """Write the files of at least the part as Git objects; return a view of them."""
        if self.directory is None:
            return view_commit(repository, self.commit)
        return view_tree(repository, write_files(repository, self.directory, self.files(part)))

    def files(self, part: ChosenPart) -> Iterator[str]:
        """Yield the paths of the files and links of a part."""
        for root in part.tails:
            for path, entry in walk(self.tree, root):
                if entry.kind is Kind.DIRECTORY or not part.holds(path):
                    continue
                if entry.kind not in (Kind.FILE, Kind.LINK):
                    raise UserError(
                        f"{path} in {self.label} cannot be selected: it is not a file but a "
                        f"{entry.kind.value}.",
                        hint="Replace it by a file, or remove it from the tree.",
                    )
                yield path


@dataclass(frozen=True)
class NotTaken:
    """A result that is not taken, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class ReadyChoice:
    """The results taken from a tree.

    Attributes
    ----------
    source:
        The tree.
    results:
        The chosen results, as judged without the others.
    not_taken:
        The other results that were requested.
    notes:
        Problems of the submission that are not about a result.
    """

    source: ReadySource
    results: tuple[Result, ...]
    not_taken: tuple[NotTaken, ...]
    notes: tuple[str, ...]

    @property
    def paths(self) -> frozenset[str]:
        """The paths of all requested results, taken or not."""
        return frozenset(
            [*(one.path for one in self.results), *(one.path for one in self.not_taken)]
        )


def choose_ready(
    source: ReadySource,
    round_: Round,
    wanted: Wanted,
    profile: str,
    *,
    workers: int = 1,
) -> ReadyChoice:
    """Return the valid results of a tree.

    A result may be valid only together with one that is not taken: so the chosen ones are judged
    again without the others, until all of them are valid.

    Parameters
    ----------
    profile:
        ``strict`` or ``official``: the verdict that decides.

    Raises
    ------
    UserError
        The tree is of another round, or has none of the requested results.
    """
    asked = [place for place in _places(source, round_, wanted) if _is_wanted(place, wanted)]
    if not asked:
        raise UserError(
            f"No result in {source.label} is one of those requested.",
            hint=_hint(source, round_, wanted),
        )
    paths = [str(round_.layout.result_directory(place)) for place in asked]
    left = {path: "it is dropped" for path in paths if any(ends_with(path, d) for d in wanted.drop)}
    report = Report(round_.name)
    while taken := [path for path in paths if path not in left]:
        part = ChosenPart.of(taken)
        report = check(PartialTree(source.tree, source.files(part)), round_, workers=workers)
        if mistaken := next((f for f in report.findings if f.rule == ROUND_SEEDS), None):
            raise UserError(
                f"{source.label} is not of {round_.name}. {mistaken.message}",
                hint="Nothing was selected.",
            )
        judged = {one.path: one for one in report.results}
        reasons = {path: _why(report, judged.get(path), profile) for path in taken}
        found = {path: reason for path, reason in reasons.items() if reason}
        if not found:
            break
        left |= found
    results = [result for result in report.results if result.path not in left]
    named = [NotTaken(path, left[path]) for path in paths if path in left]
    notes = _notes(report, profile) if results else ()
    return ReadyChoice(source, tuple(results), tuple(named), notes)


def _places(source: ReadySource, round_: Round, wanted: Wanted) -> Iterator[Place]:
    """Yield the places of the requested submitter's results in a tree."""
    tree = source.tree
    asked = CheckSelection(wanted.submitter)
    for root in asked.submitters(tree, round_.tables["divisions"]):
        division, _, submitter = root.partition("/")
        for system in _directories(tree, f"{root}/results"):
            for benchmark in _directories(tree, f"{root}/results/{system}"):
                for scenario in _directories(tree, f"{root}/results/{system}/{benchmark}"):
                    yield Place(division, submitter, system, benchmark, scenario)


def _directories(tree: Tree, path: str) -> list[str]:
    return [entry.name for entry in tree.entries(path) if entry.kind is Kind.DIRECTORY]


def _is_wanted(place: Place, wanted: Wanted) -> bool:
    return all(
        asked in ("", found)
        for asked, found in (
            (wanted.benchmark, place.benchmark),
            (wanted.scenario, _scenario(place)),
            (wanted.system, place.system),
            (wanted.division, place.division),
            (wanted.submitter, place.submitter),
        )
    )


def _scenario(place: Place) -> str:
    return scenario_of_endpoints(place.scenario) or spelled(place.scenario)


def _why(report: Report, result: Result | None, profile: str) -> str:
    """Return why a result is not taken: the first finding, and how many others; '' if it is valid.

    A directory that the checker does not list is not a result to it.
    """
    if result is None:
        return f"the checker finds no result of {report.round} there"
    if result.valid(profile):
        return ""
    part = restricted(report, result.path, profile)
    broken = [finding for finding in part.all_findings() if finding.breaks(profile)]
    if not broken:
        return f"it is not valid ({profile})"
    first = broken[0]
    inside = f"{result.path}/"
    is_inside = first.path.startswith(inside)
    where = first.path.removeprefix(inside) if is_inside else posixpath.basename(first.path)
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return f"{where}: {first.message}{more}"


def _notes(report: Report, profile: str) -> tuple[str, ...]:
    """Return a note on the first breach that does not belong to a single result."""
    broken = [finding for finding in report.findings if finding.breaks(profile)]
    if not broken:
        return ()
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return (
        f"{broken[0].path}: {broken[0].message}{more} The results are valid, the submission as a "
        "whole is not: `mlrepo submit --check` shows all.",
    )


def _hint(source: ReadySource, round_: Round, wanted: Wanted) -> str:
    places = list(_places(source, round_, replace(wanted, submitter="")))
    known: dict[str, set[str]] = {
        "submitter": {place.submitter for place in places},
        "division": {place.division for place in places},
        "system": {place.system for place in places},
        "benchmark": {place.benchmark for place in places},
        "scenario": {_scenario(place) for place in places},
    }
    for name, found in known.items():
        asked = str(getattr(wanted, name))
        if found and asked and asked not in found:
            return f"It has no {name} {asked}. {meant(asked, found)}".strip()
    if places:
        return "Each of the filters fits some result, but no result fits all of them."
    return (
        f"Results of {round_.name} are in DIVISION/SUBMITTER/results/SYSTEM/BENCHMARK/SCENARIO; "
        "--round names another round."
    )
