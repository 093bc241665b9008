"""Import the rows of a summary as published results without logs.

A row is not a run: nobody knows here when it ran, how long, or with which seeds. Its record says so
by its verdict, ``PUBLISHED``, and has nothing that the summary does not say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from mlrepo.errors import UserError
from mlrepo.exchange.imported import Importer
from mlrepo.exchange.imported_masks import (
    add_counts,
    kinds_in,
    masked_files,
    refuse_secret_names,
)
from mlrepo.exchange.imported_record import backend_name, published_configuration
from mlrepo.exchange.imported_run import ImportedRun, SkippedLogs, run_to_import
from mlrepo.exchange.summaries import LARGEST, SUMMARIES, SummaryRow, read_summary
from mlrepo.record import (
    ACCURACY,
    IMPORTED_TAG,
    PERFORMANCE,
    PUBLISHED,
    SUMMARY_TAG,
    UNDATED,
    BackendFacts,
    HostFacts,
    Metric,
    ModelFacts,
    Placement,
    RunRecord,
    SourceFacts,
    timestamp,
    undated_run_id,
)
from mlrepo.tree import Missing, Tree

ROW_FILE = "summary_row.json"
"""The file of such a record that has the row as it is in the summary."""
_POWER = "power"


def summary_in(tree: Tree) -> str:
    """Return the name of the summary at the top of a published repository; '' if it has none."""
    return next((name for name in SUMMARIES if tree.entry(name) is not None), "")


def summary_runs(importer: Importer, name: str, submitter: str = "") -> Iterator[ImportedRun]:
    """Yield two records of each row: its performance, and its accuracy if the row has one.

    What is left out is noted in ``importer.left_out``.

    Parameters
    ----------
    name:
        The summary in the importer's tree.
    submitter:
        Only the results of this one; '' for all.

    Raises
    ------
    UserError
        It is no summary of the round, or a name in it is a secret.
    """
    try:
        data = importer.tree.read(name, LARGEST + 1)
    except Missing as error:
        raise UserError(f"{name} {error}.", hint="Check the file's permissions.") from error
    summary = read_summary(data, name, importer.round, submitter)
    importer.left_out.extend(summary.left_out)
    kinds = kinds_in([data])
    for row in summary.rows:
        power = {} if row.power is None else {_POWER: row.power}
        runs = [_imported(importer, row, PERFORMANCE, row.result, power, kinds)]
        for score in [*row.scores.values()][:1]:
            runs.append(_imported(importer, row, ACCURACY, score, row.scores, kinds))
        made = [run for run in runs if run is not None]
        refuse_secret_names(made)
        yield from made


def _imported(
    importer: Importer,
    row: SummaryRow,
    mode: str,
    result: Metric,
    metrics: Mapping[str, Metric],
    kinds: list[str],
) -> ImportedRun | None:
    """Return the record of a row; None, with the reason in ``left_out``, if there can be none."""
    text = json.dumps(row.rows, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    files, redactions = masked_files(
        {ROW_FILE: text.encode("utf-8", "backslashreplace")}, "", kinds
    )
    system, masks = _masked(row.system, kinds)
    add_counts(redactions, masks)
    began = timestamp(UNDATED)
    framework = system.get("framework", "")
    made = RunRecord(
        run=undated_run_id(f"summary/{row.path}/{mode}/".encode() + files[ROW_FILE]),
        started=began,
        ended=began,
        experiment=importer.experiment,
        round=importer.round.name,
        division=row.place.division,
        submitter=row.place.submitter,
        category=row.category,
        system=row.place.system,
        sut=row.place.system,
        benchmark=row.place.benchmark,
        scenario=row.place.scenario,
        mode=mode,
        validity=PUBLISHED,
        result=result,
        metrics=metrics,
        reasons=row.remarks,
        tags=(IMPORTED_TAG, SUMMARY_TAG),
        model=ModelFacts(weight_data_types=row.weights),
        backend=BackendFacts(name=backend_name(framework), framework=framework),
        host=HostFacts.well_formed(system),
        source=SourceFacts(imported=importer.label, path=row.path),
        configuration=published_configuration(importer.round, row.place, framework, row.weights),
        placement=Placement(placed=False, reason=f"imported from {importer.label}"),
        redactions=redactions,
        tool=importer.tool,
    )
    try:
        return run_to_import(made, files, "The row", {})
    except UserError as error:
        importer.left_out.append(SkippedLogs(row.path, error.message))
        return None


def _masked(
    system: Mapping[str, str], kinds: list[str]
) -> tuple[Mapping[str, str], Mapping[str, int]]:
    if not kinds:
        return system, {}
    files, counts = masked_files({name: text.encode() for name, text in system.items()}, "", kinds)
    return {name: data.decode() for name, data in files.items()}, counts
