"""Whether a run may stand in the round's layout, and which files that takes."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mlrepo.bench.audit import TEST01
from mlrepo.bench.verify import VERIFY_ACCURACY, VERIFY_PERFORMANCE
from mlrepo.differences import configuration, differing
from mlrepo.errors import MlrepoError
from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG, USER_CONF_FILE
from mlrepo.paths import RepoPath
from mlrepo.record import ACCURACY, MODES, PERFORMANCE, PROBE_TAG, VALID, Placement, RunRecord
from mlrepo.rounds import Place, Round

ACCURACY_TEXT = "accuracy.txt"


class TreeView(Protocol):
    """What placement needs to know of the tree at the tip of the experiment branch."""

    def blob_id(self, path: RepoPath) -> str | None:
        """Return the object id of a file, or None."""

    def read(self, path: RepoPath) -> bytes | None:
        """Return the content of a file, or None."""

    def run_ids(self) -> Iterable[str]:
        """Return the ids of the recorded runs, newest first."""


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
    """Decide on a run and lay out its files.

    A run is eligible when it is VALID, belongs to the division, and has the configuration of the
    runs that stand in the same result already. A newer eligible run takes the place of an older
    one of the same mode; the older one stays in ``runs/`` and in history. ``follows`` is the
    official benchmark whose rules one of another name follows.
    """
    place = Place(record.division, record.submitter, record.sut, record.benchmark, record.scenario)
    directory = round_.result_directory(place)
    refusal = _refusal(record, round_, tip, place)
    if record.validity not in (VALID, "INVALID") or (refusal and not force):
        return PlacedFiles(Placement(placed=False, reason=refusal), {}, {})
    placement = Placement(placed=True, path=str(directory), reason=refusal, forced=bool(refusal))
    if record.test:
        target = round_.test_directory(place, record.test)
        placement = dataclasses.replace(placement, path=str(target))
        return PlacedFiles(placement, _test_links(record, target), {})
    return PlacedFiles(
        placement,
        _links(record, round_, tip, place),
        {
            round_.measurements_file(place): _measurements(record),
            round_.measurements_directory(place) / "README.md": _readme(record),
            round_.system_file(place): _system(record, system_json),
            **_mapping(record, round_, tip, follows),
            **_code(record, round_, tip, place),
        },
    )


def _refusal(record: RunRecord, round_: Round, tip: TreeView, place: Place) -> str:
    if record.validity != VALID:
        return f"the run is {record.validity}"
    if PROBE_TAG in record.tags:
        return "the run is a probe of the peak search"
    noise = record.load.get("noise") or {}
    if noise.get("required_quiet") and noise.get("disturbances"):
        return f"the machine was not quiet: {'; '.join(noise['disturbances'])}"
    if not round_.allows(record.division, record.category, record.benchmark, record.scenario):
        return (
            f"{record.benchmark} {record.scenario} does not belong to the {record.division} "
            f"division ({record.category}) of {round_.name}"
        )
    for mode in MODES:
        try:
            other = _run_standing_in(round_.run_directory(place, mode), tip)
        except MlrepoError as error:  # such as one that a newer mlrepo recorded
            return f"the {mode} run in the same result cannot be compared: {error.message}"
        if other is not None and other.configuration != record.configuration:
            return (
                f"the {mode} run {other.run} in the same result has another configuration "
                f"({_difference(other, record)})"
            )
        if mode in record.reference and (other is None or other.run != record.reference[mode]):
            return (
                f"the {mode} run {record.reference[mode]} that {record.test} was verified against "
                "does not stand in the result"
            )
    return ""


def _run_standing_in(directory: RepoPath, tip: TreeView) -> RunRecord | None:
    """Return the recorded run whose detail log stands in ``directory``: they share the blob."""
    placed = tip.blob_id(directory / DETAIL_LOG)
    if placed is None:
        return None
    for run_id in tip.run_ids():
        if tip.blob_id(RepoPath(("runs", run_id, DETAIL_LOG))) == placed:
            data = tip.read(RepoPath(("runs", run_id, "run.json")))
            return None if data is None else RunRecord.from_json(data)
    return None


def _difference(first: RunRecord, second: RunRecord) -> str:
    """Name what differs between two configurations, for people."""
    found = differing([[configuration(first)], [configuration(second)]])
    return ", ".join(difference.name for difference in found) or "see run.json"


def _code(record: RunRecord, round_: Round, tip: TreeView, place: Place) -> dict[RepoPath, bytes]:
    """Say which code ran the benchmark; a README of the user's own stays."""
    path = round_.code_readme(place)
    if tip.blob_id(path) is not None:
        return {}
    text = (
        f"# Code of {record.benchmark}\n\n"
        f"The benchmark runs through mlrepo ({record.tool}; Apache-2.0): its LoadGen harness, the "
        f"backend `{record.backend.get('name', '')}` and the benchmark's own pre- and "
        "post-processing are that package.\n\n"
        "Each result's README.md names the run that stands in it. To run one again with the same "
        "settings, model and data:\n\n"
        "```\nmlrepo bench replay RUN\n```\n"
    )
    return {path: text.encode()}


def _mapping(
    record: RunRecord, round_: Round, tip: TreeView, follows: str
) -> dict[RepoPath, bytes]:
    """Say which official benchmark one of another name follows, as the open division wants it.

    Source: ``model_mapping.json`` in the submission checkers since v3.0. What the file says of
    other names, or already of this one, stays.
    """
    known = round_.official_benchmark(record.benchmark) or not follows
    if record.division != "open" or round_.version < (3, 0) or known:
        return {}
    path = RepoPath((record.division, record.submitter, "model_mapping.json"))
    try:
        before = json.loads(tip.read(path) or b"{}")
    except ValueError:  # somebody's own, which the checker will speak of
        return {}
    if not isinstance(before, dict) or record.benchmark in before:
        return {}
    return {path: _json({**before, record.benchmark: follows})}


def _links(
    record: RunRecord, round_: Round, tip: TreeView, place: Place
) -> dict[RepoPath, RepoPath]:
    run = RepoPath(("runs", record.run))
    target = round_.run_directory(place, record.mode)
    names = [SUMMARY_LOG, DETAIL_LOG]
    if record.mode == ACCURACY:
        names += [ACCURACY_LOG, ACCURACY_TEXT]
    links = {target / name: run / name for name in names}
    conf = round_.measurements_directory(place) / USER_CONF_FILE
    # The user.conf that stands in a result is that of its performance run.
    if record.mode == PERFORMANCE or tip.blob_id(conf) is None:
        links[conf] = run / USER_CONF_FILE
    return links


def _test_links(record: RunRecord, target: RepoPath) -> dict[RepoPath, RepoPath]:
    """Lay out a compliance test; which files it has depends on the test."""
    run = RepoPath(("runs", record.run))
    names = {SUMMARY_LOG: "performance/run_1", DETAIL_LOG: "performance/run_1"}
    if record.test != "TEST04-B":  # TEST04-A speaks for both
        names[VERIFY_PERFORMANCE] = ""
    if record.test == TEST01:
        names |= {VERIFY_ACCURACY: "", ACCURACY_LOG: "accuracy", ACCURACY_TEXT: "accuracy"}
    return {
        RepoPath.parse("/".join(filter(None, (str(target), folder, name)))): run / name
        for name, folder in names.items()
    }


def _measurements(record: RunRecord) -> bytes:
    fields = (
        "input_data_types",
        "retraining",
        "starting_weights_filename",
        "weight_data_types",
        "weight_transformations",
    )
    return _json({field: record.model.get(field, "") for field in fields})


def _readme(record: RunRecord) -> bytes:
    command = shlex.join(record.argv)
    model, data = record.model, record.dataset
    return (
        f"# {record.benchmark} {record.scenario} on {record.sut}\n\n"
        f"Measured by mlrepo ({record.tool}), run `{record.run}`, with the command\n\n"
        f"```\n{command}\n```\n\n"
        f"- Framework: {record.backend.get('framework', '')}\n"
        f"- Model: {model.get('file', '')}, SHA-256 `{model.get('sha256', '')}`\n"
        f"- Data set: {data.get('name', '')}, {data.get('samples', '')} samples, SHA-256 "
        f"`{data.get('fingerprint', '')}`\n"
        f"- LoadGen: {record.loadgen.get('version', '')}\n\n"
        "The run's settings stand in user.conf beside this file.\n"
    ).encode()


def _system(record: RunRecord, system_json: bytes) -> bytes:
    description: dict[str, Any] = json.loads(system_json)
    description |= {
        "division": record.division,
        "submitter": record.submitter,
        "framework": record.backend.get("framework", ""),
    }
    return _json(description)


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=4, ensure_ascii=False) + "\n").encode()
