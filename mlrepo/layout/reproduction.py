"""The command that repeats a recorded run, and what the run was made with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlrepo.record import RunRecord


def bench_command(record: RunRecord, user_conf: str = "user.conf") -> tuple[str, ...]:
    """Return the command that makes the run again in the repository of :func:`init_command`.

    ``user_conf`` is the file with its LoadGen settings. A compliance test follows its performance
    run and takes that run's settings. Of a model file the name is known, not where it is.
    """
    # Slow to import, and most users of this room write no command.
    from mlrepo.record.first_requests import repeated_run
    from mlrepo.record.plans import CompliancePlan, RunPlan
    from mlrepo.record.request import Request, argv
    from mlrepo.record.run_request import Where

    run = repeated_run(record)
    where = Where(platform=record.platform if record.platform != "none" else "")
    if run.model_file is not None:
        run = replace(run, model_file=Path(run.model_file.name))
    if record.test:
        return argv(Request(CompliancePlan((record.test,)), run, where))
    return argv(Request(RunPlan(), replace(run, user_conf=Path(user_conf)), where))


def init_command(record: RunRecord) -> tuple[str, ...]:
    """Return the command that makes a results repository in which the run can be repeated."""
    return (
        "mlrepo",
        "init",
        "results",
        "--submitter",
        record.submitter,
        "--division",
        record.division,
        "--category",
        record.category,
        "--round",
        record.round,
        "--system",
        record.system,
    )
