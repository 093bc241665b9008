"""Decide whether a run may be placed in the round's layout, and lay out its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from mlrepo.errors import MlrepoError, UserError
from mlrepo.harness.spec import DETAIL_LOG, USER_CONF_FILE
from mlrepo.layout.documents import (
    code_readme,
    measurements,
    model_mapping,
    result_readme,
    system_description,
)
from mlrepo.layout.eligibility import difference, why_no_result, why_not_eligible
from mlrepo.layout.files import logs_of, place_of, user_conf_path
from mlrepo.paths import RepoPath
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record import MODES, PERFORMANCE, VALID, Placement, RunRecord
from mlrepo.record.forms import plain_text
from mlrepo.repository.acts import ACTS, curated, curated_record, read_act
from mlrepo.repository.trailers import run_trailers
from mlrepo.rounds import Place, Round

# What malformed content raises; a lock, a full disk or a concurrent gc raise others.
UNFIT = (UserError, ValueError, TypeError, AttributeError, LookupError, RecursionError)


class TreeView(Protocol):
    """The view of the tree at the experiment branch's tip that placement needs."""

    def blob_id(self, path: RepoPath) -> str | None:
        """Return the object id of a file, or None."""

    def read(self, path: RepoPath) -> bytes | None:
        """Return the content of a file, or None."""

    def run_ids(self) -> Iterable[str]:
        """Return the ids of the recorded runs, newest first."""

    def entries(self, path: RepoPath) -> Iterable[str]:
        """Return the names in a directory; none if there is none."""


@dataclass(frozen=True)
class PlacedFiles:
    """The verdict, and what to add to the tree: links to the run's own files, and new files."""

    placement: Placement
    links: Mapping[RepoPath, RepoPath]
    files: Mapping[RepoPath, bytes]


def place_run(
    record: RunRecord,
    round_: Round,
    tip: TreeView,
    *,
    system_json: bytes,
    force: bool,
    follows: str = "",
) -> PlacedFiles:
    """Decide on a run as :func:`decide_placement` does, and lay out its files.

    ``follows`` is the official benchmark whose rules a benchmark of another name follows.
    """
    placement = decide_placement(
        record, round_, lambda directory: _run_standing_in(directory, tip), force=force
    )
    if not placement.placed:
        return PlacedFiles(placement, {}, {})
    return lay_out(record, round_, tip, placement, system_json=system_json, follows=follows)


def decide_placement(
    record: RunRecord,
    round_: Round,
    standing: Callable[[RepoPath], RunRecord | None],
    *,
    force: bool,
) -> Placement:
    """Decide whether a run gets a place.

    A run is eligible if it is VALID, belongs to the division, and has the configuration of the runs
    already placed in the same result. A newer eligible run replaces an older one of the same mode;
    the older one stays in ``runs/`` and in history. ``standing`` returns the run whose logs are in
    a directory of the layout.
    """
    place = place_of(record)
    no_result = why_no_result(record, round_)
    refusal = no_result or _refusal(record, round_, standing, place)
    impossible = no_result or record.validity not in (VALID, "INVALID")
    if impossible or (refusal and not force):
        return Placement(placed=False, reason=refusal)
    directory = (
        round_.layout.test_directory(place, record.test)
        if record.test
        else round_.layout.result_directory(place)
    )
    return Placement(placed=True, path=str(directory), reason=refusal, forced=bool(refusal))


def lay_out(
    record: RunRecord,
    round_: Round,
    tip: TreeView,
    placement: Placement,
    *,
    system_json: bytes,
    follows: str = "",
) -> PlacedFiles:
    """Return the files of a run that has a place."""
    place = place_of(record)
    links = _links(record, round_, tip)
    if record.test:
        return PlacedFiles(placement, links, {})
    return PlacedFiles(
        placement,
        links,
        {
            round_.layout.measurements_file(place): measurements(record),
            round_.layout.measurements_directory(place) / "README.md": result_readme(
                [record], record.scenario
            ),
            round_.layout.system_file(place): system_description(record, system_json),
            **_mapping(record, round_, tip, follows),
            **_code(record, round_, tip, place),
        },
    )


def place_or_say_why(
    record: RunRecord,
    round_: Round,
    tip: TreeView,
    *,
    system_json: bytes,
    force: bool,
    follows: str = "",
) -> PlacedFiles:
    """Place a run as :func:`place_run` does; if its files cannot be laid out, leave it unplaced."""
    try:
        return place_run(record, round_, tip, system_json=system_json, force=force, follows=follows)
    except UNFIT as error:
        why = error.message if isinstance(error, UserError) else repr(error)
        reason = plain_text(f"its files cannot be laid out: {why}")
        return PlacedFiles(Placement(placed=False, reason=reason), {}, {})


def followed_benchmark(workload: str) -> str:
    """Return the official benchmark that a workload follows; '' if its package is gone."""
    try:
        return str(load_plugin(WORKLOADS, workload).follows)
    except UserError:
        return ""


def _refusal(
    record: RunRecord,
    round_: Round,
    standing: Callable[[RepoPath], RunRecord | None],
    place: Place,
) -> str:
    refusal = why_not_eligible(record, round_)
    if refusal:
        return refusal
    for mode in MODES:
        directory = round_.layout.run_directory(place, mode)
        try:
            other = standing(directory)
        except MlrepoError as error:  # for example, recorded by a newer mlrepo
            return f"the {mode} run in the same result cannot be compared: {error.message}"
        if other is not None and other.configuration != record.configuration:
            return (
                f"the {mode} run {other.run} in the same result has another configuration "
                f"({difference(other, record)})"
            )
        if mode in record.reference and (other is None or other.run != record.reference[mode]):
            return (
                f"the {mode} run {record.reference[mode]} that {record.test} was verified against "
                "does not stand in the result"
            )
    return ""


def _run_standing_in(directory: RepoPath, tip: TreeView) -> RunRecord | None:
    """Return the recorded run whose detail log is in ``directory``: they share the blob.

    One that was withdrawn stands nowhere: merged branches may still have its log there.
    """
    placed = tip.blob_id(directory / DETAIL_LOG)
    if placed is None:
        return None
    for run_id in tip.run_ids():
        if tip.blob_id(RepoPath(("runs", run_id, DETAIL_LOG))) == placed:
            return _record_of(RepoPath(("runs", run_id)), tip)
    return None


def _record_of(directory: RepoPath, tip: TreeView) -> RunRecord | None:
    """Return the record of a run as the acts on it have changed it; None if it was withdrawn."""
    data = tip.read(directory / "run.json")
    if data is None:
        return None
    record = RunRecord.from_json(data)
    files = (directory / ACTS / name for name in tip.entries(directory / ACTS))
    acts = (read_act(file, tip.read(file) or b"") for file in files)
    trailers, curation = curated(run_trailers(record), [act for act in acts if act is not None])
    return None if curation.hidden else curated_record(record, trailers, curation)


def _code(record: RunRecord, round_: Round, tip: TreeView, place: Place) -> dict[RepoPath, bytes]:
    """Say which code ran the benchmark; keep a README of the user's own."""
    path = round_.layout.code_readme(place)
    return {path: code_readme([record])} if tip.blob_id(path) is None else {}


def _mapping(
    record: RunRecord, round_: Round, tip: TreeView, follows: str
) -> dict[RepoPath, bytes]:
    """Map a benchmark of another name to the official one it follows, as open requires.

    Source: ``model_mapping.json`` in the submission checkers since v3.0. Existing entries are kept.
    """
    if record.division != "open":
        return {}
    path = RepoPath((record.division, record.submitter, "model_mapping.json"))
    try:
        before = json.loads(tip.read(path) or b"{}")
    except ValueError:  # malformed; the checker reports it
        return {}
    if not isinstance(before, dict) or record.benchmark in before:
        return {}
    text = model_mapping(before, {record.benchmark: follows}, round_)
    return {} if text is None else {path: text}


def _links(record: RunRecord, round_: Round, tip: TreeView) -> dict[RepoPath, RepoPath]:
    run = RepoPath(("runs", record.run))
    place = place_of(record)
    links = {target: run / name for target, name in logs_of(record, place, round_).items()}
    conf = user_conf_path(place, round_)
    # The user.conf in a result is that of its performance run.
    if not record.test and (record.mode == PERFORMANCE or tip.blob_id(conf) is None):
        links[conf] = run / USER_CONF_FILE
    return links
