"""Judge only what the changed paths affect, for the commit and push hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from mlrepo.checker.breach import Breach
from mlrepo.checker.check import check
from mlrepo.checker.docket import Docket
from mlrepo.checker.report import Report, Result
from mlrepo.checker.scope import Scope
from mlrepo.checker.walk.submitter import judge_entry
from mlrepo.findings import Finding
from mlrepo.rounds import Place, Round
from mlrepo.tree import Kind, Tree

# The directories whose files belong to one result each, by system, benchmark and scenario.
_OF_RESULTS = ("results", "measurements", "compliance")
_CODE = ("code", "src")
_MAPPING = "model_mapping.json"


@dataclass
class _Touched:
    """What changed paths belong to.

    Attributes
    ----------
    paths:
        The changed paths below a division.
    results:
        Directories below ``results`` whose own files changed: one result or more each.
    referring:
        Directories below ``results`` that read a changed file from elsewhere: the description of
        the system, the mapping of models, the code.
    """

    paths: set[str] = field(default_factory=set)
    results: set[str] = field(default_factory=set)
    referring: set[str] = field(default_factory=set)


def check_changes(
    tree: Tree, round: Round, paths: Iterable[str], *, before: Callable[[], Tree | None]
) -> Report:
    """Return the findings and results that the changed paths are responsible for.

    A result counts as changed if any of its own files did: logs, measurements, compliance. It is
    judged as a whole, with the description of its system. For a changed file that results only
    refer to (a system's description, the code), a finding counts only if it is new.

    Parameters
    ----------
    tree:
        What is to be committed or pushed.
    round:
        The round whose rules apply.
    paths:
        Files that were added, changed or removed, from the root of the tree.
    before:
        Returns the tree before the change, None if there was none; called only when needed.
    """
    touched = _touched(tree, round, paths)
    results: dict[str, Result] = {}
    findings: dict[Finding, None] = {}
    for unit in sorted(touched.results):
        report = check(tree, round, only=unit)
        results |= {r.path: r for r in report.results if _at_or_below(r.path, unit)}
        findings |= dict.fromkeys(_of_unit(report, unit))
    for unit in sorted(touched.referring):
        found = dict.fromkeys(check(tree, round, only=unit).all_findings())
        if any(finding.breaks_strict or finding.breaks_official for finding in found):
            earlier = before()
            known = set(check(earlier, round, only=unit).all_findings()) if earlier else set()
            findings |= {finding: None for finding in found if finding not in known}
    findings |= dict.fromkeys(_of_names(tree, round, touched.paths, before))
    return Report(round.name, tuple(results.values()), tuple(findings))


def _touched(tree: Tree, round: Round, paths: Iterable[str]) -> _Touched:
    touched = _Touched()
    for path in paths:
        division, submitter, kind, name = [*path.split("/", 3), "", "", ""][:4]
        if division not in round.tables["divisions"] or not submitter:
            continue
        touched.paths.add(path)
        root = f"{division}/{submitter}"
        if kind in _OF_RESULTS and name:
            touched.results.add("/".join([root, "results", *name.split("/")[:3]]))
        elif kind == "systems" and name.endswith(".json"):
            touched.referring.add(f"{root}/results/{name.removesuffix('.json')}")
        elif kind == _MAPPING or (kind in _CODE and _may_be_missed(tree, root, kind, name)):
            touched.referring.add(f"{root}/results")
    return touched


def _may_be_missed(tree: Tree, root: str, kind: str, name: str) -> bool:
    """Say whether code that results refer to may be gone.

    Its directory is missing, or what changed has taken its place: a link, or a file that names
    other code.
    """
    directory = f"{root}/src" if kind == "src" else f"{root}/code/{name.partition('/')[0]}"
    entry = tree.entry(directory)
    return entry is None or entry.kind is not Kind.DIRECTORY


def _of_unit(report: Report, unit: str) -> Iterator[Finding]:
    """Yield a changed unit's findings besides its results': on its system, on what is missing."""
    judged = {result.path for result in report.results}
    division, submitter, _, system = unit.split("/")[:4]
    description = f"{division}/{submitter}/systems/{system}.json"
    for finding in report.findings:
        below = _at_or_below(finding.path, unit)
        # A required scenario that is there but invalid has its own findings.
        if finding.path == description or (below and finding.path not in judged):
            yield finding


def _of_names(
    tree: Tree, round: Round, paths: Iterable[str], before: Callable[[], Tree | None]
) -> list[Finding]:
    """Judge the changed files' names, kinds and sizes, and the names of new directories."""
    found: list[Finding] = []
    judged: set[str] = set()
    for path in sorted(paths):
        names = path.split("/")
        for depth in range(2, len(names) + 1):
            at = "/".join(names[:depth])
            entry = None if at in judged else tree.entry(at)
            judged.add(at)
            if entry is None:
                continue
            docket = Docket(Scope(tree, round, Place(names[0], names[1], "", "")))
            if depth > 2:
                docket.record(judge_entry(docket.scope, at, entry))
            elif entry.kind is Kind.FILE:
                message = "The file does not belong to a submitter."
                docket.record([Breach("tree-division-files", at, message)])
            if docket.findings and entry.kind is Kind.DIRECTORY:
                earlier = before()
                if earlier is not None and earlier.entry(at) is not None:
                    continue
            found += docket.findings
    return found


def _at_or_below(path: str, unit: str) -> bool:
    return f"{path}/".startswith(f"{unit}/")
