"""Compare a submission's system descriptions with the machines that its runs were measured on.

The files of a submission do not name those machines, but the records of its runs do, in a
repository that has them. Records are found by the place of a run and the digest of its log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlrepo.checker.report import Report
from mlrepo.checker.rules import RULES
from mlrepo.digest import sha256_bytes
from mlrepo.findings import Finding
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.layout.files import logs_directory, place_of
from mlrepo.record import IMPORTED_TAG, RunRecord
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import readable_record, recorded_runs
from mlrepo.rounds import Round
from mlrepo.rounds.system_problems import parse_description
from mlrepo.systems.hardware import unlike_record
from mlrepo.tree import Missing, Tree

# The only rule whose findings come from records.
MACHINE_RULE = "system-not-this-machine"
_LARGEST = 64 << 20


def with_machines(
    report: Report, repository: ResultsRepository | None, tree: Tree, round_: Round
) -> Report:
    """Return the report with a warning for each description that contradicts the record of a run.

    ``repository`` is the one with the runs; without a results repository nothing is added.
    """
    if repository is None or not repository.settings_file.exists():
        return report
    found: dict[tuple[str, str], list[str]] = {}
    for record in _runs_in(report, repository, tree, round_):
        path = str(round_.layout.system_file(place_of(record)))
        for words in _unlike(tree, path, record):
            found.setdefault((path, words), []).append(record.run)
    rule = RULES[MACHINE_RULE]
    warnings = [
        Finding(
            MACHINE_RULE,
            rule.severity,
            path,
            f"{words} of {', '.join(ids)}.",
            hint=rule.hint,
            breaks_strict=False,
        )
        for (path, words), ids in found.items()
    ]
    return replace(report, findings=(*report.findings, *warnings)) if warnings else report


def _runs_in(
    report: Report, repository: ResultsRepository, tree: Tree, round_: Round
) -> Iterator[RunRecord]:
    """Yield the records of the runs whose logs are those of the results in the tree."""
    paths = {result.path for result in report.results}
    digests: dict[str, str] = {}
    for run in recorded_runs(repository) if paths else ():
        if run.trailer("Placed") not in paths or IMPORTED_TAG in run.tags:
            continue
        record = readable_record(repository, run, {})
        log = record.logs.get(DETAIL_LOG) if record else None
        if record is None or log is None or record.round != round_.name:
            continue
        path = f"{logs_directory(record, place_of(record), round_)}/{DETAIL_LOG}"
        if path not in digests:
            digests[path] = _digest(tree, path)
        if digests[path] == log.sha256:
            yield record


def _digest(tree: Tree, path: str) -> str:
    try:
        return sha256_bytes(tree.read(path, _LARGEST))
    except (Missing, ValueError):
        return ""


def _unlike(tree: Tree, path: str, record: RunRecord) -> Iterator[str]:
    try:
        description = parse_description(tree.read(path, _LARGEST))
    except (Missing, ValueError):
        return  # the checker reports it
    for words in unlike_record(description, record):
        yield f"This is not the machine that was measured: {words}"
    if then := [one.field for one in record.host.description.contradictions]:
        yield f"--any-system overruled {', '.join(then)} in the record"
